//! The server half: every pattern a channel, every message a delivery.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use nestrs_core::{Pattern, Sent, TransportError, Wildcard, WildcardStyle};
use tokio::sync::watch;

use crate::broker::{
    BrokerServer, ConsumerOptions, Delivery, NotJson, Replier, ServerDriver, ServerLink, StartUp, Subscription,
};
use crate::dispatcher::Dispatcher;
use crate::net::registry::Registry;
use crate::server_handle::ServerHandle;
use crate::shutdown::Shutdown;
use crate::transport::{Bound, MicroserviceOptions, TransportServer};

use super::dial::{DialError, Wire};
use super::failure::{lost, refused};
use super::inbox::{Inbox, Room};
use super::options::{RedisMicroserviceOptions, RedisStreamsOptions};
use super::reply_channel;
use super::session::{Refusal, Session};
use super::settings::Settings;
use super::streams::{Group, Reading, Streams};

const TRANSPORT: &str = "redis";

/// How long a reply waits for the next session, where the one its request came by has ended.
const NEXT_SESSION_WAIT: Duration = Duration::from_secs(5);

/// The server half of the Redis transport; see [`RedisMicroserviceOptions`].
pub struct RedisServer {
    server: BrokerServer<Driver>,
    wildcards: bool,
}

impl RedisServer {
    /// A server with these options. Nothing is dialled yet.
    #[must_use]
    pub fn new(options: RedisMicroserviceOptions) -> Self {
        let registry = Registry::new(TRANSPORT);
        let start_up = StartUp {
            timeout: (!options.wait_forever).then_some(options.startup_timeout),
            backoff: options.backoff,
            grace_period: options.grace_period,
        };
        let consumer = ConsumerOptions {
            prefetch: options.prefetch,
            max_body_bytes: options.max_message_bytes,
            not_json: NotJson::Text,
            handler_timeout: options.handler_timeout,
            redelivery: options.streams.as_ref().map(RedisStreamsOptions::redelivery).unwrap_or_default(),
            serializer: options.serializer.clone(),
            deserializer: options.deserializer.clone(),
        };
        let driver = Driver {
            settings: options.settings(),
            style: options.wildcards.then_some(WildcardStyle::Redis),
            room: Room {
                messages: options.queue,
                bytes: options.queue_bytes,
                message_bytes: options.max_message_bytes,
            },
            streams: options
                .streams
                .clone()
                .map(|one| Streams::new(one, options.prefetch, Arc::clone(&registry.counters))),
            registry: Arc::clone(&registry),
            current: Arc::new(watch::Sender::new(Weak::new())),
        };
        let wildcards = options.wildcards;
        Self { server: BrokerServer::in_registry(registry, Arc::new(driver), start_up, consumer), wildcards }
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer").field("address", &self.server.driver().address()).finish_non_exhaustive()
    }
}

impl MicroserviceOptions for RedisMicroserviceOptions {
    fn into_server(self) -> Box<dyn TransportServer> {
        Box::new(RedisServer::new(self))
    }
}

#[async_trait]
impl TransportServer for RedisServer {
    async fn bind(&mut self) -> Result<Bound, TransportError> {
        self.server.bind().await
    }

    async fn prepare(&mut self, dispatcher: &Dispatcher) -> Result<(), TransportError> {
        self.server.prepare(dispatcher).await
    }

    fn subscribes(&self) -> Option<WildcardStyle> {
        self.wildcards.then_some(WildcardStyle::Redis)
    }

    fn grace_period(&self) -> Duration {
        self.server.grace_period()
    }

    fn handle(&self) -> Option<ServerHandle> {
        Some(self.server.handle())
    }

    async fn serve(self: Box<Self>, dispatcher: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        self.server.serve(dispatcher, shutdown).await
    }
}

/// Makes sessions.
struct Driver {
    settings: Settings,
    style: Option<WildcardStyle>,
    room: Room,
    streams: Option<Arc<Streams>>,
    registry: Arc<Registry>,
    /// The session that there is, for replies to requests that came by one that has ended.
    current: Arc<Current>,
}

type Current = watch::Sender<Weak<Session>>;

#[async_trait]
impl ServerDriver for Driver {
    async fn connect(&self) -> Result<Arc<dyn ServerLink>, TransportError> {
        let inbox = Arc::new(Inbox::default());
        let receiver = Arc::clone(&inbox);
        let opened = Session::open(&self.settings, move |message| receiver.take(message)).await;
        let session = opened.map_err(DialError::into_transport)?;
        self.current.send_replace(Arc::downgrade(&session));
        let streams = match &self.streams {
            Some(streams) => {
                let wire = session.one_more(&self.settings).await.map_err(DialError::into_transport)?;
                Some((Arc::clone(streams), Mutex::new(Some(wire))))
            }
            None => None,
        };
        Ok(Arc::new(Link {
            session,
            inbox,
            style: self.style,
            room: self.room,
            streams,
            reading: OnceLock::new(),
            registry: Arc::clone(&self.registry),
            current: Arc::clone(&self.current),
        }))
    }

    fn check(&self, subscription: &Subscription) -> Result<(), TransportError> {
        let wild = |style| Wildcard::new(&Pattern::from(subscription.pattern.to_string()), style).is_some();
        match self.style.is_some_and(wild) && self.streams.is_some() && subscription.events {
            true => Err(TransportError::internal(format!(
                "`{}` is a wildcard, and streams have none: handle each event by its name, or leave `streams` out",
                subscription.pattern
            ))),
            false => Ok(()),
        }
    }

