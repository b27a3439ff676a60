//! The service that the suite calls, and what its handlers have seen.

use std::panic::panic_any;
use std::sync::Arc;
use std::time::Instant;

use futures_util::stream;
use nestrs_core::{
    BoxFuture, Endpoint, ExecutionContext, Extras, HandlerKind, HandlerLimits, HandlerResult, Pattern, Payload, Reply,
    Route, TransportError,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use crate::context::Cancellation;
use crate::dispatcher::Dispatcher;

/// What no caller may read.
pub(super) const SECRET: &str = "the key is under the mat";

/// One instance of it.
pub(super) struct Service {
    /// What its patterns begin with.
    prefix: String,
    /// What its handlers have seen, a line each.
    pub(super) seen: watch::Sender<Vec<String>>,
    /// What calls to `hold` wait for.
    pub(super) release: Semaphore,
}

/// What a handler does.
#[derive(Clone, Copy)]
enum Act {
    Echo,
    Nothing,
    Fail,
    FailInside,
    Count,
    CountAndFail,
    Tenant,
    Left,
    Hold,
    Watch,
    Long,
    Panic,
    Note(&'static str),
}

impl Service {
    pub(super) fn new(prefix: &str) -> Arc<Self> {
        Arc::new(Self { prefix: prefix.to_owned(), seen: watch::Sender::default(), release: Semaphore::new(0) })
    }

    /// What a handler is called by.
    pub(super) fn pattern(&self, name: &str) -> Pattern {
        match name {
            "object" => Pattern::from(&json!({ "cmd": self.prefix, "of": { "v": 1 } })),
            name => Pattern::from(format!("{}.{name}", self.prefix)),
        }
    }

    pub(super) fn dispatcher(self: &Arc<Self>) -> Dispatcher {
        use HandlerKind::{Event, Message};
        let rows = [
            ("echo", Message, Act::Echo),
            ("object", Message, Act::Echo),
            ("nothing", Message, Act::Nothing),
            ("fail", Message, Act::Fail),
            ("fail-inside", Message, Act::FailInside),
            ("count", Message, Act::Count),
            ("count-and-fail", Message, Act::CountAndFail),
            ("tenant", Message, Act::Tenant),
            ("left", Message, Act::Left),
            ("hold", Message, Act::Hold),
            ("watch", Message, Act::Watch),
            ("long", Message, Act::Long),
            ("panic", Message, Act::Panic),
            ("note", Event, Act::Note("first")),
            ("note", Event, Act::Note("second")),
        ];
        let route = |(name, kind, act)| Route {
            pattern: self.pattern(name),
            kind,
            handler: "Conformance",
            metadata: None,
            chain: Arc::default(),
            transports: &[],
            extras: Extras::default(),
            limits: HandlerLimits::default(),
            endpoint: Arc::new(Handler { act, service: Arc::clone(self) }),
        };
        Dispatcher::from_routes(&rows.map(route))
    }

    fn see(&self, line: String) {
        self.seen.send_modify(|seen| seen.push(line));
    }

    /// How often this was seen.
    pub(super) fn times(&self, line: &str) -> usize {
        self.seen.borrow().iter().filter(|seen| *seen == line).count()
    }

    /// What was seen that begins so, without that.
    pub(super) fn after(&self, prefix: &str) -> Vec<String> {
        self.seen.borrow().iter().filter_map(|seen| Some(seen.strip_prefix(prefix)?.to_owned())).collect()
    }

    /// Waits until the lines are as wanted.
    pub(super) async fn until(&self, mut wanted: impl FnMut(&[String]) -> bool) {
        let mut seen = self.seen.subscribe();
        // The sender is this one's own.
        let _ = seen.wait_for(|seen| wanted(seen)).await;
    }
}

struct Handler {
    act: Act,
    service: Arc<Service>,
}

impl Endpoint for Handler {
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
        Box::pin(async move { self.act(cx, payload.clone()).await })
    }
}

impl Handler {
    async fn act(&self, cx: &ExecutionContext, payload: Payload) -> HandlerResult {
        let service = &*self.service;
        let value = payload.into_value()?;
        match self.act {
            Act::Echo => {
                service.see(format!("echo {value}"));
                reply(&value)
            }
            Act::Nothing => Ok(Reply::Empty),
            Act::Fail => Err(TransportError::new("sold out").with_details(value)),
            Act::FailInside => Err(TransportError::internal(SECRET)),
            Act::Count => count(value.as_u64().unwrap_or(0), None),
            Act::CountAndFail => count(2, Some(TransportError::new("out of numbers"))),
            Act::Tenant => reply(&cx.metadata().get("x-tenant").map_or(Value::Null, Value::from)),
            Act::Left => {
                let left = cx.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
                reply(&left.map_or(Value::Null, |left| json!(left.as_millis() as u64)))
            }
            Act::Hold => {
                let held = Held { service, value };
                service.see(format!("held {}", held.value));
                if let Ok(permit) = service.release.acquire().await {
                    permit.forget();
                }
                reply(&held.value)
            }
            Act::Watch => {
                service.see("watching".to_owned());
                Cancellation::of(cx).cancelled().await;
                service.see("told".to_owned());
                Ok(Reply::Empty)
            }
            Act::Long => {
                reply(&Value::from("x".repeat(value.as_u64().and_then(|len| len.try_into().ok()).unwrap_or(0))))
            }
            Act::Panic => panic_any(SECRET),
            Act::Note(which) => {
                let tenant = cx.metadata().get("x-tenant").map(|tenant| format!(" of {tenant}")).unwrap_or_default();
                service.see(format!("{which} {value}{tenant}"));
                Ok(Reply::Empty)
            }
        }
    }
}

/// A handler that runs; its end is seen, however it ends.
struct Held<'a> {
    service: &'a Service,
    value: Value,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.service.see(format!("let go {}", self.value));
    }
}

fn reply(value: &Value) -> HandlerResult {
    Ok(Reply::Value(Payload::from_serialize(value)?))
}

/// Numbers from one to `last`, and then an error.
fn count(last: u64, error: Option<TransportError>) -> HandlerResult {
    let numbers = (1..=last).map(|number| Payload::from_serialize(&number));
    Ok(Reply::Stream(Box::pin(stream::iter(numbers.chain(error.map(Err))))))
}
