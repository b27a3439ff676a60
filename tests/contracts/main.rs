//! Contracts: a trait written once, the server held to it, the client generated from it.

mod calls;
mod fakes;
mod injection;
mod wire;

#[path = "../support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use nestrs::microservices::{
    ClientConfig, ReplyItems, TcpMicroserviceOptions, TcpTransport, TcpTransportOptions, Transport, memory_pair,
};
use nestrs::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use support::raw::{PATIENCE, Peer};
use support::{client_of, serve, serve_with};

// --- what both sides share -------------------------------------------------------------------------------------------

/// In a module, as it would be in a crate of its own.
mod api {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct CreateOrder {
        pub(crate) item: String,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Order {
        pub(crate) id: u64,
        pub(crate) item: String,
    }

    /// The server's own error, which a caller may want back.
    #[derive(Debug, PartialEq)]
    pub(crate) enum OrderError {
        OutOfStock(String),
        Call(String),
    }

    impl From<OrderError> for TransportError {
        fn from(error: OrderError) -> Self {
            match error {
                OrderError::OutOfStock(item) => {
                    Self::new("out of stock").with_details(json!({ "code": "OUT_OF_STOCK", "item": item }))
                }
                OrderError::Call(reason) => Self::internal(reason),
            }
        }
    }

    impl From<TransportError> for OrderError {
        fn from(error: TransportError) -> Self {
            match error.details.as_ref().and_then(|err| err["details"]["item"].as_str()) {
                Some(item) => Self::OutOfStock(item.to_owned()),
                None => Self::Call(error.to_string()),
            }
        }
    }

    pub(crate) const COUNT: &str = "orders.count";

    /// What is said of orders.
    #[contract(client = "ORDERS")]
    pub(crate) trait Orders {
        /// The first pattern is what is sent; NestJS peers also send the second.
        #[message_pattern([{ entity: "order", cmd: "create" }, "orders.create"])]
        async fn create(&self, order: CreateOrder) -> Result<Order, OrderError>;

        #[message_pattern(COUNT)]
        async fn count(&self) -> u64;

        #[message_pattern("orders.find")]
        async fn find(&self, _: u64) -> Result<Option<Order>, TransportError>;

        #[message_pattern("orders.clear")]
        async fn clear(&self);

        #[message_pattern({ cmd: "orders.watch" })]
        fn watch(&self, id: u64) -> impl Stream<Item = Result<String, OrderError>> + Send;

        #[message_pattern("orders.numbers")]
        fn numbers(&self, up_to: u64) -> impl Stream<Item = u64>;

        #[event_pattern("orders.paid")]
        async fn paid(&self, id: u64);

        #[event_pattern({ event: "closed" })]
        async fn r#where(&self);
    }

    /// A second contract, of the same service.
    #[contract]
    pub(crate) trait Health {
        #[message_pattern("health")]
        async fn health(&self) -> bool;

        /// A name that all clients have for something else.
        #[message_pattern("health.proxy")]
        async fn proxy(&self) -> u8;
    }
}

use api::{CreateOrder, HealthClient, Order, OrderError, OrdersClient};

// --- the server ------------------------------------------------------------------------------------------------------

#[injectable]
struct OrdersService {
    orders: Mutex<Vec<Order>>,
    log: Log,
}

/// What the service did, in order.
struct Log(mpsc::UnboundedSender<String>, tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>);

impl Default for Log {
    fn default() -> Self {
        let (log, lines) = mpsc::unbounded_channel();
        Self(log, lines.into())
    }
}

impl Log {
    fn write(&self, line: impl Into<String>) {
        self.0.send(line.into()).expect("the reader is here");
    }

    async fn next(&self) -> String {
        let mut lines = self.1.lock().await;
        tokio::time::timeout(PATIENCE, lines.recv()).await.expect("it comes in time").expect("the writer is here")
    }
}

#[derive(Default)]
struct Refusing;

impl CanActivate for Refusing {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        let refused = cx.metadata().get("tenant") == Some("nobody");
        if refused { Err(forbidden()) } else { Ok(()) }
    }
}

#[derive(Default)]
struct Trimmed;

impl PipeTransform for Trimmed {
    async fn transform(&self, _cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        let mut value = payload.into_value()?;
        if let Some(item) = value["item"].as_str() {
            value["item"] = item.trim().into();
        }
        Ok(Payload::from_value(value))
    }
}