    fn address(&self) -> String {
        self.settings.address()
    }
}

/// One session of a server.
struct Link {
    session: Arc<Session>,
    inbox: Arc<Inbox>,
    style: Option<WildcardStyle>,
    room: Room,
    /// Until it reads: the connection to do so.
    streams: Option<(Arc<Streams>, Mutex<Option<Wire>>)>,
    reading: OnceLock<Reading>,
    registry: Arc<Registry>,
    current: Arc<Current>,
}

impl Link {
    /// The patterns that are channels, and those that are globs.
    fn split<'a>(&self, patterns: impl Iterator<Item = &'a str>) -> (Vec<&'a str>, Vec<&'a str>) {
        patterns.partition(|pattern| {
            self.style.is_none_or(|style| Wildcard::new(&Pattern::from((*pattern).to_owned()), style).is_none())
        })
    }
}

#[async_trait]
impl ServerLink for Link {
    async fn subscribe(
        &self,
        subscriptions: &[Subscription],
    ) -> Result<Vec<BoxStream<'static, Delivery>>, TransportError> {
        let limit = self.room.message_bytes;
        let way = Way { session: Arc::downgrade(&self.session), current: Arc::clone(&self.current) };
        let to_reply = way.clone();
        let repliers = Box::new(move |channel: &str| -> Box<dyn Replier> {
            let channel = reply_channel(channel);
            Box::new(ToChannel { way: to_reply.clone(), channel, limit })
        });
        // What has handlers of events only is not published where streams are read.
        let heard = subscriptions.iter().filter(|one| self.streams.is_none() || one.calls);
        let heard: Vec<_> = heard.map(|subscription| Arc::clone(&subscription.pattern)).collect();
        // Before the server is told: it may deliver before it confirms.
        let counters = Arc::clone(&self.registry.counters);
        let mut streams = self.inbox.open(heard.iter().cloned(), self.room, repliers, counters);
        let (channels, globs) = self.split(heard.iter().map(|pattern| &**pattern));
        match self.session.subscribe(&channels, &globs).await {
            Ok(()) => {}
            Err(Refusal::Lost) => return Err(lost(Sent::No).with_kind(nestrs_core::ErrorKind::Unavailable)),
            Err(Refusal::Redis(error)) => return Err(refused(&error, "SUBSCRIBE")),
        }
        let wire = |wire: &Mutex<Option<Wire>>| wire.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((of, Some(wire))) = self.streams.as_ref().map(|(of, kept)| (of, wire(kept))) {
            let groups: Vec<_> =
                subscriptions.iter().filter(|one| one.events).map(|one| Group::of(&one.pattern, of)).collect();
            if !groups.is_empty() {
                let (reading, events) = Reading::begin(of, groups, &self.session, wire, way).await?;
                let _ = self.reading.set(reading);
                streams.extend(events);
            }
        }
        Ok(streams)
    }

    async fn lost(&self) -> TransportError {
        self.session.ended().await;
        self.inbox.close();
        if let Some(reading) = self.reading.get() {
            reading.abort();
        }
        lost(Sent::Maybe)
    }

    async fn stop(&self) {
        let patterns = self.inbox.patterns();
        let (channels, globs) = self.split(patterns.iter().map(|pattern| &**pattern));
        let _ = self.session.unsubscribe(&channels, &globs).await;
        // What came before the confirmation is in the queues, and is still served.
        self.inbox.close();
        if let Some(reading) = self.reading.get() {
            reading.stop().await;
        }
    }

    async fn close(&self) {
        if let Some(reading) = self.reading.get() {
            reading.leave().await;
        }
        // Each reply was confirmed by the server.
        self.session.end();
    }
}

/// The way back to Redis for what came from there.
#[derive(Clone)]
pub(super) struct Way {
    session: Weak<Session>,
    current: Arc<Current>,
}

/// The reply channel of a request.
struct ToChannel {
    way: Way,
    channel: String,
    /// Bytes of one reply: a longer one would be dropped by its caller, who would go on waiting.
    limit: usize,
}

impl Way {
    /// The session that a message came by; where it has ended before anything was said of that, the next one.
    pub(super) async fn session(&self) -> Option<Arc<Session>> {
        let usable = |session: &Weak<Session>| session.upgrade().filter(|session| !session.has_ended());
        if let Some(session) = usable(&self.session) {
            return Some(session);
        }
        let mut current = self.current.subscribe();
        let next = current.wait_for(|session| usable(session).is_some());
        let next = tokio::time::timeout(NEXT_SESSION_WAIT, next).await.ok()?.ok()?;
        usable(&next)
    }
}

#[async_trait]
impl Replier for ToChannel {
    async fn reply(&self, body: Bytes) -> Result<(), TransportError> {
        if body.len() > self.limit {
            let text = format!(
                "reply of {} bytes exceeds the limit of {} bytes (`max_message_bytes`)",
                body.len(),
                self.limit
            );
            return Err(TransportError::withheld(nestrs_core::ErrorKind::TooLarge, text));
        }
        let Some(session) = self.way.session().await else { return Err(lost(Sent::No)) };
        match session.publish(&self.channel, &body).await {
            // Nobody may listen any more; that is the caller's business.
            Ok(_receivers) => Ok(()),
            Err(Refusal::Lost) => Err(lost(Sent::Maybe)),
            Err(Refusal::Redis(error)) => Err(refused(&error, &self.channel)),
        }
    }
}
