//! A server of a broker: connects at start, serves, connects anew after every loss, and drains.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use nestrs_core::{ErrorKind, TransportError};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::client::Backoff;
use crate::dispatcher::Dispatcher;
use crate::net::CloseReason;
use crate::net::registry::{Counters, Registry, ServerStatus};
use crate::server_handle::ServerHandle;
use crate::shutdown::Shutdown;
use crate::transport::Bound;

use super::consumer::{Consumer, ConsumerOptions, Metered};
use super::message::Delivery;
use super::subscription::Subscription;

/// How long a broker may take over what it is told at the end: to stop delivering, and to take the last replies.
const FAREWELL: Duration = Duration::from_millis(500);
/// A connection that lived this long shows that the broker is well: after it the pauses between tries begin anew.
pub(super) const PROVEN: Duration = Duration::from_secs(1);
/// No pause between two tries is shorter, whatever the options say.
pub(super) const PAUSE_MIN: Duration = Duration::from_millis(5);

/// Makes connections for a server.
#[async_trait]
pub(crate) trait ServerDriver: Send + Sync + 'static {
    /// Makes one attempt to connect. Ends by itself: the leaf's `connect_timeout`.
    ///
    /// # Errors
    /// `ErrorKind::Unavailable` where another attempt may succeed; any other kind ends the start-up of the application.
    async fn connect(&self) -> Result<Arc<dyn ServerLink>, TransportError>;

    /// Whether the broker can hold this pattern, and its extras make sense. Asked for each before anything is subscribed.
    ///
    /// # Errors
    /// When not: the application does not start.
    fn check(&self, _subscription: &Subscription) -> Result<(), TransportError> {
        Ok(())
    }

    /// The broker's address, without credentials.
    fn address(&self) -> String;
}

/// One connection of a server, used until it is lost.
#[async_trait]
pub(crate) trait ServerLink: Send + Sync + 'static {
    /// Subscribes to all patterns. Each stream that this gives is consumed by itself, with `prefetch` of its own. Returns
    /// when the broker has them all, so that whoever hears that the application runs can call it.
    ///
    /// # Errors
    /// As for `connect`.
    async fn subscribe(
        &self,
        subscriptions: &[Subscription],
    ) -> Result<Vec<BoxStream<'static, Delivery>>, TransportError>;

    /// Completes when the connection is lost, with the reason. The streams then end too.
    async fn lost(&self) -> TransportError;

    /// Asks the broker to deliver nothing more. The streams end once what has come before is taken from them.
    async fn stop(&self);

    /// Sees to it that replies go out, and disconnects.
    async fn close(&self);
}

/// How a server begins, and comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartUp {
    /// For how long it tries to connect at first; `None` for ever.
    pub(crate) timeout: Option<Duration>,
    /// The pauses between two tries, at first and after each loss.
    pub(crate) backoff: Backoff,
    pub(crate) grace_period: Duration,
}

/// A server of a broker, but for its driver.
pub(crate) struct BrokerServer<D> {
    transport: &'static str,
    driver: Arc<D>,
    start_up: StartUp,
    options: Arc<ConsumerOptions>,
    registry: Arc<Registry>,
    link: Option<Arc<dyn ServerLink>>,
    /// Known once it is prepared.
    subscriptions: Vec<Subscription>,
    /// Behind a lock only so that others may look at the rest.
    streams: Mutex<Vec<BoxStream<'static, Delivery>>>,
}

impl<D: ServerDriver> BrokerServer<D> {
    /// The registry is the driver's too, which counts.
    pub(crate) fn in_registry(
        registry: Arc<Registry>,
        driver: Arc<D>,
        start_up: StartUp,
        options: ConsumerOptions,
    ) -> Self {
        let transport = registry.transport;
        let (link, subscriptions, streams) = (None, Vec::new(), Mutex::default());
        Self { transport, driver, start_up, options: Arc::new(options), registry, link, subscriptions, streams }
    }

    pub(crate) fn driver(&self) -> &D {
        &self.driver
    }

    pub(crate) fn grace_period(&self) -> Duration {
        self.start_up.grace_period
    }

    pub(crate) fn handle(&self) -> ServerHandle {
        ServerHandle::of(Arc::clone(&self.registry), &self.driver.address())
    }

    fn streams(&mut self) -> &mut Vec<BoxStream<'static, Delivery>> {
        self.streams.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects, within the time that the start may take.
    pub(crate) async fn bind(&mut self) -> Result<Bound, TransportError> {
        let address = self.driver.address();
        if self.link.is_none() {
            self.link = Some(self.connect_at_start(&address).await?);
        }
        Ok(Bound { transport: self.transport, address })
    }

    async fn connect_at_start(&self, address: &str) -> Result<Arc<dyn ServerLink>, TransportError> {
        let deadline = self.start_up.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut failures = 0;
        loop {
            let error = match self.driver.connect().await {
                Ok(link) => return Ok(link),
                Err(error) => error,
            };
            let pause = self.start_up.backoff.pause(failures).max(PAUSE_MIN);
            let over = deadline.is_some_and(|deadline| Instant::now() + pause >= deadline);
            if error.kind() != ErrorKind::Unavailable || over {
                let text = format!("cannot connect to {}://{address}: {error}", self.transport);
                return Err(TransportError::withheld(error.kind(), text).with_source(error));
            }
            // An outage is one line, not one for each try.
            if failures == 0 {
                let transport = self.transport;
                tracing::warn!(target: "nestrs::broker", transport, address, %error, "cannot connect; trying on");
            }
            failures = failures.saturating_add(1);
            tokio::time::sleep(pause).await;
        }
    }

