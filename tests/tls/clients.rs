//! Which client is let in, and who it is then.

use super::*;

#[tokio::test]
async fn se_2_a_client_without_an_acceptable_certificate_is_refused_in_the_handshake() {
    let (authority, other) = (Authority::new("Test CA"), Authority::new("Other CA"));
    let logs = LogCapture::start();
    let hooked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&hooked);
    let options = free_port()
        .tls(authority.server().client_certificates(ClientCertificates::Required(authority.roots())))
        .authenticate(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        });
    let app = serve(options).await;
    let foreign = other.issue(&["billing.internal"]).load();
    let expired = authority.issue_expired(&["billing.internal"]).load();
    let not_for_clients = authority.issue_with(&["billing.internal"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    for (certificate, ours, theirs) in [
        (
            None,
            "the server wants a certificate, and this client has presented none",
            "the client has presented no certificate",
        ),
        (
            Some(foreign),
            "the server has refused this client's certificate: signed by no authority it believes",
            "the client's certificate is signed by no authority among the roots",
        ),
        (
            Some(expired),
            "the server has refused this client's certificate: expired or not valid yet",
            "the client's certificate has expired",
        ),
        (
            Some(not_for_clients.load()),
            "the server has refused this client's certificate",
            "the client's certificate is not for this purpose",
        ),
    ] {
        let mut tls = authority.client();
        tls.certificate = certificate;
        expect_refusal(&client(&app, tls), ours).await;
        expect_refused_line(&logs, theirs).await;
    }
    assert_eq!(hooked.load(Ordering::Relaxed), 0, "no hook runs for who was refused");
    let good = authority.client().certificate(authority.issue(&["billing.internal"]).load());
    assert_eq!(echo(&client(&app, good)).await.unwrap(), 7);
    assert_eq!(hooked.load(Ordering::Relaxed), 1);
    app.close().await;
}

#[tokio::test]
async fn se_2_who_the_client_is_reaches_guards_and_handlers() {
    let authority = Authority::new("Test CA");
    let roots = authority.roots();
    let app = serve(free_port().tls(authority.server().client_certificates(ClientCertificates::Optional(roots)))).await;
    let issued = authority.issue_with(&["billing.internal"], |params| {
        params.subject_alt_names.push(uri("spiffe://test/billing"));
    });
    let known = client(&app, authority.client().certificate(issued.load()));
    let who: Value = known.send("who", &()).await.unwrap();
    assert_eq!((&who["cn"], &who["dns"]), (&json!("billing.internal"), &json!(["billing.internal"])));
    assert_eq!((&who["uris"], &who["chain"]), (&json!(["spiffe://test/billing"]), &json!(1)));
    let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
    assert_eq!(who["fingerprint"], fingerprint(&der));
    assert_eq!(known.send::<_, String>("billing", &()).await.unwrap(), "booked");

    let other = client(&app, authority.client().certificate(authority.issue(&["other.internal"]).load()));
    assert_eq!(other.send::<_, String>("billing", &()).await.unwrap_err().message, "Forbidden resource");
    let nobody = client(&app, authority.client());
    assert_eq!(nobody.send::<_, String>("billing", &()).await.unwrap_err().message, "Forbidden resource");
    assert_eq!(nobody.send::<_, Value>("who", &()).await.unwrap(), Value::Null);
    // Optional is not careless: what is shown is checked.
    let wrong = Authority::new("Other CA").issue(&["billing.internal"]).load();
    expect_refusal(&client(&app, authority.client().certificate(wrong)), "has refused this client's certificate").await;
    app.close().await;
}

/// In TLS 1.3 a server need not say that it likes a client's certificate. Such a one is not waited for for long.
#[tokio::test]
async fn se_2_a_server_that_says_nothing_of_our_certificate_is_called_all_the_same() {
    let authority = Authority::new("Test CA");
    let Pair { certificate, key } = authority.issue(&["127.0.0.1"]);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    config.send_tls13_tickets = 0;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        let mut request = [0; 512];
        let read = stream.read(&mut request).await.unwrap();
        let (_, body) = std::str::from_utf8(&request[..read]).unwrap().split_once('#').unwrap();
        let id = &serde_json::from_str::<Value>(body).unwrap()["id"];
        stream.write_all(frame(&format!(r#"{{"response":7,"isDisposed":true,"id":{id}}}"#)).as_bytes()).await.unwrap();
        stream
    });
    let client = client_at(&address, authority.client().certificate(authority.issue(&["x"]).load()));
    let started = Instant::now();
    assert_eq!(echo(&client).await.unwrap(), 7);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    server.await.unwrap();
}

#[tokio::test]
async fn se_2_tls_1_2_clients_are_held_to_the_same() {
    let (authority, other) = (Authority::new("Test CA"), Authority::new("Other CA"));
    let tls = authority.server().client_certificates(ClientCertificates::Required(authority.roots()));
    let app = serve(free_port().tls(tls)).await;
    let address = app.address("tcp").unwrap();
    let none = handshake(address, tls_12(&authority, None)).await.unwrap_err();
    assert!(none.to_string().contains("CertificateRequired"), "{none}");
    let foreign = handshake(address, tls_12(&authority, Some(&other.issue(&["x"])))).await.unwrap_err();
    assert!(foreign.to_string().contains("UnknownCA"), "{foreign}");
    let mut good = handshake(address, tls_12(&authority, Some(&authority.issue(&["x"])))).await.unwrap();
    exchange(&mut good, ASK, ANSWER).await;
    app.close().await;
}

// --- SE-4: certificates are replaced ---------------------------------------------------------------------------------
