//! Boot, through hand-written modules: macros only write what stands here. (Rows of handlers are in `tests/`: linkme's
//! expansions pass under `forbid(unsafe_code)` only in crates other than that of the slice.)

mod building;
mod configurable;
mod modules;
mod problems;
mod providers;
mod scopes;
mod sight;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::Resolver;

/// Polls until it is ready: nothing here waits for the outside.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut task = Context::from_waker(Waker::noop());
    for _ in 0..1_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut task) {
            return value;
        }
    }
    panic!("nothing should take that long")
}

fn booted(root: ModuleDef) -> Application {
    run(boot(root, BootOptions::default())).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(root: ModuleDef) -> BootError {
    run(boot(root, BootOptions::default())).expect_err("should not boot")
}

/// The only problem.
fn problem(root: ModuleDef) -> String {
    let error = refused(root);
    assert_eq!(error.problems().len(), 1, "{error}");
    error.problems()[0].to_string()
}

/// The root module of most tests.
struct AppModule;

fn app() -> ModuleDef {
    ModuleDef::new::<AppModule>()
}
