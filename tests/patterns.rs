//! Wildcards, transport filters and extras, over TCP and in memory.

mod support;

use std::sync::{Arc, Mutex};

use nestrs::microservices::{
    Answer, Bound, ClientProxy, Dispatcher, Inbound, MicroserviceOptions, Shutdown, TcpMicroserviceOptions,
    TcpTransport, TransportServer, memory_pair,
};
use nestrs::prelude::*;
use nestrs::{ExtraKind, RunningApp, TransportId, WildcardStyle};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use support::{client_of, free_port, serve, serve_with};

/// What handlers have seen, each as `handler pattern declared`.
#[injectable]
struct Seen(Mutex<Vec<String>>);

impl Seen {
    fn add(&self, cx: &ExecutionContext) {
        let line = format!("{} {} {}", cx.handler(), cx.pattern(), cx.declared_pattern());
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[injectable]
struct Orders {
    seen: Arc<Seen>,
}

const ANY_ORDER: &str = "orders.*";

#[micro_routes]
impl Orders {
    #[message_pattern(ANY_ORDER)]
    async fn any(&self, cx: &ExecutionContext) -> Value {
        json!({ "any": cx.pattern(), "declared": cx.declared_pattern() })
    }

    #[message_pattern("orders.get")]
    async fn get(&self, cx: &ExecutionContext) -> Value {
        json!({ "get": cx.pattern(), "declared": cx.declared_pattern() })
    }

    #[message_pattern(">")]
    async fn rest(&self, cx: &ExecutionContext) -> Value {
        json!({ "rest": cx.pattern() })
    }

    #[event_pattern(["log.>", "log.*.disk", "log.eu.disk"])]
    async fn log(&self, cx: &ExecutionContext) {
        self.seen.add(cx);
    }

    #[event_pattern("log.eu.*")]
    async fn europe(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        self.seen.add(cx);
        Err(TransportError::new("stops nobody else"))
    }

    #[event_pattern("log.eu.cpu")]
    async fn cpu(&self, cx: &ExecutionContext) {
        self.seen.add(cx);
    }

    #[event_pattern({ log: "*" })]
    async fn object(&self, cx: &ExecutionContext) {
        self.seen.add(cx);
    }
}

#[module(providers = [Seen, Orders], microservices = [Orders])]
struct OrdersModule;

/// Events of one client are handled in order where handlers finish at once, so a request behind them is the signal.
async fn seen_after(app: &RunningApp, client: &ClientProxy, events: &[&str]) -> Vec<String> {
    for event in events {
        client.emit(*event, &()).await.unwrap();
    }
    client.send::<_, Value>("orders.get", &()).await.unwrap();
    app.get::<Seen>().unwrap().take()
}

#[tokio::test]
async fn by_default_tcp_takes_every_pattern_as_it_is() {
    let app = serve::<OrdersModule>().await;
    let client = client_of(&app);
    assert_eq!(
        client.send::<_, Value>("orders.*", &()).await.unwrap(),
        json!({ "any": "orders.*", "declared": "orders.*" })
    );
    let error = client.send::<_, Value>("orders.created", &()).await.unwrap_err();
    assert!(error.message.contains("no matching message handler"), "{error}");
    assert_eq!(
        seen_after(&app, &client, &["log.eu.cpu", "log.eu.ram", "log.eu.*"]).await,
        ["Orders::cpu log.eu.cpu log.eu.cpu", "Orders::europe log.eu.* log.eu.*"]
    );
    app.close().await;
}

#[tokio::test]
async fn with_wildcards_a_request_goes_to_the_literal_handler_and_else_to_the_first_declared() {
    let app = serve_with::<OrdersModule>(free_port().wildcards(true)).await;
    let client = client_of(&app);
    let ask = async |pattern: &str| client.send::<_, Value>(pattern, &()).await.unwrap();
    assert_eq!(ask("orders.get").await, json!({ "get": "orders.get", "declared": "orders.get" }));
    assert_eq!(ask("orders.created").await, json!({ "any": "orders.created", "declared": "orders.*" }));
    assert_eq!(ask("orders.*").await, json!({ "any": "orders.*", "declared": "orders.*" }));
    assert_eq!(ask("orders.eu.created").await, json!({ "rest": "orders.eu.created" }));
    let object: Value = client.send(nestrs::pattern!({ cmd: "x" }), &()).await.unwrap();
    assert_eq!(object, json!({ "rest": r#"{"cmd":"x"}"# }), "one word, to NATS");
    app.close().await;
}

#[tokio::test]
async fn with_wildcards_an_event_goes_to_every_handler_that_matches_and_to_each_once() {
    let (server, transport) = memory_pair();
    let app = serve_with::<OrdersModule>(server.wildcards(true)).await;
    let client = ClientProxy::new(Arc::new(TcpTransport::new(transport)));
    assert_eq!(
        seen_after(&app, &client, &["log.eu.cpu"]).await,
        ["Orders::cpu log.eu.cpu log.eu.cpu", "Orders::log log.eu.cpu log.>", "Orders::europe log.eu.cpu log.eu.*"],
        "the literal one first, then in the order of declaration"
    );
    assert_eq!(seen_after(&app, &client, &["log.us.ram"]).await, ["Orders::log log.us.ram log.>"]);
    assert_eq!(
        seen_after(&app, &client, &["log.eu.disk", "log.us.disk"]).await,
        ["Orders::log log.eu.disk log.eu.disk", "Orders::europe log.eu.disk log.eu.*", "Orders::log log.us.disk log.>"],
        "a handler with several patterns runs once"
    );
    client.emit(nestrs::pattern!({ log: "disk" }), &()).await.unwrap();
    client.emit(nestrs::pattern!({ log: "*" }), &()).await.unwrap();
    assert_eq!(seen_after(&app, &client, &[]).await, [r#"Orders::object {"log":"*"} {"log":"*"}"#]);
    app.close().await;
}

#[injectable]
struct PerTransport;

#[micro_routes]
impl PerTransport {
    #[message_pattern("who", transport = tcp)]
    async fn by_tcp(&self) -> &'static str {
        "tcp"
    }

    #[message_pattern("who", transport = memory)]
    async fn in_memory(&self) -> &'static str {
        "memory"
    }

    #[message_pattern("where", transport = [tcp, nats])]
    async fn only_tcp(&self, #[ctx] connection: nestrs::microservices::ConnectionContext) -> &'static str {
        connection.transport()
    }

    #[message_pattern("all")]
    async fn all(&self) -> &'static str {
        "all"
    }
}

#[module(providers = [PerTransport], microservices = [PerTransport])]
struct PerTransportModule;

#[tokio::test]
async fn a_handler_with_a_filter_is_served_by_its_transports_alone() {
    let (server, transport) = memory_pair();
    let app = NestFactory::create_microservice::<PerTransportModule>(free_port())
        .connect_microservice(server)
        .start()
        .await
        .unwrap();
    let memory = ClientProxy::new(Arc::new(TcpTransport::new(transport)));
    let tcp = client_of(&app);
    assert_eq!(tcp.send::<_, String>("who", &()).await.unwrap(), "tcp");
    assert_eq!(memory.send::<_, String>("who", &()).await.unwrap(), "memory");
    assert_eq!(tcp.send::<_, String>("where", &()).await.unwrap(), "tcp");
    let error = memory.send::<_, String>("where", &()).await.unwrap_err();
    assert!(error.message.contains("no matching message handler"), "{error}");
    for client in [&tcp, &memory] {
        assert_eq!(client.send::<_, String>("all", &()).await.unwrap(), "all");
    }
    app.close().await;
}

#[injectable]
struct OtherTcp;

#[micro_routes]
impl OtherTcp {
    #[message_pattern("who", transport = [redis, tcp])]
    async fn who(&self) {}
}

#[module(providers = [PerTransport, OtherTcp], microservices = [PerTransport, OtherTcp])]
struct RivalsModule;

#[tokio::test]
async fn two_handlers_of_one_pattern_on_one_transport_are_refused_by_name() {
    let error = NestFactory::create_microservice::<RivalsModule>(free_port()).start().await.unwrap_err().to_string();
    assert!(error.contains("`who` is handled by `PerTransport::by_tcp`"), "{error}");
    assert!(error.contains("and by `OtherTcp::who`"), "{error}");
    assert!(!error.contains("in_memory"), "it collides with nobody: {error}");
}

/// Each subscription and its queue.
type Queues = Arc<Mutex<Vec<(String, Option<&'static str>)>>>;

/// A broker of one message at a time: it subscribes as brokers do, by declared pattern, and reads `queue`.
struct Pigeon {
    messages: mpsc::Receiver<(&'static str, &'static str, oneshot::Sender<String>)>,
    queues: Queues,
    reads: &'static [(&'static str, ExtraKind)],
}

const PIGEON: TransportId = TransportId::custom("pigeon");

#[async_trait]
impl TransportServer for Pigeon {
    async fn bind(&mut self) -> Result<Bound, TransportError> {
        Ok(Bound { transport: PIGEON.as_str(), address: "the loft".to_owned() })
    }

    fn subscribes(&self) -> Option<WildcardStyle> {
        Some(WildcardStyle::Redis)
    }

    fn extras(&self) -> &'static [(&'static str, ExtraKind)] {
        self.reads
    }

    async fn serve(mut self: Box<Self>, dispatcher: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        for entry in dispatcher.routes().entries() {
            let queue = entry.message.iter().chain(&entry.events).find_map(|route| route.extras.text("queue"));
            self.queues.lock().unwrap().push((entry.pattern.to_string(), queue));
        }
        while let Some((declared, subject, answer)) = shutdown.until(self.messages.recv()).await {
            let inbound = Inbound {
                route: Some(subject.into()),
                id: Some("1".into()),
                payload: Payload::from_json("null"),
                metadata: None,
                transport: Arc::new(()),
            };
            let progress = dispatcher.dispatch_as(declared, inbound).await;
            let _ = answer.send(match progress.answers.as_slice() {
                [Answer::Value { payload, .. }] => payload.decode().unwrap(),
                other => format!("{other:?}"),
            });
        }
        Ok(())
    }
}

impl MicroserviceOptions for Pigeon {
    fn into_server(self) -> Box<dyn TransportServer> {
        Box::new(self)
    }
}

#[injectable]
struct Loft;

#[micro_routes]
impl Loft {
    #[message_pattern("coo:*", transport = "pigeon", extras = { queue: "loft" })]
    async fn coo(&self, cx: &ExecutionContext) -> String {
        format!("coo {} {} {:?}", cx.pattern(), cx.declared_pattern(), cx.extras().text("queue"))
    }

