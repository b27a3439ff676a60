//! Stages around subscribers of the event bus.

use std::sync::{Arc, Mutex};

use nestrs::microservices::memory_pair;
use nestrs::prelude::*;
use nestrs::{ContextKind, FailureKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[event("user.created")]
#[derive(Clone, Serialize, Deserialize)]
struct UserCreated {
    name: String,
}

#[injectable]
struct Seen(Mutex<Vec<String>>);

impl Seen {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

#[derive(Default)]
struct Trim;

#[async_trait]
impl MicroPipeTransform for Trim {
    async fn transform_micro(&self, _pattern: &str, mut payload: Value) -> Result<Value, TransportError> {
        let name = payload["name"].as_str().unwrap_or_default().trim().to_owned();
        payload["name"] = name.into();
        Ok(payload)
    }
}

#[derive(Default)]
struct OnlyNamed;

#[async_trait]
impl MicroCanActivate for OnlyNamed {
    async fn can_activate_micro(&self, pattern: &str, payload: &Value) -> Result<(), TransportError> {
        match payload["name"].as_str() {
            Some("") | None => Err(TransportError::new(format!("{pattern} needs a name"))),
            Some(_) => Ok(()),
        }
    }
}

/// Leaves a mark for its own handler.
#[derive(Default)]
struct Marks;

impl CanActivate for Marks {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        assert_eq!(cx.kind(), ContextKind::EventBus);
        cx.extensions().insert(cx.handler());
        Ok(())
    }
}

#[injectable]
struct Users {
    seen: Arc<Seen>,
}

#[event_routes]
impl Users {
    #[on_event]
    #[use_micro_guards(OnlyNamed)]
    #[use_micro_pipes(Trim)]
    async fn trimmed(&self, event: UserCreated) {
        self.seen.add(format!("trimmed {:?}", event.name));
    }

    #[on_event]
    async fn plain(&self, event: Arc<UserCreated>) {
        self.seen.add(format!("plain {:?}", event.name));
    }

    #[on_event("user.*")]
    #[use_micro_guards(Marks)]
    async fn marked(&self, cx: &ExecutionContext) {
        self.seen.add(format!("marked {:?}", cx.extensions().get::<&'static str>()));
    }

    #[on_event("user.*")]
    async fn unmarked(&self, cx: &ExecutionContext) {
        self.seen.add(format!("unmarked {:?}", cx.extensions().get::<&'static str>()));
    }
}

#[module(providers = [Users, Seen], exports = [Seen])]
struct AppModule;

#[tokio::test]
async fn stages_are_each_subscribers_own_and_typed_events_pass_them() {
    let app = NestFactory::create_microservice::<AppModule>(memory_pair().0).start().await.unwrap();
    let bus = app.get::<EventBus>().unwrap();
    let seen = app.get::<Seen>().unwrap();
    let take = || std::mem::take(&mut *seen.0.lock().unwrap());

    let published = bus.publish_event(&UserCreated { name: " Ada ".into() }).await;
    assert_eq!((published.handled, published.failed()), (4, 0));
    let expected = [r#"trimmed "Ada""#, r#"plain " Ada ""#, r#"marked Some("Users::marked")"#, "unmarked None"];
    assert_eq!(take(), expected, "what a pipe or a guard does to one subscriber is not seen by another");

    let published = bus.publish_event(&UserCreated { name: String::new() }).await;
    assert_eq!(take().len(), 3);
    let failure = &published.failures[0];
    assert_eq!((&*failure.subscriber, failure.kind), ("Users::trimmed", FailureKind::Failed));
    assert_eq!(failure.error.message, "user.created needs a name");
    app.close().await;
}
