//! A server that means harm, or has lost its mind: it can end its connection, and nothing more.

mod support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use nestrs::Sent;
use nestrs::microservices::Backoff;
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use support::fake::{FakeServer, client, id_of_next_request, read_frame, reply};
use support::raw::{PATIENCE, frame};

fn soon() -> Backoff {
    Backoff { min: Duration::from_millis(1), max: Duration::from_millis(5), ..Backoff::default() }
}

/// Each of these bytes ends the connection at once: the call under way fails, and the next one is served on another.
async fn ends_the_connection(case: &str, bytes: &[u8]) {
    let server = FakeServer::bind().await;
    let client = client(server.options().max_frame_bytes(1_000_000).backoff(soon()));
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, Value>("p", &1).await });
    let mut socket = server.accept().await;
    read_frame(&mut socket).await;
    let started = Instant::now();
    // A client that has seen enough does not read on.
    let _ = socket.write_all(bytes).await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)), "{case}");
    assert!(started.elapsed() < Duration::from_secs(5), "{case}");
    assert!(error.message.len() < 200, "{case}: what it sent is not repeated: {error}");

    let next = client.clone();
    let next = tokio::spawn(async move { next.send::<_, u32>("p", &1).await });
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    reply(&mut socket, &id, r#""response":7,"isDisposed":true"#).await;
    assert_eq!(next.await.unwrap().unwrap(), 7, "{case}");
}

#[tokio::test]
async fn fr_2_a_malformed_header_from_a_server_ends_the_connection() {
    for bytes in
        ["abc#{}", "{}", "#{}", "-1#{}", "99999999999#", "HTTP/1.1 400 Bad Request\r\n\r\n", "0000000000000001"]
    {
        ends_the_connection(bytes, bytes.as_bytes()).await;
    }
}

#[tokio::test]
async fn fr_3_a_response_above_the_limit_ends_the_connection_before_its_body_comes() {
    ends_the_connection("header alone", b"1000001#").await;
    // Within the limit as it counts itself, and not in bytes.
    let body = format!("900000#\"{}", "漢".repeat(400_000));
    ends_the_connection("bytes", body.as_bytes()).await;
}

#[tokio::test]
async fn fr_5_a_response_that_is_no_utf_8_ends_the_connection() {
    ends_the_connection("utf-8", b"4#\"\xff\xfe\"").await;
}

