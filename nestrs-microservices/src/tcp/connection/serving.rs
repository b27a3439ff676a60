//! The loop of one connection: whatever happens next, in turns.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::net::CloseReason;
use crate::shutdown::Shutdown;
use crate::tcp::fault::Fault;
use crate::tcp::options::Overflow;
use crate::time::after;

use super::clock::earlier;
use super::{Connection, FAULT_GRACE, Linger, Phase};

/// How often a peer that is not being read is looked after.
const LOOK_AFTER_EVERY: Duration = Duration::from_millis(500);
/// A connection that began, said or was told something in the last second may well be sending the next call. When the
/// server shuts down it stays for this long, and after each answer that it still gives, so that the call is refused, which
/// is safe to repeat, and not lost.
pub(in crate::tcp) const LINGER: Duration = Duration::from_millis(50);
const LATELY: Duration = Duration::from_secs(1);

/// What happened.
enum Event {
    /// Something that needs no more than another turn of the loop.
    Turn,
    ShutdownBegan,
    /// Somebody asked for this connection to end.
    ToldToClose,
    GraceOver,
    Fault(Fault),
    /// The peer has said FIN.
    End,
    Broken(io::Error),
    /// The server's queues are full, and this is the longest.
    Condemned,
    /// The server is shutting down, and nothing is under way.
    Quiet,
    Alarm,
}

impl Connection {
    pub(super) async fn serve(&mut self, shutdown: &Shutdown) -> CloseReason {
        loop {
            self.decide();
            if let Phase::Ending(reason, _) = self.phase
                && self.is_idle()
            {
                return self.close(reason, shutdown).await;
            }
            match poll_fn(|task| self.poll_event(task, shutdown)).await {
                // Handlers that are always ready must not keep the thread.
                Event::Turn => {
                    if !tokio::task::coop::has_budget_remaining() {
                        self.send_gathered();
                    }
                    tokio::task::coop::consume_budget().await;
                }
                Event::ShutdownBegan => self.drain(),
                Event::ToldToClose => {
                    self.phase = Phase::Ending(CloseReason::Shutdown, after(self.limits.options.grace_period));
                }
                Event::GraceOver => return self.abandon_calls().await,
                Event::Fault(fault) => self.fault(&fault),
                Event::End => self.peer_has_ended(),
                Event::Broken(error) => return self.broken(&error, shutdown),
                Event::Condemned => return self.cut_off(CloseReason::Budget, shutdown),
                Event::Quiet => return self.close(CloseReason::Shutdown, shutdown).await,
                Event::Alarm => match self.what_is_due() {
                    Some(Due::Over(reason)) => {
                        self.leave(shutdown);
                        return self.close(reason, shutdown).await;
                    }
                    Some(Due::CutOff(reason)) => return self.cut_off(reason, shutdown),
                    Some(Due::Idle) => return self.close(CloseReason::Idle, shutdown).await,
                    Some(Due::LookAfter) => match self.io.peer_has_ended() {
                        Ok(false) => {}
                        // There may be calls among what it has sent, so they are read when there is room again.
                        Ok(true) => self.context.leave(),
                        Err(error) => return self.broken(&error, shutdown),
                    },
                    None => {}
                },
            }
            if self.out.queued() > self.limits.options.send_queue_max && self.is_still_too_much().await {
                return self.cut_off(CloseReason::SlowConsumer, shutdown);
            }
        }
    }

    /// Decides what the next turn may do, by what is queued and under way.
    fn decide(&mut self) {
        self.meter.set_in_flight(self.flights.len() + self.parked.len());
        let (queued, high) = (self.out.queued(), self.limits.options.send_queue_high);
        self.pressed = if self.pressed { queued > high / 2 } else { queued > high };
        // Asked once: a place given up between two questions would be missed.
        let (own, all) = (self.has_room_of_its_own(), self.limits.in_flight.has_room());
        let waits =
            matches!(self.phase, Phase::Open) && self.limits.options.overflow == Overflow::Wait && !(own && all);
        if waits && self.room.is_none() && !all {
            self.room = Some(Box::pin(Arc::clone(&self.limits.in_flight).room()));
        } else if !waits {
            self.room = None;
        }
        let ending = matches!(self.phase, Phase::Ending(..));
        let held_up = ending || self.pressed || waits;
        self.frame_clock.pause(held_up);
        self.reading = !held_up && self.reserving.is_none();
        match self.look_after {
            Some(_) if self.reading => self.look_after = None,
            None if !self.reading && !ending => self.look_after = after(LOOK_AFTER_EVERY),
            _ => {}
        }
    }

