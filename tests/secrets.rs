//! What is secret is said nowhere: one canary through every way to fail, at the finest level of the log.

#![cfg(feature = "tls")]

mod support;

use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::time::Duration;

use nestrs::microservices::net::tls::{ClientCertificates, TlsCertificate, TlsRoots, TlsServerOptions};
use nestrs::microservices::{
    Authenticated, ClientConfig, ConnectionContext, ConnectionRequest, Secret, TcpMicroserviceOptions, TcpTransport,
    TcpTransportOptions,
};
use nestrs::prelude::*;
use nestrs::{LogCapture, LogLevel};

use support::certificates::Authority;
use support::raw::{Peer, frame};
use support::{client_to, free_port};

const CANARY: &str = "canary-7f3a";

/// Everything that was said, beside the log.
#[derive(Default)]
struct Said(String);

impl Said {
    fn shown(&mut self, value: &dyn Debug) {
        write!(self.0, "{value:?} {value:#?}").unwrap();
    }

    fn failed(&mut self, error: &(dyn std::error::Error + 'static)) {
        self.shown(&error);
        let mut cause = Some(error);
        while let Some(error) = cause {
            write!(self.0, "{error} ").unwrap();
            cause = error.source();
        }
    }

    async fn called(&mut self, options: TcpTransportOptions) {
        let options = options.request_timeout(Some(Duration::from_millis(300)));
        self.shown(&options);
        let client = ClientProxy::new(Arc::new(TcpTransport::new(options)));
        self.shown(&client);
        // Refused, or its connection is closed; where the server takes its time, the call does not.
        match client.send::<_, String>("tenant", CANARY).await {
            Ok(answer) => self.0.push_str(&answer),
            Err(error) => self.failed(&error),
        }
        client.close().await;
    }
}

#[injectable]
struct Tenants;

struct Tenant {
    name: &'static str,
    _token: Secret,
}

#[micro_routes]
impl Tenants {
    #[message_pattern("tenant")]
    async fn tenant(&self, _payload: String, tenant: Authenticated<Tenant>, connection: ConnectionContext) -> String {
        format!("{} {connection:?}", tenant.name)
    }
}

#[module(providers = [Tenants], microservices = [Tenants])]
struct AppModule;

fn by_token(options: TcpMicroserviceOptions) -> TcpMicroserviceOptions {
    let expected = Secret::new(CANARY);
    options.authenticate_by_credentials(move |request: ConnectionRequest| {
        let token = request.token().filter(|token| expected.matches(token.expose()));
        async move {
            tracing::trace!(?request, "asked");
            token.map(|token| Tenant { name: "acme", _token: token }).ok_or_else(nestrs::forbidden)
        }
    })
}

#[tokio::test]
async fn se_5_passwords_tokens_keys_and_user_info_are_said_nowhere() {
    let logs = LogCapture::start_at(LogLevel::Verbose);
    let mut said = Said::default();
    let (authority, other) = (Authority::new("Test CA"), Authority::new("Other CA"));

    said.shown(&Secret::new(CANARY));
    // Tokens: the right one, a wrong one, one that is cut, one that is too long, one to a server that is not there.
    let app =
        support::serve_with::<AppModule>(by_token(free_port()).handshake_timeout(Duration::from_millis(100))).await;
    said.shown(&app);
    let address = app.address("tcp").unwrap().to_owned();
    said.called(TcpTransportOptions::to(&address).credentials(CANARY)).await;
    assert!(said.0.contains("acme"), "the token is the right one: {}", said.0);
    said.called(TcpTransportOptions::to(&address).credentials(format!("{CANARY}!"))).await;
    said.called(TcpTransportOptions::to(&address).credentials(CANARY.repeat(2000))).await;
    for first in [
        frame(&format!("{{\"password\":\"{CANARY}\"}}")),
        format!("99#\"{CANARY}"),
        format!("{CANARY}#"),
        format!("5#{CANARY}"),
    ] {
        let mut peer = Peer::connect(&address).await;
        peer.send(first).await;
        said.shown(&peer.expect_closed().await);
    }
    app.close().await;
    said.called(TcpTransportOptions::to(&address).credentials(CANARY).retry_attempts(1)).await;

    // User-info in addresses, on both sides.
    for address in
        [format!("tcp://ali:{CANARY}@127.0.0.1:1"), format!("ali:{CANARY}@127.0.0.1:1"), format!("{CANARY}@127.0.0.1")]
    {
        said.called(TcpTransportOptions::to(&address)).await;
        said.shown(&ClientConfig::tcp("named", TcpTransportOptions::to(&address)));
        let options = TcpMicroserviceOptions::bind(&address).retry_attempts(1);
        said.shown(&options);
        said.failed(&NestFactory::create_microservice::<AppModule>(options).start().await.unwrap_err());
    }

    // Keys: good ones, and files in which a key is not where it belongs, or is no key.
    let (pair, foreign) = (authority.issue(&["127.0.0.1"]), other.issue(&["127.0.0.1"]));
    let key = |body: &str| format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let certificate = pair.load();
    for broken in [
        key(CANARY),
        key("AAAA").replace("-----END", &format!("-----{CANARY}")),
        format!("-----BEGIN {CANARY}\nAAAA\n"),
        pair.key.replace("-----END", "----"),
        foreign.key.clone(),
    ] {
        said.failed(&certificate.replace(&pair.certificate, &broken).unwrap_err());
        said.failed(&TlsCertificate::from_pem(&pair.certificate, &broken).unwrap_err());
        said.failed(&TlsRoots::from_pem(&broken).unwrap_err());
        said.failed(&certificate.replace(&broken, &pair.key).unwrap_err());
    }

    // TLS with that key: served, refused by either side, and spoken to in plain text.
    let tls = TlsServerOptions::new(certificate).client_certificates(ClientCertificates::Required(authority.roots()));
    said.shown(&tls);
    let app = support::serve_with::<AppModule>(by_token(free_port().tls(tls))).await;
    let address = app.address("tcp").unwrap().to_owned();
    let known = authority.client().certificate(pair.load());
    said.shown(&known);
    for tls in [known, authority.client(), other.client(), authority.client().certificate(foreign.load())] {
        said.called(TcpTransportOptions::to(&address).tls(tls).credentials(CANARY)).await;
    }
    let plain = client_to(&address);
    said.failed(&plain.send::<_, String>("tenant", CANARY).await.unwrap_err());
    app.close().await;

    // One line of base64 is enough of a key.
    let secrets = [&*pair.key, &*foreign.key].map(|key| key.lines().nth(1).unwrap().to_owned());
    let log = logs.lines().join("\n");
    assert!(log.contains("connection refused") && log.contains("asked") && log.contains("cannot connect"), "{log}");
    for secret in secrets.iter().map(String::as_str).chain([CANARY]) {
        for text in [&said.0, &log] {
            let found = text.find(secret).map(|at| &text[at.saturating_sub(200)..at + secret.len()]);
            assert_eq!(found, None);
        }
    }
}
