//! The in-process event bus.

use std::sync::{Arc, Mutex};

use nestrs::ExecutionContext;
use nestrs::microservices::Published;
use nestrs::prelude::*;
use serde_json::{Value, json};

#[injectable]
struct Subscribers {
    seen: Mutex<Vec<String>>,
}

#[event_routes]
impl Subscribers {
    #[on_event("order.created")]
    async fn first(&self, order: Value, cx: &ExecutionContext) {
        self.seen.lock().unwrap().push(format!("first {order} {:?}", cx.kind()));
    }

    #[on_event(["order.created", { order: "cancelled" }])]
    async fn second(&self, order: Value, pattern: nestrs::CalledPattern) {
        self.seen.lock().unwrap().push(format!("second {order} {}", pattern.0));
    }

    #[on_event("order.failing")]
    async fn fails(&self, _order: Value) -> Result<(), TransportError> {
        Err(TransportError::new("no"))
    }

    #[on_event("order.failing")]
    async fn panics(&self, _order: Value) {
        panic!("no")
    }

    #[on_event("order.failing")]
    async fn survives(&self, order: u32) {
        self.seen.lock().unwrap().push(format!("survives {order}"));
    }
}

#[module(providers = [Subscribers])]
struct SubscriberModule;

#[module(imports = [SubscriberModule])]
struct AppModule;

async fn start() -> (nestrs::RunningApp, Arc<EventBus>) {
    let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await.unwrap();
    let bus = app.get::<EventBus>().expect("every application has one");
    (app, bus)
}

/// The subscribers live in a module the root cannot see into; being provided is enough.
fn seen(app: &nestrs::RunningApp) -> Vec<String> {
    assert!(app.get::<Subscribers>().is_none());
    SEEN.with_borrow(|seen| seen.as_ref().map(|subscribers| std::mem::take(&mut *subscribers.seen.lock().unwrap())))
        .unwrap_or_default()
}

thread_local! {
    static SEEN: std::cell::RefCell<Option<Arc<Subscribers>>> = const { std::cell::RefCell::new(None) };
}

/// Keeps the subscribers where the test can look at them.
#[injectable]
struct Window {
    subscribers: Arc<Subscribers>,
}

#[module(providers = [Subscribers, Window], exports = [Window])]
struct WindowModule;

#[module(imports = [WindowModule])]
struct ObservedModule;

async fn start_observed() -> (nestrs::RunningApp, Arc<EventBus>) {
    let app = NestFactory::create::<ObservedModule>().start("127.0.0.1:0").await.unwrap();
    SEEN.set(Some(Arc::clone(&app.get::<Window>().unwrap().subscribers)));
    let bus = app.get::<EventBus>().unwrap();
    (app, bus)
}

#[tokio::test]
async fn every_subscriber_gets_the_event_before_publish_returns() {
    let (app, bus) = start_observed().await;
    assert_eq!(bus.publish("order.created", json!({ "id": 7 })).await, Published { handled: 2, failed: 0 });
    assert_eq!(seen(&app), [r#"first {"id":7} EventBus"#, r#"second {"id":7} order.created"#]);
    bus.publish(json!({ "order": "cancelled" }), 8).await;
    assert_eq!(seen(&app), [r#"second 8 {"order":"cancelled"}"#]);
    assert_eq!(bus.publish("nobody.cares", ()).await, Published::default());
    app.close().await;
}

#[tokio::test]
async fn rq_13_a_failing_subscriber_stops_nobody_else() {
    let (app, bus) = start_observed().await;
    assert_eq!(bus.publish("order.failing", 9_u32).await, Published { handled: 1, failed: 2 });
    assert_eq!(seen(&app), ["survives 9"]);
    app.close().await;
}

#[tokio::test]
async fn two_applications_share_no_bus() {
    let (one, first) = start().await;
    let (other, second) = start_observed().await;
    first.publish("order.created", 1).await;
    assert_eq!(seen(&other), Vec::<String>::new());
    second.publish("order.created", 2).await;
    assert_eq!(seen(&other).len(), 2);
    one.close().await;
    other.close().await;
}
