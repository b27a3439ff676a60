//! HTTP's listener, alone or shared with a transport that asks for the same address.
//!
//! A connection shows what it is by its first byte: a digit or white space begins a NestJS frame, a letter an HTTP
//! request, 0x16 a TLS handshake. One that shows nothing for ten seconds is the message server's: a client of NestJS may be
//! silent for days, and there are limits on how many are.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{ErrorKind, TransportError};
use nestrs_microservices::net::AcceptRetry;
use nestrs_microservices::net::io::{Accepted, Keepalive};
use nestrs_microservices::{Shutdown, TransportServer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::error::ListenError;

/// What a transport that accepts through us says of its address.
pub(crate) const CHANNEL: &str = "custom listener";
/// Connections that have not shown what they are; one more is closed at once. They may stay silent for as long as they
/// like, as a NestJS client that has connected and calls later does, and do not count as any half's connections yet.
const UNDECIDED_MAX: usize = 10_000;
/// How long a connection may say nothing before it is taken for one of a message client.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// What such a client would have begun with.
const FRAME: u8 = b'0';
/// Decided connections that wait for their half to accept them.
const BACKLOG: usize = 1024;

/// HTTP's address, taken.
pub(crate) struct BoundHttp {
    pub(crate) address: SocketAddr,
    pub(crate) listener: HttpListener,
    pub(crate) shared: bool,
}

/// Where HTTP connections come from.
pub(crate) enum HttpListener {
    Own(TcpListener),
    /// The HTTP share of a common listener, and its address.
    Shared(mpsc::Receiver<(TcpStream, SocketAddr)>, SocketAddr),
}

/// Takes HTTP's address; a transport that wants the same one is given its share.
pub(crate) async fn bind_http(
    (host, port): &(String, u16),
    servers: &mut [Box<dyn TransportServer>],
    shutdown: &Shutdown,
) -> Result<BoundHttp, ListenError> {
    let cannot = |error: io::Error| {
        let text = format!("cannot listen on http://{host}:{port}: {error}");
        TransportError::withheld(ErrorKind::Unavailable, text).with_source(error)
    };
    let retries =
        servers.iter().filter_map(|server| Some((server.shareable_address()?, server.listen_retry()))).collect();
    let listener = bind_patiently(host, *port, retries).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    for server in servers {
        let Some((host, port)) = server.shareable_address() else { continue };
        let same =
            tokio::net::lookup_host((host, port)).await.is_ok_and(|mut found| found.any(|found| found == address));
        if same {
            let (to_http, http) = mpsc::channel(BACKLOG);
            let (to_messages, messages) = mpsc::channel::<Accepted>(BACKLOG);
            server.share(Box::new(messages));
            // Ended by the shutdown, which it watches.
            shutdown.spawn(split(listener, to_http, to_messages, server.speaks_tls(), shutdown.clone()));
            return Ok(BoundHttp { address, listener: HttpListener::Shared(http, address), shared: true });
        }
    }
    Ok(BoundHttp { address, listener: HttpListener::Own(listener), shared: false })
}

/// The listener, in as many tries as a server asks for that wants the same address. HTTP alone fails at once.
async fn bind_patiently(
    host: &str,
    port: u16,
    retries: Vec<((String, u16), (u32, Duration))>,
) -> io::Result<TcpListener> {
    let mut attempt = 0;
    loop {
        let error = match TcpListener::bind((host, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        let Ok(own) = tokio::net::lookup_host((host, port)).await else { return Err(error) };
        let own: Vec<_> = own.collect();
        let mut allowed = None;
        for ((host, port), (attempts, pause)) in &retries {
            let same = tokio::net::lookup_host((host.as_str(), *port)).await;
            if attempt < *attempts && same.is_ok_and(|mut found| found.any(|found| own.contains(&found))) {
                allowed = Some(*pause);
            }
        }
        let Some(pause) = allowed else { return Err(error) };
        attempt += 1;
        tracing::warn!(host, port, %error, attempt, "cannot listen; trying again");
        tokio::time::sleep(pause).await;
    }
}

/// Accepts for both halves until shutdown.
async fn split(
    mut listener: TcpListener,
    to_http: mpsc::Sender<(TcpStream, SocketAddr)>,
    to_messages: mpsc::Sender<Accepted>,
    messages_speak_tls: bool,
    shutdown: Shutdown,
) {
    static REFUSED: LogLimit = LogLimit::per_second(1);
    static HELLOS: LogLimit = LogLimit::per_second(1);
    let undecided = Arc::new(Semaphore::new(UNDECIDED_MAX));
    while let Some((stream, peer_addr)) = shutdown.until(accept(&mut listener)).await {
        let Ok(permit) = Arc::clone(&undecided).try_acquire_owned() else {
            REFUSED.pass(|suppressed| {
                let max = UNDECIDED_MAX;
                tracing::warn!(%peer_addr, max, suppressed, "too many connections that say nothing; closed");
            });
            continue;
        };
        let (to_http, to_messages, stopping) = (to_http.clone(), to_messages.clone(), shutdown.clone());
        shutdown.spawn(async move {
            let looking = tokio::time::timeout(SILENCE_MAX, first_byte(&stream));
            let first = stopping.until(async { looking.await.unwrap_or(Some(FRAME)) }).await;
            drop(permit);
            match first {
                Some(b'A'..=b'Z' | b'a'..=b'z') => _ = to_http.send((stream, peer_addr)).await,
                Some(0x16) if !messages_speak_tls => HELLOS.pass(|suppressed| {
                    tracing::warn!(%peer_addr, suppressed, "a TLS hello on a plain address; closed");
                }),
                // Whatever else it is, the frame codec says what is wrong with it.
                Some(_) => match Accepted::tcp(stream, peer_addr) {
                    Ok(accepted) => _ = to_messages.send(accepted).await,
                    Err(error) => tracing::debug!(%peer_addr, %error, "connection lost"),
                },
                None => {}
            }
        });
    }
}

/// The first byte a peer sends, left in the socket; `None` when it leaves without a word.
async fn first_byte(stream: &TcpStream) -> Option<u8> {
    let mut byte = [0];
    match stream.peek(&mut byte).await {
        Ok(1..) => Some(byte[0]),
        _ => None,
    }
}

/// The next connection; a failure to accept one pauses, and never ends the loop.
async fn accept(listener: &mut TcpListener) -> Option<(TcpStream, SocketAddr)> {
    let mut retry = AcceptRetry::default();
    loop {
        match listener.accept().await {
            // Who vanishes before saying what it speaks must not keep its place for ever.
            Ok((stream, peer_addr)) => match Keepalive::default().tune(&stream) {
                Ok(()) => return Some((stream, peer_addr)),
                Err(error) => tracing::debug!(%peer_addr, %error, "connection lost"),
            },
            Err(error) => {
                if let Err(error) = retry.after(error).await {
                    tracing::error!(%error, "the listener is broken; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl HttpListener {
    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let accepted = match self {
            Self::Own(listener) => accept(listener).await,
            Self::Shared(connections, _) => connections.recv().await,
        };
        match accepted {
            Some(accepted) => accepted,
            // The common listener is closed: there will be no more.
            None => std::future::pending().await,
        }
    }
}

/// Connections that fail when the grace period is over: whatever is under way on them ends with them.
struct Bounded {
    listener: HttpListener,
    shutdown: Shutdown,
}

struct BoundedStream {
    stream: TcpStream,
    /// `None` once it has come.
    expiry: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl BoundedStream {
    /// The stream, unless its time is over.
    fn poll_stream(&mut self, task: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        if self.expiry.as_mut().is_some_and(|expiry| expiry.as_mut().poll(task).is_ready()) {
            self.expiry = None;
        }
        match self.expiry {
            Some(_) => Ok(Pin::new(&mut self.stream)),
            None => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl axum::serve::Listener for Bounded {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedStream, SocketAddr) {
        let (stream, peer_addr) = self.listener.accept().await;
        let shutdown = self.shutdown.clone();
        let expiry: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move { shutdown.expired().await });
        (BoundedStream { stream, expiry: Some(expiry) }, peer_addr)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.listener {
            HttpListener::Own(listener) => listener.local_addr(),
            HttpListener::Shared(_, address) => Ok(*address),
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, chunk: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_stream(task)?.poll_read(task, chunk)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_stream(task)?.poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_stream(task)?.poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_stream(task)?.poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Serves HTTP until shutdown; requests under way may finish for the grace period.
pub(crate) async fn serve_http(
    listener: HttpListener,
    router: Router,
    shutdown: Shutdown,
) -> Result<(), TransportError> {
    let stopping = shutdown.clone();
    let bounded = Bounded { listener, shutdown };
    axum::serve(bounded, router).with_graceful_shutdown(async move { stopping.begun().await }).await?;
    Ok(())
}
