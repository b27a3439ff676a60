//! What comes back, and whose it is.

use std::sync::Arc;

use bytes::Bytes;
use nestrs_core::{ErrorKind, Payload, Sent, TransportError};

use crate::client::{Counters, Pending, Settled};
use crate::packet::{Response, ResponseEvent, is_readable};
use crate::serializer::PacketDeserializer;
use crate::tcp::{id_of, was_given};

/// The calls under way on one connection, as its driver sees them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Replies {
    pub(super) pending: Arc<Pending>,
    pub(super) counters: Arc<Counters>,
    pub(super) deserializer: Option<Arc<dyn PacketDeserializer>>,
}

impl Replies {
    /// Hands on one response packet. `id` is what the broker says it answers (an inbox, a correlation id); `None` where only
    /// the packet does.
    pub(crate) fn take(&self, id: Option<u64>, body: &Bytes) {
        let response = self.read(body);
        let said = response.as_ref().ok().and_then(|(said, _)| *said);
        let id = match (id, said) {
            // Both know: they have to agree (NestJS fact sheet, section 8).
            (Some(id), Some(said)) => (said == Some(id)).then_some(id),
            (Some(id), None) => Some(id),
            (None, said) => said.flatten(),
        };
        let Some(id) = id else { return self.counters.unknown_replies.add_one() };
        let settled = match response {
            Ok((_, event)) => self.pending.settle(id, event),
            Err(error) => self.pending.refuse(id, error),
        };
        self.count(id, settled);
    }

    /// The same where others' replies come too: what no call of this client waits for is counted as theirs.
    #[cfg(feature = "redis")]
    pub(crate) fn take_from_shared(&self, body: &Bytes) {
        let settled = match self.read(body) {
            Ok((Some(Some(id)), event)) => self.pending.settle(id, event),
            _ => Settled::Nobody,
        };
        if settled == Settled::Nobody {
            self.counters.foreign_replies.add_one();
        }
    }

    /// Nobody is there to execute the call: it fails at once, surely not executed.
    pub(crate) fn nobody_listens(&self, id: u64) {
        let error = TransportError::withheld(ErrorKind::NotFound, "nobody listens");
        self.refuse(id, error.with_sent(Sent::No));
    }

    /// Fails one call.
    pub(crate) fn refuse(&self, id: u64, error: TransportError) {
        let settled = self.pending.refuse(id, error);
        self.count(id, settled);
    }

    /// A reply was dropped by the driver, for want of room.
    pub(crate) fn overflowed(&self) {
        self.counters.overflowed_replies.add_one();
    }

    fn count(&self, id: u64, settled: Settled) {
        match settled {
            Settled::Taken => {}
            Settled::Nobody if was_given(id) => self.counters.late_replies.add_one(),
            Settled::Nobody => self.counters.unknown_replies.add_one(),
        }
    }

    /// What a packet brings, and the call it says it answers: `None` where it says nothing, `Some(None)` where that is no
    /// call of this process.
    fn read(&self, body: &Bytes) -> Result<(Option<Option<u64>>, ResponseEvent), TransportError> {
        let no_packet = |why: String| TransportError::withheld(ErrorKind::InvalidReply, why).with_sent(Sent::Maybe);
        let mut body = body.clone();
        if let Some(deserializer) = &self.deserializer {
            let wire =
                Payload::from_json(body).into_value().map_err(|_| no_packet("the reply is not JSON".to_owned()))?;
            let packet = deserializer.deserialize(wire);
            body =
                Bytes::from(packet.map_err(|error| no_packet(format!("the reply was refused: {error}")))?.to_string());
        }
        if std::str::from_utf8(&body).is_err() {
            return Err(no_packet("the reply is not UTF-8".to_owned()));
        }
        match Response::read(&body) {
            Ok(response) => Ok((response.id.map(id_of), response.event)),
            // JSON that is no object at all is the value itself.
            Err(_) if is_readable(&body) => {
                Ok((None, ResponseEvent::Value { payload: Payload::from_json(body.clone()), last: true }))
            }
            Err(error) => Err(no_packet(format!("the reply is no packet: {error}"))),
        }
    }
}
