//! A TCP microservice, to be called by the `gateway` example or by any NestJS client.
//!
//! ```sh
//! cargo run --example math_service         # listens on 127.0.0.1:3001
//! cargo run --example gateway              # in another terminal
//! ```

use futures_util::{Stream, stream};
use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;

#[injectable]
struct MathService;

#[micro_routes]
impl MathService {
    #[message_pattern({ cmd: "sum" })]
    async fn accumulate(&self, numbers: Vec<i64>) -> Result<i64, TransportError> {
        let sum = numbers.iter().try_fold(0_i64, |sum, number| sum.checked_add(*number));
        sum.ok_or_else(|| TransportError::new("the sum does not fit 64 bits"))
    }

    /// Many replies to one request: an Observable to a NestJS client.
    #[message_pattern({ cmd: "countdown" })]
    fn countdown(&self, from: u32) -> impl Stream<Item = u32> {
        stream::iter((0..=from).rev())
    }
}

#[module(providers = [MathService], microservices = [MathService])]
struct MathModule;

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    Logger::from_env().init()?;
    let address = std::env::var("MATH_ADDRESS").unwrap_or_else(|_| "127.0.0.1:3001".to_owned());
    NestFactory::create_microservice::<MathModule>(TcpMicroserviceOptions::bind(&address))
        .enable_shutdown_hooks()
        .listen()
        .await
}
