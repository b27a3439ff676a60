//! NestJS's page "Discovery service": providers and handlers that are found by what is written on them.
//!
//! ```sh
//! cargo run --example discovery
//! curl http://127.0.0.1:3000/health
//! curl http://127.0.0.1:3000/handlers
//! ```
//!
//! answers
//!
//! ```text
//! {"database":"up","disk":"3 GB left"}
//! ["cats.adopt: since 1.2, for staff","cats.count: since 1.0, for everyone"]
//! ```
//!
//! Neither the controller nor its module knows the indicators: a module that is added brings its own. `PORT` changes the
//! port.

use std::collections::BTreeMap;
use std::sync::Arc;

use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;
use nestrs::{DiscoveredHandler, DiscoveredProvider, DiscoveryService};

/// What a provider implements whose state is asked for.
trait HealthIndicator: Send + Sync + 'static {
    fn state(&self) -> String;
}

/// What is written on such a provider: NestJS's `DiscoveryService.createDecorator()`. It keeps the way to the trait,
/// which the container does not know.
struct Health {
    name: &'static str,
    indicator: fn(&DiscoveredProvider) -> Option<Arc<dyn HealthIndicator>>,
}

impl Health {
    fn of<T: HealthIndicator>(name: &'static str) -> Self {
        Self { name, indicator: |provider| Some(provider.instance::<T>()?) }
    }
}

#[injectable(metadata = Health::of::<Database>("database"))]
struct Database;

impl HealthIndicator for Database {
    fn state(&self) -> String {
        "up".to_owned()
    }
}

#[module(providers = [Database])]
struct DatabaseModule;

#[injectable(metadata = Health::of::<Disk>("disk"))]
struct Disk {
    #[inject("GIGABYTES")]
    left: u32,
}

impl HealthIndicator for Disk {
    fn state(&self) -> String {
        format!("{} GB left", self.left)
    }
}

#[module(providers = [Disk, Provider::value(3_u32).named("GIGABYTES")])]
struct DiskModule;

/// On handlers stands what `#[set_metadata]` says: values by their type, or JSON by a key.
struct Since(&'static str);

#[injectable]
struct CatsController;

#[micro_routes]
#[set_metadata("audience", "everyone")]
#[set_metadata(Since("1.0"))]
impl CatsController {
    #[message_pattern("cats.adopt")]
    #[set_metadata("audience", "staff")]
    #[set_metadata(Since("1.2"))]
    async fn adopt(&self, name: String) -> String {
        name
    }

    #[message_pattern("cats.count")]
    async fn count(&self) -> u32 {
        9
    }
}

#[injectable]
struct AboutController {
    discovery: Arc<DiscoveryService>,
}

#[controller]
impl AboutController {
    #[get("/health")]
    async fn health(&self) -> BTreeMap<&'static str, String> {
        let found = self.discovery.get_providers_with::<Health>().into_iter();
        found.filter_map(|(health, provider)| Some((health.name, (health.indicator)(&provider)?.state()))).collect()
    }

    #[get("/handlers")]
    async fn handlers(&self) -> Vec<String> {
        self.discovery.handlers().iter().flat_map(describe).collect()
    }
}

/// A line for each pattern. Of a method and its block, the method's metadata goes first.
fn describe(handler: &DiscoveredHandler) -> Vec<String> {
    let since = handler.metadata().get::<Since>().map_or("the beginning", |Since(version)| version);
    let audience = handler.metadata().value("audience").and_then(|value| value.as_str()).unwrap_or("nobody");
    let line = |pattern: &Pattern| format!("{pattern}: since {since}, for {audience}");
    handler.patterns().iter().map(line).collect()
}

#[module(imports = [DatabaseModule, DiskModule], controllers = [CatsController, AboutController])]
struct AppModule;

fn port() -> u16 {
    std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000)
}

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    Logger::from_env().init()?;
    NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::default().port(port()))
        .also_listen_http(port())
        .enable_shutdown_hooks()
        .listen()
        .await
}
