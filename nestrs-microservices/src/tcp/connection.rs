//! One accepted connection, served by one task.
//!
//! The task reads a batch of frames, polls each handler once in place, and answers the batch with one write. A handler
//! that is not done at once moves aside, and the rest go on; replies leave in the order in which they are ready.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use nestrs_core::spans::{self, PeerText};
use nestrs_core::{Pattern, Payload, TransportError};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;
use tracing::field::display;

use crate::context::{ConnectionContext, ConnectionId};
use crate::dispatcher::{Call, Dispatcher, Inbound, Progress, panicked};
use crate::net::CloseReason;
use crate::net::codec::{FrameError, NestDecoder, utf16_len, write_frame_header};
use crate::net::io::BoxIo;
use crate::packet::{Answer, Packet, PacketError};
use crate::shutdown::Shutdown;
use crate::time::{after, sleep_until};

use super::admission::{Admitted, admit};
use super::fault::Fault;
use super::options::TcpMicroserviceOptions;
use super::out::Out;

/// How much one read takes at most. The buffer belongs to the thread: an idle connection holds none.
const READ_MAX: usize = 64 * 1024;
/// After a fault, calls under way may still answer for this long, and input is discarded for as long.
const FAULT_GRACE: Duration = Duration::from_secs(1);
/// How much input is discarded before a faulty connection is closed.
const DISCARD_MAX: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_MAX].into_boxed_slice());
}

/// What the connections of one server share.
pub(super) struct Limits {
    pub(super) options: TcpMicroserviceOptions,
    pub(super) connections: Arc<Semaphore>,
    pub(super) in_flight: Arc<Semaphore>,
}

/// Serves one connection to its end.
pub(super) async fn serve_connection(
    io: BoxIo,
    id: ConnectionId,
    peer_addr: Option<SocketAddr>,
    limits: Arc<Limits>,
    dispatcher: Dispatcher,
    shutdown: Shutdown,
) {
    let serving = async {
        tracing::debug!(target: "nestrs::tcp", "connected");
        let reason = match admit(io, peer_addr, &limits.options, &shutdown).await {
            Ok(admitted) => Connection::new(admitted, id, peer_addr, limits, dispatcher).serve(&shutdown).await,
            Err(reason) => reason,
        };
        tracing::debug!(target: "nestrs::tcp", %reason, "disconnected");
    };
    serving.instrument(spans::connection("tcp", id.0, peer_addr)).await;
}

struct Connection {
    io: BoxIo,
    /// Received and not yet decoded; empty and without storage between messages.
    buffer: BytesMut,
    decoder: NestDecoder,
    out: Out,
    limits: Arc<Limits>,
    dispatcher: Dispatcher,
    /// Handed to every call.
    context: Arc<ConnectionContext>,
    peer_addr: Option<SocketAddr>,
    /// Cancelled when nobody will read an answer any more; at the latest with the connection itself.
    gone: CancellationToken,
    _gone_at_last: DropGuard,
    /// Streams of replies that wait for the peer to take what is queued.
    parked: Vec<Flight>,
    /// When the peer last took something, or was first given something to take.
    progress: Instant,
}

/// How far a connection is on its way to its end.
enum Phase {
    Open,
    /// No more is read; calls under way are answered until the deadline, then it closes.
    Draining(CloseReason, Option<Instant>),
}

/// A call that moved aside, with its share of the server's limit.
struct Flight {
    call: Call,
    permit: Option<OwnedSemaphorePermit>,
}

impl Future for Flight {
    type Output = (Progress, Option<OwnedSemaphorePermit>);
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let progress = ready!(Pin::new(&mut self.call).poll(task));
        Poll::Ready((progress, self.permit.take()))
    }
}

impl Connection {
    fn new(
        admitted: Admitted,
        id: ConnectionId,
        peer_addr: Option<SocketAddr>,
        limits: Arc<Limits>,
        dispatcher: Dispatcher,
    ) -> Self {
        let gone = CancellationToken::new();
        let context = ConnectionContext::new(limits.options.transport.as_str(), id, peer_addr, gone.clone());
        Self {
            buffer: BytesMut::new(),
            decoder: NestDecoder::new(limits.options.max_frame_bytes),
            out: Out::default(),
            context: Arc::new(context.known(admitted.identity, admitted.claims)),
            io: admitted.io,
            limits,
            dispatcher,
            peer_addr,
            gone: gone.clone(),
            _gone_at_last: gone.drop_guard(),
            parked: Vec::new(),
            progress: Instant::now(),
        }
    }

