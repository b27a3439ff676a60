//! HTTP and NestJS messages in one process, on one address.
//!
//! ```sh
//! cargo run --example hybrid
//! curl http://127.0.0.1:3000/math/sum      # prints 15
//! ```
//!
//! The sum is computed by a message that crosses TCP: the gateway calls `{ cmd: "sum" }` through an injected client,
//! as any NestJS service could. `PORT` changes the port, `NESTRS_HOST` the address, `RUST_LOG` what is logged, and
//! `NESTRS_LOG=json` how.

use std::sync::Arc;

use nestrs::microservices::{ClientConfig, TcpMicroserviceOptions, TcpTransportOptions};
use nestrs::prelude::*;

#[injectable]
struct MathService;

#[micro_routes]
impl MathService {
    #[message_pattern({ cmd: "sum" })]
    async fn accumulate(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }

    #[message_pattern("math.add")]
    async fn add(&self, payload: serde_json::Value) -> Result<serde_json::Value, TransportError> {
        let a = payload["a"].as_f64().unwrap_or(0.0);
        let b = payload["b"].as_f64().unwrap_or(0.0);
        Ok(serde_json::json!({ "result": a + b }))
    }

    #[event_pattern("user.created")]
    async fn on_user_created(&self, _user: serde_json::Value, peer: Peer) {
        tracing::info!(?peer, "a user was created");
    }
}

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
}

#[module(
    imports = [ClientsModule::register(&[
        ClientConfig::tcp("MATH_SERVICE", TcpTransportOptions::default().port(port())),
    ])],
    providers = [MathService],
    controllers = [GatewayController],
    microservices = [MathService],
)]
struct AppModule;

fn port() -> u16 {
    std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000)
}

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    Logger::from_env().init()?;
    NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::default().port(port()))
        .also_listen_http(port())
        .configure_http(|http| http.enable_health_check("/health").enable_cors(CorsOptions::permissive()))
        .enable_shutdown_hooks()
        .listen()
        .await
}
