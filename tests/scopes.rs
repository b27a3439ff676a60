//! Providers that are no singletons, in a running application: one per consumer, one per call.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nestrs::prelude::*;
use nestrs::{Module, boot};
use serde_json::json;

use support::{client_of, serve};

/// Built once per call, for whoever asks in that call.
#[injectable(scope = request)]
struct Tenant {
    cx: Arc<ExecutionContext>,
    counter: Arc<Counter>,
    #[inject(default)]
    number: std::sync::OnceLock<usize>,
}

impl Tenant {
    fn name(&self) -> &str {
        self.cx.metadata().get("x-tenant").unwrap_or("nobody")
    }

    /// Which one it is of those that were asked.
    fn number(&self) -> usize {
        *self.number.get_or_init(|| self.counter.next())
    }
}

#[injectable]
struct Counter {
    last: AtomicUsize,
}

impl Counter {
    fn next(&self) -> usize {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[injectable(scope = request)]
struct Orders {
    tenant: Arc<Tenant>,
    audit: Arc<Audit>,
    bus: Arc<EventBus>,
}

#[injectable(scope = request)]
struct Audit {
    tenant: Arc<Tenant>,
}

/// Uses the call's own tenant, though it is built long before any call.
#[injectable]
struct KnownTenants {
    module: Arc<ModuleRef>,
}

impl CanActivate for KnownTenants {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        let tenant = self.module.resolve_in::<Tenant>(&ContextId::of(cx)).await?;
        tenant.number();
        if tenant.name() == "nobody" { Err(forbidden()) } else { Ok(()) }
    }
}

#[micro_routes]
impl Orders {
    #[message_pattern("orders.who")]
    async fn who(&self) -> serde_json::Value {
        let same = Arc::ptr_eq(&self.tenant, &self.audit.tenant);
        json!([self.tenant.name(), self.tenant.number(), same])
    }

    #[use_micro_guards(KnownTenants)]
    #[message_pattern("orders.guarded")]
    async fn guarded(&self) -> serde_json::Value {
        json!([self.tenant.name(), self.tenant.number()])
    }

    #[message_pattern("orders.stream")]
    fn stream(&self) -> impl futures_util::Stream<Item = String> {
        futures_util::stream::iter((0..3).map(|index| format!("{} {index}", self.tenant.name())))
    }

    #[message_pattern("orders.announce")]
    async fn announce(&self) -> usize {
        self.bus.publish("announced", self.tenant.number()).await.handled
    }

    #[event_pattern("orders.event")]
    async fn first(&self) {
        self.tenant.number();
    }

    #[event_pattern("orders.event")]
    async fn second(&self) {
        self.tenant.number();
    }
}

/// A subscriber of its own for every event.
#[injectable(scope = request)]
struct Subscriber {
    tenant: Arc<Tenant>,
    cx: Arc<ExecutionContext>,
}

#[event_routes]
impl Subscriber {
    #[on_event("announced")]
    async fn announced(&self, by: usize) -> Result<(), TransportError> {
        let well = self.cx.pattern() == "announced" && self.tenant.number() != by;
        if well { Ok(()) } else { Err(TransportError::new("the event is a call of its own")) }
    }
}

#[injectable]
struct Counts {
    counter: Arc<Counter>,
}

#[micro_routes]
impl Counts {
    #[message_pattern("counted")]
    async fn counted(&self) -> usize {
        self.counter.last.load(Ordering::Relaxed)
    }
}

#[module(
    providers = [Tenant, Counter, Orders, Audit, Subscriber, Counts, KnownTenants],
    microservices = [Orders, Counts],
)]
struct OrdersModule;

#[tokio::test]
async fn each_message_has_instances_of_its_own_and_shares_them() {
    let app = serve::<OrdersModule>().await;
    let client = client_of(&app);
    let who = |tenant: &'static str| {
        let client = client.with_metadata("x-tenant", tenant);
        async move { client.send::<_, serde_json::Value>("orders.who", &()).await.unwrap() }
    };
    assert_eq!(who("acme").await, json!(["acme", 1, true]));
    assert_eq!(who("evil").await, json!(["evil", 2, true]));
    assert!(app.get::<Orders>().is_none(), "there is none outside of a call");
    app.close().await;
}

#[tokio::test]
async fn a_guard_can_ask_for_the_instances_of_the_call_that_it_guards() {
    let app = serve::<OrdersModule>().await;
    let client = client_of(&app);
    let known = client.with_metadata("x-tenant", "acme");
    let answer = known.send::<_, serde_json::Value>("orders.guarded", &()).await.unwrap();
    assert_eq!(answer, json!(["acme", 1]), "the guard's tenant is the handler's");
    let error = client.send::<_, serde_json::Value>("orders.guarded", &()).await.unwrap_err();
    assert_eq!(error.message, "Forbidden resource");
    app.close().await;
}

#[tokio::test]
async fn a_stream_keeps_the_instances_that_it_borrows_from() {
    use futures_util::StreamExt;
    let app = serve::<OrdersModule>().await;
    let client = client_of(&app).with_metadata("x-tenant", "acme");
    let items: Vec<_> = client.send_stream::<_, String>("orders.stream", &()).await.unwrap().collect().await;
    let items: Vec<String> = items.into_iter().map(Result::unwrap).collect();
    assert_eq!(items, ["acme 0", "acme 1", "acme 2"]);
    app.close().await;
}

