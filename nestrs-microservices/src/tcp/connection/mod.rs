//! One accepted connection, served by one task.
//!
//! The task reads a batch of frames, polls each handler once in place, and answers the batch with one write. A handler
//! that is not done at once moves aside, and the rest go on; replies leave in the order in which they are ready.
//!
//! In reading order: `serving` is the loop, `reading` turns bytes into calls, `answering` turns what these come to into
//! bytes, `ending` says why it is over. What they keep to is in `limits`, `in_flight`, `recv_budget`, `send_budget` and
//! `clock`.

mod answering;
mod clock;
mod ending;
mod in_flight;
mod limits;
mod reading;
mod recv_budget;
mod send_budget;
mod serving;
mod tally;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use nestrs_core::spans;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

use crate::context::ConnectionContext;
use crate::dispatcher::{Call, Dispatcher, Progress, panicked};
use crate::net::CloseReason;
use crate::net::codec::NestDecoder;
use crate::net::io::BoxIo;
use crate::net::registry::Meter;
use crate::shutdown::Shutdown;

use super::admission::{Admitted, admit};
use super::out::Out;
use clock::{Alarm, FrameClock};
use in_flight::Place;
use recv_budget::Reservation;
use send_budget::QueueShare;
use tally::some;

pub(super) use limits::Limits;
pub(super) use serving::LINGER;
pub(super) use tally::some as some_suppressed;

/// Serves one connection to its end.
pub(super) async fn serve_connection(
    io: BoxIo,
    meter: Arc<Meter>,
    limits: Arc<Limits>,
    dispatcher: Dispatcher,
    shutdown: Shutdown,
) -> CloseReason {
    let (id, peer_addr) = (meter.id, meter.peer_addr);
    let server = Arc::clone(&limits);
    let serving = async {
        // A connection begins here,
        tracing::debug!(target: "nestrs::tcp", "connected");
        let serving = async {
            match admit(io, &meter, &limits, &shutdown).await {
                Ok(admitted) => Connection::new(admitted, meter, limits, dispatcher).serve(&shutdown).await,
                Err(reason) => reason,
            }
        };
        let outcome = AssertUnwindSafe(serving).catch_unwind().await;
        let reason = outcome.unwrap_or_else(|panic| {
            let error = panicked(&*panic);
            server.tally.failed.pass(|suppressed| {
                let suppressed = some(suppressed);
                tracing::error!(target: "nestrs::tcp", %error, suppressed, "a connection failed; closed");
            });
            CloseReason::Internal
        });
        // and ends here, whatever the reason.
        ending::log_end(reason, &server.tally);
        reason
    };
    serving.instrument(spans::connection("tcp", id.0, peer_addr)).await
}

struct Connection {
    io: BoxIo,
    phase: Phase,
    limits: Arc<Limits>,
    dispatcher: Dispatcher,
    /// Handed to every call.
    context: Arc<ConnectionContext>,
    peer_addr: Option<SocketAddr>,
    /// Counts for the server's registry.
    meter: Arc<Meter>,
    /// Cancelled when nobody will read an answer any more; at the latest with the connection itself.
    gone: CancellationToken,
    _gone_at_last: DropGuard,

    /// Received and not yet decoded; empty and without storage between messages.
    buffer: BytesMut,
    decoder: NestDecoder,
    /// A limit was reached while the buffer may still have held a whole frame.
    more: bool,
    frame_clock: FrameClock,
    /// The share of the frame that is being received, when it is a large one.
    reservation: Option<Reservation>,
    /// That share, asked for: until it is there the connection is not read.
    reserving: Option<BoxFuture<'static, Reservation>>,

    /// Calls that moved aside.
    flights: FuturesUnordered<Flight>,
    /// Streams of replies, each with how far the socket must have come before it is asked for more; in that order.
    parked: VecDeque<(u64, Flight)>,
    /// Waiting for a place among the calls of the whole server.
    room: Option<BoxFuture<'static, ()>>,

    out: Out,
    queue_share: QueueShare,
    /// More is queued than should be, or was and has not come down to half of it.
    pressed: bool,
    /// When the peer last took something of what is queued, or was first given something to take.
    progress: Option<Instant>,

    /// Whether input is wanted, decided at the head of the loop.
    reading: bool,
    /// When to look after a peer that is not being read.
    look_after: Option<Instant>,
    /// When the last bytes came: with them came every whole frame in the buffer, since more is read once those are served.
    received: Instant,
    /// When the last byte went in either direction. Kept only where there is an `idle_timeout`.
    active: Option<Instant>,
    /// Whose turn it is to be asked first.
    handlers_first: bool,
    alarm: Alarm,
}

/// How far a connection is on its way to its end.
enum Phase {
    Open,
    /// The server is shutting down: calls under way go on, new ones are refused, and when all is quiet it closes; not
    /// before this moment.
    Draining(Option<Linger>),
    /// No more is read; calls under way are answered until the deadline, then it closes.
    Ending(CloseReason, Option<Instant>),
}

/// Until when a connection that is to end waits for calls that are on their way to it, to refuse them.
#[derive(Clone, Copy)]
struct Linger {
    until: Instant,
    /// However many more it refuses.
    at_last: Instant,
}

/// A call that moved aside.
struct Flight {
    call: Call,
    /// Whom to tell when it is dropped.
    id: Option<Bytes>,
    place: Option<Place>,
}

impl Future for Flight {
    type Output = (Progress, Option<Place>);
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let progress = ready!(Pin::new(&mut self.call).poll(task));
        Poll::Ready((progress, self.place.take()))
    }
}

impl Connection {
    fn new(admitted: Admitted, meter: Arc<Meter>, limits: Arc<Limits>, dispatcher: Dispatcher) -> Self {
        let Admitted { io, identity, claims } = admitted;
        let options = &limits.options;
        let (id, peer_addr) = (meter.id, meter.peer_addr);
        let gone = CancellationToken::new();
        Self {
            io,
            phase: Phase::Open,
            context: Arc::new(
                ConnectionContext::new(options.transport.as_str(), id, peer_addr, gone.clone()).known(identity, claims),
            ),
            dispatcher,
            peer_addr,
            meter,
            gone: gone.clone(),
            _gone_at_last: gone.drop_guard(),
            buffer: BytesMut::new(),
            decoder: NestDecoder::new(options.max_frame_bytes),
            more: false,
            frame_clock: FrameClock::default(),
            reservation: None,
            reserving: None,
            flights: FuturesUnordered::new(),
            parked: VecDeque::new(),
            room: None,
            out: Out::default(),
            queue_share: limits.send_budget.share(id),
            pressed: false,
            progress: None,
            reading: true,
            look_after: None,
            received: Instant::now(),
            active: options.idle_timeout.map(|_| Instant::now()),
            handlers_first: false,
            alarm: Alarm::default(),
            limits,
        }
    }

    /// Whether nothing is under way in either direction but what a peer may still send.
    fn is_idle(&self) -> bool {
        self.flights.is_empty() && self.parked.is_empty() && self.out.is_empty()
    }

    /// A byte went in either direction, or a call ended.
    fn touch(&mut self) {
        if let Some(active) = &mut self.active {
            *active = Instant::now();
        }
    }
}

/// After a fault, calls under way may still answer for this long, and input is discarded for as long.
const FAULT_GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
