//! Who may connect: the authentication hook, which runs before a frame is read, and what it leaves for guards and handlers.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nestrs::microservices::{
    Authenticated, ConnectionContext, ConnectionRequest, Secret, TcpMicroserviceOptions, TcpTransport,
    TcpTransportOptions,
};
use nestrs::prelude::*;
use nestrs::{LogCapture, LogLevel, RunningApp};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use support::contract::Contract;
use support::raw::{PATIENCE, Peer, frame};
use support::{client_to, free_port};

/// What the hooks here return.
struct Tenant(&'static str);

/// Lets the calls of one tenant through.
#[derive(Default)]
struct AcmeOnly;

impl CanActivate for AcmeOnly {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        let tenant = cx.transport::<ConnectionContext>().and_then(ConnectionContext::authenticated::<Tenant>);
        if tenant.is_some_and(|tenant| tenant.0 == "acme") { Ok(()) } else { Err(nestrs::forbidden()) }
    }
}

#[injectable]
struct Tenants;

#[micro_routes]
impl Tenants {
    #[message_pattern("tenant")]
    async fn tenant(&self, #[ctx] tenant: Authenticated<Tenant>) -> &'static str {
        tenant.0
    }

    #[message_pattern("is.authenticated")]
    async fn is_authenticated(&self, #[ctx] tenant: Option<Authenticated<Tenant>>) -> bool {
        tenant.is_some()
    }

    #[message_pattern("acme")]
    #[use_guards(AcmeOnly)]
    async fn acme(&self) -> &'static str {
        "acme only"
    }
}

#[module(providers = [Tenants, Contract], microservices = [Tenants, Contract])]
struct AppModule;

async fn serve(options: TcpMicroserviceOptions) -> RunningApp {
    support::serve_with::<AppModule>(options.grace_period(Duration::from_millis(100))).await
}

/// Lets in whoever knows the token, as tenant `acme`.
fn by_token(options: TcpMicroserviceOptions) -> TcpMicroserviceOptions {
    let expected = Secret::new("right");
    options.authenticate_by_credentials(move |request: ConnectionRequest| {
        let known = request.token().is_some_and(|token| expected.matches(token.expose()));
        async move { if known { Ok(Tenant("acme")) } else { Err(TransportError::new("who are you")) } }
    })
}

fn client_with(app: &RunningApp, token: &str) -> ClientProxy {
    let options = TcpTransportOptions::to(app.address("tcp").unwrap()).credentials(token);
    ClientProxy::new(Arc::new(TcpTransport::new(options)))
}

async fn expect_line(logs: &LogCapture, level: LogLevel, text: &str) {
    let logged = async {
        while !logs.contains(level, text) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, logged).await.is_ok(), "{text}: {:#?}", logs.lines());
}

/// That nothing of a connection that was refused has run.
fn expect_nothing_ran(app: &RunningApp) {
    assert_eq!(app.get::<Contract>().unwrap().runs("user.created#1"), 0);
}

const EVENT: &str = r#"{"pattern":"user.created","data":1}"#;
const ASK: &str = r#"{"pattern":"echo","data":"alive","id":"alive"}"#;
const ALIVE: &str = r#"51#{"response":"alive","isDisposed":true,"id":"alive"}"#;

#[tokio::test]
async fn se_3_the_hook_runs_once_a_connection_and_before_its_frames() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let options = free_port().authenticate(move |request| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(request.peer_addr().unwrap().ip().is_loopback());
            assert!(
                request.identity().is_none() && request.token().is_none() && request.credentials::<Value>().is_none()
            );
            Ok(Tenant("acme"))
        }
    });
    let app = serve(options).await;
    let address = app.address("tcp").unwrap();
    // Silence is a connection too, and a NestJS client that calls later must find itself let in.
    let mut silent = Peer::connect(address).await;
    let client = client_to(address);
    for _ in 0..3 {
        assert_eq!(client.send::<_, String>("tenant", &()).await.unwrap(), "acme");
    }
    assert_eq!(client.send::<_, String>("acme", &()).await.unwrap(), "acme only");
    silent.expect_alive().await;
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    app.close().await;
}

