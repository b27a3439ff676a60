//! Contracts: a trait written once, the server held to it, the client generated from it.

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

#[tokio::test]
async fn the_generated_client_calls_the_service_over_tcp() {
    let app = serve::<OrdersModule>().await;
    let proxy = client_of(&app);
    talk(&OrdersClient::new(proxy.clone()), &app.get().unwrap()).await;
    let health = HealthClient::new(proxy.clone());
    assert!(health.health().await.unwrap(), "a second contract of the same service");
    assert_eq!(health.with_timeout(PATIENCE).proxy().await.unwrap(), 3);
    assert_eq!(proxy.send::<_, String>("own", &()).await.unwrap(), "outside any contract");
    app.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_generated_client_calls_the_service_in_memory() {
    let (server, transport) = memory_pair();
    let app = serve_with::<OrdersModule>(server).await;
    talk(&OrdersClient::new(ClientProxy::new(Arc::new(TcpTransport::new(transport)))), &app.get().unwrap()).await;
    app.close().await;
}

#[tokio::test]
async fn an_error_arrives_as_the_server_said_it_and_turns_into_the_contracts_own() {
    async fn buy(orders: &OrdersClient, item: &str) -> Result<Order, OrderError> {
        Ok(orders.create(order(item)).await?)
    }
    let app = serve::<OrdersModule>().await;
    let orders = OrdersClient::new(client_of(&app));
    let error: TransportError = orders.create(order("unicorn")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Remote);
    let expected = json!({ "status": "error", "message": "out of stock", "details": { "code": "OUT_OF_STOCK", "item": "unicorn" } });
    assert_eq!(error.details, Some(expected));
    assert_eq!(buy(&orders, "unicorn").await, Err(OrderError::OutOfStock("unicorn".to_owned())));
    app.close().await;
    assert!(matches!(buy(&orders, "unicorn").await, Err(OrderError::Call(_))));
}

#[tokio::test(start_paused = true)]
async fn a_call_has_its_own_timeout_and_metadata() {
    let (server, transport) = memory_pair();
    let app = serve_with::<OrdersModule>(server).await;
    let orders = OrdersClient::new(ClientProxy::new(Arc::new(TcpTransport::new(transport))));
    let started = tokio::time::Instant::now();
    let error = orders.with_timeout(Duration::from_millis(70)).find(404).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed().as_millis()), (ErrorKind::Timeout, 70));
    let nobody = orders.with_metadata("tenant", "nobody");
    assert_eq!(nobody.count().await.unwrap_err().message, "Forbidden resource", "guards of the block run");
    assert_eq!(orders.count().await.unwrap(), 0, "the client itself is as before");
    app.close().await;
}

// --- the wire --------------------------------------------------------------------------------------------------------

/// Takes `calls` frames off a socket, without their ids, which are random.
async fn frames(listener: &tokio::net::TcpListener, calls: usize) -> Vec<String> {
    use tokio::io::AsyncReadExt;
    let (mut socket, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.expect("a client comes").unwrap();
    let mut frames = Vec::new();
    while frames.len() < calls {
        let mut len = String::new();
        loop {
            match tokio::time::timeout(PATIENCE, socket.read_u8()).await.expect("a frame comes").unwrap() {
                b'#' => break,
                digit => len.push(digit.into()),
            }
        }
        let mut body = vec![0; len.parse().unwrap()];
        socket.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        frames.push(match body.split_once(r#","id":""#) {
            Some((message, id)) => format!("{message} with an id of {}", id.len()),
            None => body,
        });
    }
    frames
}

/// A client over TCP without a timeout worth waiting for.
fn client(address: &str) -> ClientProxy {
    ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to(address))))
}

