//! Calls over one multiplexed connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{ErrorKind, Metadata, Pattern, Payload, Sent, TransportError};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::client::Waiter;
use crate::net::codec::{utf16_len, write_frame_header};
use crate::packet::write_request;
use crate::time::after;
use crate::transport::{CallOptions, ClientStatus, Transport};

use super::call_id::{id_text, next_id};
use super::dial::{Dialler, closed};
use super::link::Link;
use super::options::TcpTransportOptions;

/// The client half of the TCP transport.
///
/// Nothing is dialled before the first call, unless [`Transport::connect`] is called. All calls share one connection;
/// when it is lost every call under way fails at once, and the next call dials anew. Failed calls say whether their
/// request may have been executed ([`TransportError::sent`]).
///
/// Clients in one process share nothing, so several may talk to one server over a connection each.
pub struct TcpTransport {
    shared: Arc<Inner>,
    /// Shared with the streams of replies under way, which keep the connection when the client is dropped.
    owner: Arc<Owner>,
}

/// Ends the connection when the last one who needs it is gone.
struct Owner(Arc<Dialler>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.end();
    }
}

struct Inner {
    options: TcpTransportOptions,
    dialler: Arc<Dialler>,
    /// One permit a call.
    calls: Arc<Semaphore>,
}

impl TcpTransport {
    /// A client with these options.
    #[must_use]
    pub fn new(options: TcpTransportOptions) -> Self {
        let calls = Arc::new(Semaphore::new(options.max_pending.clamp(1, Semaphore::MAX_PERMITS)));
        let dialler = Arc::new(Dialler::new(options.clone()));
        let owner = Arc::new(Owner(Arc::clone(&dialler)));
        Self { shared: Arc::new(Inner { options, dialler, calls }), owner }
    }
}

impl Inner {
    /// `None` for a call that waits for ever.
    fn deadline(&self, options: &CallOptions) -> Option<(Instant, Duration)> {
        let timeout = options.timeout.or(self.options.request_timeout)?;
        Some((after(timeout)?, timeout))
    }

    /// The bytes of a request or event.
    fn frame(
        &self,
        pattern: &str,
        payload: &Payload,
        metadata: &Metadata,
        id: Option<&str>,
    ) -> Result<Vec<u8>, TransportError> {
        let metadata = (!metadata.is_empty()).then(|| {
            Value::Object(metadata.iter().map(|(key, value)| (key.to_owned(), value.into())).collect()).to_string()
        });
        let data = payload.json();
        let mut frame = Vec::with_capacity(pattern.len() + data.len() + 80);
        let mut len = write_request(&mut frame, pattern, &data, metadata.as_deref(), id);
        if let Some(serializer) = &self.options.serializer {
            let body = frame.iter().position(|byte| *byte == b'#').map_or(0, |hash| hash + 1);
            let wire =
                serializer.serialize(serde_json::from_slice(frame.get(body..).unwrap_or_default())?)?.to_string();
            frame.clear();
            write_frame_header(&mut frame, utf16_len(wire.as_bytes()));
            frame.extend_from_slice(wire.as_bytes());
            len = wire.len();
        }
        if len > self.options.max_frame_bytes {
            return Err(self.options.too_large(len).with_sent(Sent::No));
        }
        Ok(frame)
    }

    /// Waits for a free place among the calls under way.
    async fn place(&self) -> Result<OwnedSemaphorePermit, TransportError> {
        Arc::clone(&self.calls).acquire_owned().await.map_err(|_| closed())
    }

    /// Queues a request whose responses go to `waiter`.
    async fn request(
        self: &Arc<Self>,
        pattern: &Pattern,
        payload: &Payload,
        options: &CallOptions,
        deadline: Option<Instant>,
        waiter: Waiter,
    ) -> Result<InFlight, TransportError> {
        let place = self.place().await?;
        let link = self.dialler.link(deadline).await?;
        let id = next_id();
        let frame = self.frame(&pattern.json(), payload, &options.metadata, Some(&id_text(id)))?;
        let in_flight = InFlight { link, id, _place: place };
        in_flight.link.submit(&frame, Some((id, waiter))).await?;
        Ok(in_flight)
    }
}

