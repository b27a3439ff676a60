//! `TestApp`: parts of an application replaced, the rest as in production.

use std::sync::Arc;
use std::time::Duration;

use nestrs::axum::Json;
use nestrs::microservices::{ClientConfig, TcpTransportOptions};
use nestrs::prelude::*;
use nestrs::testing::{MockService, TestApp};
use serde_json::{Value, json};

/// What the shop asks for stock; in production, a database.
trait Stock: Send + Sync {
    fn left(&self, item: &str) -> u32;
}

struct Database;

impl Stock for Database {
    fn left(&self, _item: &str) -> u32 {
        panic!("there is no database in a test")
    }
}

struct Fixed(u32);

impl Stock for Fixed {
    fn left(&self, _item: &str) -> u32 {
        self.0
    }
}

/// Needs something that a test has not.
#[injectable]
struct TokenGuard {
    _keys: Arc<Keys>,
}

struct Keys;

impl CanActivate for TokenGuard {
    async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
        Err(forbidden())
    }
}

struct Everyone;

impl CanActivate for Everyone {
    async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
        Ok(())
    }
}

#[injectable]
struct Shop {
    stock: Arc<dyn Stock>,
    #[inject("BILLING")]
    billing: Arc<ClientProxy>,
}

#[controller("/shop")]
#[micro_routes]
#[use_guards(TokenGuard)]
impl Shop {
    #[message_pattern("shop.left")]
    async fn left(&self, item: String) -> u32 {
        self.stock.left(&item)
    }

    #[message_pattern("shop.buy")]
    async fn buy(&self, item: String) -> Result<Value, TransportError> {
        let receipt: Value = self.billing.send("billing.charge", &json!({ "item": item })).await?;
        self.billing.emit("billing.booked", &receipt).await?;
        Ok(receipt)
    }

    #[post("/left")]
    async fn left_over_http(&self, Json(item): Json<String>) -> Value {
        json!(self.stock.left(&item))
    }

    #[message_pattern("shop.later")]
    async fn later(&self) -> &'static str {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        "an hour later"
    }
}

fn billing() -> nestrs::DynamicModule {
    // Nobody listens there, and nobody is asked to.
    ClientsModule::register(&[ClientConfig::tcp("BILLING", TcpTransportOptions::to("127.0.0.1:1"))])
}

#[module(
    imports = [billing()],
    providers = [Provider::shared(Arc::new(Database) as Arc<dyn Stock>)],
    controllers = [Shop],
)]
struct AppModule;

fn testing() -> nestrs::testing::TestingModule<AppModule> {
    TestApp::of::<AppModule>()
        .override_shared(Arc::new(Fixed(3)) as Arc<dyn Stock>)
        .override_guard::<TokenGuard>(Everyone)
}

#[tokio::test]
async fn messages_and_requests_reach_handlers_with_parts_replaced() {
    let app = testing().start().await.unwrap();
    assert_eq!(app.client().send::<_, u32>("shop.left", "tea").await.unwrap(), 3);
    let response = app.http().post("/shop/left").json("tea").send().await;
    assert_eq!((response.status().as_u16(), response.json::<u32>()), (200, 3));
    let response = app.http().get("/nowhere").send().await;
    assert_eq!(response.json::<Value>()["message"], "Cannot GET /nowhere");
    app.close().await;
}

