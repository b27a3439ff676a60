//! The task that takes events: new ones, those whose time has come again, and those that others have left.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use nestrs_core::log_limit::LogLimit;
use nestrs_core::spans::PeerText;
use nestrs_core::{ErrorKind, Sent, TransportError};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, RedisResult, Value, cmd};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::broker::{Acknowledger, DeadLetter, DeadReason, Delivery};
use crate::redis::dial::{Wire, told};
use crate::redis::failure::{lost, refused};
use crate::redis::server::Way;
use crate::redis::session::Session;

use super::answers::{self, Stored};
use super::entry::Entry;
use super::{DUE, Group, Streams, WAITING};

static COMPLAINTS: LogLimit = LogLimit::per_second(1);
static TRIMMED: LogLimit = LogLimit::per_second(1);

/// How long Redis may keep a question for new events, where there is room for all streams. It looks at the clock ten times
/// a second.
const BLOCK: Duration = Duration::from_millis(400);
/// Between two questions where a stream has no room, and may get it meanwhile.
const SHORT_PAUSE: Duration = Duration::from_millis(20);
/// Before it is asked again, after it has refused.
const PAUSE: Duration = Duration::from_millis(250);
/// A consumer that was not heard of for so long, in milliseconds, and has nothing, is forgotten.
const FORGOTTEN: i64 = 60 * 60 * 1000;
/// Entries that are asked for at a time.
const BATCH: usize = 256;

/// Reading on one session, until it is stopped or dropped.
pub(in crate::redis) struct Reading {
    stopping: CancellationToken,
    task: Mutex<Option<AbortOnDropHandle<()>>>,
    /// What Redis calls the connection that waits for new events.
    client: u64,
    /// The reader's, which must not end before the session: they end together.
    _wire: Arc<Wire>,
    session: Arc<Session>,
    streams: Arc<Streams>,
    groups: Vec<Arc<Group>>,
}

struct Reader {
    streams: Arc<Streams>,
    queues: Vec<Queue>,
    way: Way,
    wire: Arc<Wire>,
    stopping: CancellationToken,
    room: Arc<Notify>,
    /// When to look for what is due again, and when for what others have left.
    next_look: Instant,
    next_round: Instant,
}

struct Queue {
    group: Arc<Group>,
    sender: mpsc::Sender<Delivery>,
}

impl Reading {
    /// Makes the groups, and begins to take what is there.
    pub(in crate::redis) async fn begin(
        streams: &Arc<Streams>,
        groups: Vec<Arc<Group>>,
        session: &Arc<Session>,
        wire: Wire,
        way: Way,
    ) -> Result<(Self, Vec<BoxStream<'static, Delivery>>), TransportError> {
        let wire = Arc::new(wire);
        let mut commands = wire.commands.clone();
        for group in &groups {
            created(group.create(streams.options.from_now).query_async(&mut commands).await).map_err(|error| {
                let kind = match error.code() {
                    Some("NOPERM") => ErrorKind::Forbidden,
                    // Something else is stored there.
                    Some("WRONGTYPE") => ErrorKind::Internal,
                    _ => ErrorKind::Unavailable,
                };
                refused(&error, &group.key).with_kind(kind)
            })?;
        }
        let client = cmd("CLIENT").arg("ID").query_async(&mut commands).await;
        let client = client.map_err(|_| lost(Sent::No).with_kind(ErrorKind::Unavailable))?;
        let (room, mut deliveries) = (Arc::new(Notify::new()), Vec::new());
        let queues = groups.iter().map(|group| {
            let (sender, mut receiver) = mpsc::channel(streams.prefetch);
            let room = Arc::clone(&room);
            let taken = move |_: &Delivery| room.notify_one();
            deliveries.push(stream::poll_fn(move |task| receiver.poll_recv(task)).inspect(taken).boxed());
            Queue { group: Arc::clone(group), sender }
        });
        let (queues, stopping, now) = (queues.collect(), CancellationToken::new(), Instant::now());
        let (streams, session) = (Arc::clone(streams), Arc::clone(session));
        let reader = Reader {
            streams: Arc::clone(&streams),
            queues,
            way,
            wire: Arc::clone(&wire),
            stopping: stopping.clone(),
            room,
            next_look: now,
            next_round: now,
        };
        let task = Mutex::new(Some(AbortOnDropHandle::new(tokio::spawn(reader.run()))));
        Ok((Self { stopping, task, client, _wire: wire, session, streams, groups }, deliveries))
    }

