//! What a handler can learn about a message that came over Redis.

use std::sync::Arc;

use nestrs_core::{ErrorKind, ExecutionContext, FromContext, TransportError};

/// The channel a message came by: NestJS's `RedisContext`. What travels beside the payload
/// (`RedisContext#getMetadata`) is the call's own metadata, as on every transport.
///
/// ```
/// use nestrs::microservices::RedisContext;
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Audit;
///
/// #[micro_routes]
/// impl Audit {
///     /// With `wildcards` on, the channel tells what was published to.
///     #[event_pattern("orders:*")]
///     async fn seen(&self, order: serde_json::Value, redis: RedisContext) {
///         tracing::info!(channel = redis.channel(), size = order.to_string().len());
///     }
/// }
/// ```
///
/// It is an error, answered to the caller, where a handler is called by another transport; `Option<RedisContext>` is `None`
/// there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisContext {
    channel: Arc<str>,
    /// Of an event that came by a stream: its id there, and how often it came.
    entry: Option<(Arc<str>, u32)>,
}

impl RedisContext {
    pub(super) fn new(channel: Arc<str>) -> Self {
        Self { channel, entry: None }
    }

    pub(super) fn of_stream(channel: Arc<str>, id: Arc<str>, deliveries: u32) -> Self {
        Self { channel, entry: Some((id, deliveries)) }
    }

    /// The channel that was published to, also where the handler's pattern has wildcards: NestJS's `getChannel()`.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The event's id in its stream, the same at each delivery; `None` for what was published.
    #[must_use]
    pub fn stream_id(&self) -> Option<&str> {
        self.entry.as_ref().map(|(id, _)| &**id)
    }

    /// How often this event was delivered, this time included; 1 for what was published.
    #[must_use]
    pub fn deliveries(&self) -> u32 {
        self.entry.as_ref().map_or(1, |(_, deliveries)| *deliveries)
    }

    /// Whether it was delivered before, so that it may have been handled in part.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.deliveries() > 1
    }
}

impl FromContext<'_> for RedisContext {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        cx.transport::<Self>().cloned().ok_or_else(|| {
            let text = format!("`{}` was not called over Redis", cx.handler());
            TransportError::withheld(ErrorKind::Internal, text)
        })
    }
}
