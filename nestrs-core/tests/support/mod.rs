//! Booting and calling, for tests whose modules and rows are written by hand.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use nestrs_core::{
    Application, BootError, BootOptions, ContextKind, ExecutionContext, HandlerKind, HandlerResult, ModuleDef, Payload,
    Reply, Route, boot,
};

/// Polls until it is ready: nothing here waits for the outside.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut task = Context::from_waker(Waker::noop());
    for _ in 0..1_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut task) {
            return value;
        }
    }
    panic!("nothing should take that long")
}

pub fn booted(root: ModuleDef) -> Application {
    run(boot(root, BootOptions::default())).unwrap_or_else(|error| panic!("{error}"))
}

pub fn refused(root: ModuleDef) -> BootError {
    run(boot(root, BootOptions::default())).expect_err("should not boot")
}

/// The only problem.
pub fn problem(root: ModuleDef) -> String {
    let error = refused(root);
    assert_eq!(error.problems().len(), 1, "{error}");
    error.problems()[0].to_string()
}

/// The root module of most tests.
pub struct AppModule;

pub fn app() -> ModuleDef {
    ModuleDef::new::<AppModule>()
}

/// Calls the only route of that pattern.
pub fn call(app: &Application, pattern: &str, payload: &'static str) -> HandlerResult {
    let found: Vec<&Route> = app.routes.iter().filter(|route| route.pattern.route() == pattern).collect();
    let [route] = *found else { panic!("`{pattern}` has {} routes", found.len()) };
    let payload = Payload::from_json(payload);
    let cx = ExecutionContext::new(ContextKind::Message, pattern, payload.clone()).with_handler(route.handler);
    run(route.endpoint.call(&cx, &payload))
}

/// The JSON of an answer that is one value.
pub fn answer(result: HandlerResult) -> String {
    match result {
        Ok(Reply::Value(payload)) => String::from_utf8(payload.json().into_owned()).unwrap(),
        other => panic!("no value but {other:?}"),
    }
}

/// Each route as `kind pattern handler`.
pub fn table(app: &Application) -> Vec<String> {
    let word = |kind| match kind {
        HandlerKind::Message => "message",
        HandlerKind::Event => "event",
        HandlerKind::Bus => "bus",
    };
    app.routes.iter().map(|route| format!("{} {} {}", word(route.kind), route.pattern, route.handler)).collect()
}
