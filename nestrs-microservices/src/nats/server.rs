//! The server half: subscribes to what handlers are declared under, and answers to inboxes.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::{Message, PublishErrorKind, Subject, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use nestrs_core::{ErrorKind, ExtraKind, TransportError, WildcardStyle};
use tokio_util::sync::CancellationToken;

use crate::broker::{BrokerServer, Delivery, Replier, ServerDriver, ServerLink, Subscription};
use crate::dispatcher::Dispatcher;
use crate::net::registry::{Counters, Registry};
use crate::packet::Answer;
use crate::server_handle::ServerHandle;
use crate::shutdown::Shutdown;
use crate::transport::{Bound, MicroserviceOptions, TransportServer};

use super::connecting::{Connecting, Wire};
use super::context::NatsContext;
use super::headers::NatsHeaders;
use super::jetstream::{Broken, Current, Durable, JetStreamOptions, Known, Topology};
use super::options::NatsMicroserviceOptions;
use super::service::{Endpoint, Service, Serving, Underway};
use super::subject::{check_queue, check_subscribed};

/// Consumers that are made at a time, each of which is a question to the NATS server.
const CONSUMERS_AT_ONCE: usize = 16;

/// The server half of the NATS transport.
pub struct NatsServer(BrokerServer<Driver>);

impl NatsServer {
    /// A server with these options. Nothing is opened yet.
    #[must_use]
    pub fn new(options: NatsMicroserviceOptions) -> Self {
        let registry = Registry::new("nats");
        let driver = Arc::new(Driver {
            connecting: options.connecting(),
            queue: options.queue.clone(),
            service: options.service(),
            kept: options.jetstream.clone().map(|stream| Kept {
                stream,
                prefetch: options.prefetch,
                current: Current::default(),
                known: Known::default(),
            }),
            counters: Arc::clone(&registry.counters),
        });
        Self(BrokerServer::in_registry(registry, driver, options.start_up(), options.consuming()))
    }
}

impl fmt::Debug for NatsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsServer").field("address", &self.0.driver().address()).finish_non_exhaustive()
    }
}

#[async_trait]
impl TransportServer for NatsServer {
    fn subscribes(&self) -> Option<WildcardStyle> {
        Some(WildcardStyle::Nats)
    }

    fn extras(&self) -> &'static [(&'static str, ExtraKind)] {
        &[("queue", ExtraKind::Text)]
    }

    fn grace_period(&self) -> Duration {
        self.0.grace_period()
    }

    fn handle(&self) -> Option<ServerHandle> {
        Some(self.0.handle())
    }

    async fn bind(&mut self) -> Result<Bound, TransportError> {
        self.0.bind().await
    }

    async fn prepare(&mut self, dispatcher: &Dispatcher) -> Result<(), TransportError> {
        self.0.prepare(dispatcher).await
    }

    async fn serve(self: Box<Self>, dispatcher: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        self.0.serve(dispatcher, shutdown).await
    }
}

impl MicroserviceOptions for NatsMicroserviceOptions {
    fn into_server(self) -> Box<dyn TransportServer> {
        Box::new(NatsServer::new(self))
    }
}

struct Driver {
    connecting: Connecting,
    /// Of subscriptions whose handlers do not name their own.
    queue: Option<String>,
    /// `None` where nobody is to find it.
    service: Option<Arc<Service>>,
    kept: Option<Kept>,
    counters: Arc<Counters>,
}

/// What events that a stream keeps are consumed with.
#[derive(Clone)]
struct Kept {
    stream: JetStreamOptions,
    prefetch: usize,
    current: Current,
    known: Known,
}

/// The queue group of a subscription. A handler's empty one is none.
fn queue_of(subscription: &Subscription, default: Option<&str>) -> Result<Option<String>, TransportError> {
    let own = subscription.text("queue")?;
    Ok(own.or(default).filter(|queue| !queue.is_empty()).map(str::to_owned))
}

#[async_trait]
impl ServerDriver for Driver {
    async fn connect(&self) -> Result<Arc<dyn ServerLink>, TransportError> {
        self.service.as_ref().map_or(Ok(()), |service| service.check())?;
        let counters = Arc::clone(&self.counters);
        let wire = self.connecting.connect(move || counters.overflowed_messages.add(1)).await?;
        let (queue, kept, service) = (self.queue.clone(), self.kept.clone(), self.service.clone());
        let (serving, subscribers) = (Serving::default(), Mutex::default());
        let (stopped, broken) = (CancellationToken::new(), Arc::default());
        let link = Link { wire, queue, service, serving, kept, subscribers, stopped, broken };
        Ok(Arc::new(link))
    }

