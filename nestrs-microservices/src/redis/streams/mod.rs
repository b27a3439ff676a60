//! Events over Redis Streams, for those who opt in: shared by the instances of a service, and acknowledged after the handler.
//!
//! In reading order: one stream and its group (`group`), what Redis answers (`answers`), one event and how it is settled
//! (`entry`), and the task that reads, claims what others have left, and renews what is under way (`reading`).
//!
//! All state is in Redis. What a group has been given is in its list of pending entries, each with its consumer, the time
//! since, and a count of deliveries. A running instance renews its own; an instance that is gone does not, and others claim
//! what is older than `claim_after`. What waits for another try belongs to a consumer of that purpose, [`WAITING`], and is as
//! old as [`DUE`] when its time has come: whoever is there then takes it.

mod answers;
mod entry;
mod group;
mod reading;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::registry::Counters;

use super::options::RedisStreamsOptions;

pub(super) use group::Group;
pub(super) use reading::Reading;

/// Who owns what waits for another try, or was given back.
const WAITING: &str = "nestrs:waiting";
/// How long, in milliseconds, such an entry has been idle when it is to be taken: a day. It is given a part of that at once.
const DUE: u64 = 24 * 60 * 60 * 1000;
/// The field of an entry that is NestJS's packet.
pub(super) const PACKET: &str = "packet";

/// What one instance of a service has of Redis Streams, over all its sessions.
pub(super) struct Streams {
    pub(super) options: RedisStreamsOptions,
    pub(super) consumer: String,
    /// Events of one stream that may wait here, and at most as many under way beside them.
    pub(super) prefetch: usize,
    pub(super) counters: Arc<Counters>,
    /// What this instance has taken and not settled, by stream and id.
    held: Mutex<HashSet<(Arc<str>, Arc<str>)>>,
}

impl Streams {
    pub(super) fn new(options: RedisStreamsOptions, prefetch: usize, counters: Arc<Counters>) -> Arc<Self> {
        let consumer = options.consumer.clone().unwrap_or_else(|| {
            let random = RandomState::new().hash_one(0_u8);
            format!("{}-{}-{random:016x}", options.group, std::process::id())
        });
        Arc::new(Self { options, consumer, prefetch: prefetch.max(1), counters, held: Mutex::default() })
    }

    fn held(&self) -> MutexGuard<'_, HashSet<(Arc<str>, Arc<str>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
