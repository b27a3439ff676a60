//! NATS, both ends, over a real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nestrs::microservices::{
    ClientStatus, NatsContext, NatsMicroserviceOptions, NatsRecordBuilder, NatsTransport, NatsTransportOptions,
    ServerStatus,
};
use nestrs::prelude::*;
use nestrs::{ErrorKind, RunningApp, Sent};
use nestrs_brokers::{Broker, Nats};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

/// What handlers of a test leave for it.
struct Seen(mpsc::UnboundedSender<Value>, Mutex<mpsc::UnboundedReceiver<Value>>);

impl Default for Seen {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self(sender, Mutex::new(receiver))
    }
}

impl Seen {
    fn say(&self, what: Value) {
        self.0.send(what).unwrap();
    }

    async fn next(&self) -> Value {
        soon(async { self.1.lock().await.recv().await.unwrap() }).await
    }

    async fn nothing_more(&self) {
        assert!(self.1.lock().await.try_recv().is_err());
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work).await.expect("within ten seconds")
}

#[injectable]
struct Echo {
    seen: Arc<Seen>,
}

#[micro_routes]
impl Echo {
    #[message_pattern({ cmd: "sum" })]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }

    #[message_pattern("echo")]
    async fn echo(&self, value: Value) -> Value {
        value
    }

    #[message_pattern("none")]
    async fn none(&self, _value: Value) {}

    #[message_pattern("fail")]
    async fn fail(&self, _value: Value) -> Result<(), TransportError> {
        Err(TransportError::new("boom"))
    }

    #[message_pattern("panic")]
    async fn panic(&self, _value: Value) -> i64 {
        panic!("canary")
    }

    #[message_pattern("count.to")]
    fn count(&self, to: u32) -> impl futures_util::Stream<Item = u32> + Send + 'static {
        futures_util::stream::iter(1..=to)
    }

    #[message_pattern("slow")]
    async fn slow(&self, millis: u64) -> u64 {
        self.seen.say(json!("slow begun"));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        millis
    }

    #[message_pattern("big")]
    async fn big(&self, len: usize) -> String {
        "x".repeat(len)
    }

    #[message_pattern("header")]
    async fn header(&self, name: String, nats: NatsContext, metadata: &Metadata) -> Vec<Option<String>> {
        vec![nats.headers().get(&name).map(str::to_owned), metadata.get(&name).map(str::to_owned)]
    }

    #[message_pattern("where.*")]
    async fn wherever(&self, _value: Value, nats: NatsContext) -> String {
        nats.subject().to_owned()
    }

    #[event_pattern("log.>")]
    async fn log(&self, value: Value, nats: NatsContext) {
        self.seen.say(json!([nats.subject(), value]));
    }

    #[event_pattern("everybody", extras = { queue: "" })]
    async fn everybody(&self, value: Value) {
        self.seen.say(value);
    }
}

#[module(providers = [Echo, Provider::value(Seen::default())], microservices = [Echo], exports = [Seen])]
struct AppModule;

fn options(broker: &Broker) -> NatsMicroserviceOptions {
    NatsMicroserviceOptions::to(&broker.address()).grace_period(Duration::from_millis(500))
}

async fn serve(broker: &Broker) -> RunningApp {
    serve_with(options(broker)).await
}

async fn serve_with(options: NatsMicroserviceOptions) -> RunningApp {
    NestFactory::create_microservice_nats::<AppModule>(options).start().await.expect("the application starts")
}

fn client(broker: &Broker) -> ClientProxy {
    client_with(NatsTransportOptions::to(&broker.address()))
}

fn client_with(options: NatsTransportOptions) -> ClientProxy {
    ClientProxy::new(Arc::new(NatsTransport::new(options)))
}

async fn spy(broker: &Broker) -> async_nats::Client {
    async_nats::connect(broker.address()).await.unwrap()
}

/// What this connection said before, the server knows: `flush` would only tell that it has been sent.
async fn arrived(spy: &async_nats::Client) {
    let inbox = spy.new_inbox();
    let mut echo = spy.subscribe(inbox.clone()).await.unwrap();
    spy.publish(inbox, "".into()).await.unwrap();
    soon(echo.next()).await.expect("its own words come back");
}

