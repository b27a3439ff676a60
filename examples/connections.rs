//! Who is connected to a microservice: listed, counted, told of, and sent away, over HTTP.
//!
//! ```sh
//! cargo run --example connections
//! curl http://127.0.0.1:3000/connections                # [] until somebody calls 127.0.0.1:3001
//! curl http://127.0.0.1:3000/servers                    # what each server is and has done
//! curl -X DELETE http://127.0.0.1:3000/connections/1    # ends one, once its calls are answered
//! curl http://127.0.0.1:3000/health
//! ```
//!
//! `PORT` and `MESSAGES_ADDRESS` change the addresses.

use std::sync::Arc;

use nestrs::axum::Json;
use nestrs::axum::extract::Path;
use nestrs::microservices::net::{CloseReason, FaultCode};
use nestrs::microservices::{ConnectionId, ConnectionInfo, ConnectionObserver, TcpMicroserviceOptions};
use nestrs::prelude::*;
use serde_json::{Value, json};

/// Told of every connection, on a thread of its own: it may take its time.
struct Audit;

impl ConnectionObserver for Audit {
    fn on_connection(&self, connection: &ConnectionInfo) {
        tracing::info!(id = %connection.id, peer = ?connection.peer_addr, "connected");
    }

    fn on_fault(&self, connection: &ConnectionInfo, code: FaultCode) {
        tracing::warn!(id = %connection.id, peer = ?connection.peer_addr, %code, "it does not speak our protocol");
    }

    fn on_close(&self, connection: &ConnectionInfo, reason: CloseReason) {
        let ConnectionInfo { id, bytes_received, bytes_sent, .. } = connection;
        tracing::info!(%id, %reason, bytes_received, bytes_sent, "disconnected");
    }
}

#[injectable]
struct Admin {
    servers: Arc<Servers>,
}

#[controller]
impl Admin {
    #[get("/connections")]
    async fn list(&self) -> Json<Vec<ConnectionInfo>> {
        Json(self.servers.iter().flat_map(|server| server.connections()).collect())
    }

    #[delete("/connections/{id}")]
    async fn disconnect(&self, Path(id): Path<u64>) -> Result<(), TransportError> {
        match self.servers.iter().any(|server| server.disconnect(ConnectionId(id))) {
            true => Ok(()),
            false => Err(TransportError::new("There is no such connection").with_kind(ErrorKind::NotFound)),
        }
    }

    #[get("/servers")]
    async fn servers(&self) -> Json<Vec<Value>> {
        let server = |server: &nestrs::ServerHandle| {
            json!({
                "transport": server.transport(),
                "address": server.address(),
                "status": server.current_status(),
                "stats": server.stats(),
            })
        };
        Json(self.servers.iter().map(server).collect())
    }
}

#[injectable]
struct Echo;

#[micro_routes]
impl Echo {
    #[message_pattern("echo")]
    async fn echo(&self, value: Value) -> Value {
        value
    }
}

#[module(providers = [Echo], controllers = [Admin], microservices = [Echo])]
struct AppModule;

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    Logger::from_env().init()?;
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let address = std::env::var("MESSAGES_ADDRESS").unwrap_or_else(|_| "127.0.0.1:3001".to_owned());
    NestFactory::create::<AppModule>()
        .connect_microservice(TcpMicroserviceOptions::bind(&address).observer(Audit))
        .enable_health_check("/health")
        .enable_shutdown_hooks()
        .listen(port)
        .await
}
