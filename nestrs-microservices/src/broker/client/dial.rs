//! The one connection of a client: made when it is first needed, shared, and made anew after a loss.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{ErrorKind, Sent, TransportError};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::broker::server::{PAUSE_MIN, PROVEN};
use crate::client::{Counters, Pending};
use crate::time::{after, sleep_until};
use crate::transport::ClientStatus;

use super::replies::Replies;
use super::{CallingOptions, ClientDriver, ClientLink};

/// How long a connection may take to end.
const FAREWELL: std::time::Duration = std::time::Duration::from_millis(500);

/// A connection with the calls that are under way on it.
pub(super) struct Live<L> {
    pub(super) link: L,
    pub(super) pending: Arc<Pending>,
    since: Instant,
}

/// Owns the connection, or the attempt to make one.
pub(super) struct Dialler<D: ClientDriver> {
    driver: D,
    options: CallingOptions,
    state: Mutex<State<D::Link>>,
    status: watch::Sender<ClientStatus>,
    pub(super) counters: Arc<Counters>,
    /// Dials, and what watches connections.
    tasks: TaskTracker,
}

struct State<L> {
    phase: Phase<L>,
    /// Dials that failed since the last connection that was worth the name.
    failures: u32,
    /// Why the last dial failed.
    last_failure: Option<String>,
}

enum Phase<L> {
    /// Never connected, or given up: the next call dials.
    Idle,
    /// Every call that comes meanwhile waits for the same attempt.
    Dialling(Dial<L>, AbortHandle),
    Connected(Arc<Live<L>>, AbortHandle),
    Closed,
}

type Dial<L> = Shared<BoxFuture<'static, Result<Arc<Live<L>>, TransportError>>>;

/// What a dial follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// A call, or `connect`: it is told of a failure.
    Need,
    /// The loss of a connection: it goes on until there is another.
    Loss,
}