#[micro_routes(contract = api::Orders)]
#[use_micro_guards(Refusing)]
impl OrdersService {
    #[use_micro_pipes(Trimmed)]
    async fn create(&self, order: CreateOrder, cx: &ExecutionContext, _: Deadline) -> Result<Order, OrderError> {
        if order.item == "unicorn" {
            return Err(OrderError::OutOfStock(order.item));
        }
        let mut orders = self.orders.lock().unwrap();
        let order = Order { id: orders.len() as u64 + 1, item: order.item };
        orders.push(order.clone());
        self.log.write(format!("{} created", cx.pattern()));
        Ok(order)
    }

    // Nothing to wait for, so it is not `async`; and all it takes is from the context.
    fn count(&self, #[ctx] _peer: nestrs::microservices::Peer) -> u64 {
        self.orders.lock().unwrap().len() as u64
    }

    async fn find(&self, id: u64) -> Result<Option<Order>, TransportError> {
        if id == 404 {
            std::future::pending::<()>().await;
        }
        Ok(self.orders.lock().unwrap().iter().find(|order| order.id == id).cloned())
    }

    async fn clear(&self) {
        self.orders.lock().unwrap().clear();
    }

    fn watch(&self, id: u64) -> Result<BoxStream<'_, Result<String, OrderError>>, OrderError> {
        if id == 0 {
            return Err(OrderError::OutOfStock("zero".into()));
        }
        let names = ["packed", "sent"].map(|name| Ok(format!("{name} {id} of {}", self.orders.lock().unwrap().len())));
        Ok(stream::iter(names).chain(stream::iter([Err(OrderError::OutOfStock("end".into()))])).boxed())
    }

    async fn numbers(&self, up_to: u64) -> impl Stream<Item = u64> + use<> {
        stream::iter(1..=up_to)
    }

    // An event's handler may fail, which is its server's business.
    async fn paid(&self, id: u64) -> Result<(), TransportError> {
        self.log.write(format!("{id} paid"));
        Ok(())
    }

    async fn r#where(&self) {
        self.log.write("closed");
    }
}

#[micro_routes(contract = api::Health)]
impl OrdersService {
    async fn health(&self) -> bool {
        true
    }

    fn proxy(&self) -> u8 {
        3
    }
}

#[micro_routes]
impl OrdersService {
    #[message_pattern("own")]
    async fn own(&self) -> &'static str {
        "outside any contract"
    }
}

#[module(providers = [OrdersService], microservices = [OrdersService])]
struct OrdersModule;

fn order(item: &str) -> CreateOrder {
    CreateOrder { item: item.to_owned() }
}

/// Everything that the contract says, said once.
async fn talk(orders: &OrdersClient, service: &OrdersService) {
    let created = orders.create(order(" book ")).await.unwrap();
    assert_eq!(created, Order { id: 1, item: "book".to_owned() }, "pipes run");
    assert_eq!(service.log.next().await, r#"{"cmd":"create","entity":"order"} created"#);
    assert_eq!(orders.count().await.unwrap(), 1);
    assert_eq!(orders.find(1).await.unwrap(), Some(created));
    assert_eq!(orders.find(2).await.unwrap(), None);

    let numbers: Vec<_> = orders.numbers(3).await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(numbers, [1, 2, 3]);
    let mut watched: ReplyItems<String> = orders.watch(7).await.unwrap();
    assert_eq!(watched.next().await.unwrap().unwrap(), "packed 7 of 1");
    assert_eq!(watched.next().await.unwrap().unwrap(), "sent 7 of 1");
    let end: TransportError = watched.next().await.unwrap().unwrap_err();
    assert_eq!((end.kind(), &*end.message), (ErrorKind::Remote, "out of stock"));
    assert!(watched.next().await.is_none());
    let refused = orders.watch(0).await.unwrap().next().await.unwrap().unwrap_err();
    assert_eq!(OrderError::from(refused), OrderError::OutOfStock("zero".to_owned()));

    orders.paid(1).await.unwrap();
    assert_eq!(service.log.next().await, "1 paid");
    orders.r#where().await.unwrap();
    assert_eq!(service.log.next().await, "closed");
    orders.clear().await.unwrap();
    assert_eq!(orders.count().await.unwrap(), 0);
}
