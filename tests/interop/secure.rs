//! Both directions under TLS.

use nestrs::microservices::net::tls::{ClientCertificates, TlsClientOptions};
use nestrs::microservices::{PeerIdentity, Secret, TcpTransport, TcpTransportOptions};

use super::our_client::{Cases, errors, patterns, slow_calls, streams, values};
use super::support::certificates::{Authority, Directory};
use super::*;

/// What one call of `tests/interop/secure.mjs` came to.
async fn nest_call(major: &str, app: &nestrs::RunningApp, flags: &[&str]) -> Value {
    let port = app.address("tcp").unwrap().rsplit(':').next().unwrap();
    let mut node = Node::run("secure.mjs", &[&[major, port], flags].concat());
    node.report().await.expect("it says what the call came to")
}

async fn nest_server(major: &str, directory: &Directory, flags: &[&str]) -> (Node, String) {
    let tls = format!("--tls={}", directory.0.display());
    let mut node = Node::run("server.mjs", &[&[major, &*tls], flags].concat());
    let first = node.report().await.expect("the server says where it listens");
    (node, format!("127.0.0.1:{}", first["port"]))
}

fn client_at(address: &str, tls: TlsClientOptions) -> ClientProxy {
    ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to(address).tls(tls))))
}

/// Every case of the contract, with a certificate on either side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn se_1_nestjs_clients_call_our_server_over_mutual_tls() {
    if !is_available("se_1_nestjs_clients_call_our_server_over_mutual_tls") {
        return;
    }
    let authority = Authority::new("Test CA");
    let own = authority.issue(&["nest.internal"]);
    let directory = Directory::with("interop-clients", &authority, Some(&own));
    let flag = format!("--tls={}", directory.0.display());
    for major in MAJORS {
        let tls = authority.server().client_certificates(ClientCertificates::Required(authority.roots()));
        let app = serve_with::<ContractModule>(free_port().grace_period(Duration::ZERO).tls(tls)).await;
        let port = app.address("tcp").unwrap().rsplit(':').next().unwrap();
        let mut client = Node::run("client.mjs", &[major, port, &flag]);
        let mut reports = Vec::new();
        while let Some(report) = client.report().await {
            reports.push(report);
        }
        let failures: Vec<_> = reports.iter().filter(|report| report["ok"] == false).collect();
        assert_eq!(failures, Vec::<&Value>::new());
        let cases = reports.last().unwrap()["cases"].as_u64().unwrap();
        assert!(cases >= 70, "only {cases} cases ran");
        assert_eq!(client.exit_code().await, Some(0));
        eprintln!("NestJS {major} client, nestrs server, mutual TLS: {cases} cases");

        for (flags, protocol) in [(&[&*flag][..], "TLSv1.3"), (&[&*flag, "--tls12"][..], "TLSv1.2")] {
            let called = nest_call(major, &app, flags).await;
            assert_eq!(called, json!({ "ok": "hello", "protocol": protocol }));
        }
        app.close().await;
    }
}

