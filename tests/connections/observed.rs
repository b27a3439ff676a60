//! Who is told of connections, and what that may cost.

use super::*;

/// Each way to end that a peer can choose, and what the three places say of it.
#[tokio::test]
async fn fr_17_a_close_has_one_reason_for_observer_event_counter_and_log() {
    let log = nestrs::LogCapture::start();
    let diary = Diary::default();
    let options = free_port().observer(diary.clone()).max_frame_bytes(100);
    let app = serve_with::<ContractModule>(options).await;
    let server = tcp(&app);
    let mut events = server.events();
    let mut expected = Vec::new();

    let mut case = async |reason: CloseReason, bytes: &[u8], reset: bool| {
        let mut peer = Peer::connect(server.address()).await;
        let port = peer.0.local_addr().unwrap().port();
        assert!(matches!(next(&mut events).await, ConnectionEvent::Connected { .. }));
        expected.push(format!("{port} connected"));
        peer.send(bytes).await;
        if reset {
            peer.expect_alive().await;
            socket2::SockRef::from(&peer.0).set_linger(Some(Duration::ZERO)).unwrap();
        }
        if let CloseReason::Fault(code) = reason {
            let event = next(&mut events).await;
            assert!(matches!(event, ConnectionEvent::Faulted { code: told, .. } if told == code), "{event:?}");
            expected.push(format!("{port} {code}"));
        }
        drop(peer);
        assert_eq!(next_close(&mut events).await, reason);
        expected.push(format!("{port} closed: {reason}"));
        assert_eq!(server.stats().closed(reason), 1);
    };
    case(CloseReason::PeerClosed, b"", false).await;
    case(CloseReason::PeerReset, b"", true).await;
    case(CloseReason::Fault(FaultCode::Header), b"x#", false).await;
    case(CloseReason::Fault(FaultCode::LooksLikeHttp), b"GET / HTTP/1.1\r\n\r\n", false).await;
    case(CloseReason::Fault(FaultCode::TooLarge), b"101#", false).await;
    case(CloseReason::Fault(FaultCode::Json), b"1#x", false).await;

    let mut held = Peer::connect(server.address()).await;
    assert!(matches!(next(&mut events).await, ConnectionEvent::Connected { .. }));
    let port = held.0.local_addr().unwrap().port();
    expected.push(format!("{port} connected"));
    let leaving = tokio::spawn(async move { held.expect_closed().await });
    app.close().await;
    assert_eq!(leaving.await.unwrap(), b"");
    assert_eq!(next_close(&mut events).await, CloseReason::Shutdown);
    assert_eq!(events.next().await, None, "nothing follows");
    expected.push(format!("{port} closed: shutdown"));
    // `close` has waited for the observer.
    assert_eq!(diary.lines(), expected);

    let stats = server.stats();
    assert_eq!((stats.accepted, stats.open, stats.faults, stats.missed_events), (7, 0, 4, 0));
    let closed = stats.closed.values().sum::<u64>();
    assert_eq!(closed, 7, "each for one reason: {:?}", stats.closed);
    let logged: Vec<_> = log.events().into_iter().filter(|event| event.message == "disconnected").collect();
    let logged: Vec<_> = logged.iter().map(|event| event.field("reason").unwrap_or_default().to_owned()).collect();
    let told = expected.iter().filter_map(|line| line.split_once(" closed: ").map(|(_, reason)| reason.to_owned()));
    assert_eq!(logged, told.collect::<Vec<_>>());
}

struct Panicking;
impl ConnectionObserver for Panicking {
    fn on_connection(&self, _: &ConnectionInfo) {
        panic!("an observer's own trouble")
    }
}

/// Blocks its thread until it is told to go on.
struct Blocking(Mutex<std::sync::mpsc::Receiver<()>>);
impl ConnectionObserver for Blocking {
    fn on_connection(&self, _: &ConnectionInfo) {
        let _ = self.0.lock().unwrap().recv();
    }
}

#[tokio::test]
async fn an_observer_that_panics_harms_neither_the_server_nor_the_next_observer() {
    let diary = Diary::default();
    let app = serve_with::<ContractModule>(free_port().observer(Panicking).observer(diary.clone())).await;
    for _ in 0..3 {
        Peer::connect(tcp(&app).address()).await.expect_alive().await;
    }
    app.close().await;
    let lines = diary.lines();
    assert_eq!(lines.iter().filter(|line| line.ends_with("connected")).count(), 3, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("closed")).count(), 3, "{lines:?}");
}

/// On one thread: whatever blocked it would block everything.
#[tokio::test(flavor = "current_thread")]
async fn an_observer_that_blocks_holds_up_nothing_and_what_it_misses_is_counted() {
    let (go_on, wait) = std::sync::mpsc::channel();
    let options = free_port().observer(Blocking(Mutex::new(wait)));
    let app = serve_with::<ContractModule>(options).await;
    let server = tcp(&app);
    // More events than wait for one observer.
    for _ in 0..8_300 {
        let peer = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
    }
    eventually(&server, "all have come and gone", |stats| stats.accepted == 8_300 && stats.open == 0).await;
    let missed = server.stats().missed_events;
    assert!((1..=16_600 - 16_384).contains(&missed), "{missed}");
    Peer::connect(server.address()).await.expect_alive().await;
    drop(go_on);
    app.close().await;
}

/// Time stands still, and nothing is a socket.
#[tokio::test(start_paused = true)]
async fn a_connection_in_memory_is_observed_like_any_other() {
    let (accept, accepted) = mpsc::channel(1);
    let mut options = TcpMicroserviceOptions::default().listener(accepted);
    options.share_address = false;
    let app = serve_with::<ContractModule>(options).await;
    let server = tcp(&app);
    let mut events = server.events();
    let (near, far) = tokio::io::duplex(1024);
    accept.send(Accepted::new(far)).await.unwrap();
    let connected = next(&mut events).await;
    assert_eq!(connected.connection().peer_addr, None);
    tokio::time::advance(Duration::from_secs(90)).await;
    assert_eq!(server.connections()[0].idle(), Duration::from_secs(90));
    drop(near);
    let closed = next(&mut events).await;
    assert_eq!(closed.connection().uptime(), Duration::from_secs(90));
    // A listener that has no more to give is a server that drains.
    drop(accept);
    let statuses = tokio::time::timeout(PATIENCE, server.status().collect::<Vec<_>>()).await.expect("it ends");
    assert_eq!(statuses.last(), Some(&ServerStatus::Closed));
    app.close().await;
}