#[tokio::test]
async fn se_3_who_is_refused_is_closed_without_a_word_and_nothing_runs() {
    let logs = LogCapture::start();
    let app = serve(free_port().authenticate(|_| async { Err::<(), _>(TransportError::new("not from\nhere")) })).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[EVENT, EVENT, ASK]).await;
    let mut said = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, peer.0.read_to_end(&mut said)).await.unwrap();
    assert_eq!((closed.expect("FIN and not RST"), &*said), (0, &b""[..]), "no reason text");
    expect_line(&logs, LogLevel::Warn, "connection refused").await;
    let refused: Vec<_> = logs.lines().into_iter().filter(|line| line.starts_with("WARN [nestrs::tcp]")).collect();
    assert_eq!(refused.len(), 1, "{refused:#?}");
    assert!(refused[0].contains("peer_addr=127.0.0.1:") && refused[0].contains("reason=auth"), "{refused:#?}");
    assert!(refused[0].contains(r#"why="not from\\nhere""#), "{refused:#?}");
    expect_line(&logs, LogLevel::Debug, "disconnected reason=auth").await;
    expect_nothing_ran(&app);
    app.close().await;
}

#[tokio::test]
async fn se_3_a_hook_that_panics_refuses() {
    let logs = LogCapture::start();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let options = free_port().authenticate(move |_| {
        // Once in the function itself, once in its future.
        assert!(counted.fetch_add(1, Ordering::Relaxed) > 0, "canary");
        async { if Instant::now() > Instant::now() { Ok(()) } else { panic!("canary") } }
    });
    let app = serve(options).await;
    for _ in 0..2 {
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send_frames(&[EVENT]).await;
        assert_eq!(peer.expect_closed().await, b"");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2, "the server goes on");
    expect_line(&logs, LogLevel::Warn, "the authentication hook has panicked").await;
    assert!(logs.lines().iter().all(|line| !line.contains("canary")));
    expect_nothing_ran(&app);
    app.close().await;
}

#[tokio::test]
async fn sl_2_a_hook_that_is_not_done_in_time_refuses() {
    let logs = LogCapture::start();
    let options = free_port().handshake_timeout(Duration::from_millis(60));
    let app = serve(options.authenticate(|_| std::future::pending::<Result<(), TransportError>>())).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let started = Instant::now();
    peer.send_frames(&[EVENT, ASK]).await;
    assert_eq!(peer.expect_closed().await, b"");
    assert!(started.elapsed() >= Duration::from_millis(50), "{:?}", started.elapsed());
    expect_line(&logs, LogLevel::Warn, "authentication took longer than `handshake_timeout`").await;
    expect_nothing_ran(&app);
    app.close().await;
}

#[tokio::test]
async fn se_3_credentials_are_the_first_frame_and_what_follows_is_served() {
    let app = serve(by_token(free_port())).await;
    let client = client_with(&app, "right");
    assert_eq!(client.send::<_, String>("tenant", &()).await.unwrap(), "acme");
    assert_eq!(client.send::<_, String>("acme", &()).await.unwrap(), "acme only");

    // Together in one segment, or cut anywhere.
    let bytes = frame("\"right\"") + &frame(ASK);
    for cut in [0, 1, 3, frame("\"right\"").len(), frame("\"right\"").len() + 2] {
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send(&bytes[..cut]).await;
        tokio::task::yield_now().await;
        peer.send(&bytes[cut..]).await;
        peer.expect(ALIVE).await;
        peer.expect_alive().await;
    }
    app.close().await;
}

#[tokio::test]
async fn se_3_wrong_credentials_are_refused_and_nothing_runs() {
    let logs = LogCapture::start();
    let app = serve(by_token(free_port())).await;
    for first in [r#""wrong""#, r#""righ""#, r#""right ""#, "{}", "null", "7", EVENT, "no json"] {
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send_frames(&[first, EVENT, ASK]).await;
        assert_eq!(peer.expect_closed().await, b"", "{first}");
    }
    expect_line(&logs, LogLevel::Warn, "who are you").await;
    for client in [client_with(&app, "wrong"), client_to(app.address("tcp").unwrap())] {
        let error = client.send::<_, String>("tenant", &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionClosed, "{error}");
    }
    expect_nothing_ran(&app);
    app.close().await;
}

#[tokio::test]
async fn se_3_a_first_frame_beyond_the_limit_is_refused_by_its_header() {
    let logs = LogCapture::start();
    let limit = |bytes| by_token(free_port()).max_frame_bytes_unauthenticated(bytes);
    let app = serve(limit(7)).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    // No byte of the body: the header says enough.
    peer.send("8#").await;
    assert_eq!(peer.expect_closed().await, b"");
    expect_line(&logs, LogLevel::Warn, "its first frame: ").await;
    for no_frame in ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01"] {
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send(no_frame).await;
        assert_eq!(peer.expect_closed().await, b"", "{no_frame:?}");
    }
    // Up to the limit, and beyond it once it is let in.
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&["\"right\"", ASK]).await;
    peer.expect(ALIVE).await;
    app.close().await;

    // By default 16 KiB.
    let app = serve(by_token(free_port())).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send("16385#").await;
    assert_eq!(peer.expect_closed().await, b"");
    app.close().await;
}