    /// Whether one more call may begin that does not finish at once.
    pub(super) fn has_room(&self) -> bool {
        self.has_room_of_its_own() && self.limits.in_flight.has_room()
    }

    fn has_room_of_its_own(&self) -> bool {
        self.flights.len() + self.parked.len() < self.limits.options.max_in_flight_per_conn.max(1)
    }

    fn poll_event(&mut self, task: &mut Context<'_>, shutdown: &Shutdown) -> Poll<Event> {
        // One that is busy all the time looks here; one that has nothing to do is woken, below.
        if let Some(event) = self.look_up(shutdown) {
            return Poll::Ready(event);
        }
        // What was left in the buffer when a limit was reached comes first.
        if self.reading && self.more {
            return self.run_batch(task);
        }
        // In turns, so that neither busy handlers nor a busy peer keeps the other waiting.
        self.handlers_first = !self.handlers_first;
        if self.handlers_first && self.poll_flights(task).is_ready() {
            return Poll::Ready(Event::Turn);
        }
        let event = self.poll_io(task);
        if event.is_ready() {
            return event;
        }
        if !self.handlers_first && self.poll_flights(task).is_ready() {
            return Poll::Ready(Event::Turn);
        }
        if let Some(reserving) = &mut self.reserving
            && let Poll::Ready(reservation) = reserving.as_mut().poll(task)
        {
            self.reserving = None;
            self.reserved(reservation);
            return Poll::Ready(Event::Turn);
        }
        if let Some(room) = &mut self.room
            && room.as_mut().poll(task).is_ready()
        {
            self.room = None;
            return Poll::Ready(Event::Turn);
        }
        if self.is_quiet() {
            return Poll::Ready(Event::Quiet);
        }
        self.send_gathered();
        self.meter.listen(task);
        if let Some(event) = self.look_up(shutdown) {
            return Poll::Ready(event);
        }
        let at = self.next_due();
        self.alarm.poll(at, task).map(|()| Event::Alarm)
    }

    /// What others want of this connection. It is woken when that changes, and keeps no list of whom it waits for.
    fn look_up(&self, shutdown: &Shutdown) -> Option<Event> {
        match self.phase {
            Phase::Open if shutdown.has_begun() => Some(Event::ShutdownBegan),
            Phase::Open => self.meter.is_told_to_close().then_some(Event::ToldToClose),
            Phase::Draining(_) | Phase::Ending(..) => shutdown.has_expired().then_some(Event::GraceOver),
        }
    }

    /// Answers what has become ready; all of it goes into the same write.
    pub(super) fn poll_flights(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let mut answered = Poll::Pending;
        // A burst of large replies waits for the socket; it is no sign of a peer that does not read. But a handler that
        // stands still keeps what it has locked, so they only do where they might add up to more than may be queued.
        let options = &self.limits.options;
        let enough = options.send_queue_high.max(options.send_queue_max / 4);
        // Streams are polled in their place, so that one that goes on and on never moves aside. What is parked by its
        // answer has its turn later.
        for _ in 0..self.parked.len() {
            if self.out.queued() > enough || self.parked.front().is_none_or(|(mark, _)| *mark > self.out.taken()) {
                break;
            }
            let Some((_, mut flight)) = self.parked.pop_front() else { break };
            match Pin::new(&mut flight).poll(task) {
                Poll::Ready((mut progress, place)) => {
                    self.answer(&mut progress, place);
                    answered = Poll::Ready(());
                }
                Poll::Pending => self.flights.push(flight),
            }
        }
        // What becomes ready by an answer has its turn later.
        for _ in 0..self.flights.len() {
            if self.out.queued() > enough {
                break;
            }
            let Poll::Ready((mut progress, place)) = self.flights.poll_next(task) else { break };
            self.answer(&mut progress, place);
            answered = Poll::Ready(());
        }
        answered
    }

