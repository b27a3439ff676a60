//! How a client comes back: by itself, not all at once, and what it says of it.

mod support;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use nestrs::Sent;
use nestrs::microservices::net::io::Connector;
use nestrs::microservices::{Backoff, ClientStatus, TcpTransportOptions, memory_pair};
use nestrs::prelude::*;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::Instant;

use support::contract::ContractModule;
use support::fake::{FakeServer, SHUTTING_DOWN, client, id_of_next_request, read_frame, reply};
use support::raw::PATIENCE;
use support::serve_with;

/// Pauses short enough to wait for.
fn soon() -> Backoff {
    Backoff { min: Duration::from_millis(1), max: Duration::from_millis(5), ..Backoff::default() }
}

/// A server in memory, under paused time: it can be away, and says when it was dialled.
#[derive(Clone, Default)]
struct Place(Arc<PlaceState>);

#[derive(Default)]
struct PlaceState {
    away: AtomicBool,
    /// Connections end at once.
    hasty: AtomicBool,
    /// The connector panics.
    panics: AtomicBool,
    dials: AtomicUsize,
    arrivals: Mutex<Vec<Instant>>,
    open: Mutex<Vec<DuplexStream>>,
}

impl Place {
    fn connector(&self) -> Connector {
        let place = self.clone();
        Connector::new(move || {
            let place = Arc::clone(&place.0);
            async move {
                assert!(!place.panics.load(Ordering::Relaxed), "a connector of the user's");
                place.dials.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
                if place.away.load(Ordering::Relaxed) {
                    return Err(std::io::ErrorKind::ConnectionRefused.into());
                }
                let (near, far) = tokio::io::duplex(1024);
                place.arrivals.lock().unwrap().push(Instant::now());
                if !place.hasty.load(Ordering::Relaxed) {
                    place.open.lock().unwrap().push(far);
                }
                Ok(near)
            }
        })
    }

    fn options(&self) -> TcpTransportOptions {
        TcpTransportOptions::default().connector(self.connector())
    }

    fn leave(&self) {
        self.0.away.store(true, Ordering::Relaxed);
        self.0.open.lock().unwrap().clear();
        self.0.arrivals.lock().unwrap().clear();
        self.0.dials.store(0, Ordering::Relaxed);
    }

