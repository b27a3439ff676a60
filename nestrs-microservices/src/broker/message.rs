//! One message, as a broker delivers it, and the way back to whoever sent it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use nestrs_core::{ErrorKind, Metadata, TransportError};

use crate::packet::Answer;

use super::settling::Acknowledger;

/// One message, as a broker delivers it.
pub(crate) struct Delivery {
    /// The pattern whose subscription it came by: a handler's, as it is declared.
    pub(crate) subscribed: Arc<str>,
    /// Where it was sent to. Differs from `subscribed` where that has wildcards.
    pub(crate) subject: Arc<str>,
    /// What was sent, unread.
    pub(crate) body: Bytes,
    /// What the broker carries beside the body: headers. They count for more than what the packet says of the same name.
    pub(crate) metadata: Option<Metadata>,
    /// What handlers read by `ExecutionContext::transport`.
    pub(crate) context: Arc<dyn Any + Send + Sync>,
    /// Where answers go; `None` where nobody waits for any.
    pub(crate) replier: Option<Box<dyn Replier>>,
    /// Who is told how it ended; `None` where the broker keeps nothing.
    pub(crate) acknowledger: Option<Box<dyn Acknowledger>>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("subscribed", &self.subscribed)
            .field("len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The way back to whoever sent a request.
#[async_trait]
pub(crate) trait Replier: Send + Sync {
    /// Sends one response packet. Never called with an empty body.
    ///
    /// # Errors
    /// `ErrorKind::TooLarge` when the broker would not take it: an error is sent in its place. Any other: nobody can be
    /// answered any more.
    async fn reply(&self, body: Bytes) -> Result<(), TransportError>;

    /// This is about to be sent, as `reply`'s body. For those who count.
    fn answering(&self, _answer: &Answer) {}

    /// It was an event, and a handler of it failed. For those who count.
    fn event_failed(&self, _kind: ErrorKind) {}
}