    fn check(&self, subscription: &Subscription) -> Result<(), TransportError> {
        check_subscribed(&subscription.pattern)?;
        queue_of(subscription, self.queue.as_deref())?.map_or(Ok(()), |queue| check_queue(&queue))
    }

    fn address(&self) -> String {
        self.connecting.address()
    }
}

/// More messages than a subscription will ever have, in ten digits or more.
const NEVER: u64 = 1_000_000_000_000;

struct Link {
    wire: Wire,
    queue: Option<String>,
    service: Option<Arc<Service>>,
    serving: Serving,
    kept: Option<Kept>,
    /// Of what is taken from a stream: that it should end, and why it has to.
    stopped: CancellationToken,
    broken: Arc<Broken>,
    /// Read by the streams that were given out, and stopped from here.
    subscribers: Mutex<Vec<Shared>>,
}

type Shared = Arc<Mutex<Subscriber>>;

#[async_trait]
impl ServerLink for Link {
    async fn subscribe(
        &self,
        subscriptions: &[Subscription],
    ) -> Result<Vec<BoxStream<'static, Delivery>>, TransportError> {
        let mut streams = Vec::with_capacity(subscriptions.len());
        let queues = subscriptions.iter().map(|subscription| queue_of(subscription, self.queue.as_deref()));
        let queues: Vec<_> = queues.collect::<Result<_, _>>()?;
        let endpoints = self.service.as_ref().map(|service| service.endpoints(subscriptions, &queues));
        let topology = match &self.kept {
            Some(kept) => Some(Topology::find(&self.wire.client, &kept.stream).await?),
            None => None,
        };
        let mut durable = Vec::new();
        for (at, (subscription, queue)) in subscriptions.iter().zip(&queues).enumerate() {
            let endpoint = endpoints.and_then(|endpoints| endpoints.get(at)).cloned();
            let Subscription { pattern, calls, events, .. } = subscription;
            if let (Some(kept), Some(topology)) = (&self.kept, &topology)
                && topology.holds(pattern, *calls, *events)?
            {
                let (deliveries, wire) = (self.durable(kept, topology, pattern, queue.clone()), self.wire.clone());
                durable.push(async move {
                    let counted =
                        move |delivery| Delivery { replier: replier(None, &wire, endpoint.as_ref()), ..delivery };
                    Ok::<_, TransportError>(deliveries.await?.map(counted).boxed())
                });
                continue;
            }
            let (client, subject) = (&self.wire.client, subscription.pattern.to_string());
            let subscribed = match queue {
                Some(queue) => client.queue_subscribe(subject, queue.clone()).await,
                None => client.subscribe(subject).await,
            };
            let subscriber = subscribed.map_err(|error| {
                let text = format!("cannot subscribe to `{}`: {error}", subscription.pattern);
                TransportError::withheld(ErrorKind::Unavailable, text)
            })?;
            let subscriber = Arc::new(Mutex::new(subscriber));
            self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&subscriber));
            let (pattern, wire) = (Arc::clone(&subscription.pattern), self.wire.clone());
            let deliver = move |message| delivery(&pattern, message, &wire, endpoint.as_ref());
            streams.push(Messages(subscriber).map(deliver).boxed());
        }
        if let Some(service) = &self.service {
            service.serve(&self.wire, &self.serving).await?;
        }
        let mut durable = futures_util::stream::iter(durable).buffered(CONSUMERS_AT_ONCE);
        while let Some(stream) = durable.next().await {
            streams.push(stream?);
        }
        self.wire.caught_up().await?;
        if let Some(kept) = &self.kept {
            // From now on what came by the last connection can be settled by this one.
            kept.current.set(&self.wire);
        }
        Ok(streams)
    }

    async fn lost(&self) -> TransportError {
        tokio::select! {
            error = self.wire.lost() => error,
            error = self.broken.happened() => error,
        }
    }

    async fn stop(&self) {
        self.serving.stop();
        self.stopped.cancel();
        let subscribers = std::mem::take(&mut *self.subscribers.lock().unwrap_or_else(PoisonError::into_inner));
        // The driver forgets a subscription as soon as it has asked for its end, and with it what was on its way. So it is first
        // asked for an end after more messages than there will ever be, which NATS servers take for an end at once: they read
        // no numbers of more than nine digits. What they had sent before is there when they have answered.
        for subscriber in &subscribers {
            told(|| subscriber.lock().unwrap_or_else(PoisonError::into_inner).unsubscribe_after(NEVER).now_or_never())
                .await;
        }
        let _ = self.wire.caught_up().await;
        for subscriber in &subscribers {
            told(|| subscriber.lock().unwrap_or_else(PoisonError::into_inner).drain().now_or_never()).await;
        }
    }

    async fn close(&self) {
        self.wire.close().await;
    }
}

