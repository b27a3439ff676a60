//! A service over NATS, and a client of it.
//!
//! With a NATS server on this machine (`nats-server`), `cargo run --example nats` starts the service and calls it. Two
//! services side by side share the work: `cargo run --example nats -- serve`, twice, and then `-- call`. Stop the NATS server
//! meanwhile and start it again: both ends say so, and go on.

use std::sync::Arc;
use std::time::Duration;

use nestrs::microservices::{
    NatsContext, NatsMicroserviceOptions, NatsRecordBuilder, NatsTransport, NatsTransportOptions,
};
use nestrs::prelude::*;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern({ cmd: "sum" })]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }

    #[message_pattern("orders.count")]
    async fn count(&self, #[ctx] nats: NatsContext) -> String {
        format!("3 orders of {}", nats.headers().get("x-tenant").unwrap_or("nobody"))
    }

    /// One subscription for many subjects; one replica gets each event.
    #[event_pattern("orders.*.created")]
    async fn created(&self, id: u64, nats: NatsContext) {
        tracing::info!(id, subject = nats.subject(), pid = std::process::id(), "created");
    }

    /// Every replica gets these.
    #[event_pattern("prices.changed", extras = { queue: "" })]
    async fn prices(&self, percent: f64) {
        tracing::info!(percent, pid = std::process::id(), "prices");
    }
}

#[module(providers = [Orders], microservices = [Orders])]
struct AppModule;

fn server() -> String {
    std::env::var("NATS").unwrap_or_else(|_| "127.0.0.1:4222".to_owned())
}

fn service() -> NestMicroservice<AppModule> {
    let options = NatsMicroserviceOptions::to(&server()).queue("orders").name("orders");
    NestFactory::create_microservice_nats(options).enable_shutdown_hooks()
}

async fn call(client: &ClientProxy) -> Result<(), TransportError> {
    let sum: i64 = client.send(pattern!({ cmd: "sum" }), &[1, 2, 3]).await?;
    let count: String =
        NatsRecordBuilder::new(()).header("x-tenant", "acme").build().send(client, "orders.count").await?;
    client.emit("orders.eu.created", &7).await?;
    client.emit("prices.changed", &2.5).await?;
    tracing::info!(sum, count, "called");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Logger::from_env().init()?;
    let what = std::env::args().nth(1).unwrap_or_default();
    if what == "serve" {
        return Ok(service().listen().await?);
    }
    let running = if what == "call" { None } else { Some(service().start().await?) };
    let client = ClientProxy::new(Arc::new(NatsTransport::new(NatsTransportOptions::to(&server()))));

    for _ in 0..if what == "call" { 10_000 } else { 1 } {
        if let Err(error) = call(&client).await {
            tracing::warn!(%error, kind = ?error.kind(), sent = ?error.sent(), "failed");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    client.close().await;
    if let Some(running) = running {
        running.close().await;
    }
    Ok(())
}
