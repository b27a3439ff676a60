//! The one connection of a client: made when it is first needed, shared, and made anew after a loss.

mod attempt;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{ErrorKind, Sent, TransportError};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::client::Counters;
use crate::time::{after, sleep_until};
use crate::transport::ClientStatus;

use super::link::{Life, Link};
use super::options::TcpTransportOptions;

/// A connection that lived this long shows that the server is well: after it the pauses between dials begin anew.
const PROVEN: Duration = Duration::from_secs(1);

/// No pause between two dials is shorter, whatever the options say: a client whose server is away dials it 200 times a
/// second at most.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// Owns the connection, or the attempt to make one.
pub(super) struct Dialler {
    options: TcpTransportOptions,
    state: Mutex<State>,
    status: watch::Sender<ClientStatus>,
    counters: Arc<Counters>,
    /// Everything that runs for this client: dials, connections, and what watches them.
    tasks: TaskTracker,
}

struct State {
    phase: Phase,
    /// Connections that take no more calls, and still answer those they have.
    leaving: Vec<Arc<Link>>,
    /// Dials that failed since the last connection that was worth the name.
    failures: u32,
    /// Why the last dial failed.
    last_failure: Option<String>,
}

enum Phase {
    /// Never connected, or the last attempt of a client that never was has failed.
    Idle,
    /// Every call that comes meanwhile waits for the same attempt.
    Dialling(Dial, AbortHandle),
    Connected(Arc<Link>, Instant),
    Closed,
}

/// One attempt, or after a loss as many as it takes; awaited by many.
type Dial = Shared<BoxFuture<'static, Result<Arc<Link>, TransportError>>>;

/// What a dial follows.
#[derive(Clone, Copy)]
enum After {
    /// A call, or `connect`: it is told of a failure.
    Need,
    /// The loss of a connection: it goes on until there is another.
    Loss,
}

