//! Dynamic modules: modules that are made from options.
//!
//! ```sh
//! cargo run --example dynamic_modules
//! ```
//!
//! `ConfigModule.register(..)` and `DatabaseModule.forRootAsync({ useFactory, inject, imports })` as one writes them in
//! NestJS, and `DatabaseModule.forFeature(..)`, a function of one's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use nestrs::ModuleDef;
use nestrs::microservices::{TcpTransport, memory_pair};
use nestrs::prelude::*;

/// What `ConfigModule` is made from.
struct ConfigOptions {
    values: BTreeMap<&'static str, &'static str>,
}

#[injectable]
struct ConfigService {
    options: Arc<ConfigOptions>,
}

impl ConfigService {
    fn get(&self, key: &str) -> Result<&'static str, String> {
        self.options.values.get(key).copied().ok_or_else(|| format!("`{key}` is not configured"))
    }
}

struct ConfigModule;

/// One definition; `register`, `register_async`, `for_root` and `for_root_async` come with it.
impl ConfigurableModule for ConfigModule {
    type Options = ConfigOptions;

    fn configure(module: ModuleDef) -> ModuleDef {
        module.provide(Provider::class::<ConfigService>()).export::<ConfigService>()
    }
}

struct DatabaseOptions {
    url: String,
}

/// Seen everywhere, since the module is registered for root.
#[injectable]
struct Connection {
    options: Arc<DatabaseOptions>,
}

struct DatabaseModule;

impl ConfigurableModule for DatabaseModule {
    type Options = DatabaseOptions;

    fn configure(module: ModuleDef) -> ModuleDef {
        // A module made at run time may have handlers as well.
        module
            .provide(Provider::class::<Connection>())
            .provide(Provider::class::<DatabaseHealth>())
            .microservice::<DatabaseHealth>()
            .export::<Connection>()
    }
}

impl DatabaseModule {
    /// A table for the module that imports this.
    fn for_feature(table: &'static str) -> DynamicModule {
        let rows = Provider::factory(move |connection: Arc<Connection>| Table(connection, table));
        DynamicModule::new::<Self>().provide(rows.named(table)).export_named(table)
    }
}

struct Table(Arc<Connection>, &'static str);

#[injectable]
struct DatabaseHealth {
    connection: Arc<Connection>,
}

#[micro_routes]
impl DatabaseHealth {
    #[message_pattern("database.url")]
    async fn url(&self) -> String {
        self.connection.options.url.clone()
    }
}

#[injectable]
struct CatsService {
    #[inject("cats")]
    table: Arc<Table>,
}

#[micro_routes]
impl CatsService {
    #[message_pattern("cats.where")]
    async fn place(&self) -> String {
        let Table(connection, table) = &*self.table;
        format!("{}/{table}", connection.options.url)
    }
}

#[module(imports = [DatabaseModule::for_feature("cats")], providers = [CatsService], microservices = [CatsService])]
struct CatsModule;

fn config() -> DynamicModule {
    ConfigModule::register(ConfigOptions { values: [("DATABASE_HOST", "db.internal")].into() })
}

fn database() -> DynamicModule {
    let options = AsyncOptions::factory(|config: Arc<ConfigService>| async move {
        // Anything may be awaited here; an error would be one of boot's problems.
        Ok::<_, String>(DatabaseOptions { url: format!("pg://{}", config.get("DATABASE_HOST")?) })
    });
    DatabaseModule::for_root_async(options.import_dynamic(config()))
}

#[module(imports = [database(), CatsModule])]
struct AppModule;

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
fn println_line(line: &str) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (server, transport) = memory_pair();
    let app = NestFactory::create_microservice::<AppModule>(server).start().await?;
    let client = ClientProxy::new(Arc::new(TcpTransport::new(transport)));
    for pattern in ["database.url", "cats.where"] {
        println_line(&format!("{pattern}: {}", client.send::<_, String>(pattern, &()).await?));
    }
    app.close().await;
    Ok(())
}
