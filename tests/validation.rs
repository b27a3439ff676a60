//! Rules on payloads and bodies: all that is wrong at once, the same list for messages and for HTTP.

mod support;

use std::sync::Arc;

use garde::Validate;
use nestrs::RunningApp;
use nestrs::axum::{self, Router};
use nestrs::microservices::{TcpTransport, memory_pair};
use nestrs::prelude::*;
use nestrs::testing::TestApp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use support::serve_with;

#[derive(Serialize, Deserialize, Validate)]
struct Customer {
    #[garde(email)]
    email: String,
    #[garde(length(min = 2, max = 40))]
    name: String,
}

#[derive(Serialize, Deserialize, Validate)]
struct Line {
    #[garde(range(min = 1))]
    quantity: u32,
}

#[derive(Serialize, Deserialize, Validate)]
struct CreateOrder {
    #[garde(dive)]
    customer: Customer,
    #[garde(length(min = 1), dive)]
    lines: Vec<Line>,
    #[garde(skip)]
    note: Option<String>,
}

/// Runs before the rules.
#[derive(Default)]
struct AddLine;

impl ArgumentPipe<CreateOrder> for AddLine {
    type Input = CreateOrder;
    async fn transform(&self, _: &ExecutionContext, mut order: CreateOrder) -> Result<CreateOrder, TransportError> {
        order.lines.push(Line { quantity: 0 });
        Ok(order)
    }
}

#[injectable]
struct Orders;

#[micro_routes]
#[controller("/orders")]
impl Orders {
    #[post]
    #[message_pattern("orders.create")]
    async fn create(&self, order: Valid<CreateOrder>) -> String {
        format!("{} lines for {}", order.lines.len(), order.into_inner().customer.name)
    }

    #[message_pattern("customer")]
    async fn customer(&self, #[payload("customer")] customer: Valid<Customer>) -> String {
        customer.into_inner().name
    }

    #[message_pattern("customer.optional")]
    async fn maybe_customer(&self, #[payload("customer")] customer: Valid<Option<Customer>>) -> bool {
        customer.is_some()
    }

    #[message_pattern("lines")]
    async fn lines(&self, lines: Valid<Vec<Line>>) -> usize {
        lines.len()
    }

    #[message_pattern("piped")]
    async fn piped(
        &self,
        #[payload("order")]
        #[pipe(AddLine, ValidationPipe)]
        order: CreateOrder,
    ) -> usize {
        order.lines.len()
    }
}

#[module(providers = [Orders], controllers = [Orders], microservices = [Orders])]
struct AppModule;

async fn in_memory() -> (RunningApp, ClientProxy) {
    let (server, transport) = memory_pair();
    (serve_with::<AppModule>(server).await, ClientProxy::new(Arc::new(TcpTransport::new(transport))))
}

fn good() -> Value {
    json!({ "customer": { "email": "ada@example.org", "name": "Ada" }, "lines": [{ "quantity": 1 }] })
}

fn bad() -> Value {
    json!({ "customer": { "email": "secret", "name": "A" }, "lines": [{ "quantity": 1 }, { "quantity": 0 }] })
}

/// What is wrong with [`bad`].
fn violations() -> Value {
    json!({ "violations": [
        { "path": "customer.email", "message": "not a valid email: value is missing `@`" },
        { "path": "customer.name", "message": "length is lower than 2" },
        { "path": "lines[1].quantity", "message": "lower than 1" },
    ] })
}

/// The `err` that a caller reads.
async fn err(client: &ClientProxy, pattern: &str, payload: &Value) -> Value {
    let error = client.send::<_, Value>(pattern, payload).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Remote);
    error.details.unwrap()
}

#[tokio::test]
async fn a_payload_that_keeps_the_rules_reaches_the_handler() {
    let (app, client) = in_memory().await;
    assert_eq!(client.send::<_, String>("orders.create", &good()).await.unwrap(), "1 lines for Ada");
    assert_eq!(client.send::<_, String>("customer", &good()).await.unwrap(), "Ada");
    assert!(client.send::<_, bool>("customer.optional", &good()).await.unwrap());
    assert!(!client.send::<_, bool>("customer.optional", &json!({})).await.unwrap());
    assert_eq!(client.send::<_, usize>("lines", &json!([{ "quantity": 2 }])).await.unwrap(), 1);
    app.close().await;
}