    /// Takes nothing more. What was taken is still delivered.
    pub(in crate::redis) async fn stop(&self) {
        self.stopping.cancel();
        let Some(mut task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let mut unblock = cmd("CLIENT");
        unblock.arg("UNBLOCK").arg(self.client);
        // Never dropped in the middle of a question: what Redis gives then would be missed until somebody claims it.
        loop {
            let _ = self.session.run(&unblock).await;
            if tokio::time::timeout(SHORT_PAUSE, &mut task).await.is_ok() {
                return;
            }
        }
    }

    /// The session is lost.
    pub(in crate::redis) fn abort(&self) {
        drop(self.task.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Sees to it that groups do not remember this instance for ever.
    pub(in crate::redis) async fn leave(&self) {
        for group in &self.groups {
            let _ = self.session.run(&group.forget(&self.streams.consumer)).await;
        }
    }
}

/// Whether there is a group now.
fn created(outcome: RedisResult<Value>) -> RedisResult<()> {
    match outcome {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        outcome => outcome.map(drop),
    }
}

impl Reader {
    async fn run(mut self) {
        // What this instance had taken when a session was lost, and never saw.
        let mut first = true;
        while !self.stopping.is_cancelled() {
            match self.turn(std::mem::take(&mut first)).await {
                Ok(()) => {}
                Err(error) if error.is_io_error() => return,
                Err(error) => {
                    complain(&error);
                    let _ = tokio::time::timeout(PAUSE, self.stopping.cancelled()).await;
                    if error.code() == Some("NOGROUP") {
                        self.create_groups().await;
                    }
                }
            }
        }
    }

    async fn turn(&mut self, first: bool) -> RedisResult<()> {
        let now = Instant::now();
        if first {
            for queue in &self.queues {
                self.claim(queue, &self.streams.consumer, 0).await?;
            }
        }
        if now >= self.next_look {
            self.next_look = now + self.look_every();
            self.take_due().await?;
        }
        if now >= self.next_round {
            self.next_round = now + (self.streams.options.claim_after / 3).max(Duration::from_millis(10));
            self.renew().await?;
            self.clear_up().await?;
        }
        let until_then = self.next_look.min(self.next_round).saturating_duration_since(Instant::now());
        let open: Vec<&Queue> = self.queues.iter().filter(|queue| queue.sender.capacity() > 0).collect();
        let Some(count) = open.iter().map(|queue| queue.sender.capacity()).min() else {
            tokio::select! {
                () = self.room.notified() => {}
                () = self.stopping.cancelled() => {}
                () = tokio::time::sleep(until_then) => {}
            }
            return Ok(());
        };
        // Where a stream has no room nothing keeps us long: it may have some at any moment.
        let all_open = open.len() == self.queues.len();
        let groups: Vec<&Group> = open.iter().map(|queue| &*queue.group).collect();
        let question =
            Group::read(&groups, &self.streams.consumer, count.min(BATCH), all_open.then_some(BLOCK.min(until_then)));
        let read = answers::read(self.ask(&question).await?);
        if read.is_empty() && !all_open {
            tokio::select! {
                () = self.room.notified() => {}
                () = self.stopping.cancelled() => {}
                () = tokio::time::sleep(SHORT_PAUSE.min(until_then)) => {}
            }
        }
        for (key, entries) in read {
            if let Some(queue) = self.queues.iter().find(|queue| queue.group.key == key) {
                for entry in entries {
                    self.put(queue, entry, 1).await;
                }
            }
        }
        Ok(())
    }

    /// How exactly the delays between tries are kept.
    fn look_every(&self) -> Duration {
        let shortest = self.streams.options.delays.iter().min().copied().unwrap_or_default();
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_millis(500))
    }

    async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        let mut commands: MultiplexedConnection = self.wire.commands.clone();
        command.query_async(&mut commands).await
    }

    /// Hands on an entry for which there is room. One without a packet is a dead letter at once.
    async fn put(&self, queue: &Queue, stored: Stored, deliveries: u32) {
        let entry = Entry::new(&self.streams, &queue.group, &self.way, stored, deliveries);
        match entry.into_delivery() {
            // Closed where the server ends: then it is pending, and somebody claims it.
            Ok(delivery) => _ = queue.sender.try_send(delivery),
            Err(entry) => {
                self.streams.counters.ignored_packets.add(1);
                let letter = DeadLetter { reason: DeadReason::Unreadable, kind: None, deliveries };
                if entry.dead(&letter).await.is_ok() {
                    self.streams.counters.dead_events.add(1);
                }
            }
        }
    }

    /// Takes what waits for another try, or was given back, and is due.
    async fn take_due(&self) -> RedisResult<()> {
        for queue in &self.queues {
            let room = queue.sender.capacity().min(BATCH);
            if room > 0 {
                let pending = self.ask(&queue.group.pending(DUE, room, WAITING)).await?;
                self.take(queue, answers::pending(pending), DUE).await?;
            }
        }
        Ok(())
    }

    /// Takes what others have left, and forgets those that left nothing: each start of an instance makes a consumer, and
    /// those that ended without a word would stay. What waits for another try is looked for by itself: there can be much of it.
    async fn clear_up(&self) -> RedisResult<()> {
        let claim_after = u64::try_from(self.streams.options.claim_after.as_millis()).unwrap_or(DUE);
        for queue in &self.queues {
            for (name, pending, idle) in answers::consumers(self.ask(&queue.group.consumers()).await?) {
                if pending > 0 && *name != *WAITING {
                    self.claim(queue, &name, claim_after).await?;
                } else if pending == 0 && idle > FORGOTTEN && *name != *self.streams.consumer {
                    // Without the right to, they stay.
                    let _ = self.ask(&queue.group.forget(&name)).await;
                }
            }
        }
        Ok(())
    }

    /// Takes what a consumer has had for so long, and what is not under way here.
    async fn claim(&self, queue: &Queue, consumer: &str, idle: u64) -> RedisResult<()> {
        let room = queue.sender.capacity().min(BATCH);
        if room == 0 {
            return Ok(());
        }
        let count = room + self.streams.held().len();
        let mut pending = answers::pending(self.ask(&queue.group.pending(idle, count, consumer)).await?);
        {
            let (held, key) = (self.streams.held(), &queue.group.key);
            pending.retain(|one| !held.contains(&(Arc::clone(key), Arc::clone(&one.id))));
        }
        pending.truncate(room);
        self.take(queue, pending, idle).await
    }

    async fn take(&self, queue: &Queue, pending: Vec<answers::Pending>, idle: u64) -> RedisResult<()> {
        if pending.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = pending.iter().map(|one| &*one.id).collect();
        let mut claimed = answers::stored(self.ask(&queue.group.claim(&self.streams.consumer, idle, &ids)).await?);
        for one in &pending {
            match claimed.iter().position(|stored| stored.id == one.id) {
                Some(at) => {
                    let stored = claimed.swap_remove(at);
                    self.put(queue, stored, one.deliveries.saturating_add(1)).await;
                }
                None => self.missing(queue, &one.id).await?,
            }
        }
        Ok(())
    }

    /// Somebody else has it now, or the stream has grown beyond its length and it is gone.
    async fn missing(&self, queue: &Queue, id: &str) -> RedisResult<()> {
        if answers::stored(self.ask(&queue.group.look_up(id)).await?).is_empty() {
            self.ask(&queue.group.ack(id)).await?;
            self.streams.counters.dropped_events.add(1);
            TRIMMED.pass(|suppressed| {
                let (pattern, suppressed) =
                    (PeerText(queue.group.pattern.as_bytes()), (suppressed > 0).then_some(suppressed));
                tracing::error!(
                    target: "nestrs::broker", transport = "redis", %pattern, suppressed,
                    "an event is gone from its stream before it was handled: the stream is too short"
                );
            });
        }
        Ok(())
    }

    /// Says that what this instance has is under way.
    async fn renew(&self) -> RedisResult<()> {
        for queue in &self.queues {
            let held: Vec<Arc<str>> = {
                let held = self.streams.held();
                let ours = held.iter().filter(|(key, _)| *key == queue.group.key);
                ours.map(|(_, id)| Arc::clone(id)).collect()
            };
            for ids in held.chunks(BATCH) {
                self.ask(&queue.group.renew(&self.streams.consumer, ids)).await?;
            }
        }
        Ok(())
    }

    /// Somebody has emptied the database. Whatever is there by now is new to us.
    async fn create_groups(&self) {
        for queue in &self.queues {
            if let Err(error) = created(self.ask(&queue.group.create(false)).await) {
                complain(&error);
            }
        }
    }
}

fn complain(error: &RedisError) {
    COMPLAINTS.pass(|suppressed| {
        let (error, suppressed) = (told(error), (suppressed > 0).then_some(suppressed));
        tracing::warn!(target: "nestrs::broker", transport = "redis", error, suppressed, "cannot read streams; trying on");
    });
}
