//! One endpoint: a subscription, and what is counted of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nestrs_core::ErrorKind;

use crate::broker::Subscription;

use super::answers::{About, Stats};
use super::identity::word;

/// Names of handlers in the metadata of an endpoint; no more of them are told.
const HANDLERS_MAX: usize = 8;

/// What is known of one subscription. Its handlers share it, where several have one pattern.
#[derive(Debug)]
pub(in crate::nats) struct Endpoint {
    name: String,
    subject: Arc<str>,
    queue_group: String,
    handlers: String,
    requests: AtomicU64,
    errors: AtomicU64,
    processing_nanos: AtomicU64,
    last_error: Mutex<Option<ErrorKind>>,
}

impl Endpoint {
    pub(super) fn of(subscription: &Subscription, queue: Option<String>) -> Arc<Self> {
        let handlers: Vec<_> = subscription.handlers().take(HANDLERS_MAX).collect();
        Arc::new(Self {
            name: handlers.first().map_or_else(|| "handler".to_owned(), |handler| word(&handler.replace("::", "-"))),
            subject: Arc::clone(&subscription.pattern),
            queue_group: queue.unwrap_or_default(),
            handlers: handlers.join(", "),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            processing_nanos: AtomicU64::new(0),
            last_error: Mutex::default(),
        })
    }

    /// A message is about to be handled.
    pub(in crate::nats) fn begin(self: &Arc<Self>) -> Underway {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Underway { endpoint: Arc::clone(self), since: Instant::now() }
    }

    pub(super) fn about(&self) -> About<'_> {
        let metadata = [("handlers", self.handlers.as_str())].into();
        About { name: &self.name, subject: &self.subject, queue_group: &self.queue_group, metadata }
    }

    pub(super) fn stats(&self) -> Stats<'_> {
        let [requests, errors, nanos] =
            [&self.requests, &self.errors, &self.processing_nanos].map(|counter| counter.load(Ordering::Relaxed));
        let last_error = *self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        Stats {
            name: &self.name,
            subject: &self.subject,
            queue_group: &self.queue_group,
            num_requests: requests,
            num_errors: errors,
            last_error: last_error.map_or("", in_words),
            processing_time: nanos,
            average_processing_time: nanos.checked_div(requests).unwrap_or(0),
        }
    }
}

/// A message that is being handled, until this is dropped.
pub(in crate::nats) struct Underway {
    endpoint: Arc<Endpoint>,
    since: Instant,
}

impl Underway {
    /// It was answered with an error, or its handlers failed.
    pub(in crate::nats) fn failed(&self, kind: ErrorKind) {
        self.endpoint.errors.fetch_add(1, Ordering::Relaxed);
        *self.endpoint.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(kind);
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let nanos = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.endpoint.processing_nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

/// The sort of an error, and no more: its text was for its caller, and whoever may ask for statistics is somebody else.
fn in_words(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Application => "the handler answered with an error",
        ErrorKind::Remote => "another service answered with an error",
        ErrorKind::NotFound => "not found",
        ErrorKind::InvalidPayload => "the payload does not fit",
        ErrorKind::InvalidReply => "another service's reply does not fit",
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::Timeout => "timed out",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::ConnectionClosed => "a connection was lost",
        ErrorKind::Closed => "a client was closed",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::TooLarge => "too large",
        _ => "internal error",
    }
}
