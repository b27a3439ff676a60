//! Why a connection cannot be understood any further.

use crate::net::FaultCode;
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
    /// Its code; the commonest mistakes are told by their first bytes.
    pub(super) fn code(&self, buffer: &[u8]) -> FaultCode {
        match (self, buffer.first()) {
            (Self::Frame(FrameError::Header), Some(b'A'..=b'Z')) => FaultCode::LooksLikeHttp,
            (Self::Frame(FrameError::Header), Some(0x16)) => FaultCode::LooksLikeTls,
            (Self::Frame(FrameError::Header), _) => FaultCode::Header,
            (Self::Frame(FrameError::TooLarge { .. }), _) => FaultCode::TooLarge,
            (Self::Frame(FrameError::InsideCharacter), _) => FaultCode::InsideCharacter,
            (Self::Frame(FrameError::Utf8), _) => FaultCode::Utf8,
            (Self::Json, _) => FaultCode::Json,
            (Self::IdTooLong, _) => FaultCode::IdTooLong,
        }
    }
}