#[tokio::test]
async fn sl_2_credentials_that_do_not_come_in_time_are_refused() {
    let logs = LogCapture::start();
    let app = serve(by_token(free_port()).handshake_timeout(Duration::from_millis(60))).await;
    for first in ["", "7#\"rig"] {
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send(first).await;
        assert_eq!(peer.expect_closed().await, b"");
    }
    expect_line(&logs, LogLevel::Warn, "authentication took longer than `handshake_timeout`").await;
    // Who leaves by itself is worth no warning.
    let before = logs.lines().iter().filter(|line| line.starts_with("WARN [nestrs::tcp]")).count();
    drop(Peer::connect(app.address("tcp").unwrap()).await);
    expect_line(&logs, LogLevel::Debug, "disconnected reason=peer-closed").await;
    assert_eq!(logs.lines().iter().filter(|line| line.starts_with("WARN [nestrs::tcp]")).count(), before);
    app.close().await;
}

#[tokio::test]
async fn se_3_credentials_may_be_any_json() {
    let options = free_port().authenticate_by_credentials(|request| async move {
        let credentials: Value = request.credentials().ok_or_else(nestrs::forbidden)?;
        if credentials == json!({ "user": "ali", "key": 7 }) { Ok(Tenant("ali")) } else { Err(nestrs::forbidden()) }
    });
    let app = serve(options).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"key":7,"user":"ali"}"#, r#"{"pattern":"tenant","id":"1"}"#]).await;
    peer.expect(&frame(r#"{"response":"ali","isDisposed":true,"id":"1"}"#)).await;
    app.close().await;
}

#[tokio::test]
async fn without_a_hook_there_is_nobody_authenticated() {
    let app = serve(free_port()).await;
    let client = client_to(app.address("tcp").unwrap());
    assert!(!client.send::<_, bool>("is.authenticated", &()).await.unwrap());
    assert_eq!(client.send::<_, String>("acme", &()).await.unwrap_err().message, "Forbidden resource");
    let error = client.send::<_, String>("tenant", &()).await.unwrap_err();
    assert_eq!(error.message, "Internal server error");
    app.close().await;
}

#[tokio::test]
async fn a_connection_that_is_being_authenticated_does_not_hold_up_a_shutdown() {
    let asked = Arc::new(tokio::sync::Notify::new());
    let asking = Arc::clone(&asked);
    let options = free_port().authenticate(move |_| {
        asking.notify_one();
        std::future::pending::<Result<(), TransportError>>()
    });
    let app = support::serve_with::<AppModule>(options).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    asked.notified().await;
    let started = Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    peer.expect_closed().await;
}

#[tokio::test]
async fn a_connection_that_is_being_authenticated_can_be_told_to_end() {
    let asked = Arc::new(tokio::sync::Notify::new());
    let asking = Arc::clone(&asked);
    let app = serve(free_port().authenticate(move |_| {
        asking.notify_one();
        std::future::pending::<Result<(), TransportError>>()
    }))
    .await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    asked.notified().await;
    let server = app.servers().get("tcp").unwrap();
    let started = Instant::now();
    assert!(server.disconnect(server.connections()[0].id));
    peer.expect_closed().await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(server.stats().closed(nestrs::microservices::net::CloseReason::Shutdown), 1);
    app.close().await;
}
