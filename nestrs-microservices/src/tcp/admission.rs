//! Letting a connection in: TLS, then the authentication hook, both within one time, and before a frame is read.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use nestrs_core::Payload;
use nestrs_core::spans::PeerText;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep};
use tracing::field::display;

use crate::authentication::{Authenticator, Claims, ConnectionRequest};
use crate::net::codec::NestDecoder;
use crate::net::io::{BoxIo, Keepalive, Socket};
use crate::net::registry::Meter;
#[cfg(feature = "tls")]
use crate::net::tls::TlsServerOptions;
use crate::net::{CloseReason, PeerIdentity};
use crate::shutdown::Shutdown;
use crate::time::sleep_until;

use super::connection::{LINGER, Limits, some_suppressed};
use super::options::TcpMicroserviceOptions;

/// How much of what a refused peer still sends is read and thrown away, so that it gets to see why.
const DISCARD_MAX: usize = 64 * 1024;
/// And for how long.
const FAREWELL: Duration = Duration::from_secs(1);
/// About what a TLS client says first.
#[cfg(feature = "tls")]
const HELLO_LEN: usize = 512;

/// A connection whose frames may be read.
pub(super) struct Admitted {
    pub(super) io: BoxIo,
    pub(super) identity: Option<PeerIdentity>,
    pub(super) claims: Option<Claims>,
}

/// Lets a connection in, or closes it and says why. Costs nothing where there is neither TLS nor a hook.
pub(super) async fn admit(
    io: BoxIo,
    meter: &Meter,
    limits: &Limits,
    shutdown: &Shutdown,
) -> Result<Admitted, CloseReason> {
    let options = &limits.options;
    if !options.has_admission() {
        return Ok(Admitted { io, identity: None, claims: None });
    }
    let peer_addr = meter.peer_addr;
    // In a box, so that a connection is not larger for its whole life by what it takes to begin it.
    let admitting = Box::pin(async {
        let deadline = meter.since.checked_add(options.handshake_timeout);
        match authenticate(io, peer_addr, options, deadline).await {
            Ok(admitted) => Ok(admitted),
            Err(Refusal { reason, why, io }) => {
                let peer_addr = peer_addr.map(display);
                if let Some(why) = why {
                    limits.tally.strangers.pass(|suppressed| {
                        let suppressed = some_suppressed(suppressed);
                        tracing::warn!(target: "nestrs::tcp", peer_addr, %reason, %why, suppressed, "connection refused");
                    });
                }
                if let Some(io) = io {
                    say_goodbye(io).await;
                }
                Err(reason)
            }
        }
    });
    tokio::select! {
        biased;
        // Whoever has just sent what is asked for may have sent a call with it, which is refused once it is read.
        () = async { shutdown.begun().await; sleep(LINGER).await } => Err(CloseReason::Shutdown),
        () = poll_fn(|task| meter.poll_told_to_close(task)) => Err(CloseReason::Shutdown),
        outcome = admitting => outcome,
    }
}

/// Why a connection is not let in.
struct Refusal {
    reason: CloseReason,
    /// For the log; nothing of it goes to the peer. A peer that just left is not worth a line.
    why: Option<String>,
    /// What is left to say good-bye to.
    io: Option<BoxIo>,
}

impl Refusal {
    fn auth(why: impl Into<String>, io: Option<BoxIo>) -> Self {
        Self { reason: CloseReason::Auth, why: Some(why.into()), io }
    }
}

async fn authenticate(
    io: BoxIo,
    peer_addr: Option<SocketAddr>,
    options: &TcpMicroserviceOptions,
    deadline: Option<Instant>,
) -> Result<Admitted, Refusal> {
    #[cfg(feature = "tls")]
    let (mut io, identity) = match &options.tls {
        None => (io, None),
        Some(tls) => match in_time(deadline, handshake(io, tls)).await {
            Some(session) => session?,
            None => return Err(Refusal::auth("TLS: the handshake took longer than `handshake_timeout`", None)),
        },
    };
    #[cfg(not(feature = "tls"))]
    let (mut io, identity) = (io, None);

    let Some(authenticator) = &options.authenticator else { return Ok(Admitted { io, identity, claims: None }) };
    let mut request = ConnectionRequest { peer_addr, identity: identity.clone(), credentials: None };
    let late = "authentication took longer than `handshake_timeout`";
    if authenticator.by_credentials {
        let limit = options.max_frame_bytes_unauthenticated.min(options.max_frame_bytes);
        match in_time(deadline, first_frame(&mut io, limit)).await {
            Some(Ok((frame, rest))) => {
                request.credentials = Some(frame);
                io = if rest.is_empty() { io } else { Box::new(Preceded { first: rest, io }) };
            }
            Some(Err((reason, why))) => return Err(Refusal { reason, why, io: Some(io) }),
            None => return Err(Refusal::auth(late, None)),
        }
    }
    match in_time(deadline, decide(authenticator, request)).await {
        Some(Ok(claims)) => Ok(Admitted { io, identity, claims: Some(claims) }),
        Some(Err(why)) => Err(Refusal::auth(why, Some(io))),
        None => Err(Refusal::auth(late, Some(io))),
    }
}

