//! One circuit: when it opens, whom it lets through, what closes it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{ErrorKind, Sent, TransportError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::stats::Counter;
use crate::transport::CircuitState;

use super::{CircuitBreaker, CircuitOpen};

/// How long at least a call that decides is waited for before another may.
const PROBE_MIN: Duration = Duration::from_secs(1);
/// Slices of the window.
const SLICES: u32 = 10;

/// The circuit of one client.
pub(super) struct Circuit {
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
    pub(super) fn new(name: &'static str, options: CircuitBreaker) -> Self {
        let state = State { phase: Phase::Closed, slices: VecDeque::new(), turn: 0 };
        let told = watch::Sender::new(CircuitState::Closed);
        Self { name, options, state: Mutex::new(state), told, refused: Counter::default() }
    }

    /// Calls that it did not let through.
    pub(super) fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// The present state, then each later one.
    pub(super) fn states(&self) -> BoxStream<'static, CircuitState> {
        let mut changes = self.told.subscribe();
        changes.mark_changed();
        stream::unfold(changes, |mut changes| async {
            changes.changed().await.ok()?;
            let state = *changes.borrow_and_update();
            Some((state, changes))
        })
        .boxed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call pass, or not.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Pass, TransportError> {
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
pub(super) struct Pass {
    circuit: Arc<Circuit>,
    turn: u64,
    ended: bool,
}

impl Pass {
    pub(super) fn end<T>(mut self, outcome: Result<T, TransportError>) -> Result<T, TransportError> {
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
pub(in crate::client) fn is_failure(error: &TransportError) -> bool {
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
