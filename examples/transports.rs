//! One application, three transports: the same handlers answer over TCP, NATS and Redis, and a client calls over each.
//!
//! ```sh
//! nats-server -js & redis-server &
//! cargo run --example transports         # TCP on 127.0.0.1:3001
//! ```
//!
//! NATS and REDIS_URL say where else the brokers are, TCP where to listen. It prints
//!
//! ```text
//! TCP: 1 + 2 + 3 = 6
//! NATS: 1 + 2 + 3 = 6
//! REDIS: 1 + 2 + 3 = 6
//! TCP: not over tcp
//! NATS: 42 in stock, asked on stock.count
//! REDIS: not over redis
//! order 7 of redis, delivery 1
//! ```
//!
//! and serves on. Stop a broker meanwhile: what comes over the other two is answered as before, its own server says
//! `reconnecting` and goes on when it is back. The order comes by a stream of Redis: it is acknowledged after its handler, and
//! would be handled by one of several instances.

use std::sync::Arc;

use nestrs::microservices::{
    ClientConfig, NatsContext, NatsMicroserviceOptions, NatsTransportOptions, RedisContext, RedisMicroserviceOptions,
    RedisStreamsOptions, RedisTransportOptions, TcpMicroserviceOptions, TcpTransportOptions,
};
use nestrs::prelude::*;

#[injectable]
struct Shop;

#[micro_routes]
impl Shop {
    /// Over all three.
    #[message_pattern({ cmd: "sum" })]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }

    /// Callers over the others read that nobody handles this, by the next handler.
    #[message_pattern("stock.count", transport = nats)]
    async fn count(&self, #[ctx] nats: NatsContext) -> String {
        format!("42 in stock, asked on {}", nats.subject())
    }

    #[message_pattern("stock.count", transport = [tcp, redis])]
    async fn elsewhere(&self, #[ctx] redis: Option<RedisContext>) -> String {
        format!("not over {}", if redis.is_some() { "redis" } else { "tcp" })
    }

    /// Each context is there for the transport that the event came by.
    #[event_pattern("order.placed")]
    async fn placed(&self, id: u64, nats: Option<NatsContext>, redis: Option<RedisContext>) {
        match (nats, redis) {
            (Some(nats), _) => say(&format!("order {id} of nats, delivery {}", nats.deliveries())),
            (_, Some(redis)) => say(&format!("order {id} of redis, delivery {}", redis.deliveries())),
            _ => say(&format!("order {id} of tcp")),
        }
    }
}

#[injectable]
struct Caller {
    #[inject("TCP")]
    tcp: Arc<ClientProxy>,
    #[inject("NATS")]
    nats: Arc<ClientProxy>,
    #[inject("REDIS")]
    redis: Arc<ClientProxy>,
}

impl Caller {
    async fn call_all(&self) -> Result<(), TransportError> {
        let all = [("TCP", &self.tcp), ("NATS", &self.nats), ("REDIS", &self.redis)];
        for (name, client) in all {
            let sum: i64 = client.send(pattern!({ cmd: "sum" }), &[1, 2, 3]).await?;
            say(&format!("{name}: 1 + 2 + 3 = {sum}"));
        }
        for (name, client) in all {
            let stock: String = client.send("stock.count", &()).await?;
            say(&format!("{name}: {stock}"));
        }
        self.redis.emit("order.placed", &7).await
    }
}

fn address(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

fn tcp() -> String {
    address("TCP", "127.0.0.1:3001")
}

fn nats() -> String {
    address("NATS", "127.0.0.1:4222")
}

fn redis() -> String {
    address("REDIS_URL", "redis://127.0.0.1:6379")
}

#[module(
    imports = [ClientsModule::register(&[
        ClientConfig::tcp("TCP", TcpTransportOptions::to(&tcp())),
        ClientConfig::nats("NATS", NatsTransportOptions::to(&nats())),
        ClientConfig::redis("REDIS", RedisTransportOptions::to(&redis()).streams(true)),
    ])],
    providers = [Shop, Caller],
    microservices = [Shop],
)]
struct AppModule;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Logger::from_env().init()?;
    let app = NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::bind(&tcp()))
        .connect_microservice(NatsMicroserviceOptions::to(&nats()).queue("shop"))
        .connect_microservice(RedisMicroserviceOptions::to(&redis()).streams(RedisStreamsOptions::of("shop")))
        .enable_shutdown_hooks()
        .start()
        .await?;
    let caller = app.get::<Caller>().ok_or("Caller is provided")?;
    if let Err(error) = caller.call_all().await {
        tracing::error!(%error, "a call failed");
    }
    app.wait().await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
fn say(line: &str) {
    println!("{line}");
}
