//! HTTP's listener, alone or shared with a transport that asks for the same address.
//!
//! A connection shows what it is by its first byte: a digit or white space begins a NestJS frame, 0x16 a TLS handshake, a
//! letter an HTTP request. The transport accepts, by its own rules, and hands over what is HTTP's.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use nestrs_core::{ErrorKind, TransportError};
use nestrs_microservices::net::AcceptRetry;
use nestrs_microservices::net::io::{Keepalive, SharedListener};
use nestrs_microservices::{Shutdown, TransportServer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::error::ListenError;

/// HTTP's address, taken.
pub(crate) struct BoundHttp {
    pub(crate) address: SocketAddr,
    pub(crate) listener: HttpListener,
    pub(crate) shared: bool,
}

/// Where HTTP connections come from.
pub(crate) enum HttpListener {
    Own(TcpListener, AcceptRetry),
    /// The HTTP share of a common listener, and its address.
    Shared(mpsc::Receiver<(TcpStream, SocketAddr)>, SocketAddr),
}

/// Takes HTTP's address; a transport that wants the same one is given its share.
pub(crate) async fn bind_http(
    (host, port): &(String, u16),
    servers: &mut [Box<dyn TransportServer>],
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
            let (shared, http) = SharedListener::new(listener, |first| first.is_ascii_alphabetic());
            server.share(Box::new(shared));
            return Ok(BoundHttp { address, listener: HttpListener::Shared(http, address), shared: true });
        }
    }
    Ok(BoundHttp { address, listener: HttpListener::Own(listener, AcceptRetry::default()), shared: false })
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

impl HttpListener {
    /// The next connection.
    ///
    /// # Errors
    /// When there will be no more.
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (listener, retry) = match self {
            Self::Own(listener, retry) => (listener, retry),
            Self::Shared(connections, _) => {
                let none = || io::Error::other("the transport that shares it no longer accepts");
                return connections.recv().await.ok_or_else(none);
            }
        };
        loop {
            match listener.accept().await {
                // Who vanishes before asking for anything must not keep its place for ever.
                Ok((stream, peer_addr)) => match Keepalive::default().tune(&stream) {
                    Ok(()) => {
                        retry.reset();
                        return Ok((stream, peer_addr));
                    }
                    Err(error) => tracing::debug!(target: "nestrs::http", %peer_addr, %error, "connection lost"),
                },
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

/// Connections that fail when the grace period is over: whatever is under way on them ends with them.
struct Bounded {
    listener: HttpListener,
    shutdown: Shutdown,
    /// Taken when the listener breaks, to say why.
    broken: Option<oneshot::Sender<io::Error>>,
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
        let (stream, peer_addr) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                _ = self.broken.take().map(|broken| broken.send(error));
                std::future::pending().await
            }
        };
        let shutdown = self.shutdown.clone();
        let expiry: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move { shutdown.expired().await });
        (BoundedStream { stream, expiry: Some(expiry) }, peer_addr)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.listener {
            HttpListener::Own(listener, _) => listener.local_addr(),
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
///
/// # Errors
/// When no more connections will come though nothing was shut down. Those there are go on until then.
pub(crate) async fn serve_http(
    listener: HttpListener,
    router: Router,
    shutdown: Shutdown,
) -> Result<(), TransportError> {
    let stopping = shutdown.clone();
    let ((broken, breaks), (done, ended)) = (oneshot::channel(), oneshot::channel());
    let bounded = Bounded { listener, shutdown: shutdown.clone(), broken: Some(broken) };
    shutdown.spawn(async move {
        let serving = axum::serve(bounded, router).with_graceful_shutdown(async move { stopping.begun().await });
        let _ = done.send(serving.await);
    });
    let mut ended = pin!(ended);
    let breaks = async {
        match breaks.await {
            // A transport that stops is no failure of ours.
            Ok(error) if !shutdown.has_begun() => error,
            _ => std::future::pending().await,
        }
    };
    let error = tokio::select! {
        biased;
        outcome = &mut ended => match outcome {
            Ok(outcome) => return outcome.map_err(TransportError::from),
            Err(_) if shutdown.has_begun() => return Ok(()),
            Err(_) => return Err(TransportError::withheld(ErrorKind::Internal, "HTTP has panicked")),
        },
        error = breaks => error,
    };
    let text = format!("the listener is broken: {error}");
    Err(TransportError::withheld(ErrorKind::Unavailable, text).with_source(error))
}
