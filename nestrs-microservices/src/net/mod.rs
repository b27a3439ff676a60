//! Raw TCP parts: codecs, sockets of any kind, and why connections end. Nothing here knows of modules, handlers or stages.

// What a peer sends must not be able to make this panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice))]

mod close;
pub mod codec;
pub mod io;

pub use close::{CloseReason, FaultCode};