impl<D: ClientDriver> Dialler<D> {
    pub(super) fn new(driver: D, options: CallingOptions) -> Self {
        Self {
            driver,
            options,
            state: Mutex::new(State { phase: Phase::Idle, failures: 0, last_failure: None }),
            status: watch::Sender::new(ClientStatus::Idle),
            counters: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    pub(super) fn driver(&self) -> &D {
        &self.driver
    }

    fn state(&self) -> MutexGuard<'_, State<D::Link>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, made if there is none. Waits no longer than `deadline` and `connect_wait`.
    pub(super) async fn live(
        self: &Arc<Self>,
        deadline: Option<Instant>,
    ) -> Result<Arc<Live<D::Link>>, TransportError> {
        let dialling = {
            let mut state = self.state();
            match &state.phase {
                Phase::Closed => return Err(closed()),
                Phase::Connected(live, _) => return Ok(Arc::clone(live)),
                // A task that has ended and left this state was abandoned: by a panic, or with its runtime.
                Phase::Dialling(dialling, task) if !task.is_finished() => dialling.clone(),
                Phase::Idle | Phase::Dialling(..) => self.begin_dial(&mut state, After::Need),
            }
        };
        let until = [deadline, after(self.options.connect_wait)].into_iter().flatten().min();
        tokio::select! {
            biased;
            outcome = dialling => outcome,
            () = sleep_until(until) => {
                let why = self.state().last_failure.clone();
                let why = why.map_or_else(String::new, |why| format!(" ({why})"));
                let text = format!("cannot reach {}: no connection in time{why}", self.driver.address());
                Err(TransportError::withheld(ErrorKind::Unavailable, text).with_sent(Sent::No))
            }
        }
    }

    /// Dials in a task of its own, so that it goes on when the call that began it is dropped.
    fn begin_dial(self: &Arc<Self>, state: &mut State<D::Link>, after: After) -> Dial<D::Link> {
        if after == After::Need {
            self.status.send_replace(ClientStatus::Connecting);
        }
        let dialler = Arc::clone(self);
        let dial = self.tasks.spawn(async move {
            let outcome = match after {
                After::Need => dialler.dial_once().await,
                After::Loss => dialler.dial_again().await,
            };
            dialler.dialled(outcome)
        });
        let task = dial.abort_handle();
        let dial = async move { dial.await.unwrap_or_else(|_| Err(closed())) }.boxed().shared();
        state.phase = Phase::Dialling(dial.clone(), task);
        dial
    }

    async fn dial_once(&self) -> Result<Live<D::Link>, TransportError> {
        let pending = Arc::new(Pending::default());
        let replies = Replies {
            pending: Arc::clone(&pending),
            counters: Arc::clone(&self.counters),
            deserializer: self.options.deserializer.clone(),
        };
        match self.driver.connect(replies).await {
            Ok(link) => {
                self.counters.connections.add_one();
                Ok(Live { link, pending, since: Instant::now() })
            }
            Err(error) => {
                self.counters.failed_dials.add_one();
                self.state().last_failure = Some(error.to_string());
                let text = format!("cannot reach {}: {error}", self.driver.address());
                Err(TransportError::withheld(error.kind(), text).with_source(error).with_sent(Sent::No))
            }
        }
    }

    /// As many tries as it takes. The first comes after a pause too: all clients of a broker lose it at once.
    async fn dial_again(&self) -> Result<Live<D::Link>, TransportError> {
        let began = Instant::now();
        let address = self.driver.address();
        let mut tries = 0_u32;
        loop {
            let pause = self.options.backoff.pause(self.state().failures);
            tokio::time::sleep(pause.max(PAUSE_MIN)).await;
            self.tell(ClientStatus::Connecting);
            let error = match self.dial_once().await {
                Ok(live) => {
                    let elapsed_ms = began.elapsed().as_millis() as u64;
                    tracing::info!(target: "nestrs::client", address, elapsed_ms, "connected again");
                    return Ok(live);
                }
                Err(error) => error,
            };
            tries = tries.saturating_add(1);
            {
                let mut state = self.state();
                state.failures = state.failures.saturating_add(1);
            }
            self.tell(ClientStatus::Disconnected(error.kind()));
            if self.options.max_reconnects.is_some_and(|max| tries >= max) {
                tracing::error!(target: "nestrs::client", address, tries, %error, "cannot connect; given up until the next call");
                return Err(error);
            }
            // An outage is one line, not one for each try.
            if tries == 1 {
                tracing::warn!(target: "nestrs::client", address, %error, "cannot connect; trying on");
            } else {
                tracing::debug!(target: "nestrs::client", address, %error, "cannot connect; trying on");
            }
        }
    }

    /// A status, unless the client is closed.
    fn tell(&self, status: ClientStatus) {
        let state = self.state();
        if !matches!(state.phase, Phase::Closed) {
            self.status.send_replace(status);
        }
    }

    /// A dial has ended: whoever waits is told by what this returns.
    fn dialled(
        self: &Arc<Self>,
        outcome: Result<Live<D::Link>, TransportError>,
    ) -> Result<Arc<Live<D::Link>>, TransportError> {
        let mut state = self.state();
        match outcome {
            Ok(live) => {
                let live = Arc::new(live);
                if matches!(state.phase, Phase::Closed) {
                    drop(state);
                    self.tasks.spawn(async move { _ = tokio::time::timeout(FAREWELL, live.link.close()).await });
                    return Err(closed());
                }
                state.last_failure = None;
                let watching = self.watch(Arc::clone(&live));
                state.phase = Phase::Connected(Arc::clone(&live), watching);
                self.status.send_replace(ClientStatus::Connected);
                Ok(live)
            }
            Err(error) => {
                if !matches!(state.phase, Phase::Closed) {
                    state.phase = Phase::Idle;
                    self.status.send_replace(ClientStatus::Disconnected(error.kind()));
                }
                Err(error)
            }
        }
    }

    /// Fails what is under way when the connection is lost, and dials anew.
    fn watch(self: &Arc<Self>, live: Arc<Live<D::Link>>) -> AbortHandle {
        let dialler = Arc::downgrade(self);
        let watching = self.tasks.spawn(async move {
            let reason = live.link.lost().await;
            let Some(dialler) = dialler.upgrade() else { return };
            {
                let mut state = dialler.state();
                if !matches!(&state.phase, Phase::Connected(current, _) if Arc::ptr_eq(current, &live)) {
                    return;
                }
                state.failures = if live.since.elapsed() >= PROVEN { 0 } else { state.failures.saturating_add(1) };
                dialler.counters.lost_connections.add_one();
                let address = dialler.driver.address();
                tracing::info!(target: "nestrs::client", address, %reason, "the connection is gone; dialling anew");
                dialler.status.send_replace(ClientStatus::Disconnected(ErrorKind::ConnectionClosed));
                drop(dialler.begin_dial(&mut state, After::Loss));
            }
            // What the broker has taken may be executed.
            live.pending.fail(&reason.with_kind(ErrorKind::ConnectionClosed), |_| Sent::Maybe);
            let _ = tokio::time::timeout(FAREWELL, live.link.close()).await;
        });
        watching.abort_handle()
    }

    /// Ends the connection for good, or the attempt to make one.
    fn end(&self) -> Option<Arc<Live<D::Link>>> {
        let before = std::mem::replace(&mut self.state().phase, Phase::Closed);
        self.tasks.close();
        match before {
            Phase::Connected(live, watching) => {
                watching.abort();
                live.pending.fail(&closed(), |_| Sent::Maybe);
                Some(live)
            }
            Phase::Dialling(_, task) => {
                task.abort();
                None
            }
            Phase::Idle | Phase::Closed => None,
        }
    }

    /// Ends it, and waits until nothing of it runs any more.
    pub(super) async fn close(&self) {
        if let Some(live) = self.end() {
            let _ = tokio::time::timeout(FAREWELL, live.link.close()).await;
        }
        self.tasks.wait().await;
        self.status.send_replace(ClientStatus::Closed);
    }

    /// Ends it, with nobody there to wait.
    pub(super) fn abandon(&self) {
        let live = self.end();
        self.status.send_replace(ClientStatus::Closed);
        if let (Some(live), Ok(runtime)) = (live, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { _ = tokio::time::timeout(FAREWELL, live.link.close()).await });
        }
    }

    /// Why a message failed: as its connection says, unless it was this client that ended that.
    pub(super) fn why(&self, error: TransportError) -> TransportError {
        // Where a driver does not say that nothing was sent, something may have been.
        let sent = error.sent().unwrap_or(Sent::Maybe);
        let by_us = error.kind() == ErrorKind::ConnectionClosed && matches!(self.state().phase, Phase::Closed);
        if by_us { closed() } else { error }.with_sent(sent)
    }

    /// Calls that wait for an answer.
    pub(super) fn pending(&self) -> usize {
        match &self.state().phase {
            Phase::Connected(live, _) => live.pending.len(),
            Phase::Idle | Phase::Dialling(..) | Phase::Closed => 0,
        }
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
