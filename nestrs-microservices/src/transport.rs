//! The two halves of a transport: calls out, and messages in.

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use nestrs_core::{ErrorKind, ExtraKind, Metadata, Pattern, Payload, Sent, TransportError, WildcardStyle};
use serde_json::Value;

use crate::client::{ClientStats, TriesLeft};
use crate::deadline;
use crate::dispatcher::Dispatcher;
use crate::net::io::Listener;
use crate::server_handle::ServerHandle;
use crate::shutdown::Shutdown;

/// Client half of a transport: one call out. What a [`ClientProxy`](crate::ClientProxy) wraps.
///
/// Two methods make a transport. The others have defaults that are built on these; a transport that can do better
/// overrides them.
///
/// ```
/// use nestrs_core::{TransportError, async_trait};
/// use nestrs_microservices::Transport;
/// use serde_json::Value;
///
/// struct Loopback;
///
/// #[async_trait]
/// impl Transport for Loopback {
///     async fn send_json(&self, _pattern: &str, payload: Value) -> Result<Value, TransportError> {
///         Ok(payload)
///     }
///     async fn emit_json(&self, _pattern: &str, _payload: Value) -> Result<(), TransportError> {
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends a request to a canonical pattern and waits for its answer.
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError>;

    /// Emits an event to a canonical pattern.
    async fn emit_json(&self, pattern: &str, payload: Value) -> Result<(), TransportError>;

    /// [`Transport::send_json`] without the detour through values. An absent payload is an answer without a value. By default
    /// it ends with the timeout and the deadline of the options.
    async fn send_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        let sending = self.send_json(pattern.route(), payload.into_value()?);
        options.end(pattern, sending).await.map(Payload::from_value)
    }

    /// [`Transport::emit_json`] without the detour through values.
    async fn emit_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        options.end(pattern, self.emit_json(pattern.route(), payload.into_value()?)).await
    }

    /// Sends a request that may be answered by any number of values.
    async fn send_stream(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        let answer = self.send_payload(pattern, payload, options).await;
        Ok(futures_util::stream::once(std::future::ready(answer)).boxed())
    }

    /// Connects now rather than at the first call.
    async fn connect(&self) -> Result<(), TransportError> {
        Ok(())
    }

    /// Closes for good: calls under way and later ones fail.
    async fn close(&self) {}

    /// What state the connection is in, from now on.
    fn status(&self) -> BoxStream<'static, ClientStatus> {
        futures_util::stream::empty().boxed()
    }

    /// What state its circuit is in, from now on. By default, where there is no
    /// [`CircuitBreaker`](crate::CircuitBreaker), nothing.
    fn circuit(&self) -> BoxStream<'static, CircuitState> {
        futures_util::stream::empty().boxed()
    }

    /// How long a call may take whose [`CallOptions::timeout`] says nothing; `None` for ever. Retries keep within it.
    fn request_timeout(&self) -> Option<Duration> {
        None
    }

    /// What it has counted. By default nothing.
    fn stats(&self) -> ClientStats {
        ClientStats::default()
    }
}

/// How one call differs from the client's defaults.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CallOptions {
    /// How long to wait for the answer; `None` is the client's default.
    pub timeout: Option<Duration>,
    /// Strings to send beside the payload.
    pub metadata: Metadata,
    /// When the call ends at the latest, whatever its timeout: what is left to the handler that makes it. A
    /// [`ClientProxy`](crate::ClientProxy) sets it to [`current_deadline`](crate::current_deadline).
    pub deadline: Option<Instant>,
    /// When the answer must be there, or the first of many, whichever try brings it: set by who makes tries.
    pub(crate) answer_by: Option<Instant>,
    /// Somebody outside sees to it that the call is made again; who does so inside takes one of these.
    pub(crate) tries_left: Option<TriesLeft>,
}

impl CallOptions {
    /// When a call that begins now ends, and how long that is: by its own timeout or else by `default`, and at its deadline
    /// if that comes first. A try of a [`RetryPolicy`](crate::RetryPolicy) has what the others have left. `None` when it may wait for ever.
    #[must_use]
    pub fn limit(&self, default: Option<Duration>) -> Option<(Instant, Duration)> {
        let now = deadline::now();
        let own = self.timeout.or(default).and_then(|timeout| Some((now.checked_add(timeout)?, timeout)));
        match (own, [self.deadline, self.answer_by].into_iter().flatten().min()) {
            (Some((end, timeout)), Some(deadline)) if end > deadline => {
                Some((deadline, deadline.saturating_duration_since(now).min(timeout)))
            }
            (None, Some(deadline)) => Some((deadline, deadline.saturating_duration_since(now))),
            (own, _) => own,
        }
    }

