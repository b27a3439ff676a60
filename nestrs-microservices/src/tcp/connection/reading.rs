//! From bytes to calls.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use nestrs_core::Payload;
use nestrs_core::log_limit::LogLimit;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::Instant;
use tracing::field::display;

use crate::dispatcher::Call;
use crate::net::codec::FrameError;
use crate::packet::Packet;
use crate::tcp::fault::Fault;
use crate::tcp::options::Overflow;

use super::answering::{Refusal, fenced};
use super::flights::Flight;
use super::recv_budget::Reservation;
use super::{Connection, Phase};

/// How much one read takes at most. The buffer belongs to the thread: an idle connection holds none.
const READ_MAX: usize = 64 * 1024;
/// What a connection may hold of an unfinished frame without a share of the server's budget.
const UNRESERVED_MAX: usize = 64 * 1024;
/// How much of a longer frame must have come before its share is asked for: whoever only announces one holds nothing.
const RESERVED_FROM: usize = UNRESERVED_MAX / 2;
/// Frames of a larger batch are copied out of it, small ones in blocks of this size: no more is kept for the sake of one
/// small frame.
const SHARED_MAX: usize = 16 * 1024;
/// A longer frame is copied by itself.
const SMALL_MAX: usize = 1024;

/// Room beside a read that has filled its buffer: its frame is a long one, and often not much longer.
const READ_MORE: usize = 16 * 1024;
/// With less room than this a buffer grows. It keeps what a frame may have stored below twice what has come and 64 KiB.
const ROOM_MIN: usize = 8 * 1024;

/// Storage of reads up to this size is used again. Whoever keeps a frame of one keeps little more than the frame.
const SPARE_MAX: usize = 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_MAX].into_boxed_slice());
    /// What the last small read was stored in. It is written again only when nothing of that is held any more.
    static SPARE: Cell<BytesMut> = Cell::new(BytesMut::new());
}

impl Connection {
    /// Appends what the socket has to the buffer, and says how much that was: 0 is the end.
    pub(super) fn poll_read(&mut self, task: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let missing = self.decoder.body_len().map_or(0, |(least, _)| least.saturating_sub(self.buffer.len()));
        let read = if missing > ROOM_MIN { self.poll_read_in_place(missing, task) } else { self.poll_read_aside(task) };
        // Everything that is read passes here.
        if let Poll::Ready(Ok(read @ 1..)) = read {
            self.received = Instant::now();
            self.meter.received(read, self.received);
            self.touch();
        }
        read
    }

    /// Reads into a buffer of the thread, and keeps what has come.
    fn poll_read_aside(&mut self, task: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let most = self.read_max();
        SCRATCH.with_borrow_mut(|scratch| {
            let mut chunk = ReadBuf::new(scratch.get_mut(..most).unwrap_or_default());
            ready!(Pin::new(&mut self.io).poll_read(task, &mut chunk))?;
            let chunk = chunk.filled();
            if chunk.len() == READ_MAX && self.buffer.is_empty() {
                self.buffer = BytesMut::with_capacity(READ_MAX + READ_MORE);
            } else if chunk.len() <= SPARE_MAX && self.buffer.capacity() == 0 {
                self.buffer = SPARE.take();
            }
            self.buffer.extend_from_slice(chunk);
            Poll::Ready(Ok(chunk.len()))
        })
    }

    /// Reads the rest of a long frame to where it stays.
    fn poll_read_in_place(&mut self, missing: usize, task: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let most = self.read_max();
        if self.buffer.capacity() - self.buffer.len() < ROOM_MIN {
            // By no more than has come, whatever was announced.
            self.buffer.reserve(missing.min(most).min(self.buffer.len().max(READ_MAX)));
        }
        let mut room = (&mut self.buffer).limit(most);
        let read = pin!(self.io.read_buf(&mut room));
        read.poll(task)
    }

    /// How much the next read may take.
    fn read_max(&self) -> usize {
        match self.decoder.body_len() {
            // Its share is asked for after this read, and until it is there no more than this is held.
            Some((least, _)) if least > UNRESERVED_MAX && self.reservation.is_none() => {
                UNRESERVED_MAX.saturating_sub(self.buffer.len()).max(1)
            }
            _ => READ_MAX,
        }
    }

