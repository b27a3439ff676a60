//! The client half: requests published to a pattern's channel, responses heard on the channel beside it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use nestrs_core::{ErrorKind, Sent, TransportError};

use crate::broker::{BrokerClient, CallingOptions, ClientDriver, ClientLink, Outgoing, Replies, pass_on_transport};
use crate::client::ClientConfig;

use super::dial::DialError;
use super::failure::{lost, refused};
use super::options::RedisTransportOptions;
use super::reply_channel;
use super::reply_channels::{Hold, ReplyChannels};
use super::session::{Refusal, Session};
use super::settings::Settings;
use super::streams::PACKET;

/// The client half of the Redis transport; see [`RedisTransportOptions`].
///
/// Nothing is dialled before the first call, unless [`Transport::connect`](crate::Transport::connect) is called. Two
/// connections, one that listens and one that publishes, are shared by all calls; when either is lost every call under way
/// fails at once, and both are dialled anew until they are there.
///
/// A request is published only once Redis has confirmed that its reply channel is listened to. That channel is held for
/// the calls that follow ([`RedisTransportOptions::reply_channels`]). All callers of a pattern share it: replies to others
/// are ignored and counted, and where several instances of a service answer, the first answer is taken.
///
/// An event has been emitted when Redis has published it: at most once, to whoever listens at that moment, be it nobody. With
/// [`RedisTransportOptions::streams`] it is stored instead, and handled at least once.
pub struct RedisTransport(BrokerClient<Driver>);

impl RedisTransport {
    /// A client with these options.
    #[must_use]
    pub fn new(options: RedisTransportOptions) -> Self {
        let calling = CallingOptions {
            request_timeout: options.request_timeout,
            connect_wait: options.connect_wait,
            backoff: options.backoff,
            max_reconnects: None,
            max_pending: options.max_pending,
            overflow: options.overflow,
            stream_buffer: options.stream_buffer,
            send_deadline: options.send_deadline,
            serializer: options.serializer.clone(),
            deserializer: options.deserializer.clone(),
        };
        let driver = Driver {
            settings: options.settings(),
            reply_channels: options.reply_channels,
            events: options.streams.then(|| (options.stream_prefix.clone(), options.stream_max_len)).map(Arc::new),
            limits: Limits { fail_unheard: options.fail_unheard, message_bytes: options.max_message_bytes },
            listened: Arc::default(),
        };
        Self(BrokerClient::new(driver, calling))
    }
}

pass_on_transport!(RedisTransport);

/// Names the server, never what is sent there.
impl fmt::Debug for RedisTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTransport").field("address", &self.0.driver().address()).finish_non_exhaustive()
    }
}

impl ClientConfig {
    /// A client over Redis. Nothing is dialled before the first call. Feature `microservices-redis`.
    #[must_use]
    pub fn redis(name: &'static str, options: RedisTransportOptions) -> Self {
        Self { name, transport: Arc::new(RedisTransport::new(options)) }
    }
}

#[derive(Clone, Copy)]
struct Limits {
    fail_unheard: bool,
    message_bytes: usize,
}

/// Makes sessions.
struct Driver {
    settings: Settings,
    reply_channels: usize,
    limits: Limits,
    events: Option<Arc<(String, usize)>>,
    /// The reply channels of the session that was lost last: the next one begins with them.
    listened: Arc<Mutex<Vec<Arc<str>>>>,
}

#[async_trait]
impl ClientDriver for Driver {
    type Link = Link;

    const HEADERS: bool = false;

    async fn connect(&self, replies: Replies) -> Result<Link, TransportError> {
        let limit = self.limits.message_bytes;
        let opened = Session::open(&self.settings, move |message| match message.body.len() > limit {
            true => replies.overflowed(),
            false => replies.take_from_shared(&message.body),
        });
        let session = opened.await.map_err(DialError::into_transport)?;
        let channels = ReplyChannels::new(Arc::clone(&session), self.reply_channels);
        let listened = std::mem::take(&mut *self.listened.lock().unwrap_or_else(PoisonError::into_inner));
        let link = Link {
            session,
            channels,
            limits: self.limits,
            events: self.events.clone(),
            holds: Mutex::default(),
            listened: Arc::clone(&self.listened),
        };
        if !listened.is_empty() && link.restore(&listened).await.is_err() {
            // For the attempt after this one.
            *self.listened.lock().unwrap_or_else(PoisonError::into_inner) = listened;
            return Err(lost(Sent::No).with_kind(ErrorKind::Unavailable));
        }
        Ok(link)
    }

