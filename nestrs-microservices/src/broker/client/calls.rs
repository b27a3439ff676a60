//! Calls over the one connection of a client.

use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{ErrorKind, Metadata, Pattern, Payload, Sent, TransportError};
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::Instant;

use crate::broker::writing::unframed;
use crate::client::{ClientStats, Waiter};
use crate::dispatcher::TIMEOUT_METADATA;
use crate::packet::write_request;
use crate::tcp::{Overflow, Tries, id_text, next_id};
use crate::time::{after, sleep_until};
use crate::transport::{CallOptions, ClientStatus};

use super::dial::{Dialler, Live, closed};
use super::stream::StreamCall;
use super::{CallingOptions, ClientDriver, ClientLink, Outgoing};

/// A client of a broker, but for its driver: everything that a `Transport` does.
pub(crate) struct BrokerClient<D: ClientDriver> {
    shared: Arc<Inner<D>>,
    /// Shared with the streams of replies under way, which keep the connection when the client is dropped.
    owner: Arc<Owner<D>>,
}

/// Ends the connection when the last one who needs it is gone.
pub(super) struct Owner<D: ClientDriver>(Arc<Dialler<D>>);

impl<D: ClientDriver> Drop for Owner<D> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

pub(super) struct Inner<D: ClientDriver> {
    pub(super) options: CallingOptions,
    dialler: Arc<Dialler<D>>,
    /// One permit a call.
    places: Arc<Semaphore>,
}

/// When a call ends, and how long that was from its beginning.
pub(super) type Limit = Option<(Instant, Duration)>;

/// A request on its way. Dropping it forgets the call.
pub(super) struct InFlight<D: ClientDriver> {
    live: Arc<Live<D::Link>>,
    id: u64,
    _place: OwnedSemaphorePermit,
}

impl<D: ClientDriver> InFlight<D> {
    /// The one answer.
    async fn answer(self) -> Result<Payload, TransportError> {
        let answer = poll_fn(|task| self.live.pending.poll_answer(self.id, task)).await;
        answer.unwrap_or_else(|| Err(gone()))
    }
}

impl<D: ClientDriver> Drop for InFlight<D> {
    fn drop(&mut self) {
        self.live.pending.forget(self.id);
        self.live.link.forget(self.id);
    }
}

impl<D: ClientDriver> BrokerClient<D> {
    pub(crate) fn new(driver: D, options: CallingOptions) -> Self {
        let places = Arc::new(Semaphore::new(options.max_pending.clamp(1, Semaphore::MAX_PERMITS)));
        let dialler = Arc::new(Dialler::new(driver, options.clone()));
        let owner = Arc::new(Owner(Arc::clone(&dialler)));
        Self { shared: Arc::new(Inner { options, dialler, places }), owner }
    }

    pub(crate) fn driver(&self) -> &D {
        self.shared.dialler.driver()
    }