/// A probe that looks whether the port is open, and leaves without a byte, is not worth a warning.
#[cfg(feature = "tls")]
async fn handshake(mut io: BoxIo, tls: &TlsServerOptions) -> Result<(BoxIo, Option<PeerIdentity>), Refusal> {
    let mut first = BytesMut::with_capacity(HELLO_LEN);
    let left = |reason| Refusal { reason, why: None, io: None };
    match io.read_buf(&mut first).await {
        Ok(0) => return Err(left(CloseReason::PeerClosed)),
        Ok(_) => {}
        Err(_) => return Err(left(CloseReason::PeerReset)),
    }
    let io = Box::new(Preceded { first, io });
    tls.accept(io).await.map_err(|(why, io)| Refusal::auth(format!("TLS: {why}"), Some(io)))
}

async fn decide(authenticator: &Authenticator, request: ConnectionRequest) -> Result<Claims, String> {
    authenticator.decide(request).await.map_err(|error| PeerText(error.to_string().as_bytes()).to_string())
}

/// The first frame, as JSON, and the bytes that came after it.
async fn first_frame(io: &mut BoxIo, limit: usize) -> Result<(Payload, BytesMut), (CloseReason, Option<String>)> {
    let mut decoder = NestDecoder::new(limit);
    let mut buffer = BytesMut::new();
    loop {
        match decoder.decode(&mut buffer) {
            Ok(Some(frame)) => return Ok((Payload::from_json(frame), buffer)),
            Ok(None) => {}
            Err(fault) => return Err((CloseReason::Auth, Some(format!("its first frame: {fault}")))),
        }
        let mut chunk = [0; 1024];
        match io.read(&mut chunk).await {
            Ok(0) => return Err((CloseReason::PeerClosed, None)),
            Ok(read) => buffer.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(_) => return Err((CloseReason::PeerReset, None)),
        }
    }
}

/// `step`, if it is over before the deadline.
async fn in_time<T>(deadline: Option<Instant>, step: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        outcome = step => Some(outcome),
        () = sleep_until(deadline) => None,
    }
}

/// Closing with input unread would reset the connection, and what TLS has to say of a refusal would be lost with it.
async fn say_goodbye(mut io: BoxIo) {
    let farewell = async {
        io.shutdown().await?;
        let mut scratch = [0; 1024];
        let mut discarded = 0;
        while discarded < DISCARD_MAX {
            match io.read(&mut scratch).await? {
                0 => break,
                read => discarded += read,
            }
        }
        io::Result::Ok(())
    };
    // A peer that is gone already needs no farewell.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// A socket of which some bytes have been read before.
struct Preceded {
    first: BytesMut,
    io: BoxIo,
}

impl Socket for Preceded {
    fn gather(&self, small_writes: bool) {
        self.io.gather(small_writes);
    }

    fn close_abruptly(&self) {
        self.io.close_abruptly();
    }

    fn peer_has_ended(&self) -> io::Result<bool> {
        self.io.peer_has_ended()
    }

    fn passed_on(&self) -> Option<u64> {
        self.io.passed_on()
    }

    fn keep_alive(&self, keepalive: &Keepalive) -> io::Result<()> {
        self.io.keep_alive(keepalive)
    }
}

impl AsyncRead for Preceded {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, chunk: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.io).poll_read(task, chunk);
        }
        let len = self.first.len().min(chunk.remaining());
        chunk.put_slice(&self.first.split_to(len));
        if self.first.is_empty() {
            self.first = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Preceded {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }
}
