//! NestJS's page "Module reference": providers that are asked for when they are needed, by type or by name.
//!
//! ```sh
//! cargo run --example module_ref
//! curl --json '{"method":"card","cents":500}' -H 'x-customer: Ada' http://127.0.0.1:3000/checkout
//! curl --json '{"method":"voucher","cents":500}' http://127.0.0.1:3000/checkout
//! curl --json '{"method":"invoice","cents":500}' http://127.0.0.1:3000/checkout
//! curl --json '{"method":"cheque","cents":500}' http://127.0.0.1:3000/checkout
//! ```
//!
//! answers
//!
//! ```text
//! {"receipt":1,"customer":"Ada","paid":"500 cents by card, 10 of them for the bank"}
//! {"receipt":2,"customer":"somebody","paid":"500 cents off a voucher of 2000"}
//! {"receipt":3,"customer":"somebody","paid":"500 cents by invoice 4"}
//! {"error":"Bad Request","message":"`cheque` is not taken here","statusCode":400}
//! ```
//!
//! The message `checkout` does the same, on the same port; `PORT` changes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nestrs::axum::Json;
use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;
use serde::{Deserialize, Serialize};

/// One way to pay. Which one is known when somebody pays, so none can be injected.
trait Payment: Send + Sync {
    fn pay(&self, cents: u32) -> String;
}

#[injectable]
struct Card {
    #[inject("FEE_PERCENT")]
    fee: u32,
}

impl Payment for Card {
    fn pay(&self, cents: u32) -> String {
        format!("{cents} cents by card, {} of them for the bank", cents * self.fee / 100)
    }
}

/// Of another module, which does not export it.
#[injectable]
struct Vouchers {
    #[inject("VOUCHER_CENTS")]
    left: u32,
}

impl Payment for Vouchers {
    fn pay(&self, cents: u32) -> String {
        format!("{cents} cents off a voucher of {}", self.left)
    }
}

#[module(providers = [Vouchers, Provider::value(2000_u32).named("VOUCHER_CENTS")])]
struct VouchersModule;

/// No provider: made where it is needed, with what it needs injected.
#[injectable]
struct Invoice {
    numbers: Arc<Numbers>,
}

impl Payment for Invoice {
    fn pay(&self, cents: u32) -> String {
        format!("{cents} cents by invoice {}", self.numbers.next())
    }
}

#[injectable]
struct Numbers {
    last: AtomicU32,
}

impl Numbers {
    fn next(&self) -> u32 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Transient: each that asks has a new one.
struct Receipt {
    number: u32,
}

fn receipt() -> Provider {
    Provider::factory(|numbers: Arc<Numbers>| Receipt { number: numbers.next() }).scope(ProviderScope::Transient)
}

/// Request-scoped: one for each call, whoever asks.
#[injectable(scope = request)]
struct Customer {
    cx: Arc<ExecutionContext>,
}

impl Customer {
    fn name(&self) -> &str {
        self.cx.metadata().get("x-customer").unwrap_or("somebody")
    }
}

#[derive(Deserialize)]
struct Order {
    method: String,
    cents: u32,
}

#[derive(Serialize)]
struct Paid {
    receipt: u32,
    customer: String,
    paid: String,
}

/// A singleton. What belongs to one call is asked for in that call's name.
#[injectable]
struct Checkout {
    module: Arc<ModuleRef>,
}

impl Checkout {
    async fn pay(&self, order: &Order, cx: &ExecutionContext) -> Result<Paid, TransportError> {
        let payment = self.payment(&order.method).await?;
        // NestJS's `await moduleRef.resolve(Receipt)`: a new one each time.
        let receipt: Arc<Receipt> = self.module.resolve().await?;
        // NestJS's `moduleRef.resolve(Customer, ContextIdFactory.getByRequest(request))`: the one of this call.
        let customer: Arc<Customer> = self.module.resolve_in(&ContextId::of(cx)).await?;
        Ok(Paid { receipt: receipt.number, customer: customer.name().to_owned(), paid: payment.pay(order.cents) })
    }

    async fn payment(&self, method: &str) -> Result<Arc<dyn Payment>, TransportError> {
        match method {
            // NestJS's `moduleRef.get(Vouchers, { strict: false })`: whatever module it is in.
            "voucher" => Ok(self.module.non_strict().get::<Vouchers>()?),
            // NestJS's `moduleRef.create(Invoice)`.
            "invoice" => Ok(Arc::new(self.module.create::<Invoice>().await?)),
            // NestJS's `moduleRef.get(name)`, typed. What the container says is not for callers: by `?` they would read
            // "Internal server error".
            name => self.module.get_named(name.to_owned()).map_err(|_| {
                TransportError::new(format!("`{name}` is not taken here")).with_kind(ErrorKind::InvalidPayload)
            }),
        }
    }
}

impl OnModuleInit for Checkout {
    /// Everything is built by now; in a constructor or a factory `get` would fail.
    async fn on_module_init(&self) -> HookResult {
        self.module.get_named::<dyn Payment>("card")?;
        Ok(())
    }
}

#[injectable]
struct CheckoutController {
    checkout: Arc<Checkout>,
}

#[controller("/checkout")]
impl CheckoutController {
    #[post]
    async fn over_http(&self, Ctx(cx): Ctx, Json(order): Json<Order>) -> Result<Paid, TransportError> {
        self.checkout.pay(&order, &cx).await
    }
}

#[micro_routes]
impl CheckoutController {
    #[message_pattern("checkout")]
    async fn by_message(&self, order: Order, cx: &ExecutionContext) -> Result<Paid, TransportError> {
        self.checkout.pay(&order, cx).await
    }
}

/// `{ provide: 'card', useClass: Card }`
fn card() -> Provider {
    Provider::class_as::<Card, dyn Payment>(|card| card).named("card")
}

#[module(
    imports = [VouchersModule],
    providers = [card(), receipt(), Provider::value(2_u32).named("FEE_PERCENT"), Numbers, Customer, Checkout],
    controllers = [CheckoutController],
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
        .enable_shutdown_hooks()
        .listen()
        .await
}
