//! The least TCP service there is: what `cargo xtask bench --only build` builds from nothing.

use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.sum")]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }
}

#[module(providers = [Math], microservices = [Math])]
struct App;

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    NestFactory::create_microservice::<App>(TcpMicroserviceOptions::bind("127.0.0.1:0")).listen().await
}
