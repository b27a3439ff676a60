//! Raw TCP parts: codecs, sockets of any kind, and why connections end. Nothing here knows of modules, handlers or stages.

mod close;
pub mod codec;
mod identity;
pub mod io;
mod secret;
#[cfg(feature = "tls")]
pub mod tls;

pub use close::{CloseReason, FaultCode};
pub use identity::PeerIdentity;
pub use secret::Secret;
