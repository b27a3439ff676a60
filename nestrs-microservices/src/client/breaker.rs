//! A circuit that opens when a service fails too often, so that callers fail at once and the service can recover.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{ErrorKind, Pattern, Payload, Sent, TransportError};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::transport::{CallOptions, CircuitState, ClientStatus, Transport};

use super::stats::{ClientStats, Counter};

/// When a client stops calling a service that fails, and when it tries again.
///
/// The circuit is *closed* while all is well. It *opens* when, within `window`, at least `min_calls` calls have ended and
/// `failure_percent` of them failed: from then on calls and events fail at once with [`ErrorKind::Unavailable`], "circuit
/// open", and nothing is sent. After `open_for` it is *half-open*: one call at a time is let through, and the first that
/// ends decides, closed when it went well, open again when not. One that takes longer than `open_for`, and a second, is
/// not waited for: another is let through beside it.
///
/// A failure is that of the way there: [`ErrorKind::Unavailable`], [`ErrorKind::ConnectionClosed`],
/// [`ErrorKind::Timeout`], [`ErrorKind::Overloaded`]. What the application answers is a success, an error too. A call that
/// was dropped, or failed before it left ([`ErrorKind::TooLarge`] and the like), does not count.
///
/// An error of an open circuit has [`CircuitOpen`] as its source. One circuit belongs to one client, whose clones share it. [`ClientProxy::circuit`](crate::ClientProxy::circuit) tells
/// its state, and so do lines of the log, target `nestrs::client`.
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::{CircuitBreaker, ClientConfig, TcpTransportOptions};
///
/// let breaker = CircuitBreaker::default().failure_percent(30).open_for(Duration::from_secs(2));
/// let math = ClientConfig::tcp("MATH", TcpTransportOptions::to("127.0.0.1:3001")).circuit_breaker(breaker);
/// # let _ = math;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitBreaker {
    /// The share of failed calls that opens the circuit, in percent. Default 50, at least 1.
    pub failure_percent: u32,
    /// Calls that must have ended within the window before it may open. Default 20, at least 1.
    pub min_calls: u32,
    /// How far back calls count, to a tenth of it. Default 10 s.
    pub window: Duration,
    /// How long it stays open before a call is let through. Default 5 s.
    pub open_for: Duration,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { failure_percent: 50, min_calls: 20, window: Duration::from_secs(10), open_for: Duration::from_secs(5) }
    }
}

impl CircuitBreaker {
    /// Sets the share of failed calls that opens it, in percent.
    #[must_use]
    pub const fn failure_percent(mut self, failure_percent: u32) -> Self {
        self.failure_percent = failure_percent;
        self
    }

    /// Sets how many calls must have ended before it may open.
    #[must_use]
    pub const fn min_calls(mut self, min_calls: u32) -> Self {
        self.min_calls = min_calls;
        self
    }

    /// Sets how far back calls count.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets how long it stays open.
    #[must_use]
    pub const fn open_for(mut self, open_for: Duration) -> Self {
        self.open_for = open_for;
        self
    }
}

/// The source of the error of a call that an open circuit refused.
///
/// ```
/// use std::error::Error;
/// use nestrs_core::TransportError;
/// use nestrs_microservices::CircuitOpen;
///
/// fn was_refused(error: &TransportError) -> bool {
///     error.source().is_some_and(|source| source.is::<CircuitOpen>())
/// }
/// # assert!(!was_refused(&TransportError::new("another")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the circuit is open")]
pub struct CircuitOpen;

pub(super) fn is_circuit_open(error: &TransportError) -> bool {
    error.source().is_some_and(|source| source.is::<CircuitOpen>())
}

/// How long at least a call that decides is waited for before another may.
const PROBE_MIN: Duration = Duration::from_secs(1);
/// Slices of the window.
const SLICES: u32 = 10;

/// The circuit of one client.
struct Circuit {
    name: &'static str,
    options: CircuitBreaker,
    state: Mutex<State>,
    told: watch::Sender<CircuitState>,
    refused: Counter,
}

