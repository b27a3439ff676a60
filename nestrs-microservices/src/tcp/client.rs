//! One multiplexed connection: lazy, shared, dialled anew by the next call after a loss.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{ErrorKind, Metadata, Pattern, Payload, Sent, TransportError};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::client::Waiter;
use crate::net::codec::{utf16_len, write_frame_header};
use crate::net::io::{BoxIo, tuned};
use crate::packet::write_request;
use crate::time::{after, sleep_until};
use crate::transport::{CallOptions, ClientStatus, Transport};

use super::call_id::{id_text, next_id};
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
struct Owner(Arc<Inner>);

struct Inner {
    options: TcpTransportOptions,
    state: Mutex<State>,
    status: watch::Sender<ClientStatus>,
    /// One permit a call.
    calls: Arc<Semaphore>,
}

enum State {
    Idle,
    /// Every call that comes meanwhile waits for the same attempt.
    Dialling(Dial, AbortHandle),
    Connected(Arc<Link>),
    Closed,
}

/// One attempt, awaited by many.
type Dial = Shared<BoxFuture<'static, Result<Arc<Link>, TransportError>>>;

impl TcpTransport {
    /// A client with these options.
    #[must_use]
    pub fn new(options: TcpTransportOptions) -> Self {
        let calls = Arc::new(Semaphore::new(options.max_pending.clamp(1, Semaphore::MAX_PERMITS)));
        let status = watch::Sender::new(ClientStatus::Idle);
        let shared = Arc::new(Inner { options, state: Mutex::new(State::Idle), status, calls });
        Self { owner: Arc::new(Owner(Arc::clone(&shared))), shared }
    }
}

impl Inner {
    /// The connection, made if there is none. Waits no longer than `deadline` and the time a dial may take.
    async fn link(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Arc<Link>, TransportError> {
        let dialling = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match &*state {
                State::Closed => return Err(closed()),
                State::Connected(link) if link.is_open() => return Ok(Arc::clone(link)),
                // A task that has ended and left this state was abandoned: by a panic, or with its runtime.
                State::Dialling(dialling, task) if !task.is_finished() => dialling.clone(),
                State::Idle | State::Connected(_) | State::Dialling(..) => {
                    self.status.send_replace(ClientStatus::Connecting);
                    let (dialling, task) = self.begin_dial();
                    *state = State::Dialling(dialling.clone(), task);
                    dialling
                }
            }
        };
        let until = [deadline, after(self.patience())].into_iter().flatten().min();
        tokio::select! {
            // Where the thread was too busy to look sooner, a connection counts more than the clock.
            biased;
            outcome = dialling => outcome,
            () = sleep_until(until) => Err(self.unavailable("no connection in time", None)),
        }
    }

    /// How long a call waits for a connection: `connect_wait`, or all of the retries.
    fn patience(&self) -> Duration {
        let options = &self.options;
        let another_try = options.connect_timeout.saturating_add(options.retry_delay);
        match options.retry_attempts {
            0 => options.connect_wait,
            attempts => options.connect_timeout.saturating_add(another_try.saturating_mul(attempts)),
        }
    }