#[tokio::test]
async fn fr_6_a_response_that_is_no_json_or_nested_too_deeply_ends_the_connection() {
    ends_the_connection("not json", b"4#{bad").await;
    ends_the_connection("empty", b"0#").await;
    for depth in [200, 200_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for body in [
            format!(r#"{{"response":{nested},"id":"x"}}"#),
            format!(r#"{{"err":{nested},"id":"x"}}"#),
            format!(r#"{{"id":{nested}}}"#),
            nested.clone(),
        ] {
            ends_the_connection(&format!("{depth}: {}", &body[..20]), frame(&body).as_bytes()).await;
        }
    }
}

#[tokio::test]
async fn fr_6_a_response_with_a_number_out_of_range_ends_the_connection() {
    for body in [
        r#"{"response":{"a":[1e400]},"isDisposed":true,"id":"x"}"#,
        r#"{"response":1,"isDisposed":true,"id":1e400}"#,
        r#"{"id":"x","extra":-1e400}"#,
        "[1e400]",
    ] {
        ends_the_connection(body, frame(body).as_bytes()).await;
    }
}

/// As deep as it may be, a response is served.
#[tokio::test]
async fn fr_6_a_response_nested_as_deeply_as_may_be_is_served() {
    let server = FakeServer::bind().await;
    let client = client(server.options());
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, Value>("p", &1).await });
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    let nested = format!("{}{}", "[".repeat(126), "]".repeat(126));
    reply(&mut socket, &id, &format!(r#""response":{nested},"isDisposed":true"#)).await;
    assert_eq!(call.await.unwrap().unwrap().to_string(), nested);
}

/// A hundred thousand replies to nobody, in a few writes: they are counted, and the call among them is served.
#[tokio::test]
async fn cl_7_a_flood_of_replies_to_nobody_is_counted_and_hurts_no_call() {
    const FLOOD: usize = 100_000;
    let server = FakeServer::bind().await;
    let client = client(server.options());
    let first = client.clone();
    let first = tokio::spawn(async move { first.send::<_, u32>("p", &1).await });
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    reply(&mut socket, &id, r#""response":1,"isDisposed":true"#).await;
    assert_eq!(first.await.unwrap().unwrap(), 1);

    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, u32>("p", &1).await });
    let next = id_of_next_request(&mut socket).await;
    let mut flood = String::new();
    for number in 0..FLOOD {
        let body = match number % 5 {
            0 => json!({"response": 1, "id": number}).to_string(),
            1 => json!({"response": 1, "id": format!("{number:021x}")}).to_string(),
            // An id of this process that it has not given yet.
            2 => json!({"err": "x", "id": format!("{}{:016x}", &id[..5], u64::MAX - number as u64)}).to_string(),
            3 => json!({"isDisposed": true, "id": id}).to_string(),
            _ => "{}".to_owned(),
        };
        write!(flood, "{}", frame(&body)).unwrap();
    }
    socket.write_all(flood.as_bytes()).await.unwrap();
    reply(&mut socket, &next, r#""response":2,"isDisposed":true"#).await;
    assert_eq!(tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap().unwrap(), 2);
    let stats = client.stats();
    let (late, unknown) = (stats.late_replies, stats.unknown_replies);
    assert_eq!((late, unknown), (FLOOD as u64 / 5, FLOOD as u64 / 5 * 4));
    assert_eq!((stats.pending, stats.connections), (0, 1));
}

#[tokio::test]
async fn fr_10_a_hundred_thousand_empty_frames_use_no_stack() {
    let server = FakeServer::bind().await;
    let client = client(server.options());
    client.connect().await.unwrap();
    let mut socket = server.accept().await;
    socket.write_all("2#{}".repeat(100_000).as_bytes()).await.unwrap();
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, u32>("p", &1).await });
    let id = id_of_next_request(&mut socket).await;
    reply(&mut socket, &id, r#""response":2,"isDisposed":true"#).await;
    assert_eq!(call.await.unwrap().unwrap(), 2);
    assert_eq!(client.stats().unknown_replies, 100_000);
}

/// However small the pieces, and cut inside a character.
#[tokio::test]
async fn fr_1_a_response_in_pieces_of_one_byte_is_read_as_one() {
    let server = FakeServer::bind().await;
    let client = client(server.options());
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, String>("p", &1).await });
    let mut socket = server.accept().await;
    socket.set_nodelay(true).unwrap();
    let id = id_of_next_request(&mut socket).await;
    let bytes = frame(&json!({"response": "é漢😀", "isDisposed": true, "id": id}).to_string());
    for byte in bytes.as_bytes() {
        socket.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(call.await.unwrap().unwrap(), "é漢😀");
}

/// Half a response, and then nothing, or a byte now and then: neither that nor what is sent to it keeps it alive.
#[tokio::test]
async fn cl_11_a_response_that_does_not_end_is_given_up_whatever_is_written_meanwhile() {
    for trickle in [false, true] {
        let server = FakeServer::bind().await;
        let options = server.options().frame_idle_timeout(Some(Duration::from_millis(200))).backoff(soon());
        let client = client(options);
        let calling = client.clone();
        let call = tokio::spawn(async move { calling.send::<_, u32>("p", &1).await });
        let mut socket = server.accept().await;
        read_frame(&mut socket).await;
        socket.write_all(br#"60000#{"response""#).await.unwrap();
        let started = Instant::now();
        let writing = client.clone();
        let writing = tokio::spawn(async move {
            while writing.emit("still here", &1).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let mut call = call;
        let error = loop {
            tokio::select! {
                ended = &mut call => break ended.unwrap().unwrap_err(),
                _ = ticks.tick() => if trickle { let _ = socket.write_all(b" ").await; },
            }
        };
        writing.abort();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)));
        assert!(error.message.contains("`frame_idle_timeout`"), "{error}");
        let elapsed = started.elapsed();
        assert!((Duration::from_millis(190)..Duration::from_millis(1500)).contains(&elapsed), "{elapsed:?}");
    }
}

/// A server that is merely slow to answer is not silent in the middle of a frame.
#[tokio::test]
async fn cl_11_a_silent_connection_is_no_half_response() {
    let server = FakeServer::bind().await;
    let client = client(server.options().frame_idle_timeout(Some(Duration::from_millis(30))));
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, u32>("p", &1).await });
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    let bytes = frame(&json!({"response": 1, "id": id}).to_string());
    let (head, tail) = bytes.split_at(9);
    socket.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    socket.write_all(tail.as_bytes()).await.unwrap();
    assert_eq!(call.await.unwrap().unwrap(), 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(client.stats().lost_connections, 0);
}
