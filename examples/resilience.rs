//! A client that lives with a service that does not always: deadlines, retries, a circuit breaker, a fallback.
//!
//! ```sh
//! cargo run --example resilience
//! ```
//!
//! The service and the shop that asks it are one process here. The service is slow, then away, then back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use nestrs::RunningApp;
use nestrs::microservices::{
    CircuitBreaker, CircuitState, ClientConfig, ClientStatus, RetryPolicy, TcpMicroserviceOptions, TcpTransportOptions,
};
use nestrs::prelude::*;
use serde_json::json;

/// How often anybody was asked, over all lives of the service.
static ASKED: AtomicU32 = AtomicU32::new(0);

#[injectable]
struct StockService;

#[micro_routes]
impl StockService {
    #[message_pattern("stock.count")]
    async fn count(&self, item: String) -> Result<u32, TransportError> {
        match (ASKED.fetch_add(1, Ordering::Relaxed), item.as_str()) {
            // The first two wait for ever.
            (0 | 1, _) => std::future::pending().await,
            (_, "unicorn") => Err(TransportError::new("there are no unicorns")),
            _ => Ok(7),
        }
    }
}

#[module(providers = [StockService], microservices = [StockService])]
struct StockModule;

async fn start(address: &str) -> Result<RunningApp, ListenError> {
    let options = TcpMicroserviceOptions::bind(address).grace_period(Duration::from_millis(100));
    NestFactory::create_microservice::<StockModule>(options).start().await
}

/// Few calls, and little patience, so that the example ends soon.
fn stock(address: &str) -> ClientConfig {
    let options = TcpTransportOptions::to(address)
        .request_timeout(Some(Duration::from_secs(2)))
        .connect_wait(Duration::from_millis(50));
    ClientConfig::tcp("STOCK", options)
        .circuit_breaker(CircuitBreaker::default().min_calls(4).open_for(Duration::from_millis(300)))
}

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("STOCK_ADDRESS").unwrap_or_else(|_| "127.0.0.1:3001".to_owned());
    let service = start(&address).await?;
    let stock = ClientProxy::new(Arc::clone(&stock(&address).transport));

    // A deadline: of this call alone, and far below the client's own.
    let hasty = stock.with_timeout(Duration::from_millis(50));
    let error = hasty.send::<_, u32>("stock.count", "book").await.unwrap_err();
    println!("hasty: {:?}, sent {:?}", error.kind(), error.sent());

    // Counting changes nothing, so it may be done twice. The first try hangs, and is given up.
    let policy = RetryPolicy::idempotent().try_timeout(Some(Duration::from_millis(500)));
    let patient = stock.with_retry(policy);
    println!("patient: {}", patient.send::<_, u32>("stock.count", "book").await?);
    let error = patient.send::<_, u32>("stock.count", "unicorn").await.unwrap_err();
    println!("unicorn: {error}");

    // Away. Every call waits a moment for the connection, until there have been too many of these.
    service.close().await;
    let mut circuit = stock.circuit();
    while circuit.next().await != Some(CircuitState::Open) {
        let _ = stock.send::<_, u32>("stock.count", "book").await;
    }
    let error = stock.send::<_, u32>("stock.count", "book").await.unwrap_err();
    println!("away: {error}, sent {:?}", error.sent());

    // The shop stays open, with what it can say by itself.
    let open = stock.with_fallback(|_pattern, _error| async { Ok(json!(0)) });
    println!("fallback: {}", open.send::<_, u32>("stock.count", "book").await?);

    // Back. The client has noticed by itself; the circuit lets one call try.
    let service = start(&address).await?;
    let mut status = stock.status();
    while status.next().await != Some(ClientStatus::Connected) {}
    tokio::time::sleep(Duration::from_millis(300)).await;
    println!("back: {}", stock.send::<_, u32>("stock.count", "book").await?);
    while circuit.next().await != Some(CircuitState::Closed) {}

    let stats = stock.stats();
    println!("connections: {}, lost: {}", stats.connections, stats.lost_connections);
    stock.close().await;
    service.close().await;
    Ok(())
}