    fn return_to_work(&self) {
        self.0.away.store(false, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn cl_5_a_thousand_clients_of_a_server_that_was_away_come_back_within_two_seconds_and_not_at_once() {
    let place = Place::default();
    let clients: Vec<_> = (0..1000).map(|_| client(place.options())).collect();
    for client in &clients {
        client.connect().await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    place.leave();
    tokio::time::sleep(Duration::from_secs(3)).await;
    place.return_to_work();
    let back = Instant::now();
    tokio::time::sleep(Duration::from_secs(2)).await;

    let mut bins = [0; 20];
    for arrival in place.0.arrivals.lock().unwrap().iter() {
        bins[((*arrival - back).as_millis() / 100).min(19) as usize] += 1;
    }
    assert_eq!(bins.iter().sum::<usize>(), 1000, "each is back, once, without a call: {bins:?}");
    assert!(bins.iter().all(|bin| *bin <= 250), "{bins:?}");
    // Three seconds of dialling: eagerly at first, then about twice a second each.
    let dials = place.0.dials.load(Ordering::Relaxed);
    assert!((5_000..18_000).contains(&dials), "{dials}");
    for client in &clients {
        assert_eq!(client.stats().connections, 2);
    }
}

/// A connection that ends as soon as it is made is no success: the pauses go on growing.
#[tokio::test(start_paused = true)]
async fn cl_5_only_a_connection_that_lived_resets_the_pauses() {
    let place = Place::default();
    let client = client(place.options());
    client.connect().await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    place.leave();
    place.return_to_work();
    place.0.hasty.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(100)).await;
    // Half a second each on average; with pauses of 50 ms it would be some 4,000.
    let dials = place.0.dials.load(Ordering::Relaxed);
    assert!((130..330).contains(&dials), "{dials}");

    place.0.hasty.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(3)).await;
    // It lived; the next loss is followed by a quick try.
    place.leave();
    place.return_to_work();
    let lost = Instant::now();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let first = place.0.arrivals.lock().unwrap()[0] - lost;
    assert!(first <= Duration::from_millis(52), "{first:?}");
}

/// For hours, and through a connector that panics.
#[tokio::test(start_paused = true)]
async fn cl_5_there_is_no_end_to_it_but_close() {
    const HOURS: usize = 6 * 60 * 60;
    let place = Place::default();
    let client = client(place.options());
    client.connect().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    place.leave();
    tokio::time::sleep(Duration::from_secs(HOURS as u64)).await;
    let dials = place.0.dials.load(Ordering::Relaxed);
    assert!((HOURS..4 * HOURS).contains(&dials), "{dials}");
    assert_eq!(client.stats().failed_dials, dials as u64);
    assert!(matches!(
        client.status().next().await,
        Some(ClientStatus::Connecting | ClientStatus::Disconnected(ErrorKind::Unavailable))
    ));

    place.0.panics.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    place.0.panics.store(false, Ordering::Relaxed);
    place.return_to_work();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(client.status().next().await, Some(ClientStatus::Connected));

    place.leave();
    client.close().await;
    tokio::time::sleep(Duration::from_secs(HOURS as u64)).await;
    assert_eq!(place.0.dials.load(Ordering::Relaxed), 0);
}

/// Nothing is dialled for nobody: neither before the first call, nor after a first attempt that failed, nor for a client
/// that was dropped.
#[tokio::test(start_paused = true)]
async fn cl_5_a_client_that_never_connected_stays_lazy_and_one_that_was_dropped_stays_away() {
    let place = Place::default();
    place.leave();
    let lazy = client(place.options());
    assert_eq!(lazy.send::<_, Value>("x", &1).await.unwrap_err().kind(), ErrorKind::Unavailable);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(place.0.dials.load(Ordering::Relaxed), 1);
    assert_eq!(lazy.send::<_, Value>("x", &1).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(place.0.dials.load(Ordering::Relaxed), 2);

    place.return_to_work();
    let dropped = client(place.options());
    dropped.connect().await.unwrap();
    place.leave();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(place.0.dials.load(Ordering::Relaxed) > 2);
    drop(dropped);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let dials = place.0.dials.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(place.0.dials.load(Ordering::Relaxed), dials);
}

/// A call that comes while the server is away waits for it: `connect_wait`, or its own timeout when that is shorter.
#[tokio::test(start_paused = true)]
async fn cl_1_a_call_during_an_outage_waits_for_the_connection_and_no_longer() {
    let place = Place::default();
    let client = client(place.options());
    client.connect().await.unwrap();
    place.leave();
    tokio::time::sleep(Duration::from_secs(10)).await;
    for (timeout, waits) in [(Duration::from_secs(30), 1000), (Duration::from_millis(300), 300)] {
        let started = Instant::now();
        let error = client.with_timeout(timeout).send::<_, Value>("x", &1).await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)));
        assert!(error.message.contains("127.0.0.1:3000") && error.message.contains("connection refused"), "{error}");
        assert!((waits..waits + 5).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    }
    place.return_to_work();
    client.emit("x", &1).await.unwrap();
}

/// Every state in order for whoever keeps up, and for whoever does not at least the last.
#[tokio::test(start_paused = true)]
async fn cl_13_each_loss_and_each_return_is_told_in_order_and_the_last_state_is_never_lost() {
    let place = Place::default();
    let client = client(place.options());
    let mut eager = client.status();
    let mut late = client.status();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&seen);
    let watching = tokio::spawn(async move {
        while let Some(status) = eager.next().await {
            noting.lock().unwrap().push(status);
        }
    });
    tokio::task::yield_now().await;
    client.connect().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    place.leave();
    tokio::time::sleep(Duration::from_secs(5)).await;
    place.return_to_work();
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.close().await;
    watching.await.unwrap();

