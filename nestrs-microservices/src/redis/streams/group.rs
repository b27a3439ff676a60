//! One stream, and the group that reads it.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, cmd};

use super::{DUE, Streams, WAITING};

/// A stream with its group.
#[derive(Debug)]
pub(in crate::redis) struct Group {
    pub(in crate::redis) pattern: Arc<str>,
    /// The key of the stream.
    pub(super) key: Arc<str>,
    name: String,
}

impl Group {
    pub(in crate::redis) fn of(pattern: &Arc<str>, streams: &Streams) -> Arc<Self> {
        let key = format!("{}{pattern}", streams.options.prefix).into();
        Arc::new(Self { pattern: Arc::clone(pattern), key, name: streams.options.group.clone() })
    }

    /// Makes the group, and the stream where there is none.
    pub(super) fn create(&self, from_now: bool) -> Cmd {
        let mut command = cmd("XGROUP");
        command.arg("CREATE").arg(&*self.key).arg(&self.name).arg(if from_now { "$" } else { "0" }).arg("MKSTREAM");
        command
    }

    pub(super) fn ack(&self, id: &str) -> Cmd {
        let mut command = cmd("XACK");
        command.arg(&*self.key).arg(&self.name).arg(id);
        command
    }

    /// Lets it be due after `delay`, for whoever is there then. One that was not begun does not count as delivered.
    pub(super) fn put_back(&self, id: &str, delay: Duration, deliveries: u32) -> Cmd {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(DUE).min(DUE);
        let mut command = cmd("XCLAIM");
        command.arg(&*self.key).arg(&self.name).arg(WAITING).arg(0).arg(id);
        command.arg("IDLE").arg(DUE - delay).arg("RETRYCOUNT").arg(deliveries).arg("JUSTID");
        command
    }

    /// Tells Redis that these are still under way.
    pub(super) fn renew(&self, consumer: &str, ids: &[Arc<str>]) -> Cmd {
        let mut command = cmd("XCLAIM");
        command.arg(&*self.key).arg(&self.name).arg(consumer).arg(0);
        for id in ids {
            command.arg(&**id);
        }
        command.arg("JUSTID");
        command
    }

    /// What a consumer has had for so long, and not acknowledged.
    pub(super) fn pending(&self, idle: u64, count: usize, consumer: &str) -> Cmd {
        let mut command = cmd("XPENDING");
        command.arg(&*self.key).arg(&self.name).arg("IDLE").arg(idle).arg("-").arg("+").arg(count);
        command.arg(consumer);
        command
    }

    /// Takes these, unless somebody else has meanwhile.
    pub(super) fn claim(&self, consumer: &str, idle: u64, ids: &[&str]) -> Cmd {
        let mut command = cmd("XCLAIM");
        command.arg(&*self.key).arg(&self.name).arg(consumer).arg(idle).arg(ids);
        command
    }

    pub(super) fn look_up(&self, id: &str) -> Cmd {
        let mut command = cmd("XRANGE");
        command.arg(&*self.key).arg(id).arg(id);
        command
    }

    /// Forgets a consumer that has nothing pending; else Redis would forget that too.
    pub(super) fn forget(&self, consumer: &str) -> Cmd {
        const SCRIPT: &str = "if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then \
            return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end";
        let mut command = cmd("EVAL");
        command.arg(SCRIPT).arg(1).arg(&*self.key).arg(&self.name).arg(consumer);
        command
    }

    /// All consumers there are, with what they have.
    pub(super) fn consumers(&self) -> Cmd {
        let mut command = cmd("XINFO");
        command.arg("CONSUMERS").arg(&*self.key).arg(&self.name);
        command
    }

    /// New events of all these streams.
    pub(super) fn read(groups: &[&Self], consumer: &str, count: usize, block: Option<Duration>) -> Cmd {
        let mut command = cmd("XREADGROUP");
        let name = groups.first().map_or("", |group| &group.name);
        command.arg("GROUP").arg(name).arg(consumer).arg("COUNT").arg(count);
        if let Some(block) = block {
            command.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(1).max(1));
        }
        command.arg("STREAMS");
        for group in groups {
            command.arg(&*group.key);
        }
        for _ in groups {
            command.arg(">");
        }
        command
    }
}
