//! What is linked into the program and served nowhere. (Alone in its program: `tracing` settles once per process who is
//! interested in an event.)

mod support;

use std::fmt;
use std::sync::{Arc, Mutex};

use linkme::distributed_slice;
use nestrs_core::__private::HANDLERS;
use nestrs_core::{
    BoxFuture, ExecutionContext, HandlerDef, HandlerResult, HandlerSet, MicroRoutes, PatternLiteral, Payload, Provider,
    Reply, mount,
};
use tracing::field::{Field, Visit};
use tracing::{Subscriber, span};

use support::{app, booted, table};

struct Served;
struct Forgotten;

fn nothing<'a, S>(_: &'a Arc<S>, _: &'a ExecutionContext, _: &'a Payload) -> BoxFuture<'a, HandlerResult> {
    Box::pin(async { Ok(Reply::Empty) })
}

struct ServedRows;
impl MicroRoutes for ServedRows {
    type Service = Served;
    const HANDLERS: &'static [HandlerDef] =
        &[HandlerDef::message(&[PatternLiteral::Text("served")], "Served::it", |it| {
            mount(it, (), (), (), (), nothing::<Served>)
        })];
}
#[distributed_slice(HANDLERS)]
static SERVED: HandlerSet = HandlerSet::of::<ServedRows>();

struct ForgottenRows;
impl MicroRoutes for ForgottenRows {
    type Service = Forgotten;
    const HANDLERS: &'static [HandlerDef] = &[
        HandlerDef::message(&[PatternLiteral::Text("a")], "Forgotten::a", |it| {
            mount(it, (), (), (), (), nothing::<Forgotten>)
        }),
        HandlerDef::event(&[PatternLiteral::Text("b")], "Forgotten::b", |it| {
            mount(it, (), (), (), (), nothing::<Forgotten>)
        }),
    ];
}
#[distributed_slice(HANDLERS)]
static FORGOTTEN: HandlerSet = HandlerSet::of::<ForgottenRows>();

/// Keeps the fields of every event, as `name=value`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.lock().unwrap().push(format!("{}={value:?}", field.name()));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn handlers_that_are_linked_and_served_nowhere_are_logged() {
    let log = Log::default();
    let app = tracing::subscriber::with_default(log.clone(), || {
        // To be provided is not enough for message handlers.
        booted(app().provide(Provider::value(Served)).microservice::<Served>().provide(Provider::value(Forgotten)))
    });
    assert_eq!(table(&app), ["message served Served::it"]);
    let fields = log.0.lock().unwrap();
    assert!(fields.contains(&r#"services="Forgotten""#.to_owned()), "{fields:?}");
    assert!(fields.contains(&"handlers=2".to_owned()), "{fields:?}");
    assert!(!fields.iter().any(|field| field.contains("Served")), "{fields:?}");
}
