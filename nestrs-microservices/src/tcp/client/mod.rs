//! Calls over one multiplexed connection.

mod frame;
mod stream;
mod tries;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt};
use nestrs_core::{ErrorKind, Pattern, Payload, Sent, TransportError};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::Instant;

use crate::client::{ClientStats, Waiter};
use crate::scratch::in_scratch;
use crate::time::{after, sleep_until};
use crate::transport::{CallOptions, ClientStatus, Transport};

use super::call_id::next_id;
use super::dial::{Dialler, closed};
use super::link::Link;
use super::options::{Overflow, TcpTransportOptions};

use frame::until;
use stream::StreamCall;
pub(crate) use tries::Tries;

/// The client half of the TCP transport.
///
/// Nothing is dialled before the first call, unless [`Transport::connect`] is called. All calls share one connection;
/// when it is lost every call under way fails at once, and another is dialled until there is one
/// ([`TcpTransportOptions::backoff`]). A server that says that it is shutting down is left in the same way, but for the
/// calls that it still answers.
///
/// Failed calls say whether their request may have been executed ([`TransportError::sent`]). One that surely was not, for
/// it was never sent or the server refused to run it, is sent once more by itself, within its own timeout.
///
/// Clients in one process share nothing, so several may talk to one server over a connection each.
pub struct TcpTransport {
    shared: Arc<Inner>,
    /// Shared with the streams of replies under way, which keep the connection when the client is dropped.
    owner: Arc<Owner>,
}