#[tokio::test]
async fn an_event_of_the_bus_is_a_call_of_its_own() {
    let app = serve::<OrdersModule>().await;
    assert_eq!(client_of(&app).send::<_, usize>("orders.announce", &()).await.unwrap(), 1);
    app.close().await;
}

#[tokio::test]
async fn each_handler_of_one_event_has_instances_of_its_own() {
    let app = serve::<OrdersModule>().await;
    let client = client_of(&app);
    // A request for event handlers is answered after all have run.
    let _ = client.send::<_, serde_json::Value>("orders.event", &()).await;
    assert_eq!(client.send::<_, usize>("counted", &()).await.unwrap(), 2);
    app.close().await;
}

/// Refuses, breaks or panics, as it is told.
struct Fragile;

#[injectable(scope = request)]
struct Service {
    _fragile: Arc<Fragile>,
}

#[micro_routes]
impl Service {
    #[message_pattern("fragile")]
    async fn handle(&self) -> &'static str {
        "fine"
    }
}

fn fragile() -> Provider {
    let make = |cx: Arc<ExecutionContext>| match cx.payload().decode::<String>()?.as_str() {
        "refuse" => Err(TransportError::new("not you").with_kind(ErrorKind::Forbidden)),
        "break" => Err(TransportError::internal("the disk is full")),
        "panic" => panic!("while building"),
        _ => Ok(Fragile),
    };
    Provider::try_factory(make).scope(ProviderScope::Request)
}

#[module(providers = [Service, fragile()], microservices = [Service])]
struct FragileModule;

#[tokio::test]
async fn a_failure_to_build_answers_that_call_and_no_other() {
    let app = serve::<FragileModule>().await;
    let client = client_of(&app);
    let outcome = async |how: &str| match client.send::<_, String>("fragile", how).await {
        Ok(answer) => answer,
        Err(error) => error.message,
    };
    assert_eq!(outcome("refuse").await, "not you");
    assert_eq!(outcome("break").await, "Internal server error");
    assert_eq!(outcome("panic").await, "Internal server error");
    assert_eq!(outcome("work").await, "fine");
    app.close().await;
}

/// Boots a module, and gives what is wrong with it.
async fn refused<M: Module>() -> String {
    boot(M::define(), Default::default()).await.expect_err("should not boot").to_string()
}

#[injectable(scope = request)]
struct PerCallGuard;

impl CanActivate for PerCallGuard {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        Ok(())
    }
}

/// Built by its route: nobody provides it.
#[injectable]
struct TenantGuard {
    _tenant: Arc<Tenant>,
}

impl CanActivate for TenantGuard {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        Ok(())
    }
}

#[injectable]
struct Guarded;

#[micro_routes]
impl Guarded {
    #[use_micro_guards(PerCallGuard, TenantGuard)]
    #[message_pattern("guarded")]
    async fn handle(&self) {}
}

#[module(providers = [Guarded, PerCallGuard, Tenant, Counter], microservices = [Guarded])]
struct GuardedModule;

#[tokio::test]
async fn a_stage_that_is_request_scoped_or_needs_what_is_does_not_start() {
    let text = refused::<GuardedModule>().await;
    assert!(
        text.contains("`PerCallGuard` on `Guarded::handle` needs `Arc<PerCallGuard>`, which is request-scoped"),
        "{text}"
    );
    assert!(text.contains("`TenantGuard` on `Guarded::handle` needs `Arc<Tenant>`, which is request-scoped"), "{text}");
    assert!(text.contains("ModuleRef::resolve_in(&ContextId::of(cx))"), "{text}");
}

#[injectable(scope = transient)]
struct Fresh;

#[micro_routes]
impl Fresh {
    #[message_pattern("fresh")]
    async fn handle(&self) {}
}

#[module(providers = [Fresh], microservices = [Fresh])]
struct FreshModule;

#[tokio::test]
async fn a_transient_service_has_no_handlers() {
    assert_eq!(
        refused::<FreshModule>().await,
        "the application cannot start: `Fresh` has handlers and is transient (FreshModule); make it a singleton, or \
         request-scoped for a new one per call",
    );
}

#[controller("/pages")]
impl Fresh {
    #[get("/fresh")]
    async fn page(&self) -> &'static str {
        "fresh"
    }
}

/// Fresh for each consumer; remembers nothing of the others.
#[injectable(scope = transient)]
struct Logger {
    lines: AtomicUsize,
}

#[injectable]
struct Left {
    logger: Arc<Logger>,
}

#[injectable]
struct Right {
    logger: Arc<Logger>,
}

#[module(providers = [Logger, Left, Right])]
struct LoggingModule;

#[tokio::test]
async fn each_consumer_of_a_transient_provider_has_its_own() {
    let app = serve::<LoggingModule>().await;
    let (left, right) = (app.get::<Left>().unwrap(), app.get::<Right>().unwrap());
    left.logger.lines.fetch_add(1, Ordering::Relaxed);
    assert_eq!(right.logger.lines.load(Ordering::Relaxed), 0);
    app.close().await;
}
