//! NestJS's page "Lifecycle events": what runs when an application begins and when it ends, and in which order.
//!
//! ```sh
//! cargo run --example lifecycle
//! curl http://127.0.0.1:3000/orders/pack      # in another terminal; takes a second
//! ```
//!
//! Press Ctrl-C while the order is being packed, or send SIGTERM (15): the call is answered first, then the hooks of the
//! end run. It prints
//!
//! ```text
//! Database: on_module_init
//! OrdersService: on_module_init, the database is connected
//! OrdersService: on_application_bootstrap
//! OrdersController: on_application_bootstrap
//! listening on 127.0.0.1:3000
//! packing
//! packed
//! OrdersService: on_module_destroy
//! OrdersController: before_application_shutdown, signal 2
//! OrdersService: on_application_shutdown, signal 2
//! Database: on_application_shutdown, signal 2
//! ```
//!
//! | hook | runs | an error |
//! |---|---|---|
//! | `on_module_init`, `on_application_bootstrap` | before anything listens, dependencies first | ends the start |
//! | `on_module_destroy`, `before_application_shutdown`, `on_application_shutdown` | after the last call, dependants first | is logged |
//!
//! `PORT` changes the port. A second signal ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;

#[injectable]
struct Database {
    connected: AtomicBool,
}

/// Any of the five may stand on any `#[injectable]` struct; there is nothing to register.
impl OnModuleInit for Database {
    async fn on_module_init(&self) -> HookResult {
        println_line("Database: on_module_init");
        self.connected.store(true, Ordering::Release);
        Ok(())
    }
}

/// What it is given is the signal's number, NestJS's `'SIGTERM'`; `None` where the application was closed by `close`.
impl OnApplicationShutdown for Database {
    async fn on_application_shutdown(&self, signal: Option<i32>) -> HookResult {
        println_line(&format!("Database: on_application_shutdown, {}", told(signal)));
        self.connected.store(false, Ordering::Release);
        Ok(())
    }
}

#[injectable]
struct OrdersService {
    database: Arc<Database>,
}

/// NestJS runs hooks module by module; here what a provider depends on has always had its turn.
impl OnModuleInit for OrdersService {
    async fn on_module_init(&self) -> HookResult {
        if !self.database.connected.load(Ordering::Acquire) {
            return Err("no database: the application does not start, and says why".into());
        }
        println_line("OrdersService: on_module_init, the database is connected");
        Ok(())
    }
}

impl OnApplicationBootstrap for OrdersService {
    async fn on_application_bootstrap(&self) -> HookResult {
        println_line("OrdersService: on_application_bootstrap");
        Ok(())
    }
}

impl OnModuleDestroy for OrdersService {
    async fn on_module_destroy(&self) -> HookResult {
        println_line("OrdersService: on_module_destroy");
        Ok(())
    }
}

impl OnApplicationShutdown for OrdersService {
    async fn on_application_shutdown(&self, signal: Option<i32>) -> HookResult {
        println_line(&format!("OrdersService: on_application_shutdown, {}", told(signal)));
        Ok(())
    }
}

/// Serves HTTP and messages; controllers have hooks as providers do.
#[injectable]
struct OrdersController {
    orders: Arc<OrdersService>,
}

#[controller("/orders")]
#[micro_routes]
impl OrdersController {
    #[get("/pack")]
    #[message_pattern("orders.pack")]
    async fn pack(&self) -> bool {
        println_line("packing");
        tokio::time::sleep(Duration::from_secs(1)).await;
        println_line("packed");
        self.orders.database.connected.load(Ordering::Acquire)
    }
}

impl OnApplicationBootstrap for OrdersController {
    async fn on_application_bootstrap(&self) -> HookResult {
        println_line("OrdersController: on_application_bootstrap");
        Ok(())
    }
}

impl BeforeApplicationShutdown for OrdersController {
    async fn before_application_shutdown(&self, signal: Option<i32>) -> HookResult {
        println_line(&format!("OrdersController: before_application_shutdown, {}", told(signal)));
        Ok(())
    }
}

#[module(providers = [OrdersService, Database], controllers = [OrdersController])]
struct AppModule;

fn told(signal: Option<i32>) -> String {
    signal.map_or_else(|| "no signal".to_owned(), |number| format!("signal {number}"))
}

fn port() -> u16 {
    std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000)
}

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
fn println_line(line: &str) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    let app = NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::default().port(port()))
        .also_listen_http(port())
        .enable_shutdown_hooks()
        .start()
        .await?;
    println_line(&format!("listening on {}", app.address("http").unwrap_or_default()));
    app.wait().await
}
