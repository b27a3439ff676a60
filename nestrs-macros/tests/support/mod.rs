//! Calling handlers as a transport would, without one.
#![allow(dead_code, reason = "each test file uses its part")]

use futures_util::{FutureExt, StreamExt};
use nestrs::{
    Application, BootOptions, ContextKind, ExecutionContext, HandlerKind, Module, Pattern, Payload, Reply, Route,
    TransportError, boot,
};
use serde_json::Value;

/// Boots the application of a root module.
pub(crate) fn booted<M: Module>() -> Application {
    boot(M::define(), BootOptions::default()).now_or_never().expect("nothing to wait for").expect("no problems")
}

/// What a handler answered: a value, nothing (`null` told apart from it), or the items of a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Value(Value),
    Empty,
    Stream(Vec<Result<Value, TransportError>>),
}

pub(crate) type Outcome = Result<Answer, TransportError>;

/// All routes of a kind under a pattern, in the order in which they would run.
pub(crate) fn routes(app: &Application, kind: HandlerKind, pattern: impl Into<Pattern>) -> Vec<Route> {
    let pattern = pattern.into();
    app.routes.iter().filter(|route| route.kind == kind && route.pattern == pattern).cloned().collect()
}

/// Sends a message.
pub(crate) fn send(app: &Application, pattern: impl Into<Pattern>, payload: Value) -> Outcome {
    let routes = routes(app, HandlerKind::Message, pattern);
    let [route] = routes.as_slice() else { panic!("{} handlers", routes.len()) };
    call(route, Payload::from_value(payload))
}

/// Calls one route.
pub(crate) fn call(route: &Route, payload: Payload) -> Outcome {
    let metadata = [("tenant", "acme")].into_iter().collect();
    let cx = ExecutionContext::new(ContextKind::Message, route.pattern.route(), payload.clone())
        .with_handler(route.handler)
        .with_metadata(Some(metadata));
    let reply = route.endpoint.call(&cx, &payload).now_or_never().expect("handlers here never wait")?;
    Ok(match reply {
        Reply::Value(value) => Answer::Value(value.into_value()?),
        Reply::Empty => Answer::Empty,
        Reply::Stream(stream) => {
            let items = stream.map(|item| item.and_then(Payload::into_value)).collect::<Vec<_>>();
            // The context is gone before the first item is asked for, as it may be in a server.
            drop(cx);
            Answer::Stream(items.now_or_never().expect("streams here never wait"))
        }
    })
}
