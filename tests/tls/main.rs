//! TLS and mutual TLS over TCP: who is let in, who is refused and what each side says of it, and certificates that are
//! replaced while connections are open.

#![cfg(feature = "tls")]

mod clients;
mod connections;
mod replaced;
mod servers;

#[path = "../support/mod.rs"]
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