    #[message_pattern("coo:c*", transport = "pigeon")]
    async fn also(&self) -> &'static str {
        "also"
    }

    #[message_pattern("elsewhere", transport = tcp)]
    async fn elsewhere(&self) {}
}

#[module(providers = [Loft], microservices = [Loft])]
struct LoftModule;

#[tokio::test]
async fn a_transport_of_ones_own_reads_extras_and_says_which_subscription_a_message_came_by() {
    let (send, messages) = mpsc::channel(1);
    let queues = Queues::default();
    let pigeon = Pigeon { messages, queues: Arc::clone(&queues), reads: &[("queue", ExtraKind::Text)] };
    let app = NestFactory::create_microservice::<LoftModule>(pigeon).start().await.unwrap();
    let ask = async |declared, subject| {
        let (answer, answered) = oneshot::channel();
        send.send((declared, subject, answer)).await.unwrap();
        answered.await.unwrap()
    };
    assert_eq!(ask("coo:*", "coo:coo").await, r#"coo coo:coo coo:* Some("loft")"#);
    assert!(ask("elsewhere", "elsewhere").await.contains("NoHandler"));
    assert_eq!(ask("coo:c*", "coo:coo").await, "also");
    assert_eq!(
        *queues.lock().unwrap(),
        [("coo:*".to_owned(), Some("loft")), ("coo:c*".to_owned(), None)],
        "only what is for this transport"
    );
    app.close().await;
}

#[tokio::test]
async fn an_extra_of_the_wrong_kind_keeps_the_application_from_starting() {
    let pigeon =
        Pigeon { messages: mpsc::channel(1).1, queues: Arc::default(), reads: &[("queue", ExtraKind::Number)] };
    let error = NestFactory::create_microservice::<LoftModule>(pigeon).start().await.unwrap_err().to_string();
    assert_eq!(error, "the extra `queue` of `Loft::coo` is for `pigeon`, where it is a number");
}

#[tokio::test]
async fn options_of_the_tcp_server_are_off_until_they_are_asked_for() {
    assert!(!TcpMicroserviceOptions::default().wildcards);
    assert_eq!(free_port().into_server().wildcards(), None);
    assert_eq!(free_port().wildcards(true).into_server().wildcards(), Some(WildcardStyle::Nats));
}
