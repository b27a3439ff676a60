//! A microservice under mutual TLS: each side shows a certificate, a guard reads the client's name from it, and the
//! server's is replaced while both run.
//!
//! ```sh
//! cargo run --example tls
//! ```
//!
//! Certificates come from files in real life (`TlsCertificate::from_pem_files`, `TlsRoots::from_pem_file`). Here an authority
//! is made up at the start, and both ends are this process.

use nestrs::microservices::net::tls::{
    ClientCertificates, TlsCertificate, TlsClientOptions, TlsRoots, TlsServerOptions,
};
use nestrs::microservices::{
    Authenticated, ClientConfig, ConnectionContext, TcpMicroserviceOptions, TcpTransportOptions,
};
use nestrs::prelude::*;

// Who may connect is decided once a connection, before a frame of it is read. What is returned is there for every call.

struct Caller {
    name: String,
}

fn listen(address: &str, tls: TlsServerOptions) -> TcpMicroserviceOptions {
    TcpMicroserviceOptions::bind(address).tls(tls).authenticate(|request| async move {
        match request.identity().and_then(|peer| peer.common_name()) {
            Some(name) => Ok(Caller { name: name.to_owned() }),
            None => Err(nestrs::forbidden()),
        }
    })
}

// Guards decide what a caller may do.

#[derive(Default)]
struct BillingOnly;

impl CanActivate for BillingOnly {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        let connection = cx.transport::<ConnectionContext>();
        match connection.and_then(ConnectionContext::authenticated::<Caller>) {
            Some(caller) if caller.name == "billing" => Ok(()),
            _ => Err(nestrs::forbidden()),
        }
    }
}

#[injectable]
struct Ledger;

#[micro_routes]
impl Ledger {
    #[message_pattern("ledger.book")]
    #[use_guards(BillingOnly)]
    async fn book(&self, cents: u64, caller: Authenticated<Caller>) -> String {
        format!("{cents} booked for {}", caller.name)
    }
}

#[module(providers = [Ledger], microservices = [Ledger])]
struct LedgerModule;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("TLS_ADDRESS").unwrap_or_else(|_| "127.0.0.1:3004".to_owned());
    let authority = Authority::new()?;

    let certificate = authority.issue("localhost")?;
    let tls = TlsServerOptions::new(certificate.clone())
        .client_certificates(ClientCertificates::Required(authority.roots()?));
    let app = NestFactory::create_microservice::<LedgerModule>(listen(&address, tls)).start().await?;
    let address = app.address("tcp").unwrap_or_default().to_owned();

    // The server's certificate is for `localhost`, and the address that is dialled is a number.
    let client_of = |certificate: Option<TlsCertificate>| -> Result<ClientProxy, Box<dyn std::error::Error>> {
        let mut tls = TlsClientOptions::new(authority.roots()?).server_name("localhost");
        tls.certificate = certificate;
        let config = ClientConfig::tcp("LEDGER", TcpTransportOptions::to(&address).tls(tls));
        Ok(ClientProxy::new(config.transport))
    };
    let billing = client_of(Some(authority.issue("billing")?))?;
    say("billing", billing.send("ledger.book", &1999).await);
    let support = client_of(Some(authority.issue("support")?))?;
    say("support", support.send("ledger.book", &1999).await);
    let nobody = client_of(None)?;
    say("nobody", nobody.send("ledger.book", &1999).await);

    // A renewed certificate is for connections from now on; those that are open go on.
    let (chain, key) = authority.pem("localhost")?;
    certificate.replace(chain, key)?;
    say("billing", billing.send("ledger.book", &1).await);
    let again = client_of(Some(authority.issue("billing")?))?;
    say("billing again", again.send("ledger.book", &2).await);

    app.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
fn say(who: &str, outcome: Result<String, TransportError>) {
    match outcome {
        Ok(answer) => println!("{who}: {answer}"),
        Err(error) => println!("{who}: {error}"),
    }
}

/// Signs certificates, by the crate rcgen.
struct Authority {
    pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Result<Self, rcgen::Error> {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate()?;
        Ok(Self { pem: params.self_signed(&key)?.pem(), issuer: rcgen::Issuer::new(params, key) })
    }

    fn roots(&self) -> Result<TlsRoots, Box<dyn std::error::Error>> {
        Ok(TlsRoots::from_pem(&self.pem)?)
    }

    fn issue(&self, name: &str) -> Result<TlsCertificate, Box<dyn std::error::Error>> {
        let (chain, key) = self.pem(name)?;
        Ok(TlsCertificate::from_pem(chain, key)?)
    }

    /// A certificate for a name, and its key.
    fn pem(&self, name: &str) -> Result<(String, String), rcgen::Error> {
        let mut params = rcgen::CertificateParams::new([name.to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }
}
