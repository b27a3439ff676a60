//! Raw TCP parts: codecs, sockets of any kind, and why connections end. Nothing here knows of modules, handlers or stages.

mod close;
pub mod codec;
pub mod io;

pub use close::{CloseReason, FaultCode};
