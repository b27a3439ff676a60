//! The client half: requests with an inbox of this client's own, and events that are flushed.

use std::fmt;
use std::sync::Arc;

use async_nats::{PublishError, PublishErrorKind, StatusCode, Subscriber};
use async_trait::async_trait;
use futures_util::StreamExt;
use nestrs_core::{ErrorKind, Pattern, Sent, TransportError};
use tokio::task::AbortHandle;

use crate::broker::{BrokerClient, ClientDriver, ClientLink, Outgoing, Replies, pass_on_transport};

use super::connecting::{Connecting, Wire};
use super::headers::{NatsHeaders, outgoing};
use super::options::NatsTransportOptions;
use super::subject::check_sent;

/// The client half of the NATS transport.
///
/// Nothing is dialled before the first call, unless [`Transport::connect`](crate::Transport::connect) is called. All calls
/// share one connection and one inbox; when the connection is lost every call under way fails at once, and another is made
/// until there is one ([`NatsTransportOptions::backoff`]). A subject that nobody is subscribed to fails a call at once, with
/// [`ErrorKind::NotFound`]. An event is on its way when `emit` returns: given to the operating system on a connection that
/// was well; that is no proof that anybody got it.
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
            Driver { connecting: options.connecting(), headers: Arc::new(options.headers) },
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
        Ok(Link { wire, inbox, reading, headers: Arc::clone(&self.headers) })
    }

    fn check(&self, pattern: &Pattern) -> Result<(), TransportError> {
        check_sent(pattern.route())
    }

    fn address(&self) -> String {
        self.connecting.address()
    }
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

    /// What was not taken by the driver was surely not sent.
    fn refused(&self, error: &PublishError, len: usize) -> TransportError {
        let error = match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                let max = self.wire.client.max_payload();
                let text = format!(
                    "message of {len} bytes and its headers exceed the {max} bytes that the NATS server carries (`max_payload`)"
                );
                TransportError::withheld(ErrorKind::TooLarge, text)
            }
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
