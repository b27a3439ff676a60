//! HTTP's listener, alone or shared with a transport that asks for the same address.
//!
//! A connection shows what it is by its first byte: a digit or white space begins a NestJS frame, a letter an HTTP
//! request, 0x16 a TLS handshake.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use nestrs_core::{ErrorKind, TransportError};
use nestrs_microservices::net::io::Accepted;
use nestrs_microservices::{Shutdown, TransportServer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::error::ListenError;

/// What a transport that accepts through us says of its address.
pub(crate) const CHANNEL: &str = "custom listener";
/// Connections that have not shown what they are; one more is closed at once.
const UNDECIDED_MAX: usize = 10_000;
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
    let listener = TcpListener::bind((host.as_str(), *port)).await.map_err(cannot)?;
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
            shutdown.spawn(split(listener, to_http, to_messages, shutdown.clone()));
            return Ok(BoundHttp { address, listener: HttpListener::Shared(http, address), shared: true });
        }
    }
    Ok(BoundHttp { address, listener: HttpListener::Own(listener), shared: false })
}

/// Accepts for both halves until shutdown.
async fn split(
    mut listener: TcpListener,
    to_http: mpsc::Sender<(TcpStream, SocketAddr)>,
    to_messages: mpsc::Sender<Accepted>,
    shutdown: Shutdown,
) {
    let undecided = Arc::new(Semaphore::new(UNDECIDED_MAX));
    while let Some((stream, peer_addr)) = shutdown.until(accept(&mut listener)).await {
        let Ok(permit) = Arc::clone(&undecided).try_acquire_owned() else {
            tracing::warn!(%peer_addr, max = UNDECIDED_MAX, "too many connections that say nothing; closed");
            continue;
        };
        let (to_http, to_messages, stopping) = (to_http.clone(), to_messages.clone(), shutdown.clone());
        shutdown.spawn(async move {
            let first = stopping.until(async { first_byte(&stream).await }).await;
            drop(permit);
            match first {
                Some(b'A'..=b'Z' | b'a'..=b'z') => _ = to_http.send((stream, peer_addr)).await,
                Some(0x16) => tracing::warn!(%peer_addr, "a TLS hello on a plain address; closed"),
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
    loop {
        match listener.accept().await {
            Ok(accepted) => return Some(accepted),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl axum::serve::Listener for HttpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        match self {
            Self::Own(listener) => match accept(listener).await {
                Some(accepted) => accepted,
                None => std::future::pending().await,
            },
            Self::Shared(connections, _) => match connections.recv().await {
                Some(accepted) => accepted,
                // The common listener is closed: there will be no more.
                None => std::future::pending().await,
            },
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Own(listener) => listener.local_addr(),
            Self::Shared(_, address) => Ok(*address),
        }
    }
}

/// Serves HTTP until shutdown; requests under way may finish for the grace period.
pub(crate) async fn serve_http(
    listener: HttpListener,
    router: Router,
    shutdown: Shutdown,
    grace: Duration,
) -> Result<(), TransportError> {
    let stopping = shutdown.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move { stopping.begun().await });
    let bounded = async {
        shutdown.begun().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        outcome = std::future::IntoFuture::into_future(serving) => outcome.map_err(TransportError::from),
        () = bounded => Ok(()),
    }
}
