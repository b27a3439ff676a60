//! What a service says, and how: NestJS's "Logger" page.
//!
//! ```sh
//! cargo run --example logging                                      # lines for people, in colour on a terminal
//! NESTRS_LOG=json cargo run --example logging                      # lines for machines
//! RUST_LOG=nestrs::call=debug cargo run --example logging          # lines of handlers say which call they belong to
//! RUST_LOG=warn,logging=verbose cargo run --example logging        # NestJS's names for levels, by target
//! ```

use std::sync::Arc;

use nestrs::microservices::{TcpTransport, memory_pair};
use nestrs::prelude::*;

#[injectable]
struct CatsService;

#[micro_routes]
impl CatsService {
    /// NestJS's `new Logger(CatsService.name)` is the field `context`; without it, the module's path stands there.
    #[message_pattern("cats.adopt")]
    async fn adopt(&self, name: String) -> Result<u32, TransportError> {
        if name.is_empty() {
            tracing::warn!(context = "CatsService", "a cat without a name");
            return Err(TransportError::new("a cat needs a name"));
        }
        // Fields, not prose: machines read them too. And not the payload: that is for `trace!`, NestJS's `verbose`.
        tracing::info!(context = "CatsService", letters = name.chars().count(), "a cat was adopted");
        tracing::trace!(context = "CatsService", name, "its name");
        Ok(9)
    }
}

#[module(providers = [CatsService], microservices = [CatsService])]
struct AppModule;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `Logger::console().level(LogLevel::Debug).prefix("Cats")` and the like, where the environment has no say.
    Logger::from_env().init()?;

    let (server, transport) = memory_pair();
    let app = NestFactory::create_microservice::<AppModule>(server).start().await?;
    let client = ClientProxy::new(Arc::new(TcpTransport::new(transport)));
    let lives: u32 = client.send("cats.adopt", "Tom").await?;
    tracing::info!(lives, "adopted");
    let refused = client.send::<_, u32>("cats.adopt", "").await;
    tracing::error!(error = refused.err().map(tracing::field::display), "not adopted");
    app.close().await;

    // A process has one logger.
    if let Err(error) = Logger::json().init() {
        tracing::warn!(%error, "there is no second logger");
    }
    Ok(())
}
