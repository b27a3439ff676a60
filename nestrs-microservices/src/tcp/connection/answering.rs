//! From what calls come to, to bytes.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use nestrs_core::{ErrorKind, TransportError};
use tokio::time::Instant;
use tracing::field::display;

use crate::dispatcher::{Progress, panicked};
use crate::net::codec::{utf16_len, write_frame_header};
use crate::packet::{Answer, Packet};

use super::Connection;
use super::flights::Flight;
use super::in_flight::Place;
use super::tally::some;

const SHUTTING_DOWN: &str = "Service is shutting down";

/// Why a call is not begun.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    Overloaded,
    ShuttingDown,
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::Overloaded => "Service overloaded",
            Self::ShuttingDown => SHUTTING_DOWN,
        }
    }

    fn error(self) -> TransportError {
        let kind = match self {
            Self::Overloaded => ErrorKind::Overloaded,
            Self::ShuttingDown => ErrorKind::Unavailable,
        };
        TransportError::not_executed(kind, self.reason())
    }
}

impl Connection {
    /// Answers a call that is not begun; an event is dropped, and only the log says so.
    pub(super) fn refuse(&mut self, packet: &Packet, refusal: Refusal) {
        let pattern = packet.pattern.as_deref();
        match &packet.id {
            Some(id) => {
                self.meter.refused_call();
                self.limits.tally.refused(pattern, refusal.reason());
                self.queue(&Answer::Error(refusal.error()), id);
                self.linger_after_refusal();
            }
            None => {
                self.meter.dropped_event();
                self.limits.tally.dropped(pattern, refusal.reason());
            }
        }
    }

    /// Queues what a call has come to, and keeps it going if more follows.
    ///
    /// By reference, since it is large, and this is done for every call.
    pub(super) fn answer(&mut self, progress: &mut Progress, place: Option<Place>) {
        let all_queued = match &progress.id {
            None => true,
            Some(id) => {
                let rest = self.queue_items(&progress.answers, id);
                rest.iter().all(|answer| self.queue(answer, id))
            }
        };
        self.answered();
        // An answer that was replaced by an error is the last one.
        let Some(call) = progress.rest.take().filter(|rest| all_queued || rest.runs_on()) else { return };
        let place = Some(place.unwrap_or_else(|| self.limits.in_flight.enter()));
        // One that runs on has been answered, and is not answered again when it is dropped.
        let id = progress.id.take().filter(|_| !call.runs_on());
        let flight = Flight { call, id, place };
        // It is asked for more when the socket has taken what it gave.
        if self.out.queued() > 0 && flight.id.is_some() {
            self.parked.push_back((self.out.end(), flight));
        } else {
            self.flights.push(flight);
        }
    }

    /// Queues the only answer of a call, if it wants one.
    #[inline]
    pub(super) fn answer_one(&mut self, answer: Option<(&Answer, &Bytes)>) {
        if let Some((answer, id)) = answer {
            self.queue(answer, id);
        }
        self.answered();
    }

    /// A call has come to something.
    #[inline]
    fn answered(&mut self) {
        self.touch();
        self.linger_after_answer();
    }

    /// Answers everyone whose handler is about to be dropped. These have begun, so nothing is said of not executing.
    pub(super) fn answer_the_dropped(&mut self) {
        let parked = std::mem::take(&mut self.parked);
        let dropped = self.flights.take().into_iter().chain(parked.into_iter().map(|(_, flight)| flight));
        // Dropped before they are answered: a handler ends before its caller knows.
        let ids: Vec<_> = dropped.filter_map(|flight| flight.id).collect();
        for id in ids {
            let error = TransportError::new(SHUTTING_DOWN).with_kind(ErrorKind::Unavailable);
            self.queue(&Answer::Error(error), &id);
        }
    }

    /// Appends the items of a stream that are as most are, and gives the rest.
    #[inline]
    fn queue_items<'a>(&mut self, answers: &'a [Answer], id: &[u8]) -> &'a [Answer] {
        if answers.len() < 2 || self.limits.options.serializer.is_some() {
            return answers;
        }
        self.out.prepare();
        if self.out.is_empty() {
            self.progress = Some(Instant::now());
        }
        let max = self.limits.options.max_frame_bytes;
        let written = Answer::write_items(answers, &mut self.out.bytes, id, max);
        self.meter.frames_sent(written);
        answers.get(written..).unwrap_or_default()
    }

    /// Appends one packet; one that cannot be sent is replaced by an error, so that its caller is not left waiting. False
    /// when that was so.
    fn queue(&mut self, answer: &Answer, id: &[u8]) -> bool {
        self.out.prepare();
        let start = self.out.bytes.len();
        self.meter.frame_sent();
        if self.out.is_empty() {
            self.progress = Some(Instant::now());
        }
        let Err(error) = self.write(answer, id) else { return true };
        self.limits.tally.unsendable.pass(|suppressed| {
            let (peer_addr, suppressed) = (self.meter.peer_addr.map(display), some(suppressed));
            tracing::error!(target: "nestrs::tcp", peer_addr, %error, suppressed, "reply cannot be sent");
        });
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
        let max = self.limits.options.max_frame_bytes;
        if self.limits.options.serializer.is_none()
            && self.io.is_write_vectored()
            && let Some(frame) = answer.long_frame(id).filter(|frame| frame.len <= max)
        {
            self.out.push(frame);
            return Ok(());
        }
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
        if len > max {
            return Err(TransportError::internal(format!("reply of {len} bytes exceeds the limit of {max} bytes")));
        }
        Ok(())
    }
}

/// A panic in a hook of the user's is an error of one packet.
pub(super) fn fenced<T>(hook: impl FnOnce() -> Result<T, TransportError>) -> Result<T, TransportError> {
    std::panic::catch_unwind(AssertUnwindSafe(hook)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}