    async fn serve(mut self, shutdown: &Shutdown) -> CloseReason {
        let mut flights: FuturesUnordered<Flight> = FuturesUnordered::new();
        let mut phase = Phase::Open;
        let mut expired = pin!(shutdown.expired());
        loop {
            if let Phase::Draining(reason, _) = &phase
                && flights.is_empty()
                && self.parked.is_empty()
                && self.out.is_empty()
            {
                let reason = *reason;
                self.say_goodbye().await;
                return reason;
            }
            if self.out.queued() <= self.limits.options.send_queue_high / 2 {
                flights.extend(self.parked.drain(..));
            }
            // A burst of large replies waits for the socket; it is no sign of a peer that does not read.
            let answering = self.out.queued() <= self.limits.options.send_queue_high;
            let open = matches!(phase, Phase::Open);
            let room = flights.len() < self.limits.options.max_in_flight_per_conn.max(1);
            let starved = open && self.limits.in_flight.available_permits() == 0;
            let reading = open && room && !starved && self.out.queued() <= self.limits.options.send_queue_high;
            // What was left in the buffer when a limit was reached comes first.
            if reading && !self.buffer.is_empty() {
                match self.run_batch(&mut flights).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(fault) => {
                        phase = self.fault(&fault);
                        continue;
                    }
                }
            }
            let deadline = match &phase {
                Phase::Draining(_, deadline) => *deadline,
                Phase::Open => None,
            };
            let stalled = match self.out.queued() {
                0 => None,
                _ => self.progress.checked_add(self.limits.options.write_stall_timeout),
            };
            let limits = Arc::clone(&self.limits);
            // In random order, so that neither busy handlers nor a busy peer keeps the other waiting.
            tokio::select! {
                () = shutdown.begun(), if open => phase = Phase::Draining(CloseReason::Shutdown, None),
                () = &mut expired => return CloseReason::Shutdown,
                () = sleep_until(deadline), if deadline.is_some() => {
                    let Phase::Draining(reason, _) = phase else { unreachable!("only draining has a deadline") };
                    self.leave(flights, shutdown);
                    self.say_goodbye().await;
                    return reason;
                }
                Some((progress, permit)) = flights.next(), if !flights.is_empty() && answering => {
                    self.answer(progress, permit, &mut flights);
                    // Whatever else is ready goes into the same write; what becomes ready by that has its turn later.
                    for _ in 0..flights.len() {
                        if self.out.queued() > self.limits.options.send_queue_high {
                            break;
                        }
                        let Poll::Ready(Some((progress, permit))) = futures_util::poll!(flights.next()) else { break };
                        self.answer(progress, permit, &mut flights);
                    }
                    // Handlers that are always ready must not keep the thread.
                    tokio::task::coop::consume_budget().await;
                }
                _ = limits.in_flight.acquire(), if starved => {}
                () = sleep_until(stalled), if stalled.is_some() => return self.give_up(flights, shutdown),
                event = poll_fn(|task| self.poll_io(task, reading)) => match event {
                    Ok(IoEvent::Wrote) => {}
                    Ok(IoEvent::Read) => match self.run_batch(&mut flights).await {
                        Ok(_) => {}
                        Err(fault) => phase = self.fault(&fault),
                    },
                    Ok(IoEvent::End) => {
                        if self.decoder.is_inside_frame(&self.buffer) {
                            let peer_addr = self.peer_addr.map(display);
                            tracing::warn!(target: "nestrs::tcp", peer_addr, "connection ended inside a frame");
                        }
                        self.gone.cancel();
                        phase = Phase::Draining(CloseReason::PeerClosed, after(self.limits.options.grace_period));
                    }
                    Err(error) => {
                        tracing::debug!(target: "nestrs::tcp", %error, "connection lost");
                        self.leave(flights, shutdown);
                        return CloseReason::PeerReset;
                    }
                },
            }
            if self.out.queued() > self.limits.options.send_queue_max {
                return self.give_up(flights, shutdown);
            }
        }
    }

    /// Decodes what is buffered and starts a call for each frame, up to a limit. True when frames may be left.
    async fn run_batch(&mut self, flights: &mut FuturesUnordered<Flight>) -> Result<bool, Fault> {
        while flights.len() < self.limits.options.max_in_flight_per_conn.max(1)
            && self.limits.in_flight.available_permits() > 0
            && self.out.queued() <= self.limits.options.send_queue_high
        {
            let Some(frame) = self.decoder.decode(&mut self.buffer).map_err(Fault::Frame)? else {
                if self.buffer.is_empty() {
                    self.buffer = BytesMut::new();
                }
                return Ok(false);
            };
            let Some(packet) = self.read_packet(frame)? else { continue };
            let mut call = self.start(&packet);
            match poll_fn(|task| Poll::Ready(Pin::new(&mut call).poll(task))).await {
                Poll::Ready(progress) => self.answer(progress, None, flights),
                Poll::Pending => {
                    // Under a race for the last permit a call runs without one: each connection may have one such.
                    let permit = Arc::clone(&self.limits.in_flight).try_acquire_owned().ok();
                    flights.push(Flight { call, permit });
                }
            }
        }
        Ok(!self.buffer.is_empty())
    }

    /// The packet in a frame; `None` when a deserializer of the user's refuses it.
    fn read_packet(&self, frame: Bytes) -> Result<Option<Packet>, Fault> {
        let frame = match &self.limits.options.deserializer {
            None => frame,
            Some(deserializer) => {
                let wire = Payload::from_json(frame).into_value().map_err(|_| Fault::Json)?;
                let deserialized = fenced(|| deserializer.deserialize(wire));
                match deserialized {
                    Ok(packet) => Bytes::from(packet.to_string()),
                    Err(error) => {
                        let peer_addr = self.peer_addr.map(display);
                        tracing::warn!(target: "nestrs::tcp", peer_addr, %error, "the deserializer refused a packet; dropped");
                        return Ok(None);
                    }
                }
            }
        };
        Packet::read(&frame).map(Some).map_err(|error| match error {
            PacketError::IdTooLong => Fault::IdTooLong,
            _ => Fault::Json,
        })
    }

    fn start(&self, packet: &Packet) -> Call {
        // The frame was checked to be UTF-8, and its members are slices of it.
        let pattern = packet.pattern.as_deref().and_then(|json| std::str::from_utf8(json).ok());
        self.dispatcher.dispatch(Inbound {
            route: pattern.and_then(Pattern::route_of),
            id: packet.id.clone(),
            payload: packet.payload.clone(),
            metadata: packet.metadata.clone(),
            transport: Arc::clone(&self.context) as _,
        })
    }

    /// Queues what a call has come to, and keeps it going if more follows.
    fn answer(
        &mut self,
        progress: Progress,
        permit: Option<OwnedSemaphorePermit>,
        flights: &mut FuturesUnordered<Flight>,
    ) {
        let Progress { id, answers, rest } = progress;
        let all_queued = id.is_none_or(|id| answers.iter().all(|answer| self.queue(answer, &id)));
        // An answer that was replaced by an error is the last one.
        if let Some(call) = rest.filter(|_| all_queued) {
            let flight = Flight { call, permit };
            if self.out.queued() > self.limits.options.send_queue_high {
                self.parked.push(flight);
            } else {
                flights.push(flight);
            }
        }
    }

    /// Appends one packet; one that cannot be sent is replaced by an error, so that its caller is not left waiting. False
    /// when that was so.
    fn queue(&mut self, answer: &Answer, id: &[u8]) -> bool {
        let start = self.out.bytes.len();
        if self.out.queued() == 0 {
            self.progress = Instant::now();
        }
        let Err(error) = self.write(answer, id) else { return true };
        let peer_addr = self.peer_addr.map(display);
        tracing::error!(target: "nestrs::tcp", peer_addr, %error, "reply cannot be sent");
        self.out.bytes.truncate(start);
        let answer = Answer::Error(error);
        if self.write(&answer, id).is_err() {
            // Not even that passes the serializer or the limit: the bare packet is better than silence.
            self.out.bytes.truncate(start);
            answer.write_frame(&mut self.out.bytes, id);
        }
        false
    }

    fn write(&mut self, answer: &Answer, id: &[u8]) -> Result<(), TransportError> {
        let len = match &self.limits.options.serializer {
            None => answer.write_frame(&mut self.out.bytes, id),
            Some(serializer) => {
                let packet = answer.to_packet(id);
                let wire = fenced(|| serializer.serialize(packet))
                    .map_err(|error| TransportError::internal("the serializer refused a reply").with_source(error))?;
                let wire = wire.to_string();
                write_frame_header(&mut self.out.bytes, utf16_len(wire.as_bytes()));
                self.out.bytes.extend_from_slice(wire.as_bytes());
                wire.len()
            }
        };
        let max = self.limits.options.max_frame_bytes;
        if len > max {
            return Err(TransportError::internal(format!("reply of {len} bytes exceeds the limit of {max} bytes")));
        }
        Ok(())
    }

    /// Writes what is queued, then reads if there is room for more.
    fn poll_io(&mut self, task: &mut Context<'_>, reading: bool) -> Poll<io::Result<IoEvent>> {
        if !self.out.is_empty() {
            let before = self.out.queued();
            let outcome = self.out.poll_write(&mut self.io, task);
            if self.out.queued() < before {
                self.progress = Instant::now();
            }
            if let Poll::Ready(outcome) = outcome {
                return Poll::Ready(outcome.map(|()| IoEvent::Wrote));
            }
        }
        if !reading {
            return Poll::Pending;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut chunk = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.io).poll_read(task, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(IoEvent::End));
            }
            self.buffer.extend_from_slice(chunk.filled());
            Poll::Ready(Ok(IoEvent::Read))
        })
    }

    /// The stream has lost its place: nothing more is read, and the peer is told nothing about it.
    fn fault(&mut self, fault: &Fault) -> Phase {
        // Up to the first byte that is wrong: what follows may be a body, and bodies are not logged.
        let header = match fault {
            Fault::Frame(FrameError::Header) => {
                let digits = self.buffer.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
                &self.buffer[..self.buffer.len().min(digits + 1)]
            }
            _ => &[],
        };
        tracing::warn!(
            target: "nestrs::tcp",
            peer_addr = self.peer_addr.map(display),
            %fault,
            header = %PeerText(header),
            code = fault.code(&self.buffer).code(),
            "protocol fault; closing"
        );
        Phase::Draining(CloseReason::Fault(fault.code(&self.buffer)), after(FAULT_GRACE))
    }

    /// Says FIN and lets the peer take what it was sent: closing with input unread would reset it away.
    async fn say_goodbye(&mut self) {
        let farewell = async {
            self.io.shutdown().await?;
            let mut discarded = 0;
            while discarded < DISCARD_MAX {
                let read = poll_fn(|task| {
                    SCRATCH.with_borrow_mut(|scratch| {
                        let mut chunk = ReadBuf::new(scratch);
                        ready!(Pin::new(&mut self.io).poll_read(task, &mut chunk))?;
                        Poll::Ready(io::Result::Ok(chunk.filled().len()))
                    })
                });
                match read.await? {
                    0 => break,
                    read => discarded += read,
                }
            }
            io::Result::Ok(())
        };
        // A peer that is gone already needs no farewell.
        let _ = tokio::time::timeout(FAULT_GRACE, farewell).await;
        self.gone.cancel();
    }

    /// The peer does not read what it is sent.
    fn give_up(mut self, flights: FuturesUnordered<Flight>, shutdown: &Shutdown) -> CloseReason {
        let (peer_addr, queued) = (self.peer_addr.map(display), self.out.queued());
        tracing::warn!(target: "nestrs::tcp", peer_addr, queued, "peer does not read; closed");
        self.io.close_abruptly();
        self.leave(flights, shutdown);
        CloseReason::SlowConsumer
    }

    /// Nobody waits for answers any more: handlers run to their end without the connection, under the server's limit on
    /// calls; streams of replies end here.
    fn leave(&mut self, mut flights: FuturesUnordered<Flight>, shutdown: &Shutdown) {
        self.gone.cancel();
        self.parked.clear();
        self.out = Out::default();
        if !flights.is_empty() {
            shutdown.spawn(async move {
                while flights.next().await.is_some() {
                    tokio::task::coop::consume_budget().await;
                }
            });
        }
    }
}

/// A panic in a hook of the user's is an error of one packet.
fn fenced<T>(hook: impl FnOnce() -> Result<T, TransportError>) -> Result<T, TransportError> {
    std::panic::catch_unwind(AssertUnwindSafe(hook)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

enum IoEvent {
    Wrote,
    Read,
    /// The peer has said FIN.
    End,
}
