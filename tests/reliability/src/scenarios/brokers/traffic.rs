//! Five hundred messages a second, whatever becomes of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nestrs::Sent;
use nestrs::microservices::ClientProxy;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::load::{Ledger, Shape};

/// Between two of them.
const PACE: Duration = Duration::from_millis(2);
/// Every so manieth is an event.
const EVENTS: u64 = 4;
/// How long one may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

/// An event, and what its emitter was told.
#[derive(Debug)]
pub(super) struct Emitted {
    pub(super) nonce: u64,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// `None` for success; else what its error says of it.
    pub(super) sent: Option<Option<Sent>>,
}

/// What became of all of them.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) ledger: Ledger,
    pub(super) events: Vec<Emitted>,
    /// Events whose `emit` did not return.
    pub(super) hung: usize,
}

/// Messages that go on until they are told to end.
#[derive(Debug)]
pub(super) struct Traffic {
    stop: Arc<Notify>,
    going: JoinHandle<Found>,
}

enum Ended {
    Call(Box<Ledger>),
    Event(Option<Emitted>),
}

impl Traffic {
    pub(super) fn begin(client: &ClientProxy, seed: u64) -> Self {
        let stop = Arc::new(Notify::new());
        Self { going: tokio::spawn(go(client.clone(), fastrand::Rng::with_seed(seed), Arc::clone(&stop))), stop }
    }

    /// No more, and what became of those there were.
    pub(super) async fn end(self) -> Result<Found, tokio::task::JoinError> {
        self.stop.notify_one();
        self.going.await
    }
}

async fn go(client: ClientProxy, mut rng: fastrand::Rng, stop: Arc<Notify>) -> Found {
    let mut found = Found::default();
    let mut under_way = JoinSet::new();
    let mut pace = tokio::time::interval(PACE);
    // A machine that was busy is made to catch up: the number is what counts.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            biased;
            () = stop.notified() => break,
            _ = pace.tick() => {
                let (client, nonce) = (client.clone(), rng.u64(..u64::MAX / 2));
                let (event, millis, pad) = (rng.u64(..EVENTS) == 0, rng.u64(..20), rng.usize(..300));
                under_way.spawn(async move {
                    if event { Ended::Event(emit(&client, nonce).await) } else { call(&client, nonce, millis, pad).await }
                });
            }
            Some(ended) = under_way.join_next() => found.take(ended),
        }
    }
    while let Some(ended) = under_way.join_next().await {
        found.take(ended);
    }
    found
}

async fn call(client: &ClientProxy, nonce: u64, millis: u64, pad: usize) -> Ended {
    let mut ledger = Box::<Ledger>::default();
    ledger.call(client, nonce, Shape { millis, pad, timeout: TIMEOUT, dropped_after: None }).await;
    Ended::Call(ledger)
}

async fn emit(client: &ClientProxy, nonce: u64) -> Option<Emitted> {
    let client = client.with_timeout(TIMEOUT);
    let began = Instant::now();
    let outcome = tokio::time::timeout(TIMEOUT * 3, client.emit("noted", &nonce)).await.ok()?;
    Some(Emitted { nonce, began, ended: Instant::now(), sent: outcome.err().map(|error| error.sent()) })
}

impl Found {
    fn take(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(Ended::Call(ledger)) => self.ledger.absorb(*ledger),
            Ok(Ended::Event(Some(event))) => self.events.push(event),
            // One that panicked has not ended as it should either.
            Ok(Ended::Event(None)) | Err(_) => self.hung += 1,
        }
    }
}
