//! The examples that follow pages of NestJS's documentation: what each says at its top that is seen, is seen.

mod support;

use tokio::io::{AsyncBufReadExt, BufReader};

use support::process::{PATIENCE, documented, exchange, free_port, get, post, signal, start, terminate};
use support::raw::{Peer, frame};

/// Sends each packet to a port, and reads what should be answered to it.
async fn answers(port: &str, packets: &[(&str, &str)]) {
    let mut peer = Peer::connect(&format!("127.0.0.1:{port}")).await;
    for (packet, answer) in packets {
        peer.send_frames(&[packet]).await;
        peer.expect(&frame(answer)).await;
    }
}

/// The bodies of responses are the lines of a block.
fn assert_answers(block: &[String], received: impl IntoIterator<Item = (u16, String)>) {
    let received: Vec<_> = received.into_iter().map(|(_, body)| body).collect();
    assert_eq!(received, block);
}

#[tokio::test]
async fn lifecycle_hooks_run_in_order_around_the_last_call() {
    let port = free_port().await;
    let mut child = start("lifecycle", &[("PORT", &port)]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let [expected] = &documented("lifecycle")[..] else { panic!("one block") };
    let expected: Vec<_> = expected.iter().map(|line| line.replace("3000", &port)).collect();
    let mut printed = Vec::new();
    let reading = async {
        let mut call = None;
        while let Some(line) = lines.next_line().await.unwrap() {
            match &*line {
                line if line.starts_with("listening") => {
                    let port = port.clone();
                    call = Some(tokio::spawn(async move { get(&port, "/orders/pack").await }));
                }
                // The call is under way.
                "packing" => signal(&child, "-INT").await,
                _ => {}
            }
            printed.push(line);
        }
        call.expect("it has listened").await.unwrap()
    };
    let answer = tokio::time::timeout(PATIENCE, reading).await.expect("it ends in time");
    assert_eq!(answer, (200, "true".to_owned()), "the database was still there");
    assert_eq!(printed, expected);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn module_ref_finds_the_way_to_pay_by_its_name() {
    let port = free_port().await;
    let child = start("module_ref", &[("PORT", &port)]);
    let order = |method: &str| format!(r#"{{"method":"{method}","cents":500}}"#);
    let received = [
        exchange(&port, "POST", "/checkout", &[("x-customer", "Ada")], &order("card")).await,
        post(&port, "/checkout", &order("voucher")).await,
        post(&port, "/checkout", &order("invoice")).await,
        post(&port, "/checkout", &order("cheque")).await,
    ];
    assert_eq!(received.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 200, 400]);
    assert_answers(&documented("module_ref")[0], received);
    answers(
        &port,
        &[
            (
                r#"{"pattern":"checkout","data":{"method":"card","cents":100},"id":"1","metadata":{"x-customer":"Tom"}}"#,
                r#"{"response":{"receipt":5,"customer":"Tom","paid":"100 cents by card, 2 of them for the bank"},"isDisposed":true,"id":"1"}"#,
            ),
            (
                r#"{"pattern":"checkout","data":{"method":"cheque","cents":100},"id":"2"}"#,
                r#"{"err":{"status":"error","message":"`cheque` is not taken here"},"isDisposed":true,"id":"2"}"#,
            ),
        ],
    )
    .await;
    assert_eq!(terminate(child).await.0, Some(0));
}

#[tokio::test]
async fn discovery_finds_indicators_and_handlers_by_their_metadata() {
    let port = free_port().await;
    let child = start("discovery", &[("PORT", &port)]);
    let received = [get(&port, "/health").await, get(&port, "/handlers").await];
    assert_answers(&documented("discovery")[0], received);
    assert_eq!(terminate(child).await.0, Some(0));
}

#[tokio::test]
async fn guards_let_in_whom_they_say_over_http_and_by_message() {
    let port = free_port().await;
    let child = start("guards", &[("PORT", &port)]);
    let ask = async |method: &str, path: &str, token: &str| {
        let header = format!("Bearer {token}");
        exchange(&port, method, path, &[("authorization", &header)], "").await
    };
    let received = [
        get(&port, "/cats").await,
        get(&port, "/cats/me").await,
        ask("GET", "/cats/me", "tom").await,
        ask("POST", "/cats/feed", "tom").await,
        ask("POST", "/cats/feed", "ada").await,
        ask("POST", "/cats/feed", "ada").await,
    ];
    let [answered, explained] = &documented("guards")[..] else { panic!("two blocks") };
    assert_answers(answered, received);
    assert_eq!(ask("GET", "/cats", "eve").await.0, 401, "who says who they are is looked at everywhere");
    answers(
        &port,
        &[
            (r#"{"pattern":"cats.count","id":"1"}"#, r#"{"response":9,"isDisposed":true,"id":"1"}"#),
            (
                r#"{"pattern":"cats.me","id":"2","metadata":{"authorization":"Bearer tom"}}"#,
                r#"{"response":"Tom, visitor","isDisposed":true,"id":"2"}"#,
            ),
            (
                r#"{"pattern":"cats.feed","id":"3","metadata":{"authorization":"Bearer tom"}}"#,
                r#"{"err":{"status":"error","message":"Forbidden resource"},"isDisposed":true,"id":"3"}"#,
            ),
        ],
    )
    .await;
    let (code, log) = terminate(child).await;
    assert_eq!(code, Some(0));
    assert!(log.contains(&explained[0]), "{log}");
}

#[tokio::test]
async fn interceptors_see_calls_come_and_go_and_change_what_is_answered() {
    let port = free_port().await;
    let child = start("interceptors", &[("PORT", &port)]);
    let mut received = Vec::new();
    for path in ["/cats", "/cats", "/cats/asleep", "/cats/lost"] {
        received.push(get(&port, path).await);
    }
    assert_eq!(received.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 504, 502]);
    let [answered, printed] = &documented("interceptors")[..] else { panic!("two blocks") };
    assert_answers(answered, received);
    answers(
        &port,
        &[
            (
                r#"{"pattern":"cats.list","id":"1"}"#,
                r#"{"response":{"data":["Tom","Kitty"]},"isDisposed":true,"id":"1"}"#,
            ),
            (
                r#"{"pattern":"cats.lost","id":"2"}"#,
                r#"{"err":{"message":"the cats cannot be asked","statusCode":502},"isDisposed":true,"id":"2"}"#,
            ),
        ],
    )
    .await;
    let mut peer = Peer::connect(&format!("127.0.0.1:{port}")).await;
    peer.send_frames(&[r#"{"pattern":"cats.watch","id":"3"}"#]).await;
    peer.expect(&frame(r#"{"response":{"data":"Tom"},"id":"3"}"#)).await;
    peer.expect(&frame(r#"{"response":{"data":"Kitty"},"isDisposed":true,"id":"3"}"#)).await;
    let (code, output) = terminate(child).await;
    assert_eq!(code, Some(0));
    assert_eq!(output.lines().take(printed.len()).collect::<Vec<_>>(), *printed);
    assert!(output.contains("after cats.list: from the cache"), "{output}");
}

#[tokio::test]
async fn exception_filters_answer_the_nearest_one_first() {
    let port = free_port().await;
    let child = start("exception_filters", &[("PORT", &port)]);
    let mut received = Vec::new();
    for path in ["/cats/Felix", "/cats/Tom/wake", "/cats"] {
        received.push(get(&port, path).await);
    }
    assert_eq!(received.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [404, 200, 500]);
    let [answered, by_message] = &documented("exception_filters")[..] else { panic!("two blocks") };
    assert_answers(answered, received);
    assert_eq!(get(&port, "/cats/Tom").await.0, 409);
    // The method's filter has the last word, whatever stands further out.
    let (status, body) = get(&port, "/cats/Felix/wake").await;
    assert_eq!((status, body.contains("NO_SUCH_CAT")), (404, false), "{body}");
    answers(
        &port,
        &[
            (r#"{"pattern":"cats.find","data":"Felix","id":"1"}"#, &by_message[0]),
            (
                r#"{"pattern":"cats.wake","data":"Tom","id":"2"}"#,
                r#"{"response":{"name":"Tom","purrs":true},"isDisposed":true,"id":"2"}"#,
            ),
            (
                r#"{"pattern":"cats.all","id":"3"}"#,
                r#"{"err":{"message":"Internal server error","path":"cats.all","statusCode":500},"isDisposed":true,"id":"3"}"#,
            ),
        ],
    )
    .await;
    let (code, log) = terminate(child).await;
    assert_eq!((code, log.contains("hunter2")), (Some(0), false), "errors are on stderr: {log}");
}

/// Its own tests are in `testing_example.rs`.
#[tokio::test]
async fn the_tested_application_runs() {
    let port = free_port().await;
    let child = start("testing", &[("PORT", &port)]);
    assert_eq!(get(&port, "/shop/tea").await, (200, r#"{"left":3}"#.to_owned()));
    answers(
        &port,
        &[(
            r#"{"pattern":"shop.buy","data":"tea","id":"1"}"#,
            r#"{"err":{"status":"error","message":"Forbidden resource"},"isDisposed":true,"id":"1"}"#,
        )],
    )
    .await;
    assert_eq!(terminate(child).await.0, Some(0));
}
