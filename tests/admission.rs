//! Who is let in, how the accept loop goes on, and how dead peers are found.

mod support;

use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nestrs::microservices::net::CloseReason;
use nestrs::microservices::net::io::{Accepted, Keepalive, Listener};
use nestrs::microservices::{ServerHandle, ServerStats, ServerStatus, TcpMicroserviceOptions};
use nestrs::prelude::*;
use nestrs::{LogCapture, RunningApp};
use serde_json::{Value, json};
use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::{Child, Command};

use support::contract::ContractModule;
use support::http::get;
use support::program::program;
use support::raw::{PATIENCE, Peer};
use support::{free_port, serve_with};

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

/// A connection from an address of this machine's own network.
async fn connect_from(ip: &str, to: &str) -> Peer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
    Peer(socket.connect(to.parse().unwrap()).await.expect("it accepts"))
}

/// It was accepted, and closed without a word.
async fn is_turned_away(mut peer: Peer) {
    assert_eq!(peer.expect_closed().await, b"");
}

#[tokio::test]
async fn sl_7_at_max_connections_one_more_is_closed_at_once_counted_and_logged_once_a_second() {
    let log = LogCapture::start();
    let app = serve_with::<ContractModule>(free_port().max_connections(2)).await;
    let server = tcp(&app);
    let mut first = Peer::connect(server.address()).await;
    first.expect_alive().await;
    let mut second = Peer::connect(server.address()).await;
    second.expect_alive().await;
    let begun = Instant::now();
    for _ in 0..200 {
        is_turned_away(Peer::connect(server.address()).await).await;
    }
    let stats = server.stats();
    assert_eq!((stats.open, stats.accepted, stats.rejected.max_connections), (2, 202, 200));
    assert_eq!((stats.rejected.total(), stats.closed(CloseReason::Limit)), (200, 200));
    let lines = log.events().into_iter().filter(|event| event.message.contains("too many connections")).count();
    let seconds = begun.elapsed().as_secs() as usize + 1;
    assert!((1..=seconds).contains(&lines), "{lines} lines in {seconds} s");
    assert!(log.lines().iter().any(|line| line.contains("max_connections")), "the limit is named");

    // Who is in is served as ever, and who leaves makes room.
    first.expect_alive().await;
    drop(first);
    eventually(&server, "one has left", |stats| stats.open == 1).await;
    Peer::connect(server.address()).await.expect_alive().await;
    second.expect_alive().await;
    drop(second);
    app.close().await;
}

#[tokio::test]
async fn sl_7_an_address_at_its_limit_is_turned_away_and_others_are_not() {
    let app = serve_with::<ContractModule>(free_port().max_connections_per_ip(Some(2))).await;
    let server = tcp(&app);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut peer = connect_from("127.0.0.1", server.address()).await;
        peer.expect_alive().await;
        held.push(peer);
    }
    is_turned_away(connect_from("127.0.0.1", server.address()).await).await;
    connect_from("127.0.0.2", server.address()).await.expect_alive().await;
    let rejected = server.stats().rejected;
    assert_eq!((rejected.per_ip, rejected.total()), (1, 1));
    drop(held.pop());
    eventually(&server, "one has left", |stats| stats.closed(CloseReason::PeerClosed) == 2).await;
    connect_from("127.0.0.1", server.address()).await.expect_alive().await;
    held.clear();
    app.close().await;
}

#[tokio::test]
async fn sl_9_an_address_begins_so_many_connections_in_a_time_though_it_keeps_none() {
    let options =
        free_port().connect_rate_per_ip(Some((3, Duration::from_millis(1500)))).max_connections_per_ip(Some(2));
    let app = serve_with::<ContractModule>(options).await;
    let server = tcp(&app);
    let begun = Instant::now();
    for left in 1..=3 {
        connect_from("127.0.0.1", server.address()).await.expect_alive().await;
        eventually(&server, "it has left", |stats| stats.closed(CloseReason::PeerClosed) == left).await;
    }
    is_turned_away(connect_from("127.0.0.1", server.address()).await).await;
    assert!(begun.elapsed() < Duration::from_millis(1500), "this machine is too slow for this test");
    connect_from("127.0.0.2", server.address()).await.expect_alive().await;
    let rejected = server.stats().rejected;
    assert_eq!((rejected.rate, rejected.per_ip), (1, 0));
    tokio::time::sleep_until((begun + Duration::from_millis(1600)).into()).await;
    connect_from("127.0.0.1", server.address()).await.expect_alive().await;
    app.close().await;
}

