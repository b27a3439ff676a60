//! Where calls run: boxes that are used again, so that a call which waits for nothing allocates none.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::LocalKey;
use std::time::Duration;

use bytes::Bytes;

use super::call::Progress;
use super::direct::{Done, direct};
use super::run::run;
use super::spare::OwnContext;
use crate::route_table::RouteEntry;

/// The most free places of a size that a thread keeps, of half a KiB and less; more are given back to the allocator. Calls of one batch
/// begin and end one after another, so this many at once are those that wait for something.
const FREE_MAX: usize = 64;

/// Places without a call in them.
type Free<T> = RefCell<Vec<Box<dyn Place<T>>>>;

thread_local! {
    static FREE_SMALL: Free<Done> = const { RefCell::new(Vec::new()) };
    static FREE_LARGE: Free<Progress> = const { RefCell::new(Vec::new()) };
}

/// A call that can begin. Its id stays outside: what runs only needs it for what it logs, and for streams.
pub(super) struct Beginning {
    pub(super) entry: Arc<RouteEntry>,
    pub(super) cx: OwnContext,
    pub(super) handler_timeout: Option<Duration>,
}

/// A call under way in a place of its own, which goes back to the free ones with it.
///
/// Invariant: `Some` up to the drop.
pub(super) struct Placed<T: Outcome>(Option<Box<dyn Place<T>>>);

/// What a call comes to, which says where it runs.
pub(super) trait Outcome: Sized + 'static {
    fn free() -> &'static LocalKey<Free<Self>>;
    fn room() -> Box<dyn Place<Self>>;
}

impl Outcome for Done {
    fn free() -> &'static LocalKey<Free<Self>> {
        &FREE_SMALL
    }

    fn room() -> Box<dyn Place<Self>> {
        Room::boxed(direct)
    }
}

impl Outcome for Progress {
    fn free() -> &'static LocalKey<Free<Self>> {
        &FREE_LARGE
    }

    fn room() -> Box<dyn Place<Self>> {
        Room::boxed(run)
    }
}

/// Room for the future of a call, whose type has no name.
pub(super) trait Place<T>: Send {
    fn begin(&mut self, beginning: Beginning, id: Option<&Bytes>);
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<T>;
    /// Drops the call.
    fn clear(&mut self);
}

struct Room<M, F> {
    make: M,
    running: Pin<Box<Option<F>>>,
}

impl<M, F> Room<M, F>
where
    M: Fn(Beginning, Option<&Bytes>) -> F + Send + 'static,
    F: Future + Send + 'static,
{
    fn boxed(make: M) -> Box<dyn Place<F::Output>> {
        Box::new(Self { make, running: Box::pin(None) })
    }
}

impl<M, F> Place<F::Output> for Room<M, F>
where
    M: Fn(Beginning, Option<&Bytes>) -> F + Send,
    F: Future + Send,
{
    fn begin(&mut self, beginning: Beginning, id: Option<&Bytes>) {
        self.running.set(Some((self.make)(beginning, id)));
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<F::Output> {
        let running = self.running.as_mut().as_pin_mut();
        running.unwrap_or_else(|| unreachable!("what is polled has begun")).poll(task)
    }

    fn clear(&mut self) {
        self.running.set(None);
    }
}

impl<T: Outcome> Placed<T> {
    #[inline]
    pub(super) fn begin(beginning: Beginning, id: Option<&Bytes>) -> Self {
        let free = T::free().try_with(|free| free.borrow_mut().pop()).ok().flatten();
        let mut place = free.unwrap_or_else(T::room);
        place.begin(beginning, id);
        Self(Some(place))
    }

    #[inline]
    pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Poll<T> {
        let place = self.0.as_mut();
        place.unwrap_or_else(|| unreachable!("it is taken by the drop only")).poll(task)
    }
}

impl<T: Outcome> Drop for Placed<T> {
    fn drop(&mut self) {
        let Some(mut place) = self.0.take() else { return };
        // A call that has panicked is dropped like any other. It may drop calls of its own, which come here in turn:
        // nothing is borrowed meanwhile. Where the drop panics, the place goes with it.
        place.clear();
        let _ = T::free().try_with(|free| {
            let mut free = free.borrow_mut();
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
        Beginning { entry: Arc::new(entry), cx: OwnContext::blank(), handler_timeout: None }
    }

    #[test]
    fn the_future_of_a_call_stays_small() {
        let (short, long) = (size_of_val(&direct(beginning(), None)), size_of_val(&run(beginning(), None)));
        assert!(short <= 320 && long <= 512, "{short} and {long} bytes");
    }

    #[test]
    fn places_are_used_again_and_no_more_are_kept_than_the_limit() {
        let free = || FREE_LARGE.with(|free| free.borrow().len());
        let many: Vec<_> = (0..2 * FREE_MAX).map(|_| Placed::<Progress>::begin(beginning(), None)).collect();
        assert_eq!(free(), 0);
        drop(many);
        assert_eq!(free(), FREE_MAX);
        let one = Placed::<Progress>::begin(beginning(), None);
        assert_eq!(free(), FREE_MAX - 1);
        drop(one);
        assert_eq!(free(), FREE_MAX);
    }
}
