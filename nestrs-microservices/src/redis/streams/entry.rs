//! One event, from when it was taken to when it is settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nestrs_core::{Sent, TransportError};
use redis::{Cmd, Value, cmd};

use crate::broker::{Acknowledger, DeadLetter, Delivery};
use crate::redis::context::RedisContext;
use crate::redis::failure::{lost, refused};
use crate::redis::server::Way;
use crate::redis::session::Refusal;

use super::answers::Stored;
use super::{Group, PACKET, Streams};

/// An event that this instance has taken. It counts as under way until it is settled or dropped.
pub(super) struct Entry {
    streams: Arc<Streams>,
    group: Arc<Group>,
    way: Way,
    id: Arc<str>,
    fields: Vec<(Bytes, Bytes)>,
    deliveries: u32,
    /// Whether its handlers may have seen it: then it counts as delivered, also where it is given back.
    begun: AtomicBool,
}

impl Entry {
    pub(super) fn new(streams: &Arc<Streams>, group: &Arc<Group>, way: &Way, stored: Stored, deliveries: u32) -> Self {
        let Stored { id, fields } = stored;
        streams.held().insert((Arc::clone(&group.key), Arc::clone(&id)));
        let (streams, group) = (Arc::clone(streams), Arc::clone(group));
        Self { streams, group, way: way.clone(), id, fields, deliveries, begun: AtomicBool::new(false) }
    }

    /// What is to be handled; the entry itself where it holds no packet.
    pub(super) fn into_delivery(self) -> Result<Delivery, Self> {
        let Some((_, body)) = self.fields.iter().find(|(name, _)| name == PACKET) else { return Err(self) };
        let (pattern, body) = (Arc::clone(&self.group.pattern), body.clone());
        let context = RedisContext::of_stream(Arc::clone(&pattern), Arc::clone(&self.id), self.deliveries);
        Ok(Delivery {
            subscribed: Arc::clone(&pattern),
            subject: pattern,
            body,
            metadata: None,
            context: Arc::new(context),
            replier: None,
            acknowledger: Some(Box::new(self)),
        })
    }

    /// It is not renewed from now on: what is about to be said of it is not to be undone.
    fn let_go(&self) {
        self.streams.held().remove(&(Arc::clone(&self.group.key), Arc::clone(&self.id)));
    }

    async fn tell(&self, command: &Cmd) -> Result<Value, TransportError> {
        self.let_go();
        // The next session does as well where the one it came by has ended.
        let Some(session) = self.way.session().await else { return Err(lost(Sent::No)) };
        session.run(command).await.map_err(|refusal| match refusal {
            Refusal::Lost => lost(Sent::Maybe),
            Refusal::Redis(error) => refused(&error, &self.group.key),
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[async_trait]
impl Acknowledger for Entry {
    /// Asked when it begins.
    fn deliveries(&self) -> u32 {
        self.begun.store(true, Ordering::Relaxed);
        self.deliveries
    }

    async fn ack(&self) -> Result<(), TransportError> {
        self.tell(&self.group.ack(&self.id)).await.map(drop)
    }

    async fn retry_after(&self, delay: Duration) -> Result<(), TransportError> {
        self.tell(&self.group.put_back(&self.id, delay, self.deliveries)).await.map(drop)
    }

    async fn dead(&self, letter: &DeadLetter) -> Result<(), TransportError> {
        let mut command = cmd("XADD");
        command.arg(format!("{}.dead", self.group.key)).arg("MAXLEN").arg("~").arg(self.streams.options.dead_max_len);
        command.arg("*");
        for (name, value) in &self.fields {
            command.arg(&name[..]).arg(&value[..]);
        }
        command.arg("dead-reason").arg(letter.reason.as_str()).arg("dead-deliveries").arg(letter.deliveries);
        command.arg("dead-id").arg(&*self.id).arg("dead-group").arg(&self.streams.options.group);
        if let Some(kind) = letter.kind {
            command.arg("dead-kind").arg(format!("{kind:?}"));
        }
        // In this order, and not as a transaction, which would go on after an error: it is never in neither.
        self.tell(&command).await?;
        self.ack().await
    }

    async fn release(&self) {
        let deliveries = self.deliveries.saturating_sub(u32::from(!self.begun.load(Ordering::Relaxed)));
        let _ = self.tell(&self.group.put_back(&self.id, Duration::ZERO, deliveries)).await;
    }
}