/// Ends the connection when the last one who needs it is gone.
struct Owner(Arc<Dialler>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

struct Inner {
    options: TcpTransportOptions,
    dialler: Arc<Dialler>,
    /// One permit a call.
    calls: Arc<Semaphore>,
}

impl TcpTransport {
    /// A client with these options.
    #[must_use]
    pub fn new(options: TcpTransportOptions) -> Self {
        let calls = Arc::new(Semaphore::new(options.max_pending.clamp(1, Semaphore::MAX_PERMITS)));
        let dialler = Arc::new(Dialler::new(options.clone()));
        let owner = Arc::new(Owner(Arc::clone(&dialler)));
        Self { shared: Arc::new(Inner { options, dialler, calls }), owner }
    }
}

impl Inner {
    /// `None` for a call that waits for ever.
    fn deadline(&self, options: &CallOptions) -> Option<(Instant, Duration)> {
        options.limit(self.options.request_timeout).map(|(deadline, timeout)| (deadline.into(), timeout))
    }

    /// Waits for a free place among the calls under way.
    async fn place(&self) -> Result<OwnedSemaphorePermit, TransportError> {
        let calls = Arc::clone(&self.calls);
        if self.options.overflow == Overflow::Wait {
            return calls.acquire_owned().await.map_err(|_| closed());
        }
        calls.try_acquire_owned().map_err(|refused| match refused {
            TryAcquireError::Closed => closed(),
            TryAcquireError::NoPermits => {
                let text = format!("{} calls are under way (`max_pending`)", self.options.max_pending);
                TransportError::withheld(ErrorKind::Overloaded, text).with_sent(Sent::No)
            }
        })
    }

    /// The connection for what can be sent. What cannot, as `check` says, needs none, so that none is made for it.
    async fn link_for(
        &self,
        deadline: Option<Instant>,
        check: impl FnOnce() -> Result<(), TransportError>,
    ) -> Result<Arc<Link>, TransportError> {
        if let Some(link) = self.dialler.open_link() {
            return Ok(link);
        }
        check()?;
        self.dialler.link(deadline).await
    }

    /// Queues a request with one answer, where nothing has to be waited for, as is usual. `None`, with nothing done, is
    /// for [`Self::request`], which waits, and says what is wrong.
    fn request_at_once(
        &self,
        pattern: &Pattern,
        payload: &Payload,
        options: &CallOptions,
        limit: Option<(Instant, Duration)>,
    ) -> Option<InFlight> {
        // A serializer of the user's is asked once for each request.
        if self.options.serializer.is_some() {
            return None;
        }
        let left = match limit {
            // Its time is over before it was made.
            Some((_, timeout)) if timeout.is_zero() => return None,
            Some((end, _)) => Some(end).filter(|_| self.options.send_deadline),
            None => None,
        };
        let place = Arc::clone(&self.calls).try_acquire_owned().ok()?;
        let link = self.dialler.any_link()?;
        let id = next_id();
        let submitted = in_scratch(|frame| {
            self.write_frame(frame, &pattern.json(), payload, &options.metadata, left.map(until), Some(id)).is_ok()
                && link.submit_at_once(frame, id)
        });
        submitted.then(|| InFlight { link, id, answered: false, _place: place })
    }

    /// Queues a request whose responses go to `waiter`.
    async fn request(
        self: &Arc<Self>,
        pattern: &Pattern,
        payload: &Payload,
        options: &CallOptions,
        limit: Option<(Instant, Duration)>,
        waiter: Waiter,
    ) -> Result<InFlight, TransportError> {
        still_in_time(pattern, limit)?;
        let place = self.place().await?;
        let id = next_id();
        let deadline = limit.map(|(deadline, _)| deadline);
        // A stream is as long as it is: its timeout is for each item.
        let end = if matches!(waiter, Waiter::One) { deadline } else { options.deadline.map(Instant::from) };
        let frame = || {
            let left = end.filter(|_| self.options.send_deadline).map(until);
            self.frame(&pattern.json(), payload, &options.metadata, left, Some(id))
        };
        let link = self.link_for(deadline, || frame().map(drop)).await?;
        still_in_time(pattern, limit)?;
        let frame = frame()?;
        let in_flight = InFlight { link, id, answered: false, _place: place };
        in_flight.link.submit(&frame, Some((id, waiter))).await?;
        Ok(in_flight)
    }
}

/// A request on its way. Dropping it forgets the call.
struct InFlight {
    link: Arc<Link>,
    id: u64,
    /// Nothing is left to forget.
    answered: bool,
    _place: OwnedSemaphorePermit,
}

impl InFlight {
    /// The one answer.
    async fn answer(mut self) -> Result<Payload, TransportError> {
        let answer = poll_fn(|task| self.link.poll_answer(self.id, task)).await;
        self.answered = true;
        answer
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.answered {
            self.link.forget(self.id);
        }
    }
}

impl Inner {
    /// Before a call is sent once more. A server that has too much to do is left in peace for a moment.
    async fn before_resending(&self, reason: &TransportError, limit: Option<(Instant, Duration)>) {
        self.dialler.counters().resent.add_one();
        tracing::debug!(target: "nestrs::client", %reason, "was not executed; sent once more");
        if reason.kind() == ErrorKind::Overloaded {
            let due = limit.map(|(deadline, _)| deadline);
            let until = [after(self.options.backoff.pause(0)), due].into_iter().flatten().min();
            sleep_until(until).await;
        }
    }
}

#[async_trait]
impl Transport for TcpTransport {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        let options = CallOptions::default();
        self.send_payload(&Pattern::from(pattern), Payload::from_value(payload), &options).await?.into_value()
    }

    async fn emit_json(&self, pattern: &str, payload: Value) -> Result<(), TransportError> {
        self.emit_payload(&Pattern::from(pattern), Payload::from_value(payload), &CallOptions::default()).await
    }

    async fn send_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        let limit = self.shared.deadline(options);
        let mut tries = Tries::new(options);
        let mut begun = self.shared.request_at_once(pattern, &payload, options, limit);
        let calling = async {
            loop {
                let before = tries.sent;
                let requested = match begun.take() {
                    Some(in_flight) => Ok(in_flight),
                    // In a box of its own, so that every call's is small.
                    None => Box::pin(self.shared.request(pattern, &payload, options, limit, Waiter::One)).await,
                };
                let outcome = match requested {
                    // A request that is queued goes out, whoever still waits for it.
                    Ok(in_flight) => {
                        tries.sent = Sent::Maybe;
                        in_flight.answer().await
                    }
                    Err(error) => Err(error),
                };
                match tries.judge(before, outcome) {
                    Ok(outcome) => return outcome,
                    Err(reason) => self.shared.before_resending(&reason, limit).await,
                }
            }
        };
        match limit {
            None => calling.await,
            Some((deadline, timeout)) => match tokio::time::timeout_at(deadline, calling).await {
                Ok(outcome) => outcome,
                Err(_) => Err(timed_out(pattern, timeout).with_sent(tries.sent)),
            },
        }
    }

    async fn emit_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        let limit = self.shared.deadline(options);
        let deadline = limit.map(|(deadline, _)| deadline);
        // NestJS puts the route into an event, not the pattern.
        let route = Value::from(pattern.route()).to_string();
        let mut tries = Tries::new(options);
        let emitting = async {
            loop {
                let before = tries.sent;
                let outcome = async {
                    still_in_time(pattern, limit)?;
                    let _place = self.shared.place().await?;
                    let frame = || self.shared.frame(&route, &payload, &options.metadata, None, None);
                    let link = self.shared.link_for(deadline, || frame().map(drop)).await?;
                    let span = link.submit(&frame()?, None).await?;
                    tries.sent = Sent::Maybe;
                    link.written(span).await
                };
                let outcome = outcome.await;
                match tries.judge(before, outcome) {
                    Ok(outcome) => return outcome,
                    Err(reason) => self.shared.before_resending(&reason, limit).await,
                }
            }
        };
        match limit {
            None => emitting.await,
            Some((deadline, timeout)) => match tokio::time::timeout_at(deadline, emitting).await {
                Ok(outcome) => outcome,
                Err(_) => Err(timed_out(pattern, timeout).with_sent(tries.sent)),
            },
        }
    }

    async fn send_stream(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        Ok(StreamCall::open(&self.shared, &self.owner, pattern, payload, options).await?.boxed())
    }

    async fn connect(&self) -> Result<(), TransportError> {
        self.shared.dialler.link(None).await.map(drop)
    }

    async fn close(&self) {
        self.shared.calls.close();
        self.shared.dialler.close().await;
    }

    fn status(&self) -> BoxStream<'static, ClientStatus> {
        self.shared.dialler.status()
    }

    fn request_timeout(&self) -> Option<Duration> {
        self.shared.options.request_timeout
    }

    fn stats(&self) -> ClientStats {
        let counters = self.shared.dialler.counters();
        ClientStats {
            pending: self.shared.dialler.pending(),
            connections: counters.connections.get(),
            failed_dials: counters.failed_dials.get(),
            lost_connections: counters.lost_connections.get(),
            late_replies: counters.late_replies.get(),
            unknown_replies: counters.unknown_replies.get(),
            resent: counters.resent.get(),
            ..ClientStats::default()
        }
    }
}

/// Names the server, never what is sent there.
impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransport").field("address", &self.shared.options.address()).finish_non_exhaustive()
    }
}

/// A call whose time is over before it was made costs nothing.
fn still_in_time(pattern: &Pattern, limit: Option<(Instant, Duration)>) -> Result<(), TransportError> {
    match limit {
        Some((deadline, timeout)) if deadline <= Instant::now() => Err(timed_out(pattern, timeout).with_sent(Sent::No)),
        _ => Ok(()),
    }
}

fn timed_out(pattern: &Pattern, timeout: Duration) -> TransportError {
    let text = format!("`{}` was not answered within {timeout:?}", pattern.route());
    TransportError::withheld(ErrorKind::Timeout, text)
}