#[tokio::test]
async fn a_remote_service_is_played_with_expectations() {
    let billing = MockService::new();
    billing.expect("billing.charge").with(json!({ "item": "tea" })).reply(json!({ "receipt": 7 })).once();
    billing.expect("billing.booked").with(json!({ "receipt": 7 })).once();
    let app = testing().mock_service("BILLING", &billing).start().await.unwrap();
    assert_eq!(app.client().send::<_, Value>("shop.buy", "tea").await.unwrap(), json!({ "receipt": 7 }));
    billing.verify();
    assert!(billing.calls()[1].is_event);

    // Once was expected, and tea only.
    let again = app.client().send::<_, Value>("shop.buy", "tea").await;
    assert_eq!(again.unwrap_err().message, "Internal server error");
    let problems = billing.check().unwrap_err();
    assert_eq!(problems, r#"unexpected call of `billing.charge` with {"item":"tea"}"#);
    app.close().await;
}

#[tokio::test]
async fn what_a_mock_answers_comes_in_turn_and_what_it_was_not_asked_is_told() {
    let mock = MockService::new();
    mock.expect("next").reply(1).reply(2).fail(TransportError::new("empty"));
    mock.expect("never").never();
    mock.expect("asked");
    let client = ClientProxy::new(Arc::new(mock.clone()));
    let next = async || client.send::<_, u8>("next", &()).await.map_err(|error| error.message);
    assert_eq!((next().await, next().await), (Ok(1), Ok(2)));
    assert_eq!((next().await, next().await), (Err("empty".into()), Err("empty".into())));
    assert_eq!(mock.check().unwrap_err(), "`asked` was never called");
}

#[tokio::test(start_paused = true)]
async fn an_hour_passes_at_once_when_time_is_paused() {
    let app = testing().start().await.unwrap();
    let client = app.client().with_timeout(Duration::from_secs(7200));
    assert_eq!(client.send::<_, String>("shop.later", &()).await.unwrap(), "an hour later");
    app.close().await;
}

#[tokio::test]
async fn an_override_that_replaces_nothing_is_an_error() {
    let error = testing().override_provider(7_u64).override_guard::<Everyone>(Everyone).start().await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("`Arc<u64>` is overridden, but no module provides it"), "{error}");
    let error = testing().override_guard::<Everyone>(Everyone).start().await.unwrap_err().to_string();
    assert!(error.contains("the guard `Everyone` is overridden, but stands around nothing"), "{error}");
}

#[tokio::test]
async fn what_is_not_replaced_is_checked_as_ever() {
    let error = TestApp::of::<AppModule>().start().await.unwrap_err().to_string();
    assert!(error.contains("needs `Arc<Keys>`"), "{error}");
}

/// Stages of the application, of a module and of a pattern's own are replaced alike, each where it stands.
#[tokio::test]
async fn stages_are_replaced_at_every_level() {
    struct Marked(&'static str);

    impl PipeTransform for Marked {
        async fn transform(&self, _cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
            Ok(json!(format!("{} {}", payload.decode::<String>()?, self.0)).into())
        }
    }

    macro_rules! pipes {
        ($($name:ident)*) => {$(
            #[injectable]
            struct $name {
                _missing: Option<Arc<Keys>>,
            }

            impl PipeTransform for $name {
                async fn transform(&self, cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
                    Marked(concat!("real ", stringify!($name))).transform(cx, payload).await
                }
            }
        )*};
    }

    pipes!(Global OfModule OfBlock OfMethod);

    struct Shouting;

    impl Interceptor for Shouting {
        fn map_value(&self, _cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError> {
            Ok(json!(value.decode::<String>()?.to_uppercase()).into())
        }
    }

    #[derive(Default)]
    struct Quiet;

    impl Interceptor for Quiet {}

    #[injectable]
    struct Echo;

    #[micro_routes]
    #[use_pipes(OfBlock)]
    #[use_interceptors(Quiet)]
    impl Echo {
        #[message_pattern("echo")]
        #[use_pipes(OfMethod)]
        async fn echo(&self, text: String) -> String {
            text
        }
    }

    #[module(
        providers = [Echo, Provider::app_pipe::<Global>()],
        microservices = [Echo],
        pipes = [OfModule],
    )]
    struct Echoes;

    let answer = async |module: nestrs::testing::TestingModule<Echoes>| {
        let app = module.start().await.unwrap();
        let answer: String = app.client().send("echo", "x").await.unwrap();
        let chain = app.explain("echo")[0].to_string();
        app.close().await;
        (answer, chain)
    };
    let (real, chain) = answer(TestApp::of::<Echoes>()).await;
    assert_eq!(real, "x real Global real OfModule real OfBlock real OfMethod");
    let replaced = TestApp::of::<Echoes>()
        .override_pipe::<Global>(Marked("a"))
        .override_pipe::<OfModule>(Marked("b"))
        .override_pipe::<OfMethod>(Marked("d"))
        .override_interceptor::<Quiet>(Shouting);
    let (text, same_chain) = answer(replaced).await;
    assert_eq!(text, "X A B REAL OFBLOCK D");
    assert_eq!(chain, same_chain);
}
