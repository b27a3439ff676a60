//! Two services and the contract between them.
//!
//! ```sh
//! cargo run --example contracts
//! ```
//!
//! What is sent is written once, in the trait `Orders`, which would usually be in a crate of its own. The server's block is
//! checked against it, the caller's `OrdersClient` is generated from it, and a NestJS service on either side notices
//! nothing. Here both ends are this process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{Stream, StreamExt, stream};
use nestrs::microservices::{ClientConfig, TcpMicroserviceOptions, TcpTransportOptions};
use nestrs::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

// --- what both sides know --------------------------------------------------------------------------------------------

#[derive(Debug, Serialize, Deserialize)]
struct CreateOrder {
    item: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    id: u64,
    item: String,
}

/// Why there is no order: what the server says, read back by the caller.
#[derive(Debug)]
enum OrderError {
    OutOfStock,
    Call(TransportError),
}

impl From<OrderError> for TransportError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::OutOfStock => Self::exact(json!({ "code": "OUT_OF_STOCK", "message": "out of stock" })),
            OrderError::Call(error) => error,
        }
    }
}

impl From<TransportError> for OrderError {
    fn from(error: TransportError) -> Self {
        match &error.details {
            Some(details) if details["code"] == "OUT_OF_STOCK" => Self::OutOfStock,
            _ => Self::Call(error),
        }
    }
}

/// What is said of orders.
#[contract(client = "ORDERS")]
trait Orders {
    /// A NestJS peer sends `orders.create`.
    #[message_pattern("orders.create")]
    async fn create(&self, order: CreateOrder) -> Result<Order, OrderError>;

    /// An Observable to a NestJS peer.
    #[message_pattern({ cmd: "orders.watch" })]
    fn watch(&self, id: u64) -> impl Stream<Item = String> + Send;

    #[event_pattern("orders.paid")]
    async fn paid(&self, id: u64);
}

// --- the server ------------------------------------------------------------------------------------------------------

#[injectable]
struct OrdersService {
    last_id: AtomicU64,
    paid: Mutex<Vec<u64>>,
}

#[micro_routes(contract = Orders)]
impl OrdersService {
    // What follows the payload is between the handler and its server.
    async fn create(&self, order: CreateOrder, metadata: &Metadata) -> Result<Order, OrderError> {
        if order.item == "unicorn" {
            return Err(OrderError::OutOfStock);
        }
        say(&format!("service: {} for {}", order.item, metadata.get("customer").unwrap_or("nobody")));
        Ok(Order { id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1, item: order.item })
    }

    fn watch(&self, id: u64) -> impl Stream<Item = String> {
        let is_paid = self.paid.lock().is_ok_and(|paid| paid.contains(&id));
        stream::iter(if is_paid { vec!["paid", "packed", "sent"] } else { vec!["waiting"] }).map(str::to_owned)
    }

    async fn paid(&self, id: u64) {
        if let Ok(mut paid) = self.paid.lock() {
            paid.push(id);
        }
    }
}

// --- the caller ------------------------------------------------------------------------------------------------------

#[injectable]
struct Shop {
    orders: Arc<OrdersClient>,
}

impl Shop {
    async fn buy(&self, customer: &str, item: &str) -> Result<Order, OrderError> {
        let orders = self.orders.with_metadata("customer", customer);
        let order = orders.create(CreateOrder { item: item.to_owned() }).await?;
        orders.paid(order.id).await?;
        Ok(order)
    }
}

#[module(
    imports = [ClientsModule::register(&[ClientConfig::tcp("ORDERS", TcpTransportOptions::to(&address()))])],
    providers = [OrdersService, OrdersClient, Shop],
    microservices = [OrdersService],
)]
struct AppModule;

fn address() -> String {
    std::env::var("ORDERS_ADDRESS").unwrap_or_else(|_| "127.0.0.1:3003".to_owned())
}

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
fn say(line: &str) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::bind(&address())).start().await?;
    let shop = app.get::<Shop>().ok_or("no shop")?;
    for item in ["book", "unicorn"] {
        match shop.buy("Ada", item).await {
            Ok(order) => {
                let mut steps = shop.orders.watch(order.id).await?;
                while let Some(step) = steps.next().await {
                    say(&format!("shop: order {} is {}", order.id, step?));
                }
            }
            Err(OrderError::OutOfStock) => say(&format!("shop: no {item} in stock")),
            Err(OrderError::Call(error)) => return Err(error.into()),
        }
    }
    app.close().await;
    Ok(())
}
