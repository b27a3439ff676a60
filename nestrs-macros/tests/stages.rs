//! Guards, interceptors and pipes around handlers: which run, how each is built, and in which order.
#![allow(clippy::unused_async, reason = "what a handler looks like is not a matter of its body")]

mod support;

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nestrs::{
    CanActivate, ErrorKind, ExecutionContext, Interceptor, MicroCanActivate, MicroIncomingInterceptor,
    MicroPipeTransform, Payload, PipeTransform, TransportError, async_trait, forbidden,
};
// Only the outermost of several attributes is resolved by name; it hands the others to `micro_routes`.
use nestrs_macros::{injectable, micro_routes, module, use_micro_interceptors};
use serde_json::{Value, json};
use support::{Answer, booted, send};

/// What ran, in order.
#[injectable]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn add(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }
}

/// Built by the container.
#[injectable]
struct Outer {
    log: Arc<Log>,
}

impl Interceptor for Outer {
    async fn intercept<T: Send>(
        &self,
        _: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        self.log.add("outer in");
        let outcome = next.await;
        self.log.add("outer out");
        outcome
    }
}

/// One type per instantiation: stages may be generic.
#[injectable]
struct Step<Name: 'static + Send + Sync> {
    log: Arc<Log>,
    #[inject(default)]
    name: PhantomData<Name>,
}

impl<Name: 'static + Send + Sync> Step<Name> {
    fn run(&self, kind: &str) {
        let name = std::any::type_name::<Name>().rsplit("::").next().unwrap_or_default();
        self.log.add(format!("{kind} {name}"));
    }
}

struct OfBlock;
struct OfBlockToo;
struct OfMethod;
struct OfMethodToo;

impl<Name: 'static + Send + Sync> Interceptor for Step<Name> {
    async fn intercept<T: Send>(
        &self,
        _: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        self.run("interceptor");
        next.await
    }
}

impl<Name: 'static + Send + Sync> CanActivate for Step<Name> {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        self.run("guard");
        Ok(())
    }
}

impl<Name: 'static + Send + Sync> PipeTransform for Step<Name> {
    async fn transform(&self, _: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        self.run("pipe");
        Ok(payload)
    }
}

/// Built by `Default`, of the neutral kind.
#[derive(Default)]
struct TenantGuard;

impl CanActivate for TenantGuard {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        if cx.metadata().get("tenant").is_some() { Ok(()) } else { Err(forbidden()) }
    }
}

/// The documented kinds.
#[derive(Default)]
struct TokenGuard;

#[async_trait]
impl MicroCanActivate for TokenGuard {
    async fn can_activate_micro(&self, pattern: &str, payload: &Value) -> Result<(), TransportError> {
        if payload["token"] == pattern { Ok(()) } else { Err(TransportError::new("unauthorized")) }
    }
}

static WATCHED: AtomicUsize = AtomicUsize::new(0);

#[derive(Default)]
struct Watch;

#[async_trait]
impl MicroIncomingInterceptor for Watch {
    async fn before_handle_micro(&self, pattern: &str, payload: &Value) {
        assert_eq!((pattern, payload), ("watched", &json!("payload")));
        WATCHED.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Double;

#[async_trait]
impl MicroPipeTransform for Double {
    async fn transform_micro(&self, _: &str, payload: Value) -> Result<Value, TransportError> {
        payload.as_i64().map(|number| json!(number * 2)).ok_or_else(|| TransportError::new("no number"))
    }
}

#[injectable]
struct Service {
    log: Arc<Log>,
}

#[use_micro_interceptors(Outer)]
#[use_micro_guards(Step<OfBlock>)]
#[micro_routes]
#[use_micro_guards(Step<OfBlockToo>)]
#[use_micro_interceptors(Step<OfBlock>)]
#[use_micro_pipes(Step<OfBlock>)]
impl Service {
    #[use_micro_pipes(Step<OfMethod>, Step<OfMethodToo>)]
    #[message_pattern("all")]
    #[use_micro_guards(Step<OfMethod>)]
    #[use_micro_guards(Step<OfMethodToo>)]
    #[use_micro_interceptors(Step<OfMethod>)]
    async fn all(&self) {
        self.log.add("handler");
    }
}

#[micro_routes]
impl Service {
    #[message_pattern("guarded")]
    #[use_micro_guards(TenantGuard, TokenGuard)]
    async fn guarded(&self) -> &'static str {
        "in"
    }

    #[message_pattern("watched")]
    #[use_micro_interceptors(Watch)]
    async fn watched(&self) {}

    #[message_pattern("doubled")]
    #[use_micro_pipes(Double, Double)]
    async fn doubled(&self, number: i64) -> i64 {
        number
    }
}

#[module(providers = [Log, Service], microservices = [Service])]
struct AppModule;

#[test]
fn the_order_is_interceptors_guards_pipes_handler_and_the_block_before_the_method() {
    let app = booted::<AppModule>();
    assert_eq!(send(&app, "all", json!(null)).unwrap(), Answer::Empty);
    let expected = [
        "outer in",
        "interceptor OfBlock",
        "interceptor OfMethod",
        "guard OfBlock",
        "guard OfBlockToo",
        "guard OfMethod",
        "guard OfMethodToo",
        "pipe OfBlock",
        "pipe OfMethod",
        "pipe OfMethodToo",
        "handler",
        "outer out",
    ];
    assert_eq!(*app.root.get::<Log>().unwrap().0.lock().unwrap(), expected);
}

#[test]
fn the_documented_kinds_stand_beside_the_neutral_ones() {
    let app = booted::<AppModule>();
    assert_eq!(send(&app, "guarded", json!({ "token": "guarded" })).unwrap(), Answer::Value(json!("in")));
    let refused = send(&app, "guarded", json!({ "token": "other" })).unwrap_err();
    assert_eq!((refused.message.as_str(), refused.kind()), ("unauthorized", ErrorKind::Application));
    assert_eq!(send(&app, "watched", json!("payload")).unwrap(), Answer::Empty);
    assert_eq!(WATCHED.load(Ordering::Relaxed), 1);
    assert_eq!(send(&app, "doubled", json!(3)).unwrap(), Answer::Value(json!(12)));
    assert_eq!(send(&app, "doubled", json!("x")).unwrap_err().message, "no number");
}
