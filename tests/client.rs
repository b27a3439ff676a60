//! The TCP client: how calls end, and what callers are told when they go wrong.

mod support;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nestrs::Sent;
use nestrs::microservices::ClientStatus;
use nestrs::prelude::*;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use support::contract::ContractModule;
use support::fake::{FakeServer, client, id_of_next_request, read_frame, reply};
use support::raw::frame;
use support::{client_of, serve};

/// The best of three rounds counts: others may be at work on the machine.
#[tokio::test]
async fn cl_2_a_lost_connection_fails_ten_thousand_calls_at_once_and_the_next_call_is_served() {
    const CALLS: usize = 10_000;
    let server = FakeServer::bind().await;
    let client = client(server.options().max_pending(CALLS));
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let calls: Vec<_> = (0..CALLS)
            .map(|call| {
                let client = client.clone();
                tokio::spawn(async move { client.send::<_, Value>("hang", &call).await })
            })
            .collect();
        let mut socket = server.accept().await;
        for _ in 0..CALLS {
            read_frame(&mut socket).await;
        }
        assert_eq!(client.stats().pending, CALLS);
        let lost = Instant::now();
        drop(socket);
        for call in calls {
            let error = call.await.unwrap().unwrap_err();
            assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)));
        }
        best = best.min(lost.elapsed());
        assert_eq!(client.stats().pending, 0);
        if best < Duration::from_millis(100) {
            break;
        }
    }
    assert!(best < Duration::from_millis(500), "{best:?}");

    let next = tokio::spawn(async move { client.send::<_, u32>("echo", &7).await });
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    reply(&mut socket, &id, r#""response":7,"isDisposed":true"#).await;
    assert_eq!(next.await.unwrap().unwrap(), 7);
}

