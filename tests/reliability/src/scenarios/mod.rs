//! What is tried, each a story of its own.

mod brokers;
mod connections;
mod faults;
mod halfopen;
mod kept;
mod kill9;
mod memory;
mod panics;
mod rolling;
mod soak;
mod traffic;

use std::future::Future;
use std::pin::Pin;

pub use halfopen::peers;
pub use kill9::callers;

use crate::report::Report;
use crate::settings::Settings;

/// One story.
#[derive(Debug)]
pub struct Scenario {
    /// As it is chosen on the command line.
    pub name: &'static str,
    /// In one line.
    pub about: &'static str,
    /// Tells it.
    pub run: fn(Settings) -> Telling,
}

/// A scenario that runs.
pub type Telling = Pin<Box<dyn Future<Output = Report>>>;

/// All of them, in the order in which they run.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "faults",
        about: "a network that cuts, delays, loses and changes bytes",
        run: |settings| tell(faults::run(settings)),
    },
    Scenario { name: "kill9", about: "a server killed with -9 under load", run: |settings| tell(kill9::run(settings)) },
    Scenario {
        name: "rolling",
        about: "two instances restarted in turn under load",
        run: |settings| tell(rolling::run(settings)),
    },
    Scenario {
        name: "memory",
        about: "peers that send only headers, never read, or send byte by byte",
        run: |settings| tell(memory::run(settings)),
    },
    Scenario { name: "panics", about: "handlers that panic, all of them", run: |settings| tell(panics::run(settings)) },
    Scenario {
        name: "connections",
        about: "connections that come and go",
        run: |settings| tell(connections::run(settings)),
    },
    Scenario {
        name: "halfopen",
        about: "a cable pulled, between two network namespaces",
        run: |settings| tell(halfopen::run(settings)),
    },
    Scenario {
        name: "brokers",
        about: "brokers stopped, killed, frozen and not there yet, under load",
        run: |settings| tell(brokers::run(settings)),
    },
    Scenario {
        name: "kept",
        about: "events that brokers keep, stopped, killed and frozen under load",
        run: |settings| tell(kept::run(settings)),
    },
    Scenario { name: "soak", about: "all of it for a long time", run: |settings| tell(soak::run(settings)) },
];

/// Their names.
#[must_use]
pub fn names() -> Vec<&'static str> {
    SCENARIOS.iter().map(|scenario| scenario.name).collect()
}

/// A scenario that could not go on has found something, be it in the harness.
fn tell(story: impl Future<Output = Result<Report, Broken>> + 'static) -> Telling {
    Box::pin(async move {
        story.await.unwrap_or_else(|broken| {
            let mut report = Report::default();
            report.broken(broken);
            report
        })
    })
}

/// Why a scenario could not go on.
type Broken = Box<dyn std::error::Error + Send + Sync>;
