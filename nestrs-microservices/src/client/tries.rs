//! How often a call may still be made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The tries that are left to a call beyond those already made, shared by everybody on its way who might make one more.
#[derive(Clone, Debug)]
pub(crate) struct TriesLeft(Arc<AtomicU32>);

impl TriesLeft {
    pub(crate) fn new(tries: u32) -> Self {
        Self(Arc::new(AtomicU32::new(tries)))
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}