async fn status(client: &ClientProxy, wanted: impl Fn(&ClientStatus) -> bool) {
    let mut statuses = client.status();
    soon(async { while !wanted(&statuses.next().await.expect("it is not closed")) {} }).await;
}

async fn server_status(app: &RunningApp, wanted: ServerStatus) {
    let mut statuses = app.servers().get("nats").unwrap().status();
    soon(async { while statuses.next().await.expect("it is not closed") != wanted {} }).await;
}

macro_rules! broker {
    ($recipe:expr) => {
        match Broker::start_or_skip($recipe).await {
            Some(broker) => broker,
            None => return,
        }
    };
}

#[tokio::test]
async fn calls_of_every_shape_are_answered() {
    let broker = broker!(Nats::new());
    let app = serve(&broker).await;
    let client = client(&broker);
    assert_eq!(client.send::<_, i64>(pattern!({ cmd: "sum" }), &[1, 2, 3]).await.unwrap(), 6);
    assert_eq!(client.send::<_, String>("echo", "é漢😀").await.unwrap(), "é漢😀");
    client.send::<_, ()>("none", &1).await.unwrap();
    let boom = client.send::<_, ()>("fail", &1).await.unwrap_err();
    assert_eq!((boom.message.as_str(), boom.kind()), ("boom", ErrorKind::Remote));
    let panic = client.send::<_, i64>("panic", &1).await.unwrap_err();
    assert_eq!(panic.message, "Internal server error");
    let mut items = client.send_stream::<_, u32>("count.to", &40).await.unwrap();
    for expected in 1..=40 {
        assert_eq!(items.next().await.unwrap().unwrap(), expected);
    }
    assert!(items.next().await.is_none());
    assert_eq!(client.stats().pending, 0);
    app.close().await;
}

#[tokio::test]
async fn events_come_by_wildcards_with_their_subject() {
    let broker = broker!(Nats::new());
    let app = serve(&broker).await;
    let (client, seen) = (client(&broker), app.get::<Seen>().unwrap());
    client.emit("log.a.b", &7).await.unwrap();
    assert_eq!(seen.next().await, json!(["log.a.b", 7]));
    assert_eq!(client.send::<_, String>("where.now", &1).await.unwrap(), "where.now");
    app.close().await;
}

#[tokio::test]
async fn headers_go_both_ways_and_are_metadata_too() {
    let broker = broker!(Nats::new());
    let app = serve(&broker).await;
    let client = client_with(NatsTransportOptions::to(&broker.address()).header("x-default", "d").header("x-own", "d"));
    let record = NatsRecordBuilder::new("x-own").header("x-own", "1.0.0").build();
    assert_eq!(record.send::<Vec<String>>(&client, "header").await.unwrap(), ["1.0.0", "1.0.0"]);
    assert_eq!(client.send::<_, Vec<String>>("header", "x-default").await.unwrap(), ["d", "d"]);
    let timeout = client.send::<_, Vec<String>>("header", "nestrs-timeout-ms").await.unwrap();
    assert!((29_000..=30_001).contains(&timeout[0].parse::<u32>().unwrap()), "{timeout:?}");
    let refused = client.with_metadata("x bad", "1").send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!((refused.kind(), refused.sent()), (ErrorKind::InvalidPayload, Some(Sent::No)));
    app.close().await;
}