/// In TLS 1.3 a client may have sent its call before it hears of the refusal, which NestJS then calls a lost connection.
#[tokio::test]
async fn se_2_nestjs_clients_that_are_not_believed_or_do_not_believe_are_refused() {
    if !is_available("se_2_nestjs_clients_that_are_not_believed_or_do_not_believe_are_refused") {
        return;
    }
    let (authority, other) = (Authority::new("Test CA"), Authority::new("Other CA"));
    let stranger = Directory::with("interop-stranger", &authority, Some(&other.issue(&["nest.internal"])));
    let nameless = Directory::with("interop-nameless", &authority, None);
    let expired = Directory::with("interop-expired", &authority, Some(&authority.issue_expired(&["nest.internal"])));
    let doubtful = Directory::with("interop-doubtful", &other, Some(&authority.issue(&["nest.internal"])));
    for major in MAJORS {
        let logs = nestrs::LogCapture::start();
        let tls = authority.server().client_certificates(ClientCertificates::Required(authority.roots()));
        let app = serve_with::<ContractModule>(free_port().tls(tls)).await;
        for (directory, ours) in [
            (&stranger, "the client's certificate is signed by no authority among the roots"),
            (&nameless, "the client has presented no certificate"),
            (&expired, "the client's certificate has expired"),
            // Node says it by leaving, or by an alert.
            (&doubtful, "during the handshake"),
        ] {
            let flag = format!("--tls={}", directory.0.display());
            for flags in [&[&*flag][..], &[&*flag, "--tls12"]] {
                let called = nest_call(major, &app, flags).await;
                assert!(called["error"].is_string() && called["ok"].is_null(), "{major}: {called}");
                eprintln!("NestJS {major}, {ours}: {}", called["error"]);
            }
            let line = logs.lines().into_iter().find(|line| line.contains(ours));
            assert!(line.is_some_and(|line| line.contains("reason=auth")), "{ours}: {:#?}", logs.lines());
        }
        let plain = nest_call(major, &app, &[]).await;
        assert!(plain["error"].is_string() && plain["ok"].is_null(), "{plain}");
        app.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn se_1_our_client_calls_nestjs_servers_over_mutual_tls() {
    if !is_available("se_1_our_client_calls_nestjs_servers_over_mutual_tls") {
        return;
    }
    let (authority, other) = (Authority::new("Test CA"), Authority::new("Other CA"));
    let server = Directory::with("interop-server", &authority, Some(&authority.issue(&["127.0.0.1"])));
    let elsewhere = Directory::with("interop-elsewhere", &authority, Some(&authority.issue(&["nest.internal"])));
    let own = || authority.issue(&["billing.internal"]).load();
    for major in MAJORS {
        let (_node, address) = nest_server(major, &server, &["--mutual"]).await;
        let client = client_at(&address, authority.client().certificate(own()));
        let mut cases = Cases::default();
        values(&client, &mut cases).await;
        patterns(&client, &mut cases).await;
        streams(&client, &mut cases).await;
        errors(&client, &mut cases).await;
        slow_calls(&client, &mut cases).await;
        assert_eq!(cases.failures, Vec::<String>::new());
        eprintln!("nestrs client, NestJS {major} server, mutual TLS: {} cases", cases.run);

        // NestJS's server takes whoever finishes the handshake, and then closes on who is not believed.
        for certificate in [None, Some(other.issue(&["billing.internal"]).load())] {
            let mut tls = authority.client();
            tls.certificate = certificate;
            let error = client_at(&address, tls).send::<_, Value>("echo", &1).await.unwrap_err();
            let closed = matches!(error.kind(), ErrorKind::ConnectionClosed | ErrorKind::Unavailable);
            assert!(closed, "{error}");
        }
        let doubtful = client_at(&address, other.client().certificate(own()));
        let error = doubtful.send::<_, Value>("echo", &1).await.unwrap_err();
        assert!(error.to_string().contains("signed by no authority"), "{error}");
        assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)));

        let (_node, address) = nest_server(major, &elsewhere, &[]).await;
        let error = client_at(&address, authority.client()).send::<_, Value>("echo", &1).await.unwrap_err();
        assert!(error.to_string().contains("is for another name than `127.0.0.1`"), "{error}");
        let named = client_at(&address, authority.client().server_name("nest.internal"));
        assert_eq!(named.send::<_, u32>("echo", &1).await.unwrap(), 1);

        // TLS to a server that has none: it waits for the end of a header.
        let (_node, address) = super::nest_server(major).await;
        let error = client_at(&address, authority.client()).send::<_, Value>("echo", &1).await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)), "{error}");
    }
}

/// By a `socketClass`, which is all that NestJS needs for it; over TCP and over TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn se_3_nestjs_clients_can_send_credentials() {
    if !is_available("se_3_nestjs_clients_can_send_credentials") {
        return;
    }
    let authority = Authority::new("Test CA");
    let directory = Directory::with("interop-credentials", &authority, None);
    let flag = format!("--tls={}", directory.0.display());
    let by_token = || {
        let expected = Secret::new("open sesame");
        free_port().authenticate_by_credentials(move |request| {
            let known = request.token().is_some_and(|token| expected.matches(token.expose()));
            let identity: Option<&PeerIdentity> = request.identity();
            assert!(identity.is_none());
            async move { if known { Ok(()) } else { Err(nestrs::forbidden()) } }
        })
    };
    for major in MAJORS {
        for (options, flags) in [(by_token(), vec![]), (by_token().tls(authority.server()), vec![&*flag])] {
            let app = serve_with::<ContractModule>(options).await;
            let right = nest_call(major, &app, &[&flags[..], &["--token=open sesame"]].concat()).await;
            assert_eq!(right["ok"], "hello", "{right}");
            for refused in [&["--token=open barley"][..], &[]] {
                let called = nest_call(major, &app, &[&flags[..], refused].concat()).await;
                assert_eq!(called["error"], "Connection closed", "{called}");
            }
            app.close().await;
        }
    }
}