    let seen = seen.lock().unwrap().clone();
    let lost = ClientStatus::Disconnected(ErrorKind::ConnectionClosed);
    assert_eq!(seen[..4], [ClientStatus::Idle, ClientStatus::Connecting, ClientStatus::Connected, lost]);
    let (tries, rest) = seen[4..].split_at(seen.len() - 4 - 3);
    assert_eq!(rest, [ClientStatus::Connecting, ClientStatus::Connected, ClientStatus::Closed]);
    let refused = ClientStatus::Disconnected(ErrorKind::Unavailable);
    assert!(tries.len() >= 4, "{seen:?}");
    assert!(tries.chunks(2).all(|pair| *pair == [ClientStatus::Connecting, refused.clone()]), "{seen:?}");

    assert_eq!(late.next().await, Some(ClientStatus::Closed), "all that happened before is old news");
    assert_eq!(late.next().await, None);
    assert_eq!(client.status().next().await, Some(ClientStatus::Closed));

    // Nobody closes this one: it is dropped.
    let forgotten = support::fake::client(place.options());
    let mut status = forgotten.status();
    forgotten.connect().await.unwrap();
    assert_eq!(status.next().await, Some(ClientStatus::Connected));
    drop(forgotten);
    assert_eq!(status.next().await, Some(ClientStatus::Closed));
    assert_eq!(status.next().await, None);
}

