//! What has brought down servers of this kind before, NestJS's own first, done to ours: over real sockets, one story each.
//!
//! The fixed limits are tested where they are; here it is the whole that must hold. Every story ends with the same
//! question: is somebody else still served?

mod support;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nestrs::Sent;
use nestrs::microservices::{TcpMicroserviceOptions, TcpTransport, TcpTransportOptions};
use nestrs::prelude::*;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use support::raw::{PATIENCE, Peer, frame};
use support::{free_port, serve_with};

const NO_HANDLER: &str = "There is no matching message handler defined in the remote service.";

/// Handlers that take their time.
#[injectable]
struct Service {
    work: Work,
}

/// How many of them there are.
#[derive(Clone, Default)]
struct Work(Arc<Counts>);

#[derive(Default)]
struct Counts {
    running: AtomicUsize,
    most: AtomicUsize,
    released: Notify,
}

/// Counts a handler from its start to its end, however it ends.
struct Running(Work);

impl Work {
    fn enter(&self) -> Running {
        let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(running, Ordering::SeqCst);
        Running(self.clone())
    }

    fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[micro_routes]
impl Service {
    #[message_pattern("echo")]
    async fn echo(&self, value: Value) -> Value {
        value
    }

    /// Ends when the test says so.
    #[message_pattern("work")]
    async fn work(&self) {
        let _running = self.work.enter();
        self.work.0.released.notified().await;
    }

    #[message_pattern("hang")]
    async fn hang(&self) {
        let _running = self.work.enter();
        std::future::pending().await
    }

    #[message_pattern("large")]
    async fn large(&self, len: usize) -> String {
        "x".repeat(len)
    }

    #[message_pattern("log.*.>")]
    async fn log(&self) -> &'static str {
        "logged"
    }
}

#[module(providers = [Service], microservices = [Service])]
struct AppModule;

/// A started server, and what its handlers count.
struct Server {
    app: nestrs::RunningApp,
    work: Work,
}

impl Server {
    async fn start(options: TcpMicroserviceOptions) -> Self {
        let app = serve_with::<AppModule>(options.grace_period(Duration::from_millis(200))).await;
        let work = app.get::<Service>().expect("it is provided").work.clone();
        Self { app, work }
    }

    fn address(&self) -> &str {
        self.app.address("tcp").expect("it listens on TCP")
    }

    async fn connect(&self) -> Peer {
        Peer::connect(self.address()).await
    }

    /// Somebody new is served, at once.
    async fn serves(&self) {
        let started = Instant::now();
        self.connect().await.expect_alive().await;
        assert!(started.elapsed() < Duration::from_secs(2), "it took {:?}", started.elapsed());
    }

    /// Waits until so many handlers run.
    async fn until_running(&self, count: usize) {
        let reached = async {
            while self.work.running() != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "{} handlers run, not {count}", self.work.running());
    }
}

/// Memory of this process, in bytes: what is reserved (`VmSize`), or in use (`VmRSS`). Nothing where the system does not
/// tell.
fn memory(kind: &str) -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
}

/// CVE-2026-40879: NestJS's parser called itself once a frame, and 47 KB of the smallest ended the process.
#[tokio::test]
async fn fr_10_the_47_kilobytes_that_ended_a_nestjs_server() {
    let server = Server::start(free_port()).await;
    for frames in [12_000, 250_000] {
        let mut peer = server.connect().await;
        peer.send("2#{}".repeat(frames)).await;
        peer.expect_alive().await;
    }
    server.serves().await;
    server.app.close().await;
}

