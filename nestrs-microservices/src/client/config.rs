//! A named client, before it is registered.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use nestrs_core::{Pattern, TransportError};
use serde_json::Value;

use crate::tcp::{TcpTransport, TcpTransportOptions};
use crate::transport::Transport;

use super::breaker::{Breaking, CircuitBreaker};
use super::fallback::FallingBack;
use super::layer::{ClientLayer, Layered};
use super::retry::RetryPolicy;
use super::retrying::Retrying;

/// A transport under a name; what [`ClientsModule::register`](crate::ClientsModule::register) takes.
///
/// The fields are public, so a transport of your own registers like a built-in one:
///
/// ```
/// use std::sync::Arc;
/// use nestrs_microservices::{ClientConfig, TcpTransportOptions, Transport};
/// # use nestrs_core::{TransportError, async_trait};
/// # use serde_json::Value;
/// # struct Loopback;
/// # #[async_trait]
/// # impl Transport for Loopback {
/// #     async fn send_json(&self, _: &str, payload: Value) -> Result<Value, TransportError> { Ok(payload) }
/// #     async fn emit_json(&self, _: &str, _: Value) -> Result<(), TransportError> { Ok(()) }
/// # }
///
/// let built_in = ClientConfig::tcp("billing", TcpTransportOptions::to("127.0.0.1:3001"));
/// let own = ClientConfig { name: "loopback", transport: Arc::new(Loopback) };
/// # let _ = (built_in, own);
/// ```
///
/// # Layers
///
/// A circuit breaker, retries, a fallback and [layers of your own](ClientLayer) can be laid around any transport. Each wraps what is there, so the one named
/// last is outermost; this is the order that most want:
///
/// ```
/// use nestrs_microservices::{CircuitBreaker, ClientConfig, RetryPolicy, TcpTransportOptions};
/// use serde_json::json;
///
/// let stock = ClientConfig::tcp("stock", TcpTransportOptions::to("127.0.0.1:3001"))
///     .circuit_breaker(CircuitBreaker::default())
///     .retry(RetryPolicy::idempotent())
///     .fallback(|pattern, error| async move {
///         match pattern.route() {
///             "stock.count" => Ok(json!(0)),
///             _ => Err(error),
///         }
///     });
/// # let _ = stock;
/// ```
///
/// ```text
/// call ─▶ fallback ─▶ retry ─▶ circuit breaker ─▶ transport
///         sees what   makes    counts each try,
///         is left     tries    refuses them all while open
/// ```
///
/// A retry does not try an open circuit again; the fallback is asked at once.
#[derive(Clone)]
pub struct ClientConfig {
    /// What the client is injected by: `#[inject("billing")]`, `ClientsService::expect("billing")`.
    pub name: &'static str,
    /// What carries its calls.
    pub transport: Arc<dyn Transport>,
}

impl ClientConfig {
    /// A client over TCP. Nothing is dialled before the first call.
    #[must_use]
    pub fn tcp(name: &'static str, options: TcpTransportOptions) -> Self {
        Self { name, transport: Arc::new(TcpTransport::new(options)) }
    }

    /// A client over NATS. Nothing is dialled before the first call. Feature `nats`.
    #[cfg(feature = "nats")]
    #[must_use]
    pub fn nats(name: &'static str, options: crate::nats::NatsTransportOptions) -> Self {
        Self { name, transport: Arc::new(crate::nats::NatsTransport::new(options)) }
    }

    /// Stops calling for a while when too many calls fail; see [`CircuitBreaker`]. All clients made from this configuration
    /// share the circuit.
    #[must_use]
    pub fn circuit_breaker(self, breaker: CircuitBreaker) -> Self {
        let name = self.name;
        self.layer(Breaking::new(name, breaker))
    }

    /// Tries calls again that failed on their way. For services all of whose calls and events may be executed twice
    /// without harm; else see [`ClientProxy::retry_idempotent`](crate::ClientProxy::retry_idempotent).
    #[must_use]
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.layer(Retrying::new(policy, Arc::default()))
    }

    /// Answers calls in the place of the service when it cannot be reached; see
    /// [`ClientProxy::with_fallback`](crate::ClientProxy::with_fallback).
    #[must_use]
    pub fn fallback<F, Fut>(self, answer: F) -> Self
    where
        F: Fn(Pattern, TransportError) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, TransportError>> + Send + 'static,
    {
        self.layer(FallingBack::new(answer))
    }

    /// Lays a layer of your own around what is there; see [`ClientLayer`].
    #[must_use]
    pub fn layer(self, layer: impl ClientLayer) -> Self {
        Self { name: self.name, transport: Layered::around(self.transport, layer) }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig").field("name", &self.name).finish_non_exhaustive()
    }
}