impl Link {
    /// Takes the events of a pattern from the stream that keeps them.
    async fn durable(
        &self,
        kept: &Kept,
        topology: &Topology,
        pattern: &Arc<str>,
        queue: Option<String>,
    ) -> Result<BoxStream<'static, Delivery>, TransportError> {
        let Some(service) = kept.stream.durable.clone().or(queue) else {
            return Err(TransportError::internal(format!(
                "events of `{pattern}` are kept for a service, which has no name: set `queue`, or `durable` of the stream"
            )));
        };
        let consumer = topology.consumer(&kept.stream, &service, pattern, kept.prefetch, &kept.known).await?;
        let durable = Durable {
            pattern: Arc::clone(pattern),
            stream: kept.stream.stream.clone(),
            consumer,
            prefetch: kept.prefetch,
            ack_wait: kept.stream.ack_wait_or_least(),
            dead_prefix: topology.dead_prefix(),
            current: kept.current.clone(),
            stopped: self.stopped.clone(),
            broken: Arc::clone(&self.broken),
        };
        durable.deliveries(&self.wire).await
    }
}

/// Tells the driver something. It takes but a place in its queue, and no lock is held while there is none.
async fn told<T>(mut tell: impl FnMut() -> Option<T>) {
    while tell().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What one subscription brings.
struct Messages(Shared);

impl Stream for Messages {
    type Item = Message;
    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(task)
    }
}

fn delivery(subscribed: &Arc<str>, message: Message, wire: &Wire, endpoint: Option<&Arc<Endpoint>>) -> Delivery {
    let subject = match message.subject.as_str() {
        same if *same == **subscribed => Arc::clone(subscribed),
        other => Arc::from(other),
    };
    let headers = message.headers.as_ref().map(NatsHeaders::of).unwrap_or_default();
    let metadata = (!headers.is_empty()).then(|| headers.metadata());
    let replier = replier(message.reply, wire, endpoint);
    let context = Arc::new(NatsContext::new(Arc::clone(&subject), headers));
    Delivery {
        subscribed: Arc::clone(subscribed),
        subject,
        body: message.payload,
        metadata,
        context,
        replier,
        acknowledger: None,
    }
}

/// The way back, and what counts until it is dropped.
fn replier(inbox: Option<Subject>, wire: &Wire, endpoint: Option<&Arc<Endpoint>>) -> Option<Box<dyn Replier>> {
    let underway = endpoint.map(Endpoint::begin);
    (inbox.is_some() || underway.is_some()).then(|| Box::new(Inbox { inbox, wire: wire.clone(), underway }) as _)
}

struct Inbox {
    /// `None` where nobody waits for an answer.
    inbox: Option<Subject>,
    wire: Wire,
    /// Until the last answer, or the end of an event's handlers.
    underway: Option<Underway>,
}

#[async_trait]
impl Replier for Inbox {
    fn answering(&self, answer: &Answer) {
        match (&self.underway, answer) {
            (Some(underway), Answer::Error(error)) => underway.failed(error.kind()),
            (Some(underway), Answer::NoHandler) => underway.failed(ErrorKind::NotFound),
            _ => {}
        }
    }

    fn event_failed(&self, kind: ErrorKind) {
        self.underway.iter().for_each(|underway| underway.failed(kind));
    }

    async fn reply(&self, body: Bytes) -> Result<(), TransportError> {
        let Some(inbox) = &self.inbox else { return Ok(()) };
        let (len, max) = (body.len(), self.wire.client.max_payload());
        self.wire.client.publish(inbox.clone(), body).await.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                let text = format!(
                    "reply of {len} bytes exceeds the {max} bytes that the NATS server carries (`max_payload`)"
                );
                TransportError::withheld(ErrorKind::TooLarge, text)
            }
            _ => TransportError::withheld(ErrorKind::ConnectionClosed, format!("cannot reply: {error}")),
        })
    }
}
