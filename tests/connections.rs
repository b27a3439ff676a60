//! Who is connected, how that is told, and how a server says what state it is in.

mod support;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nestrs::RunningApp;
use nestrs::microservices::net::io::{Accepted, Listener};
use nestrs::microservices::net::{CloseReason, FaultCode};
use nestrs::microservices::{
    ConnectionEvent, ConnectionEvents, ConnectionInfo, ConnectionObserver, PacketDeserializer, ServerHandle,
    ServerStats, ServerStatus, TcpMicroserviceOptions,
};
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use support::contract::ContractModule;
use support::http::get;
use support::raw::{PATIENCE, Peer, frame};
use support::{client_of, free_port, serve_with};

fn tcp(app: &RunningApp) -> ServerHandle {
    app.servers().get("tcp").expect("it serves TCP").clone()
}

/// Waits until what a server says of itself is as expected.
async fn eventually(server: &ServerHandle, what: &str, is_so: impl Fn(&ServerStats) -> bool) {
    let waiting = async {
        while !is_so(&server.stats()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}: {:?}", server.stats()));
}

async fn next(events: &mut ConnectionEvents) -> ConnectionEvent {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event in time").expect("the server is open")
}

/// The reason of the next end, whatever comes before it.
async fn next_close(events: &mut ConnectionEvents) -> CloseReason {
    loop {
        if let ConnectionEvent::Closed { reason, .. } = next(events).await {
            return reason;
        }
    }
}

#[tokio::test]
async fn a_connection_is_listed_with_what_it_did_until_it_ends() {
    let app = serve_with::<ContractModule>(free_port().grace_period(Duration::from_millis(50))).await;
    let server = tcp(&app);
    assert_eq!(server.connections(), []);
    let mut events = server.events();

    let mut peer = Peer::connect(server.address()).await;
    let connected = next(&mut events).await;
    assert!(matches!(&connected, ConnectionEvent::Connected { .. }), "{connected:?}");
    let id = connected.connection().id;
    peer.expect_alive().await;
    peer.send_frames(&[r#"{"pattern":"hang","data":0,"id":1}"#, r#"{"pattern":"hang","data":0,"id":2}"#]).await;
    eventually(&server, "two calls are under way", |stats| stats.in_flight == 2).await;

    let connections = server.connections();
    let [connection] = connections.as_slice() else { panic!("{connections:?}") };
    assert_eq!((connection.id, connection.transport), (id, "tcp"));
    assert_eq!(connection.peer_addr, Some(peer.0.local_addr().unwrap()));
    let asked = frame(r#"{"pattern":"echo","data":"alive","id":"alive"}"#).len()
        + 2 * frame(r#"{"pattern":"hang","data":0,"id":1}"#).len();
    assert_eq!((connection.frames_received, connection.frames_sent, connection.in_flight), (3, 1, 2));
    assert_eq!((connection.bytes_received, connection.bytes_sent), (asked as u64, 54));
    assert!(connection.idle() <= connection.uptime() && connection.last_activity >= connection.connected_at);
    assert_eq!(server.connection(id).map(|connection| connection.id), Some(id));

    let written = serde_json::to_value(connection).unwrap();
    assert_eq!(written["bytesReceived"], asked);
    assert_eq!(written["peerAddr"], peer.0.local_addr().unwrap().to_string());
    assert!(written["connectedAt"].as_u64().unwrap() > 1_700_000_000_000, "{written}");

    drop(peer);
    assert_eq!(next_close(&mut events).await, CloseReason::PeerClosed);
    assert_eq!((server.connections(), server.connection(id)), (vec![], None));
    let stats = server.stats();
    assert_eq!((stats.open, stats.accepted, stats.closed(CloseReason::PeerClosed)), (0, 1, 1));
    // What it did is not forgotten with it.
    assert_eq!((stats.bytes_received, stats.frames_received, stats.bytes_sent), (asked as u64, 3, 54));
    app.close().await;
}

#[tokio::test]
async fn a_connection_that_is_told_to_end_answers_what_is_under_way_first() {
    let app = serve_with::<ContractModule>(free_port()).await;
    let server = tcp(&app);
    let mut events = server.events();
    let (mut told, mut other) = (Peer::connect(server.address()).await, Peer::connect(server.address()).await);
    let id = next(&mut events).await.connection().id;
    told.send_frames(&[r#"{"pattern":"slow","data":100,"id":1}"#]).await;
    eventually(&server, "the call is under way", |stats| stats.in_flight == 1).await;

    assert!(server.disconnect(id));
    assert_eq!(told.expect_closed().await, br#"41#{"response":100,"isDisposed":true,"id":1}"#);
    drop(told);
    assert_eq!(next_close(&mut events).await, CloseReason::Shutdown);
    assert!(!server.disconnect(id), "it is gone");
    other.expect_alive().await;
    assert_eq!(server.current_status(), ServerStatus::Listening);
    app.close().await;
}

#[tokio::test]
async fn what_is_sent_at_the_very_end_is_counted_too() {
    let app = serve_with::<ContractModule>(free_port().grace_period(Duration::from_millis(50))).await;
    let server = tcp(&app);
    let mut peer = Peer::connect(server.address()).await;
    peer.send_frames(&[r#"{"pattern":"hang","data":0,"id":1}"#]).await;
    eventually(&server, "the call is under way", |stats| stats.in_flight == 1).await;
    let (received, ()) = tokio::join!(peer.expect_closed(), app.close());
    let text = String::from_utf8_lossy(&received);
    assert!(text.contains("Service is shutting down"), "{text}");
    assert_eq!(server.stats().bytes_sent, received.len() as u64);
}

/// What peers make up is logged, and does not fill the disk.
#[tokio::test]
async fn rq_1_a_flood_of_events_that_nobody_handles_is_logged_in_a_few_lines() {
    let log = nestrs::LogCapture::start();
    let app = serve_with::<ContractModule>(free_port()).await;
    let server = tcp(&app);
    let mut peer = Peer::connect(server.address()).await;
    peer.send(frame(r#"{"pattern":"made up","data":0}"#).repeat(5000)).await;
    eventually(&server, "all are counted", |stats| stats.unknown_patterns == 5000).await;
    let lines = log.events().into_iter().filter(|event| event.message.contains("no handler for this event")).count();
    assert!((1..=100).contains(&lines), "{lines}");
    app.close().await;
}

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, connection: &ConnectionInfo, line: String) {
        let peer = connection.peer_addr.map_or_else(|| "memory".to_owned(), |peer| peer.port().to_string());
        self.0.lock().unwrap().push(format!("{peer} {line}"));
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl ConnectionObserver for Diary {
    fn on_connection(&self, connection: &ConnectionInfo) {
        self.write(connection, "connected".to_owned());
    }
    fn on_fault(&self, connection: &ConnectionInfo, code: FaultCode) {
        self.write(connection, code.to_string());
    }
    fn on_close(&self, connection: &ConnectionInfo, reason: CloseReason) {
        self.write(connection, format!("closed: {reason}"));
    }
}

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

/// Accepts what it is given, and fails when it is told to.
struct Fragile {
    socket: TcpListener,
    broken: Option<oneshot::Receiver<()>>,
}

impl Listener for Fragile {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = std::io::Result<Option<Accepted>>> + Send + '_>> {
        Box::pin(async {
            let Some(broken) = &mut self.broken else { return Err(std::io::Error::other("pulled out")) };
            tokio::select! {
                _ = broken => Err(std::io::Error::other("pulled out")),
                accepted = Listener::accept(&mut self.socket) => accepted,
            }
        })
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }
}

#[tokio::test]
async fn sd_7_a_transport_that_is_lost_leaves_the_others_serving_and_health_tells_which() {
    let (break_it, broken) = oneshot::channel();
    let fragile = Fragile { socket: TcpListener::bind("127.0.0.1:0").await.unwrap(), broken: Some(broken) };
    let app = NestFactory::create::<ContractModule>()
        .enable_health_check("/health")
        .connect_microservice(free_port().listener(fragile))
        .connect_microservice(free_port())
        .start("127.0.0.1:0")
        .await
        .unwrap();
    let http = app.address("http").unwrap().to_owned();
    let servers: Vec<ServerHandle> = app.servers().iter().cloned().collect();
    let [lost, kept, _http] = servers.as_slice() else { panic!("{servers:?}") };
    let health = |first: &str, second: &str| json!([{ "transport": "tcp", "status": first }, { "transport": "tcp", "status": second }]);
    assert_eq!(get(&http, "/health").await, (200, json!({ "status": "ok" })));

    let mut on_the_lost_one = Peer::connect(lost.address()).await;
    on_the_lost_one.expect_alive().await;
    let mut statuses = lost.status();
    assert_eq!(statuses.next().await, Some(ServerStatus::Listening));
    break_it.send(()).unwrap();
    assert_eq!(statuses.next().await, Some(ServerStatus::Failed));

    let (status, body) = get(&http, "/health").await;
    assert_eq!((status, &body["status"], &body["servers"]), (503, &json!("error"), &health("failed", "listening")));
    // What is open on the lost one goes on, and so do the others.
    on_the_lost_one.expect_alive().await;
    Peer::connect(kept.address()).await.expect_alive().await;
    assert_eq!(get(&http, "/nothing").await.0, 404);
    app.close().await;
    assert_eq!(servers.iter().map(ServerHandle::current_status).collect::<Vec<_>>(), [ServerStatus::Closed; 3]);
}

#[tokio::test]
async fn a_server_says_each_state_once_and_in_order() {
    let app = serve_with::<ContractModule>(free_port().grace_period(Duration::from_millis(200))).await;
    let server = tcp(&app);
    let mut peer = Peer::connect(server.address()).await;
    peer.send_frames(&[r#"{"pattern":"hang","data":0,"id":1}"#]).await;
    eventually(&server, "a call is under way", |stats| stats.in_flight == 1).await;
    let statuses = tokio::spawn(server.status().collect::<Vec<_>>());
    tokio::task::yield_now().await;
    app.close().await;
    let statuses = tokio::time::timeout(PATIENCE, statuses).await.expect("it ends").unwrap();
    assert_eq!(statuses, [ServerStatus::Listening, ServerStatus::Draining, ServerStatus::Closed]);
    // Whoever asks later hears the end.
    assert_eq!(server.status().collect::<Vec<_>>().await, [ServerStatus::Closed]);
    server.set_status(ServerStatus::Listening);
    assert_eq!(server.current_status(), ServerStatus::Closed, "nothing follows the end");
}

#[tokio::test]
async fn sd_8_after_close_the_registry_is_empty_and_nobody_is_told_anything_more() {
    let diary = Diary::default();
    let options = free_port().grace_period(Duration::from_millis(50)).observer(diary.clone());
    let app = serve_with::<ContractModule>(options).await;
    let server = tcp(&app);
    let mut events = server.events();
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = Peer::connect(server.address()).await;
        // Handlers that never end, and peers that never leave.
        peer.send_frames(&[r#"{"pattern":"hang","data":0,"id":1}"#]).await;
        peers.push(peer);
    }
    eventually(&server, "all hang", |stats| stats.in_flight == 20).await;
    app.close().await;
    assert_eq!((server.connections(), server.current_status()), (vec![], ServerStatus::Closed));
    let stats = server.stats();
    assert_eq!((stats.open, stats.in_flight, stats.closed(CloseReason::Shutdown)), (0, 0, 20));
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        told.push(event);
    }
    assert_eq!((told.len(), diary.lines().len()), (40, 40));
    assert_eq!(server.events().next().await, None);
}

struct Picky;
impl PacketDeserializer for Picky {
    fn deserialize(&self, wire: Value) -> Result<Value, TransportError> {
        if wire["pattern"] == "refuse.me" { Err(TransportError::new("no")) } else { Ok(wire) }
    }
}

#[tokio::test]
async fn what_no_handler_sees_is_counted() {
    let app =
        serve_with::<ContractModule>(free_port().grace_period(Duration::from_millis(50)).deserializer(Picky)).await;
    let server = tcp(&app);
    let mut peer = Peer::connect(server.address()).await;
    peer.send_frames(&["42", "[]", r#"{"data":1}"#, r#"{"pattern":"refuse.me","data":1}"#]).await;
    peer.send_frames(&[r#"{"pattern":"nobody","data":1}"#]).await;
    peer.expect_alive().await;
    let error = client_of(&app).send::<_, Value>("nobody.either", &()).await.unwrap_err();
    assert!(error.message.contains("no matching message handler"), "{error}");
    let stats = server.stats();
    assert_eq!((stats.ignored_packets, stats.unknown_patterns, stats.faults), (4, 2, 0));

    peer.send_frames(&[r#"{"pattern":"hang","data":0,"id":1}"#]).await;
    eventually(&server, "a call is under way", |stats| stats.in_flight == 1).await;
    socket2::SockRef::from(&peer.0).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    eventually(&server, "its caller is gone", |stats| stats.abandoned_calls == 1).await;
    app.close().await;
}

#[injectable]
struct Health {
    servers: Arc<Servers>,
}

#[controller("/servers")]
impl Health {
    #[get]
    async fn states(&self) -> Vec<String> {
        let line = |server: &ServerHandle| format!("{} {}", server.transport(), server.current_status());
        self.servers.iter().map(line).collect()
    }
}

#[module(controllers = [Health])]
struct HealthModule;

#[tokio::test]
async fn servers_are_injected_and_a_shared_address_is_that_of_both() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let app = NestFactory::create::<HealthModule>()
        .connect_microservice(TcpMicroserviceOptions::bind(&address))
        .start(address.as_str())
        .await
        .unwrap();
    assert_eq!(get(&address, "/servers").await, (200, json!(["tcp listening", "http listening"])));
    let addresses: Vec<_> = app.servers().iter().map(ServerHandle::address).collect();
    assert_eq!(addresses, [&address, &address]);
    // HTTP's connections are none of the message server's.
    assert_eq!(tcp(&app).stats().accepted, 0);
    assert!(app.get::<Servers>().is_some());
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

#[tokio::test]
async fn sl_10_patterns_that_peers_make_up_are_counted_together_and_named_nowhere() {
    let app = serve_with::<ContractModule>(free_port()).await;
    let server = tcp(&app);
    let before = serde_json::to_string(&server.stats()).unwrap().len();
    let mut peer = Peer::connect(server.address()).await;
    let made_up: String =
        (0..1000).map(|n| frame(&format!(r#"{{"pattern":"made.up.{n}","data":0,"id":{n}}}"#))).collect();
    let reading = async {
        peer.send(made_up).await;
        peer.0.shutdown().await.unwrap();
        peer.expect_closed().await
    };
    let answers = tokio::time::timeout(PATIENCE, reading).await.expect("all are answered");
    assert!(!String::from_utf8(answers).unwrap().contains("made.up"));
    let stats = serde_json::to_string(&server.stats()).unwrap();
    assert_eq!(server.stats().unknown_patterns, 1000);
    assert!(!stats.contains("made") && stats.len() < before + 100, "{stats}");
    app.close().await;
}

/// The standard library's maps are hashed with a key of this process, unless they are told otherwise.
#[test]
fn sl_10_no_map_is_told_to_hash_without_a_key() {
    let mut looked_at = 0;
    let mut folders = ["src", "nestrs-core/src", "nestrs-microservices/src"].map(std::path::PathBuf::from).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                looked_at += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                for hasher in ["with_hasher", "BuildHasherDefault", "FxHash", "ahash", "hashbrown", "SipHasher"] {
                    assert!(!text.contains(hasher), "{}: `{hasher}`", path.display());
                }
            }
        }
    }
    assert!(looked_at > 100, "{looked_at} files");
}
