//! An HTTP gateway in front of the `math_service` example (or a NestJS service with the same patterns).
//!
//! ```sh
//! cargo run --example math_service
//! cargo run --example gateway              # in another terminal; listens on 127.0.0.1:3000
//! curl http://127.0.0.1:3000/math/sum      # prints 15
//! curl http://127.0.0.1:3000/math/sum/1,2  # prints 3
//! ```
//!
//! With the service stopped, both answer 503; they work again as soon as it is back.

use std::sync::Arc;

use nestrs::axum::extract::Path;
use nestrs::microservices::{AsyncClientConfig, ClientConfig, TcpTransportOptions};
use nestrs::prelude::*;

/// Read once, at boot.
struct Config {
    math_address: String,
}

#[module(
    providers = [Provider::factory(|| Config {
        math_address: std::env::var("MATH_ADDRESS").unwrap_or_else(|_| "127.0.0.1:3001".to_owned()),
    })],
    exports = [Config],
)]
struct ConfigModule;

#[injectable]
struct GatewayController {
    #[inject("MATH_SERVICE")]
    client: Arc<ClientProxy>,
}

#[controller("/math")]
impl GatewayController {
    #[get("/sum")]
    async fn sum(&self) -> Result<i64, TransportError> {
        self.client.send(pattern!({ cmd: "sum" }), &[1, 2, 3, 4, 5]).await
    }

    #[get("/sum/{numbers}")]
    async fn sum_of(&self, Path(numbers): Path<String>) -> Result<i64, TransportError> {
        let numbers: Result<Vec<i64>, _> = numbers.split(',').map(str::parse).collect();
        let numbers = numbers.map_err(|_| {
            TransportError::new("write numbers with commas between").with_kind(ErrorKind::InvalidPayload)
        })?;
        self.client.send(pattern!({ cmd: "sum" }), &numbers).await
    }
}

#[module(
    imports = [ClientsModule::register_async([AsyncClientConfig::new("MATH_SERVICE", |config: Arc<Config>| async move {
        Ok::<_, TransportError>(ClientConfig::tcp("MATH_SERVICE", TcpTransportOptions::to(&config.math_address)))
    })])
    .import::<ConfigModule>()],
    controllers = [GatewayController],
)]
struct GatewayModule;

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    Logger::from_env().init()?;
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    NestFactory::create::<GatewayModule>().enable_shutdown_hooks().listen(port).await
}
