//! A service that is configured by files, `.env` and the environment.
//!
//! ```sh
//! cargo run --example config                           # tells everything that is missing, and ends
//! export APP_DATABASE__HOST=db.internal APP_DATABASE__PASSWORD=hunter2
//! cargo run --example config                           # listens on 127.0.0.1:3000
//! curl http://127.0.0.1:3000/about                      # prints db.internal:5432, 3 retries
//! APP_PORT=http APP_RETRIES=300 cargo run --example config   # tells both mistakes, and ends
//! ```
//!
//! The same can be said by `config.toml` or `.env` in the current directory:
//!
//! ```toml
//! port = 3000
//! timeout = "30s"
//!
//! [database]
//! host = "db.internal"
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use nestrs::config::{ConfigModule, ConfigOptions, ConfigService, Secret, UnknownKeys};
use nestrs::microservices::{AsyncClientConfig, ClientConfig, TcpTransportOptions};
use nestrs::prelude::*;
use serde::Deserialize;

/// The whole: what is not defaulted must be set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppConfig {
    #[serde(default = "default_port")]
    port: u16,
    #[serde(default = "default_retries")]
    retries: u8,
    #[serde(default = "default_timeout")]
    timeout: Duration,
    #[serde(default = "default_math_address")]
    math_address: String,
    database: DatabaseConfig,
}

/// A part, for those who need no more.
#[derive(Debug, Deserialize)]
struct DatabaseConfig {
    host: String,
    #[serde(default = "default_database_port")]
    port: u16,
    password: Secret<String>,
}

fn default_port() -> u16 {
    3000
}

fn default_retries() -> u8 {
    3
}

fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_math_address() -> String {
    "127.0.0.1:3001".to_owned()
}

fn default_database_port() -> u16 {
    5432
}

/// Where the configuration comes from, the later before the earlier; `.env` and the environment are the last.
fn options() -> ConfigOptions {
    ConfigOptions::default()
        .optional_file("config.toml")
        .env_prefix("APP_")
        .expand_variables(true)
        .unknown_keys(UnknownKeys::Refuse)
        // Asked by key alone: `AppConfig` knows nothing of it.
        .namespace("region")
}

#[injectable]
struct Database {
    config: Arc<DatabaseConfig>,
}

impl OnModuleInit for Database {
    async fn on_module_init(&self) -> HookResult {
        let DatabaseConfig { host, port, password } = &*self.config;
        tracing::info!(%host, port, with_password = !password.expose().is_empty(), "connecting");
        Ok(())
    }
}

#[module(
    imports = [ConfigModule::for_feature::<DatabaseConfig>("database")],
    providers = [Database],
    exports = [Database],
)]
struct DatabaseModule;

#[injectable]
struct AboutController {
    config: Arc<AppConfig>,
    database: Arc<Database>,
    service: Arc<ConfigService>,
}

#[controller]
impl AboutController {
    #[get("/about")]
    async fn about(&self) -> String {
        let DatabaseConfig { host, port, .. } = &*self.database.config;
        format!("{host}:{port}, {} retries", self.config.retries)
    }

    /// Asked by key, as with NestJS's `ConfigService`.
    #[get("/region")]
    async fn region(&self) -> Result<String, TransportError> {
        self.service.get_or("region", "nowhere".to_owned()).map_err(|error| {
            tracing::error!(%error, "the region cannot be told");
            TransportError::new("the region cannot be told")
        })
    }
}

#[module(
    imports = [
        ConfigModule::for_root::<AppConfig>(options()),
        DatabaseModule,
        // The configuration is global: any factory may ask for it.
        ClientsModule::register_async([AsyncClientConfig::new("MATH", |config: Arc<AppConfig>| async move {
            let options = TcpTransportOptions::to(&config.math_address).request_timeout(Some(config.timeout));
            Ok::<_, TransportError>(ClientConfig::tcp("MATH", options))
        })]),
    ],
    controllers = [AboutController],
)]
struct AppModule;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    Logger::from_env().init()?;
    // The port is needed before there is an application.
    let config: AppConfig = ConfigService::load(&options())?.root()?;
    // The password is `***` here; whoever connects asks for it by `expose`.
    tracing::info!(database = ?config.database, "configured");
    NestFactory::create::<AppModule>().enable_shutdown_hooks().listen(config.port).await?;
    Ok(())
}
