//! Message brokers for tests: real ones, as child processes, each on a free port of this machine and with its files in a
//! directory that goes with it.
//!
//! ```no_run
//! use nestrs_brokers::{Broker, Redis};
//!
//! # async fn test() -> std::io::Result<()> {
//! let Some(mut broker) = Broker::start_or_skip(Redis::new()).await else { return Ok(()) };
//! let address = broker.address(); // "127.0.0.1:26379"
//! broker.kill().await?; // -9
//! broker.restart().await?; // the same port, the same files
//! broker.pause().await?; // frozen: connections stay, nothing is answered
//! broker.resume().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A broker that is not installed lets the test return, after a line on stderr that says so. Where brokers have to be there
//! (`CI=true`, or `NESTRS_REQUIRE_BROKERS=1`, which `cargo xtask test` sets once it has installed them) the test fails
//! instead. `NESTRS_SKIP_BROKERS=1` skips them all.
//!
//! What a further broker has to say of itself is the trait [`Recipe`].

mod broker;
mod certificates;
mod missing;
mod nats;
mod place;
mod port;
mod process;
mod recipe;
mod redis;

pub use broker::Broker;
pub use certificates::{Certificates, Pair};
pub use nats::Nats;
pub use place::Place;
pub use port::free_port;
pub use recipe::{Recipe, Start};
pub use redis::Redis;
