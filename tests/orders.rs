//! The example `orders`, tested as its users would test it: parts replaced, then whole, as a process.

mod support;

#[path = "../examples/orders/main.rs"]
#[expect(dead_code, reason = "tests start the modules in ways of their own")]
mod service;

use std::process::Stdio;
use std::time::Duration;

use nestrs::LogCapture;
use nestrs::prelude::*;
use nestrs::testing::{MockService, TestApp, TestResponse, TestingModule};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use service::AppModule;
use service::auth::RolesGuard;
use service::billing::BillingModule;
use service::contract::{Billing, Charge, Receipt};
use service::timing::{InData, Timing};
use support::client_to;
use support::http::{get, request};

const PATIENCE: Duration = Duration::from_secs(30);

/// The application, with billing as the test plays it.
fn with_billing(billing: &MockService) -> TestingModule<AppModule> {
    TestApp::of::<AppModule>().mock_service("BILLING", billing)
}

/// A billing service that takes whatever is asked.
fn generous() -> MockService {
    let billing = MockService::new();
    billing.expect("billing.charge").reply(json!({ "number": 7 }));
    billing
}

async fn post_as(app: &TestApp, role: &str, order: Value) -> (u16, Value) {
    read(app.http().post("/orders").header("x-role", role).json(&order).send().await)
}

fn read(response: TestResponse) -> (u16, Value) {
    (response.status().as_u16(), response.json())
}

async fn send_as(app: &TestApp, role: &str, order: Value) -> Result<Value, TransportError> {
    app.client().with_metadata("x-role", role).send("orders.place", &order).await
}

#[tokio::test]
async fn an_order_is_paid_kept_and_told_of() {
    let logs = LogCapture::start();
    let billing = MockService::new();
    billing.expect("billing.charge").with(json!({ "order": 1, "cents": 900 })).reply(json!({ "number": 7 })).once();
    let app = with_billing(&billing).start().await.unwrap();

    let order = json!({ "id": 1, "item": "tea", "quantity": 2, "cents": 900, "receipt": 7 });
    let placed = post_as(&app, "customer", json!({ "item": "tea", "quantity": 2 })).await;
    // Routes wrap what they answer, messages do not.
    assert_eq!(placed, (200, json!({ "data": order })));
    assert_eq!(read(app.http().get("/orders/1").send().await), (200, json!({ "data": order })));
    let found: Value = app.client().send(pattern!({ cmd: "orders.find" }), &json!({ "id": 1 })).await.unwrap();
    assert_eq!(found, order);

    billing.verify();
    // What was emitted is handled before the application ends.
    app.close().await;
    assert!(logs.contains(LogLevel::Log, "[Notifications] the customer was told order.id=1"), "{:#?}", logs.lines());
    assert!(logs.contains(LogLevel::Log, "[Notifications] goodbye sent=1"), "{:#?}", logs.lines());
    assert!(!logs.contains(LogLevel::Warn, "a filter was not asked"));
}

#[tokio::test]
async fn requests_and_messages_are_held_to_the_same_rules() {
    let billing = MockService::new();
    billing.expect("billing.charge").never();
    let app = with_billing(&billing).start().await.unwrap();
    let order = json!({ "item": "", "quantity": 11 });

    let (status, body) = post_as(&app, "customer", order.clone()).await;
    let broken = json!(["item: length is lower than 1", "quantity: greater than 10"]);
    assert_eq!((status, &body["message"]), (400, &broken));
    let error = send_as(&app, "customer", order).await.unwrap_err();
    assert_eq!(error.message, "Validation failed");
    let violations = &error.details.unwrap()["details"]["violations"];
    assert_eq!(violations[1], json!({ "path": "quantity", "message": "greater than 10" }));
    billing.verify();
    app.close().await;
}

#[tokio::test]
async fn handlers_are_for_those_whose_role_is_named_on_them() {
    let app = with_billing(&generous()).start().await.unwrap();
    let tea = || json!({ "item": "tea", "quantity": 1 });

    let anonymous = read(app.http().post("/orders").json(&tea()).send().await);
    assert_eq!((anonymous.0, &anonymous.1["message"]), (401, &json!("who are you?")));
    assert_eq!(app.client().send::<_, Value>("orders.place", &tea()).await.unwrap_err().message, "who are you?");

    assert_eq!(post_as(&app, "shop", tea()).await.0, 403);
    assert_eq!(send_as(&app, "shop", tea()).await.unwrap()["item"], "tea");
    // Nothing is asked of those who look.
    assert_eq!(app.http().get("/orders/1").send().await.status(), 200);
    app.close().await;
}