/// A request on its way. Dropping it forgets the call.
struct InFlight {
    link: Arc<Link>,
    id: u64,
    _place: OwnedSemaphorePermit,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.link.pending().forget(self.id);
    }
}

#[async_trait]
impl Transport for TcpTransport {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        let options = CallOptions::default();
        self.send_payload(&Pattern::from(pattern), Payload::from_value(payload), &options).await?.into_value()
    }

    async fn emit_json(&self, pattern: &str, payload: Value) -> Result<(), TransportError> {
        self.emit_payload(&Pattern::from(pattern), Payload::from_value(payload), &CallOptions::default()).await
    }

    async fn send_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        let (sender, answer) = oneshot::channel();
        let limit = self.shared.deadline(options);
        let deadline = limit.map(|(deadline, _)| deadline);
        let mut in_flight = None;
        let calling = async {
            let request = self.shared.request(pattern, &payload, options, deadline, Waiter::One(sender)).await?;
            in_flight = Some(request);
            answer.await.unwrap_or_else(|_| Err(closed()))
        };
        match limit {
            None => calling.await,
            Some((deadline, timeout)) => match tokio::time::timeout_at(deadline, calling).await {
                Ok(outcome) => outcome,
                // A request that is queued still goes out.
                Err(_) => {
                    Err(timed_out(pattern, timeout).with_sent(if in_flight.is_some() { Sent::Maybe } else { Sent::No }))
                }
            },
        }
    }

    async fn emit_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        let limit = self.shared.deadline(options);
        // NestJS puts the route into an event, not the pattern.
        let route = Value::from(pattern.route()).to_string();
        let emitting = async {
            let _place = self.shared.place().await?;
            let link = self.shared.dialler.link(limit.map(|(deadline, _)| deadline)).await?;
            let frame = self.shared.frame(&route, &payload, &options.metadata, None)?;
            let span = link.submit(&frame, None).await?;
            link.written(span).await
        };
        match limit {
            None => emitting.await,
            Some((deadline, timeout)) => match tokio::time::timeout_at(deadline, emitting).await {
                Ok(outcome) => outcome,
                Err(_) => Err(timed_out(pattern, timeout).with_sent(Sent::Maybe)),
            },
        }
    }

    async fn send_stream(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        let (sender, items) = mpsc::channel(self.shared.options.stream_buffer.max(1));
        let limit = self.shared.deadline(options);
        let deadline = limit.map(|(deadline, _)| deadline);
        let requesting = self.shared.request(pattern, &payload, options, deadline, Waiter::Many(sender));
        let in_flight = match limit {
            None => requesting.await?,
            Some((deadline, timeout)) => match tokio::time::timeout_at(deadline, requesting).await {
                Ok(in_flight) => in_flight?,
                Err(_) => return Err(timed_out(pattern, timeout).with_sent(Sent::No)),
            },
        };
        let timeout = limit.map(|(_, timeout)| timeout);
        let pattern = pattern.clone();
        let state = Some((items, in_flight, Arc::clone(&self.owner)));
        Ok(stream::unfold(state, move |state| {
            let pattern = pattern.clone();
            async move {
                let (mut items, in_flight, owner) = state?;
                let next = match timeout {
                    None => items.recv().await,
                    Some(timeout) => match tokio::time::timeout(timeout, items.recv()).await {
                        Ok(next) => next,
                        Err(_) => return Some((Err(timed_out(&pattern, timeout).with_sent(Sent::Maybe)), None)),
                    },
                };
                let item = next?;
                let state = item.is_ok().then_some((items, in_flight, owner));
                Some((item, state))
            }
        })
        .boxed())
    }

    async fn connect(&self) -> Result<(), TransportError> {
        self.shared.dialler.link(None).await.map(drop)
    }

    async fn close(&self) {
        self.shared.calls.close();
        self.shared.dialler.close().await;
    }

    fn status(&self) -> BoxStream<'static, ClientStatus> {
        self.shared.dialler.status()
    }
}

/// Names the server, never what is sent there.
impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransport").field("address", &self.shared.options.address()).finish_non_exhaustive()
    }
}

fn timed_out(pattern: &Pattern, timeout: Duration) -> TransportError {
    let text = format!("`{}` was not answered within {timeout:?}", pattern.route());
    TransportError::withheld(ErrorKind::Timeout, text)
}
