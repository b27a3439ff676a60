//! Certificates that are replaced, and that expire.

use super::*;

#[tokio::test]
async fn se_4_a_replaced_certificate_is_for_new_connections_and_open_ones_go_on() {
    let (old, new) = (Authority::new("Old CA"), Authority::new("New CA"));
    let certificate = old.issue(&["127.0.0.1"]).load();
    let app = serve(free_port().tls(TlsServerOptions::new(certificate.clone()))).await;
    let open = client(&app, old.client());
    assert_eq!(echo(&open).await.unwrap(), 7);
    expect_refusal(&client(&app, new.client()), "signed by no authority").await;

    let next = new.issue(&["127.0.0.1"]);
    certificate.replace(&next.certificate, &next.key).unwrap();
    assert_eq!(echo(&client(&app, new.client())).await.unwrap(), 7);
    expect_refusal(&client(&app, old.client()), "signed by no authority").await;
    assert_eq!(echo(&open).await.unwrap(), 7, "an open connection goes on");
    app.close().await;
}

#[tokio::test]
async fn se_4_what_cannot_be_used_is_refused_and_the_old_certificate_stays() {
    let authority = Authority::new("Test CA");
    let (pair, other) = (authority.issue(&["127.0.0.1"]), authority.issue(&["127.0.0.1"]));
    let certificate = pair.load();
    let app = serve(free_port().tls(TlsServerOptions::new(certificate.clone()))).await;
    let expired = authority.issue_expired(&["127.0.0.1"]);
    let cut = &other.certificate[..other.certificate.len() / 2];
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (chain, key, why) in [
        (
            &*other.certificate,
            &*pair.key,
            "the private key of the key is not that of the first certificate of the certificate",
        ),
        ("", &*other.key, "the certificate holds no certificate"),
        (&*other.key, &*other.key, "the certificate holds no certificate"),
        (&*other.certificate, "", "the key holds no private key"),
        (&*other.certificate, &*other.certificate, "the key holds no private key"),
        (&*other.certificate, encrypted, "the key holds an encrypted private key; decrypt it first"),
        (&*other.certificate, no_key, "the private key of the key cannot be used"),
        (cut, &*other.key, "the certificate ends inside a PEM section"),
        (no_certificate, &*other.key, "the first certificate of the certificate cannot be read"),
        (&*expired.certificate, &*expired.key, "the new certificate has expired"),
    ] {
        assert_eq!(certificate.replace(chain, key).unwrap_err().to_string(), why);
        assert_eq!(echo(&client(&app, authority.client())).await.unwrap(), 7, "after: {why}");
    }
    let error = certificate.reload().unwrap_err().to_string();
    assert_eq!(error, "the certificate was not read from files; `replace` takes a new one");
    app.close().await;
}

#[tokio::test]
async fn se_4_files_are_read_again_and_errors_name_them() {
    let (old, new) = (Authority::new("Old CA"), Authority::new("New CA"));
    let directory = Directory::new("se_4_files");
    let files = ["server.pem", "server.key", "ca.pem"].map(|name| directory.0.join(name));
    let [chain, key, ca] = &files;
    let missing = TlsCertificate::from_pem_files(chain, key).unwrap_err().to_string();
    assert!(missing.starts_with(&format!("cannot read `{}`: No such file", chain.display())), "{missing}");

    let pair = old.issue(&["127.0.0.1"]);
    std::fs::write(chain, &pair.certificate).unwrap();
    std::fs::write(key, &pair.key).unwrap();
    std::fs::write(ca, &old.pem).unwrap();
    let certificate = TlsCertificate::from_pem_files(chain, key).unwrap();
    let roots = TlsRoots::from_pem_file(ca).unwrap();
    let app = serve(free_port().tls(TlsServerOptions::new(certificate.clone()))).await;
    let believer = || client(&app, TlsClientOptions::new(roots.clone()));
    assert_eq!(echo(&believer()).await.unwrap(), 7);

    // Half of a renewal: the key is there, its certificate is not yet.
    let next = new.issue(&["127.0.0.1"]);
    std::fs::write(key, &next.key).unwrap();
    let half = certificate.reload().unwrap_err().to_string();
    let expected = format!("of `{}` is not that of the first certificate of `{}`", key.display(), chain.display());
    assert!(half.ends_with(&expected), "{half}");
    assert_eq!(echo(&believer()).await.unwrap(), 7);

    std::fs::write(chain, &next.certificate).unwrap();
    certificate.reload().unwrap();
    expect_refusal(&believer(), "signed by no authority").await;
    std::fs::write(ca, "nothing").unwrap();
    assert_eq!(roots.reload().unwrap_err().to_string(), format!("`{}` holds no certificate", ca.display()));
    std::fs::write(ca, &new.pem).unwrap();
    roots.reload().unwrap();
    assert_eq!(echo(&believer()).await.unwrap(), 7);
    app.close().await;
}

/// A client that has lost its authority's trust is refused from then on, although it was let in before.
#[tokio::test]
async fn se_4_roots_are_replaced_and_nobody_resumes_an_old_session() {
    let (authority, other) = (Authority::new("Test CA"), Authority::new("Other CA"));
    let roots = authority.roots();
    let tls = authority.server().client_certificates(ClientCertificates::Required(roots.clone()));
    let app = serve(free_port().tls(tls)).await;
    let address = app.address("tcp").unwrap();
    let issued = authority.issue(&["billing.internal"]);
    // One that resumes sessions whenever it is offered to.
    let resuming = tls_12(&authority, Some(&issued));
    for _ in 0..2 {
        let mut stream = handshake(address, resuming.clone()).await.unwrap();
        exchange(&mut stream, ASK, ANSWER).await;
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(tokio_rustls::rustls::HandshakeKind::Full));
    }
    roots.replace(&other.pem).unwrap();
    let error = handshake(address, resuming).await.unwrap_err();
    assert!(error.to_string().contains("UnknownCA"), "{error}");
    expect_refusal(&client(&app, authority.client().certificate(issued.load())), "signed by no authority").await;
    app.close().await;
}

#[test]
fn se_4_it_is_known_when_a_certificate_expires() {
    let authority = Authority::new("Test CA");
    let until = |year| {
        let pair = authority.issue_with(&["x"], |params| params.not_after = rcgen::date_time_ymd(year, 3, 1));
        pair.load().expires_at().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    };
    // The one in two digits of a year, the other in four.
    assert_eq!(until(2049), 2_498_169_600);
    assert_eq!(until(2100), 4_107_542_400);
}

// --- SL-2: handshakes take their time, or do not ---------------------------------------------------------------------
