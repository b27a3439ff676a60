//! How a client comes back: by itself, not all at once, and what it says of it.

mod support;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nestrs::Sent;
use nestrs::microservices::{Backoff, ClientStatus, memory_pair};
use nestrs::prelude::*;
use serde_json::Value;
use tokio::time::Instant;

use support::contract::ContractModule;
use support::fake::{FakeServer, client, id_of_next_request, read_frame, reply};
use support::place::{Place, soon};
use support::raw::PATIENCE;
use support::serve_with;

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

/// Neither after a loss nor before the first connection does a client dial in a circle, whatever its pauses say.
#[tokio::test(start_paused = true)]
async fn cl_5_pauses_of_nothing_are_pauses_all_the_same() {
    let place = Place::default();
    let none = Backoff { min: Duration::ZERO, factor: 0, max: Duration::ZERO };
    let client = client(place.options().backoff(none));
    client.connect().await.unwrap();
    place.leave();
    tokio::time::sleep(Duration::from_secs(10)).await;
    // A dial itself takes one millisecond here.
    assert!((1_000..=1_700).contains(&place.dials()), "{}", place.dials());
    client.close().await;

    place.leave();
    let eager = support::fake::client(place.options().retry_attempts(1_000_000));
    let connecting = tokio::time::timeout(Duration::from_secs(10), eager.connect());
    assert!(connecting.await.is_err(), "it tries on");
    assert!((1_000..=1_700).contains(&place.dials()), "{}", place.dials());
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
