//! How long the rest of a frame may take.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Watches a frame of which a part has arrived: it may take `allowance`, and as much longer as its bytes take at `rate`.
/// Only bytes of the peer count; what is written to it meanwhile is no sign of life.
pub(super) struct HalfFrame {
    /// `None`: for ever.
    allowance: Option<Duration>,
    /// Bytes a second; 0 counts none.
    rate: usize,
    /// When the frame began, and its bytes so far.
    arriving: Option<(Instant, usize)>,
    /// Runs to the earliest time at which a frame can be late; it is not set anew for each.
    timer: Option<Pin<Box<Sleep>>>,
}

impl HalfFrame {
    pub(super) fn new(allowance: Option<Duration>, rate: usize) -> Self {
        Self { allowance, rate, arriving: None, timer: None }
    }

    /// The first bytes of a frame have arrived.
    pub(super) fn begins(&mut self, received: usize) {
        if self.allowance.is_some() {
            self.arriving = Some((Instant::now(), received));
        }
    }

    /// More bytes have arrived, of a frame that is still not complete.
    pub(super) fn goes_on(&mut self, received: usize) {
        match &mut self.arriving {
            Some((_, bytes)) => *bytes = bytes.saturating_add(received),
            None => self.begins(received),
        }
    }

    /// No frame is under way.
    pub(super) fn ends(&mut self) {
        self.arriving = None;
    }

    /// Ready when a frame is late.
    pub(super) fn poll_late(&mut self, task: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(late) = self.late_at() else {
                // Left to run out, in case that another frame comes in pieces.
                return Poll::Pending;
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(late)));
            if timer.as_mut().poll(task).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= late {
                return Poll::Ready(());
            }
            timer.as_mut().reset(late);
        }
    }

    /// `None` while there is no frame, and for one that may take for ever.
    fn late_at(&self) -> Option<Instant> {
        let (began, bytes) = self.arriving?;
        let at_rate = (bytes as u64 * 1000).checked_div(self.rate as u64).unwrap_or(0);
        began.checked_add(self.allowance?.saturating_add(Duration::from_millis(at_rate)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn late_after(frame: &mut HalfFrame) -> u128 {
        let started = Instant::now();
        poll_fn(|task| frame.poll_late(task)).await;
        started.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_may_take_what_is_allowed_and_what_its_bytes_take() {
        let mut frame = HalfFrame::new(Some(Duration::from_secs(1)), 1000);
        frame.begins(500);
        assert_eq!(late_after(&mut frame).await, 1500);
        frame.ends();
        frame.begins(1);
        tokio::time::sleep(Duration::from_millis(900)).await;
        frame.goes_on(999);
        assert_eq!(late_after(&mut frame).await, 1100);
    }

    /// A timer that was set for an earlier frame must not end a later one, nor forget it.
    #[tokio::test(start_paused = true)]
    async fn each_frame_has_its_own_time() {
        let mut frame = HalfFrame::new(Some(Duration::from_secs(1)), 0);
        frame.begins(1);
        let first = tokio::time::timeout(Duration::from_millis(900), late_after(&mut frame));
        assert!(first.await.is_err());
        frame.ends();
        let none = tokio::time::timeout(Duration::from_secs(60), late_after(&mut frame));
        assert!(none.await.is_err());
        frame.begins(1);
        assert_eq!(late_after(&mut frame).await, 1000);

        let mut patient = HalfFrame::new(None, 1);
        patient.begins(1);
        assert!(tokio::time::timeout(Duration::from_secs(3600), late_after(&mut patient)).await.is_err());
    }
}
