//! One connection to a Redis server: a socket, TLS, who we are; and why there is none.

use std::fmt;
use std::io;

use nestrs_core::{ErrorKind, Sent, TransportError};
use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo, RedisError};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::net::io::BoxIo;

use super::address::wrong;
use super::settings::Settings;

/// A connection, and the task that reads and writes it, which ends with this.
pub(super) struct Wire {
    pub(super) commands: MultiplexedConnection,
    _task: AbortOnDropHandle<()>,
}

/// Why there is no connection.
pub(super) enum DialError {
    Io(io::Error),
    /// The server's, or the driver's.
    Redis(RedisError),
    TimedOut,
}

impl Wire {
    /// Dials once. What the server says unasked goes to `push`; `lost` is cancelled when the connection has ended.
    pub(super) async fn dial(
        settings: &Settings,
        push: impl AsyncPushSender,
        lost: CancellationToken,
    ) -> Result<Self, DialError> {
        let dialling = async {
            let io = socket(settings).await.map_err(DialError::Io)?;
            let mut who = RedisConnectionInfo::default()
                .set_protocol(ProtocolVersion::RESP3)
                .set_db(settings.database.into())
                .set_lib_name("nestrs", env!("CARGO_PKG_VERSION"));
            if let Some(username) = &settings.username {
                who = who.set_username(username);
            }
            if let Some(password) = &settings.password {
                who = who.set_password(password.expose());
            }
            // No time of its own for an answer: each call has its deadline, and `ping_interval` finds a silent server.
            let config = AsyncConnectionConfig::new().set_response_timeout(None).set_push_sender(push);
            let connected = MultiplexedConnection::new_with_config(&who, io, config).await;
            let (commands, driver) = connected.map_err(DialError::Redis)?;
            let driving = async move {
                // However it ends: with an error of the socket, or aborted.
                let _lost = lost.drop_guard();
                driver.await;
            };
            Ok(Self { commands, _task: AbortOnDropHandle::new(tokio::spawn(driving)) })
        };
        tokio::time::timeout(settings.connect_timeout, dialling).await.map_err(|_| DialError::TimedOut)?
    }
}

async fn socket(settings: &Settings) -> io::Result<BoxIo> {
    if let Some(reason) = settings.malformed {
        return Err(wrong(reason));
    }
    #[cfg(feature = "tls")]
    let plain = settings.tls.is_none();
    #[cfg(not(feature = "tls"))]
    let plain = true;
    if settings.secure && plain {
        return Err(wrong("`rediss://` is TLS; set whom to believe by `tls` (feature `tls`)"));
    }
    let addresses = tokio::net::lookup_host((settings.host.as_str(), settings.port)).await;
    let addresses = addresses.map_err(|error| io::Error::other(format!("the name cannot be resolved: {error}")))?;
    let mut failure = io::Error::other("the name cannot be resolved: it has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                settings.keepalive.tune(&stream)?;
                let io: BoxIo = Box::new(stream);
                #[cfg(feature = "tls")]
                if let Some(tls) = &settings.tls {
                    return tls.connect(io, &settings.host).await;
                }
                return Ok(io);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// In a few words, none of them the server's: an old one repeats the password it was given in its complaint.
impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the connection attempt timed out"),
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => f.write_str("connection refused"),
                io::ErrorKind::InvalidData => write!(f, "the TLS handshake failed: {error}"),
                _ => error.fmt(f),
            },
            Self::Redis(error) => f.write_str(&told(error)),
        }
    }
}

impl DialError {
    /// For a call, or a start, that needs the connection; those say which server it is about.
    pub(super) fn into_transport(self) -> TransportError {
        let kind = match &self {
            Self::Redis(error) if error.kind() == redis::ErrorKind::AuthenticationFailed => ErrorKind::Unauthorized,
            Self::Redis(error) if matches!(error.code(), Some("WRONGPASS" | "NOAUTH")) => ErrorKind::Unauthorized,
            // No other attempt mends what is written in the options.
            Self::Io(error) if error.kind() == io::ErrorKind::InvalidInput => ErrorKind::Internal,
            _ => ErrorKind::Unavailable,
        };
        TransportError::withheld(kind, self.to_string()).with_sent(Sent::No)
    }
}

/// What an error of the driver or of the server means.
pub(super) fn told(error: &RedisError) -> String {
    match (error.kind(), error.code()) {
        (redis::ErrorKind::RESP3NotSupported, _) => {
            "the server does not speak RESP3: Redis 6 or newer is needed".to_owned()
        }
        (_, Some("WRONGPASS")) => "wrong user or password (WRONGPASS)".to_owned(),
        (_, Some("NOAUTH")) => "a password is needed (NOAUTH)".to_owned(),
        (_, Some("NOPERM")) => "this user may not do that (NOPERM)".to_owned(),
        (redis::ErrorKind::AuthenticationFailed, _) => "wrong user or password".to_owned(),
        (redis::ErrorKind::Io, _) => "the connection is gone".to_owned(),
        (_, Some(code)) => format!("the server refuses ({code})"),
        (kind, None) => format!("{kind:?}"),
    }
}