    pub(crate) async fn send_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        let limit = self.shared.limit(options);
        let mut tries = Tries::new(options);
        let calling = async {
            loop {
                let before = tries.sent;
                let sent = &mut tries.sent;
                let outcome = match self.shared.request(pattern, &payload, options, limit, Waiter::One, sent).await {
                    Ok(in_flight) => in_flight.answer().await,
                    Err(error) => Err(error),
                };
                match tries.judge(before, outcome) {
                    Ok(outcome) => return outcome,
                    Err(reason) => self.shared.before_resending(&reason, limit).await,
                }
            }
        };
        match within(limit, calling).await {
            Some(outcome) => outcome.map_err(|error| named(error, pattern)),
            None => Err(timed_out(pattern, limit).with_sent(tries.sent)),
        }
    }

    pub(crate) async fn emit_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        let stamped = self.stamped(options);
        let options = stamped.as_ref().unwrap_or(options);
        let limit = self.shared.limit(options);
        let mut tries = Tries::new(options);
        let emitting = async {
            loop {
                let before = tries.sent;
                let outcome = self.shared.emit(pattern, &payload, options, limit, &mut tries.sent).await;
                match tries.judge(before, outcome) {
                    Ok(outcome) => return outcome,
                    Err(reason) => self.shared.before_resending(&reason, limit).await,
                }
            }
        };
        match within(limit, emitting).await {
            Some(outcome) => outcome,
            None => Err(timed_out(pattern, limit).with_sent(tries.sent)),
        }
    }

    fn stamped(&self, options: &CallOptions) -> Option<CallOptions> {
        let (name, value) = self.shared.dialler.driver().event_header()?;
        if options.metadata.get(name).is_some() {
            return None;
        }
        let mut options = options.clone();
        options.metadata.insert(name, value);
        Some(options)
    }

    pub(crate) async fn send_stream(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        let begun = StreamCall::open(&self.shared, &self.owner, pattern, payload, options).await?;
        Ok(stream::unfold(Some(begun), |state| async {
            let (mut call, mut items) = state?;
            let item = call.next(&mut items).await?;
            let state = item.is_ok().then_some((call, items));
            Some((item, state))
        })
        .boxed())
    }

    pub(crate) async fn connect(&self) -> Result<(), TransportError> {
        self.shared.dialler.live(None).await.map(drop)
    }

    pub(crate) async fn close(&self) {
        self.shared.places.close();
        self.shared.dialler.close().await;
    }

    pub(crate) fn status(&self) -> BoxStream<'static, ClientStatus> {
        self.shared.dialler.status()
    }

    pub(crate) fn request_timeout(&self) -> Option<Duration> {
        self.shared.options.request_timeout
    }

    pub(crate) fn stats(&self) -> ClientStats {
        let counters = &self.shared.dialler.counters;
        ClientStats {
            pending: self.shared.dialler.pending(),
            connections: counters.connections.get(),
            failed_dials: counters.failed_dials.get(),
            lost_connections: counters.lost_connections.get(),
            late_replies: counters.late_replies.get(),
            unknown_replies: counters.unknown_replies.get(),
            overflowed_replies: counters.overflowed_replies.get(),
            #[cfg(feature = "redis")]
            foreign_replies: counters.foreign_replies.get(),
            resent: counters.resent.get(),
            ..ClientStats::default()
        }
    }
}

impl<D: ClientDriver> Inner<D> {
    pub(super) fn limit(&self, options: &CallOptions) -> Limit {
        options.limit(self.options.request_timeout).map(|(deadline, timeout)| (deadline.into(), timeout))
    }

    /// Gives a request to the broker, whose responses go to `waiter`.
    pub(super) async fn request(
        &self,
        pattern: &Pattern,
        payload: &Payload,
        options: &CallOptions,
        limit: Limit,
        waiter: Waiter,
        sent: &mut Sent,
    ) -> Result<InFlight<D>, TransportError> {
        still_in_time(pattern, limit)?;
        self.check(pattern)?;
        let place = self.place().await?;
        let id = next_id();
        // A stream is as long as it is: its timeout is for each item.
        let own = limit.map(|(deadline, _)| deadline);
        let end = if matches!(waiter, Waiter::One) { own } else { options.deadline.map(Instant::from) };
        let live = self.dialler.live(own).await?;
        still_in_time(pattern, limit)?;
        let left = end.filter(|_| self.options.send_deadline);
        // Rounded up: our own timer is the first to fire, and says that it was a timeout.
        let left = left.map(|end| end.saturating_duration_since(Instant::now()).as_millis() + 1);
        let message = self.message(pattern, payload, &options.metadata, left, Some(&id_text(id)))?;
        // Before it is sent: the answer can come while this still returns.
        live.pending.register(id, 0, waiter)?;
        let in_flight: InFlight<D> = InFlight { live, id, _place: place };
        *sent = Sent::Maybe;
        in_flight.live.link.request(id, message).await.map_err(|error| self.dialler.why(error))?;
        Ok(in_flight)
    }

    async fn emit(
        &self,
        pattern: &Pattern,
        payload: &Payload,
        options: &CallOptions,
        limit: Limit,
        sent: &mut Sent,
    ) -> Result<(), TransportError> {
        still_in_time(pattern, limit)?;
        self.check(pattern)?;
        let _place = self.place().await?;
        let live = self.dialler.live(limit.map(|(deadline, _)| deadline)).await?;
        let message = self.message(pattern, payload, &options.metadata, None, None)?;
        *sent = Sent::Maybe;
        live.link.emit(message).await.map_err(|error| self.dialler.why(error))
    }

    fn check(&self, pattern: &Pattern) -> Result<(), TransportError> {
        self.dialler.driver().check(pattern).map_err(|error| error.with_sent(Sent::No))
    }

