//! Instants in the future, as far as they can be told.

use std::time::Duration;

use tokio::time::Instant;

/// When `duration` will have passed; `None` when that is beyond what the clock can say, which is never.
pub(crate) fn after(duration: Duration) -> Option<Instant> {
    Instant::now().checked_add(duration)
}

/// Completes at `instant`, or never.
pub(crate) async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
