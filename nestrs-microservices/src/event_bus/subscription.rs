//! A subscriber made at run time, for as long as someone holds it.

use std::fmt;
use std::sync::{Arc, Weak};

use super::bus::Hub;
use super::registry::Place;
use super::subscriber::Subscriber;

/// A subscriber made at run time ([`EventBus::subscribe`](crate::EventBus::subscribe)). Dropping this unsubscribes:
/// an event that is being handled is handled to its end, events that wait are dropped and counted.
///
/// [`Subscription::keep`] lets it live as long as the bus.
#[must_use = "dropping a subscription unsubscribes; `keep` it for as long as the bus lives"]
pub struct Subscription {
    hub: Weak<Hub>,
    subscriber: Arc<Subscriber>,
    /// `None` when it was never let in.
    place: Option<Place>,
}

impl Subscription {
    pub(super) fn new(hub: &Arc<Hub>, subscriber: Arc<Subscriber>, place: Option<Place>) -> Self {
        Self { hub: Arc::downgrade(hub), subscriber, place }
    }

    /// Unsubscribes; the same as dropping it.
    pub fn unsubscribe(self) {
        drop(self);
    }

    /// Leaves the subscriber in place for as long as the bus lives.
    pub fn keep(mut self) {
        self.place = None;
    }

    /// Whether events still reach it: not after the bus has closed, not after the event of one that is for one event,
    /// and never when there were too many subscribers
    /// ([`subscribers_max`](crate::EventBusOptions::subscribers_max)).
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.place.is_some()
            && !self.subscriber.has_been_claimed()
            && self.hub.upgrade().is_some_and(|hub| !hub.is_closed())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let (Some(place), Some(hub)) = (self.place, self.hub.upgrade()) {
            hub.registry_mut().remove(place);
            let dropped = self.subscriber.close(&hub);
            if dropped > 0 {
                tracing::debug!(
                    subscriber = &*self.subscriber.name,
                    dropped,
                    "unsubscribed; events that waited are dropped"
                );
            }
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("subscriber", &self.subscriber.name).finish_non_exhaustive()
    }
}
