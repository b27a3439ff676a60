//! What calls and replies fail with.

use nestrs_core::{ErrorKind, Sent, TransportError};
use redis::RedisError;

use super::dial::told;

/// The session has ended.
pub(super) fn lost(sent: Sent) -> TransportError {
    TransportError::withheld(ErrorKind::ConnectionClosed, "the connection to Redis was lost").with_sent(sent)
}

/// The server does not do what it was asked to. Nobody else has seen any of it.
pub(super) fn refused(error: &RedisError, channel: &str) -> TransportError {
    let kind = match error.code() {
        Some("NOPERM") => ErrorKind::Forbidden,
        _ => ErrorKind::Unavailable,
    };
    TransportError::withheld(kind, format!("Redis refuses `{channel}`: {}", told(error)))
}
