//! A transport of your own: two methods, and it works wherever a built-in one does.
//!
//! ```sh
//! cargo run --example custom_transport
//! ```

use std::sync::Arc;

use nestrs::microservices::{ClientConfig, Transport};
use nestrs::prelude::*;
use serde_json::{Value, json};

/// Answers every call in the process, and remembers nothing.
struct Shouting;

#[async_trait]
impl Transport for Shouting {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        match (pattern, payload.as_str()) {
            ("shout", Some(text)) => Ok(json!(text.to_uppercase())),
            _ => Err(TransportError::new(format!("cannot `{pattern}` that")).with_kind(ErrorKind::NotFound)),
        }
    }

    async fn emit_json(&self, _pattern: &str, _payload: Value) -> Result<(), TransportError> {
        Ok(())
    }
}

#[injectable]
struct Herald {
    client: Arc<ClientProxy>,
}

#[controller("/herald")]
impl Herald {
    #[get("/{text}")]
    async fn proclaim(
        &self,
        nestrs::axum::extract::Path(text): nestrs::axum::extract::Path<String>,
    ) -> Result<String, TransportError> {
        self.client.send("shout", &text).await
    }

    #[get("/whisper/{text}")]
    async fn whisper(
        &self,
        nestrs::axum::extract::Path(text): nestrs::axum::extract::Path<String>,
    ) -> Result<String, TransportError> {
        self.client.send("whisper", &text).await
    }
}

#[module(
    imports = [ClientsModule::register(&[ClientConfig { name: "shouting", transport: Arc::new(Shouting) }])],
    controllers = [Herald],
)]
struct AppModule;

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    Logger::from_env().init()?;
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    NestFactory::create::<AppModule>().enable_shutdown_hooks().listen(port).await
}
