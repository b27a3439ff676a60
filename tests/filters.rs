//! Exception filters: chosen by the type of the error, on messages, streams and HTTP routes.

mod support;

use std::sync::Arc;

use futures_util::Stream;
use nestrs::HandlerResult;
use nestrs::prelude::*;
use serde_json::{Value, json};

use support::{client_of, serve};

#[derive(Debug, PartialEq)]
enum OrderError {
    OutOfStock { left: u32 },
    Closed,
}

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OutOfStock { .. } => "out of stock",
            Self::Closed => "closed",
        })
    }
}

impl std::error::Error for OrderError {}

impl From<OrderError> for TransportError {
    fn from(error: OrderError) -> Self {
        Self::caused_by(error)
    }
}

/// Answers for `OrderError`, with what the container gives it.
#[injectable]
struct OrderErrorFilter {
    warehouse: Arc<Warehouse>,
}

#[injectable]
struct Warehouse;

impl Warehouse {
    fn name(&self) -> &'static str {
        "Basel"
    }
}

impl ExceptionFilter for OrderErrorFilter {
    type Error = OrderError;
    async fn catch(&self, cx: &ExecutionContext, caught: Caught<OrderError>) -> HandlerResult {
        let details = match &*caught {
            OrderError::OutOfStock { left } => json!({
                "code": "OUT_OF_STOCK",
                "left": left,
                "warehouse": self.warehouse.name(),
                "by": cx.handler(),
                "statusCode": 409,
            }),
            // An answer in place of the error.
            OrderError::Closed => return Ok(Reply::Value(json!({ "closed": true }).into())),
        };
        Err(caught.into_transport_error().with_details(details))
    }
}

/// Answers for everything else.
#[derive(Default)]
struct LastResort;

impl ExceptionFilter for LastResort {
    type Error = TransportError;
    async fn catch(&self, _cx: &ExecutionContext, caught: Caught<TransportError>) -> HandlerResult {
        let mut error = caught.into_transport_error();
        error.message = format!("sorry: {}", error.message);
        Err(error)
    }
}

#[derive(Default)]
struct Panics;

impl ExceptionFilter for Panics {
    type Error = TransportError;
    async fn catch(&self, _cx: &ExecutionContext, _caught: Caught<TransportError>) -> HandlerResult {
        panic!("the filter itself fails")
    }
}

#[injectable]
struct Orders;

#[controller("/orders")]
#[micro_routes]
#[use_filters(LastResort, OrderErrorFilter)]
impl Orders {
    #[message_pattern("orders.take")]
    #[get("/take")]
    async fn take(&self) -> Result<u32, OrderError> {
        Err(OrderError::OutOfStock { left: 2 })
    }

    #[message_pattern("orders.close")]
    #[get("/close")]
    async fn close(&self) -> Result<u32, OrderError> {
        Err(OrderError::Closed)
    }

    #[message_pattern("orders.misfit")]
    async fn misfit(&self, number: u8) -> u8 {
        number
    }

    #[get("/teapot/{size}")]
    async fn teapot(&self, size: nestrs::axum::extract::Path<u8>) -> Result<u8, TransportError> {
        Err(TransportError::new(format!("no pot of {}", size.0)))
    }

    #[message_pattern("orders.panicking")]
    #[use_filters(Panics)]
    async fn panicking(&self) -> Result<(), OrderError> {
        Err(OrderError::Closed)
    }

    #[message_pattern("orders.watch")]
    fn watch(&self) -> impl Stream<Item = Result<u32, OrderError>> + Send + 'static {
        futures_util::stream::iter([Ok(1), Ok(2), Err(OrderError::OutOfStock { left: 0 })])
    }
}

#[module(providers = [Warehouse], controllers = [Orders])]
struct AppModule;

#[tokio::test]
async fn a_filter_answers_for_the_type_it_catches_and_the_last_declared_is_asked_first() {
    let app = serve::<AppModule>().await;
    let client = client_of(&app);
    let error = client.send::<_, Value>("orders.take", &()).await.unwrap_err();
    let details = &error.details.unwrap()["details"];
    let expected =
        json!({ "code": "OUT_OF_STOCK", "left": 2, "warehouse": "Basel", "by": "Orders::take", "statusCode": 409 });
    assert_eq!(details, &expected);
    // The reply that takes the error's place.
    assert_eq!(client.send::<_, Value>("orders.close", &()).await.unwrap(), json!({ "closed": true }));
    // Not an `OrderError`: the other filter's.
    let error = client.send::<_, Value>("orders.misfit", &json!("x")).await.unwrap_err();
    assert!(error.message.starts_with("sorry: "), "{error}");
    app.close().await;
}

#[tokio::test]
async fn rq_5_a_filter_that_fails_still_answers_the_caller() {
    let app = serve::<AppModule>().await;
    let error = client_of(&app).send::<_, Value>("orders.panicking", &()).await.unwrap_err();
    assert_eq!(error.message, "Internal server error");
    app.close().await;
}

#[tokio::test]
async fn the_error_that_ends_a_stream_passes_the_filters() {
    let app = serve::<AppModule>().await;
    let mut items = client_of(&app).send_stream::<_, u32>("orders.watch", &()).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), 1);
    assert_eq!(items.next().await.unwrap().unwrap(), 2);
    let error = items.next().await.unwrap().unwrap_err();
    assert_eq!(error.details.unwrap()["details"]["code"], "OUT_OF_STOCK");
    assert!(items.next().await.is_none());
    app.close().await;
}

#[tokio::test]
async fn the_same_filter_stands_around_http_routes() {
    let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await.unwrap();
    let get = async |path: &str| support::http::get(app.address("http").unwrap(), path).await;
    let (status, body) = get("/orders/take").await;
    assert_eq!((status, &body["message"]), (409, &json!("out of stock")), "{body}");
    let (status, body) = get("/orders/close").await;
    assert_eq!((status, body), (200, json!({ "closed": true })));
    // What an extractor refuses is an error like any other.
    let (_, body) = get("/orders/teapot/large").await;
    assert!(body["message"].as_str().unwrap().starts_with("sorry: "), "{body}");
    app.close().await;
}

/// Doubles what goes out, and cannot stand a three.
#[derive(Default)]
struct Doubles;

impl Interceptor for Doubles {
    fn map_value(&self, _cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError> {
        match value.decode::<u32>()? {
            3 => Err(TransportError::new("a three")),
            number => Ok(json!(number * 2).into()),
        }
    }
}

#[injectable]
struct Counter;

#[micro_routes]
#[use_interceptors(Doubles)]
impl Counter {
    #[message_pattern("count")]
    fn count(&self, to: u32) -> impl Stream<Item = u32> + Send + 'static {
        futures_util::stream::iter(1..=to)
    }
}

#[module(providers = [Counter], microservices = [Counter])]
struct CounterModule;

#[tokio::test]
async fn an_interceptor_maps_the_items_of_a_stream_and_its_error_ends_it() {
    let app = serve::<CounterModule>().await;
    let client = client_of(&app);
    let mut items = client.send_stream::<_, u32>("count", &2).await.unwrap();
    assert_eq!((items.next().await.unwrap().unwrap(), items.next().await.unwrap().unwrap()), (2, 4));
    assert!(items.next().await.is_none());

    let mut items = client.send_stream::<_, u32>("count", &9).await.unwrap();
    assert_eq!((items.next().await.unwrap().unwrap(), items.next().await.unwrap().unwrap()), (2, 4));
    assert_eq!(items.next().await.unwrap().unwrap_err().message, "a three");
    assert!(items.next().await.is_none());
    app.close().await;
}
