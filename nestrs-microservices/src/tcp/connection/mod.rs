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
mod flights;
mod gathering;
mod in_flight;
mod limits;
mod reading;
mod recv_budget;
mod send_budget;
mod serving;
mod tally;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nestrs_core::spans;
use tokio::time::Instant;
use tracing::Instrument;

use crate::context::ConnectionContext;
use crate::dispatcher::panicked;
use crate::net::CloseReason;
use crate::net::codec::NestDecoder;
use crate::net::io::BoxIo;
use crate::net::registry::Meter;
use crate::shutdown::Shutdown;

use super::admission::{Admitted, admit};
use super::out::Out;
use clock::{Alarm, FrameClock};
use flights::{Flight, Flights};
use gathering::Gathering;
use recv_budget::Reservation;
use send_budget::QueueShare;
use tally::some;

pub(super) use limits::Limits;
pub(super) use serving::LINGER;
pub(super) use tally::some as some_suppressed;

/// Serves one connection to its end, which comes by itself soon after that of the grace period. A chain of futures, since
/// an `async fn` has room for what it is given twice.
pub(super) fn serve_connection(
    io: BoxIo,
    meter: Arc<Meter>,
    limits: Arc<Limits>,
    shutdown: Shutdown,
) -> impl Future<Output = CloseReason> + Send {
    let span = spans::connection("tcp", meter.id.0, meter.peer_addr);
    let server = Arc::clone(&limits);
    let serving = async move {
        // A connection begins here,
        tracing::debug!(target: "nestrs::tcp", "connected");
        let mut connection = match admit(io, &meter, &limits, &shutdown).await {
            Ok(admitted) => Connection::new(admitted, meter, limits),
            Err(reason) => return reason,
        };
        // By reference: a future that takes a connection has room for it twice.
        connection.serve(&shutdown).await
    };
    let serving = AssertUnwindSafe(serving).catch_unwind().map(move |outcome| {
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
    });
    serving.instrument(span)
}

struct Connection {
    io: BoxIo,
    phase: Phase,
    limits: Arc<Limits>,
    /// Handed to every call.
    context: Arc<ConnectionContext>,
    /// Counts for the server's registry.
    meter: Arc<Meter>,

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
    flights: Flights,
    /// Streams of replies, each with how far the socket must have come before it is asked for more; in that order.
    parked: VecDeque<(u64, Flight)>,
    /// Waiting for a place among the calls of the whole server.
    room: Option<BoxFuture<'static, ()>>,

    out: Out,
    gathering: Gathering,
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

impl Connection {
    fn new(admitted: Admitted, meter: Arc<Meter>, limits: Arc<Limits>) -> Self {
        let Admitted { io, identity, claims } = admitted;
        let options = &limits.options;
        Self {
            io,
            phase: Phase::Open,
            context: Arc::new(ConnectionContext::new(Arc::clone(&meter), identity, claims)),
            buffer: BytesMut::new(),
            decoder: NestDecoder::new(options.max_frame_bytes),
            more: false,
            frame_clock: FrameClock::default(),
            reservation: None,
            reserving: None,
            flights: Flights::default(),
            parked: VecDeque::new(),
            room: None,
            out: Out::default(),
            gathering: Gathering::default(),
            queue_share: limits.send_budget.share(meter.id),
            pressed: false,
            progress: None,
            reading: true,
            look_after: None,
            received: Instant::now(),
            active: options.idle_timeout.map(|_| Instant::now()),
            handlers_first: false,
            alarm: Alarm::default(),
            meter,
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

/// Whatever way it ends, also by a panic.
impl Drop for Connection {
    fn drop(&mut self) {
        self.context.leave();
    }
}

/// After a fault, calls under way may still answer for this long, and input is discarded for as long.
const FAULT_GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
