//! Raw TCP parts: codecs, sockets of any kind, who is connected, who is let in, and why connections end. Nothing here knows of modules, handlers or stages.

// What a peer sends must not be able to make this panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice))]

mod accept;
mod close;
pub mod codec;
mod identity;
pub mod io;
pub(crate) mod limits;
pub(crate) mod registry;
mod secret;
pub(crate) mod shared;
pub(crate) mod throttle;
#[cfg(feature = "tls")]
pub mod tls;

pub use accept::AcceptRetry;
pub use close::{CloseReason, FaultCode};
pub use identity::PeerIdentity;
pub use secret::Secret;