    /// The packet; `left` is what a request tells of its deadline, in milliseconds.
    fn message<'a>(
        &self,
        pattern: &'a Pattern,
        payload: &Payload,
        metadata: &'a Metadata,
        left: Option<u128>,
        id: Option<&[u8]>,
    ) -> Result<Outgoing<'a>, TransportError> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> =
            metadata.iter().map(|(key, value)| (key.into(), value.into())).collect();
        // What the caller has set itself is meant.
        if let Some(left) = left.filter(|_| metadata.get(TIMEOUT_METADATA).is_none()) {
            pairs.push((TIMEOUT_METADATA.into(), left.to_string().into()));
        }
        let (headers, inside) = if D::HEADERS { (pairs, Vec::new()) } else { (Vec::new(), pairs) };
        let inside = (!inside.is_empty()).then(|| {
            let members: Map<_, _> =
                inside.into_iter().map(|(key, value)| (key.into_owned(), Value::from(value))).collect();
            Value::Object(members).to_string()
        });
        let mut frame = Vec::new();
        write_request(&mut frame, &pattern.json(), &payload.json(), inside.as_deref().map(str::as_bytes), id);
        let mut body = unframed(frame);
        if let Some(serializer) = &self.options.serializer {
            let packet = serde_json::from_slice(&body).map_err(TransportError::from);
            // Whatever the serializer thinks of it, nothing has been sent.
            let packet = packet.and_then(|packet| serializer.serialize(packet));
            body = Bytes::from(packet.map_err(|error| error.with_sent(Sent::No))?.to_string());
        }
        Ok(Outgoing { pattern, body, headers })
    }

    /// Waits for a free place among the calls under way.
    async fn place(&self) -> Result<OwnedSemaphorePermit, TransportError> {
        let places = Arc::clone(&self.places);
        if self.options.overflow == Overflow::Wait {
            return places.acquire_owned().await.map_err(|_| closed());
        }
        places.try_acquire_owned().map_err(|refused| match refused {
            TryAcquireError::Closed => closed(),
            TryAcquireError::NoPermits => {
                let text = format!("{} calls are under way (`max_pending`)", self.options.max_pending);
                TransportError::withheld(ErrorKind::Overloaded, text).with_sent(Sent::No)
            }
        })
    }

    /// Before a call is sent once more. A server that has too much to do is left in peace for a moment.
    pub(super) async fn before_resending(&self, reason: &TransportError, limit: Limit) {
        self.dialler.counters.resent.add_one();
        tracing::debug!(target: "nestrs::client", %reason, "was not executed; sent once more");
        if reason.kind() == ErrorKind::Overloaded {
            let due = limit.map(|(deadline, _)| deadline);
            let until = [after(self.options.backoff.pause(0)), due].into_iter().flatten().min();
            sleep_until(until).await;
        }
    }
}

/// Names the pattern that nobody listens to, which what comes back does not.
pub(super) fn named(mut error: TransportError, pattern: &Pattern) -> TransportError {
    if error.kind() == ErrorKind::NotFound && error.sent() == Some(Sent::No) {
        error.message = format!("nobody listens to `{}`", pattern.route());
    }
    error
}

fn gone() -> TransportError {
    TransportError::withheld(ErrorKind::ConnectionClosed, "nobody answers any more").with_sent(Sent::Maybe)
}

/// `work`, or `None` at the limit.
pub(super) async fn within<T>(limit: Limit, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        None => Some(work.await),
        Some((deadline, _)) => tokio::time::timeout_at(deadline, work).await.ok(),
    }
}

/// A call whose time is over before it was made costs nothing.
fn still_in_time(pattern: &Pattern, limit: Limit) -> Result<(), TransportError> {
    match limit {
        Some((deadline, _)) if deadline <= Instant::now() => Err(timed_out(pattern, limit).with_sent(Sent::No)),
        _ => Ok(()),
    }
}

pub(super) fn timed_out(pattern: &Pattern, limit: Limit) -> TransportError {
    let timeout = limit.map_or(Duration::ZERO, |(_, timeout)| timeout);
    let text = format!("`{}` was not answered within {timeout:?}", pattern.route());
    TransportError::withheld(ErrorKind::Timeout, text)
}