    /// Ends a call of a transport that does not itself.
    async fn end<T>(
        &self,
        pattern: &Pattern,
        calling: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        // A transport without timers may be called outside of a runtime.
        let limit = self.limit(None).filter(|_| tokio::runtime::Handle::try_current().is_ok());
        let Some((end, timeout)) = limit else { return calling.await };
        tokio::time::timeout_at(end.into(), calling).await.unwrap_or_else(|_| {
            let text = format!("`{}` was not answered within {timeout:?}", pattern.route());
            Err(TransportError::withheld(ErrorKind::Timeout, text).with_sent(Sent::Maybe))
        })
    }
}

/// What state a client's connection is in (NestJS fact sheet, section 16, `status`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientStatus {
    /// No call has needed a connection yet.
    Idle,
    /// A connection is being made.
    Connecting,
    /// Calls go out at once.
    Connected,
    /// There is no connection, for this reason. After a loss another is being dialled; one that could not be made the
    /// first time is dialled by the next call.
    Disconnected(ErrorKind),
    /// Closed by its owner, for good.
    Closed,
}

impl fmt::Display for ClientStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected(_) => "disconnected",
            Self::Closed => "closed",
        })
    }
}

/// What state a client's circuit is in; see [`CircuitBreaker`](crate::CircuitBreaker).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// Calls go out.
    Closed,
    /// Calls fail at once.
    Open,
    /// One call at a time goes out, to see how it ends.
    HalfOpen,
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

/// Server half of a transport: feeds inbound messages to the dispatcher until shutdown, then drains.
#[async_trait]
pub trait TransportServer: Send + 'static {
    /// Takes its address, or whatever else must be had before the application can be said to run. Called once, before
    /// `serve`; when any transport of an application fails here, none of them serves.
    ///
    /// # Errors
    /// When the address cannot be had; the message names it.
    async fn bind(&mut self) -> Result<Bound, TransportError>;

    /// The TCP address it is about to listen on, when another server could accept connections for it there.
    fn shareable_address(&self) -> Option<(String, u16)> {
        None
    }

    /// How often to try again when that address cannot be had, and the pause between two tries; for whoever takes it in its
    /// place. By default not at all.
    fn listen_retry(&self) -> (u32, Duration) {
        (0, Duration::ZERO)
    }

    /// Accepts from `listener`, a [`SharedListener`](crate::net::io::SharedListener), instead of its own address. Only
    /// called, before `bind`, where [`TransportServer::shareable_address`] gave one.
    fn share(&mut self, _listener: Box<dyn Listener>) {}

    /// Whose wildcards the dispatcher finds handlers by, where the concrete subject is all that the server knows of a
    /// message. By default none: `orders.*` is a pattern like any other, as NestJS's TCP has it.
    fn wildcards(&self) -> Option<WildcardStyle> {
        None
    }

    /// Whose wildcards it subscribes by, where the broker does the matching and each message is dispatched by
    /// [`Dispatcher::dispatch_as`]. By default none.
    fn subscribes(&self) -> Option<WildcardStyle> {
        None
    }

    /// The extras of handlers that it reads, and what each must be. By default none. An application with an extra that is
    /// of another kind does not start.
    fn extras(&self) -> &'static [(&'static str, ExtraKind)] {
        &[]
    }

    /// How long it lets calls under way finish.
    fn grace_period(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Gets everything ready to serve these routes: where a broker is told what to deliver. Called once, after `bind` of all
    /// transports of an application and before it says that it runs, so that whoever hears that is served. By default
    /// nothing.
    ///
    /// # Errors
    /// When these routes cannot be served; the application does not start.
    async fn prepare(&mut self, _dispatcher: &Dispatcher) -> Result<(), TransportError> {
        Ok(())
    }

    /// Who is connected and what state it is in, once it is bound. By default `None`: the application keeps a handle for it
    /// that knows whether it serves, and no connections.
    fn handle(&self) -> Option<ServerHandle> {
        None
    }

    /// Serves until `shutdown`, then finishes what is under way.
    ///
    /// # Errors
    /// When it had to stop by itself.
    async fn serve(self: Box<Self>, dispatcher: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError>;
}

/// What a server holds once it is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// `"tcp"`: a [`TransportId`](nestrs_core::TransportId), by which handlers may ask to be served by this transport only.
    pub transport: &'static str,
    /// Where it can be reached, in the transport's own words: `127.0.0.1:3000`.
    pub address: String,
}

/// What a microservice is made from: the options of any transport.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe a microservice",
    note = "pass the options of a transport, for example `TcpMicroserviceOptions`, or a `Box<dyn TransportServer>`"
)]
pub trait MicroserviceOptions {
    /// The server they describe. Nothing is opened yet.
    fn into_server(self) -> Box<dyn TransportServer>;
}

impl MicroserviceOptions for Box<dyn TransportServer> {
    fn into_server(self) -> Box<dyn TransportServer> {
        self
    }
}
