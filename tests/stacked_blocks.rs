//! Several block attributes on one impl block: each reads the stages of its own handlers, whichever expands first.

use std::sync::{Arc, Mutex};

use nestrs::prelude::*;
use nestrs::testing::TestApp;
use serde_json::Value;

#[derive(Default)]
struct Deny;

impl CanActivate for Deny {
    async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
        Err(forbidden())
    }
}

#[derive(Default)]
struct Shout;

impl ArgumentPipe<String> for Shout {
    type Input = String;

    async fn transform(&self, _cx: &ExecutionContext, word: String) -> Result<String, TransportError> {
        Ok(word.to_uppercase())
    }
}

#[contract]
trait Api {
    #[message_pattern("api.routed")]
    async fn routed(&self) -> String;

    #[message_pattern("api.unrouted")]
    async fn unrouted(&self) -> String;
}

#[injectable]
struct Web;

#[controller("/web")]
#[micro_routes(contract = Api)]
impl Web {
    #[get]
    #[use_guards(Deny)]
    async fn routed(&self) -> String {
        "open".into()
    }

    // No route, but a handler of the contract.
    #[use_guards(Deny)]
    async fn unrouted(&self) -> String {
        "open".into()
    }
}

#[contract]
trait Words {
    #[message_pattern("words.guarded")]
    async fn guarded(&self, word: String);

    #[message_pattern("words.say")]
    async fn say(&self, word: String);
}

#[injectable]
struct Said(Mutex<Vec<String>>);

#[injectable]
struct Speaker {
    said: Arc<Said>,
}

#[event_routes]
#[micro_routes(contract = Words)]
impl Speaker {
    #[on_event("guarded")]
    #[use_guards(Deny)]
    async fn guarded(&self, word: String) {
        self.said.0.lock().unwrap().push(word);
    }

    #[on_event("said")]
    async fn say(&self, #[pipe(Shout)] word: String) {
        self.said.0.lock().unwrap().push(word);
    }
}

#[module(providers = [Said, Speaker], controllers = [Web], microservices = [Speaker])]
struct App;

#[tokio::test]
async fn a_contract_under_a_controller_keeps_the_guards_of_its_methods() {
    let app = TestApp::of::<App>().start().await.unwrap();
    assert_eq!(app.http().get("/web").send().await.status(), 403);
    for pattern in ["api.routed", "api.unrouted"] {
        let refused = app.client().send::<_, Value>(pattern, &()).await.unwrap_err();
        assert_eq!(refused.message, forbidden().message, "{pattern}");
    }
}

#[tokio::test]
async fn a_contract_under_subscribers_of_the_bus_keeps_the_guards_and_pipes_of_its_methods() {
    let app = TestApp::of::<App>().start().await.unwrap();
    let refused = app.client().send::<_, Value>("words.guarded", &"open").await.unwrap_err();
    assert_eq!(refused.message, forbidden().message);
    app.client().send::<_, Value>("words.say", &"message").await.unwrap();
    let bus = app.get::<EventBus>().unwrap();
    assert_eq!(bus.publish("guarded", &"open").await.failed(), 1);
    assert_eq!(bus.publish("said", &"event").await.failed(), 0);
    assert_eq!(*app.get::<Said>().unwrap().0.lock().unwrap(), ["MESSAGE", "EVENT"]);
}
