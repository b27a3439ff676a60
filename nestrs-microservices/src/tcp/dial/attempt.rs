//! One attempt to connect: a socket, TLS, credentials; and why it failed.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::future::FutureExt;
use nestrs_core::{ErrorKind, Sent, TransportError};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::net::codec::{utf16_len, write_frame_header};
use crate::net::io::BoxIo;
use crate::tcp::link::Link;
use crate::tcp::options::TcpTransportOptions;

use super::Dialler;

impl Dialler {
    pub(super) async fn try_once(&self) -> Result<Arc<Link>, TransportError> {
        // A connector is the user's code, and may panic.
        let dialling = AssertUnwindSafe(self.dial_once()).catch_unwind();
        let (why, source) = match tokio::time::timeout(self.options.connect_timeout, dialling).await {
            Ok(Ok(Ok(io))) => return Ok(Link::start(io, &self.options, &self.counters, &self.tasks)),
            Ok(Ok(Err(error))) => (what_failed(&error), Some(error)),
            Ok(Err(_panic)) => ("the connector panicked".to_owned(), None),
            Err(_) => ("the connection attempt timed out".to_owned(), None),
        };
        self.counters.failed_dials.add_one();
        let error = self.unavailable(&why, source);
        self.state().last_failure = Some(why);
        Err(error)
    }

    async fn dial_once(&self) -> io::Result<BoxIo> {
        self.options.check_address()?;
        let io: BoxIo = match &self.options.connector {
            Some(connector) => connector.dial().await?,
            None => Box::new(self.dial_tcp().await?),
        };
        introduce(io, &self.options).await
    }

    async fn dial_tcp(&self) -> io::Result<TcpStream> {
        let addresses = tokio::net::lookup_host((self.options.host.as_str(), self.options.port)).await;
        let addresses = addresses.map_err(|error| io::Error::other(format!("the name cannot be resolved: {error}")))?;
        let mut last_error = None;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    self.options.keepalive.tune(&stream)?;
                    return Ok(stream);
                }
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| io::Error::other("the name cannot be resolved: it has no address")))
    }

    pub(super) fn unavailable(&self, what: &str, source: Option<io::Error>) -> TransportError {
        let text = format!("cannot reach tcp://{}: {what}", self.options.address());
        let error = TransportError::withheld(ErrorKind::Unavailable, text).with_sent(Sent::No);
        match source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// Why a dial failed, in a few words; the rest is in the error's source.
fn what_failed(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "the connection attempt timed out".to_owned(),
        // What a TLS library says of certificates, names and versions.
        io::ErrorKind::InvalidData => format!("the TLS handshake failed: {error}"),
        _ => error.to_string(),
    }
}

/// What comes before the first call: TLS, and credentials.
async fn introduce(mut io: BoxIo, options: &TcpTransportOptions) -> std::io::Result<BoxIo> {
    #[cfg(feature = "tls")]
    if let Some(tls) = &options.tls {
        io = tls.connect(io, &options.host).await?;
    }
    if let Some(token) = &options.credentials {
        let body = serde_json::to_string(token.expose())?;
        let mut frame = Vec::new();
        write_frame_header(&mut frame, utf16_len(body.as_bytes()));
        frame.extend_from_slice(body.as_bytes());
        io.write_all(&frame).await?;
        io.flush().await?;
    }
    Ok(io)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socket2::SockRef;

    use super::*;
    use crate::net::io::Keepalive;

    /// What the operating system was told; that it heeds it is its own promise.
    #[tokio::test]
    async fn cl_11_a_client_s_socket_is_probed_as_the_options_say() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let own = Keepalive {
            idle: Duration::from_secs(7),
            interval: Duration::from_secs(2),
            probes: 4,
            user_timeout: Duration::from_secs(9),
        };
        for keepalive in [Keepalive::default(), own] {
            let options = TcpTransportOptions::to(&address).keepalive(keepalive);
            let stream = Dialler::new(options).dial_tcp().await.unwrap();
            let socket = SockRef::from(&stream);
            assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
            #[cfg(target_os = "linux")]
            {
                assert_eq!(socket.tcp_keepalive_time().unwrap(), keepalive.idle);
                assert_eq!(socket.tcp_keepalive_interval().unwrap(), keepalive.interval);
                assert_eq!(socket.tcp_keepalive_retries().unwrap(), keepalive.probes);
                assert_eq!(socket.tcp_user_timeout().unwrap(), Some(keepalive.user_timeout));
            }
        }
        // The default finds a dead server, idle or busy, within half a minute.
        let Keepalive { idle, interval, probes, user_timeout } = Keepalive::default();
        assert!(idle + interval * probes <= Duration::from_secs(30) && user_timeout <= Duration::from_secs(30));
    }
}
