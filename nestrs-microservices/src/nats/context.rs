//! What a handler can learn of the NATS message that called it.

use std::sync::Arc;

use nestrs_core::{ErrorKind, ExecutionContext, FromContext, TransportError};

use super::headers::NatsHeaders;

/// The message that called a handler: NestJS's `NatsContext`. A handler takes it as an argument after its payload, or
/// marked `#[ctx]`.
///
/// Where a handler is called by another transport it is an error, answered to the caller; `Option<NatsContext>` is `None`
/// there. The headers are the call's metadata too, so that handlers of several transports need not know.
///
/// ```
/// use nestrs::microservices::NatsContext;
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Audit;
///
/// #[micro_routes]
/// impl Audit {
///     #[event_pattern("orders.*")]
///     async fn on_order(&self, order: u64, nats: NatsContext) {
///         let tenant = nats.headers().get("x-tenant").unwrap_or("nobody");
///         println!("{tenant}: {} of {order}", nats.subject());
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct NatsContext(Arc<Message>);

#[derive(Debug)]
struct Message {
    subject: Arc<str>,
    headers: NatsHeaders,
    /// How often it has been delivered, and its place in its stream, where that keeps it.
    kept: Option<(u32, u64)>,
}

impl NatsContext {
    pub(super) fn new(subject: Arc<str>, headers: NatsHeaders) -> Self {
        Self(Arc::new(Message { subject, headers, kept: None }))
    }

    /// The same, for a message that a stream keeps.
    pub(super) fn kept(subject: Arc<str>, headers: NatsHeaders, deliveries: u32, sequence: u64) -> Self {
        Self(Arc::new(Message { subject, headers, kept: Some((deliveries, sequence)) }))
    }

    /// How often this event has been delivered, this time included; 1 for everything that no stream keeps. It counts
    /// deliveries to any replica, those that ended with their server among them.
    #[must_use]
    pub fn deliveries(&self) -> u32 {
        self.0.kept.map_or(1, |(deliveries, _)| deliveries)
    }

    /// Whether this event has been delivered before: part of the work may have been done.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.deliveries() > 1
    }

    /// The number that the stream gave this event, the same at each delivery; `None` where no stream keeps it.
    #[must_use]
    pub fn stream_sequence(&self) -> Option<u64> {
        self.0.kept.map(|(_, sequence)| sequence)
    }

    /// The subject that was sent to: `orders.created`, also where the handler is declared under `orders.*`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Its headers; empty when it had none.
    #[must_use]
    pub fn headers(&self) -> &NatsHeaders {
        &self.0.headers
    }
}

impl FromContext<'_> for NatsContext {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        cx.transport::<Self>().cloned().ok_or_else(|| {
            TransportError::withheld(ErrorKind::Internal, format!("`{}` was not called over NATS", cx.handler()))
        })
    }
}
