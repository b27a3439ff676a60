//! Why a connection ended.

use std::fmt;
use std::io;

/// Why a connection ended: one of a fixed list, the same in logs, in counters and for whoever observes connections.
///
/// ```
/// use nestrs_microservices::net::CloseReason;
/// assert_eq!(CloseReason::SlowFrame.to_string(), "slow-frame");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// What it sent is no frame, or no packet.
    Fault(FaultCode),
    /// A frame took too long (`frame_idle_timeout`, `min_frame_rate`).
    SlowFrame,
    /// It did not take what was sent to it (`send_queue_max`, `write_stall_timeout`).
    SlowConsumer,
    /// It had the longest queue when the server's bytes ran out (`send_budget_bytes`).
    Budget,
    /// There were too many connections (`max_connections`, `max_connections_per_ip`, `connect_rate_per_ip`).
    Limit,
    /// TLS or the authentication hook refused it, or took too long.
    Auth,
    /// It was silent for `idle_timeout`.
    Idle,
    /// The peer said FIN.
    PeerClosed,
    /// The peer said RST.
    PeerReset,
    /// The peer vanished: it no longer acknowledges anything.
    Dead,
    /// This side closed it, or is shutting down.
    Shutdown,
    /// A failure of this side.
    Internal,
}

/// What is wrong with bytes that are no frame or no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultCode {
    /// A byte that does not belong into a header, or a header that does not end.
    Header,
    /// Longer than `max_frame_bytes`.
    TooLarge,
    /// A length that ends inside a character.
    InsideCharacter,
    /// Not UTF-8.
    Utf8,
    /// Not JSON.
    Json,
    /// A packet id of more than 1 KiB.
    IdTooLong,
    /// The stream ended inside a frame.
    Truncated,
    /// It looks like HTTP.
    LooksLikeHttp,
    /// It looks like TLS.
    LooksLikeTls,
}

impl CloseReason {
    /// Why a connection ended whose socket failed.
    pub(crate) fn of_lost(error: &io::Error) -> Self {
        match error.kind() {
            // No answer to probes, or to what was sent; what a router says of a peer that is not there.
            io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::Dead,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::WriteZero => Self::PeerReset,
            _ => Self::Internal,
        }
    }

    /// A word for logs and counters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.code(),
            Self::SlowFrame => "slow-frame",
            Self::SlowConsumer => "slow-consumer",
            Self::Budget => "budget",
            Self::Limit => "limit",
            Self::Auth => "auth",
            Self::Idle => "idle",
            Self::PeerClosed => "peer-closed",
            Self::PeerReset => "peer-reset",
            Self::Dead => "dead",
            Self::Shutdown => "shutdown",
            Self::Internal => "internal",
        }
    }
}

impl FaultCode {
    /// A word for logs and counters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Header => "fault-header",
            Self::TooLarge => "fault-too-large",
            Self::InsideCharacter => "fault-inside-character",
            Self::Utf8 => "fault-utf8",
            Self::Json => "fault-json",
            Self::IdTooLong => "fault-id-too-long",
            Self::Truncated => "fault-truncated",
            Self::LooksLikeHttp => "fault-looks-like-http",
            Self::LooksLikeTls => "fault-looks-like-tls",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
