//! The one error of a call: what the application said, or what went wrong on the way.

mod kind;
mod transport_error;

// What it says, and to whom.
mod log;
mod wire;

// What it is made of.
mod foreign;
mod quoteless;

#[cfg(test)]
mod tests;

pub use kind::{ErrorKind, Sent};
pub use quoteless::Misfit;
pub(crate) use quoteless::quoteless;
pub use transport_error::TransportError;

/// What NestJS tells a caller about a failure that is none of its business.
pub const INTERNAL_SERVER_ERROR: &str = "Internal server error";
