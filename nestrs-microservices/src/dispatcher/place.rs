//! Where calls run: boxes that are used again, so that a call which waits for nothing allocates none.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::call::Progress;
use super::direct::direct;
use super::run::run;
use super::spare::OwnContext;
use crate::route_table::RouteEntry;

/// The most free places of a size that a thread keeps, of half a KiB and less; more are given back to the allocator. Calls of one batch
/// begin and end one after another, so this many at once are those that wait for something.
const FREE_MAX: usize = 64;

thread_local! {
    static FREE: RefCell<[Vec<Box<dyn Place>>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// A call that can begin.
pub(super) struct Beginning {
    pub(super) entry: Arc<RouteEntry>,
    pub(super) cx: OwnContext,
    pub(super) id: Option<Bytes>,
    pub(super) handler_timeout: Option<Duration>,
}

/// A call under way in a place of its own, which goes back to the free ones with it.
///
/// Invariant: `Some` up to the drop.
pub(super) struct Placed(Option<Box<dyn Place>>, Size);

/// Which of the free places it is one of.
#[derive(Clone, Copy)]
enum Size {
    /// For [`direct`].
    Small,
    /// For [`run`].
    Large,
}

/// Room for the future of a call, whose type has no name.
trait Place: Send {
    fn begin(&mut self, beginning: Beginning);
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Progress>;
    /// Drops the call.
    fn clear(&mut self);
}

struct Room<F> {
    make: fn(Beginning) -> F,
    running: Pin<Box<Option<F>>>,
}

impl<F: Future<Output = Progress> + Send + 'static> Room<F> {
    fn boxed(make: fn(Beginning) -> F) -> Box<dyn Place> {
        Box::new(Self { make, running: Box::pin(None) })
    }
}

impl<F: Future<Output = Progress> + Send> Place for Room<F> {
    fn begin(&mut self, beginning: Beginning) {
        self.running.set(Some((self.make)(beginning)));
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Progress> {
        let running = self.running.as_mut().as_pin_mut();
        running.unwrap_or_else(|| unreachable!("what is polled has begun")).poll(task)
    }

    fn clear(&mut self) {
        self.running.set(None);
    }
}

impl Placed {
    #[inline]
    pub(super) fn begin(beginning: Beginning) -> Self {
        let size = if beginning.is_simple() { Size::Small } else { Size::Large };
        let free = FREE.try_with(|free| free.borrow_mut()[size as usize].pop()).ok().flatten();
        let mut place = free.unwrap_or_else(|| match size {
            Size::Small => Room::boxed(direct),
            Size::Large => Room::boxed(run),
        });
        place.begin(beginning);
        Self(Some(place), size)
    }

    pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Poll<Progress> {
        let place = self.0.as_mut();
        place.unwrap_or_else(|| unreachable!("it is taken by the drop only")).poll(task)
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let Some(mut place) = self.0.take() else { return };
        // A call that has panicked is dropped like any other. It may drop calls of its own, which come here in turn:
        // nothing is borrowed meanwhile. Where the drop panics, the place goes with it.
        place.clear();
        let _ = FREE.try_with(|free| {
            let free = &mut free.borrow_mut()[self.1 as usize];
            if free.len() < FREE_MAX {
                free.push(place);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of_val;

    use super::*;

    fn beginning() -> Beginning {
        let entry = RouteEntry { pattern: "sum".into(), message: None, events: Vec::new() };
        Beginning { entry: Arc::new(entry), cx: OwnContext::blank(), id: None, handler_timeout: None }
    }

    #[test]
    fn the_future_of_a_call_stays_small() {
        let (short, long) = (size_of_val(&direct(beginning())), size_of_val(&run(beginning())));
        assert!(short <= 320 && long <= 512, "{short} and {long} bytes");
    }

    #[test]
    fn places_are_used_again_and_no_more_are_kept_than_the_limit() {
        let free = || FREE.with(|free| free.borrow()[Size::Large as usize].len());
        let many: Vec<_> = (0..2 * FREE_MAX).map(|_| Placed::begin(beginning())).collect();
        assert_eq!(free(), 0);
        drop(many);
        assert_eq!(free(), FREE_MAX);
        let one = Placed::begin(beginning());
        assert_eq!(free(), FREE_MAX - 1);
        drop(one);
        assert_eq!(free(), FREE_MAX);
    }
}
