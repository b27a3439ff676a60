//! A service as one is in production: orders over HTTP and messages, a billing service that they are paid by, and
//! notifications of what has happened.
//!
//! ```sh
//! cargo run --example orders
//! curl -H 'x-role: customer' --json '{"item":"tea","quantity":2}' http://127.0.0.1:3000/orders
//! curl http://127.0.0.1:3000/orders/1
//! ```
//!
//! | file | what it shows | in NestJS |
//! |---|---|---|
//! | `main.rs` | the applications and their modules | `main.ts`, `app.module.ts` |
//! | `orders.rs` | a service, a controller of HTTP and messages, validation | `orders.*.ts` |
//! | `stock.rs` | a module that others import, an event handler | `stock.module.ts` |
//! | `contract.rs`, `billing.rs` | what billing is asked, and the service that answers | patterns and DTOs, twice |
//! | `notifications.rs` | a listener of the event bus, and life-cycle hooks | `@OnEvent()` |
//! | `auth.rs`, `errors.rs`, `timing.rs` | a guard, an exception filter, two interceptors | the same |
//!
//! Orders are on port 3000 (`PORT`), HTTP and messages alike; billing is an application of its own on port 3001
//! (`BILLING_PORT`), here in the same process. `NESTRS_LOG=json` and `RUST_LOG` change what is logged.

pub(crate) mod auth;
pub(crate) mod billing;
pub(crate) mod contract;
pub(crate) mod errors;
pub(crate) mod notifications;
pub(crate) mod orders;
pub(crate) mod stock;
pub(crate) mod timing;

use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;
use nestrs::{NestApplication, NestMicroservice};

use auth::RolesGuard;
use billing::BillingModule;
use notifications::NotificationsModule;
use orders::OrdersModule;
use timing::Timing;

/// What holds for the whole application is provided here: NestJS's `{ provide: APP_GUARD, useClass: RolesGuard }`.
#[module(
    imports = [OrdersModule, NotificationsModule],
    providers = [Provider::app_guard::<RolesGuard>(), Provider::app_interceptor::<Timing>()],
)]
pub(crate) struct AppModule;

/// HTTP and messages; guards and interceptors of the application stand around both.
fn orders_app(port: u16) -> NestApplication<AppModule> {
    NestFactory::create::<AppModule>()
        .connect_microservice(TcpMicroserviceOptions::default().port(port))
        .inherit_app_config(true)
        .enable_health_check("/health")
        .enable_shutdown_hooks()
}

/// Another service: in production another process, perhaps one of NestJS.
fn billing_app(port: u16) -> NestMicroservice<BillingModule> {
    NestFactory::create_microservice::<BillingModule>(TcpMicroserviceOptions::default().port(port))
}

fn port(variable: &str, otherwise: u16) -> u16 {
    std::env::var(variable).ok().and_then(|port| port.parse().ok()).unwrap_or(otherwise)
}

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    Logger::from_env().init()?;
    let billing = billing_app(contract::billing_port()).start().await?;
    let port = port("PORT", 3000);
    // Ends on SIGTERM or SIGINT, once calls under way are answered; they may still need billing.
    let ended = orders_app(port).listen(port).await;
    billing.close().await;
    ended
}
