//! How many bytes of large frames a server holds.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counted by the KiB: a semaphore gives out no more than 2^32 at once.
const UNIT: usize = 1024;

/// Bytes of large frames, from the first of them that is read until the last slice of the payload is dropped.
///
/// Handing a frame to its handler does not release it: slow handlers would let a peer send one large frame after another.
/// The reservation travels with the storage instead, and ends with it, however far a handler has passed its payload on.
/// What a handler makes of a payload is its own affair.
pub(in crate::tcp) struct RecvBudget {
    units: Arc<Semaphore>,
    max_bytes: usize,
}

/// A frame's share.
pub(super) struct Reservation(OwnedSemaphorePermit);

impl RecvBudget {
    pub(super) fn new(max_bytes: usize) -> Self {
        let units = (max_bytes / UNIT).min(u32::MAX as usize);
        Self { units: Arc::new(Semaphore::new(units)), max_bytes: units * UNIT }
    }

    /// No frame may be longer than all of it.
    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// All of `bytes` or nothing, in the order of asking. More than there is in all counts as all.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation, BoxFuture<'static, Reservation>> {
        let units = units(bytes.min(self.max_bytes));
        if let Ok(permit) = Arc::clone(&self.units).try_acquire_many_owned(units) {
            return Ok(Reservation(permit));
        }
        let all = Arc::clone(&self.units);
        Err(Box::pin(async move {
            let permit = all.acquire_many_owned(units).await;
            Reservation(permit.unwrap_or_else(|_| unreachable!("the semaphore is never closed")))
        }))
    }
}

impl Reservation {
    /// Gives back what is above `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.0.num_permits().saturating_sub(units(bytes) as usize);
        if surplus > 0 {
            drop(self.0.split(surplus));
        }
    }

    /// Holds the share for as long as any of `frame` is held.
    pub(super) fn travel_with(mut self, frame: Bytes) -> Bytes {
        self.shrink_to(frame.len());
        Bytes::from_owner(Held { frame, _share: self })
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

struct Held {
    frame: Bytes,
    _share: Reservation,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fr_4_a_share_is_all_or_nothing_and_ends_with_the_last_slice_of_the_frame() {
        let budget = RecvBudget::new(100 * UNIT);
        let first = budget.reserve(60 * UNIT).ok().unwrap();
        let Err(second) = budget.reserve(60 * UNIT) else { panic!("there is no room for both") };
        let second = tokio::spawn(second);
        tokio::task::yield_now().await;
        // It arrived shorter than it might have been, and still leaves no room.
        let frame = first.travel_with(Bytes::from(vec![7; 50 * UNIT]));
        let payload = frame.slice(10..20);
        drop(frame);
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(payload);
        let mut second = second.await.unwrap();
        assert!(budget.reserve(50 * UNIT).is_err());
        second.shrink_to(50 * UNIT);
        assert!(budget.reserve(50 * UNIT).is_ok());
    }

    #[test]
    fn fr_4_what_is_longer_than_the_budget_takes_all_of_it() {
        let budget = RecvBudget::new(3 * UNIT + 7);
        assert_eq!(budget.max_bytes(), 3 * UNIT);
        assert!(budget.reserve(usize::MAX).is_ok());
    }
}