#[tokio::test]
async fn all_violations_are_told_at_once_with_their_paths() {
    let (app, client) = in_memory().await;
    let told = err(&client, "orders.create", &bad()).await;
    assert_eq!(told, json!({ "status": "error", "message": "Validation failed", "details": violations() }));
    assert!(!told.to_string().contains("secret"));

    let told = err(&client, "customer", &bad()).await;
    assert_eq!(
        told["details"]["violations"],
        Value::Array(violations()["violations"].as_array().unwrap()[..2].to_vec())
    );
    let told = err(&client, "customer.optional", &bad()).await;
    assert_eq!(told["details"]["violations"][0]["path"], "customer.email");
    let told = err(&client, "lines", &json!([{ "quantity": 1 }, { "quantity": 0 }])).await;
    assert_eq!(told["details"], json!({ "violations": [{ "path": "[1].quantity", "message": "lower than 1" }] }));
    app.close().await;
}

#[tokio::test]
async fn a_payload_of_another_shape_is_told_before_any_rule() {
    let (app, client) = in_memory().await;
    let mut wrong = bad();
    wrong["lines"][1]["quantity"] = json!("secret");
    let told = err(&client, "orders.create", &wrong).await;
    assert_eq!(told["message"], "invalid payload: expected u32, found string, at `lines[1].quantity`");
    assert_eq!(told["details"], json!({ "path": "lines[1].quantity", "expected": "u32", "found": "string" }));
    app.close().await;
}

#[tokio::test]
async fn validation_is_one_pipe_among_others() {
    let (app, client) = in_memory().await;
    let told = err(&client, "piped", &json!({ "order": good() })).await;
    assert_eq!(
        told["details"],
        json!({ "violations": [{ "path": "lines[1].quantity", "message": "lower than 1" }] }),
        "it validates what the pipe before it has made"
    );
    app.close().await;
}

#[tokio::test]
async fn so_many_violations_are_told_and_of_more_their_number() {
    let (app, client) = in_memory().await;
    let lines = vec![json!({ "quantity": 0 }); 250];
    let details = err(&client, "lines", &lines.into()).await["details"].take();
    assert_eq!(details["violations"].as_array().unwrap().len(), 100);
    assert_eq!(details["leftOut"], 150);
    app.close().await;
}

/// Sends a body and gives the status and the answer.
async fn post(app: &RunningApp, content_type: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(app.address("http").unwrap()).await.unwrap();
    let request = format!(
        "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").expect("a response");
    let body = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
    (head[9..12].parse().expect("a status"), body)
}

#[tokio::test]
async fn a_body_keeps_the_same_rules_and_is_told_the_same_list_in_nestjs_shape() {
    let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await.unwrap();
    assert_eq!(post(&app, "application/json", &good().to_string()).await, (200, json!("1 lines for Ada")));

    let (status, body) = post(&app, "application/json", &bad().to_string()).await;
    let message = json!([
        "customer.email: not a valid email: value is missing `@`",
        "customer.name: length is lower than 2",
        "lines[1].quantity: lower than 1",
    ]);
    let expected = json!({ "statusCode": 400, "message": message, "error": "Bad Request", "details": violations() });
    assert_eq!((status, body), (400, expected));

    let (status, body) = post(&app, "application/json", r#"{"customer":{"email":"secret"}}"#).await;
    let expected = json!({
        "statusCode": 400,
        "message": "invalid payload: `customer.name` is missing",
        "error": "Bad Request",
        "details": { "path": "customer.name", "found": "nothing" },
    });
    assert_eq!((status, body), (400, expected));

    for (content_type, body, expected) in
        [("text/plain", "{}", 415), ("application/json", "{bad", 400), ("application/json", "", 400)]
    {
        let (status, answer) = post(&app, content_type, body).await;
        assert_eq!((status, &answer["statusCode"]), (expected, &json!(expected)), "{answer}");
    }
    app.close().await;
}

/// A router of axum's own, merged beside the controllers.
#[tokio::test]
async fn a_merged_router_tells_the_same_list() {
    async fn place(order: Valid<CreateOrder>) -> String {
        format!("{} lines", order.lines.len())
    }
    let router = Router::new().route("/plain/orders", axum::routing::post(place));
    let app = TestApp::of::<AppModule>().configure_http(|http| http.merge(router)).start().await.unwrap();
    let answer = app.http().post("/plain/orders").json(&good()).send().await;
    assert_eq!((answer.status().as_u16(), answer.text().as_str()), (200, "1 lines"));
    let answer = app.http().post("/plain/orders").json(&bad()).send().await;
    let body: Value = answer.json();
    assert_eq!((answer.status().as_u16(), &body["details"]), (400, &violations()), "{body}");
    app.close().await;
}
