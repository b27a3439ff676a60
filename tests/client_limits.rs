//! What a client holds: calls, bytes and items under way, and frames that stay whole.

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use nestrs::Sent;
use nestrs::microservices::{Overflow, TcpTransportOptions};
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use support::contract::ContractModule;
use support::fake::{FakeServer, client, id_of_next_request, read_frame, reply};
use support::raw::PATIENCE;
use support::serve;

#[tokio::test]
async fn cl_9_above_max_pending_calls_wait_their_turn() {
    let app = serve::<ContractModule>().await;
    let options = TcpTransportOptions::to(app.address("tcp").unwrap()).max_pending(1);
    let client = client(options);
    let started = Instant::now();
    let answers = join_all((0..3).map(|_| client.send::<_, u64>("slow", &30))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == 30));
    assert!(started.elapsed() >= Duration::from_millis(90), "one after another");

    let blocked = client.clone();
    let first = tokio::spawn(async move { blocked.send::<_, u64>("slow", &200).await });
    tokio::task::yield_now().await;
    let error = client.with_timeout(Duration::from_millis(20)).send::<_, u64>("echo", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::No)));
    first.await.unwrap().unwrap();
    app.close().await;
}

/// With `Reject` nobody waits: too many calls, and too many bytes that the server does not take.
#[tokio::test]
async fn cl_9_calls_above_a_limit_may_be_refused_at_once_instead() {
    let server = FakeServer::narrow().await;
    let options = server.options().overflow(Overflow::Reject);
    let busy = client(options.clone().max_pending(1));
    let first = busy.clone();
    let first = tokio::spawn(async move { first.send::<_, u32>("echo", &1).await });
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    let started = Instant::now();
    let error = busy.send::<_, u32>("echo", &2).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Overloaded, Some(Sent::No)));
    assert!(error.message.contains("`max_pending`"), "{error}");
    assert_eq!(busy.emit("echo", &2).await.unwrap_err().kind(), ErrorKind::Overloaded);
    reply(&mut socket, &id, r#""response":1,"isDisposed":true"#).await;
    assert_eq!(first.await.unwrap().unwrap(), 1);

    let full = client(options.pending_bytes(100_000).request_timeout(Some(PATIENCE)));
    full.connect().await.unwrap();
    let _deaf = server.accept().await;
    let payload = "x".repeat(90_000);
    let mut emitting = Vec::new();
    let error = loop {
        let mut event = Box::pin({
            let (full, payload) = (full.clone(), payload.clone());
            async move { full.emit("x", &payload).await }
        });
        match tokio::time::timeout(Duration::from_millis(20), &mut event).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => break error,
            Err(_) => emitting.push(event),
        }
    };
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Overloaded, Some(Sent::No)));
    assert!(error.message.contains("`pending_bytes`"), "{error}");
    assert!(started.elapsed() < PATIENCE);
}

/// A call that waits for room among the bytes waits for its own timeout at most, and nothing of it is sent.
#[tokio::test]
async fn cl_9_above_pending_bytes_calls_wait_up_to_their_deadline() {
    let server = FakeServer::narrow().await;
    let client = client(server.options().pending_bytes(1_000_000));
    client.connect().await.unwrap();
    let mut deaf = server.accept().await;
    let payload = "x".repeat(900_000);
    let hasty = client.with_timeout(Duration::from_millis(100));
    let error = loop {
        if let Err(error) = hasty.send::<_, Value>("x", &payload).await
            && error.sent() == Some(Sent::No)
        {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Timeout);
    // What was queued goes out whole, and what was not leaves no trace.
    let last = client.clone();
    let last = tokio::spawn(async move { last.emit("last", &1).await });
    while read_frame(&mut deaf).await["pattern"] != "last" {}
    last.await.unwrap().unwrap();
    assert_eq!(client.stats().pending, 0);
}

#[tokio::test]
async fn cl_10_a_dropped_call_is_forgotten_and_frees_its_place() {
    let app = serve::<ContractModule>().await;
    let client = client(TcpTransportOptions::to(app.address("tcp").unwrap()).max_pending(1));
    for _ in 0..5 {
        let abandoned = client.send::<_, Value>("hang", &1);
        assert!(tokio::time::timeout(Duration::from_millis(10), abandoned).await.is_err());
    }
    assert_eq!(client.send::<_, u32>("echo", &1).await.unwrap(), 1);
    app.close().await;
}

#[tokio::test]
async fn cl_8_emit_returns_when_the_kernel_has_the_whole_frame_and_not_before() {
    let server = FakeServer::narrow().await;
    let client = client(server.options());
    client.connect().await.unwrap();
    let mut deaf = server.accept().await;
    // More than the buffers between here and there hold.
    let event = "x".repeat(8 * 1024 * 1024);
    let emitting = client.clone();
    let mut emitting = tokio::spawn(async move { emitting.emit("big", &event).await });
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut emitting).await.is_err(), "nobody has read it");
    assert_eq!(read_frame(&mut deaf).await["pattern"], "big");
    emitting.await.unwrap().unwrap();

    // And it is no proof of handling: the server may die without ever reading it.
    client.emit("small", &1).await.unwrap();
    drop(deaf);
}

