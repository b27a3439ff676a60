//! Events that NATS keeps until they are handled, over a real server.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use futures_util::StreamExt;
use nestrs::microservices::{
    JetStreamEmitOptions, JetStreamOptions, NatsContext, NatsHeaders, NatsMicroserviceOptions, NatsRecordBuilder,
    NatsTransport, NatsTransportOptions, ServerStats,
};
use nestrs::prelude::*;
use nestrs::{ErrorKind, LogCapture, RunningApp, Sent};
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
        assert_eq!(self.1.lock().await.try_recv().ok(), None);
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("within twenty seconds")
}

#[derive(Default)]
struct Locked;

impl CanActivate for Locked {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        Err(TransportError::new("not you"))
    }
}

#[injectable]
struct Orders {
    seen: Arc<Seen>,
}

#[micro_routes]
impl Orders {
    #[message_pattern("echo")]
    async fn echo(&self, value: Value) -> Value {
        value
    }

    /// The payload says how many deliveries fail, and how.
    #[event_pattern("orders.*")]
    async fn on_order(&self, order: Order, nats: NatsContext) -> Result<(), TransportError> {
        assert!(nats.stream_sequence().is_some());
        self.seen.say(json!([order.id, nats.deliveries(), nats.redelivered()]));
        tokio::time::sleep(Duration::from_millis(order.millis)).await;
        if nats.deliveries() > order.fails {
            return Ok(());
        }
        match order.how.as_str() {
            "panic" => panic!("no rows"),
            "late" => std::future::pending().await,
            _ => Err(TransportError::new("no")),
        }
    }

    #[event_pattern("locked.door")]
    #[use_micro_guards(Locked)]
    async fn locked(&self, _value: Value) {
        self.seen.say(json!("through the door"));
    }

    #[event_pattern("elsewhere")]
    async fn elsewhere(&self, value: Value, nats: NatsContext) {
        assert_eq!((nats.deliveries(), nats.stream_sequence()), (1, None));
        self.seen.say(value);
    }
}

#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(default)]
struct Order {
    id: u64,
    fails: u32,
    how: String,
    millis: u64,
}

#[module(providers = [Orders, Provider::value(Seen::default())], microservices = [Orders], exports = [Seen])]
struct AppModule;

fn stream() -> JetStreamOptions {
    JetStreamOptions::stream("ORDERS")
        .subject("orders.>")
        .subject("locked.>")
        .retry_delays([50, 150].map(Duration::from_millis))
        .max_deliveries(3)
}

fn options(broker: &Broker) -> NatsMicroserviceOptions {
    NatsMicroserviceOptions::to(&broker.address())
        .queue("billing")
        .grace_period(Duration::from_millis(300))
        .startup_timeout(Some(Duration::from_secs(3)))
}

async fn serve(broker: &Broker) -> RunningApp {
    serve_with(options(broker).jetstream(stream())).await
}

async fn serve_with(options: NatsMicroserviceOptions) -> RunningApp {
    NestFactory::create_microservice_nats::<AppModule>(options).start().await.expect("the application starts")
}

