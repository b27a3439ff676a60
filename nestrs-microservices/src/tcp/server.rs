//! The server half of the TCP transport: takes its address, serves whoever connects, and says how it is.

use std::io;
use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use nestrs_core::{ErrorKind, TransportError, TransportId, WildcardStyle};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::dispatcher::Dispatcher;
use crate::net::io::Listener;
use crate::net::limits;
use crate::net::registry::{Registry, ServerStatus, watch_with};
use crate::server_handle::ServerHandle;
use crate::shutdown::Shutdown;
use crate::transport::{Bound, MicroserviceOptions, TransportServer};

use super::accept::{Door, accept_all};
use super::connection::Limits;
use super::options::TcpMicroserviceOptions;
use super::places::Places;

/// The server half of the TCP transport.
#[derive(Debug)]
pub struct TcpServer {
    options: TcpMicroserviceOptions,
    /// Given by an HTTP half that listens on the same address. Not part of the options, whose clones are other servers'.
    shared: Option<BoundListener>,
    listener: Option<BoundListener>,
    registry: Arc<Registry>,
    /// Known once it is bound.
    address: String,
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
        let registry = Registry::new(options.transport.as_str());
        Self { options, shared: None, listener: None, registry, address: String::new() }
    }

    /// What is asked for, or what the system allows.
    fn max_connections(&self) -> usize {
        let wanted = self.options.max_connections.min(Semaphore::MAX_PERMITS);
        if self.options.transport == TransportId::MEMORY {
            return wanted;
        }
        let max = limits::connections(wanted);
        if max < wanted {
            let address = &self.address;
            tracing::info!(
                target: "nestrs::tcp",
                address,
                wanted,
                max,
                "`max_connections` is lowered to what this process may open; raise `ulimit -n`"
            );
        }
        max
    }

    /// Lets the observers see what happens from now on; the shutdown waits for them.
    fn observe(&self, shutdown: &Shutdown) {
        let observers = self.options.observers.clone();
        if observers.is_empty() {
            return;
        }
        match watch_with(observers, self.registry.feed.subscribe()) {
            // Not ended with the connections, whose ends are the last that it sees.
            Ok(watching) => _ = tokio::spawn(shutdown.track(watching)),
            Err(error) => tracing::error!(target: "nestrs::tcp", %error, "connections are not observed: no thread"),
        }
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

    fn listen_retry(&self) -> (u32, Duration) {
        (self.options.retry_attempts, self.options.retry_delay)
    }

    fn share(&mut self, listener: Box<dyn Listener>) {
        self.shared = Some(BoundListener(listener));
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
        self.address.clone_from(&address);
        Ok(Bound { transport: self.options.transport.as_str(), address })
    }

    fn handle(&self) -> Option<ServerHandle> {
        Some(ServerHandle::of(Arc::clone(&self.registry), &self.address))
    }

    async fn serve(mut self: Box<Self>, dispatcher: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        if self.listener.is_none() {
            self.bind().await?;
        }
        let Some(BoundListener(mut listener)) = self.listener.take() else {
            unreachable!("`bind` leaves a listener or an error");
        };
        let mut listening = Listening { registry: Arc::clone(&self.registry), next: ServerStatus::Draining };
        let max_connections = self.max_connections();
        self.observe(&shutdown);
        let dispatcher =
            dispatcher.counting(Arc::clone(&self.registry.counters)).with_handler_timeout(self.options.handler_timeout);
        let door = Door {
            places: Arc::new(Places::new(&self.options, max_connections)),
            registry: Arc::clone(&self.registry),
            limits: Arc::new(Limits::new(self.options, dispatcher)),
            shutdown: shutdown.clone(),
        };
        let registry = Arc::downgrade(&self.registry);
        shutdown.on_change(move || _ = registry.upgrade().map(|registry| registry.wake_all()));
        let outcome = accept_all(&mut *listener, &door).await;
        // The address is free again before the connections drain.
        drop(listener);
        if outcome.is_err() {
            listening.next = ServerStatus::Failed;
            // It is over with the application, for whoever observes too.
            let (registry, stopping) = (Arc::clone(&self.registry), shutdown.clone());
            shutdown.spawn(async move {
                stopping.begun().await;
                registry.set_status(ServerStatus::Draining);
            });
        }
        outcome
    }
}

/// Says that a server no longer listens, however that came about.
struct Listening {
    registry: Arc<Registry>,
    next: ServerStatus,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.registry.set_status(self.next);
    }
}

impl MicroserviceOptions for TcpMicroserviceOptions {
    fn into_server(self) -> Box<dyn TransportServer> {
        Box::new(TcpServer::new(self))
    }
}
