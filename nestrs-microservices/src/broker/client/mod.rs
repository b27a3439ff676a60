//! Calls out over a broker: a client, but for its driver.

mod calls;
mod dial;
mod replies;
mod stream;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nestrs_core::{Pattern, TransportError};

use crate::client::Backoff;
use crate::serializer::{PacketDeserializer, PacketSerializer};
use crate::tcp::Overflow;

pub(crate) use calls::BrokerClient;
pub(crate) use replies::Replies;

/// Makes connections for a client.
#[async_trait]
pub(crate) trait ClientDriver: Send + Sync + 'static {
    /// One connection.
    type Link: ClientLink;

    /// Whether metadata travels beside the body, as headers; else it is a member of the packet.
    const HEADERS: bool;

    /// Makes one attempt to connect, and from then on hands what comes back to `replies`. Ends by itself: the leaf's
    /// `connect_timeout`.
    ///
    /// # Errors
    /// `ErrorKind::Unavailable`, or what else it is. `BrokerClient` says of it that nothing was sent.
    async fn connect(&self, replies: Replies) -> Result<Self::Link, TransportError>;

    /// Whether anything can be sent to this pattern. Asked before there is a connection.
    ///
    /// # Errors
    /// When the broker cannot hold it.
    fn check(&self, _pattern: &Pattern) -> Result<(), TransportError> {
        Ok(())
    }

    /// A header of one event, the same for each time that it is sent, unless its caller sets one of that name.
    fn event_header(&self) -> Option<(&'static str, String)> {
        None
    }

    /// The broker's address, without credentials.
    fn address(&self) -> String;
}

/// One connection of a client, used until it is lost.
#[async_trait]
pub(crate) trait ClientLink: Send + Sync + 'static {
    /// Gives a request to the broker. What comes back for `id` goes to the `Replies` of the connection.
    ///
    /// # Errors
    /// Says by `with_sent(Sent::No)` where surely nothing was sent; else `Maybe` is assumed.
    async fn request(&self, id: u64, message: Outgoing<'_>) -> Result<(), TransportError>;

    /// Gives an event to the broker, and returns when it is on its way: not merely held in memory.
    ///
    /// # Errors
    /// As for `request`.
    async fn emit(&self, message: Outgoing<'_>) -> Result<(), TransportError>;

    /// Nobody waits for replies to this id any more.
    fn forget(&self, _id: u64) {}

    /// Completes when the connection is lost, with the reason.
    async fn lost(&self) -> TransportError;

    /// Disconnects. Called once, also on a connection that is lost.
    async fn close(&self);
}

/// A request or an event on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    /// Whose route is the channel, topic or subject.
    pub(crate) pattern: &'a Pattern,
    /// The packet. Clone it for nothing.
    pub(crate) body: Bytes,
    /// What travels beside it; empty unless [`ClientDriver::HEADERS`].
    pub(crate) headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// How a client calls; the defaults are those of every broker.
#[derive(Clone)]
pub(crate) struct CallingOptions {
    pub(crate) request_timeout: Option<Duration>,
    /// How long a call without a connection waits for one.
    pub(crate) connect_wait: Duration,
    /// The pauses before each try to connect again after a loss.
    pub(crate) backoff: Backoff,
    /// Tries in a row after a loss before it is left to the next call to connect; `None` for ever.
    pub(crate) max_reconnects: Option<u32>,
    pub(crate) max_pending: usize,
    pub(crate) overflow: Overflow,
    pub(crate) stream_buffer: usize,
    pub(crate) send_deadline: bool,
    pub(crate) serializer: Option<Arc<dyn PacketSerializer>>,
    pub(crate) deserializer: Option<Arc<dyn PacketDeserializer>>,
}

impl Default for CallingOptions {
    fn default() -> Self {
        Self {
            request_timeout: Some(Duration::from_secs(30)),
            connect_wait: Duration::from_secs(1),
            backoff: Backoff::default(),
            max_reconnects: None,
            max_pending: 4096,
            overflow: Overflow::Wait,
            stream_buffer: 1024,
            send_deadline: true,
            serializer: None,
            deserializer: None,
        }
    }
}

/// `impl Transport` for a type whose field `0` is a [`BrokerClient`].
macro_rules! pass_on_transport {
    ($transport:ty) => {
        #[async_trait::async_trait]
        impl $crate::transport::Transport for $transport {
            async fn send_json(
                &self,
                pattern: &str,
                payload: serde_json::Value,
            ) -> Result<serde_json::Value, nestrs_core::TransportError> {
                let options = $crate::transport::CallOptions::default();
                let payload = nestrs_core::Payload::from_value(payload);
                self.0.send_payload(&nestrs_core::Pattern::from(pattern), payload, &options).await?.into_value()
            }

            async fn emit_json(
                &self,
                pattern: &str,
                payload: serde_json::Value,
            ) -> Result<(), nestrs_core::TransportError> {
                let options = $crate::transport::CallOptions::default();
                let payload = nestrs_core::Payload::from_value(payload);
                self.0.emit_payload(&nestrs_core::Pattern::from(pattern), payload, &options).await
            }

            async fn send_payload(
                &self,
                pattern: &nestrs_core::Pattern,
                payload: nestrs_core::Payload,
                options: &$crate::transport::CallOptions,
            ) -> Result<nestrs_core::Payload, nestrs_core::TransportError> {
                self.0.send_payload(pattern, payload, options).await
            }

            async fn emit_payload(
                &self,
                pattern: &nestrs_core::Pattern,
                payload: nestrs_core::Payload,
                options: &$crate::transport::CallOptions,
            ) -> Result<(), nestrs_core::TransportError> {
                self.0.emit_payload(pattern, payload, options).await
            }

            async fn send_stream(
                &self,
                pattern: &nestrs_core::Pattern,
                payload: nestrs_core::Payload,
                options: &$crate::transport::CallOptions,
            ) -> Result<
                futures_util::stream::BoxStream<'static, Result<nestrs_core::Payload, nestrs_core::TransportError>>,
                nestrs_core::TransportError,
            > {
                self.0.send_stream(pattern, payload, options).await
            }

            async fn connect(&self) -> Result<(), nestrs_core::TransportError> {
                self.0.connect().await
            }

            async fn close(&self) {
                self.0.close().await;
            }

            fn status(&self) -> futures_util::stream::BoxStream<'static, $crate::transport::ClientStatus> {
                self.0.status()
            }

            fn request_timeout(&self) -> Option<std::time::Duration> {
                self.0.request_timeout()
            }

            fn stats(&self) -> $crate::client::ClientStats {
                self.0.stats()
            }
        }
    };
}
pub(crate) use pass_on_transport;

#[cfg(test)]
mod tests;