#[tokio::test]
async fn what_a_client_writes_is_what_nestjs_writes() {
    let broker = broker!(Nats::new());
    let spy = spy(&broker).await;
    let mut requests = spy.subscribe(r#"{"cmd":"sum"}"#).await.unwrap();
    let mut events = spy.subscribe(r#"{"a":2,"b":1}"#).await.unwrap();
    let mut headers = spy.subscribe("header").await.unwrap();
    arrived(&spy).await;
    let client = client_with(NatsTransportOptions::to(&broker.address()).send_deadline(false));
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, i64>(pattern!({ cmd: "sum" }), &[1, 2, 3]).await });
    let request = soon(requests.next()).await.unwrap();
    let body = std::str::from_utf8(&request.payload).unwrap();
    let id = serde_json::from_str::<Value>(body).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(body, format!(r#"{{"pattern":{{"cmd":"sum"}},"data":[1,2,3],"id":"{id}"}}"#));
    assert!(id.len() == 21 && request.headers.is_none(), "{id} {:?}", request.headers);
    let inbox = request.reply.unwrap();
    assert!(inbox.starts_with("_INBOX."), "{inbox}");
    spy.publish(inbox, format!(r#"{{"response":6,"isDisposed":true,"id":"{id}"}}"#).into()).await.unwrap();
    assert_eq!(soon(call).await.unwrap().unwrap(), 6);

    client.emit(pattern!({ b: 1, a: 2 }), &json!({ "id": 7 })).await.unwrap();
    let event = soon(events.next()).await.unwrap();
    assert_eq!(&event.payload[..], br#"{"pattern":{"b":1,"a":2},"data":{"id":7}}"#);
    assert!(event.reply.is_none());

    NatsRecordBuilder::new("x").header("x-version", "1.0.0").build().emit(&client, "header").await.unwrap();
    let event = soon(headers.next()).await.unwrap();
    assert_eq!(&event.payload[..], br#"{"pattern":"header","data":"x"}"#);
    assert_eq!(event.headers.unwrap().get("x-version").unwrap().as_str(), "1.0.0");
}

#[tokio::test]
async fn what_a_server_writes_is_what_nestjs_writes() {
    let broker = broker!(Nats::new());
    let app = serve(&broker).await;
    let spy = spy(&broker).await;
    let check = async |subject: &str, request: &str, replies: &[&str]| {
        let inbox = spy.new_inbox();
        let mut answers = spy.subscribe(inbox.clone()).await.unwrap();
        spy.publish_with_reply(subject.to_owned(), inbox, request.to_owned().into()).await.unwrap();
        for reply in replies {
            let answer = soon(answers.next()).await.unwrap();
            assert_eq!(std::str::from_utf8(&answer.payload).unwrap(), *reply, "{subject}");
            assert!(answer.headers.is_none());
        }
    };
    let sum = r#"{"pattern":{"cmd":"sum"},"data":[1,2,3],"id":"ef3d43a5929bb1ba8c9bc"}"#;
    check(r#"{"cmd":"sum"}"#, sum, &[r#"{"response":6,"isDisposed":true,"id":"ef3d43a5929bb1ba8c9bc"}"#]).await;
    let echo = r#"{"pattern":"echo","data":"é漢😀","id":"3d43a5929bb1ba8c9bc89"}"#;
    check("echo", echo, &[r#"{"response":"é漢😀","isDisposed":true,"id":"3d43a5929bb1ba8c9bc89"}"#]).await;
    check("none", r#"{"pattern":"none","data":1,"id":7}"#, &[r#"{"isDisposed":true,"id":7}"#]).await;
    let boom = r#"{"err":{"status":"error","message":"boom"},"isDisposed":true,"id":"5"}"#;
    check("fail", r#"{"pattern":"fail","data":1,"id":"5"}"#, &[boom]).await;
    let items = [r#"{"response":1,"id":"d"}"#, r#"{"response":2,"isDisposed":true,"id":"d"}"#];
    check("count.to", r#"{"pattern":"count.to","data":2,"id":"d"}"#, &items).await;
    // The subject decides, whatever the packet says.
    check("echo", r#"{"pattern":"other","data":1,"id":null}"#, &[r#"{"response":1,"isDisposed":true,"id":null}"#])
        .await;
    app.close().await;
}

#[tokio::test]
async fn foreign_messages_are_events_and_bad_ones_are_counted() {
    let broker = broker!(Nats::new());
    let app = serve(&broker).await;
    let (spy, seen) = (spy(&broker).await, app.get::<Seen>().unwrap());
    for body in ["not json", "", r#"{"pattern":"#, "\u{0}"] {
        spy.publish("log.x", body.into()).await.unwrap();
    }
    for (body, expected) in
        [(r#"{"a":1}"#, json!({ "a": 1 })), (r#"{"data":5}"#, json!(5)), ("null", json!(null)), ("[1]", json!([1]))]
    {
        spy.publish("log.x", body.into()).await.unwrap();
        assert_eq!(seen.next().await, json!(["log.x", expected]), "{body}");
    }
    // With an inbox and without an id nobody is answered; with an id and without an inbox neither.
    spy.publish_with_reply("log.x", spy.new_inbox(), r#"{"pattern":"x","data":1}"#.into()).await.unwrap();
    spy.publish("echo", r#"{"pattern":"echo","data":1,"id":"1"}"#.into()).await.unwrap();
    assert_eq!(seen.next().await, json!(["log.x", 1]));
    let stats = app.servers().get("nats").unwrap().stats();
    assert_eq!((stats.ignored_packets, stats.open), (4, 1));
    app.close().await;
}

#[tokio::test]
async fn a_subject_that_nobody_listens_to_fails_at_once() {
    let broker = broker!(Nats::new());
    let client = client(&broker);
    client.connect().await.unwrap();
    let began = Instant::now();
    let error = client.send::<_, Value>("no.such.pattern", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::NotFound, Some(Sent::No)));
    assert_eq!(error.message, "nobody listens to `no.such.pattern`");
    assert!(began.elapsed() < Duration::from_secs(5));
    let mut items = client.send_stream::<_, u32>("no.such.pattern", &1).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap_err().kind(), ErrorKind::NotFound);
    // An event may be for nobody.
    client.emit("no.such.pattern", &1).await.unwrap();
}

#[tokio::test]
async fn a_reply_that_is_no_packet_is_a_value_or_an_error_of_that_call() {
    let broker = broker!(Nats::new());
    let spy = spy(&broker).await;
    let mut requests = spy.subscribe("ask").await.unwrap();
    arrived(&spy).await;
    let client = client(&broker);
    let mut ask = async |reply: &'static str| {
        let answering = async {
            let inbox = requests.next().await.unwrap().reply.unwrap();
            spy.publish(inbox, reply.into()).await.unwrap();
        };
        tokio::join!(client.send::<_, Value>("ask", &1), answering).0
    };
    assert_eq!(ask(r#"{"data":"test"}"#).await.unwrap(), json!({ "data": "test" }));
    assert_eq!(ask(r#""plain""#).await.unwrap(), json!("plain"));
    for nonsense in ["not json", "", r#"{"response":1"#] {
        assert_eq!(ask(nonsense).await.unwrap_err().kind(), ErrorKind::InvalidReply, "{nonsense:?}");
    }
    assert_eq!(ask("5").await.unwrap(), json!(5));
}

#[tokio::test]
async fn subjects_that_nats_cannot_hold_are_refused_on_both_ends() {
    #[injectable]
    struct Wrong;
    #[micro_routes]
    impl Wrong {
        #[message_pattern("two words")]
        async fn wrong(&self) {}
    }
    #[module(providers = [Wrong], microservices = [Wrong])]
    struct WrongModule;

    let broker = broker!(Nats::new());
    let starting = NestFactory::create_microservice_nats::<WrongModule>(options(&broker)).start().await;
    assert!(starting.unwrap_err().to_string().contains("`two words` cannot be a subject of NATS: it has white space"));
    let client = client(&broker);
    for subject in ["two words", "a..b", "orders.*", "log.>"] {
        let error = client.send::<_, Value>(subject, &1).await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::InvalidPayload, Some(Sent::No)), "{subject}");
    }
    assert_eq!(client.stats().connections, 0);
}

#[tokio::test]
async fn what_the_server_does_not_carry_is_refused_before_it_is_sent() {
    let broker = broker!(Nats::new().line("max_payload: 1024"));
    let app = serve(&broker).await;
    let client = client(&broker);
    let error = client.send::<_, Value>("echo", &"x".repeat(2000)).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::TooLarge, Some(Sent::No)));
    assert!(error.message.contains("1024"), "{error}");
    assert_eq!(client.emit("log.x", &"x".repeat(2000)).await.unwrap_err().kind(), ErrorKind::TooLarge);
    // A reply too long is an error to its caller, and the connection goes on.
    let error = client.send::<_, String>("big", &2000).await.unwrap_err();
    assert_eq!((error.message.as_str(), error.kind()), ("Internal server error", ErrorKind::Remote));
    assert_eq!(client.send::<_, String>("big", &3).await.unwrap(), "xxx");
    assert_eq!(client.stats().connections, 1);
    app.close().await;
}

#[tokio::test]
async fn replicas_share_work_unless_they_are_told_not_to() {
    let broker = broker!(Nats::new());
    let apps = [serve(&broker).await, serve(&broker).await];
    let seen = apps.each_ref().map(|app| app.get::<Seen>().unwrap());
    let client = client(&broker);
    for n in 0..100 {
        client.emit("log.x", &n).await.unwrap();
    }
    // A handler without a group: each replica gets it, after what it got before.
    client.emit("everybody", &"last").await.unwrap();
    let mut counts = [0, 0];
    for (seen, count) in seen.iter().zip(&mut counts) {
        // Subscriptions are served each by itself, so the last may be early.
        let mut last = false;
        while !last || *count == 0 {
            match seen.next().await {
                Value::String(_) => last = true,
                _ => *count += 1,
            }
        }
    }
    soon(async {
        while counts.iter().sum::<i32>() < 100 {
            for (seen, count) in seen.iter().zip(&mut counts) {
                while seen.1.lock().await.try_recv().is_ok() {
                    *count += 1;
                }
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(counts.iter().sum::<i32>(), 100, "{counts:?}");
    for app in apps {
        app.close().await;
    }

    let apps = [serve_with(options(&broker).queue(None)).await, serve_with(options(&broker).queue(None)).await];
    client.emit("log.x", &1).await.unwrap();
    for app in apps {
        let seen = app.get::<Seen>().unwrap();
        assert_eq!(seen.next().await, json!(["log.x", 1]));
        seen.nothing_more().await;
        app.close().await;
    }
}

#[tokio::test]
async fn br_1_a_server_waits_for_a_broker_that_is_absent_at_start() {
    let Ok(mut broker) = Broker::absent(Nats::new()) else { return };
    let quick = options(&broker).startup_timeout(Some(Duration::from_millis(200)));
    let error = NestFactory::create_microservice_nats::<AppModule>(quick).start().await.unwrap_err();
    assert!(error.to_string().contains(&format!("cannot connect to nats://{}", broker.address())), "{error}");

    let starting =
        tokio::spawn(NestFactory::create_microservice_nats::<AppModule>(options(&broker).wait_forever()).start());
    let client = client_with(NatsTransportOptions::to(&broker.address()).connect_wait(Duration::from_millis(100)));
    let error = client.send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)));
    assert!(error.message.contains(&broker.address()), "{error}");
    if broker.restart().await.is_err() {
        return;
    }
    let app = soon(starting).await.unwrap().unwrap();
    assert_eq!(client.send::<_, i64>("echo", &1).await.unwrap(), 1);
    app.close().await;
}

#[tokio::test]
async fn br_2_a_broker_that_is_killed_fails_calls_at_once_and_both_ends_say_so() {
    let mut broker = broker!(Nats::new());
    let app = serve(&broker).await;
    let (client, seen) = (client(&broker), app.get::<Seen>().unwrap());
    client.connect().await.unwrap();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.send::<_, u64>("slow", &60_000).await })
        })
        .collect();
    for _ in 0..50 {
        seen.next().await;
    }
    broker.kill().await.unwrap();
    let killed = Instant::now();
    for call in calls {
        let error = soon(call).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)));
    }
    status(&client, |status| matches!(status, ClientStatus::Disconnected(_) | ClientStatus::Connecting)).await;
    server_status(&app, ServerStatus::Reconnecting).await;
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
    assert_eq!(client.stats().pending, 0);
    // Held in memory is not sent.
    let error = client.with_timeout(Duration::from_millis(200)).emit("log.x", &1).await.unwrap_err();
    assert_eq!(error.sent(), Some(Sent::No), "{error}");
    app.close().await;
}

#[tokio::test]
async fn br_3_both_ends_come_back_as_often_as_the_broker_does() {
    let mut broker = broker!(Nats::new());
    let app = serve(&broker).await;
    let client = client_with(NatsTransportOptions::to(&broker.address()).connect_wait(Duration::from_secs(5)));
    for round in 0..2 {
        assert_eq!(client.send::<_, i32>("echo", &round).await.unwrap(), round);
        if round == 0 {
            broker.stop().await.unwrap()
        } else {
            broker.kill().await.unwrap()
        }
        server_status(&app, ServerStatus::Reconnecting).await;
        broker.restart().await.unwrap();
        server_status(&app, ServerStatus::Listening).await;
        status(&client, |status| *status == ClientStatus::Connected).await;
        assert_eq!(client.send::<_, i32>("echo", &round).await.unwrap(), round);
    }
    let stats = client.stats();
    assert_eq!((stats.connections, stats.lost_connections, stats.late_replies), (3, 2, 0));
    assert_eq!(app.servers().get("nats").unwrap().stats().accepted, 3);
    app.close().await;
}

#[tokio::test]
async fn br_2_a_broker_that_freezes_is_lost_when_it_does_not_answer() {
    let broker = broker!(Nats::new());
    let client = client_with(
        NatsTransportOptions::to(&broker.address())
            .ping_interval(Duration::from_millis(100))
            .connect_timeout(Duration::from_millis(200)),
    );
    client.connect().await.unwrap();
    broker.pause().await.unwrap();
    status(&client, |status| matches!(status, ClientStatus::Disconnected(_))).await;
    broker.resume().await.unwrap();
    status(&client, |status| *status == ClientStatus::Connected).await;
}

#[tokio::test]
async fn br_4_no_more_than_prefetch_run_at_a_time() {
    let broker = broker!(Nats::new());
    let app = serve_with(options(&broker).prefetch(3)).await;
    let (client, seen) = (client(&broker), app.get::<Seen>().unwrap());
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.send::<_, u64>("slow", &300).await })
        })
        .collect();
    for _ in 0..3 {
        seen.next().await;
    }
    // Other subscriptions have places of their own, and by the time of this answer a fourth would have begun.
    assert_eq!(client.send::<_, i64>("echo", &1).await.unwrap(), 1);
    seen.nothing_more().await;
    for call in calls {
        assert_eq!(soon(call).await.unwrap().unwrap(), 300);
    }
    app.close().await;
}

#[tokio::test]
async fn br_8_calls_under_way_are_answered_before_a_server_ends() {
    let broker = broker!(Nats::new());
    let app = serve(&broker).await;
    let (client, seen) = (client(&broker), app.get::<Seen>().unwrap());
    let (one, other) = (client.clone(), client.clone());
    let quick = tokio::spawn(async move { one.send::<_, u64>("slow", &200).await });
    let endless = tokio::spawn(async move { other.send::<_, u64>("slow", &60_000).await });
    seen.next().await;
    seen.next().await;
    let began = Instant::now();
    app.close().await;
    assert!(began.elapsed() < Duration::from_millis(1600), "{:?}", began.elapsed());
    assert_eq!(soon(quick).await.unwrap().unwrap(), 200);
    let error = soon(endless).await.unwrap().unwrap_err();
    assert_eq!(error.message, "Service is shutting down");
    assert!(!error.was_not_executed());
    // Nobody is subscribed any more.
    assert_eq!(client.send::<_, i64>("echo", &1).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn cl_12_a_closed_client_is_closed_for_good() {
    let broker = broker!(Nats::new());
    let app = serve(&broker).await;
    let (client, seen) = (client(&broker), app.get::<Seen>().unwrap());
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, u64>("slow", &60_000).await });
    seen.next().await;
    client.close().await;
    assert_eq!(soon(call).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(client.send::<_, i64>("echo", &1).await.unwrap_err().kind(), ErrorKind::Closed);
    client.close().await;
    app.close().await;
}

#[tokio::test]
async fn cl_6_a_call_ends_at_its_timeout_and_a_late_reply_is_counted() {
    let broker = broker!(Nats::new());
    let app = serve(&broker).await;
    let client = client_with(NatsTransportOptions::to(&broker.address()).send_deadline(false));
    let error = client.with_timeout(Duration::from_millis(50)).send::<_, u64>("slow", &150).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::Maybe)));
    assert_eq!(client.stats().pending, 0);
    soon(async {
        while client.stats().late_replies == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    app.close().await;
}

#[tokio::test]
async fn nt_1_an_event_is_with_the_broker_when_emit_returns() {
    let broker = broker!(Nats::new());
    let spy = spy(&broker).await;
    let mut events = spy.subscribe("log.x").await.unwrap();
    arrived(&spy).await;
    let client = client(&broker);
    client.emit("log.x", &1).await.unwrap();
    // Whoever emits and ends at once has still emitted.
    client.close().await;
    assert!(soon(events.next()).await.is_some());
}

#[tokio::test]
async fn nt_2_what_a_slow_server_drops_is_counted() {
    let broker = broker!(Nats::new());
    let app = serve_with(options(&broker).prefetch(1).subscription_capacity(4)).await;
    let (spy, seen) = (spy(&broker).await, app.get::<Seen>().unwrap());
    let count = AtomicUsize::new(0);
    for _ in 0..20 {
        count.fetch_add(1, Ordering::Relaxed);
        spy.publish("slow", r#"{"pattern":"slow","data":200}"#.into()).await.unwrap();
    }
    seen.next().await;
    let server = app.servers().get("nats").unwrap().clone();
    soon(async {
        while server.stats().overflowed_messages < 10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    app.close().await;
}

#[tokio::test]
async fn wrong_credentials_are_told_from_an_absent_broker() {
    let broker = broker!(Nats::new().token("canary-right"));
    let wrong = options(&broker).token("canary-wrong");
    assert!(!format!("{wrong:?}").contains("canary"));
    let began = Instant::now();
    let error = NestFactory::create_microservice_nats::<AppModule>(wrong).start().await.unwrap_err().to_string();
    assert!(error.contains("does not accept these credentials") && !error.contains("canary"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
    let app = serve_with(options(&broker).token("canary-right")).await;
    let client = client_with(NatsTransportOptions::to(&broker.address()).token("canary-right"));
    assert_eq!(client.send::<_, i64>("echo", &1).await.unwrap(), 1);
    let error = client_with(NatsTransportOptions::to(&broker.address())).connect().await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Unauthorized, Some(Sent::No)));
    app.close().await;
}

#[tokio::test]
async fn users_and_nkeys_are_let_in() {
    let broker = broker!(Nats::new().user("ali", "open sesame"));
    let client = client_with(NatsTransportOptions::to(&broker.address()).user_and_password("ali", "open sesame"));
    client.connect().await.unwrap();

    let pair = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, [7; 32]).unwrap();
    let seed = pair.seed().unwrap();
    let broker = broker!(Nats::new().nkey(&pair.public_key()));
    client_with(NatsTransportOptions::to(&broker.address()).nkey(seed)).connect().await.unwrap();
    let error = client_with(NatsTransportOptions::to(&broker.address()).nkey("SUCANARY")).connect().await.unwrap_err();
    assert!(error.message.contains("is no seed") && !error.message.contains("CANARY"), "{error}");
    let error = client_with(NatsTransportOptions::to("ali:canary@localhost:1")).connect().await.unwrap_err();
    assert!(error.message.contains("names a user") && !error.message.contains("canary"), "{error}");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn se_2_both_ends_speak_tls_and_show_certificates() {
    use nestrs::microservices::net::tls::{TlsCertificate, TlsClientOptions, TlsRoots};

    let made = nestrs_brokers::Certificates::new();
    let roots = TlsRoots::from_pem(&made.authority).unwrap();
    let own = TlsCertificate::from_pem(&made.client.certificate, &made.client.key).unwrap();
    let broker = broker!(Nats::new().mutual_tls(&made));
    let tls = TlsClientOptions::new(roots.clone()).certificate(own);
    let app = serve_with(options(&broker).tls(tls.clone())).await;
    let with = |tls| client_with(NatsTransportOptions::to(&broker.address()).tls(tls));
    assert_eq!(with(tls).send::<_, i64>("echo", &1).await.unwrap(), 1);
    assert!(with(TlsClientOptions::new(roots)).connect().await.is_err());
    let strangers = TlsRoots::from_pem(&nestrs_brokers::Certificates::new().authority).unwrap();
    let error = with(TlsClientOptions::new(strangers)).connect().await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)), "{error}");
    app.close().await;
}
