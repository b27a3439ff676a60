//! What peers can have a server log: enough to see what they do, and not a line for each time they do it.

mod support;

use std::time::{Duration, Instant};

use nestrs::microservices::net::CloseReason;
use nestrs::microservices::{ServerHandle, ServerStats, TcpMicroserviceOptions};
use nestrs::prelude::*;
use nestrs::{LogCapture, LogLevel, RunningApp};
use serde_json::json;
use socket2::SockRef;

use support::contract::ContractModule;
use support::raw::{PATIENCE, Peer, frame};
use support::{free_port, serve_with};

const FLOOD: u64 = 300;

/// A server, and the log of a flood.
struct Flooded {
    app: RunningApp,
    server: ServerHandle,
    log: LogCapture,
    begun: Instant,
}

impl Flooded {
    async fn serve(options: TcpMicroserviceOptions) -> Self {
        let log = LogCapture::start();
        let app = serve_with::<ContractModule>(options).await;
        let server = app.servers().get("tcp").unwrap().clone();
        Self { app, server, log, begun: Instant::now() }
    }

    async fn connect(&self) -> Peer {
        Peer::connect(self.server.address()).await
    }

    async fn until(&self, what: &str, is_so: impl Fn(&ServerStats) -> bool) {
        let waiting = async {
            while !is_so(&self.server.stats()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}: {:?}", self.server.stats()));
    }

    /// That at most so many lines a second say `message`, and at least the first few.
    async fn expect_lines(self, message: &str, per_second: u64) {
        let seconds = self.begun.elapsed().as_secs() + 1;
        let lines = lines(&self.log, message);
        assert!((per_second..=per_second * (seconds + 1)).contains(&lines), "{lines} lines in {seconds} s");
        assert!(lines < FLOOD, "{lines}");
        self.app.close().await;
    }
}

fn lines(log: &LogCapture, message: &str) -> u64 {
    let told =
        log.events().into_iter().filter(|event| event.level != LogLevel::Debug && event.message.contains(message));
    told.count() as u64
}

#[tokio::test]
async fn fr_12_a_flood_of_faults_is_counted_one_by_one_and_logged_in_a_few_lines() {
    let flooded = Flooded::serve(free_port()).await;
    for _ in 0..FLOOD {
        let mut peer = flooded.connect().await;
        peer.send("x").await;
        assert_eq!(peer.expect_closed().await, b"");
    }
    assert_eq!(flooded.server.stats().faults, FLOOD);
    // The next line says how many there were between.
    tokio::time::sleep(Duration::from_millis(1001)).await;
    let mut peer = flooded.connect().await;
    peer.send("x").await;
    assert_eq!(peer.expect_closed().await, b"");
    let told: u64 = flooded
        .log
        .events()
        .iter()
        .filter(|event| event.message.contains("protocol fault"))
        .map(|event| 1 + event.field("suppressed").map_or(0, |count| count.parse::<u64>().unwrap()))
        .sum();
    assert_eq!(told, FLOOD + 1);
    flooded.expect_lines("protocol fault", 10).await;
}

#[tokio::test]
async fn se_3_a_flood_of_strangers_is_logged_in_a_few_lines() {
    let options = free_port().authenticate(|_| async { Err::<(), _>(nestrs::forbidden()) });
    let flooded = Flooded::serve(options).await;
    for _ in 0..FLOOD {
        assert_eq!(flooded.connect().await.expect_closed().await, b"");
    }
    flooded.until("all are counted", |stats| stats.closed(CloseReason::Auth) == FLOOD).await;
    flooded.expect_lines("connection refused", 10).await;
}

#[tokio::test]
async fn fr_15_a_flood_of_replies_too_large_is_logged_in_a_few_lines() {
    let flooded = Flooded::serve(free_port().max_frame_bytes(100)).await;
    let mut peer = flooded.connect().await;
    // The reply is longer than the request.
    let request = frame(&json!({ "pattern": "echo", "data": "x".repeat(62), "id": 1 }).to_string());
    let reply = r#"{"err":{"status":"error","message":"Internal server error"},"isDisposed":true,"id":1}"#;
    for _ in 0..FLOOD {
        peer.send(&request).await;
        peer.expect(&frame(reply)).await;
    }
    flooded.expect_lines("reply cannot be sent", 10).await;
}

#[tokio::test]
async fn fr_13_a_flood_of_resets_is_counted_one_by_one_and_logged_in_a_few_lines() {
    let flooded = Flooded::serve(free_port()).await;
    for _ in 0..FLOOD {
        let mut peer = flooded.connect().await;
        peer.expect_alive().await;
        SockRef::from(&peer.0).set_linger(Some(Duration::ZERO)).unwrap();
    }
    flooded.until("all are counted", |stats| stats.closed(CloseReason::PeerReset) == FLOOD).await;
    flooded.expect_lines("disconnected", 10).await;
}

#[tokio::test]
async fn sl_1_a_flood_of_slow_frames_is_counted_one_by_one_and_logged_in_a_few_lines() {
    let flooded = Flooded::serve(free_port().frame_idle_timeout(Duration::from_millis(20))).await;
    let mut peers = Vec::new();
    for _ in 0..FLOOD {
        let mut peer = flooded.connect().await;
        peer.send("1").await;
        peers.push(peer);
    }
    flooded.until("all are counted", |stats| stats.closed(CloseReason::SlowFrame) == FLOOD).await;
    flooded.expect_lines("a frame took too long", 10).await;
}

#[tokio::test]
async fn rq_4_a_flood_of_calls_that_fail_is_logged_in_a_hundred_lines_a_second() {
    let flooded = Flooded::serve(free_port()).await;
    let mut peer = flooded.connect().await;
    let reply = r#"{"err":{"status":"error","message":"Internal server error"},"isDisposed":true,"id":1}"#;
    for _ in 0..FLOOD {
        peer.send(frame(r#"{"pattern":"fail.plain","data":0,"id":1}"#).repeat(10)).await;
        peer.expect(&frame(reply).repeat(10)).await;
    }
    let seconds = flooded.begun.elapsed().as_secs() + 1;
    let lines = lines(&flooded.log, "handler failed");
    assert!((100..=100 * (seconds + 1)).contains(&lines), "{lines} lines in {seconds} s");
    assert!(lines < 10 * FLOOD, "{lines}");
    flooded.app.close().await;
}

#[injectable]
struct Pages;

#[controller("/pages")]
impl Pages {
    #[get("/broken")]
    async fn broken(&self) -> Result<(), TransportError> {
        Err(std::io::Error::other("the disk is gone"))?
    }
}

#[module(controllers = [Pages])]
struct PagesModule;

#[tokio::test]
async fn rq_4_a_flood_of_pages_that_fail_is_logged_in_a_hundred_lines_a_second() {
    let log = LogCapture::start();
    let app = NestFactory::create::<PagesModule>().start("127.0.0.1:0").await.unwrap();
    let (address, begun) = (app.address("http").unwrap().to_owned(), Instant::now());
    let mut peer = Peer::connect(&address).await;
    peer.send("GET /pages/broken HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000)).await;
    peer.send("GET /pages/broken HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let responses = String::from_utf8(peer.expect_closed().await).unwrap();
    assert_eq!(responses.matches("HTTP/1.1 500").count(), 1001);
    let seconds = begun.elapsed().as_secs() + 1;
    let lines = lines(&log, "HTTP handler failed");
    assert!((100..=100 * (seconds + 1)).contains(&lines), "{lines} lines in {seconds} s");
    assert!(lines < 1001, "{lines}");
    app.close().await;
}
