//! What customers are told: a listener of the event bus. Orders do not know that it is there.

use std::sync::atomic::{AtomicU64, Ordering};

use nestrs::prelude::*;
use serde::{Deserialize, Serialize};

/// What has happened, as publisher and listeners share it.
#[event("order.placed")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OrderPlaced {
    pub(crate) id: u64,
    pub(crate) cents: u64,
}

#[injectable]
pub(crate) struct Notifications {
    sent: AtomicU64,
}

/// `@OnEvent('order.placed')`: the name is that of the argument's type.
#[event_routes]
impl Notifications {
    #[on_event]
    async fn placed(&self, order: OrderPlaced) {
        // Here a letter would be sent.
        self.sent.fetch_add(1, Ordering::Relaxed);
        tracing::info!(context = "Notifications", order.id, order.cents, "the customer was told");
    }
}

impl Notifications {
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Found on the type, as in NestJS; runs once calls under way are answered and the bus is empty.
impl OnApplicationShutdown for Notifications {
    async fn on_application_shutdown(&self, signal: Option<i32>) -> HookResult {
        tracing::info!(context = "Notifications", signal, sent = self.sent(), "goodbye");
        Ok(())
    }
}

#[module(providers = [Notifications], exports = [Notifications])]
pub(crate) struct NotificationsModule;