    /// Writes what is queued, then reads if there is room for more.
    fn poll_io(&mut self, task: &mut Context<'_>) -> Poll<Event> {
        let mut streams_go_on = false;
        if !self.out.is_empty() {
            self.gather_streams();
            let before = self.out.queued();
            let outcome = self.poll_write(task);
            let written = before - self.out.queued();
            if let Poll::Ready(Err(error)) = outcome {
                return Poll::Ready(Event::Broken(error));
            }
            if self.queue_share.poll_waiting(if outcome.is_ready() { 0 } else { self.out.held() }, task).is_ready() {
                return Poll::Ready(Event::Condemned);
            }
            // What waited for this has its turn; where nothing did, reading goes on.
            let turn = match outcome {
                Poll::Ready(_) => self.pressed || !matches!(self.phase, Phase::Open),
                Poll::Pending => written > 0,
            };
            if turn {
                return Poll::Ready(Event::Turn);
            }
            // So it does where streams did, which may do so for ever: others are heard meanwhile.
            streams_go_on = outcome.is_ready() && !self.parked.is_empty();
        }
        let silence = if streams_go_on { Poll::Ready(Event::Turn) } else { Poll::Pending };
        if !self.reading {
            return silence;
        }
        match self.poll_read(task) {
            Poll::Pending => silence,
            Poll::Ready(Err(error)) => Poll::Ready(Event::Broken(error)),
            Poll::Ready(Ok(0)) => Poll::Ready(Event::End),
            Poll::Ready(Ok(_)) => self.run_batch(task),
        }
    }

    /// Gives the socket what is queued. Everything that is written passes here.
    pub(super) fn poll_write(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (before, passed_on) = (self.out.queued(), self.io.passed_on());
        let outcome = self.out.poll_write(&mut self.io, task);
        let written = before - self.out.queued();
        if written > 0 {
            self.meter.sent(written, self.progress.unwrap_or_else(Instant::now));
            self.touch();
        }
        // What a TLS session takes it may only keep: progress is what goes on its way.
        let is_progress = if passed_on.is_some() { self.io.passed_on() > passed_on } else { written > 0 };
        if is_progress && outcome.is_pending() {
            self.progress = Some(Instant::now());
        }
        outcome
    }

    fn run_batch(&mut self, task: &mut Context<'_>) -> Poll<Event> {
        Poll::Ready(match self.serve_buffered(task) {
            Ok(()) => Event::Turn,
            Err(fault) => Event::Fault(fault),
        })
    }

    /// Whether more is queued than may be when the socket has been given what it takes at once.
    async fn is_still_too_much(&mut self) -> bool {
        // What becomes of it is seen when it is written the next time.
        let _ = poll_fn(|task| Poll::Ready(self.poll_write(task))).await;
        self.out.queued() > self.limits.options.send_queue_max
    }

    /// New calls are refused from now on; those under way go on.
    fn drain(&mut self) {
        let lately = self.progress.is_some_and(|progress| progress.elapsed() < LATELY);
        // A connection that has just begun has something to say, too.
        let lately = lately || self.received.elapsed() < LATELY;
        self.phase = Phase::Draining(if lately { Linger::now() } else { None });
    }

    /// Somebody was answered whose call began before the end: the next call may be on its way.
    pub(super) fn linger_after_answer(&mut self) {
        if let Phase::Draining(linger) = &mut self.phase {
            *linger = Linger::now();
        }
    }

