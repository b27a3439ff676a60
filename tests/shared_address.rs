//! One address for HTTP and messages: who is let in there, by which limits, and what happens when it breaks.

mod support;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nestrs::microservices::net::io::{Accepted, Listener};
use nestrs::microservices::net::{CloseReason, FaultCode};
use nestrs::microservices::{
    Bound, Dispatcher, MicroserviceOptions, ServerHandle, ServerStats, ServerStatus, Shutdown, TcpMicroserviceOptions,
    TransportServer,
};
use nestrs::prelude::*;
use nestrs::{LogCapture, LogLevel, RunningApp};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use support::contract::ContractModule;
use support::http::get;
use support::raw::{PATIENCE, Peer, frame};

/// A port that is free now; the two halves must name the same one.
async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

/// Both halves on one address, with `/health`.
async fn serve(address: &str, microservice: impl MicroserviceOptions) -> RunningApp {
    NestFactory::create_microservice::<ContractModule>(microservice)
        .also_listen_http(address)
        .configure_http(|http| http.enable_health_check("/health"))
        .start()
        .await
        .expect("the application starts")
}

async fn serve_with(
    change: impl FnOnce(TcpMicroserviceOptions) -> TcpMicroserviceOptions,
) -> (RunningApp, ServerHandle) {
    let address = free_address().await;
    let app = serve(&address, change(TcpMicroserviceOptions::bind(&address))).await;
    let server = app.servers().get("tcp").unwrap().clone();
    assert_eq!((app.address("http"), server.address()), (Some(&*address), &*address));
    (app, server)
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

/// So many connections that say nothing, accepted.
async fn silent(server: &ServerHandle, count: usize) -> Vec<Peer> {
    let mut peers = Vec::new();
    for _ in 0..count {
        peers.push(Peer::connect(server.address()).await);
    }
    eventually(server, "they are accepted", |stats| stats.undecided == count).await;
    peers
}

#[tokio::test]
async fn sl_7_who_says_nothing_on_a_shared_address_takes_a_place_and_one_more_is_turned_away() {
    let log = LogCapture::start();
    let (app, server) = serve_with(|options| options.max_connections(2)).await;
    let mut silent = silent(&server, 2).await;
    let mut third = Peer::connect(server.address()).await;
    assert_eq!(third.expect_closed().await, b"");
    let stats = server.stats();
    assert_eq!((stats.open, stats.accepted, stats.undecided), (0, 1, 2));
    assert_eq!((stats.rejected.max_connections, stats.closed(CloseReason::Limit)), (1, 1));
    assert!(log.contains(LogLevel::Warn, "too many connections"), "{:#?}", log.lines());

    // Whoever speaks keeps the place, and whoever leaves gives it back.
    silent[0].expect_alive().await;
    drop(silent.pop());
    eventually(&server, "one is left", |stats| (stats.open, stats.undecided) == (1, 0)).await;
    let mut fourth = Peer::connect(server.address()).await;
    fourth.expect_alive().await;
    app.close().await;
}

#[tokio::test]
async fn sl_7_a_message_is_turned_away_from_a_shared_address_that_is_full_and_http_is_heard() {
    let (app, server) = serve_with(|options| options.max_connections(1)).await;
    let mut first = Peer::connect(server.address()).await;
    first.expect_alive().await;
    // Its call is not executed, since nobody reads it.
    let mut second = Peer::connect(server.address()).await;
    let begun = Instant::now();
    second.send("2#{}").await;
    second.wait_until_reset().await;
    assert!(begun.elapsed() < Duration::from_millis(900), "not for its silence");
    for _ in 0..30 {
        assert_eq!(get(server.address(), "/health").await.0, 200);
    }
    let stats = server.stats();
    assert_eq!((stats.open, stats.accepted, stats.rejected.max_connections), (1, 2, 1));

    // So many are looked at, and the others closed unseen.
    let begun = Instant::now();
    let mut flood = Vec::new();
    for _ in 0..20 {
        flood.push(Peer::connect(server.address()).await);
    }
    eventually(&server, "four of them are closed at once", |stats| stats.rejected.max_connections == 1 + 4).await;
    assert!(begun.elapsed() < Duration::from_millis(900), "this machine is too slow for this test");
    eventually(&server, "and the others a moment later", |stats| stats.rejected.max_connections == 1 + 20).await;
    first.expect_alive().await;
    app.close().await;
}

#[tokio::test]
async fn sl_7_sl_9_limits_by_address_count_the_silent_and_not_http() {
    let rate = Some((4, Duration::from_secs(3600)));
    let (app, server) = serve_with(|options| options.max_connections_per_ip(Some(2)).connect_rate_per_ip(rate)).await;
    for _ in 0..20 {
        assert_eq!(get(server.address(), "/health").await.0, 200);
    }
    let silent = silent(&server, 2).await;
    assert_eq!(Peer::connect(server.address()).await.expect_closed().await, b"");
    assert_eq!(server.stats().rejected.per_ip, 1);
    drop(silent);
    // They had begun, though they said nothing.
    eventually(&server, "they have left", |stats| stats.undecided == 0).await;
    for _ in 0..2 {
        Peer::connect(server.address()).await.expect_alive().await;
        eventually(&server, "it has left", |stats| stats.open == 0).await;
    }
    assert_eq!(Peer::connect(server.address()).await.expect_closed().await, b"");
    assert_eq!(server.stats().rejected.rate, 1);
    app.close().await;
}

#[tokio::test]
async fn sl_2_silence_on_a_shared_address_takes_no_longer_than_the_handshake_may() {
    let (app, server) = serve_with(|options| {
        options.handshake_timeout(Duration::from_millis(200)).authenticate_by_credentials(|_| async { Ok(()) })
    })
    .await;
    let begun = Instant::now();
    let mut peer = Peer::connect(server.address()).await;
    assert_eq!(peer.expect_closed().await, b"");
    assert!((Duration::from_millis(200)..Duration::from_secs(2)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    drop(peer);
    eventually(&server, "it was refused", |stats| stats.closed(CloseReason::Auth) == 1).await;
    app.close().await;
}

#[tokio::test]
async fn fr_18_a_tls_hello_on_a_plain_shared_address_is_a_fault_by_its_name() {
    let log = LogCapture::start();
    let (app, server) = serve_with(|options| options).await;
    let mut peer = Peer::connect(server.address()).await;
    peer.send([0x16, 3, 1]).await;
    assert_eq!(peer.expect_closed().await, b"");
    drop(peer);
    let reason = CloseReason::Fault(FaultCode::LooksLikeTls);
    eventually(&server, "it is a fault", |stats| (stats.faults, stats.closed(reason)) == (1, 1)).await;
    assert!(log.contains(LogLevel::Warn, "looks like TLS"), "{:#?}", log.lines());
    app.close().await;
}

/// A connection that nobody has looked at yet when the application is told to stop may carry a call already.
#[tokio::test]
async fn sd_3_a_call_just_sent_to_a_shared_address_is_refused_when_it_closes_and_not_reset() {
    let (app, server) = serve_with(|options| options).await;
    // On one thread, and without a pause, so that the server has not seen them.
    let mut peers = Vec::new();
    for _ in 0..10 {
        let peer = std::net::TcpStream::connect(server.address()).unwrap();
        std::io::Write::write_all(&mut &peer, frame(r#"{"pattern":"echo","data":1,"id":1}"#).as_bytes()).unwrap();
        peer.set_nonblocking(true).unwrap();
        peers.push(peer);
    }
    let silent = std::net::TcpStream::connect(server.address()).unwrap();
    let begun = Instant::now();
    let closing = async {
        app.close().await;
        begun.elapsed()
    };
    let reading = async {
        for peer in peers {
            let mut peer = Peer(tokio::net::TcpStream::from_std(peer).unwrap());
            let err = r#"{"status":"error","message":"Service is shutting down","executed":false}"#;
            peer.expect(&frame(&format!(r#"{{"err":{err},"isDisposed":true,"id":1}}"#))).await;
            assert_eq!(peer.expect_closed().await, b"");
        }
    };
    let (took, ()) = tokio::join!(closing, reading);
    drop(silent);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// A TCP server whose listener, the shared one, fails as a test says.
struct Failing {
    server: Box<dyn TransportServer>,
    /// Now it breaks.
    breaks: Arc<Notify>,
    /// Each `accept` before that fails, as when there are no descriptors.
    exhausted: bool,
}

struct FailingListener {
    shared: Box<dyn Listener>,
    breaks: Arc<Notify>,
    exhausted: bool,
}

impl Listener for FailingListener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = std::io::Result<Option<Accepted>>> + Send + '_>> {
        const EMFILE: i32 = 24;
        Box::pin(async {
            tokio::select! {
                biased;
                () = self.breaks.notified() => Err(std::io::Error::other("pulled out")),
                () = std::future::ready(()), if self.exhausted => Err(std::io::Error::from_raw_os_error(EMFILE)),
                accepted = self.shared.accept() => accepted,
            }
        })
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.local_addr()
    }
}

#[nestrs::async_trait]
impl TransportServer for Failing {
    async fn bind(&mut self) -> Result<Bound, TransportError> {
        self.server.bind().await
    }

    fn shareable_address(&self) -> Option<(String, u16)> {
        self.server.shareable_address()
    }

    fn share(&mut self, shared: Box<dyn Listener>) {
        let (breaks, exhausted) = (Arc::clone(&self.breaks), self.exhausted);
        self.server.share(Box::new(FailingListener { shared, breaks, exhausted }));
    }

    fn handle(&self) -> Option<ServerHandle> {
        self.server.handle()
    }

    async fn serve(self: Box<Self>, dispatcher: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        self.server.serve(dispatcher, shutdown).await
    }
}

async fn serve_failing(exhausted: bool) -> (RunningApp, Arc<Notify>) {
    let address = free_address().await;
    let server = TcpMicroserviceOptions::bind(&address).into_server();
    let breaks = Arc::new(Notify::new());
    let failing: Box<dyn TransportServer> = Box::new(Failing { server, breaks: Arc::clone(&breaks), exhausted });
    (serve(&address, failing).await, breaks)
}

#[tokio::test]
async fn sd_7_sl_8_a_shared_address_that_breaks_is_told_by_both_halves_and_who_is_connected_stays() {
    let (app, breaks) = serve_failing(false).await;
    let [tcp, http] = ["tcp", "http"].map(|name| app.servers().get(name).unwrap().clone());
    let mut peer = Peer::connect(tcp.address()).await;
    peer.expect_alive().await;
    let mut page = Peer::connect(http.address()).await;
    let request = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    page.send(request).await;
    page.expect("HTTP/1.1 200 OK\r\n").await;

    breaks.notify_one();
    let failing = async {
        while [&tcp, &http].iter().any(|server| server.current_status() != ServerStatus::Failed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, failing).await.expect("both have failed");
    assert_eq!(tcp.stats().accept_errors, 1);
    peer.expect_alive().await;
    page.send(request).await;
    let mut received = String::new();
    while !received.contains("HTTP/1.1 503") {
        let mut chunk = [0; 256];
        let read = tokio::io::AsyncReadExt::read(&mut page.0, &mut chunk).await.expect("it is answered");
        assert!(read > 0, "{received}");
        received.push_str(&String::from_utf8_lossy(&chunk[..read]));
    }
    app.close().await;
    assert_eq!([tcp, http].map(|server| server.current_status()), [ServerStatus::Closed; 2]);
}

#[tokio::test]
async fn sl_8_when_the_shared_address_was_all_there_was_listen_says_that_it_broke() {
    let (app, breaks) = serve_failing(false).await;
    breaks.notify_one();
    let error = tokio::time::timeout(PATIENCE, app.wait()).await.expect("it ends").unwrap_err().to_string();
    assert!(error.contains("the listener is broken"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn sl_8_a_shared_address_without_descriptors_pauses_longer_each_time() {
    let (app, _breaks) = serve_failing(true).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let errors = app.servers().get("tcp").unwrap().stats().accept_errors;
    // 50 ms doubling to 1 s: six in the first 1.6 s, and one a second after that.
    assert!((13..=15).contains(&errors), "{errors}");
    app.close().await;
}

/// What the two halves say of an address they share is in one place only.
#[tokio::test]
async fn who_has_said_nothing_yet_is_told_of_in_the_numbers() {
    let (app, server) = serve_with(|options| options).await;
    let peers = silent(&server, 3).await;
    let written = serde_json::to_value(server.stats()).unwrap();
    assert_eq!((&written["undecided"], &written["open"], &written["accepted"]), (&json!(3), &json!(0), &json!(0)));
    drop(peers);
    eventually(&server, "they have left", |stats| stats.undecided == 0).await;
    app.close().await;
}
