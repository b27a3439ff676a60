//! Why a connection cannot be understood any further.

use crate::net::FaultCode;
use crate::net::codec::FrameError;
use crate::packet::PacketError;

/// Why a connection cannot be understood any further.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Frame(FrameError),
    /// Before a deserializer of the user's has seen it.
    #[error("frame body is not JSON")]
    Json,
    #[error("{0}")]
    Packet(PacketError),
    #[error("the stream ended inside a frame")]
    Truncated,
}

impl Fault {
    /// What else begins with the bytes that are no header: the commonest mistakes on a port.
    pub(super) fn hint(&self, buffer: &[u8]) -> Option<&'static str> {
        match self.code(buffer) {
            FaultCode::LooksLikeHttp => Some("looks like HTTP"),
            FaultCode::LooksLikeTls => Some("looks like TLS"),
            _ => None,
        }
    }

    /// Its code; the commonest mistakes are told by their first bytes.
    pub(super) fn code(&self, buffer: &[u8]) -> FaultCode {
        match self {
            Self::Frame(FrameError::Header) if is_start_of(buffer, HTTP) => FaultCode::LooksLikeHttp,
            Self::Frame(FrameError::Header) if is_start_of(buffer, TLS) => FaultCode::LooksLikeTls,
            Self::Frame(FrameError::Header) => FaultCode::Header,
            Self::Frame(FrameError::TooLarge { .. }) => FaultCode::TooLarge,
            Self::Frame(FrameError::InsideCharacter) => FaultCode::InsideCharacter,
            Self::Frame(FrameError::Utf8) => FaultCode::Utf8,
            Self::Packet(PacketError::IdTooLong) => FaultCode::IdTooLong,
            Self::Json | Self::Packet(_) => FaultCode::Json,
            Self::Truncated => FaultCode::Truncated,
        }
    }
}

const HTTP: &[&[u8]] = &[
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"PATCH ",
    b"DELETE ",
    b"OPTIONS ",
    b"CONNECT ",
    b"TRACE ",
    b"PRI * HTTP/2",
];
/// A handshake record of any version.
const TLS: &[&[u8]] = &[&[0x16, 0x03]];

/// Whether `bytes`, which may have been cut anywhere, begin as one of `openings` does.
fn is_start_of(bytes: &[u8], openings: &[&[u8]]) -> bool {
    !bytes.is_empty() && openings.iter().any(|opening| bytes.iter().zip(*opening).all(|(one, other)| one == other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fr_18_http_and_tls_are_told_by_their_first_bytes() {
        let check = |bytes: &[u8], code| assert_eq!(Fault::Frame(FrameError::Header).code(bytes), code, "{bytes:?}");
        check(b"GET / HTTP/1.1\r\n", FaultCode::LooksLikeHttp);
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", FaultCode::LooksLikeHttp);
        check(b"P", FaultCode::LooksLikeHttp);
        check(&[0x16, 0x03, 0x01, 0x02, 0x00], FaultCode::LooksLikeTls);
        check(&[0x16], FaultCode::LooksLikeTls);
        check(&[0x16, 0x16], FaultCode::Header);
        check(b"GOT / HTTP/1.1\r\n", FaultCode::Header);
        check(b"abc#{}", FaultCode::Header);
    }
}
