//! The client half: requests with an inbox of this client's own, and events that are flushed.

use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use async_nats::jetstream::context::{Context, PublishErrorKind as KeepErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::{PublishError, PublishErrorKind, StatusCode, Subscriber};
use async_trait::async_trait;
use futures_util::StreamExt;
use nestrs_core::{ErrorKind, Pattern, Sent, TransportError};
use tokio::task::AbortHandle;

use crate::broker::{BrokerClient, ClientDriver, ClientLink, Outgoing, Replies, pass_on_transport};

use super::connecting::{Connecting, Wire};
use super::headers::{NatsHeaders, outgoing};
use super::jetstream::{JetStreamEmitOptions, api};
use super::options::NatsTransportOptions;
use super::subject::check_sent;

/// By which a stream knows what it has already.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// The client half of the NATS transport.
///
/// Nothing is dialled before the first call, unless [`Transport::connect`](crate::Transport::connect) is called. All calls
/// share one connection and one inbox; when the connection is lost every call under way fails at once, and another is made
/// until there is one ([`NatsTransportOptions::backoff`]). A subject that nobody is subscribed to fails a call at once, with
/// [`ErrorKind::NotFound`]. An event is on its way when `emit` returns: given to the operating system on a connection that
/// was well; that is no proof that anybody got it. With [`NatsTransportOptions::jetstream`] it is kept by a stream.
///
/// Failed calls say whether their request may have been executed
/// ([`TransportError::sent`](nestrs_core::TransportError::sent)).
pub struct NatsTransport(BrokerClient<Driver>);

impl NatsTransport {
    /// A client with these options.
    #[must_use]
    pub fn new(options: NatsTransportOptions) -> Self {
        let calling = options.calling();
        Self(BrokerClient::new(
            Driver {
                connecting: options.connecting(),
                headers: Arc::new(options.headers),
                jetstream: options.jetstream,
            },
            calling,
        ))
    }
}

impl fmt::Debug for NatsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsTransport").field("address", &self.0.driver().address()).finish_non_exhaustive()
    }
}

pass_on_transport!(NatsTransport);

struct Driver {
    connecting: Connecting,
    headers: Arc<NatsHeaders>,
    jetstream: Option<JetStreamEmitOptions>,
}

#[async_trait]
impl ClientDriver for Driver {
    type Link = Link;
    const HEADERS: bool = true;

    async fn connect(&self, replies: Replies) -> Result<Link, TransportError> {
        let counted = replies.clone();
        let wire = self.connecting.connect(move || counted.overflowed()).await?;
        let inbox = wire.client.new_inbox();
        let subscribed = wire.client.subscribe(format!("{inbox}.*")).await;
        let subscriber = subscribed.map_err(|error| {
            TransportError::withheld(ErrorKind::Unavailable, format!("cannot subscribe to an inbox: {error}"))
        })?;
        let reading = tokio::spawn(read(subscriber, replies)).abort_handle();
        let stream = self.jetstream.as_ref().map(|options| api(&wire.client, options.ack_timeout));
        Ok(Link { wire, inbox, reading, headers: Arc::clone(&self.headers), stream })
    }

    fn check(&self, pattern: &Pattern) -> Result<(), TransportError> {
        check_sent(pattern.route())
    }

    fn event_header(&self) -> Option<(&'static str, String)> {
        self.jetstream.as_ref().filter(|options| options.message_ids)?;
        Some((MESSAGE_ID, message_id()))
    }

    fn address(&self) -> String {
        self.connecting.address()
    }
}