struct State {
    phase: Phase,
    /// Calls that ended in each slice of the window, and how many of them failed; oldest first, at most `SLICES`.
    slices: VecDeque<(Instant, u32, u32)>,
    /// Counts the changes of phase: what began in an earlier one says nothing of this one.
    turn: u64,
}

enum Phase {
    Closed,
    Open(Instant),
    /// With when the call began that will decide, while there is one.
    HalfOpen(Option<Instant>),
}

impl Circuit {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call pass, or not.
    fn enter(self: &Arc<Self>) -> Result<Pass, TransportError> {
        let mut state = self.state();
        if let Phase::Open(since) = state.phase
            && since.elapsed() >= self.options.open_for
        {
            self.change(&mut state, Phase::HalfOpen(None));
        }
        match &mut state.phase {
            Phase::Closed => {}
            Phase::HalfOpen(probing)
                if probing.is_none_or(|began| began.elapsed() >= self.options.open_for.max(PROBE_MIN)) =>
            {
                *probing = Some(Instant::now());
            }
            Phase::Open(_) | Phase::HalfOpen(_) => {
                self.refused.add_one();
                let text = format!("circuit open: too many calls of `{}` have failed", self.name);
                let error = TransportError::withheld(ErrorKind::Unavailable, text).with_source(CircuitOpen);
                return Err(error.with_sent(Sent::No));
            }
        }
        Ok(Pass { circuit: Arc::clone(self), turn: state.turn, ended: false })
    }

    fn change(&self, state: &mut State, phase: Phase) {
        let (client, to) = (self.name, told_of(&phase));
        match to {
            CircuitState::Open => tracing::warn!(target: "nestrs::client", client, state = %to, "circuit"),
            CircuitState::HalfOpen | CircuitState::Closed => {
                tracing::info!(target: "nestrs::client", client, state = %to, "circuit");
            }
        }
        state.phase = phase;
        state.slices.clear();
        state.turn += 1;
        self.told.send_replace(to);
    }

    fn ended(&self, turn: u64, verdict: Verdict) {
        let mut state = self.state();
        if state.turn != turn {
            return;
        }
        match (&mut state.phase, verdict) {
            (Phase::HalfOpen(probing), Verdict::None) => *probing = None,
            (Phase::HalfOpen(_), Verdict::Success) => self.change(&mut state, Phase::Closed),
            (Phase::HalfOpen(_), Verdict::Failure) => self.change(&mut state, Phase::Open(Instant::now())),
            (Phase::Closed, Verdict::Success) => state.count(&self.options, false),
            (Phase::Closed, Verdict::Failure) => {
                state.count(&self.options, true);
                let sums = state.slices.iter().fold((0_u64, 0_u64), |(calls, failures), slice| {
                    (calls + u64::from(slice.1), failures + u64::from(slice.2))
                });
                let enough = sums.0 >= u64::from(self.options.min_calls);
                if enough && sums.1 * 100 >= sums.0 * u64::from(self.options.failure_percent.max(1)) {
                    self.change(&mut state, Phase::Open(Instant::now()));
                }
            }
            (Phase::Closed, Verdict::None) | (Phase::Open(_), _) => {}
        }
    }
}

impl State {
    fn count(&mut self, options: &CircuitBreaker, failed: bool) {
        let now = Instant::now();
        while self.slices.front().is_some_and(|(began, ..)| now - *began >= options.window) {
            self.slices.pop_front();
        }
        if self.slices.back().is_none_or(|(began, ..)| now - *began >= options.window / SLICES) {
            self.slices.push_back((now, 0, 0));
        }
        if let Some((_, calls, failures)) = self.slices.back_mut() {
            *calls = calls.saturating_add(1);
            *failures = failures.saturating_add(failed.into());
        }
    }
}

const fn told_of(phase: &Phase) -> CircuitState {
    match phase {
        Phase::Closed => CircuitState::Closed,
        Phase::Open(_) => CircuitState::Open,
        Phase::HalfOpen(_) => CircuitState::HalfOpen,
    }
}

/// What a call says of the service.
#[derive(Clone, Copy)]
enum Verdict {
    Success,
    Failure,
    None,
}

/// A call that was let through. One that is dropped before it ended decides nothing, and makes room for the next.
struct Pass {
    circuit: Arc<Circuit>,
    turn: u64,
    ended: bool,
}

