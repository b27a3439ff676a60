//! TLS and mutual TLS over TCP: who is let in, who is refused and what each side says of it, and certificates that are
//! replaced while connections are open.

#![cfg(feature = "tls")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nestrs::microservices::net::CloseReason;
use nestrs::microservices::net::tls::{
    ClientCertificates, TlsCertificate, TlsClientOptions, TlsRoots, TlsServerOptions, TlsVersion,
};
use nestrs::microservices::{
    ConnectionContext, PeerIdentity, TcpMicroserviceOptions, TcpTransport, TcpTransportOptions,
};
use nestrs::prelude::*;
use nestrs::{LogCapture, LogLevel, RunningApp, Sent};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::{self, cipher_suite::TLS13_AES_128_GCM_SHA256};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use support::certificates::{Authority, Directory, Pair, uri};
use support::contract::Contract;
use support::raw::{PATIENCE, Peer, frame};
use support::{client_to, free_port};

/// Says who calls it.
#[injectable]
struct Who;

#[derive(Default)]
struct BillingOnly;

impl CanActivate for BillingOnly {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        let identity = cx.transport::<ConnectionContext>().and_then(ConnectionContext::identity);
        match identity.is_some_and(|peer| peer.dns_names() == ["billing.internal"]) {
            true => Ok(()),
            false => Err(nestrs::forbidden()),
        }
    }
}

#[micro_routes]
impl Who {
    #[message_pattern("who")]
    async fn who(&self, #[ctx] peer: Option<PeerIdentity>) -> Value {
        peer.map_or(Value::Null, |peer| {
            json!({
                "cn": peer.common_name(), "dns": peer.dns_names(), "uris": peer.uris(),
                "fingerprint": peer.fingerprint_hex(), "chain": peer.chain().len(),
            })
        })
    }

    #[message_pattern("billing")]
    #[use_guards(BillingOnly)]
    async fn billing(&self) -> &'static str {
        "booked"
    }
}

#[module(providers = [Who, Contract], microservices = [Who, Contract])]
struct AppModule;

async fn serve(options: TcpMicroserviceOptions) -> RunningApp {
    support::serve_with::<AppModule>(options.grace_period(Duration::from_millis(100))).await
}

fn client(app: &RunningApp, tls: TlsClientOptions) -> ClientProxy {
    client_at(app.address("tcp").unwrap(), tls)
}

fn client_at(address: &str, tls: TlsClientOptions) -> ClientProxy {
    ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to(address).tls(tls))))
}

async fn echo(client: &ClientProxy) -> Result<u32, TransportError> {
    client.send::<_, u32>("echo", &7).await
}

/// That a call cannot be made, for this reason, and that nothing of it was sent.
async fn expect_refusal(client: &ClientProxy, reason: &str) {
    let error = echo(client).await.expect_err(reason);
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)), "{error}");
}

/// That the server logs a refusal for this reason.
async fn expect_refused_line(logs: &LogCapture, reason: &str) {
    let logged = async {
        while !logs.contains(LogLevel::Warn, reason) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, logged).await.is_ok(), "{:#?}", logs.lines());
    let lines: Vec<_> = logs.lines().into_iter().filter(|line| line.contains("connection refused")).collect();
    assert!(
        lines.iter().all(|line| line.contains("reason=auth") && line.contains("peer_addr=127.0.0.1:")),
        "{lines:#?}"
    );
}

/// A client of TLS 1.2 and nothing newer, which ours cannot be told to be.
fn tls_12(authority: &Authority, certificate: Option<&Pair>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS12]).unwrap().with_root_certificates(roots);
    match certificate {
        None => builder.with_no_client_auth(),
        Some(Pair { certificate, key }) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    }
}

async fn handshake(address: &str, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect("127.0.0.1".try_into().unwrap(), stream).await
}

async fn exchange(stream: &mut TlsStream<TcpStream>, request: &str, reply: &str) {
    stream.write_all(frame(request).as_bytes()).await.unwrap();
    let mut received = vec![0; frame(reply).len()];
    stream.read_exact(&mut received).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&received), frame(reply));
}

const ASK: &str = r#"{"pattern":"echo","data":1,"id":"1"}"#;
const ANSWER: &str = r#"{"response":1,"isDisposed":true,"id":"1"}"#;

fn fingerprint(der: &[u8]) -> String {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
    suite.common.hash_provider.hash(der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

// --- SE-1: the server's certificate ----------------------------------------------------------------------------------

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
