//! Which methods of which blocks answer what, and where their arguments come from.
#![allow(clippy::unused_async, reason = "what a handler looks like is not a matter of its body")]

mod support;

use nestrs::{ExecutionContext, FromContext, HandlerKind, Metadata, Payload, TransportError};
use nestrs_macros::{event_routes, injectable, micro_routes, module, pattern};
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Answer, booted, call, routes, send};

/// The documented service.
#[injectable]
struct MathService;

#[micro_routes]
impl MathService {
    #[message_pattern("math.add")]
    async fn add(&self, payload: serde_json::Value) -> Result<serde_json::Value, TransportError> {
        let a = payload["a"].as_f64().unwrap_or(0.0);
        let b = payload["b"].as_f64().unwrap_or(0.0);
        Ok(serde_json::json!({ "result": a + b }))
    }

    #[event_pattern("user.created")]
    async fn on_user_created(&self, payload: serde_json::Value) {
        assert_eq!(payload, json!("ada"));
    }
}

#[derive(Deserialize)]
struct Pair {
    a: i64,
    b: i64,
}

struct Refused;

impl From<Refused> for TransportError {
    fn from(_: Refused) -> Self {
        Self::new("refused")
    }
}

/// An argument of one's own.
struct Tenant(String);

impl<'a> FromContext<'a> for Tenant {
    fn from_context(cx: &'a ExecutionContext) -> Result<Self, TransportError> {
        cx.metadata()
            .get("tenant")
            .map(|tenant| Self(tenant.to_owned()))
            .ok_or_else(|| TransportError::new("no tenant"))
    }
}

struct Missing;

impl FromContext<'_> for Missing {
    fn from_context(_: &ExecutionContext) -> Result<Self, TransportError> {
        Err(TransportError::new("missing"))
    }
}

#[injectable]
struct Arguments;

#[micro_routes]
impl Arguments {
    #[message_pattern("none")]
    fn none(&self) -> &'static str {
        "none"
    }

    #[message_pattern("typed")]
    fn typed(&self, Pair { a, b }: Pair) -> i64 {
        a + b
    }

    #[message_pattern("raw")]
    fn raw(&self, payload: Payload) -> bool {
        payload.is_absent()
    }

    #[message_pattern("context.later")]
    async fn context_later(&self, pair: Pair, cx: &ExecutionContext, metadata: Metadata, tenant: Tenant) -> Value {
        json!([pair.a, cx.pattern(), metadata.get("tenant"), tenant.0])
    }

    #[message_pattern("context.first")]
    async fn context_first(
        &self,
        cx: &ExecutionContext,
        metadata: &Metadata,
        owned: ExecutionContext,
        pair: Pair,
    ) -> Value {
        json!([cx.handler(), metadata.get("tenant"), owned.pattern(), pair.b])
    }

    #[message_pattern("marked")]
    async fn marked(&self, #[ctx] tenant: Tenant, missing: Option<Missing>, #[payload] pair: Pair) -> Value {
        json!([tenant.0, missing.is_none(), pair.a])
    }

    #[message_pattern("context.only")]
    async fn context_only(&self, #[ctx] _: Missing) -> &'static str {
        unreachable!("the argument could not be made")
    }

    #[message_pattern("itself")]
    fn itself(&self, payload: Option<Vec<<Self as Named>::Name>>) -> usize {
        payload.map_or(0, |names| names.len())
    }
}

trait Named {
    type Name;
}

impl Named for Arguments {
    type Name = String;
}

/// Several blocks, each with handlers of its own.
#[injectable]
struct Blocks {
    log: std::sync::Mutex<Vec<&'static str>>,
}

const CREATED: &str = "created";

#[micro_routes]
impl Blocks {
    #[message_pattern([{ cmd: "sum", v: 1 }, "sum", 7])]
    fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }

    #[cfg(any())]
    #[message_pattern("absent")]
    fn absent(&self, payload: DoesNotExist) {}

    #[cfg(any())]
    #[message_pattern("which")]
    fn which(&self) -> &'static str {
        "absent"
    }

    #[cfg(not(any()))]
    #[message_pattern("which")]
    fn which(&self) -> &'static str {
        "present"
    }
}

#[micro_routes]
impl crate::Blocks {
    const MADE: &str = "made";