impl Pass {
    fn end<T>(mut self, outcome: Result<T, TransportError>) -> Result<T, TransportError> {
        let verdict = match &outcome {
            Ok(_) => Verdict::Success,
            Err(error) => verdict_of(error),
        };
        self.ended = true;
        self.circuit.ended(self.turn, verdict);
        outcome
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.ended {
            self.circuit.ended(self.turn, Verdict::None);
        }
    }
}

/// The errors of the way to a service and back, as opposed to its own, and to those of this side.
pub(super) fn is_failure(error: &TransportError) -> bool {
    use ErrorKind::{ConnectionClosed, Overloaded, Timeout, Unavailable};
    matches!(error.kind(), Unavailable | ConnectionClosed | Timeout | Overloaded)
}

fn verdict_of(error: &TransportError) -> Verdict {
    match error.kind() {
        _ if is_failure(error) => Verdict::Failure,
        ErrorKind::Closed | ErrorKind::TooLarge => Verdict::None,
        // A serializer that refuses, and whatever else fails before a byte is sent.
        _ if error.sent() == Some(Sent::No) => Verdict::None,
        _ => Verdict::Success,
    }
}

/// A transport with a circuit before it.
pub(crate) struct Breaking {
    inner: Arc<dyn Transport>,
    circuit: Arc<Circuit>,
}

impl Breaking {
    pub(crate) fn new(name: &'static str, inner: Arc<dyn Transport>, options: CircuitBreaker) -> Self {
        let state = State { phase: Phase::Closed, slices: VecDeque::new(), turn: 0 };
        let told = watch::Sender::new(CircuitState::Closed);
        let circuit = Circuit { name, options, state: Mutex::new(state), told, refused: Counter::default() };
        Self { inner, circuit: Arc::new(circuit) }
    }
}

#[async_trait]
impl Transport for Breaking {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        let pass = self.circuit.enter()?;
        pass.end(self.inner.send_json(pattern, payload).await)
    }

    async fn emit_json(&self, pattern: &str, payload: Value) -> Result<(), TransportError> {
        let pass = self.circuit.enter()?;
        pass.end(self.inner.emit_json(pattern, payload).await)
    }

    async fn send_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        let pass = self.circuit.enter()?;
        pass.end(self.inner.send_payload(pattern, payload, options).await)
    }

    async fn emit_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        let pass = self.circuit.enter()?;
        pass.end(self.inner.emit_payload(pattern, payload, options).await)
    }

    /// What counts is its beginning: the first item, or its end without any.
    async fn send_stream(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        let pass = self.circuit.enter()?;
        let items = match self.inner.send_stream(pattern, payload, options).await {
            Ok(items) => items,
            Err(error) => return pass.end(Err(error)),
        };
        Ok(stream::unfold((items, Some(pass)), |(mut items, mut pass)| async move {
            let item = items.next().await;
            match (pass.take(), item) {
                (Some(pass), Some(item)) => Some((pass.end(item), (items, None))),
                (Some(pass), None) => {
                    let _ = pass.end(Ok(()));
                    None
                }
                (None, item) => Some((item?, (items, None))),
            }
        })
        .boxed())
    }

    async fn connect(&self) -> Result<(), TransportError> {
        self.inner.connect().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    fn status(&self) -> BoxStream<'static, ClientStatus> {
        self.inner.status()
    }

    fn circuit(&self) -> BoxStream<'static, CircuitState> {
        let mut changes = self.circuit.told.subscribe();
        changes.mark_changed();
        stream::unfold(changes, |mut changes| async {
            changes.changed().await.ok()?;
            let state = *changes.borrow_and_update();
            Some((state, changes))
        })
        .boxed()
    }

    fn request_timeout(&self) -> Option<Duration> {
        self.inner.request_timeout()
    }

    fn stats(&self) -> ClientStats {
        let mut stats = self.inner.stats();
        stats.circuit_refused += self.circuit.refused.get();
        stats
    }
}

impl fmt::Debug for Breaking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = told_of(&self.circuit.state().phase);
        f.debug_struct("Breaking")
            .field("options", &self.circuit.options)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
