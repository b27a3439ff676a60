//! What holds of any connection holds of one under TLS.

use super::*;

#[tokio::test]
async fn sl_2_a_handshake_that_is_not_over_in_time_is_closed() {
    let authority = Authority::new("Test CA");
    let logs = LogCapture::start();
    let app = serve(free_port().tls(authority.server()).handshake_timeout(Duration::from_millis(60))).await;
    let address = app.address("tcp").unwrap();
    for first in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
        let started = Instant::now();
        let mut peer = Peer::connect(address).await;
        peer.send(first).await;
        assert_eq!(peer.expect_closed().await, b"");
        assert!(started.elapsed() >= Duration::from_millis(60), "{:?}", started.elapsed());
    }
    expect_refused_line(&logs, "TLS: the handshake took longer than `handshake_timeout`").await;
    app.close().await;
}

/// Silent peers in their handshakes hold up neither the others nor the accept loop.
#[tokio::test]
async fn sl_8_handshakes_do_not_run_in_the_accept_loop() {
    let authority = Authority::new("Test CA");
    let app = support::serve_with::<AppModule>(free_port().tls(authority.server())).await;
    let address = app.address("tcp").unwrap();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(Peer::connect(address).await);
    }
    assert_eq!(echo(&client(&app, authority.client())).await.unwrap(), 7);
    let started = Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_secs(2), "handshakes do not hold up a shutdown");
    for peer in &mut silent {
        peer.expect_closed().await;
    }
}

// --- A TLS connection is a connection like any other ------------------------------------------------------------------

async fn expect_line(logs: &LogCapture, level: LogLevel, text: &str) {
    let logged = async {
        while !logs.contains(level, text) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, logged).await.is_ok(), "{text}: {:#?}", logs.lines());
}

/// A load balancer that looks whether the port is open says nothing, and nothing is said of it.
#[tokio::test]
async fn who_leaves_without_a_byte_is_worth_no_warning() {
    let authority = Authority::new("Test CA");
    let logs = LogCapture::start();
    let app = serve(free_port().tls(authority.server())).await;
    drop(Peer::connect(app.address("tcp").unwrap()).await);
    expect_line(&logs, LogLevel::Debug, "disconnected reason=peer-closed").await;
    assert!(logs.lines().iter().all(|line| !line.starts_with("WARN [nestrs::tcp]")), "{:#?}", logs.lines());
    app.close().await;
}

/// With TLS's good-bye or without it, as a process that is killed leaves.
#[tokio::test]
async fn fr_13_the_end_of_a_session_between_frames_is_a_normal_close() {
    let authority = Authority::new("Test CA");
    for says_goodbye in [true, false] {
        let logs = LogCapture::start();
        let app = serve(free_port().tls(authority.server())).await;
        let mut stream = handshake(app.address("tcp").unwrap(), tls_12(&authority, None)).await.unwrap();
        exchange(&mut stream, ASK, ANSWER).await;
        if says_goodbye {
            stream.shutdown().await.unwrap();
        } else {
            stream.get_mut().0.shutdown().await.unwrap();
        }
        expect_line(&logs, LogLevel::Debug, "disconnected reason=peer-closed").await;
        assert!(logs.lines().iter().all(|line| !line.starts_with("WARN [nestrs::tcp]")), "{:#?}", logs.lines());
        app.close().await;
    }
}

/// A client that has said its good-bye still gets its answers.
#[tokio::test]
async fn fr_14_a_half_closed_session_is_answered() {
    let authority = Authority::new("Test CA");
    let app = support::serve_with::<AppModule>(free_port().tls(authority.server())).await;
    let mut stream = handshake(app.address("tcp").unwrap(), tls_12(&authority, None)).await.unwrap();
    let request = frame(r#"{"pattern":"slow","data":50,"id":"1"}"#);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, frame(r#"{"response":50,"isDisposed":true,"id":"1"}"#));
    app.close().await;
}

#[tokio::test]
async fn sl_3_a_peer_that_does_not_read_is_reset_under_tls_too() {
    let authority = Authority::new("Test CA");
    let logs = LogCapture::start();
    let options = free_port().tls(authority.server()).send_queue_high(64 * 1024).send_queue_max(1024 * 1024);
    let app = serve(options.write_stall_timeout(Duration::from_millis(50))).await;
    let mut stream = handshake(app.address("tcp").unwrap(), tls_12(&authority, None)).await.unwrap();
    // One small request, which the server reads whole: closing with input unread would reset the connection by itself.
    let endless = frame(r#"{"pattern":{"cmd":"stream"},"data":4000000000,"id":"1"}"#);
    stream.write_all(endless.as_bytes()).await.unwrap();
    expect_line(&logs, LogLevel::Debug, "disconnected reason=slow-consumer").await;
    // What the server had for it is gone, instead of waiting in the kernel for somebody to read it.
    Peer(stream.into_inner().0).wait_until_reset().await;
    app.close().await;
}

// --- One address for HTTP and TLS ------------------------------------------------------------------------------------

#[cfg(feature = "http")]
#[tokio::test]
async fn plain_http_and_tls_messages_share_an_address() {
    let authority = Authority::new("Test CA");
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let options = TcpMicroserviceOptions::bind(&address).tls(authority.server());
    let app = NestFactory::create::<AppModule>().enable_health_check("/health").connect_microservice(options);
    let app = app.start(&*address).await.unwrap();
    assert_eq!(echo(&client_at(&address, authority.client())).await.unwrap(), 7);
    assert_eq!(support::http::get(&address, "/health").await.0, 200);
    assert_eq!(echo(&client_to(&address)).await.unwrap_err().kind(), ErrorKind::ConnectionClosed);
    app.close().await;
}