    #[event_pattern(CREATED)]
    fn first(&self) {
        self.log.lock().unwrap().push("first");
    }

    #[event_pattern([CREATED, Self::MADE])]
    async fn second(&self, _: Value) -> Result<(), Refused> {
        self.log.lock().unwrap().push("second");
        Err(Refused)
    }
}

#[event_routes]
impl Blocks {
    #[on_event("created")]
    async fn third(&self, payload: Value) {
        assert_eq!(payload, json!(1));
        self.log.lock().unwrap().push("third");
    }
}

/// Blocks that a macro of the user's writes.
macro_rules! echo {
    ($service:ident: $pattern:literal, $other:expr, $key:ident => $dto:ty) => {
        #[injectable]
        struct $service;

        #[micro_routes]
        impl $service {
            #[message_pattern([$pattern, $other, { $key: $pattern }])]
            fn echo(&self, payload: $dto) -> Result<$dto, Refused> {
                Ok(payload)
            }
        }
    };
}

echo!(Echo: "echo", CREATED, cmd => Vec<u8>);

#[module(
    providers = [MathService, Arguments, Blocks, Echo],
    microservices = [MathService, Arguments, Blocks, Echo],
)]
struct AppModule;

#[test]
fn the_documented_service_answers() {
    let app = booted::<AppModule>();
    assert_eq!(send(&app, "math.add", json!({ "a": 1, "b": 2 })).unwrap(), Answer::Value(json!({ "result": 3.0 })));
    let [event] = &routes(&app, HandlerKind::Event, "user.created")[..] else { panic!() };
    assert_eq!(event.handler, "MathService::on_user_created");
    assert_eq!(call(event, Payload::from_json("\"ada\"")).unwrap(), Answer::Empty);
}

#[test]
fn each_argument_comes_from_where_it_should() {
    let app = booted::<AppModule>();
    let check = |pattern: &str, payload: Value, expected: Value| {
        assert_eq!(send(&app, pattern, payload).unwrap(), Answer::Value(expected), "{pattern}");
    };
    let pair = json!({ "a": 1, "b": 2 });
    check("none", json!("ignored"), json!("none"));
    check("typed", pair.clone(), json!(3));
    check("raw", json!(null), json!(false));
    check("context.later", pair.clone(), json!([1, "context.later", "acme", "acme"]));
    check("context.first", pair.clone(), json!(["Arguments::context_first", "acme", "context.first", 2]));
    check("marked", pair, json!(["acme", true, 1]));
    check("itself", json!(["a", "b"]), json!(2));
}

#[test]
fn an_argument_that_cannot_be_made_is_the_answer() {
    let app = booted::<AppModule>();
    assert_eq!(send(&app, "context.only", json!(1)).unwrap_err().message, "missing");
    let error = send(&app, "typed", json!({ "a": "x" })).unwrap_err();
    assert_eq!(error.kind(), nestrs::ErrorKind::InvalidPayload);
}

#[test]
fn a_macro_may_write_a_block() {
    let app = booted::<AppModule>();
    for pattern in [pattern!("echo"), pattern!(CREATED), pattern!({ cmd: "echo" })] {
        assert_eq!(send(&app, pattern, json!([1, 2])).unwrap(), Answer::Value(json!([1, 2])));
    }
}

#[test]
fn blocks_patterns_and_conditions_add_up() {
    let app = booted::<AppModule>();
    for pattern in [pattern!({ v: 1, cmd: "sum" }), pattern!("sum"), pattern!(7)] {
        assert_eq!(send(&app, pattern, json!([1, 2, 3])).unwrap(), Answer::Value(json!(6)));
    }
    assert_eq!(send(&app, "which", json!(null)).unwrap(), Answer::Value(json!("present")));
    assert!(routes(&app, HandlerKind::Message, "absent").is_empty());
    for route in routes(&app, HandlerKind::Event, pattern!(CREATED)) {
        let _ = call(&route, Payload::absent());
    }
    assert_eq!(routes(&app, HandlerKind::Event, "made").len(), 1);
    for route in routes(&app, HandlerKind::Bus, CREATED) {
        call(&route, Payload::from_value(json!(1))).unwrap();
    }
    assert_eq!(*app.root.get::<Blocks>().unwrap().log.lock().unwrap(), ["first", "second", "third"]);
}
