//! The reliability harness: a server process of ours under faults, kills, storms and load, and what callers see of it.
//!
//! `cargo xtask reliability` builds and runs it. Everything a scenario does is a function of its seed: which faults, which
//! calls, which moments. What the machine makes of them is not, so checks are bounds and never exact times.
//!
//! In reading order:
//!
//! - [`settings`]: what was asked for; [`report`]: what came of it;
//! - [`server`]: the process that suffers; [`process`]: starting, watching and ending it from outside;
//! - [`load`]: calls that are accounted for, one by one; [`probe`]: what another client feels meanwhile;
//! - [`proxy`]: the network that misbehaves; [`balancer`]: one that does not;
//! - [`scenarios`]: what is tried, each a story of its own.

pub mod balancer;
pub mod latency;
pub mod load;
pub mod probe;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod report;
pub mod scenarios;
pub mod server;
pub mod settings;
