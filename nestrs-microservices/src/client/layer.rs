//! What lies around a transport, and may change what becomes of calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use nestrs_core::{Pattern, Payload, TransportError};
use serde_json::Value;

use crate::transport::{CallOptions, CircuitState, ClientStatus, Transport};

use super::stats::ClientStats;

/// A layer around a client's transport: it sees each call before the transport does, and its outcome after it.
///
/// Every method has a default that passes the call on to `inner`, which is the transport or the next layer; a layer
/// overrides those of the calls that it is about, and connecting, closing and the status are passed on for it. `send` is not
/// asked for streams, nor `send_stream` for calls with one answer.
///
/// A layer hands `options` on, with its own changes or without: they carry the caller's timeout, its deadline, its
/// metadata, and how many tries a [`RetryPolicy`](crate::RetryPolicy) further out has left. A call that a layer does not
/// pass on ends with the error that the layer makes; one that sent nothing says so ([`TransportError::with_sent`]).
///
/// [`ClientConfig::layer`](crate::ClientConfig::layer) lays one around all calls of a client,
/// [`ClientProxy::with_layer`](crate::ClientProxy::with_layer) around those of one call site. Those of this crate, retries,
/// the circuit breaker and the fallback, are made in the same way.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{Pattern, Payload, TransportError, async_trait};
/// use nestrs_microservices::{CallOptions, ClientLayer, ClientProxy, MockService, Transport};
///
/// /// Marks every call, so that the other side knows who asks.
/// struct Tenant(&'static str);
///
/// #[async_trait]
/// impl ClientLayer for Tenant {
///     async fn send(
///         &self,
///         inner: &dyn Transport,
///         pattern: &Pattern,
///         payload: Payload,
///         options: &CallOptions,
///     ) -> Result<Payload, TransportError> {
///         let mut options = options.clone();
///         options.metadata.insert("tenant", self.0);
///         inner.send_payload(pattern, payload, &options).await
///     }
/// }
///
/// # futures_util::FutureExt::now_or_never(async {
/// let stock = MockService::new();
/// stock.expect("stock.count").reply(3);
/// let client = ClientProxy::new(Arc::new(stock)).with_layer(Tenant("acme"));
/// let count: u32 = client.send("stock.count", &7).await?;
/// assert_eq!(count, 3);
/// # Ok::<(), TransportError>(()) }).unwrap().unwrap();
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer of a client",
    note = "implement `ClientLayer` for it, with `#[async_trait]`; all of its methods have defaults"
)]
pub trait ClientLayer: Send + Sync + 'static {
    /// A request with one answer. By default it is passed on.
    async fn send(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        inner.send_payload(pattern, payload, options).await
    }

    /// An event. By default it is passed on.
    async fn emit(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        inner.emit_payload(pattern, payload, options).await
    }

    /// A request that any number of values answer. By default it is passed on.
    async fn send_stream(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        inner.send_stream(pattern, payload, options).await
    }

    /// What [`ClientProxy::circuit`](crate::ClientProxy::circuit) tells, for a layer that is a circuit breaker.
    fn circuit(&self, inner: &dyn Transport) -> BoxStream<'static, CircuitState> {
        inner.circuit()
    }

    /// What [`ClientProxy::stats`](crate::ClientProxy::stats) tells, for a layer that adds to it.
    fn stats(&self, inner: &dyn Transport) -> ClientStats {
        inner.stats()
    }
}

/// A transport with a layer around it: the one place where the rest of [`Transport`] is passed on.
pub(crate) struct Layered<L> {
    inner: Arc<dyn Transport>,
    layer: L,
}

impl<L: ClientLayer> Layered<L> {
    pub(crate) fn around(inner: Arc<dyn Transport>, layer: L) -> Arc<dyn Transport> {
        Arc::new(Self { inner, layer })
    }
}

#[async_trait]
impl<L: ClientLayer> Transport for Layered<L> {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        let (pattern, payload) = (Pattern::from(pattern), Payload::from_value(payload));
        self.send_payload(&pattern, payload, &CallOptions::default()).await?.into_value()
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
        self.layer.send(&*self.inner, pattern, payload, options).await
    }

    async fn emit_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        self.layer.emit(&*self.inner, pattern, payload, options).await
    }

    async fn send_stream(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        self.layer.send_stream(&*self.inner, pattern, payload, options).await
    }

    async fn connect(&self) -> Result<(), TransportError> {
        self.inner.connect().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    fn status(&self) -> BoxStream<'static, ClientStatus> {
        self.inner.status()
    }

    fn circuit(&self) -> BoxStream<'static, CircuitState> {
        self.layer.circuit(&*self.inner)
    }

    fn request_timeout(&self) -> Option<Duration> {
        self.inner.request_timeout()
    }

    fn stats(&self) -> ClientStats {
        self.layer.stats(&*self.inner)
    }
}

impl<L> fmt::Debug for Layered<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<L>())
    }
}