    /// Dials in a task of its own, so that it goes on when the call that began it is dropped.
    fn begin_dial(self: &Arc<Self>) -> (Dial, AbortHandle) {
        let inner = Arc::clone(self);
        let dial = tokio::spawn(async move {
            let outcome = inner.dial().await;
            let mut state = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*state, State::Closed) {
                if let Ok(link) = outcome {
                    link.close(&closed());
                }
                return Err(closed());
            }
            match &outcome {
                Ok(link) => {
                    *state = State::Connected(Arc::clone(link));
                    inner.status.send_replace(ClientStatus::Connected);
                    inner.watch(Arc::clone(link));
                }
                Err(error) => {
                    *state = State::Idle;
                    inner.status.send_replace(ClientStatus::Disconnected(error.kind()));
                }
            }
            outcome
        });
        let name = self.options.address();
        let calls = Arc::clone(&self.calls);
        let task = dial.abort_handle();
        let dialling = dial
            .map(move |ended| {
                ended.unwrap_or_else(|_| {
                    if calls.is_closed() {
                        return Err(closed());
                    }
                    let text = format!("the attempt to reach tcp://{name} was abandoned");
                    Err(TransportError::withheld(ErrorKind::Unavailable, text).with_sent(Sent::No))
                })
            })
            .boxed()
            .shared();
        (dialling, task)
    }

    async fn dial(&self) -> Result<Arc<Link>, TransportError> {
        let mut attempt = 0;
        loop {
            let error = match tokio::time::timeout(self.options.connect_timeout, self.dial_once()).await {
                Ok(Ok(io)) => return Ok(Link::start(io, &self.options)),
                Ok(Err(error)) => {
                    let text = match error.kind() {
                        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                        _ => error.to_string(),
                    };
                    self.unavailable(&text, Some(error))
                }
                Err(_) => self.unavailable("the connection attempt timed out", None),
            };
            if attempt >= self.options.retry_attempts {
                return Err(error);
            }
            attempt += 1;
            tracing::warn!(address = self.options.address(), %error, attempt, "cannot connect; trying again");
            tokio::time::sleep(self.options.retry_delay).await;
        }
    }

    async fn dial_once(&self) -> std::io::Result<BoxIo> {
        self.options.check_address()?;
        if let Some(connector) = &self.options.connector {
            return connector.dial().await;
        }
        let stream = TcpStream::connect((self.options.host.as_str(), self.options.port)).await?;
        Ok(Box::new(tuned(stream)?))
    }

    fn unavailable(&self, what: &str, source: Option<std::io::Error>) -> TransportError {
        let text = format!("cannot reach tcp://{}: {what}", self.options.address());
        let error = TransportError::withheld(ErrorKind::Unavailable, text).with_sent(Sent::No);
        match source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    /// Forgets the connection once it has ended.
    fn watch(self: &Arc<Self>, link: Arc<Link>) {
        let inner = Arc::downgrade(self);
        tokio::spawn(async move {
            let reason = link.ended().await;
            let Some(inner) = inner.upgrade() else { return };
            let mut state = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(&*state, State::Connected(current) if Arc::ptr_eq(current, &link)) {
                *state = State::Idle;
                inner.status.send_replace(ClientStatus::Disconnected(reason));
            }
        });
    }

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
            let wire = serializer.serialize(serde_json::from_slice(&frame[body..])?)?.to_string();
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
        let link = self.link(deadline).await?;
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
            let link = self.shared.link(limit.map(|(deadline, _)| deadline)).await?;
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
        self.shared.link(None).await.map(drop)
    }

    async fn close(&self) {
        let before = {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *state, State::Closed)
        };
        self.shared.calls.close();
        match before {
            State::Connected(link) => {
                link.close(&closed());
                link.ended().await;
            }
            State::Dialling(_, task) => task.abort(),
            State::Idle | State::Closed => {}
        }
        self.shared.status.send_replace(ClientStatus::Closed);
    }

    fn status(&self) -> BoxStream<'static, ClientStatus> {
        let mut changes = self.shared.status.subscribe();
        changes.mark_changed();
        stream::unfold(Some(changes), |changes| async {
            let mut changes = changes?;
            changes.changed().await.ok()?;
            let status = changes.borrow_and_update().clone();
            let more = (status != ClientStatus::Closed).then_some(changes);
            Some((status, more))
        })
        .boxed()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Closed) {
            State::Connected(link) => link.close(&closed()),
            State::Dialling(_, task) => task.abort(),
            State::Idle | State::Closed => {}
        }
    }
}

/// Names the server, never what is sent there.
impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransport").field("address", &self.shared.options.address()).finish_non_exhaustive()
    }
}

fn closed() -> TransportError {
    TransportError::withheld(ErrorKind::Closed, "the client is closed").with_sent(Sent::No)
}

fn timed_out(pattern: &Pattern, timeout: Duration) -> TransportError {
    let text = format!("`{}` was not answered within {timeout:?}", pattern.route());
    TransportError::withheld(ErrorKind::Timeout, text)
}
