//! What a handler calls ends with it.

use super::*;

#[tokio::test]
async fn rq_6_the_handler_is_dropped_at_the_deadline_of_a_client_that_says_nothing_else() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let client = client_of(&app).with_timeout(Duration::from_millis(40));
    let error = client.send::<_, Value>("work", &()).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::Maybe)));
    marks.until(|marks| marks == (1, 0, 1)).await;
    app.close().await;
}

#[tokio::test]
async fn rq_6_what_a_handler_calls_inherits_what_is_left() {
    let (work, gateway) = both().await;
    let client = client_of(&gateway).with_timeout(Duration::from_millis(400));
    let left: Option<u64> = client.send("gateway.left", &false).await.unwrap();
    assert!((1..=400).contains(&left.expect("it is told")), "{left:?}");
    // A task of the handler's own is on its own.
    let left: Option<u64> = client.send("gateway.left", &true).await.unwrap();
    assert!(left.expect("it has its own timeout") > 10_000, "{left:?}");
    // Whichever ends first, the caller reads the same.
    let mut peer = Peer::connect(gateway.address("tcp").unwrap()).await;
    for _ in 0..5 {
        peer.send_frames(&[r#"{"pattern":"gateway.work","id":1,"metadata":{"nestrs-timeout-ms":"20"}}"#]).await;
        peer.expect(&frame(TIMED_OUT)).await;
    }
    drop(peer);
    // The innermost handler ends with the outermost caller.
    let marks = work.get::<Marks>().unwrap();
    let error = client.send::<_, Value>("gateway.work", &()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    marks.until(|marks| marks == (6, 0, 6)).await;
    gateway.close().await;
    work.close().await;
}

#[tokio::test]
async fn rq_6_a_stream_inherits_the_end_of_the_handler_that_reads_it() {
    let work = serve::<WorkModule>().await;
    let client = client_of(&work);
    let reading = with_deadline(Instant::now() + Duration::from_millis(60), async {
        let mut items = client.send_stream::<_, u32>("ticks", &()).await.unwrap();
        loop {
            if let Err(error) = items.next().await.expect("an error comes before the end") {
                break error;
            }
        }
    });
    let error = tokio::time::timeout(PATIENCE, reading).await.expect("it ends");
    // Either end may be the first to notice.
    let by_server = error.message == "Request timed out";
    assert!(by_server || (error.kind(), error.sent()) == (ErrorKind::Timeout, Some(Sent::Maybe)), "{error:?}");
    work.close().await;
}

#[tokio::test]
async fn rq_6_an_http_route_with_a_timeout_ends_and_hands_on_what_is_left() {
    let (work, gateway) = both().await;
    let address = gateway.address("http").unwrap();
    let (status, left) = support::http::get(address, "/gateway/left").await;
    assert_eq!(status, 200);
    assert!((1..=300).contains(&left.as_u64().expect("it is told")), "{left}");
    // Whether the handler ends first or what it calls.
    for path in ["/gateway/work", "/gateway/hang"] {
        let (status, body) = support::http::get(address, path).await;
        assert_eq!((status, &body["message"]), (504, &Value::from("Request timed out")));
    }
    gateway.close().await;
    work.close().await;
}

#[tokio::test]
async fn rq_6_subscribers_that_are_waited_for_inherit_and_others_do_not() {
    let app = serve::<WorkModule>().await;
    let client = client_of(&app).with_timeout(Duration::from_millis(400));
    let left: Vec<Option<u64>> = client.send("bus", &()).await.unwrap();
    assert!(left[0].is_some_and(|left| left <= 400), "{left:?}");
    assert_eq!(left[1], None);
    app.close().await;
}