impl Dialler {
    pub(super) fn new(options: TcpTransportOptions) -> Self {
        let state = State { phase: Phase::Idle, leaving: Vec::new(), failures: 0, last_failure: None };
        Self {
            options,
            state: Mutex::new(state),
            status: watch::Sender::new(ClientStatus::Idle),
            counters: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if there is one that takes calls.
    pub(super) fn open_link(&self) -> Option<Arc<Link>> {
        match &self.state().phase {
            Phase::Connected(link, _) if link.is_open() => Some(Arc::clone(link)),
            Phase::Idle | Phase::Dialling(..) | Phase::Connected(..) | Phase::Closed => None,
        }
    }

    /// The connection, if there is one, be it that it takes no more calls: for whoever is told so by the connection itself.
    pub(super) fn any_link(&self) -> Option<Arc<Link>> {
        match &self.state().phase {
            Phase::Connected(link, _) => Some(Arc::clone(link)),
            Phase::Idle | Phase::Dialling(..) | Phase::Closed => None,
        }
    }

    /// The connection, made if there is none. Waits no longer than `deadline` and the time a dial may take.
    pub(super) async fn link(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Arc<Link>, TransportError> {
        let dialling = {
            let mut state = self.state();
            match &state.phase {
                Phase::Closed => return Err(closed()),
                Phase::Connected(link, _) if link.is_open() => return Ok(Arc::clone(link)),
                // A task that has ended and left this state was abandoned: by a panic, or with its runtime.
                Phase::Dialling(dialling, task) if !task.is_finished() => dialling.clone(),
                Phase::Idle | Phase::Dialling(..) => {
                    self.status.send_replace(ClientStatus::Connecting);
                    self.begin_dial(&mut state, After::Need)
                }
                // Whoever watches it has not seen its end yet.
                Phase::Connected(..) => self.replace(&mut state, ErrorKind::ConnectionClosed),
            }
        };
        let until = [deadline, after(self.patience())].into_iter().flatten().min();
        tokio::select! {
            // Where the thread was too busy to look sooner, a connection counts more than the clock.
            biased;
            outcome = dialling => outcome,
            () = sleep_until(until) => {
                let why = self.state().last_failure.clone();
                let why = why.map_or_else(String::new, |why| format!(" ({why})"));
                Err(self.unavailable(&format!("no connection in time{why}"), None))
            }
        }
    }

    /// How long a call waits for a connection: `connect_wait`, or all of the retries.
    fn patience(&self) -> Duration {
        let options = &self.options;
        let another_try = options.connect_timeout.saturating_add(options.retry_delay.max(PAUSE_MIN));
        match options.retry_attempts {
            0 => options.connect_wait,
            attempts => options.connect_timeout.saturating_add(another_try.saturating_mul(attempts)),
        }
    }

    /// Dials in a task of its own, so that it goes on when the call that began it is dropped.
    fn begin_dial(self: &Arc<Self>, state: &mut State, after: After) -> Dial {
        let dialler = Arc::clone(self);
        let dial = self.tasks.spawn(async move {
            let outcome = match after {
                After::Need => dialler.dial().await,
                After::Loss => dialler.dial_again().await,
            };
            dialler.arrive(outcome)
        });
        let name = self.options.address();
        let dialler = Arc::downgrade(self);
        let task = dial.abort_handle();
        let dialling = dial
            .map(move |ended| {
                ended.unwrap_or_else(|_| {
                    if dialler.upgrade().is_none_or(|dialler| matches!(dialler.state().phase, Phase::Closed)) {
                        return Err(closed());
                    }
                    let text = format!("the attempt to reach tcp://{name} was abandoned");
                    Err(TransportError::withheld(ErrorKind::Unavailable, text).with_sent(Sent::No))
                })
            })
            .boxed()
            .shared();
        state.phase = Phase::Dialling(dialling.clone(), task);
        dialling
    }

    /// Ends a dial: from here on calls find the connection, or its absence.
    fn arrive(self: &Arc<Self>, outcome: Result<Arc<Link>, TransportError>) -> Result<Arc<Link>, TransportError> {
        let mut state = self.state();
        if matches!(state.phase, Phase::Closed) {
            if let Ok(link) = outcome {
                link.close(&closed());
            }
            return Err(closed());
        }
        match &outcome {
            Ok(link) => {
                state.phase = Phase::Connected(Arc::clone(link), Instant::now());
                state.last_failure = None;
                self.counters.connections.add_one();
                self.status.send_replace(ClientStatus::Connected);
                self.watch(Arc::clone(link));
            }
            Err(error) => {
                state.phase = Phase::Idle;
                self.status.send_replace(ClientStatus::Disconnected(error.kind()));
            }
        }
        outcome
    }

    /// The first connection: as many tries as the options say.
    async fn dial(&self) -> Result<Arc<Link>, TransportError> {
        let mut attempt = 0;
        loop {
            let error = match self.try_once().await {
                Ok(link) => return Ok(link),
                Err(error) => error,
            };
            if attempt >= self.options.retry_attempts {
                return Err(error);
            }
            attempt += 1;
            let address = self.options.address();
            tracing::warn!(target: "nestrs::client", address, %error, attempt, "cannot connect; trying again");
            tokio::time::sleep(self.options.retry_delay.max(PAUSE_MIN)).await;
        }
    }

    /// Every further one: as many tries as it takes. The first comes after a pause too: all clients of a server lose it at
    /// once.
    async fn dial_again(&self) -> Result<Arc<Link>, TransportError> {
        let began = Instant::now();
        let address = self.options.address();
        let mut told = false;
        loop {
            let pause = self.options.backoff.pause(self.state().failures);
            tokio::time::sleep(pause.max(PAUSE_MIN)).await;
            {
                let state = self.state();
                if matches!(state.phase, Phase::Closed) {
                    return Err(closed());
                }
                self.status.send_replace(ClientStatus::Connecting);
            }
            let error = match self.try_once().await {
                Ok(link) => {
                    let elapsed_ms = began.elapsed().as_millis() as u64;
                    tracing::info!(target: "nestrs::client", address, elapsed_ms, "connected again");
                    return Ok(link);
                }
                Err(error) => error,
            };
            let mut state = self.state();
            if matches!(state.phase, Phase::Closed) {
                return Err(closed());
            }
            state.failures = state.failures.saturating_add(1);
            self.status.send_replace(ClientStatus::Disconnected(error.kind()));
            // An outage is one line, not one for each try.
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(target: "nestrs::client", address, %error, "cannot connect; trying on");
            } else {
                tracing::debug!(target: "nestrs::client", address, %error, "cannot connect; trying on");
            }
        }
    }

    /// Replaces the connection as soon as it takes no more calls, and forgets it once it has ended.
    fn watch(self: &Arc<Self>, link: Arc<Link>) {
        let dialler = Arc::downgrade(self);
        self.tasks.spawn(async move {
            let reason = match link.left().await {
                Life::Ended(reason) => reason,
                Life::Open | Life::Leaving => ErrorKind::Unavailable,
            };
            {
                let Some(dialler) = dialler.upgrade() else { return };
                let mut state = dialler.state();
                if matches!(&state.phase, Phase::Connected(current, _) if Arc::ptr_eq(current, &link)) {
                    drop(dialler.replace(&mut state, reason));
                }
            }
            link.ended().await;
            if let Some(dialler) = dialler.upgrade() {
                dialler.state().leaving.retain(|leaving| !Arc::ptr_eq(leaving, &link));
            }
        });
    }

    /// Begins to dial after the connection that there is was lost, or said that it is about to end.
    fn replace(self: &Arc<Self>, state: &mut State, reason: ErrorKind) -> Dial {
        if let Phase::Connected(link, since) = &state.phase {
            state.failures = match since.elapsed() >= PROVEN {
                true => 0,
                // Its server was well, and asked us to go elsewhere.
                false if link.has_moved() => state.failures,
                false => state.failures.saturating_add(1),
            };
            // One that has ended is taken out again by whoever watches it.
            state.leaving.push(Arc::clone(link));
            self.counters.lost_connections.add_one();
            let address = self.options.address();
            tracing::info!(target: "nestrs::client", address, ?reason, "the connection is gone; dialling anew");
        }
        self.status.send_replace(ClientStatus::Disconnected(reason));
        self.begin_dial(state, After::Loss)
    }

    /// Ends all connections for good, and the attempt to make one.
    pub(super) fn end(&self) {
        let (before, leaving) = {
            let mut state = self.state();
            (std::mem::replace(&mut state.phase, Phase::Closed), std::mem::take(&mut state.leaving))
        };
        for link in leaving {
            link.close(&closed());
        }
        match before {
            Phase::Connected(link, _) => link.close(&closed()),
            Phase::Dialling(_, task) => task.abort(),
            Phase::Idle | Phase::Closed => {}
        }
        self.tasks.close();
    }

    /// Ends it, and waits until nobody waits for it any more.
    pub(super) async fn close(&self) {
        self.end();
        self.tasks.wait().await;
        self.status.send_replace(ClientStatus::Closed);
    }

    /// Ends it, with nobody there to wait.
    pub(super) fn abandon(&self) {
        self.end();
        self.status.send_replace(ClientStatus::Closed);
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Calls that wait for an answer, on all connections.
    pub(super) fn pending(&self) -> usize {
        let state = self.state();
        let current = match &state.phase {
            Phase::Connected(link, _) => link.pending(),
            Phase::Idle | Phase::Dialling(..) | Phase::Closed => 0,
        };
        current + state.leaving.iter().map(|link| link.pending()).sum::<usize>()
    }

    /// The present state, then each later one.
    pub(super) fn status(&self) -> BoxStream<'static, ClientStatus> {
        let mut changes = self.status.subscribe();
        changes.mark_changed();
        stream::unfold(Some(changes), |changes| async {
            let mut changes = changes?;
            changes.changed().await.ok()?;
            let status = changes.borrow_and_update().clone();
            let more = (status != ClientStatus::Closed).then_some(changes);
            Some((status, more))
        })
        .boxed()
    }
}

pub(super) fn closed() -> TransportError {
    TransportError::withheld(ErrorKind::Closed, "the client is closed").with_sent(Sent::No)
}
