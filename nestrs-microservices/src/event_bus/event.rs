//! One event as its subscribers get it, and what they may answer.

use std::fmt;
use std::sync::Arc;

use futures_util::StreamExt;
use nestrs_core::{HandlerResult, Payload, Reply, TransportError};
use serde::de::DeserializeOwned;

/// An event that was published, as a subscriber made at run time gets it. Cheap to clone.
#[derive(Clone)]
pub struct ReceivedEvent {
    pub(super) name: Arc<str>,
    pub(super) payload: Payload,
}

impl ReceivedEvent {
    /// The name it was published under: `order.created`, also for a subscriber of `order.*`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it carries.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// What it carries as a `T`: a clone, where it was published as a `T` ([`EventBus::publish_event`]), and decoded
    /// from JSON otherwise.
    ///
    /// [`EventBus::publish_event`]: crate::EventBus::publish_event
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPayload`](nestrs_core::ErrorKind::InvalidPayload) when it does not fit `T`.
    pub fn decode<T: DeserializeOwned + 'static>(&self) -> Result<T, TransportError> {
        self.payload.receive()
    }
}

/// Payloads are users' data: `Debug` gives the name only.
impl fmt::Debug for ReceivedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedEvent").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a subscriber made at run time may return: nothing, or a `Result` whose error converts into
/// [`TransportError`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a subscriber can return",
    label = "neither `()` nor a `Result`",
    note = "end the block with `;`, or return a `Result<(), TransportError>`"
)]
pub trait EventOutcome {
    /// Converts it.
    ///
    /// # Errors
    /// The subscriber's own.
    fn into_outcome(self) -> Result<(), TransportError>;
}

impl EventOutcome for () {
    fn into_outcome(self) -> Result<(), TransportError> {
        Ok(())
    }
}

impl<E: Into<TransportError>> EventOutcome for Result<(), E> {
    fn into_outcome(self) -> Result<(), TransportError> {
        self.map_err(Into::into)
    }
}

/// Runs what a handler returned to its end; its values are nobody's.
pub(super) async fn exhaust(outcome: HandlerResult) -> Result<(), TransportError> {
    if let Reply::Stream(mut items) = outcome? {
        while let Some(item) = items.next().await {
            item?;
        }
    }
    Ok(())
}
