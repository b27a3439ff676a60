//! The TCP client: one connection, dialled once, and what callers are told when it goes wrong.

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use nestrs::Sent;
use nestrs::microservices::net::io::{Accepted, Connector};
use nestrs::microservices::{ClientStatus, Overflow, TcpMicroserviceOptions, TcpTransportOptions};
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use support::contract::ContractModule;
use support::fake::{FakeServer, client, id_of_next_request, read_frame, reply};
use support::raw::{PATIENCE, frame};
use support::{client_of, client_to, free_port, serve, serve_with};

#[tokio::test]
async fn cl_1_concurrent_first_calls_share_one_dial() {
    let app = serve::<ContractModule>().await;
    let address = app.address("tcp").unwrap().to_owned();
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dials);
    let connector = Connector::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        TcpStream::connect(address.clone())
    });
    let client = client(TcpTransportOptions::default().connector(connector));
    assert_eq!(dials.load(Ordering::Relaxed), 0, "nothing is dialled before the first call");
    let calls: Vec<u32> = (0..100).collect();
    let answers = join_all(calls.iter().map(|call| client.send::<_, u32>("echo", call))).await;
    assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), calls);
    assert_eq!(dials.load(Ordering::Relaxed), 1);
    app.close().await;
}

#[tokio::test]
async fn cl_1_a_server_that_is_not_there_is_named_and_the_request_was_not_sent() {
    let gone = FakeServer::bind().await.address;
    let client = client_to(&gone);
    let started = Instant::now();
    let error = client.send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)));
    assert!(error.message.contains(&gone) && error.message.contains("refused"), "{error}");
    assert_eq!(error.to_wire()["message"], "Internal server error", "a caller further out reads no address");
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(client.connect().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// Each failure in its own words, each with the address, none of them sent.
#[tokio::test]
async fn cl_1_refused_unresolvable_timed_out_and_tls_are_told_apart() {
    let refused = client_to(&FakeServer::bind().await.address);
    let unresolvable = client_to("no-such-host.invalid:3000");
    let hanging = Connector::new(std::future::pending::<std::io::Result<TcpStream>>);
    let hanging = TcpTransportOptions::to("127.0.0.1:1").connector(hanging);
    let timed_out = client(hanging.clone().connect_timeout(Duration::from_millis(30)));
    let not_waited_for = client(hanging.connect_wait(Duration::from_millis(30)));
    let stranger =
        || async { Err::<TcpStream, _>(std::io::Error::new(std::io::ErrorKind::InvalidData, "UnknownIssuer")) };
    let tls = client(TcpTransportOptions::to("[::1]:7").connector(Connector::new(stranger)));
    for (client, address, said) in [
        (refused, "tcp://127.0.0.1:", ": connection refused"),
        (unresolvable, "tcp://no-such-host.invalid:3000", ": the name cannot be resolved"),
        (timed_out, "tcp://127.0.0.1:1", ": the connection attempt timed out"),
        (not_waited_for, "tcp://127.0.0.1:1", ": no connection in time"),
        (tls, "tcp://[::1]:7", ": the TLS handshake failed: UnknownIssuer"),
    ] {
        let call = client.send::<_, Value>("echo", &1).await.unwrap_err();
        let event = client.emit("echo", &1).await.unwrap_err();
        for error in [call, event] {
            assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)), "{error}");
            assert!(error.message.contains(address) && error.message.contains(said), "{error}");
        }
        assert_eq!(client.stats().pending, 0);
    }
}

#[tokio::test]
async fn the_dial_is_tried_again_as_often_as_asked() {
    let app = serve::<ContractModule>().await;
    let address = app.address("tcp").unwrap().to_owned();
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dials);
    let connector = Connector::new(move || {
        let attempt = counted.fetch_add(1, Ordering::Relaxed);
        let address = address.clone();
        async move {
            match attempt {
                0 | 1 => Err(std::io::ErrorKind::ConnectionRefused.into()),
                _ => TcpStream::connect(address).await,
            }
        }
    });
    let options = TcpTransportOptions::default().connector(connector).retry_delay(Duration::from_millis(1));
    let once = client(options.clone().retry_attempts(1)).send::<_, u32>("echo", &1).await;
    assert_eq!(once.unwrap_err().kind(), ErrorKind::Unavailable);
    dials.store(0, Ordering::Relaxed);
    assert_eq!(client(options.retry_attempts(2)).send::<_, u32>("echo", &1).await.unwrap(), 1);
    assert_eq!(dials.load(Ordering::Relaxed), 3);
    app.close().await;
}

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
    let client = client(server.options().request_timeout(Some(Duration::from_millis(60))));
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

/// What is small finds room more easily than what is large; it has to wait behind it all the same.
#[tokio::test]
async fn cl_9_who_waits_for_room_has_it_before_those_that_come_later() {
    let server = FakeServer::narrow().await;
    let client = client(server.options().pending_bytes(1_000_000).request_timeout(Some(PATIENCE)));
    client.connect().await.unwrap();
    let mut deaf = server.accept().await;
    let emit = async |pattern: &'static str, len: usize| {
        let (client, event) = (client.clone(), "x".repeat(len));
        let mut emitting = Box::pin(async move { client.emit(pattern, &event).await.unwrap() });
        // Begun here, so that they come in this order.
        assert!(futures_util::poll!(&mut emitting).is_pending());
        tokio::spawn(emitting)
    };
    // More than the buffers between here and there hold, and nearly all that may wait.
    let mut all = vec![emit("first", 8 * 1024 * 1024).await];
    all.push(emit("large", 900_000).await);
    for _ in 0..3 {
        all.push(emit("small", 60_000).await);
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
        all.push(emit("small", 1).await);
    }
    assert_eq!(read_frame(&mut deaf).await["pattern"], "large");
    for _ in 2..all.len() {
        assert_eq!(read_frame(&mut deaf).await["pattern"], "small");
    }
    for emitting in all {
        emitting.await.unwrap();
    }
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

#[tokio::test]
async fn a_reply_that_does_not_fit_is_an_invalid_reply() {
    let app = serve::<ContractModule>().await;
    let client = client_of(&app);
    let error = client.send::<_, u32>("echo", &"text").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidReply);
    assert!(error.message.contains("`echo`"), "{error}");
    app.close().await;
}

/// Both ends in memory: no socket, the same bytes.
#[tokio::test]
async fn a_client_may_dial_anything() {
    let (connections, listener) = tokio::sync::mpsc::channel(4);
    let app = serve_with::<ContractModule>(TcpMicroserviceOptions::default().listener(listener)).await;
    let connector = Connector::new(move || {
        let connections = connections.clone();
        async move {
            let (near, far) = tokio::io::duplex(1024);
            connections.send(Accepted::new(far)).await.map_err(|_| std::io::ErrorKind::ConnectionRefused)?;
            Ok(near)
        }
    });
    let client = client(TcpTransportOptions::default().connector(connector));
    let text = "é漢😀".repeat(10_000);
    assert_eq!(client.send::<_, String>("echo", &text).await.unwrap(), text);
    app.close().await;
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again() {
    let app = serve::<ContractModule>().await;
    let address = app.address("tcp").unwrap().to_owned();
    let client = client_of(&app);
    assert_eq!(client.send::<_, u32>("echo", &1).await.unwrap(), 1);
    app.close().await;
    assert!(client.send::<_, u32>("echo", &2).await.is_err());
    let app =
        serve_with::<ContractModule>(free_port().port(address.rsplit(':').next().unwrap().parse().unwrap())).await;
    assert_eq!(client.send::<_, u32>("echo", &3).await.unwrap(), 3);
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