#[tokio::test]
async fn a_contracts_calls_are_the_bytes_of_the_same_calls_by_pattern() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();

    let orders = OrdersClient::new(client(&address));
    let by_contract = tokio::spawn(async move {
        let _ = orders.paid(7).await;
        let _ = orders.r#where().await;
        let _ = tokio::join!(orders.create(order("pen")), orders.count(), orders.find(1), orders.clear(), async {
            let _kept = orders.watch(3).await;
            let _kept = orders.with_metadata("a", "b").numbers(4).await;
            std::future::pending::<()>().await;
        });
    });
    let from_contract = frames(&listener, 8).await;
    by_contract.abort();

    let proxy = client(&address);
    let by_pattern = tokio::spawn(async move {
        let _ = proxy.emit("orders.paid", &7).await;
        let _ = proxy.emit(pattern!({ event: "closed" }), &()).await;
        let data = json!({ "item": "pen" });
        let create = proxy.send::<_, Value>(pattern!({ entity: "order", cmd: "create" }), &data);
        let count = proxy.send::<_, Value>("orders.count", &());
        let find = proxy.send::<_, Value>("orders.find", &1);
        let _ = tokio::join!(create, count, find, proxy.send::<_, Value>("orders.clear", &()), async {
            let _kept = proxy.send_stream::<_, Value>(pattern!({ cmd: "orders.watch" }), &3).await;
            let with_metadata = proxy.with_metadata("a", "b");
            let _kept = with_metadata.send_stream::<_, Value>("orders.numbers", &4).await;
            std::future::pending::<()>().await;
        });
    });
    let from_pattern = frames(&listener, 8).await;
    by_pattern.abort();

    assert_eq!(from_contract, from_pattern);
    assert!(from_contract[0].starts_with(r#"{"pattern":"orders.paid","data":7"#), "{from_contract:?}");
    assert!(from_contract[2].contains(r#"{"pattern":{"entity":"order","cmd":"create"},"data":{"item":"pen"}"#));
}

#[tokio::test]
async fn a_peer_that_knows_nothing_of_contracts_is_served_by_every_pattern() {
    let app = serve::<OrdersModule>().await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":{"cmd":"create","entity":"order"},"data":{"item":"a"},"id":"1"}"#]).await;
    peer.expect(r#"59#{"response":{"id":1,"item":"a"},"isDisposed":true,"id":"1"}"#).await;
    peer.send_frames(&[r#"{"pattern":"orders.create","data":{"item":"unicorn"},"id":"2"}"#]).await;
    let err = r#"{"status":"error","message":"out of stock","details":{"code":"OUT_OF_STOCK","item":"unicorn"}}"#;
    let refused = format!(r#"{{"err":{err},"isDisposed":true,"id":"2"}}"#);
    peer.expect(&support::raw::frame(&refused)).await;
    peer.send_frames(&[r#"{"pattern":"orders.clear","id":"3"}"#]).await;
    peer.expect(r#"28#{"isDisposed":true,"id":"3"}"#).await;
    app.close().await;
}

#[tokio::test]
async fn every_pattern_is_mounted_as_what_the_contract_says_it_is() {
    let app = nestrs::boot(<OrdersModule as nestrs::Module>::define(), Default::default()).await.unwrap();
    let mut routes: Vec<_> =
        app.routes.iter().map(|route| format!("{:?} {} {}", route.kind, route.pattern, route.handler)).collect();
    routes.sort();
    let expected = [
        r#"Event orders.paid OrdersService::paid"#,
        r#"Event {"event":"closed"} OrdersService::where"#,
        r#"Message health OrdersService::health"#,
        r#"Message health.proxy OrdersService::proxy"#,
        r#"Message orders.clear OrdersService::clear"#,
        r#"Message orders.count OrdersService::count"#,
        r#"Message orders.create OrdersService::create"#,
        r#"Message orders.find OrdersService::find"#,
        r#"Message orders.numbers OrdersService::numbers"#,
        r#"Message own OrdersService::own"#,
        r#"Message {"cmd":"create","entity":"order"} OrdersService::create"#,
        r#"Message {"cmd":"orders.watch"} OrdersService::watch"#,
    ];
    assert_eq!(routes, expected);
}

// --- injection -------------------------------------------------------------------------------------------------------

#[injectable]
struct Gateway {
    orders: Arc<OrdersClient>,
    #[inject("SECOND")]
    second: Arc<OrdersClient>,
}

#[tokio::test]
async fn a_client_is_injected_over_the_connection_that_its_contract_names_or_its_provider() {
    static ADDRESSES: Mutex<Vec<String>> = Mutex::new(Vec::new());

    struct GatewayModule;
    impl nestrs::Module for GatewayModule {
        fn define() -> nestrs::ModuleDef {
            let addresses = ADDRESSES.lock().unwrap();
            let [first, second] = [&addresses[0], &addresses[1]].map(|address| TcpTransportOptions::to(address));
            nestrs::ModuleDef::new::<Self>()
                .import_dynamic(ClientsModule::register(&[
                    ClientConfig::tcp("ORDERS", first),
                    ClientConfig::tcp("ORDERS_2", second),
                ]))
                .provide(Provider::class::<OrdersClient>())
                .provide(OrdersClient::provider("ORDERS_2").named("SECOND"))
                .provide(Provider::class::<Gateway>())
        }
    }

    let (one, two) = (serve::<OrdersModule>().await, serve::<OrdersModule>().await);
    *ADDRESSES.lock().unwrap() = [&one, &two].map(|app| app.address("tcp").unwrap().to_owned()).into();
    let app = serve::<GatewayModule>().await;
    let gateway = app.get::<Gateway>().unwrap();
    gateway.orders.create(order("a")).await.unwrap();
    gateway.orders.create(order("b")).await.unwrap();
    gateway.second.create(order("c")).await.unwrap();
    assert_eq!((gateway.orders.count().await.unwrap(), gateway.second.count().await.unwrap()), (2, 1));
    assert_eq!((gateway.orders.proxy().name(), OrdersClient::CLIENT), ("ORDERS", Some("ORDERS")));
    for app in [app, one, two] {
        app.close().await;
    }
}

#[tokio::test]
async fn a_contract_without_a_name_takes_the_only_client_and_misses_it_at_boot() {
    #[module(
        imports = [ClientsModule::register(&[ClientConfig::tcp("ANY", TcpTransportOptions::to("127.0.0.1:1"))])],
        providers = [HealthClient],
    )]
    struct OneClient;
    #[module(providers = [HealthClient, OrdersClient])]
    struct NoClient;

    let app = serve::<OneClient>().await;
    assert_eq!(ContractClient::proxy(&*app.get::<HealthClient>().unwrap()).name(), "ANY");
    app.close().await;
    let options = TcpMicroserviceOptions::bind("127.0.0.1:0");
    let error = NestFactory::create_microservice::<NoClient>(options).start().await.unwrap_err();
    let text = format!("{error} {:?}", std::error::Error::source(&error).map(ToString::to_string));
    assert!(text.contains("`HealthClient` needs `Arc<ClientProxy>` for its contract"), "{text}");
    assert!(text.contains("`OrdersClient` needs `ClientProxy` named `ORDERS` for its contract"), "{text}");
}

// --- fakes -----------------------------------------------------------------------------------------------------------

/// What a test of a caller stands in for the real service: held to the same types, by the same contract.
#[injectable]
struct FakeHealth;

#[micro_routes(contract = api::Health)]
impl FakeHealth {
    fn health(&self) -> bool {
        false
    }

    fn proxy(&self) -> u8 {
        0
    }
}

#[module(providers = [FakeHealth], microservices = [FakeHealth])]
struct FakeModule;

#[tokio::test]
async fn a_fake_is_a_service_in_memory() {
    let (server, transport) = memory_pair();
    let fake = serve_with::<FakeModule>(server).await;
    let health = HealthClient::new(ClientProxy::new(Arc::new(TcpTransport::new(transport))));
    assert!(!health.health().await.unwrap());
    fake.close().await;
}

/// A transport of a test's own, for one answer.
struct Answers(Value);

#[async_trait]
impl Transport for Answers {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        assert_eq!((pattern, payload), ("orders.count", Value::Null));
        Ok(self.0.clone())
    }
    async fn emit_json(&self, _pattern: &str, _payload: Value) -> Result<(), TransportError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_client_takes_any_transport_and_holds_the_answer_to_its_type() {
    let answering = |answer| OrdersClient::from(ClientProxy::new(Arc::new(Answers(answer))));
    assert_eq!(answering(json!(12)).count().await.unwrap(), 12);
    let misfit = answering(json!("twelve")).count().await.unwrap_err();
    assert_eq!(misfit.kind(), ErrorKind::InvalidReply);
}