/// One that nobody else makes, and this process never again.
fn message_id() -> String {
    static PROCESS: LazyLock<[u64; 2]> =
        LazyLock::new(|| [(); 2].map(|()| std::collections::hash_map::RandomState::new().build_hasher().finish()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let ([high, low], count) = (*PROCESS, COUNT.fetch_add(1, Ordering::Relaxed));
    format!("{high:016x}{low:016x}-{count}")
}

/// Hands replies on until the connection ends. The last word of an inbox is the id of its call.
async fn read(mut subscriber: Subscriber, replies: Replies) {
    while let Some(message) = subscriber.next().await {
        let id = message.subject.rsplit('.').next().and_then(|id| u64::from_str_radix(id, 16).ok());
        let Some(id) = id else { continue };
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            replies.nobody_listens(id);
        } else {
            replies.take(Some(id), &message.payload);
        }
    }
}

struct Link {
    wire: Wire,
    inbox: String,
    reading: AbortHandle,
    headers: Arc<NatsHeaders>,
    /// Which says when it has an event.
    stream: Option<Context>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Link {
    async fn publish(&self, message: Outgoing<'_>, inbox: Option<String>) -> Result<(), TransportError> {
        if self.wire.is_lost() {
            return Err(lost().with_sent(Sent::No));
        }
        let own = message.headers.iter().map(|(name, value)| (&**name, &**value));
        let headers = outgoing(own, &self.headers).map_err(|error| error.with_sent(Sent::No))?;
        let (client, subject, body) = (&self.wire.client, message.pattern.route().to_owned(), message.body);
        let len = body.len();
        let published = match (inbox, headers) {
            (Some(inbox), Some(headers)) => client.publish_with_reply_and_headers(subject, inbox, headers, body).await,
            (Some(inbox), None) => client.publish_with_reply(subject, inbox, body).await,
            (None, Some(headers)) => client.publish_with_headers(subject, headers, body).await,
            (None, None) => client.publish(subject, body).await,
        };
        published.map_err(|error| self.refused(&error, len))
    }

    /// Returns when a stream has the event.
    async fn keep(&self, stream: &Context, message: Outgoing<'_>) -> Result<(), TransportError> {
        if self.wire.is_lost() {
            return Err(lost().with_sent(Sent::No));
        }
        let own = message.headers.iter().map(|(name, value)| (&**name, &**value));
        let headers = outgoing(own, &self.headers).map_err(|error| error.with_sent(Sent::No))?;
        let (subject, len) = (message.pattern.route(), message.body.len());
        let publish = PublishMessage::build().payload(message.body).headers(headers.unwrap_or_default());
        let keeping = async {
            let confirmed = stream.send_publish(subject.to_owned(), publish).await?;
            confirmed.await.map(drop)
        };
        let kept = tokio::select! {
            biased;
            kept = keeping => kept,
            error = self.wire.lost() => return Err(error.with_sent(Sent::Maybe)),
        };
        kept.map_err(|error| {
            let (kind, sent, text) = match error.kind() {
                KeepErrorKind::StreamNotFound => {
                    (ErrorKind::NotFound, Sent::No, format!("no stream has the subject `{subject}`"))
                }
                KeepErrorKind::MaxPayloadExceeded => return self.too_large(len),
                KeepErrorKind::TimedOut => (ErrorKind::Timeout, Sent::Maybe, "no word of a stream in time".to_owned()),
                KeepErrorKind::BrokenPipe => return lost().with_sent(Sent::Maybe),
                _ => {
                    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                    (ErrorKind::Unavailable, Sent::Maybe, format!("no stream keeps the event: {why}"))
                }
            };
            TransportError::withheld(kind, text).with_sent(sent)
        })
    }

    fn too_large(&self, len: usize) -> TransportError {
        let max = self.wire.client.max_payload();
        let text = format!(
            "message of {len} bytes and its headers exceed the {max} bytes that the NATS server carries (`max_payload`)"
        );
        TransportError::withheld(ErrorKind::TooLarge, text).with_sent(Sent::No)
    }

    /// What was not taken by the driver was surely not sent.
    fn refused(&self, error: &PublishError, len: usize) -> TransportError {
        let error = match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => return self.too_large(len),
            PublishErrorKind::InvalidSubject => TransportError::withheld(ErrorKind::InvalidPayload, error.to_string()),
            _ => lost(),
        };
        error.with_sent(Sent::No)
    }
}

#[async_trait]
impl ClientLink for Link {
    async fn request(&self, id: u64, message: Outgoing<'_>) -> Result<(), TransportError> {
        let inbox = format!("{}.{id:016x}", self.inbox);
        self.publish(message, Some(inbox)).await
    }

    async fn emit(&self, message: Outgoing<'_>) -> Result<(), TransportError> {
        if let Some(stream) = &self.stream {
            return self.keep(stream, message).await;
        }
        self.publish(message, None).await?;
        tokio::select! {
            biased;
            error = self.wire.lost() => Err(error.with_sent(Sent::Maybe)),
            flushed = self.wire.client.flush() => flushed.map_err(|_| lost().with_sent(Sent::Maybe)),
        }
    }

    async fn lost(&self) -> TransportError {
        self.wire.lost().await
    }

    async fn close(&self) {
        self.wire.close().await;
        self.reading.abort();
    }
}

fn lost() -> TransportError {
    TransportError::withheld(ErrorKind::ConnectionClosed, "the connection to the NATS server is lost")
}