    /// A call was refused: others may have been sent before its caller knows. One who never heeds it gains little.
    pub(super) fn linger_after_refusal(&mut self) {
        if let Phase::Draining(linger) = &mut self.phase {
            match linger {
                Some(linger) => {
                    linger.until = Instant::now().checked_add(LINGER).unwrap_or(linger.at_last).min(linger.at_last)
                }
                None => *linger = Linger::now(),
            }
        }
    }

    /// Nothing is under way, and nothing that was sent is still unread. Asked after the socket was, and found empty.
    fn is_quiet(&self) -> bool {
        let Phase::Draining(linger) = self.phase else { return false };
        self.is_idle()
            && self.reading
            && !self.decoder.is_inside_frame(&self.buffer)
            && linger.is_none_or(|linger| linger.until <= Instant::now())
            // Without budget the socket has not really been asked.
            && tokio::task::coop::has_budget_remaining()
    }

    fn next_due(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Open => None,
            // Waited for once: what it may still wait for after that is not a matter of time.
            Phase::Draining(linger) => {
                let until = linger.filter(|_| self.is_idle()).map(|linger| linger.until);
                until.filter(|until| *until > Instant::now())
            }
            Phase::Ending(_, until) => until,
        };
        let peer = earlier(self.stall_due(), self.frame_due());
        earlier(earlier(phase, self.look_after), earlier(peer, self.idle_due()))
    }

    /// When a peer that takes nothing of what is queued, or of what TLS holds back, is given up.
    fn stall_due(&self) -> Option<Instant> {
        self.progress.filter(|_| !self.out.is_empty())?.checked_add(self.limits.options.write_stall_timeout)
    }

    fn frame_due(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Ending(..)) {
            return None;
        }
        let options = &self.limits.options;
        let len = self.decoder.body_len().map_or(0, |(least, _)| least);
        let (idle_timeout, min_rate) = (options.frame_idle_timeout, options.min_frame_rate);
        let share = self.frame_clock.share_deadline(self.buffer.len(), idle_timeout, min_rate);
        earlier(self.frame_clock.deadline(len, idle_timeout, min_rate), share)
    }

    fn idle_due(&self) -> Option<Instant> {
        let active = self.active.filter(|_| self.is_idle() && matches!(self.phase, Phase::Open))?;
        active.checked_add(self.limits.options.idle_timeout?)
    }

    /// Why the alarm went off. `None` when the reason has passed, or only another turn was wanted.
    fn what_is_due(&mut self) -> Option<Due> {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match self.phase {
            Phase::Ending(reason, until) if is_due(until) => return Some(Due::Over(reason)),
            _ => {}
        }
        if is_due(self.stall_due()) {
            return Some(Due::CutOff(CloseReason::SlowConsumer));
        }
        if is_due(self.frame_due()) {
            return Some(Due::CutOff(CloseReason::SlowFrame));
        }
        if is_due(self.idle_due()) {
            return Some(Due::Idle);
        }
        if is_due(self.look_after) {
            self.look_after = now.checked_add(LOOK_AFTER_EVERY);
            return Some(Due::LookAfter);
        }
        None
    }

    /// The peer will send nothing more; calls under way are still answered.
    fn peer_has_ended(&mut self) {
        self.context.leave();
        if self.decoder.is_inside_frame(&self.buffer) {
            return self.fault(&Fault::Truncated);
        }
        self.phase = Phase::Ending(CloseReason::PeerClosed, after(self.limits.options.grace_period));
    }

    /// The stream has lost its place: nothing more is read, and the peer is told nothing about it.
    fn fault(&mut self, fault: &Fault) {
        self.log_fault(fault);
        self.meter.fault(fault.code(&self.buffer));
        self.phase = Phase::Ending(CloseReason::Fault(fault.code(&self.buffer)), after(FAULT_GRACE));
    }
}

impl Linger {
    fn now() -> Option<Self> {
        let until = after(LINGER)?;
        Some(Self { until, at_last: until.checked_add(LINGER)? })
    }
}

/// What it is time for.
enum Due {
    /// Waiting for calls under way.
    Over(CloseReason),
    /// The peer's patience with itself.
    CutOff(CloseReason),
    Idle,
    LookAfter,
}
