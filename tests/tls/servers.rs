//! Which server is believed, and what is said of one that is not.

use super::*;

#[tokio::test]
async fn se_1_calls_streams_and_large_frames_go_over_tls_in_both_versions() {
    let authority = Authority::new("Test CA");
    let app = serve(free_port().tls(authority.server())).await;
    for client in [client(&app, authority.client()), client(&app, authority.client().min_version(TlsVersion::V1_3))] {
        assert_eq!(echo(&client).await.unwrap(), 7);
        let large = "😀".repeat(300_000);
        let back: String = client.send("echo", &large).await.unwrap();
        assert!(back == large);
        let numbers: Vec<u32> = (0..200).collect();
        let many = futures_util::future::join_all(numbers.iter().map(|n| client.send::<_, u32>("echo", n)));
        let answers: Vec<_> = many.await.into_iter().map(Result::unwrap).collect();
        assert!(answers.into_iter().eq(0..200));
        client.emit("user.created", &1).await.unwrap();
        assert_eq!(client.send::<_, Value>("who", &()).await.unwrap(), Value::Null);
    }
    assert_eq!(app.get::<Contract>().unwrap().runs("user.created#1"), 2);
    app.close().await;
}

#[tokio::test]
async fn se_1_a_server_of_another_authority_is_not_believed() {
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    let logs = LogCapture::start();
    let app = serve(free_port().tls(theirs.server())).await;
    expect_refusal(
        &client(&app, ours.client()),
        "TLS: the server's certificate is signed by no authority among the roots",
    )
    .await;
    expect_refused_line(&logs, "the client has refused this server's certificate: signed by no authority it believes")
        .await;
    app.close().await;
}

#[tokio::test]
async fn se_1_an_expired_certificate_is_refused() {
    let authority = Authority::new("Test CA");
    let logs = LogCapture::start();
    let expired = authority.issue_expired(&["127.0.0.1"]).load();
    assert!(logs.contains(LogLevel::Warn, "the certificate has expired"));
    let app = serve(free_port().tls(TlsServerOptions::new(expired))).await;
    expect_refusal(&client(&app, authority.client()), "TLS: the server's certificate has expired").await;
    app.close().await;
}

/// The name that counts is the one that is dialled, or the one that the options give; never one that the server tells.
#[tokio::test]
async fn se_1_the_certificate_must_be_for_the_host_that_is_dialled() {
    let authority = Authority::new("Test CA");
    let certificate = authority.issue(&["math.internal"]).load();
    let app = serve(free_port().tls(TlsServerOptions::new(certificate))).await;
    expect_refusal(
        &client(&app, authority.client()),
        "TLS: the server's certificate is for another name than `127.0.0.1`",
    )
    .await;
    let named = |name: &str| client(&app, authority.client().server_name(name));
    expect_refusal(&named("evil.internal"), "is for another name than `evil.internal`").await;
    expect_refusal(&named("not a name"), "`not a name` is no name that a certificate can be for").await;
    assert_eq!(echo(&named("math.internal")).await.unwrap(), 7);

    // A name that resolves is dialled and checked alike.
    let port = app.address("tcp").unwrap().rsplit(':').next().unwrap();
    let by_name = client_at(&format!("localhost:{port}"), authority.client());
    expect_refusal(&by_name, "is for another name than `localhost`").await;
    app.close().await;
}

#[tokio::test]
async fn se_1_a_server_that_does_not_speak_tls_is_told_apart() {
    let authority = Authority::new("Test CA");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let plain = tokio::spawn(async move {
        for reply in [&b"5#hello"[..], b""] {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(reply).await.unwrap();
            stream.read_exact(&mut [0; 64]).await.unwrap();
        }
    });
    expect_refusal(&client_at(&address, authority.client()), "TLS: the server does not speak TLS").await;
    expect_refusal(&client_at(&address, authority.client()), "TLS: ").await;
    plain.await.unwrap();
    // Nobody listens any more.
    expect_refusal(&client_at(&address, authority.client()), "connection refused").await;
}

#[tokio::test]
async fn cl_1_a_server_that_never_answers_the_hello_is_a_time_out() {
    let authority = Authority::new("Test CA");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let options = TcpTransportOptions::to(&address).tls(authority.client()).connect_timeout(Duration::from_millis(50));
    let client = ClientProxy::new(Arc::new(TcpTransport::new(options)));
    expect_refusal(&client, "the connection attempt timed out").await;
}

#[tokio::test]
async fn se_1_a_plain_client_of_a_tls_server_is_refused_and_nothing_of_it_is_read() {
    let authority = Authority::new("Test CA");
    let logs = LogCapture::start();
    let app = serve(free_port().tls(authority.server())).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"user.created","data":1}"#]).await;
    let said = peer.expect_closed().await;
    // A TLS alert at most; nothing of ours.
    assert!(said.is_empty() || said[0] == 0x15, "{said:?}");
    expect_refused_line(&logs, "TLS: the client does not speak TLS").await;
    let plain = client_to(app.address("tcp").unwrap());
    assert_eq!(echo(&plain).await.unwrap_err().kind(), ErrorKind::ConnectionClosed);
    assert_eq!(app.get::<Contract>().unwrap().runs("user.created#1"), 0);
    app.close().await;
}

#[tokio::test]
async fn se_1_versions_below_the_minimum_are_not_spoken() {
    let authority = Authority::new("Test CA");
    let app = serve(free_port().tls(authority.server().min_version(TlsVersion::V1_3))).await;
    assert_eq!(echo(&client(&app, authority.client())).await.unwrap(), 7);
    let error = handshake(app.address("tcp").unwrap(), tls_12(&authority, None)).await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    app.close().await;
}

// --- SE-2: the client's certificate ----------------------------------------------------------------------------------