async fn refused(options: NatsMicroserviceOptions) -> String {
    let started = NestFactory::create_microservice_nats::<AppModule>(options).start();
    let error = soon(started).await.expect_err("the application does not start");
    std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn client(broker: &Broker) -> ClientProxy {
    client_with(NatsTransportOptions::to(&broker.address()).jetstream(JetStreamEmitOptions::default()))
}

fn client_with(options: NatsTransportOptions) -> ClientProxy {
    ClientProxy::new(Arc::new(NatsTransport::new(options)))
}

fn stats(app: &RunningApp) -> ServerStats {
    app.servers().get("nats").unwrap().stats()
}

/// Waits until the server has said so much of its events: acknowledged, retried, dead.
async fn settled(app: &RunningApp, expected: (u64, u64, u64)) {
    let all = || {
        let stats = stats(app);
        (stats.acknowledged_events, stats.retried_events, stats.dead_events)
    };
    let waiting = async {
        while all() != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(20), waiting).await.is_err() {
        panic!("{:?} and not {expected:?}", all());
    }
}

async fn spy(broker: &Broker) -> jetstream::Context {
    jetstream::new(async_nats::connect(broker.address()).await.unwrap())
}

/// Of all consumers: delivered and not acknowledged, and not delivered yet.
async fn pending(spy: &jetstream::Context) -> (usize, u64) {
    let stream = spy.get_stream("ORDERS").await.unwrap();
    let mut consumers = stream.consumers();
    let mut all = (0, 0);
    while let Some(consumer) = consumers.next().await {
        let consumer = consumer.unwrap();
        all = (all.0 + consumer.num_ack_pending, all.1 + consumer.num_pending);
    }
    all
}

/// The dead letter with that number.
async fn letter(spy: &jetstream::Context, number: u64) -> (String, NatsHeaders, Value) {
    let stream = spy.get_stream("ORDERS_DEAD").await.unwrap();
    let message = stream.get_raw_message(number).await.unwrap();
    let headers = message.headers.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| (name.to_string(), value.to_string())).collect::<Vec<_>>()
    });
    let body = serde_json::from_slice(&message.payload).unwrap_or_else(|_| json!(message.payload.len()));
    (message.subject.to_string(), headers.collect(), body)
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
async fn br_6_an_event_is_acknowledged_after_its_handler_ended_well_and_waits_for_a_service_that_is_away() {
    let broker = broker!(Nats::new().jetstream());
    serve(&broker).await.close().await;
    let client = client(&broker);
    client.emit("orders.created", &Order { id: 1, millis: 200, ..Order::default() }).await.unwrap();
    client.emit("orders.paid", &Order { id: 2, ..Order::default() }).await.unwrap();
    let spy = spy(&broker).await;
    assert_eq!(pending(&spy).await, (0, 2));
    let app = serve(&broker).await;
    let seen = app.get::<Seen>().unwrap();
    assert_eq!(seen.next().await, json!([1, 1, false]));
    assert_eq!(seen.next().await, json!([2, 1, false]));
    assert!(pending(&spy).await.0 >= 1, "not before its handler has ended");
    settled(&app, (2, 0, 0)).await;
    while pending(&spy).await != (0, 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What does not lie in the stream comes as it always did, and calls do too.
    let plain = client_with(NatsTransportOptions::to(&broker.address()));
    plain.emit("elsewhere", &7).await.unwrap();
    assert_eq!(seen.next().await, json!(7));
    assert_eq!(client.send::<_, i32>("echo", &1).await.unwrap(), 1);
    app.close().await;
}

#[tokio::test]
async fn br_6_br_7_what_fails_comes_again_with_growing_pauses_and_ends_under_a_dead_subject() {
    let broker = broker!(Nats::new().jetstream());
    let app = serve_with(options(&broker).jetstream(stream()).handler_timeout(Some(Duration::from_millis(300)))).await;
    let (client, seen) = (client(&broker), app.get::<Seen>().unwrap());
    let began = Instant::now();
    client.emit("orders.created", &Order { id: 1, fails: 2, ..Order::default() }).await.unwrap();
    for delivery in 1..=3 {
        assert_eq!(seen.next().await, json!([1, delivery, delivery > 1]));
    }
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    settled(&app, (1, 2, 0)).await;
    let mut number = 0;
    for (how, kind) in [("error", "Application"), ("panic", "Internal"), ("late", "Timeout")] {
        number += 1;
        let order = Order { id: 2, fails: 100, how: how.to_owned(), millis: 0 };
        let record =
            NatsRecordBuilder::new(order.clone()).header("x-tenant", "acme").header("Nats-Msg-Id", how).build();
        record.emit(&client, "orders.created").await.unwrap();
        for delivery in 1..=3 {
            assert_eq!(seen.next().await, json!([2, delivery, delivery > 1]));
        }
        settled(&app, (1, 2 + 2 * number, number)).await;
        let (subject, headers, body) = letter(&spy(&broker).await, number).await;
        assert_eq!(subject, "ORDERS.dead.orders.created");
        assert_eq!(body, json!({ "pattern": "orders.created", "data": order }));
        for (name, value) in [
            ("x-tenant", "acme"),
            ("Nestrs-Dead-Reason", "failed"),
            ("Nestrs-Dead-Kind", kind),
            ("Nestrs-Dead-Deliveries", "3"),
            ("Nestrs-Dead-Subject", "orders.created"),
            ("Nestrs-Dead-Sequence", &(1 + number).to_string()),
        ] {
            assert_eq!(headers.get(name), Some(value), "{name}");
        }
    }
    seen.nothing_more().await;
    app.close().await;
}

#[tokio::test]
async fn br_5_what_can_only_fail_again_is_a_dead_letter_at_once_and_the_next_is_served() {
    let broker = broker!(Nats::new().jetstream());
    let app = serve_with(options(&broker).jetstream(stream()).prefetch(1)).await;
    let (spy, seen) = (spy(&broker).await, app.get::<Seen>().unwrap());
    for (number, (subject, body, reason)) in (1..).zip([
        ("orders.created", "not json", "unreadable"),
        ("orders.created", "", "unreadable"),
        ("orders.created", r#"{"pattern":"orders.created","data":"no order"}"#, "invalid-payload"),
        ("locked.door", r#"{"pattern":"locked.door","data":1}"#, "refused"),
    ]) {
        spy.publish(subject, body.into()).await.unwrap().await.unwrap();
        settled(&app, (0, 0, number)).await;
        let (dead, headers, _) = letter(&spy, number).await;
        assert_eq!(dead, format!("ORDERS.dead.{subject}"));
        assert_eq!(
            (headers.get("Nestrs-Dead-Reason"), headers.get("Nestrs-Dead-Deliveries")),
            (Some(reason), Some("1")),
            "{body}"
        );
    }
    client(&broker).emit("orders.created", &Order { id: 9, ..Order::default() }).await.unwrap();
    assert_eq!(seen.next().await, json!([9, 1, false]));
    settled(&app, (1, 0, 4)).await;
    assert_eq!(pending(&spy).await, (0, 0));
    app.close().await;
}

#[tokio::test]
async fn br_6_a_handler_may_take_longer_than_the_broker_waits() {
    let broker = broker!(Nats::new().jetstream());
    let app = serve_with(options(&broker).jetstream(stream().ack_wait(Duration::from_millis(300)))).await;
    let seen = app.get::<Seen>().unwrap();
    client(&broker).emit("orders.created", &Order { id: 1, millis: 1200, ..Order::default() }).await.unwrap();
    settled(&app, (1, 0, 0)).await;
    assert_eq!(seen.next().await, json!([1, 1, false]));
    seen.nothing_more().await;
    app.close().await;
}

#[tokio::test]
async fn br_4_what_waits_for_its_turn_waits_at_the_broker() {
    let broker = broker!(Nats::new().jetstream());
    let slow = stream().ack_wait(Duration::from_millis(300));
    let app = serve_with(options(&broker).jetstream(slow).prefetch(2)).await;
    let (client, seen) = (client(&broker), app.get::<Seen>().unwrap());
    for id in 0..8 {
        client.emit("orders.created", &Order { id, millis: 200, ..Order::default() }).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(pending(&spy(&broker).await).await, (2, 6));
    settled(&app, (8, 0, 0)).await;
    for id in 0..8 {
        assert_eq!(seen.next().await, json!([id, 1, false]));
    }
    seen.nothing_more().await;
    app.close().await;
}

#[tokio::test]
async fn br_3_what_ended_while_the_broker_was_away_is_acknowledged_when_it_is_back() {
    let mut broker = broker!(Nats::new().jetstream());
    let app = serve(&broker).await;
    let seen = app.get::<Seen>().unwrap();
    client(&broker).emit("orders.created", &Order { id: 1, millis: 300, ..Order::default() }).await.unwrap();
    assert_eq!(seen.next().await, json!([1, 1, false]));
    broker.kill().await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(stats(&app).acknowledged_events, 0);
    broker.restart().await.unwrap();
    settled(&app, (1, 0, 0)).await;
    let spy = spy(&broker).await;
    soon(async {
        while pending(&spy).await != (0, 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    seen.nothing_more().await;
    app.close().await;
}

#[tokio::test]
async fn br_8_a_server_that_ends_leaves_what_has_not_ended_to_another() {
    let broker = broker!(Nats::new().jetstream());
    let first = serve_with(options(&broker).jetstream(stream()).prefetch(2)).await;
    let client = client(&broker);
    for id in 0..4 {
        let millis = if id == 0 { 100 } else { 60_000 };
        client.emit("orders.created", &Order { id, millis, ..Order::default() }).await.unwrap();
    }
    let seen = first.get::<Seen>().unwrap();
    assert_eq!([seen.next().await, seen.next().await], [json!([0, 1, false]), json!([1, 1, false])]);
    first.close().await;
    let quick = serve_with(options(&broker).jetstream(stream()).handler_timeout(Some(Duration::from_millis(1)))).await;
    let (seen, began) = (quick.get::<Seen>().unwrap(), Instant::now());
    let mut ids = HashSet::new();
    while ids.len() < 3 {
        let said = seen.next().await;
        if said[0] == 1 {
            assert_eq!(said[2], true, "it had begun before");
        }
        ids.insert(said[0].as_u64().unwrap());
    }
    assert_eq!(ids, HashSet::from([1, 2, 3]), "the first is acknowledged");
    assert!(began.elapsed() < Duration::from_secs(10), "given back, and not missed: {:?}", began.elapsed());
    quick.close().await;
}

#[tokio::test]
async fn replicas_share_events_and_other_services_get_their_own() {
    let broker = broker!(Nats::new().jetstream());
    let (one, other) = (serve(&broker).await, serve(&broker).await);
    let archive = serve_with(options(&broker).queue("archive").jetstream(stream())).await;
    let client = client(&broker);
    for id in 0..40 {
        client.emit("orders.created", &Order { id, millis: 5, ..Order::default() }).await.unwrap();
    }
    let sum = |apps: &[&RunningApp]| apps.iter().map(|app| stats(app).acknowledged_events).sum::<u64>();
    soon(async {
        while sum(&[&one, &other]) < 40 || sum(&[&archive]) < 40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!((sum(&[&one, &other]), sum(&[&archive])), (40, 40));
    assert!(sum(&[&one]) > 0 && sum(&[&other]) > 0, "{} and {}", sum(&[&one]), sum(&[&other]));
    for app in [one, other, archive] {
        app.close().await;
    }
}

#[tokio::test]
async fn br_2_emit_returns_when_a_stream_has_the_event_and_fails_when_none_has() {
    let broker = broker!(Nats::new().jetstream());
    let app = serve(&broker).await;
    let seen = app.get::<Seen>().unwrap();
    let error = client(&broker).emit("nowhere", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::NotFound, Some(Sent::No)), "{error}");
    // Somebody listens, and no stream does.
    let quick = JetStreamEmitOptions::default().ack_timeout(Duration::from_millis(100));
    let hasty = client_with(NatsTransportOptions::to(&broker.address()).jetstream(quick));
    let error = hasty.emit("elsewhere", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::Maybe)), "{error}");
    assert_eq!(seen.next().await, json!(1));
    // One id is one event; each has one of its own where that is wanted.
    let ids = JetStreamEmitOptions::default().message_ids(true);
    let client = client_with(NatsTransportOptions::to(&broker.address()).jetstream(ids));
    let record = |id| NatsRecordBuilder::new(Order { id, ..Order::default() }).header("Nats-Msg-Id", "mine").build();
    for id in [1, 2] {
        record(id).emit(&client, "orders.created").await.unwrap();
    }
    for id in [3, 4] {
        client.emit("orders.created", &Order { id, ..Order::default() }).await.unwrap();
    }
    for id in [1, 3, 4] {
        assert_eq!(seen.next().await, json!([id, 1, false]));
    }
    settled(&app, (3, 0, 0)).await;
    seen.nothing_more().await;
    let state = spy(&broker).await.get_stream("ORDERS").await.unwrap().cached_info().state.clone();
    assert_eq!(state.messages, 3);
    app.close().await;
}

#[tokio::test]
async fn what_cannot_work_is_said_at_start() {
    let broker = broker!(Nats::new().jetstream());
    for (jetstream, said) in [
        (stream().subject("echo"), "`echo` has a message handler, and `echo` is a subject of the stream"),
        (stream().declare(false), "there is no stream `ORDERS`"),
        (JetStreamOptions::stream("ORDERS"), "its subjects must be known"),
        (JetStreamOptions::stream("OR.DERS").subject("orders.>"), "`OR.DERS` cannot be the name of a stream"),
        (stream().subject("more.>").dead_prefix("orders"), "`orders.*` matches dead letters"),
    ] {
        let error = refused(options(&broker).jetstream(jetstream)).await;
        assert!(error.contains(said), "{error}");
        let spy = spy(&broker).await;
        for name in ["ORDERS", "ORDERS_DEAD"] {
            let _ = spy.delete_stream(name).await;
        }
    }
    let error = refused(options(&broker).queue(None).jetstream(stream())).await;
    assert!(error.contains("set `queue`, or `durable` of the stream"), "{error}");
    let error = refused(options(&broker).jetstream(stream().subject("new.>"))).await;
    assert!(error.contains("and not `new.>`"), "{error}");
    // A stream that is there is used as it is, all of its subjects.
    let app = serve_with(options(&broker).jetstream(JetStreamOptions::stream("ORDERS").declare(false))).await;
    client(&broker).emit("orders.created", &Order { id: 5, ..Order::default() }).await.unwrap();
    assert_eq!(app.get::<Seen>().unwrap().next().await, json!([5, 1, false]));
    app.close().await;
    let without = broker!(Nats::new());
    let error = refused(options(&without).jetstream(stream())).await;
    assert!(error.contains("the NATS server has no JetStream"), "{error}");
}

#[tokio::test]
async fn br_3_a_consumer_that_somebody_deletes_is_made_again_and_told_of() {
    let broker = broker!(Nats::new().jetstream());
    let log = LogCapture::start();
    let app = serve(&broker).await;
    let (spy, seen) = (spy(&broker).await, app.get::<Seen>().unwrap());
    let stream = spy.get_stream("ORDERS").await.unwrap();
    let names: Vec<String> = stream.consumer_names().map(Result::unwrap).collect().await;
    assert_eq!(names.len(), 2, "{names:?}");
    let told = || log.contains(LogLevel::Warn, "the consumer was gone and is made anew");
    assert!(!told(), "{:?}", log.lines());
    for name in names {
        stream.delete_consumer(&name).await.unwrap();
    }
    client(&broker).emit("orders.created", &Order { id: 1, ..Order::default() }).await.unwrap();
    assert_eq!(seen.next().await, json!([1, 1, false]));
    assert!(told(), "{:?}", log.lines());
    app.close().await;
}

/// Takes as long as its rounds: the losses are to fall into the traffic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn br_6_no_confirmed_event_is_lost_though_the_broker_is_killed_twice() {
    const EVERY: Duration = Duration::from_millis(2);
    let mut broker = broker!(Nats::new().jetstream());
    let app =
        serve_with(options(&broker).jetstream(stream().ack_wait(Duration::from_secs(1)).max_deliveries(20))).await;
    let (client, seen) = (client(&broker), app.get::<Seen>().unwrap());
    let emitting = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        let mut sending = Vec::new();
        for id in 0..1800_u64 {
            ticks.tick().await;
            let client = client.clone();
            sending.push(tokio::spawn(async move {
                let order = Order { id, ..Order::default() };
                client.emit("orders.created", &order).await.is_ok().then_some(id)
            }));
        }
        let mut confirmed = HashSet::new();
        for sending in sending {
            confirmed.extend(soon(sending).await.unwrap());
        }
        confirmed
    });
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        broker.kill().await.unwrap();
        broker.restart().await.unwrap();
    }
    let confirmed = emitting.await.unwrap();
    assert!(confirmed.len() > 300, "only {} were confirmed at all", confirmed.len());
    let (mut handled, mut deliveries) = (HashSet::new(), 0_usize);
    let all = async {
        while !confirmed.is_subset(&handled) {
            handled.insert(seen.next().await[0].as_u64().unwrap());
            deliveries += 1;
        }
    };
    if tokio::time::timeout(Duration::from_secs(30), all).await.is_err() {
        panic!("{} of {} confirmed events are lost", confirmed.difference(&handled).count(), confirmed.len());
    }
    // Nothing claims that there are none.
    #[expect(clippy::print_stdout, reason = "for whoever wants to know how many")]
    {
        let (confirmed, again) = (confirmed.len(), deliveries - handled.len());
        println!("{confirmed} confirmed, {} handled, {again} delivered more than once", handled.len());
    }
    assert_eq!(stats(&app).dead_events, 0);
    app.close().await;
}