struct Everyone;

impl CanActivate for Everyone {
    async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
        Ok(())
    }
}

struct Quiet;

impl Interceptor for Quiet {}

#[tokio::test]
async fn a_test_may_put_others_in_the_place_of_guards_and_interceptors() {
    let logs = LogCapture::start();
    let app = with_billing(&generous())
        .override_guard::<RolesGuard>(Everyone)
        .override_interceptor::<Timing>(Quiet)
        .override_interceptor::<InData>(Quiet)
        .start()
        .await
        .unwrap();
    let (status, order) = post_as(&app, "nobody", json!({ "item": "tea", "quantity": 1 })).await;
    assert_eq!((status, &order["item"]), (200, &json!("tea")));
    app.close().await;
    assert!(!logs.contains(LogLevel::Log, "[Timing]"), "{:#?}", logs.lines());
}

#[tokio::test]
async fn what_is_out_of_stock_is_a_conflict_until_more_is_delivered() {
    let logs = LogCapture::start();
    let app = with_billing(&generous()).start().await.unwrap();
    let tea = || json!({ "item": "tea", "quantity": 6 });

    let (status, body) = post_as(&app, "customer", tea()).await;
    assert_eq!((status, &body["message"]), (409, &json!("only 5 of `tea` left")));
    let error = send_as(&app, "customer", tea()).await.unwrap_err();
    let told = json!({ "statusCode": 409, "code": "OUT_OF_STOCK", "message": "only 5 of `tea` left", "left": 5 });
    // What the filter says is the whole `err`, as a NestJS client reads it.
    assert_eq!(error.details, Some(told));
    let error = send_as(&app, "customer", json!({ "item": "cup", "quantity": 1 })).await.unwrap_err();
    assert_eq!(error.details.unwrap()["code"], "NOT_SOLD");
    assert_eq!(app.http().get("/orders/1").send().await.status(), 404);

    // Packets of one connection are begun in their order, and this handler does not wait.
    let deliver = async |role: &str| {
        let warehouse = app.client().with_metadata("x-role", role);
        warehouse.emit("stock.delivered", &json!({ "item": "tea", "quantity": 1 })).await.unwrap();
    };
    deliver("customer").await;
    assert!(send_as(&app, "customer", tea()).await.is_err());
    deliver("warehouse").await;
    assert_eq!(send_as(&app, "customer", tea()).await.unwrap()["cents"], 2_700);
    app.close().await;
    // Of an event that is refused, only the log knows.
    assert!(logs.contains(LogLevel::Warn, "Forbidden resource"), "{:#?}", logs.lines());
}

/// The two applications of the program, joined in memory: nothing is faked, nothing listens.
#[tokio::test]
async fn what_billing_refuses_is_passed_on_and_the_goods_go_back() {
    let logs = LogCapture::start();
    let billing = TestApp::of::<BillingModule>().start().await.unwrap();
    let app = TestApp::of::<AppModule>().override_named("BILLING", billing.client().clone()).start().await.unwrap();
    let teapots = |quantity: u32| json!({ "item": "teapot", "quantity": quantity });

    let (status, body) = post_as(&app, "customer", teapots(10)).await;
    assert_eq!((status, &body["message"]), (402, &json!("the card was declined")));
    let error = send_as(&app, "customer", teapots(10)).await.unwrap_err();
    assert_eq!(error.details.unwrap()["code"], "CARD_DECLINED");
    // There are 20 in all: these two need what was given back.
    assert_eq!(post_as(&app, "customer", teapots(8)).await.1["data"]["receipt"], 1);
    assert_eq!(send_as(&app, "customer", teapots(8)).await.unwrap()["receipt"], 2);

    billing.close().await;
    let (status, body) = post_as(&app, "customer", teapots(4)).await;
    assert_eq!((status, &body["message"]), (503, &json!("Service Unavailable")));
    let error = send_as(&app, "customer", teapots(4)).await.unwrap_err();
    assert_eq!(error.message, "Internal server error", "callers need not know of billing");
    app.close().await;
    assert!(!logs.contains(LogLevel::Warn, "a filter was not asked"), "{:#?}", logs.lines());
}

/// A fake that the compiler holds to the contract.
#[injectable]
struct FreeOfCharge;