/// Futures are dropped after every number of polls, others go on; the server sees whole frames and nothing else.
#[tokio::test]
async fn cl_10_a_call_may_be_dropped_at_any_await_and_frames_stay_whole() {
    let server = FakeServer::bind().await;
    let client = client(server.options().max_pending(2).pending_bytes(60_000));
    let payload = "x".repeat(20_000);
    let dropping = client.clone();
    let dropped = tokio::spawn(async move {
        for polls in 0..200 {
            let mut call = pin!(dropping.send::<_, Value>("dropped", &payload));
            let mut event = pin!(dropping.emit("dropped", &payload));
            for _ in 0..=polls % 10 {
                let both = poll_fn(|task| {
                    let done = call.as_mut().poll(task).is_ready() || event.as_mut().poll(task).is_ready();
                    Poll::Ready(done)
                });
                if both.await {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        dropping.send::<_, u32>("last", &1).await
    });
    let mut socket = server.accept().await;
    let id = loop {
        // Fails on anything that is no whole frame.
        let request = read_frame(&mut socket).await;
        if request["pattern"] == "last" {
            break request["id"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(client.stats().pending, 1);
    reply(&mut socket, &id, r#""response":3,"isDisposed":true"#).await;
    assert_eq!(dropped.await.unwrap().unwrap(), 3);
    assert_eq!(client.stats().pending, 0);
}

#[tokio::test]
async fn fr_15_a_request_above_the_limit_is_refused_before_a_byte_is_sent() {
    let app = serve::<ContractModule>().await;
    let client = client(TcpTransportOptions::to(app.address("tcp").unwrap()).max_frame_bytes(200));
    let error = client.send::<_, String>("echo", &"x".repeat(200)).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::TooLarge, Some(Sent::No)));
    assert!(error.message.contains("200 bytes"), "{error}");
    assert_eq!(client.send::<_, String>("echo", &"x".repeat(100)).await.unwrap().len(), 100);
    app.close().await;
}

#[tokio::test]
async fn a_reader_that_is_too_slow_loses_its_stream_and_no_other_call() {
    let app = serve::<ContractModule>().await;
    let client = client(TcpTransportOptions::to(app.address("tcp").unwrap()).stream_buffer(8));
    let mut items = client.send_stream::<_, u32>(json!({"cmd": "stream"}), &1000).await.unwrap();
    assert_eq!(client.send::<_, u32>("echo", &1).await.unwrap(), 1);
    let mut taken = 0;
    let error = loop {
        match items.next().await.expect("it ends with an error") {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(taken, 8);
    app.close().await;
}

/// What is small finds room more easily than what is large; it has to wait behind it all the same.
#[tokio::test]
async fn cl_9_who_waits_for_room_has_it_before_those_that_come_later() {
    let server = FakeServer::narrow().await;
    let client = client(server.options().pending_bytes(1_000_000).request_timeout(Some(PATIENCE)));
    client.connect().await.unwrap();
    let mut deaf = server.accept().await;
    let emit = |pattern: &'static str, len: usize| {
        let (client, event) = (client.clone(), "x".repeat(len));
        let mut emitting = Box::pin(async move { client.emit(pattern, &event).await.unwrap() });
        // Begun here, so that they come in this order.
        assert!(emitting.as_mut().now_or_never().is_none());
        tokio::spawn(emitting)
    };
    // More than the buffers between here and there hold, and nearly all that may wait.
    let mut all = vec![emit("first", 8 * 1024 * 1024)];
    all.push(emit("large", 900_000));
    for _ in 0..3 {
        all.push(emit("small", 60_000));
    }
    // The first makes room bit by bit, and at every step there is one more that would like to have it.
    let mut header = Vec::new();
    while header.last() != Some(&b'#') {
        header.push(deaf.read_u8().await.unwrap());
    }
    header.pop();
    let mut rest = String::from_utf8(header).unwrap().parse::<usize>().unwrap();
    while rest > 0 {
        let mut piece = vec![0; rest.min(64 * 1024)];
        rest -= deaf.read_exact(&mut piece).await.unwrap();
        all.push(emit("small", 1));
    }
    assert_eq!(read_frame(&mut deaf).await["pattern"], "large");
    for _ in 2..all.len() {
        assert_eq!(read_frame(&mut deaf).await["pattern"], "small");
    }
    for emitting in all {
        emitting.await.unwrap();
    }
}
