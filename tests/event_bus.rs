//! The in-process event bus: methods that subscribe, events that are types, wildcards, and what a publisher learns.

use std::sync::{Arc, Mutex};

use nestrs::prelude::*;
use nestrs::{CalledPattern, ContextKind, FailureKind, RunningApp};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

#[event("order.created")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OrderCreated {
    id: u64,
}

/// Serde refuses it, so whoever gets one got it without JSON.
#[event("memory.only")]
#[derive(Clone, Deserialize)]
struct MemoryOnly {
    id: u64,
}

impl Serialize for MemoryOnly {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("never written"))
    }
}

/// By hand, and for a type that no attribute can stand on.
impl BusEvent for Renamed {
    const NAME: &'static str = "user.renamed";
}
#[derive(Clone, Serialize, Deserialize)]
struct Renamed(String);

const CANCELLED: &str = "order.cancelled";

#[injectable]
struct Subscribers {
    seen: Mutex<Vec<String>>,
}

impl Subscribers {
    fn saw(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

#[event_routes]
impl Subscribers {
    #[on_event("order.*")]
    async fn any(&self, order: Value, cx: &ExecutionContext) {
        self.saw(format!("any {order} {} {:?} {}", cx.pattern(), cx.kind(), cx.handler()));
        assert_eq!(cx.kind(), ContextKind::EventBus);
    }

    #[on_event]
    async fn typed(&self, order: OrderCreated) {
        self.saw(format!("typed {}", order.id));
    }

    #[on_event]
    async fn shared(&self, order: Arc<OrderCreated>) {
        self.saw(format!("shared {}", order.id));
    }

    #[on_event([CANCELLED, { order: "cancelled" }])]
    async fn cancelled(&self, order: Value, pattern: CalledPattern) {
        self.saw(format!("cancelled {order} {}", pattern.0));
    }

    #[on_event(["order.**.done", "*.shipping.*"])]
    async fn overlapping(&self, #[ctx] pattern: CalledPattern) {
        self.saw(format!("overlapping {}", pattern.0));
    }

    #[on_event(OrderCreated::NAME)]
    async fn counts(&self) {
        self.saw("counts");
    }

    #[on_event]
    async fn by_value(&self, event: MemoryOnly) {
        self.saw(format!("by value {}", event.id));
    }

    #[on_event]
    async fn by_pointer(&self, event: Arc<MemoryOnly>) {
        self.saw(format!("by pointer {}", event.id));
    }

    #[on_event]
    async fn renamed(&self, event: Renamed) {
        self.saw(format!("renamed {}", event.0));
    }

    #[on_event("failing")]
    async fn fails(&self, _order: Value) -> Result<(), TransportError> {
        Err(TransportError::new("no"))
    }

    #[on_event("failing")]
    async fn panics(&self, _order: Value) {
        panic!("no")
    }

    #[on_event("failing")]
    async fn misfits(&self, _order: Vec<u8>) {}

    #[on_event("failing")]
    async fn survives(&self, order: String) {
        self.saw(format!("survives {order}"));
    }
}

/// The subscribers live in a module the root cannot see into; being provided is enough.
#[module(providers = [Subscribers])]
struct HiddenModule;

#[injectable]
struct Window {
    subscribers: Arc<Subscribers>,
}

#[module(providers = [Subscribers, Window], exports = [Window])]
struct WindowModule;

#[module(imports = [WindowModule])]
struct AppModule;

async fn start() -> (RunningApp, Arc<EventBus>, Arc<Subscribers>) {
    let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await.unwrap();
    let bus = app.get::<EventBus>().expect("every application has one");
    let subscribers = Arc::clone(&app.get::<Window>().unwrap().subscribers);
    (app, bus, subscribers)
}

#[tokio::test]
async fn an_event_reaches_names_types_and_wildcards_in_the_order_of_the_source() {
    let (app, bus, subscribers) = start().await;
    let published = bus.publish_event(&OrderCreated { id: 7 }).await;
    assert_eq!((published.handled, published.failed()), (4, 0));
    assert!(published.is_ok());
    let expected = [r#"any {"id":7} order.created EventBus Subscribers::any"#, "typed 7", "shared 7", "counts"];
    assert_eq!(subscribers.take(), expected);

    bus.publish_event(&Renamed("ada".into())).await;
    assert_eq!(subscribers.take(), ["renamed ada"]);
    app.close().await;
}

#[tokio::test]
async fn a_typed_subscriber_and_a_publisher_of_json_understand_each_other() {
    let (app, bus, subscribers) = start().await;
    assert_eq!(bus.publish("order.created", json!({ "id": 8 })).await.handled, 4);
    assert_eq!(subscribers.take()[1..], ["typed 8", "shared 8", "counts"]);
    let published = bus.publish("order.created", json!({ "id": "eight" })).await;
    assert_eq!((published.handled, published.failed()), (2, 2), "JSON that does not fit the type is refused");
    app.close().await;
}

#[tokio::test]
async fn between_equal_types_no_json_is_made() {
    let (app, bus, subscribers) = start().await;
    assert_eq!(bus.publish_event(&MemoryOnly { id: 9 }).await.handled, 2);
    assert_eq!(subscribers.take(), ["by value 9", "by pointer 9"]);
    let published = bus.publish("memory.only", MemoryOnly { id: 9 }).await;
    assert!(published.refused.is_some(), "by name it has to be JSON");
    assert_eq!(bus.stats().refused, 1);
    app.close().await;
}

#[tokio::test]
async fn a_subscriber_gets_an_event_once_however_many_of_its_patterns_fit() {
    let (app, bus, subscribers) = start().await;
    for name in ["order.shipping.done", "user.shipping.x", "order.a.b.c.done", "order.done"] {
        bus.publish(name, ()).await;
    }
    let overlapping: Vec<_> = subscribers.take().into_iter().filter(|seen| seen.starts_with("overlapping")).collect();
    let expected = ["order.shipping.done", "user.shipping.x", "order.a.b.c.done", "order.done"];
    assert_eq!(overlapping, expected.map(|name| format!("overlapping {name}")));
    app.close().await;
}

#[tokio::test]
async fn constants_and_objects_are_names_as_well() {
    let (app, bus, subscribers) = start().await;
    bus.publish("order.cancelled", 1).await;
    bus.publish(json!({ "order": "cancelled" }), 2).await;
    let cancelled: Vec<_> = subscribers.take().into_iter().filter(|seen| seen.starts_with("cancelled")).collect();
    assert_eq!(cancelled, ["cancelled 1 order.cancelled", r#"cancelled 2 {"order":"cancelled"}"#]);
    app.close().await;
}

#[tokio::test]
async fn an_event_that_nobody_wants_is_counted_and_no_failure() {
    let (app, bus, _) = start().await;
    let published = bus.publish("nobody.cares", ()).await;
    assert!(published.is_ok());
    assert_eq!(published.handled, 0);
    assert_eq!((bus.stats().published, bus.stats().delivered), (1, 0));
    app.close().await;
}

#[tokio::test]
async fn nothing_is_published_to_a_wildcard() {
    let (app, bus, subscribers) = start().await;
    for name in ["order.*", "**"] {
        let published = bus.publish(name, json!(1)).await;
        assert!(published.refused.is_some(), "{name}");
        assert!(published.into_result().unwrap_err().message.contains("no wildcard"));
    }
    assert!(bus.emit("order.*", 1).refused.is_some());
    assert_eq!(subscribers.take(), Vec::<String>::new());
    assert_eq!((bus.stats().published, bus.stats().refused), (0, 3));
    app.close().await;
}

#[tokio::test]
async fn rq_13_a_failing_subscriber_stops_nobody_else_and_the_publisher_learns_who_it_was() {
    let (app, bus, subscribers) = start().await;
    let published = bus.publish("failing", "secret").await;
    assert_eq!(subscribers.take(), ["survives secret"]);
    assert_eq!((published.handled, published.failed()), (1, 3));
    let failures: Vec<_> = published.failures.iter().map(|failure| (&*failure.subscriber, failure.kind)).collect();
    let expected = [
        ("Subscribers::fails", FailureKind::Failed),
        ("Subscribers::panics", FailureKind::Panicked),
        ("Subscribers::misfits", FailureKind::Failed),
    ];
    assert_eq!(failures, expected);
    assert!(!format!("{published:?}").contains("secret"), "a report ends up in logs");
    assert_eq!(published.into_result().unwrap_err().message, "no");

    let stats = bus.stats();
    assert_eq!((stats.published, stats.delivered, stats.failed, stats.dropped), (1, 1, 3, 0));
    assert_eq!(bus.publish("failing", "again").await.handled, 1, "and all get the next one");
    app.close().await;
}

#[tokio::test]
async fn two_applications_share_no_bus() {
    let (one, first, mine) = start().await;
    let (other, second, theirs) = start().await;
    first.publish("failing", "1").await;
    assert_eq!(theirs.take(), Vec::<String>::new());
    second.publish("failing", "2").await;
    assert_eq!((mine.take().len(), theirs.take().len()), (1, 1));
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn subscribers_of_a_module_that_exports_nothing_are_served() {
    #[module(imports = [HiddenModule])]
    struct OuterModule;

    let app = NestFactory::create::<OuterModule>().start("127.0.0.1:0").await.unwrap();
    assert!(app.get::<Subscribers>().is_none());
    let bus = app.get::<EventBus>().unwrap();
    assert_eq!(bus.publish_event(&OrderCreated { id: 1 }).await.handled, 4);
    app.close().await;
}
