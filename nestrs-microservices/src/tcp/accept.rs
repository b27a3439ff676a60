//! Accepts connections and gives each a task of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use nestrs_core::{ErrorKind, TransportError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};

use crate::net::AcceptRetry;
use crate::net::io::{Accepted, BoxIo, Incoming, Listener};
use crate::net::registry::{Registry, Rejection, ServerStatus};
use crate::net::shared::{Undecided, Whose};
use crate::shutdown::Shutdown;

use super::connection::{LINGER, Limits, serve_connection};
use super::places::{Place, Places};

/// How long a connection on a shared address may say nothing before it is taken for one of ours. A client of NestJS may be
/// silent for days.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The same for one that a limit is against.
const DOUBT_MAX: Duration = Duration::from_secs(1);
/// How many connections may have been made that nobody has accepted when the shutdown begins: at least as many as the
/// kernel keeps for a listener of tokio's.
const LAST_MAX: usize = 1024;

/// What whoever comes in is given.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) places: Arc<Places>,
    pub(super) registry: Arc<Registry>,
    pub(super) limits: Arc<Limits>,
    pub(super) shutdown: Shutdown,
}

/// Hands out connections until shutdown. A transient error pauses the loop, it never ends it. Nothing here waits for a
/// peer: whatever it has to say first, it says to its own task.
pub(super) async fn accept_all(listener: &mut dyn Listener, door: &Door) -> Result<(), TransportError> {
    let mut retry = AcceptRetry::default();
    let shutdown = &door.shutdown;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.begun() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(Some(accepted)) => {
                retry.reset();
                door.welcome(accepted);
            }
            Ok(None) => {
                // No more connections will come; those that are open go on.
                door.registry.set_status(ServerStatus::Draining);
                shutdown.begun().await;
                return Ok(());
            }
            Err(error) => {
                door.registry.counters.accept_errors.add(1);
                let broken = tokio::select! {
                    () = shutdown.begun() => break,
                    outcome = retry.after(error) => outcome.err(),
                };
                if let Some(error) = broken {
                    let text = format!("the listener is broken: {error}");
                    return Err(TransportError::withheld(ErrorKind::Unavailable, text).with_source(error));
                }
            }
        }
    }
    // Gives the runtime a chance to learn of those that wait.
    tokio::task::yield_now().await;
    take_the_last(listener, door);
    Ok(())
}

/// Takes the connections that are made already: their peers may have called, and are refused instead of reset.
fn take_the_last(listener: &mut dyn Listener, door: &Door) {
    for _ in 0..LAST_MAX {
        // A task's share of a turn is less than there may be waiting.
        match tokio::task::unconstrained(listener.accept()).now_or_never() {
            Some(Ok(Some(accepted))) => door.welcome(accepted),
            // One connection's failure is not that of the next.
            Some(Err(_)) => {}
            Some(Ok(None)) | None => return,
        }
    }
}

impl Door {
    /// Serves a connection in a task of its own, if there is a place for it.
    fn welcome(&self, Accepted { stream, peer_addr }: Accepted) {
        let place = self.places.take(peer_addr);
        match (stream, place) {
            (Incoming::Ours(io), Ok(place)) => self.admit(io, peer_addr, place, Instant::now()),
            (Incoming::Ours(_), Err(rejection)) => self.places.reject(&self.registry, rejection, peer_addr),
            (Incoming::Undecided(stream), Ok(place)) => self.look_at(stream, peer_addr, Claim::Place(place)),
            (Incoming::Undecided(stream), Err(rejection)) => match self.places.take_doubtful() {
                Some(permit) => self.look_at(stream, peer_addr, Claim::Doubtful(rejection, permit)),
                None => self.places.reject(&self.registry, rejection, peer_addr),
            },
        }
    }

    /// Serves a connection that has a place.
    fn admit(&self, io: BoxIo, peer_addr: Option<SocketAddr>, place: Place, since: Instant) {
        let Self { limits, registry, shutdown, .. } = self.clone();
        if let Err(error) = io.keep_alive(&limits.options.keepalive) {
            tracing::debug!(target: "nestrs::tcp", peer_addr = peer_addr.map(tracing::field::display), %error, "connection lost");
            return;
        }
        let registered = registry.register(peer_addr, since);
        let meter = Arc::clone(&registered.meter);
        let tracked = shutdown.clone();
        // Not an `async` block, which has room for what it is given twice. The shutdown does not have to end this task: a
        // connection waits for it by itself, whatever it is doing.
        let serving = serve_connection(io, meter, limits, shutdown).map(move |reason| {
            registered.close(reason);
            drop(place);
        });
        tokio::spawn(tracked.track(serving));
    }

    /// Waits for the first byte of a connection on a shared address. Until then it counts as one of ours, so that whoever
    /// says nothing is under our limits; one that turns out to be another's counts for nothing.
    fn look_at(&self, stream: Undecided, peer_addr: Option<SocketAddr>, claim: Claim) {
        let (door, since) = (self.clone(), Instant::now());
        self.shutdown.spawn(async move {
            let looked_at = door.registry.counters.undecided.hold();
            let whose = tokio::select! {
                biased;
                whose = stream.whose() => whose,
                () = sleep_until(since + door.silence_max(&claim)) => Whose::Ours,
                // What it has said already is heard; it may be a call, which is refused instead of reset.
                () = async { door.shutdown.begun().await; sleep(LINGER).await } => Whose::Gone,
            };
            match (whose, claim) {
                (Whose::Gone, _) => {}
                (Whose::Theirs, claim) => {
                    stream.hand_over().await;
                    if let Claim::Place(place) = claim {
                        place.forgive();
                    }
                }
                (Whose::Ours, Claim::Place(place)) => door.admit(stream.into_ours(), peer_addr, place, since),
                (Whose::Ours, Claim::Doubtful(rejection, _)) => {
                    door.places.reject(&door.registry, rejection, peer_addr);
                }
            }
            drop(looked_at);
        });
    }

    fn silence_max(&self, claim: &Claim) -> Duration {
        let options = &self.limits.options;
        match claim {
            Claim::Doubtful(..) => DOUBT_MAX,
            // Whoever has to prove something has no longer for it than anywhere else.
            Claim::Place(_) if options.has_admission() => SILENCE_MAX.min(options.handshake_timeout),
            Claim::Place(_) => SILENCE_MAX,
        }
    }
}

/// What a connection that has not shown whose it is has of ours.
enum Claim {
    Place(Place),
    /// None: this limit is against it, if it is ours.
    Doubtful(Rejection, #[expect(dead_code, reason = "held")] OwnedSemaphorePermit),
}
