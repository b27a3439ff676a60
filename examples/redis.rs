//! A microservice over Redis and a client of it, as one program: every pattern is a channel, which any NestJS client, and
//! `redis-cli`, can publish to. It needs a Redis server, 6 or newer.
//!
//! ```sh
//! redis-server --port 6379 &
//! cargo run --example redis                  # or REDIS_URL=redis://user:password@host:port/database
//! ```
//!
//! ```text
//! 1 + 2 + 3 = 6
//! 3 2 1 0
//! nobody listens to `no.such.pattern`
//! orders:created told of {"id":7}
//! ```
//!
//! It serves on until it is ended. From another terminal:
//!
//! ```sh
//! redis-cli subscribe '{"cmd":"sum"}.reply' &
//! redis-cli publish '{"cmd":"sum"}' '{"pattern":{"cmd":"sum"},"data":[1,2],"id":"1"}'
//! redis-cli publish orders:shipped '{"id":8}'
//! ```

use std::sync::Arc;

use futures_util::{Stream, StreamExt, stream};
use nestrs::microservices::{RedisContext, RedisMicroserviceOptions, RedisTransport, RedisTransportOptions};
use nestrs::prelude::*;
use serde_json::{Value, json};

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern({ cmd: "sum" })]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }

    #[message_pattern({ cmd: "countdown" })]
    fn countdown(&self, from: u32) -> impl Stream<Item = u32> {
        stream::iter((0..=from).rev())
    }

    /// Of all channels that begin so; the context says which.
    #[event_pattern("orders:*")]
    async fn order(&self, order: Value, redis: RedisContext) {
        say(&format!("{} told of {order}", redis.channel()));
    }
}

#[module(providers = [Math], microservices = [Math])]
struct AppModule;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Logger::from_env().init()?;
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let options = RedisMicroserviceOptions::to(&url).wildcards(true);
    let app = NestFactory::create_microservice_redis::<AppModule>(options).enable_shutdown_hooks().start().await?;

    let client = ClientProxy::new(Arc::new(RedisTransport::new(RedisTransportOptions::to(&url))));
    let sum: i64 = client.send(pattern!({ cmd: "sum" }), &[1, 2, 3]).await?;
    say(&format!("1 + 2 + 3 = {sum}"));
    let numbers = client.send_stream::<_, u32>(pattern!({ cmd: "countdown" }), &3).await?;
    let numbers: Vec<_> =
        numbers.map(|number| number.map_or("?".to_owned(), |number| number.to_string())).collect().await;
    say(&numbers.join(" "));
    if let Err(error) = client.send::<_, Value>("no.such.pattern", &1).await {
        say(&error.to_string());
    }
    client.emit("orders:created", &json!({ "id": 7 })).await?;

    app.wait().await?;
    client.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
fn say(line: &str) {
    println!("{line}");
}