#[micro_routes(contract = Billing)]
impl FreeOfCharge {
    async fn charge(&self, charge: Charge) -> Result<Receipt, TransportError> {
        Ok(Receipt { number: 1_000 + charge.order })
    }
}

#[module(providers = [FreeOfCharge], microservices = [FreeOfCharge])]
struct FreeModule;

#[tokio::test]
async fn a_fake_that_serves_the_contract_stands_for_billing() {
    let billing = TestApp::of::<FreeModule>().start().await.unwrap();
    let app = TestApp::of::<AppModule>().override_named("BILLING", billing.client().clone()).start().await.unwrap();
    let order = send_as(&app, "customer", json!({ "item": "tea", "quantity": 1 })).await.unwrap();
    assert_eq!(order["receipt"], 1_001);
    app.close().await;
    billing.close().await;
}

#[tokio::test]
async fn calls_are_timed_and_the_chain_around_them_is_told() {
    let logs = LogCapture::start();
    let app = with_billing(&generous()).start().await.unwrap();
    send_as(&app, "customer", json!({ "item": "tea", "quantity": 1 })).await.unwrap();
    send_as(&app, "customer", json!({ "item": "tea", "quantity": 9 })).await.unwrap_err();
    for line in ["orders.place handler=OrdersController::place ok=true", "OrdersController::place ok=false"] {
        assert!(logs.contains(LogLevel::Log, line), "`{line}` is missing in {:#?}", logs.lines());
    }
    let chain = "POST /orders → OrdersController::create: interceptor Timing (global) → interceptor InData (block) \
                 → guard RolesGuard (global) → handler; on errors filter OrderErrorFilter (module)";
    assert_eq!(app.explain("POST /orders")[0].to_string(), chain);
    app.close().await;
}

#[tokio::test]
async fn the_program_serves_both_halves_over_real_sockets_and_ends_well() {
    async fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
    }
    let (port, billing_port) = (free_port().await, free_port().await);
    let mut child = Command::new(support::program::program("orders"))
        .env("PORT", port.to_string())
        .env("BILLING_PORT", billing_port.to_string())
        .env_remove("NESTRS_LOG")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut log = Vec::new();
    // Billing first, then orders.
    let starting = async {
        let mut started = 0;
        while started < 2 {
            let line = lines.next_line().await.unwrap().expect("it starts");
            started += usize::from(line.contains("Nest application successfully started"));
            log.push(line);
        }
    };
    tokio::time::timeout(PATIENCE, starting).await.expect("it starts in time");

    let address = format!("127.0.0.1:{port}");
    assert_eq!(get(&address, "/health").await, (200, json!({ "status": "ok" })));
    let order = json!({ "id": 1, "item": "tea", "quantity": 2, "cents": 900, "receipt": 1 });
    let body = r#"{"item":"tea","quantity":2}"#;
    let placed = request("POST", &address, "/orders", &[("x-role", "customer")], body).await;
    assert_eq!(placed, (200, json!({ "data": order })));
    assert_eq!(request("POST", &address, "/orders", &[("x-role", "guest")], body).await.0, 403);

    // Messages on the same address, and billing on its own.
    let client = client_to(&address);
    let found: Value = client.send(pattern!({ cmd: "orders.find" }), &json!({ "id": 1 })).await.unwrap();
    assert_eq!(found, order);
    // The guard of the application stands around messages too, which only the program's own set-up can show.
    let anonymous = client.send::<_, Value>("orders.place", &json!({ "item": "tea", "quantity": 1 })).await;
    assert_eq!(anonymous.unwrap_err().message, "who are you?");
    let shop = client.with_metadata("x-role", "shop");
    let error = shop.send::<_, Value>("orders.place", &json!({ "item": "tea", "quantity": 4 })).await.unwrap_err();
    assert_eq!(error.message, "only 3 of `tea` left");
    let billing = client_to(&format!("127.0.0.1:{billing_port}"));
    let again: Value = billing.send("billing.charge", &json!({ "order": 1, "cents": 900 })).await.unwrap();
    assert_eq!(again, json!({ "number": 1 }), "an order is paid once");

    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let ending = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            log.push(line);
        }
        child.wait().await.unwrap()
    };
    assert!(tokio::time::timeout(PATIENCE, ending).await.expect("it ends in time").success());
    for text in
        ["[Notifications] the customer was told order.id=1", "[Timing] POST /orders", "goodbye signal=15 sent=1"]
    {
        assert!(log.iter().any(|line| line.contains(text)), "`{text}` is missing in {log:#?}");
    }
}
