//! Calls and events, of all sizes and lengths.

use std::time::{Duration, Instant};

use nestrs::Sent;
use nestrs::microservices::ClientProxy;

use crate::load::{Ledger, Shape};
use crate::scenarios::traffic::{Findings, Traffic};

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

pub(super) enum Ended {
    Call(Box<Ledger>),
    Event(Option<Emitted>),
}

pub(super) fn begin(client: &ClientProxy, seed: u64) -> Traffic<Found> {
    let (client, mut rng) = (client.clone(), fastrand::Rng::with_seed(seed));
    Traffic::begin(move || {
        let (client, nonce) = (client.clone(), rng.u64(..u64::MAX / 2));
        let (event, millis, pad) = (rng.u64(..EVENTS) == 0, rng.u64(..20), rng.usize(..300));
        async move { if event { Ended::Event(emit(&client, nonce).await) } else { call(&client, nonce, millis, pad).await } }
    })
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

impl Findings for Found {
    type One = Ended;

    fn take(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(Ended::Call(ledger)) => self.ledger.absorb(*ledger),
            Ok(Ended::Event(Some(event))) => self.events.push(event),
            Ok(Ended::Event(None)) | Err(_) => self.hung += 1,
        }
    }
}
