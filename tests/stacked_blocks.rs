//! Several block attributes on one impl block: each reads the stages of its own handlers, whichever expands first.

use std::sync::{Arc, Mutex};

use nestrs::prelude::*;
use nestrs::testing::TestApp;
use nestrs::{controller as ctl, use_guards as guarded_by};
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

#[injectable]
struct Conditional;

#[controller("/conditional")]
#[cfg_attr(all(), use_guards(Deny))]
#[micro_routes]
impl Conditional {
    #[get]
    #[message_pattern("conditional")]
    async fn open(&self) -> String {
        "open".into()
    }
}

#[injectable]
struct ConditionalBlock;

#[micro_routes]
#[use_guards(Deny)]
#[cfg_attr(all(), controller("/conditional/block"))]
impl ConditionalBlock {
    #[get]
    #[message_pattern("conditional.block")]
    async fn open(&self) -> String {
        "open".into()
    }
}

#[injectable]
struct Outermost;

// Outermost, an attribute sees all others: under any name it is known for what it is.
#[ctl("/outermost")]
#[use_guards(Deny)]
#[doc(hidden)]
#[micro_routes]
impl Outermost {
    #[get]
    #[message_pattern("outermost")]
    async fn open(&self) -> String {
        "open".into()
    }
}

#[injectable]
struct OutermostStage;

#[guarded_by(Deny)]
#[controller("/outermost/stage")]
#[micro_routes]
impl OutermostStage {
    #[get]
    #[message_pattern("outermost.stage")]
    async fn open(&self) -> String {
        "open".into()
    }
}

#[module(
    providers = [Said, Speaker],
    controllers = [Web, Conditional, ConditionalBlock, Outermost, OutermostStage],
    microservices = [Speaker],
)]
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

#[tokio::test]
async fn a_stage_or_a_block_under_a_condition_is_seen_by_all_blocks() {
    let app = TestApp::of::<App>().start().await.unwrap();
    for (path, pattern) in [("/conditional", "conditional"), ("/conditional/block", "conditional.block")] {
        assert_eq!(app.http().get(path).send().await.status(), 403, "{path}");
        let refused = app.client().send::<_, Value>(pattern, &()).await.unwrap_err();
        assert_eq!(refused.message, forbidden().message, "{pattern}");
    }
}

#[tokio::test]
async fn an_outermost_attribute_under_another_name_guards_both_halves() {
    let app = TestApp::of::<App>().start().await.unwrap();
    for (path, pattern) in [("/outermost", "outermost"), ("/outermost/stage", "outermost.stage")] {
        assert_eq!(app.http().get(path).send().await.status(), 403, "{path}");
        let refused = app.client().send::<_, Value>(pattern, &()).await.unwrap_err();
        assert_eq!(refused.message, forbidden().message, "{pattern}");
    }
}
