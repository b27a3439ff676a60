//! Accepts connections and gives each a task of its own.

use std::io;
use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{ErrorKind, TransportError, TransportId, WildcardStyle};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::field::display;

use crate::dispatcher::Dispatcher;
use crate::net::io::{Accepted, BoxIo, Listener};
use crate::net::registry::{Registered, Registry, Rejection, ServerStatus, watch_with};
use crate::net::throttle::{Counted, Refused, Throttle};
use crate::net::{AcceptRetry, limits};
use crate::server_handle::ServerHandle;
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
        let admission = Admission {
            max_connections,
            throttle: Throttle::new(self.options.max_connections_per_ip, self.options.connect_rate_per_ip),
            registry: Arc::clone(&self.registry),
            log: LogLimit::per_second(1),
            limits: Arc::new(Limits::new(self.options, max_connections)),
        };
        let timeout = admission.limits.options.handler_timeout;
        let dispatcher = dispatcher.counting(Arc::clone(&self.registry.counters)).with_handler_timeout(timeout);
        let outcome = accept_all(&mut *listener, &admission, &dispatcher, &shutdown).await;
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

/// Who is let in.
struct Admission {
    max_connections: usize,
    throttle: Arc<Throttle>,
    registry: Arc<Registry>,
    limits: Arc<Limits>,
    /// Of those who are not.
    log: LogLimit,
}

/// A connection that was let in, and what it counts for as long as it lives.
struct Admitted {
    io: BoxIo,
    registered: Registered,
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Admission {
    /// Lets a connection in, or closes it at once: a limit is against it, or it is broken already.
    fn admit(&self, Accepted { io, peer_addr }: Accepted) -> Option<Admitted> {
        if let Err(error) = io.keep_alive(&self.limits.options.keepalive) {
            tracing::debug!(target: "nestrs::tcp", peer_addr = peer_addr.map(display), %error, "connection lost");
            return None;
        }
        // First the limit of all: whoever it is against has not begun a connection.
        let permit = Arc::clone(&self.limits.connections).try_acquire_owned();
        let admitted = permit.map_err(|_| Rejection::MaxConnections).and_then(|permit| {
            let counted = self.throttle.admit(peer_addr).map_err(|refused| match refused {
                Refused::TooMany => Rejection::PerIp,
                Refused::TooOften => Rejection::Rate,
            });
            Ok((permit, counted?))
        });
        match admitted {
            Ok((permit, counted)) => {
                let registered = self.registry.register(peer_addr);
                Some(Admitted { io, registered, _permit: permit, _counted: counted })
            }
            Err(rejection) => {
                self.registry.reject(rejection);
                self.log.pass(|suppressed| {
                    let (peer_addr, limit, max) = (peer_addr.map(display), rejection.option(), self.max_connections);
                    tracing::warn!(
                        target: "nestrs::tcp",
                        peer_addr,
                        limit,
                        max_connections = max,
                        suppressed,
                        "too many connections; closed"
                    );
                });
                None
            }
        }
    }
}

/// Hands out connections until shutdown. A transient error pauses the loop, it never ends it. Nothing here waits for a
/// peer: whatever it has to say first, it says to its own task.
async fn accept_all(
    listener: &mut dyn Listener,
    admission: &Admission,
    dispatcher: &Dispatcher,
    shutdown: &Shutdown,
) -> Result<(), TransportError> {
    let mut retry = AcceptRetry::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.begun() => {
                // Gives the runtime a chance to learn of them.
                tokio::task::yield_now().await;
                take_the_last(listener, admission, dispatcher, shutdown);
                return Ok(());
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(Some(accepted)) => {
                retry.reset();
                welcome(accepted, admission, dispatcher, shutdown);
            }
            Ok(None) => {
                // No more connections will come; those that are open go on.
                admission.registry.set_status(ServerStatus::Draining);
                shutdown.begun().await;
                return Ok(());
            }
            Err(error) => {
                admission.registry.counters.accept_errors.add(1);
                let broken = tokio::select! {
                    () = shutdown.begun() => return Ok(()),
                    outcome = retry.after(error) => outcome.err(),
                };
                if let Some(error) = broken {
                    let text = format!("the listener is broken: {error}");
                    return Err(TransportError::withheld(ErrorKind::Unavailable, text).with_source(error));
                }
            }
        }
    }
}

/// How many connections may have been made that nobody has accepted when the shutdown begins.
const LAST_MAX: usize = 1024;

/// Takes the connections that are made already: their peers may have called, and are refused instead of reset.
fn take_the_last(listener: &mut dyn Listener, admission: &Admission, dispatcher: &Dispatcher, shutdown: &Shutdown) {
    for _ in 0..LAST_MAX {
        let Some(Ok(Some(accepted))) = listener.accept().now_or_never() else { return };
        welcome(accepted, admission, dispatcher, shutdown);
    }
}

/// Serves a connection in a task of its own, if it is let in.
fn welcome(accepted: Accepted, admission: &Admission, dispatcher: &Dispatcher, shutdown: &Shutdown) {
    let Some(Admitted { io, registered, _permit, _counted }) = admission.admit(accepted) else { return };
    let (limits, meter) = (Arc::clone(&admission.limits), Arc::clone(&registered.meter));
    // In a box: every future around it would have room for it twice, and keep it as long as the connection.
    let serving = Box::pin(serve_connection(io, meter, limits, dispatcher.clone(), shutdown.clone()));
    shutdown.spawn(async move {
        let _held = (_permit, _counted);
        let reason = serving.await;
        registered.close(reason);
    });
}
