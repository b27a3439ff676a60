//! What became of one event.

use std::fmt;
use std::sync::Arc;

use nestrs_core::{ErrorKind, TransportError};

/// What became of a published event. It may be ignored: failures have been logged and counted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Published {
    /// Subscribers that finished well.
    pub handled: usize,
    /// Subscribers that did not, in the order of subscription.
    pub failures: Vec<SubscriberFailure>,
    /// Why the event was given to nobody: serde refuses it, its name has a wildcard, or the bus is closed.
    pub refused: Option<TransportError>,
}

impl Published {
    /// How many subscribers failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failures.len()
    }

    /// Whether every subscriber finished well. So it is where there was none.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.refused.is_none() && self.failures.is_empty()
    }

    /// For a publisher that wants to fail with its subscribers: the refusal, or the first failure.
    ///
    /// # Errors
    /// When [`Published::is_ok`] is false.
    pub fn into_result(self) -> Result<usize, TransportError> {
        match self.refused.or_else(|| self.failures.into_iter().next().map(|failure| failure.error)) {
            Some(error) => Err(error),
            None => Ok(self.handled),
        }
    }

    pub(super) fn of_refusal(error: TransportError) -> Self {
        Self { refused: Some(error), ..Self::default() }
    }

    pub(super) fn add(&mut self, outcome: Result<(), SubscriberFailure>) {
        match outcome {
            Ok(()) => self.handled += 1,
            Err(failure) => self.failures.push(failure),
        }
    }
}

/// What became of an event that was [emitted](crate::EventBus::emit): whose queues it is in. It may be ignored: what
/// was dropped has been logged and counted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Emitted {
    /// Subscribers that will get it.
    pub queued: usize,
    /// Subscribers that will not: their queues are full.
    pub dropped: usize,
    /// Why the event was given to nobody, for the reasons that [`Published`] has.
    pub refused: Option<TransportError>,
}

/// One subscriber that did not finish well.
#[derive(Clone)]
#[non_exhaustive]
pub struct SubscriberFailure {
    /// `Type::method`, or where in the source the subscriber was made.
    pub subscriber: Arc<str>,
    /// How it failed.
    pub kind: FailureKind,
    /// Its error. That of a payload which does not fit says so and quotes nothing.
    pub error: TransportError,
}

/// How a subscriber failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// It returned an error, or one of its stages did, or the payload does not fit.
    Failed,
    /// It panicked.
    Panicked,
    /// It was dropped at [`handler_timeout`](crate::EventBusOptions::handler_timeout).
    TimedOut,
    /// It goes on, but the publisher waits no longer
    /// ([`publish_timeout`](crate::EventBusOptions::publish_timeout)). How it ends is logged and counted.
    GivenUp,
    /// As many events as its queue takes are waiting or under way: it does not get this one.
    QueueFull,
    /// It was dropped because the application closes.
    Closing,
}

impl SubscriberFailure {
    pub(super) fn new(subscriber: &Arc<str>, kind: FailureKind) -> Self {
        let (what, error_kind) = match kind {
            FailureKind::TimedOut => ("the subscriber took too long and was dropped", ErrorKind::Timeout),
            FailureKind::GivenUp => ("the subscriber has not finished yet", ErrorKind::Timeout),
            FailureKind::QueueFull => ("the subscriber's queue is full", ErrorKind::Overloaded),
            FailureKind::Closing => ("the event bus is closing", ErrorKind::Closed),
            FailureKind::Failed | FailureKind::Panicked => ("the subscriber failed", ErrorKind::Internal),
        };
        Self { subscriber: Arc::clone(subscriber), kind, error: TransportError::new(what).with_kind(error_kind) }
    }

    pub(super) fn failed(subscriber: &Arc<str>, kind: FailureKind, error: TransportError) -> Self {
        let error = match error.kind() {
            // Its text quotes the payload, and reports end up in logs.
            ErrorKind::InvalidPayload => TransportError::new("the payload does not fit what the subscriber takes")
                .with_kind(ErrorKind::InvalidPayload),
            _ => error,
        };
        Self { subscriber: Arc::clone(subscriber), kind, error }
    }
}

impl fmt::Debug for SubscriberFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriberFailure")
            .field("subscriber", &self.subscriber)
            .field("kind", &self.kind)
            .field("error", &self.error.message)
            .finish_non_exhaustive()
    }
}