    /// Subscribes to what it is about to serve.
    pub(crate) async fn prepare(&mut self, dispatcher: &Dispatcher) -> Result<(), TransportError> {
        self.subscriptions = dispatcher.routes().entries().into_iter().map(Subscription::of).collect();
        for subscription in &self.subscriptions {
            self.driver.check(subscription)?;
        }
        let deadline = self.start_up.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut failures = 0;
        loop {
            self.bind().await?;
            let Some(link) = &self.link else { unreachable!("`bind` leaves a connection or an error") };
            let error = match link.subscribe(&self.subscriptions).await {
                Ok(streams) => {
                    *self.streams() = streams;
                    return Ok(());
                }
                Err(error) => error,
            };
            // Lost again so soon, or not quite there yet.
            self.link = None;
            failures = u32::saturating_add(failures, 1);
            let pause = self.start_up.backoff.pause(failures).max(PAUSE_MIN);
            let over = deadline.is_some_and(|deadline| Instant::now() + pause >= deadline);
            if error.kind() != ErrorKind::Unavailable || over {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Serves until `shutdown`, over as many connections as it takes.
    pub(crate) async fn serve(mut self, dispatcher: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        if self.streams().is_empty() && self.subscriptions.is_empty() {
            self.prepare(&dispatcher).await?;
        }
        let counters = Arc::clone(&self.registry.counters);
        let dispatcher = dispatcher.counting(Arc::clone(&counters)).with_handler_timeout(self.options.handler_timeout);
        let mut failures = 0;
        loop {
            let Some((link, streams)) = self.connection(&shutdown, &mut failures).await else { break };
            let since = Instant::now();
            let consumer = self.consumer(dispatcher.clone(), Arc::clone(&counters), shutdown.clone());
            for stream in streams {
                consumer.consume(stream);
            }
            self.registry.set_status(ServerStatus::Listening);
            let lost = tokio::select! {
                biased;
                () = shutdown.begun() => None,
                reason = link.lost() => Some(reason),
            };
            let Some(reason) = lost else {
                self.drain(&*link, &consumer).await;
                break;
            };
            self.registry.set_status(ServerStatus::Reconnecting);
            let abandoned = consumer.metered.close(CloseReason::PeerClosed);
            counters.abandoned_calls.add(abandoned as u64);
            let (transport, address) = (self.transport, self.driver.address());
            tracing::warn!(target: "nestrs::broker", transport, address, %reason, "the broker is lost; connecting anew");
            failures = if since.elapsed() >= PROVEN { 0 } else { failures.saturating_add(1) };
        }
        self.registry.set_status(ServerStatus::Draining);
        Ok(())
    }

    fn consumer(&self, dispatcher: Dispatcher, counters: Arc<Counters>, shutdown: Shutdown) -> Consumer {
        Consumer {
            transport: self.transport,
            options: Arc::clone(&self.options),
            dispatcher,
            counters,
            shutdown,
            tasks: TaskTracker::new(),
            metered: Metered::new(self.registry.register(None, Instant::now())),
        }
    }

    /// The connection that there is, or the next one, subscribed; `None` when the shutdown comes first.
    async fn connection(
        &mut self,
        shutdown: &Shutdown,
        failures: &mut u32,
    ) -> Option<(Arc<dyn ServerLink>, Vec<BoxStream<'static, Delivery>>)> {
        if let Some(link) = self.link.take() {
            return Some((link, std::mem::take(self.streams())));
        }
        let (transport, address) = (self.transport, self.driver.address());
        let began = Instant::now();
        let mut told = false;
        loop {
            let attempt = async {
                tokio::time::sleep(self.start_up.backoff.pause(*failures).max(PAUSE_MIN)).await;
                let connecting = async {
                    let link = self.driver.connect().await?;
                    let streams = link.subscribe(&self.subscriptions).await?;
                    Ok((link, streams))
                };
                Some(connecting.await)
            };
            let error: TransportError = match shutdown.until(attempt).await? {
                Ok(connection) => {
                    let elapsed_ms = began.elapsed().as_millis() as u64;
                    tracing::info!(target: "nestrs::broker", transport, address, elapsed_ms, "connected again");
                    return Some(connection);
                }
                Err(error) => error,
            };
            *failures = failures.saturating_add(1);
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(target: "nestrs::broker", transport, address, %error, "cannot connect; trying on");
            } else {
                tracing::debug!(target: "nestrs::broker", transport, address, %error, "cannot connect; trying on");
            }
        }
    }

    /// Takes nothing more, lets what has come finish, and disconnects.
    async fn drain(&self, link: &dyn ServerLink, consumer: &Consumer) {
        self.registry.set_status(ServerStatus::Draining);
        let _ = tokio::time::timeout(FAREWELL, link.stop()).await;
        consumer.tasks.close();
        // A connection that is lost now ends the streams, and with them this wait; handlers run on within the grace period.
        consumer.tasks.wait().await;
        let _ = tokio::time::timeout(FAREWELL, link.close()).await;
        consumer.metered.close(CloseReason::Shutdown);
    }
}

#[cfg(test)]
mod tests;