/// The server says that it is about to end: new calls go to a new connection, those under way end on the old one.
#[tokio::test]
async fn sd_2_a_client_leaves_a_server_that_is_shutting_down_and_lets_it_finish() {
    let server = FakeServer::bind().await;
    let client = client(server.options().backoff(soon()));
    let slow = client.clone();
    let slow = tokio::spawn(async move { slow.send::<_, u32>("slow", &1).await });
    let mut old = server.accept().await;
    let slow_id = id_of_next_request(&mut old).await;
    let streaming = client.clone();
    let streaming = tokio::spawn(async move { streaming.send_stream::<_, u32>("stream", &1).await.unwrap() });
    let stream_id = id_of_next_request(&mut old).await;
    let mut items = streaming.await.unwrap();

    // Refused there, it is made again on the next connection by itself.
    let refused = client.clone();
    let refused = tokio::spawn(async move { refused.send::<_, u32>("refused", &2).await });
    let refused_id = id_of_next_request(&mut old).await;
    reply(&mut old, &refused_id, SHUTTING_DOWN).await;
    let mut new = server.accept().await;
    let again = read_frame(&mut new).await;
    assert_eq!((&again["pattern"], &again["data"]), (&"refused".into(), &2.into()));
    assert_ne!(again["id"], refused_id, "ids are not used twice");
    reply(&mut new, again["id"].as_str().unwrap(), r#""response":2,"isDisposed":true"#).await;
    assert_eq!(refused.await.unwrap().unwrap(), 2);

    // New calls find the new connection; the old ones are answered late, and over the old one.
    let fresh = client.clone();
    let fresh = tokio::spawn(async move { fresh.send::<_, u32>("fresh", &3).await });
    let fresh_id = id_of_next_request(&mut new).await;
    reply(&mut old, &stream_id, r#""response":10"#).await;
    assert_eq!(items.next().await.unwrap().unwrap(), 10);
    reply(&mut old, &slow_id, r#""response":1,"isDisposed":true"#).await;
    assert_eq!(slow.await.unwrap().unwrap(), 1);
    reply(&mut old, &stream_id, r#""response":11,"isDisposed":true"#).await;
    assert_eq!(items.next().await.unwrap().unwrap(), 11);
    assert!(items.next().await.is_none());
    // With nothing left to wait for, the client itself closes it.
    assert_eq!(support::raw::Peer(old).expect_closed().await, b"");
    reply(&mut new, &fresh_id, r#""response":3,"isDisposed":true"#).await;
    assert_eq!(fresh.await.unwrap().unwrap(), 3);
    let stats = client.stats();
    assert_eq!((stats.connections, stats.resent, stats.pending), (2, 1, 0));
}

/// A call that is dropped or late does not keep the old connection.
#[tokio::test]
async fn sd_2_a_connection_that_is_left_ends_with_the_last_call_that_still_waits() {
    let server = FakeServer::bind().await;
    let client = client(server.options().backoff(soon()));
    let hasty = client.with_timeout(Duration::from_millis(100));
    let hasty = tokio::spawn(async move { hasty.send::<_, u32>("slow", &1).await });
    let mut old = server.accept().await;
    read_frame(&mut old).await;
    let refused = client.clone();
    let refused = tokio::spawn(async move { refused.send::<_, u32>("refused", &2).await });
    let id = id_of_next_request(&mut old).await;
    reply(&mut old, &id, SHUTTING_DOWN).await;
    let mut new = server.accept().await;
    let id = id_of_next_request(&mut new).await;
    reply(&mut new, &id, r#""response":2,"isDisposed":true"#).await;
    refused.await.unwrap().unwrap();
    assert_eq!(hasty.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(support::raw::Peer(old).expect_closed().await, b"");
}

#[tokio::test]
async fn sd_2_fin_with_nothing_pending_is_a_move_that_no_call_feels() {
    let server = FakeServer::bind().await;
    let client = client(server.options().backoff(soon()));
    client.connect().await.unwrap();
    let mut socket = server.accept().await;
    for call in 0..20 {
        let mut status = client.status();
        assert_eq!(status.next().await, Some(ClientStatus::Connected));
        drop(socket);
        // Now it knows.
        assert_ne!(status.next().await, Some(ClientStatus::Closed));
        let calling = client.clone();
        let calling = tokio::spawn(async move { calling.send::<_, u32>("echo", &call).await });
        socket = server.accept().await;
        let id = id_of_next_request(&mut socket).await;
        reply(&mut socket, &id, r#""response":1,"isDisposed":true"#).await;
        assert_eq!(calling.await.unwrap().unwrap(), 1, "call {call}");
    }
}

/// The server has closed an idle connection, and the client finds out as it is about to write.
#[tokio::test(start_paused = true)]
async fn cl_4_what_was_queued_on_a_connection_that_is_gone_is_sent_on_the_next() {
    let place = Place::default();
    let client = client(place.options());
    client.connect().await.unwrap();
    let closed: Vec<_> = place.0.open.lock().unwrap().drain(..).collect();
    drop(closed);
    client.emit("x", &1).await.unwrap();
    assert_eq!((client.stats().resent, client.stats().connections), (1, 2));
}

/// A stream that does as it is told, and wakes nobody: the news of what it does has not come through yet.
#[derive(Clone, Default)]
struct Wire(Arc<WireState>);

#[derive(Default)]
struct WireState {
    /// What can be read.
    input: Mutex<Vec<u8>>,
    /// What was written.
    taken: Mutex<Vec<u8>>,
    /// Reading finds the end; what is written is taken all the same, as a kernel does.
    fin: AtomicBool,
    /// Writing fails.
    broken: AtomicBool,
    /// What was written stays in a buffer of its own, as in TLS.
    held: AtomicBool,
}

impl Wire {
    fn taken(&self) -> String {
        String::from_utf8(self.0.taken.lock().unwrap().clone()).unwrap()
    }

    /// A client whose first connection this is; later ones take what they are given.
    fn client(&self) -> ClientProxy {
        let wire = Mutex::new(Some(self.clone()));
        client(TcpTransportOptions::default().connector(Connector::new(move || {
            let next = wire.lock().unwrap().take().unwrap_or_default();
            async move { Ok(next) }
        })))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, chunk: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let input = std::mem::take(&mut *self.0.input.lock().unwrap());
        if input.is_empty() && !self.0.fin.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        chunk.put_slice(&input);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        if self.0.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        }
        self.0.taken.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.0.held.load(Ordering::Relaxed) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Where nothing was under way the client looks for a good-bye before it writes, so that it knows what was not sent.
#[tokio::test(start_paused = true)]
async fn cl_4_an_idle_connection_is_looked_at_before_it_is_written_to() {
    let wire = Wire::default();
    let client = wire.client();
    client.emit("x", &1).await.unwrap();
    let before = wire.taken();
    wire.0.fin.store(true, Ordering::Relaxed);
    client.emit("x", &2).await.unwrap();
    assert_eq!(wire.taken(), before, "not a byte was given to the old one");
    assert_eq!((client.stats().resent, client.stats().connections), (1, 2));
}

/// A server that answered and then broke has answered.
#[tokio::test(start_paused = true)]
async fn sd_3_a_reply_that_has_arrived_is_not_lost_with_the_connection() {
    let wire = Wire::default();
    let client = wire.client();
    let answered = client.clone();
    let answered = tokio::spawn(async move { answered.send::<_, u32>("x", &1).await });
    while wire.taken().is_empty() {
        tokio::task::yield_now().await;
    }
    let taken = wire.taken();
    let id = &taken[taken.len() - 23..taken.len() - 2];
    let bytes = support::raw::frame(&format!(r#"{{"response":5,"isDisposed":true,"id":"{id}"}}"#));
    wire.0.input.lock().unwrap().extend_from_slice(bytes.as_bytes());
    wire.0.broken.store(true, Ordering::Relaxed);
    // What cannot be written shows that it is broken. How much of it a foreign stream took, nobody knows.
    let error = client.emit("x", &2).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(nestrs::Sent::Maybe)));
    assert_eq!(answered.await.unwrap().unwrap(), 5);
}

/// A stream with a buffer of its own has not given the kernel what it has taken.
#[tokio::test(start_paused = true)]
async fn cl_8_emit_waits_for_a_stream_that_holds_back_what_it_was_given() {
    let wire = Wire::default();
    wire.0.held.store(true, Ordering::Relaxed);
    let client = wire.client();
    let short = client.with_timeout(Duration::from_secs(1));
    let error = short.emit("x", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::Maybe)));
    assert!(wire.taken().contains(r#""pattern":"x""#), "{}", wire.taken());
    wire.0.held.store(false, Ordering::Relaxed);
    client.emit("x", &2).await.unwrap();
}

/// Whatever a server does while it ends, each call ends in a reply or an error.
#[tokio::test]
async fn sd_3_calls_before_during_and_after_the_end_of_a_server_all_end() {
    for grace in [0, 50] {
        let (server, transport) = memory_pair();
        let app = serve_with::<ContractModule>(server.grace_period(Duration::from_millis(grace))).await;
        let client = client(transport.connect_wait(Duration::from_millis(50)).backoff(soon()));
        let mut calls = Vec::new();
        for call in 0..100_u64 {
            let client = client.with_timeout(Duration::from_secs(2));
            calls.push(tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(call)).await;
                client.send::<_, u64>("slow", &(call % 30)).await
            }));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        app.close().await;
        let (mut answered, mut failed) = (0, 0);
        for call in calls {
            match tokio::time::timeout(PATIENCE, call).await.expect("no call hangs").unwrap() {
                Ok(_) => answered += 1,
                Err(error) => {
                    assert!(error.sent().is_some() && error.kind() != ErrorKind::Timeout, "{error:?}");
                    failed += 1;
                }
            }
        }
        assert!(answered > 0 && failed > 0, "{answered} answered, {failed} failed");
        assert_eq!(client.stats().pending, 0);
    }
}

/// A server that dies without a word, with calls under way, and is started again at its address.
#[tokio::test]
async fn sd_9_a_killed_server_fails_what_was_under_way_and_its_successor_is_found() {
    let mut server = FakeServer::bind().await;
    let address = server.address.clone();
    let client = client(server.options().backoff(soon()));
    for round in 0..5 {
        let answered = client.clone();
        let answered = tokio::spawn(async move { answered.send::<_, u32>("echo", &round).await });
        let mut socket = server.accept().await;
        let id = id_of_next_request(&mut socket).await;
        reply(&mut socket, &id, r#""response":1,"isDisposed":true"#).await;
        assert_eq!(answered.await.unwrap().unwrap(), 1);

        let under_way = client.clone();
        let under_way = tokio::spawn(async move { under_way.send::<_, u32>("echo", &round).await });
        read_frame(&mut socket).await;
        // As the kernel does for a process that is gone.
        socket.set_zero_linger().unwrap();
        drop(socket);
        drop(server);
        let error = under_way.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)));
        let mut status = client.status();
        while status.next().await != Some(ClientStatus::Disconnected(ErrorKind::Unavailable)) {}
        server = FakeServer::bind_to(&address).await;
    }
    assert_eq!(client.stats().lost_connections, 5);
}