/// The slowest but one in a hundred of so many calls.
async fn p99(peer: &mut Peer, calls: usize) -> Duration {
    let mut times = Vec::new();
    for _ in 0..calls {
        let begun = Instant::now();
        peer.expect_alive().await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[calls * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sl_7_who_is_connected_hardly_notices_a_storm_of_those_who_are_turned_away() {
    let app = serve_with::<ContractModule>(free_port().max_connections(1)).await;
    let server = tcp(&app);
    let mut peer = Peer::connect(server.address()).await;
    let calm = p99(&mut peer, 500).await;
    let address = server.address().to_owned();
    let storm = tokio::spawn(async move {
        loop {
            let stream = TcpStream::connect(&address).await;
            // No trace is left of it: a storm must not use up this machine's ports.
            let _ = stream.map(|stream| SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
        }
    });
    eventually(&server, "the storm is there", |stats| stats.rejected.total() > 100).await;
    let before = server.stats().rejected.total();
    let stormy = p99(&mut peer, 500).await;
    let turned_away = server.stats().rejected.total() - before;
    storm.abort();
    assert!(turned_away > 50, "there was no storm: {turned_away}");
    // Twice as long, five times that on a machine that is not idle, and never less than a tick of its scheduler.
    let allowed = (calm * 10).max(Duration::from_millis(40));
    assert!(stormy <= allowed, "p99 {calm:?} before, {stormy:?} during {turned_away} refusals");
    app.close().await;
}

/// Fails as it is told to, then accepts.
struct Failing {
    socket: TcpListener,
    failures: Vec<std::io::Error>,
}

impl Listener for Failing {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = std::io::Result<Option<Accepted>>> + Send + '_>> {
        Box::pin(async {
            match self.failures.pop() {
                Some(failure) => Err(failure),
                None => Listener::accept(&mut self.socket).await,
            }
        })
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }
}

#[tokio::test]
async fn sl_8_the_accept_loop_goes_on_after_every_failure_that_passes() {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const EPROTO: i32 = 71;
    let kinds = [std::io::ErrorKind::ConnectionAborted, std::io::ErrorKind::Interrupted];
    let mut failures: Vec<_> = kinds.map(std::io::Error::from).into();
    failures.extend([EMFILE, ENFILE, EPROTO].map(std::io::Error::from_raw_os_error));
    let listener = Failing { socket: TcpListener::bind("127.0.0.1:0").await.unwrap(), failures };
    let app = serve_with::<ContractModule>(free_port().listener(listener)).await;
    let server = tcp(&app);
    Peer::connect(server.address()).await.expect_alive().await;
    assert_eq!((server.stats().accept_errors, server.current_status()), (5, ServerStatus::Listening));
    app.close().await;
}

#[tokio::test]
async fn sl_8_only_a_broken_listener_ends_the_loop_and_then_listen_says_so() {
    let failures = vec![std::io::Error::other("pulled out"), std::io::ErrorKind::ConnectionReset.into()];
    let listener = Failing { socket: TcpListener::bind("127.0.0.1:0").await.unwrap(), failures };
    let listening = NestFactory::create_microservice::<ContractModule>(free_port().listener(listener)).listen();
    let error = tokio::time::timeout(PATIENCE, listening).await.expect("it ends").unwrap_err().to_string();
    assert!(error.contains("the listener is broken: pulled out"), "{error}");
}

#[tokio::test]
async fn sl_8_peers_that_say_nothing_or_begin_tls_keep_nobody_out() {
    let app = serve_with::<ContractModule>(free_port()).await;
    let address = app.address("tcp").unwrap();
    let mut silent = Vec::new();
    for n in 0..50 {
        let mut peer = Peer::connect(address).await;
        // Half a hello, half a header, or nothing.
        peer.send([&b"\x16\x03\x01"[..], b"12", b""][n % 3]).await;
        silent.push(peer);
    }
    Peer::connect(address).await.expect_alive().await;
    drop(silent);
    app.close().await;
}

/// The example that lists connections, allowed so many open files.
async fn limited(files: usize) -> (Child, String, String) {
    let (http, messages) = (free_address().await, free_address().await);
    let (_, port) = http.rsplit_once(':').unwrap();
    let child = Command::new("sh")
        .args(["-c", &format!("ulimit -n {files}; exec \"$0\""), program("connections").to_str().unwrap()])
        .envs([("PORT", port), ("MESSAGES_ADDRESS", &messages), ("RUST_LOG", "info")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the example starts");
    let answering = async {
        while TcpStream::connect(&http).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answering).await.expect("it listens in time");
    (child, http, messages)
}

async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

/// What is said of the messages' server.
async fn stats(http: &str) -> Value {
    let (status, servers) = get(http, "/servers").await;
    assert_eq!(status, 200);
    servers[0]["stats"].clone()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn sl_7_max_connections_is_lowered_to_what_the_process_may_open() {
    let (mut child, http, messages) = limited(70).await;
    let mut held = Vec::new();
    for _ in 0..6 {
        let mut peer = Peer::connect(&messages).await;
        peer.expect_alive().await;
        held.push(peer);
    }
    is_turned_away(Peer::connect(&messages).await).await;
    let stats = stats(&http).await;
    assert_eq!((&stats["open"], &stats["rejected"]["maxConnections"]), (&json!(6), &json!(1)), "{stats}");
    child.start_kill().unwrap();
    let output = child.wait_with_output().await.unwrap();
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(log.contains("`max_connections` is lowered") && log.contains("wanted=10000"), "{log}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn sl_8_out_of_descriptors_it_pauses_and_loses_nobody() {
    let (mut child, http, messages) = limited(80).await;
    let mut before = Peer::connect(&messages).await;
    before.expect_alive().await;
    // HTTP's connections are not the microservice's: they take what descriptors there are.
    let mut fillers = Vec::new();
    let descriptors = format!("/proc/{}/fd", child.id().unwrap());
    // Numbers above the limit are inherited, and take nobody's place.
    let is_full = || {
        let numbers =
            std::fs::read_dir(&descriptors).unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        numbers.filter(|number: &u32| *number < 80).count() >= 80
    };
    let filling = async {
        // Connections that have ended may still give theirs back: full is what stays full.
        let mut full = 0;
        while full < 20 {
            if is_full() {
                full += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            } else {
                fillers.push(TcpStream::connect(&http).await.unwrap());
                full = 0;
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, filling).await.expect("it runs out");
    // The kernel takes these; the process cannot.
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut peer = Peer::connect(&messages).await;
        peer.send_frames(&[r#"{"pattern":"echo","data":"alive","id":"alive"}"#]).await;
        waiting.push(peer);
    }
    before.expect_alive().await;
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(300), waiting[0].0.peek(&mut byte)).await;
    assert!(early.is_err(), "it is out of descriptors");

    fillers.clear();
    for mut peer in waiting {
        peer.expect(r#"51#{"response":"alive","isDisposed":true,"id":"alive"}"#).await;
    }
    let stats = stats(&http).await;
    assert!(stats["acceptErrors"].as_u64().unwrap() > 0 && stats["accepted"] == 6, "{stats}");
    child.start_kill().unwrap();
    let output = child.wait_with_output().await.unwrap();
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(log.contains("cannot accept connections; pausing"), "{log}");
}

/// Keeps a second handle of each socket that the server is given.
struct Watched {
    socket: TcpListener,
    accepted: Arc<Mutex<Vec<socket2::Socket>>>,
}

impl Listener for Watched {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = std::io::Result<Option<Accepted>>> + Send + '_>> {
        Box::pin(async {
            let (stream, peer_addr) = self.socket.accept().await?;
            self.accepted.lock().unwrap().push(SockRef::from(&stream).try_clone()?);
            Accepted::tcp(stream, peer_addr).map(Some)
        })
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }
}

#[cfg(target_os = "linux")]
async fn read_back(options: TcpMicroserviceOptions) -> (bool, bool, Keepalive) {
    let accepted = Arc::default();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = Watched { socket, accepted: Arc::clone(&accepted) };
    let app = serve_with::<ContractModule>(options.listener(listener)).await;
    Peer::connect(app.address("tcp").unwrap()).await.expect_alive().await;
    app.close().await;
    let socket = accepted.lock().unwrap().pop().expect("one was accepted");
    let keepalive = Keepalive {
        idle: socket.tcp_keepalive_time().unwrap(),
        interval: socket.tcp_keepalive_interval().unwrap(),
        probes: socket.tcp_keepalive_retries().unwrap(),
        user_timeout: socket.tcp_user_timeout().unwrap().expect("it is set"),
    };
    (socket.tcp_nodelay().unwrap(), socket.keepalive().unwrap(), keepalive)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn cl_11_accepted_sockets_are_probed_as_the_options_say() {
    let seconds = Duration::from_secs;
    let default = Keepalive { idle: seconds(15), interval: seconds(5), probes: 3, user_timeout: seconds(20) };
    assert_eq!(read_back(free_port()).await, (true, true, default));
    assert!(default.idle + default.interval * default.probes <= seconds(30), "a dead peer is known by then");
    let own = Keepalive { idle: seconds(7), interval: seconds(2), probes: 4, user_timeout: seconds(9) };
    assert_eq!(read_back(free_port().keepalive(own)).await, (true, true, own));
}

/// Takes a peer off the network: its kernel no longer sees what it is sent, and answers nothing.
#[cfg(target_os = "linux")]
fn pull_the_plug(peer: &Peer) {
    // `ret #0`: nothing of any packet is kept.
    SockRef::from(&peer.0).attach_filter(&[SockFilter::new(6, 0, 0, 0)]).unwrap();
}

#[cfg(target_os = "linux")]
async fn dead_peers_are_found(options: TcpMicroserviceOptions, with_http: bool) {
    let second = Duration::from_secs(1);
    let keepalive = Keepalive { idle: second, interval: second, probes: 2, user_timeout: second * 2 };
    let mut factory = NestFactory::create_microservice::<ContractModule>(options.keepalive(keepalive));
    if with_http {
        let address = free_address().await;
        let options = TcpMicroserviceOptions::bind(&address).keepalive(keepalive);
        factory = NestFactory::create_microservice::<ContractModule>(options).also_listen_http(address.as_str());
    }
    let app = factory.start().await.unwrap();
    let server = tcp(&app);
    let (mut idle, mut busy) = (Peer::connect(server.address()).await, Peer::connect(server.address()).await);
    let mut alive = Peer::connect(server.address()).await;
    for peer in [&mut idle, &mut busy, &mut alive] {
        peer.expect_alive().await;
    }
    pull_the_plug(&idle);
    busy.send_frames(&[r#"{"pattern":"slow","data":100,"id":1}"#]).await;
    pull_the_plug(&busy);
    let begun = Instant::now();
    eventually(&server, "both are dead", |stats| stats.closed(CloseReason::Dead) == 2).await;
    assert!(begun.elapsed() > second, "not for any other reason");
    // A silent peer is no dead one.
    assert_eq!(server.stats().open, 1);
    alive.expect_alive().await;
    drop((idle, busy, alive));
    app.close().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn cl_11_a_peer_that_vanishes_is_found_dead_idle_or_busy() {
    dead_peers_are_found(free_port(), false).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn cl_11_a_peer_that_came_through_the_address_shared_with_http_is_found_dead_too() {
    dead_peers_are_found(free_port(), true).await;
}