    fn address(&self) -> String {
        self.settings.address()
    }
}

/// One session of a client.
struct Link {
    session: Arc<Session>,
    channels: Arc<ReplyChannels>,
    limits: Limits,
    /// Where events are written to streams: what stands before their keys, and how long they are.
    events: Option<Arc<(String, usize)>>,
    /// By the calls under way.
    holds: Mutex<HashMap<u64, Hold>>,
    listened: Arc<Mutex<Vec<Arc<str>>>>,
}

impl Link {
    async fn restore(&self, listened: &[Arc<str>]) -> Result<(), Refusal> {
        match self.channels.restore(listened).await {
            // Rights have changed meanwhile: the calls it is about will be told.
            Err(Refusal::Redis(_)) => Ok(()),
            outcome => outcome,
        }
    }

    async fn publish(&self, message: &Outgoing<'_>) -> Result<u64, TransportError> {
        self.check(message)?;
        let route = message.pattern.route();
        self.session.publish(route, &message.body).await.map_err(|refusal| failed(refusal, route))
    }

    /// Returns once the server has it.
    async fn append(&self, message: &Outgoing<'_>, prefix: &str, max_len: usize) -> Result<(), TransportError> {
        self.check(message)?;
        let route = message.pattern.route();
        let mut command = redis::cmd("XADD");
        command.arg(format!("{prefix}{route}")).arg("MAXLEN").arg("~").arg(max_len).arg("*");
        command.arg(PACKET).arg(&message.body[..]);
        self.session.run(&command).await.map(drop).map_err(|refusal| failed(refusal, route))
    }

    /// Whether it can be sent at all.
    fn check(&self, message: &Outgoing<'_>) -> Result<(), TransportError> {
        let len = message.body.len();
        if len > self.limits.message_bytes {
            let limit = self.limits.message_bytes;
            let text = format!("message of {len} bytes exceeds the limit of {limit} bytes (`max_message_bytes`)");
            return Err(TransportError::withheld(ErrorKind::TooLarge, text).with_sent(Sent::No));
        }
        if self.session.has_ended() {
            return Err(lost(Sent::No));
        }
        Ok(())
    }
}

fn failed(refusal: Refusal, route: &str) -> TransportError {
    match refusal {
        Refusal::Lost => lost(Sent::Maybe),
        Refusal::Redis(error) => refused(&error, route).with_sent(Sent::No),
    }
}

#[async_trait]
impl ClientLink for Link {
    async fn request(&self, id: u64, message: Outgoing<'_>) -> Result<(), TransportError> {
        let route = message.pattern.route();
        // Listen first: the answer can be quicker than a subscription that comes after the request.
        let hold = self.channels.hold(&reply_channel(route)).await?;
        self.holds.lock().unwrap_or_else(PoisonError::into_inner).insert(id, hold);
        if self.publish(&message).await? == 0 && self.limits.fail_unheard {
            let text = format!("nobody listens to `{route}`");
            return Err(TransportError::withheld(ErrorKind::NotFound, text).with_sent(Sent::No));
        }
        Ok(())
    }

    async fn emit(&self, message: Outgoing<'_>) -> Result<(), TransportError> {
        match self.events.as_deref() {
            Some((prefix, max_len)) => self.append(&message, prefix, *max_len).await,
            None => self.publish(&message).await.map(drop),
        }
    }

    fn forget(&self, id: u64) {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    async fn lost(&self) -> TransportError {
        self.session.ended().await;
        *self.listened.lock().unwrap_or_else(PoisonError::into_inner) = self.channels.names();
        lost(Sent::Maybe)
    }

    async fn close(&self) {
        self.session.end();
    }
}
