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

/// A server and a client of it, with so little room in the kernel between them that a reply of 50 KB is left with the TLS
/// session of the server; and that reply asked for.
async fn stalling() -> (RunningApp, TlsStream<TcpStream>) {
    let authority = Authority::new("ours");
    let pair = authority.issue(&["127.0.0.1"]);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let certificate = TlsCertificate::from_pem(&pair.certificate, &pair.key).unwrap();
    let options = free_port()
        .listener(socket.listen(8).unwrap())
        .write_stall_timeout(Duration::from_millis(800))
        .tls(TlsServerOptions::new(certificate));
    let app = serve(options).await;

    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(app.address("tcp").unwrap().parse().unwrap()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(tls_12(&authority, None)));
    let mut stream = connector.connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap();
    let request = json!({ "pattern": "echo", "data": "x".repeat(50_000), "id": 1 }).to_string();
    stream.write_all(frame(&request).as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    (app, stream)
}

async fn closed_for_not_reading(app: &RunningApp) {
    let server = app.servers().get("tcp").unwrap();
    while server.stats().closed(CloseReason::SlowConsumer) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn sl_3_a_peer_that_stops_reading_what_is_left_inside_tls_is_closed() {
    let (app, stream) = stalling().await;
    let closed = tokio::time::timeout(PATIENCE, closed_for_not_reading(&app)).await;
    closed.expect("it is closed though nothing is queued outside of TLS");
    drop(stream);
    app.close().await;
}

/// Each small reply goes to the session, which has room for it, and no further.
#[tokio::test]
async fn sl_3_replies_that_only_tls_takes_do_not_prolong_the_life_of_a_peer_that_stops_reading() {
    let (app, mut stream) = stalling().await;
    let begun = Instant::now();
    let calling = async {
        while stream.write_all(frame(r#"{"pattern":"echo","data":1,"id":2}"#).as_bytes()).await.is_ok() {
            let _ = stream.flush().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = calling => {}
        () = closed_for_not_reading(&app) => {}
        () = tokio::time::sleep(Duration::from_secs(8)) => {}
    }
    // There is room in the session for twice as long.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    app.close().await;
}

#[tokio::test]
async fn sl_3_a_peer_that_reads_slowly_what_is_left_inside_tls_is_not_closed() {
    let (app, mut stream) = stalling().await;
    let reply = frame(&json!({ "response": "x".repeat(50_000), "isDisposed": true, "id": 1 }).to_string());
    let begun = Instant::now();
    let (mut received, mut chunk) = (0, [0; 2048]);
    while received < reply.len() {
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "closed after {received} bytes");
        received += read;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() > Duration::from_millis(1200), "{:?}", begun.elapsed());
    assert_eq!(app.servers().get("tcp").unwrap().stats().closed(CloseReason::SlowConsumer), 0);
    app.close().await;
}
