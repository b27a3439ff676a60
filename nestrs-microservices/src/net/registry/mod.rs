//! Who is connected to a server: what each connection does, what became of those that ended, and who is told.

mod connection;
mod events;
mod server;
mod stats;

pub use connection::{ConnectionId, ConnectionInfo};
pub use events::{ConnectionEvent, ConnectionEvents, ConnectionObserver};
pub use server::ServerStatus;
pub use stats::{RejectedConnections, ServerStats};

pub(crate) use connection::Meter;
pub(crate) use events::watch_with;
#[cfg(any(feature = "nats", feature = "redis"))]
pub(crate) use server::Registered;
pub(crate) use server::Registry;
pub(crate) use stats::{Counters, Rejection};