/// A header that announces much and a body that never comes: what is announced is not reserved.
#[tokio::test]
async fn fr_4_stalled_packets_that_announce_gigabytes_take_no_memory() {
    let server = Server::start(free_port()).await;
    let before = ["VmRSS", "VmSize"].map(memory);
    let mut stalled = Vec::new();
    for _ in 0..200 {
        let mut peer = server.connect().await;
        // 200 times the limit is 12.5 GiB.
        peer.send(r#"67108864#{"pattern":"echo","data":""#).await;
        stalled.push(peer);
    }
    server.serves().await;
    let after = ["VmRSS", "VmSize"].map(memory);
    // Other tests run beside this one; each thread of theirs reserves some more.
    for ((before, after), more) in before.into_iter().zip(after).zip([200 << 20, 4 << 30]) {
        assert!(after <= before.map(|before| before + more), "{before:?} bytes before, {after:?} after");
    }
    server.app.close().await;
}

/// Others wait for a stalled packet neither while the server runs nor when it stops.
#[tokio::test]
async fn sd_2_a_stalled_packet_does_not_hold_up_the_close() {
    let server = Server::start(free_port()).await;
    let mut stalled = server.connect().await;
    stalled.send(r#"100#{"pattern":"#).await;
    server.serves().await;
    let started = Instant::now();
    server.app.close().await;
    assert!(started.elapsed() < Duration::from_millis(200 + 1000), "{:?}", started.elapsed());
    stalled.expect_closed().await;
}

/// CVE-2023-43669, CVE-2026-48779: parsers that looked at the whole buffer again for every fragment.
#[tokio::test]
async fn fr_11_a_large_frame_in_fragments_of_one_byte_is_answered() {
    let server = Server::start(free_port()).await;
    let mut peer = server.connect().await;
    let text = "é漢😀x".repeat(6_000);
    let request = frame(&format!(r#"{{"pattern":"echo","data":"{text}","id":"1"}}"#));
    let started = Instant::now();
    for byte in request.as_bytes() {
        peer.send([*byte]).await;
    }
    peer.expect(&frame(&format!(r#"{{"response":"{text}","isDisposed":true,"id":"1"}}"#))).await;
    // Most of it is the sending; a parser that begins anew each time would look at two billion bytes.
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    server.serves().await;
    server.app.close().await;
}

/// Peers that ask and never read: the kernel's buffers fill, and then the server's would.
#[tokio::test]
async fn sl_3_peers_that_ask_and_never_read_are_closed() {
    let options = free_port().send_queue_high(64 * 1024).write_stall_timeout(Duration::from_millis(200));
    let server = Server::start(options).await;
    let mut deaf = Vec::new();
    for _ in 0..5 {
        let mut peer = server.connect().await;
        let ask = frame(r#"{"pattern":"large","data":1000000,"id":"1"}"#);
        peer.send(ask.repeat(40)).await;
        deaf.push(peer);
    }
    server.serves().await;
    for mut peer in deaf {
        peer.wait_until_reset().await;
    }
    server.serves().await;
    server.app.close().await;
}

/// Patterns that are objects are walked to find their route: depth and width are the peer's choice.
#[tokio::test]
async fn rq_2_deep_and_wide_patterns_are_unknown_patterns() {
    let server = Server::start(free_port()).await;
    let deep = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let wide: String = (0..2_000).map(|key| format!(r#""k{key}":{key},"#)).collect();
    let escaped = Value::from(deep(100)).to_string();
    for pattern in [deep(100), format!(r#"{{{wide}"z":0}}"#), escaped, format!("[{}0]", "0,".repeat(2_000))] {
        let mut peer = server.connect().await;
        peer.send(frame(&format!(r#"{{"pattern":{pattern},"data":1,"id":"1"}}"#))).await;
        peer.expect(&frame(&format!(r#"{{"id":"1","status":"error","err":"{NO_HANDLER}"}}"#))).await;
        peer.expect_alive().await;
    }
    // So deep that no parser which calls itself survives it: an unknown pattern or a fault, and nothing else.
    for pattern in [deep(100_000), "[".repeat(1_000_000), Value::from(deep(10_000)).to_string()] {
        let mut peer = server.connect().await;
        peer.send(frame(&format!(r#"{{"pattern":{pattern},"data":1,"id":"1"}}"#))).await;
        let mut answer = [0; 200];
        let read = tokio::time::timeout(PATIENCE, peer.0.read(&mut answer)).await.expect("an answer or the end");
        let answer = String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned();
        assert!(answer.is_empty() || answer.contains(NO_HANDLER), "{answer}");
        server.serves().await;
    }
    server.app.close().await;
}

/// CVE-2024-31228: matching that calls itself at each wildcard.
#[tokio::test]
async fn rq_2_a_subject_of_thirty_thousand_words_is_compared_at_once() {
    let server = Server::start(free_port().wildcards(true)).await;
    let mut peer = server.connect().await;
    let started = Instant::now();
    let subject = format!("log.{}", vec!["a"; 30_000].join("."));
    peer.send(frame(&format!(r#"{{"pattern":"{subject}","data":1,"id":"1"}}"#))).await;
    peer.expect(&frame(r#"{"response":"logged","isDisposed":true,"id":"1"}"#)).await;
    peer.send(frame(&format!(r#"{{"pattern":"{subject}.","data":1,"id":"1"}}"#))).await;
    peer.expect(&frame(&format!(r#"{{"id":"1","status":"error","err":"{NO_HANDLER}"}}"#))).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    server.app.close().await;
}

/// CVE-2023-44487: open, ask, go away, and again: each time the server had forgotten the caller, but not the work.
#[tokio::test]
async fn sl_5_asking_and_going_away_does_not_multiply_the_work() {
    let server = Server::start(free_port().max_in_flight(8)).await;
    for _ in 0..100 {
        let mut peer = server.connect().await;
        peer.send_frames(&[r#"{"pattern":"work","data":1,"id":"1"}"#]).await;
    }
    server.until_running(8).await;
    // As the handlers end, those who waited have their turn, no more of them at a time; then somebody new.
    let releasing = async {
        loop {
            server.work.0.released.notify_waiters();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = releasing => unreachable!("it releases for ever"),
        () = server.serves() => {}
    }
    assert_eq!(server.work.0.most.load(Ordering::SeqCst), 8);
    server.app.close().await;
}

/// A handler that never ends: closing waits for it as long as it is told, and then it is gone.
#[tokio::test]
async fn sd_2_no_handler_outlives_the_close() {
    let server = Server::start(free_port()).await;
    let mut peer = server.connect().await;
    peer.send_frames(&[r#"{"pattern":"hang","data":1,"id":"1"}"#]).await;
    server.until_running(1).await;
    let (started, work) = (Instant::now(), server.work.clone());
    server.app.close().await;
    assert!(started.elapsed() < Duration::from_millis(200 + 1000), "{:?}", started.elapsed());
    assert_eq!(work.running(), 0, "it still runs");
    peer.expect_closed().await;
}

/// The most reported hang of NestJS's clients: a server that takes the request and says nothing.
#[tokio::test]
async fn cl_6_a_caller_of_a_silent_server_does_not_hang() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let mut held = Vec::new();
    let serving = async {
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    };
    let options = TcpTransportOptions::to(&address).request_timeout(Some(Duration::from_millis(100)));
    let client = ClientProxy::new(Arc::new(TcpTransport::new(options)));
    let calling = async {
        let error = client.send::<_, Value>("echo", &1).await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::Maybe)));
        client.close().await;
    };
    tokio::select! {
        () = serving => unreachable!("it accepts for ever"),
        ended = tokio::time::timeout(PATIENCE, calling) => ended.expect("the call ends"),
    }
}

/// And a server that goes away with calls under way: every caller is told, at once.
#[tokio::test]
async fn cl_2_callers_of_a_server_that_goes_away_do_not_hang() {
    let dying = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = dying.local_addr().unwrap().to_string();
    let client = ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to(&address))));
    let serving = tokio::spawn(async move {
        let (mut stream, _) = dying.accept().await.unwrap();
        // Until the last of the requests has come.
        let mut received = Vec::new();
        while received.iter().filter(|byte| **byte == b'#').count() < 200 {
            let _ = stream.read_buf(&mut received).await.unwrap();
        }
        Instant::now()
    });
    let calls = (0..200).map(|number| {
        let client = client.clone();
        tokio::spawn(async move { client.send::<_, Value>("echo", &number).await.unwrap_err() })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = tokio::time::timeout(PATIENCE, call).await.expect("the call ends").unwrap();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)));
    }
    let gone = serving.await.unwrap().elapsed();
    assert!(gone < Duration::from_millis(5 * 100), "{gone:?}");
    client.close().await;
}
