//! Why a connection cannot be understood any further.

use crate::net::codec::FrameError;

/// Why a connection cannot be understood any further.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Frame(FrameError),
    #[error("frame body is not JSON")]
    Json,
    #[error("packet id is longer than 1024 bytes")]
    IdTooLong,
}

impl Fault {
    /// The commonest mistakes, by their first bytes.
    pub(super) fn hint(&self, buffer: &[u8]) -> &'static str {
        match (self, buffer.first()) {
            (Self::Frame(FrameError::Header), Some(b'A'..=b'Z')) => "looks like HTTP",
            (Self::Frame(FrameError::Header), Some(0x16)) => "looks like TLS",
            _ => "",
        }
    }
}
