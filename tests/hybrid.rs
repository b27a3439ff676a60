//! HTTP beside messages: routing, errors, one address or two, all or nothing.

mod support;

use std::sync::Arc;
use std::time::Duration;

use nestrs::axum::extract::{Json, Path, Query};
use nestrs::axum::http::StatusCode;
use nestrs::microservices::{ClientConfig, TcpMicroserviceOptions, TcpTransportOptions};
use nestrs::prelude::*;
use nestrs::{ListenError, RunningApp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use support::client_to;
use support::contract::ContractModule;
use support::raw::Peer;

#[derive(Serialize, Deserialize)]
struct Item {
    name: String,
}

/// What a hybrid application says of itself.
const HEALTHY: &str = r#"{"status":"ok"}"#;

#[injectable]
struct Items {
    client: Arc<ClientProxy>,
}

type HttpResult<T> = Result<T, TransportError>;

/// An error with a response of its own.
struct Teapot;

impl nestrs::axum::response::IntoResponse for Teapot {
    fn into_response(self) -> nestrs::axum::response::Response {
        (StatusCode::IM_A_TEAPOT, "short and stout").into_response()
    }
}

#[controller("/items")]
impl Items {
    #[get]
    async fn list(&self) -> Vec<Item> {
        vec![Item { name: "one".into() }]
    }

    #[get("/{name}")]
    async fn one(&self, Path(name): Path<String>, Query(query): Query<Value>) -> Json<Value> {
        Json(json!({ "name": name, "query": query }))
    }

    #[post]
    async fn create(&self, Json(item): Json<Item>) -> (StatusCode, Json<Item>) {
        (StatusCode::CREATED, Json(item))
    }

    #[put("/{name}")]
    fn replace(&self, Path(name): Path<String>) -> String {
        format!("replaced {name}")
    }

    #[patch("/{name}")]
    async fn change(&self, Path(_name): Path<String>) -> Result<(), Teapot> {
        Err(Teapot)
    }

    #[delete("/{name}")]
    async fn remove(&self, Path(_name): Path<String>) {}

    #[get("/call/{pattern}")]
    async fn call(&self, Path(pattern): Path<String>) -> Result<Value, TransportError> {
        self.client.with_timeout(Duration::from_millis(50)).send(&pattern, &1).await
    }

    #[get("/conflict")]
    async fn conflict(&self) -> Result<Value, TransportError> {
        Err(TransportError::new("taken").with_details(json!({ "statusCode": 409 })))
    }

    #[get("/alias/{ok}")]
    async fn alias(&self, Path(ok): Path<bool>) -> HttpResult<u8> {
        if ok { Ok(1) } else { Err(TransportError::new("no").with_kind(ErrorKind::Forbidden)) }
    }

    #[get("/secret")]
    async fn secret(&self) -> Result<Value, TransportError> {
        Err(std::io::Error::other("secret"))?
    }

    #[get("/panic")]
    async fn panic(&self) -> Value {
        panic!("secret")
    }
}

thread_local! {
    /// Where the contract is served, for the module that calls it.
    static CONTRACT: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

fn contract_client() -> ClientConfig {
    ClientConfig::tcp("CONTRACT", TcpTransportOptions::to(&CONTRACT.with_borrow(Clone::clone)))
}

#[module(imports = [ClientsModule::register(&[contract_client()])], controllers = [Items])]
struct HttpModule;

/// Sends one request and gives the status, the headers and the body.
async fn request(address: &str, method: &str, path: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://page\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").expect("a response");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_lowercase(), body.to_owned())
}

async fn check(address: &str, method: &str, path: &str, body: &str, expected: (u16, &str)) {
    let (status, _, got) = request(address, method, path, body).await;
    assert_eq!((status, got.as_str()), expected, "{method} {path}");
}

async fn with_contract() -> (RunningApp, RunningApp) {
    let contract = support::serve::<ContractModule>().await;
    CONTRACT.set(contract.address("tcp").unwrap().to_owned());
    let http = NestFactory::create::<HttpModule>()
        .set_global_prefix("api")
        .enable_health_check("/health")
        .enable_cors(CorsOptions::permissive())
        .start("127.0.0.1:0")
        .await
        .unwrap();
    (contract, http)
}

#[tokio::test]
async fn controllers_answer_with_axum_s_extractors_and_replies() {
    let (contract, app) = with_contract().await;
    let address = app.address("http").unwrap();
    check(address, "GET", "/health", "", (200, r#"{"status":"ok"}"#)).await;
    check(address, "GET", "/api/items", "", (200, r#"[{"name":"one"}]"#)).await;
    check(address, "GET", "/api/items/x?a=1", "", (200, r#"{"name":"x","query":{"a":"1"}}"#)).await;
    check(address, "POST", "/api/items", r#"{"name":"new"}"#, (201, r#"{"name":"new"}"#)).await;
    check(address, "PUT", "/api/items/x", "", (200, "replaced x")).await;
    check(address, "PATCH", "/api/items/x", "", (418, "short and stout")).await;
    check(address, "DELETE", "/api/items/x", "", (200, "")).await;
    let (_, head, _) = request(address, "GET", "/api/items", "").await;
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    app.close().await;
    contract.close().await;
}

#[tokio::test]
async fn errors_have_a_sensible_status_and_a_body_that_leaks_nothing() {
    let (contract, app) = with_contract().await;
    let address = app.address("http").unwrap().to_owned();
    let not_found = r#"{"error":"Not Found","message":"Cannot GET /nowhere","statusCode":404}"#;
    check(&address, "GET", "/nowhere", "", (404, not_found)).await;
    let (status, _, body) = request(&address, "POST", "/api/items/secret", "").await;
    assert_eq!((status, body.contains("Cannot POST /api/items/secret")), (405, true), "{body}");
    check(
        &address,
        "GET",
        "/api/items/conflict",
        "",
        (409, r#"{"error":"Conflict","message":"taken","statusCode":409}"#),
    )
    .await;
    check(&address, "GET", "/api/items/alias/true", "", (200, "1")).await;
    check(
        &address,
        "GET",
        "/api/items/alias/false",
        "",
        (403, r#"{"error":"Forbidden","message":"no","statusCode":403}"#),
    )
    .await;
    let internal = (500, r#"{"message":"Internal server error","statusCode":500}"#);
    check(&address, "GET", "/api/items/secret", "", internal).await;
    check(&address, "GET", "/api/items/panic", "", internal).await;
    check(&address, "GET", "/api/items/call/fail.rpc", "", internal).await;
    check(&address, "GET", "/api/items/call/fail.plain", "", internal).await;
    let (status, _, body) = request(&address, "GET", "/api/items/call/no.such.pattern", "").await;
    assert_eq!(status, 404, "{body}");
    check(&address, "GET", "/api/items/call/hang", "", (504, r#"{"message":"Gateway Timeout","statusCode":504}"#))
        .await;
    check(&address, "GET", "/api/items/call/echo", "", (200, "1")).await;
    contract.close().await;
    let (status, _, body) = request(&address, "GET", "/api/items/call/echo", "").await;
    assert_eq!((status, body.as_str()), (503, r#"{"message":"Service Unavailable","statusCode":503}"#));
    app.close().await;
}

/// A port that is free now; the two halves must name the same one.
async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

/// Nothing but the message server has limits on connections that say nothing.
#[tokio::test(start_paused = true)]
async fn sl_2_on_a_shared_address_silence_is_the_message_servers_and_under_its_limits() {
    let address = free_address().await;
    let options = TcpMicroserviceOptions::bind(&address).idle_timeout(Some(Duration::from_secs(1)));
    let app = NestFactory::create::<ContractModule>().connect_microservice(options).start(&*address).await.unwrap();
    let mut silent = TcpStream::connect(&address).await.unwrap();
    let server = app.servers().get("tcp").unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(server.stats().accepted, 0, "it may still be HTTP");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(server.stats().accepted, 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(server.stats().closed(nestrs::microservices::net::CloseReason::Idle), 1);
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    app.close().await;
}

#[tokio::test]
async fn one_address_is_shared_by_looking_at_the_first_byte() {
    let address = free_address().await;
    let app = NestFactory::create_microservice::<ContractModule>(
        TcpMicroserviceOptions::bind(&address).grace_period(Duration::from_millis(100)),
    )
    .also_listen_http(address.as_str())
    .configure_http(|http| http.enable_health_check("/health"))
    .start()
    .await
    .unwrap();
    assert_eq!((app.address("tcp"), app.address("http")), (Some(address.as_str()), Some(address.as_str())));

    let mut silent = Peer::connect(&address).await;
    check(&address, "GET", "/health", "", (200, HEALTHY)).await;
    let client = client_to(&address);
    assert_eq!(client.send::<_, u32>("echo", &7).await.unwrap(), 7);
    let mut spaced = Peer::connect(&address).await;
    spaced.send("\r\n").await;
    spaced.expect_alive().await;
    // Who said nothing so far may still become either.
    silent.expect_alive().await;
    // A TLS hello is neither.
    let mut tls = Peer::connect(&address).await;
    tls.send([0x16, 3, 1]).await;
    assert_eq!(tls.expect_closed().await, b"");

    app.close().await;
    TcpListener::bind(&address).await.expect("the address is free again");
}

#[tokio::test]
async fn different_addresses_get_a_listener_each() {
    let app = NestFactory::create_microservice::<ContractModule>(support::free_port())
        .also_listen_http("127.0.0.1:0")
        .configure_http(|http| http.enable_health_check("/health"))
        .start()
        .await
        .unwrap();
    let (tcp, http) = (app.address("tcp").unwrap().to_owned(), app.address("http").unwrap().to_owned());
    assert_ne!(tcp, http);
    check(&http, "GET", "/health", "", (200, HEALTHY)).await;
    Peer::connect(&tcp).await.expect_alive().await;
    // Each speaks its own protocol only.
    let mut wrong = Peer::connect(&tcp).await;
    wrong.send("GET /health HTTP/1.1\r\n\r\n").await;
    assert_eq!(wrong.expect_closed().await, b"");
    app.close().await;
}

#[tokio::test]
async fn sd_6_start_up_is_all_or_nothing_and_names_the_culprit() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let busy = taken.local_addr().unwrap().to_string();
    let free = free_address().await;

    let http_busy = NestFactory::create_microservice::<ContractModule>(TcpMicroserviceOptions::bind(&free))
        .also_listen_http(busy.as_str())
        .start()
        .await
        .unwrap_err();
    assert!(http_busy.to_string().contains(&format!("http://{busy}")), "{http_busy}");
    let tcp_busy = NestFactory::create_microservice::<ContractModule>(TcpMicroserviceOptions::bind(&busy))
        .also_listen_http(free.as_str())
        .start()
        .await
        .unwrap_err();
    assert!(tcp_busy.to_string().contains(&format!("tcp://{busy}")), "{tcp_busy}");
    // Sharing switched off, one of two wishes for one address fails.
    let refused =
        NestFactory::create_microservice::<ContractModule>(TcpMicroserviceOptions::bind(&free).share_address(false))
            .also_listen_http(free.as_str())
            .start()
            .await
            .unwrap_err();
    assert!(matches!(refused, ListenError::Transport(_)), "{refused}");
    TcpListener::bind(&free).await.expect("nothing was left open");
}

/// What the message server's options say of its address holds when it is HTTP's too.
#[tokio::test]
async fn an_address_to_be_shared_is_tried_again_as_often_as_asked() {
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let logs = nestrs::LogCapture::start();
    let options = TcpMicroserviceOptions::bind(&address).retry_delay(Duration::from_millis(10));
    let start = |retry_attempts| {
        NestFactory::create_microservice::<ContractModule>(options.clone().retry_attempts(retry_attempts))
            .also_listen_http(address.as_str())
            .start()
    };
    let tries = || logs.lines().iter().filter(|line| line.contains("cannot listen; trying again")).count();
    let error = start(2).await.unwrap_err();
    assert!(error.to_string().contains(&format!("http://{address}")), "{error}");
    assert_eq!(tries(), 2);

    let leaving = async {
        while tries() < 3 {
            tokio::task::yield_now().await;
        }
        drop(holder);
    };
    let (app, ()) = tokio::join!(start(u32::MAX), leaving);
    let app = app.unwrap();
    assert_eq!((app.address("tcp"), app.address("http")), (Some(&*address), Some(&*address)));
    app.close().await;
}

#[tokio::test]
async fn one_application_may_listen_several_times() {
    let app = NestFactory::create_microservice::<ContractModule>(support::free_port())
        .connect_microservice(support::free_port())
        .start()
        .await
        .unwrap();
    let addresses: Vec<_> = app.listening().iter().map(|listening| listening.address.clone()).collect();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        Peer::connect(&address).await.expect_alive().await;
    }
    app.close().await;
}

#[injectable]
struct Needy {
    _missing: Arc<Items>,
}

#[micro_routes]
impl Needy {
    #[message_pattern("needy")]
    async fn needy(&self) {}
}

#[module(providers = [Needy], microservices = [Needy])]
struct BrokenModule;

#[tokio::test]
async fn a_wiring_mistake_ends_listen_before_anything_is_open() {
    let free = free_address().await;
    let outcome = NestFactory::create_microservice::<BrokenModule>(TcpMicroserviceOptions::bind(&free)).listen().await;
    let Err(ListenError::Boot(error)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        error.problems()[0].to_string(),
        "`Needy` needs `Arc<Items>` for its field `_missing`, which no imported module exports (BrokenModule); add it to \
         `providers` of `BrokenModule`, or import a module that exports it"
    );
    TcpListener::bind(&free).await.expect("nothing was opened");
}

#[tokio::test]
async fn sd_3_calls_under_way_are_answered_when_the_application_closes() {
    let app = NestFactory::create_microservice::<ContractModule>(support::free_port()).start().await.unwrap();
    let address = app.address("tcp").unwrap().to_owned();
    let mut peer = Peer::connect(&address).await;
    peer.send_frames(&[r#"{"pattern":"slow","data":100,"id":1}"#, r#"{"pattern":"echo","data":1,"id":2}"#]).await;
    peer.expect(r#"39#{"response":1,"isDisposed":true,"id":2}"#).await;
    let closing = tokio::spawn(app.close());
    peer.expect(r#"41#{"response":100,"isDisposed":true,"id":1}"#).await;
    assert_eq!(peer.expect_closed().await, b"");
    closing.await.unwrap();
    assert!(TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn sd_2_close_returns_when_the_grace_period_is_over_whatever_handlers_do() {
    let options = support::free_port().grace_period(Duration::from_millis(100));
    let app = NestFactory::create_microservice::<ContractModule>(options).start().await.unwrap();
    let client = client_to(app.address("tcp").unwrap());
    let pending = client.clone();
    let pending = tokio::spawn(async move { pending.send::<_, Value>("hang", &1).await });
    client.send::<_, u32>("echo", &1).await.unwrap();
    let started = std::time::Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_millis(1100), "{:?}", started.elapsed());
    let error = pending.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.message.as_str()), (ErrorKind::Remote, "Service is shutting down"));
    assert!(!error.was_not_executed(), "it had begun");
}
