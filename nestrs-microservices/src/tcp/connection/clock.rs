//! The times a connection has to keep.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long the frame that has begun has been under way. Nothing is measured while every read ends with a whole frame.
#[derive(Default)]
pub(super) struct FrameClock {
    started: Option<Instant>,
    /// Since when it holds a share of the server's budget, and how many of its bytes were there then.
    share: Option<(Instant, usize)>,
    /// Since when the connection is not read for reasons that are not the peer's; that time is not held against it.
    paused: Option<Instant>,
}

impl FrameClock {
    /// A read has left a frame unfinished. Without a rate to keep up, every byte gives it its time again.
    pub(super) fn unfinished(&mut self, min_rate: usize) {
        if self.started.is_none() || min_rate == 0 {
            self.started = Some(Instant::now());
        }
    }

    pub(super) fn finished(&mut self) {
        self.started = None;
        self.share = None;
    }

    /// From now on others may be waiting for what it holds.
    pub(super) fn holds_share(&mut self, received: usize) {
        self.share = Some((Instant::now(), received));
    }

    pub(super) fn pause(&mut self, paused: bool) {
        let Some(started) = &mut self.started else {
            self.paused = None;
            return;
        };
        match (paused, self.paused) {
            (true, None) => self.paused = Some(Instant::now()),
            (false, Some(since)) => {
                *started += since.elapsed();
                if let Some((begun, _)) = &mut self.share {
                    *begun += since.elapsed();
                }
                self.paused = None;
            }
            _ => {}
        }
    }

    /// When a frame of at least `len` bytes has to be complete.
    pub(super) fn deadline(&self, len: usize, idle_timeout: Duration, min_rate: usize) -> Option<Instant> {
        let started = self.started.filter(|_| self.paused.is_none())?;
        started.checked_add(idle_timeout)?.checked_add(time_for(len, min_rate))
    }

    /// When a frame of which `received` bytes have come is behind the rate, counted from when it was given its share. It
    /// has the time of what it has sent, and not of what it has announced: a share is too large to be held for that.
    pub(super) fn share_deadline(&self, received: usize, idle_timeout: Duration, min_rate: usize) -> Option<Instant> {
        let (since, before) = self.share.filter(|_| self.paused.is_none() && min_rate > 0)?;
        since.checked_add(idle_timeout)?.checked_add(time_for(received.saturating_sub(before), min_rate))
    }
}

/// How long `len` bytes may take; nothing where there is no rate.
fn time_for(len: usize, min_rate: usize) -> Duration {
    match min_rate as u64 {
        0 => Duration::ZERO,
        rate => Duration::from_micros((len as u64).saturating_mul(1_000_000) / rate),
    }
}

/// One timer for all of a connection's times. It is made when first needed, and moved only to an earlier time: one that
/// goes off too soon is set again, which costs less than moving it with every byte.
#[derive(Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Ready when it is `at`.
    pub(super) fn poll(&mut self, at: Option<Instant>, task: &mut Context<'_>) -> Poll<()> {
        let Some(at) = at else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        ready!(sleep.as_mut().poll(task));
        if Instant::now() < at {
            sleep.as_mut().reset(at);
            return sleep.as_mut().poll(task);
        }
        Poll::Ready(())
    }
}

/// The earlier of two times, where `None` is never.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn sl_1_a_frame_has_its_time_and_a_second_for_what_the_rate_allows() {
        let mut clock = FrameClock::default();
        let deadline = |clock: &FrameClock, len| clock.deadline(len, 30 * SECOND, 1024);
        assert_eq!(deadline(&clock, 0), None);
        let begun = Instant::now();
        clock.unfinished(1024);
        assert_eq!(deadline(&clock, 0), Some(begun + 30 * SECOND));
        // Another byte gains nothing.
        tokio::time::advance(29 * SECOND).await;
        clock.unfinished(1024);
        assert_eq!(deadline(&clock, 10 * 1024), Some(begun + 40 * SECOND));
        // What this side does not read is not held against the peer.
        clock.pause(true);
        assert_eq!(deadline(&clock, 0), None);
        tokio::time::advance(100 * SECOND).await;
        clock.pause(false);
        assert_eq!(deadline(&clock, 0), Some(begun + 130 * SECOND));
        clock.finished();
        assert_eq!(deadline(&clock, 0), None);
    }

    #[tokio::test(start_paused = true)]
    async fn sl_1_a_frame_with_a_share_has_the_time_of_what_it_has_sent() {
        let mut clock = FrameClock::default();
        let deadline = |clock: &FrameClock, received| clock.share_deadline(received, 30 * SECOND, 1024);
        clock.unfinished(1024);
        assert_eq!(deadline(&clock, 0), None, "it holds nothing");
        tokio::time::advance(20 * SECOND).await;
        clock.holds_share(5 * 1024);
        let held = Instant::now();
        assert_eq!(deadline(&clock, 5 * 1024), Some(held + 30 * SECOND));
        assert_eq!(deadline(&clock, 8 * 1024), Some(held + 33 * SECOND));
        assert_eq!(clock.share_deadline(8 * 1024, 30 * SECOND, 0), None, "there is no rate");
        clock.pause(true);
        assert_eq!(deadline(&clock, 5 * 1024), None);
        tokio::time::advance(100 * SECOND).await;
        clock.pause(false);
        assert_eq!(deadline(&clock, 5 * 1024), Some(held + 130 * SECOND));
        clock.finished();
        assert_eq!(deadline(&clock, 0), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_goes_off_when_it_is_time_and_not_when_it_was_to_be() {
        let mut alarm = Alarm::default();
        let begun = Instant::now();
        let first = begun + SECOND;
        std::future::poll_fn(|task| Poll::Ready(alarm.poll(Some(first), task).is_pending())).await;
        std::future::poll_fn(|task| alarm.poll(Some(begun + 3 * SECOND), task)).await;
        assert_eq!(begun.elapsed().as_secs(), 3);
        std::future::poll_fn(|task| alarm.poll(Some(first), task)).await;
        std::future::poll_fn(|task| alarm.poll(Some(begun + 4 * SECOND), task)).await;
        assert_eq!(begun.elapsed().as_secs(), 4);
    }
}
