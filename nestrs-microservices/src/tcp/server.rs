//! Accepts connections and gives each a task of its own.

use std::io;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nestrs_core::{ErrorKind, TransportError, WildcardStyle};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::field::display;

use crate::context::ConnectionId;
use crate::dispatcher::Dispatcher;
use crate::net::io::{Accepted, Listener};
use crate::shutdown::Shutdown;
use crate::transport::{Bound, MicroserviceOptions, TransportServer};

use super::connection::{Limits, serve_connection};
use super::options::TcpMicroserviceOptions;

/// The server half of the TCP transport.
#[derive(Debug)]
pub struct TcpServer {
    options: TcpMicroserviceOptions,
    /// Given by an HTTP half that listens on the same address. Not part of the options, whose clones are other servers'.
    shared: Option<BoundListener>,
    listener: Option<BoundListener>,
}

struct BoundListener(Box<dyn Listener>);

impl std::fmt::Debug for BoundListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({:?})", self.0.local_addr())
    }
}

impl TcpServer {
    /// A server with these options. Nothing is opened yet.
    #[must_use]
    pub fn new(options: TcpMicroserviceOptions) -> Self {
        Self { options, shared: None, listener: None }
    }

    async fn open(&mut self) -> io::Result<Box<dyn Listener>> {
        if let Some(BoundListener(listener)) = self.shared.take() {
            return Ok(listener);
        }
        let own = self.options.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listener) = own {
            return Ok(listener);
        }
        self.options.check_address()?;
        let mut attempt = 0;
        loop {
            match TcpListener::bind((self.options.host.as_str(), self.options.port)).await {
                Ok(listener) => return Ok(Box::new(listener)),
                Err(error) if attempt < self.options.retry_attempts => {
                    attempt += 1;
                    let address = self.options.address();
                    tracing::warn!(target: "nestrs::tcp", address, %error, attempt, "cannot listen; trying again");
                    tokio::time::sleep(self.options.retry_delay).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[async_trait]
impl TransportServer for TcpServer {
    fn shareable_address(&self) -> Option<(String, u16)> {
        let own = self.options.listener.lock().unwrap_or_else(PoisonError::into_inner);
        let options = &self.options;
        (own.is_none() && options.share_address && options.port != 0).then(|| (options.host.clone(), options.port))
    }

    fn share(&mut self, listener: Box<dyn Listener>) {
        self.shared = Some(BoundListener(listener));
    }

    fn speaks_tls(&self) -> bool {
        self.options.has_tls()
    }

    fn wildcards(&self) -> Option<WildcardStyle> {
        self.options.wildcards.then_some(WildcardStyle::Nats)
    }

    fn grace_period(&self) -> Duration {
        self.options.grace_period
    }

    async fn bind(&mut self) -> Result<Bound, TransportError> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.options.tls {
            tls.config().map_err(|error| TransportError::withheld(ErrorKind::Internal, error.to_string()))?;
            tracing::info!(target: "nestrs::tcp", address = self.options.address(), clients = tls.clients(), "TLS only");
        }
        let listener = self.open().await.map_err(|error| {
            let text = format!("cannot listen on tcp://{}: {error}", self.options.address());
            TransportError::withheld(ErrorKind::Unavailable, text).with_source(error)
        })?;
        let address = listener.local_addr().map_or_else(|| "custom listener".to_owned(), |addr| addr.to_string());
        self.listener = Some(BoundListener(listener));
        Ok(Bound { transport: self.options.transport.as_str(), address })
    }

    async fn serve(mut self: Box<Self>, dispatcher: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        if self.listener.is_none() {
            self.bind().await?;
        }
        let Some(BoundListener(mut listener)) = self.listener.take() else {
            unreachable!("`bind` leaves a listener or an error");
        };
        let limits = Arc::new(Limits {
            in_flight: Arc::new(Semaphore::new(self.options.max_in_flight.clamp(1, Semaphore::MAX_PERMITS))),
            connections: Arc::new(Semaphore::new(self.options.max_connections.min(Semaphore::MAX_PERMITS))),
            options: self.options,
        });
        let outcome = accept_all(&mut *listener, &limits, &dispatcher, &shutdown).await;
        // The address is free again before the connections drain.
        drop(listener);
        outcome
    }
}

impl MicroserviceOptions for TcpMicroserviceOptions {
    fn into_server(self) -> Box<dyn TransportServer> {
        Box::new(TcpServer::new(self))
    }
}

/// Hands out connections until shutdown. A transient error pauses the loop, it never ends it.
async fn accept_all(
    listener: &mut dyn Listener,
    limits: &Arc<Limits>,
    dispatcher: &Dispatcher,
    shutdown: &Shutdown,
) -> Result<(), TransportError> {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    const PAUSE_MIN: Duration = Duration::from_millis(50);
    const PAUSE_MAX: Duration = Duration::from_secs(1);

    let mut pause = PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.begun() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(Some(Accepted { io, peer_addr })) => {
                pause = PAUSE_MIN;
                let Ok(permit) = Arc::clone(&limits.connections).try_acquire_owned() else {
                    let (peer_addr, max) = (peer_addr.map(display), limits.options.max_connections);
                    tracing::warn!(target: "nestrs::tcp", peer_addr, max, "too many connections; closed");
                    continue;
                };
                let id = ConnectionId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
                let serving =
                    serve_connection(io, id, peer_addr, Arc::clone(limits), dispatcher.clone(), shutdown.clone());
                shutdown.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Ok(None) => {
                // No more connections will come; those that are open go on.
                shutdown.begun().await;
                return Ok(());
            }
            Err(error) if is_passing(&error) => tokio::task::yield_now().await,
            Err(error) if is_exhaustion(&error) => {
                tracing::warn!(target: "nestrs::tcp", %error, "cannot accept connections; pausing");
                tokio::select! {
                    () = shutdown.begun() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Err(error) => {
                let text = format!("the listener is broken: {error}");
                return Err(TransportError::withheld(ErrorKind::Unavailable, text).with_source(error));
            }
        }
    }
}

/// About one connection, not about the listener.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::InvalidInput
    )
}

/// Out of descriptors, buffers or memory: it passes when connections close.
fn is_exhaustion(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
        || error.kind() == io::ErrorKind::OutOfMemory
}