/// What the fake server answers, and what the caller makes of it (NestJS fact sheet, section 3).
#[tokio::test]
async fn cl_7_hand_made_replies_are_read_as_nestjs_reads_them() {
    let server = FakeServer::bind().await;
    let client = client(server.options().request_timeout(Some(Duration::from_millis(500))));
    client.connect().await.unwrap();
    let mut socket = server.accept().await;
    for (replies, expected) in [
        (vec![r#"{"response":1,"isDisposed":true,"id":"ID"}"#], "[1] end"),
        (
            vec![r#"{"response":1,"id":"ID"}"#, r#"{"response":2,"id":"ID"}"#, r#"{"isDisposed":true,"id":"ID"}"#],
            "[1,2] end",
        ),
        (vec![r#"{"response":1,"id":"ID"}"#], "[1] timeout"),
        (vec![r#"{"isDisposed":true,"id":"ID"}"#], "[] end"),
        (vec![r#"{"response":null,"isDisposed":true,"id":"ID"}"#], "[null] end"),
        (vec![r#"{"err":"text","id":"ID"}"#], "[] error text"),
        (vec![r#"{"err":{"status":"error","message":"m"},"id":"ID"}"#], "[] error m"),
        (vec![r#"{"err":"","isDisposed":true,"id":"ID"}"#], "[] end"),
        (vec![r#"{"err":null,"response":3,"isDisposed":true,"id":"ID"}"#], "[3] end"),
        (vec![r#"{"hello":"world","id":"ID"}"#], r#"[{"hello":"world","id":"ID"}] end"#),
        (vec![r#"{"response":1,"isDisposed":true,"id":"other"}"#], "[] timeout"),
        (vec![r#"{"response":1,"isDisposed":true}"#], "[] timeout"),
        (vec!["null", "5", r#"{"response":1,"isDisposed":true,"id":"ID"}"#], "[1] end"),
        (
            vec![r#"{"response":1,"isDisposed":true,"id":"ID"}"#, r#"{"response":2,"isDisposed":true,"id":"ID"}"#],
            "[1] end",
        ),
        (vec![r#"{"err":"first","id":"ID"}"#, r#"{"response":2,"isDisposed":true,"id":"ID"}"#], "[] error first"),
        (vec![r#"{"response":"é漢😀","isDisposed":true,"id":"ID"}"#], r#"["é漢😀"] end"#),
    ] {
        let mut items = client.send_stream::<_, Value>("p", &1).await.unwrap();
        let id = id_of_next_request(&mut socket).await;
        for reply in &replies {
            socket.write_all(frame(&reply.replace("ID", &id)).as_bytes()).await.unwrap();
        }
        let mut values = Vec::new();
        let end = loop {
            match items.next().await {
                Some(Ok(value)) => values.push(value),
                Some(Err(error)) if error.kind() == ErrorKind::Timeout => break "timeout".to_owned(),
                Some(Err(error)) => break format!("error {}", error.message),
                None => break "end".to_owned(),
            }
        };
        let seen = format!("{} {end}", Value::from(values)).replace(&id, "ID");
        assert_eq!(seen, expected, "{replies:?}");
    }
    let stats = client.stats();
    // Twice a second reply; twice an id that nobody knows, or none, and twice what is no packet.
    assert_eq!((stats.late_replies, stats.unknown_replies, stats.pending), (2, 4, 0));
}

#[tokio::test]
async fn cl_12_a_hostile_server_ends_the_connection_and_nothing_more() {
    for bytes in ["4#{bad", "abc#{}", "99999999999#", "{}"] {
        let server = FakeServer::bind().await;
        let client = client(server.options());
        let call = tokio::spawn(async move { client.send::<_, Value>("p", &1).await });
        let mut socket = server.accept().await;
        read_frame(&mut socket).await;
        socket.write_all(bytes.as_bytes()).await.unwrap();
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)), "{bytes}");
    }
}

#[tokio::test]
async fn cl_6_a_call_times_out_and_a_late_reply_is_counted_and_disturbs_nobody() {
    let app = serve::<ContractModule>().await;
    let client = client_of(&app);
    let hasty = client.with_timeout(Duration::from_millis(20));
    let error = hasty.send::<_, u64>("slow", &60).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::Maybe)));
    assert!(error.message.contains("`slow`") && error.message.contains("20ms"), "{error}");
    assert_eq!((client.stats().pending, client.stats().late_replies), (0, 0));
    // Its reply comes while this one waits.
    assert_eq!(client.send::<_, u64>("slow", &90).await.unwrap(), 90);
    assert_eq!((client.stats().late_replies, client.stats().unknown_replies), (1, 0));
    app.close().await;
}

#[tokio::test]
async fn cl_12_close_fails_pending_and_later_calls_and_may_be_called_twice() {
    let app = serve::<ContractModule>().await;
    let client = client_of(&app);
    client.connect().await.unwrap();
    let pending = client.clone();
    let pending = tokio::spawn(async move { pending.send::<_, Value>("hang", &1).await });
    // Answered after it was sent.
    client.send::<_, u32>("echo", &1).await.unwrap();
    client.close().await;
    client.close().await;
    assert_eq!(pending.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    let later = client.send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!((later.kind(), later.sent()), (ErrorKind::Closed, Some(Sent::No)));
    assert_eq!(client.emit("echo", &1).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(client.connect().await.unwrap_err().kind(), ErrorKind::Closed);
    app.close().await;
}

#[tokio::test]
async fn cl_13_the_status_is_told_in_order_up_to_the_last() {
    let server = FakeServer::bind().await;
    let client = client(server.options());
    let mut status = client.status();
    assert_eq!(status.next().await, Some(ClientStatus::Idle));
    let dialled = client.clone();
    let dialling = tokio::spawn(async move { dialled.connect().await });
    assert_eq!(status.next().await, Some(ClientStatus::Connecting));
    let socket = server.accept().await;
    dialling.await.unwrap().unwrap();
    assert_eq!(status.next().await, Some(ClientStatus::Connected));
    drop(socket);
    assert_eq!(status.next().await, Some(ClientStatus::Disconnected(ErrorKind::ConnectionClosed)));
    client.close().await;
    assert_eq!(status.next().await, Some(ClientStatus::Closed));
    assert_eq!(status.next().await, None);
}

#[tokio::test]
async fn a_reply_that_does_not_fit_is_an_invalid_reply() {
    let app = serve::<ContractModule>().await;
    let client = client_of(&app);
    let error = client.send::<_, u32>("echo", &"text").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidReply);
    assert!(error.message.contains("`echo`"), "{error}");
    app.close().await;
}

/// The server's word of it may be heard before the client's own timer: either way it is the same error.
#[tokio::test]
async fn cl_6_a_server_that_says_that_time_is_over_is_a_timeout() {
    let server = FakeServer::bind().await;
    let client = client(server.options());
    let calling = tokio::spawn(async move { client.send::<_, u32>("slow", &()).await });
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    reply(&mut socket, &id, r#""err":{"status":"error","message":"Request timed out"},"isDisposed":true"#).await;
    let error = calling.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::Maybe)));
}
