//! How long calls may take, and what ends with them: a gateway that answers within half a second, whatever the service
//! behind it does.
//!
//! ```sh
//! cargo run --example deadlines
//! ```
//!
//! prints
//!
//! ```text
//! make: at most 500 ms are left
//! gateway: Request timed out
//! make: stopped half-way
//! charge: at most 500 ms are left
//! gateway: Request timed out
//! charge: done all the same
//! search: the caller hangs up
//! search: stopped half-way
//! ```

#![expect(clippy::print_stdout, reason = "what it prints is the point")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use nestrs::microservices::{ClientConfig, TcpMicroserviceOptions, TcpTransport, TcpTransportOptions};
use nestrs::prelude::*;
use tokio::sync::Notify;
use tokio::time::sleep;

/// The service behind the gateway. Each of its handlers takes longer than anybody waits.
#[injectable]
struct Reports {
    begun: Notify,
    ended: Notify,
}

#[micro_routes]
impl Reports {
    /// Dropped when its caller's time is over: the caller has said how long it waits.
    #[message_pattern("reports.make")]
    async fn make(&self, _: (), Deadline(end): Deadline) {
        say_what_is_left("make", end);
        let _stopped = Stopped("make", self);
        sleep(Duration::from_secs(60)).await;
    }

    /// Two writes that belong together: the caller is answered in time, and the handler goes on.
    #[message_pattern("reports.charge")]
    #[run_to_completion]
    async fn charge(&self, _: (), Deadline(end): Deadline) {
        say_what_is_left("charge", end);
        sleep(Duration::from_millis(700)).await;
        println!("charge: done all the same");
        self.ended.notify_one();
    }

    /// Of no use to anybody once its caller is gone.
    #[message_pattern("reports.search")]
    #[cancel_on_disconnect]
    async fn search(&self) {
        self.begun.notify_one();
        let _stopped = Stopped("search", self);
        sleep(Duration::from_secs(60)).await;
    }
}

fn say_what_is_left(handler: &str, end: Option<Instant>) {
    let left = end.map(|end| end.saturating_duration_since(Instant::now()));
    assert!(left.is_some_and(|left| left <= Duration::from_millis(500)), "{left:?}");
    println!("{handler}: at most 500 ms are left");
}

/// Says when a handler is dropped.
struct Stopped<'a>(&'static str, &'a Reports);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        println!("{}: stopped half-way", self.0);
        self.1.ended.notify_one();
    }
}

#[module(providers = [Reports], microservices = [Reports])]
struct ReportsModule;

/// The client waits for 30 s, but a handler's calls end with the handler.
#[injectable]
struct Gateway {
    #[inject("REPORTS")]
    reports: Arc<ClientProxy>,
}

#[micro_routes]
impl Gateway {
    #[message_pattern("gateway.make")]
    #[handler_timeout("500ms")]
    async fn make(&self) -> Result<(), TransportError> {
        self.reports.send("reports.make", &()).await
    }

    #[message_pattern("gateway.charge")]
    #[handler_timeout("500ms")]
    async fn charge(&self) -> Result<(), TransportError> {
        self.reports.send("reports.charge", &()).await
    }
}

/// Where the service listens is known when it does.
struct GatewayModule;

static REPORTS: std::sync::OnceLock<String> = std::sync::OnceLock::new();

impl nestrs::Module for GatewayModule {
    fn define() -> nestrs::ModuleDef {
        let address = REPORTS.get().expect("the service listens already");
        let reports = ClientConfig::tcp("REPORTS", TcpTransportOptions::to(address));
        nestrs::ModuleDef::new::<Self>()
            .import_dynamic(ClientsModule::register(&[reports]))
            .provide(Provider::class::<Gateway>())
            .microservice::<Gateway>()
    }
}

fn client(address: &str) -> ClientProxy {
    ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to(address))))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let free = || TcpMicroserviceOptions::bind("127.0.0.1:0");
    let service = NestFactory::create_microservice::<ReportsModule>(free()).start().await?;
    let address = service.address("tcp").ok_or("it listens on TCP")?.to_owned();
    REPORTS.get_or_init(|| address.clone());
    let gateway = NestFactory::create_microservice::<GatewayModule>(free()).start().await?;
    let reports = service.get::<Reports>().ok_or("it is provided")?;

    let caller = client(gateway.address("tcp").ok_or("it listens on TCP")?);
    for pattern in ["gateway.make", "gateway.charge"] {
        if let Err(error) = caller.send::<_, ()>(pattern, &()).await {
            println!("gateway: {}", error.message);
        }
        reports.ended.notified().await;
    }

    let impatient = client(&address);
    let searching = impatient.clone();
    let searching = tokio::spawn(async move { searching.send::<_, ()>("reports.search", &()).await });
    reports.begun.notified().await;
    println!("search: the caller hangs up");
    impatient.close().await;
    reports.ended.notified().await;
    drop(searching.await);

    gateway.close().await;
    service.close().await;
    Ok(())
}