    /// Reads and forgets.
    pub(super) fn poll_discard(&mut self, task: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut chunk = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.io).poll_read(task, &mut chunk))?;
            Poll::Ready(Ok(chunk.filled().len()))
        })
    }

    /// Decodes what is buffered and begins a call for each frame, up to a limit.
    pub(super) fn serve_buffered(&mut self, task: &mut Context<'_>) -> Result<(), Fault> {
        let batch_len = self.buffer.len();
        let mut block = BytesMut::new();
        let mut decoded = false;
        self.more = true;
        while self.out.queued() <= self.limits.options.send_queue_high {
            let refusal = match self.phase {
                Phase::Open if self.has_room() => None,
                Phase::Open if self.limits.options.overflow == Overflow::Wait => break,
                Phase::Open => Some(Refusal::Overloaded),
                Phase::Draining(_) => Some(Refusal::ShuttingDown),
                Phase::Ending(..) => break,
            };
            let Some(frame) = self.next_frame(batch_len, &mut block).map_err(Fault::Frame)? else {
                self.more = false;
                return self.keep_unfinished(decoded, batch_len);
            };
            // Every frame passes here.
            self.meter.frame_received();
            decoded = true;
            let Some(mut frame) = self.deserialized(frame)? else { continue };
            if refusal.is_none() {
                let received = self.received.into_std();
                match self.limits.dispatcher.dispatch_frame(frame, &self.context, received) {
                    Ok(call) => {
                        self.begin(call, task);
                        continue;
                    }
                    Err(unusual) => frame = unusual,
                }
            }
            // Used where it was made: a packet is large, and this is done for every frame.
            let mut read = Packet::read_text(frame);
            let Ok(packet) = &mut read else {
                return read.map(|_| ()).map_err(Fault::Packet);
            };
            match refusal {
                _ if packet.pattern.is_none() && packet.id.is_none() => {
                    self.meter.ignored_packet();
                    self.limits.tally.dropped(None, "JSON that is no packet");
                }
                None => {
                    let (transport, received) = (Arc::clone(&self.context) as _, self.received.into_std());
                    let call = self.limits.dispatcher.dispatch_packet(packet, transport, received);
                    self.begin(call, task);
                }
                Some(refusal) => self.refuse(packet, refusal),
            }
        }
        Ok(())
    }

    /// The next whole frame, in storage that it may keep. `block` is a copy of what the buffer begins with, or empty.
    pub(super) fn next_frame(&mut self, batch_len: usize, block: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        if !block.is_empty() {
            let before = block.len();
            let frame = self.decoder.decode(block)?;
            self.buffer.advance(before - block.len());
            if frame.is_some() {
                self.frame_clock.finished();
                return Ok(frame);
            }
            // What is left of it is the beginning of a frame.
            *block = BytesMut::new();
        }
        let frame = self.decoder.decode(&mut self.buffer)?;
        Ok(frame.map(|frame| self.take_frame(frame, batch_len, block)))
    }

    /// Sees to what a whole frame may keep in memory: itself, and little of what came with it.
    fn take_frame(&mut self, frame: Bytes, batch_len: usize, block: &mut BytesMut) -> Bytes {
        self.frame_clock.finished();
        if let Some(reservation) = self.reservation.take() {
            self.buffer = BytesMut::from(&self.buffer[..]);
            return reservation.travel_with(frame);
        }
        if batch_len <= SHARED_MAX || frame.len() >= batch_len / 4 {
            return frame;
        }
        if frame.len() <= SMALL_MAX {
            // Those behind it are likely as small: one copy for all of them, which they share.
            *block = BytesMut::from(self.buffer.get(..SHARED_MAX).unwrap_or(&self.buffer));
        }
        Bytes::copy_from_slice(&frame)
    }

    /// Sees to what is left when there is no further whole frame.
    fn keep_unfinished(&mut self, decoded: bool, batch_len: usize) -> Result<(), Fault> {
        if self.buffer.is_empty() {
            let storage = std::mem::take(&mut self.buffer);
            if decoded && batch_len <= SPARE_MAX {
                SPARE.set(storage);
            }
        } else if decoded {
            // Not in the storage of the frames before it.
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        if !self.decoder.is_inside_frame(&self.buffer) {
            return Ok(());
        }
        self.frame_clock.unfinished(self.limits.options.min_frame_rate);
        let Some((least, most)) = self.decoder.body_len() else { return Ok(()) };
        if least <= UNRESERVED_MAX {
            return Ok(());
        }
        let budget = &self.limits.recv_budget;
        if least > budget.max_bytes() {
            return Err(Fault::Frame(FrameError::TooLarge { announced: least, max: budget.max_bytes() }));
        }
        match &mut self.reservation {
            // Each character turns out to be as short as it is.
            Some(reservation) => reservation.shrink_to(most),
            None if self.buffer.len() < RESERVED_FROM => {}
            None => match budget.reserve(most) {
                Ok(reservation) => self.reserved(reservation),
                Err(reserving) => self.reserving = Some(reserving),
            },
        }
        Ok(())
    }

    /// The frame that is being received has its share of the budget, and has to hurry with it.
    pub(super) fn reserved(&mut self, reservation: Reservation) {
        self.reservation = Some(reservation);
        self.frame_clock.holds_share(self.buffer.len());
    }

    /// A frame as a deserializer of the user's leaves it; `None` when that refuses it.
    fn deserialized(&self, frame: Bytes) -> Result<Option<Bytes>, Fault> {
        let Some(deserializer) = &self.limits.options.deserializer else { return Ok(Some(frame)) };
        let wire = Payload::from_json(frame).into_value().map_err(|_| Fault::Json)?;
        match fenced(|| deserializer.deserialize(wire)) {
            Ok(packet) => Ok(Some(Bytes::from(packet.to_string()))),
            Err(error) => {
                static REFUSED: LogLimit = LogLimit::per_second(10);
                REFUSED.pass(|suppressed| {
                    let (peer_addr, suppressed) =
                        (self.meter.peer_addr.map(display), (suppressed > 0).then_some(suppressed));
                    tracing::warn!(
                        target: "nestrs::tcp", peer_addr, %error, suppressed,
                        "the deserializer refused a packet; dropped"
                    );
                });
                self.meter.ignored_packet();
                Ok(None)
            }
        }
    }

    /// Begins a call, and answers it if it is done at once; otherwise it moves aside.
    #[inline]
    fn begin(&mut self, mut call: Call, task: &mut Context<'_>) {
        // Nearly every call ends here, and nothing is made of its answer but bytes.
        let polled = match call.poll_short(task, |answer| self.answer_one(answer)) {
            Some(polled) => polled,
            // Looked at where it is, and not moved out.
            None => match &mut Pin::new(&mut call).poll(task) {
                Poll::Ready(progress) => {
                    self.answer(progress, None);
                    Poll::Ready(())
                }
                Poll::Pending => Poll::Pending,
            },
        };
        if polled.is_pending() {
            let (id, place) = (call.id().cloned(), Some(self.limits.in_flight.enter()));
            self.flights.push(Flight { call, id, place });
        }
    }
}
