//! A circuit that opens when a service fails too often, so that callers fail at once and the service can recover.

mod circuit;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{Pattern, Payload, TransportError};

use crate::transport::{CallOptions, CircuitState, Transport};

use super::layer::ClientLayer;
use super::stats::ClientStats;

use circuit::Circuit;
pub(super) use circuit::is_failure;

/// When a client stops calling a service that fails, and when it tries again.
///
/// The circuit is *closed* while all is well. It *opens* when, within `window`, at least `min_calls` calls have ended and
/// `failure_percent` of them failed: from then on calls and events fail at once with [`ErrorKind::Unavailable`], "circuit
/// open", and nothing is sent. After `open_for` it is *half-open*: one call at a time is let through, and the first that
/// ends decides, closed when it went well, open again when not. One that takes longer than `open_for`, and a second, is
/// not waited for: another is let through beside it.
///
/// A failure is that of the way there: [`ErrorKind::Unavailable`], [`ErrorKind::ConnectionClosed`],
/// [`ErrorKind::Timeout`], [`ErrorKind::Overloaded`]. What the application answers is a success, an error too. A call that
/// was dropped, or failed before it left ([`ErrorKind::TooLarge`] and the like), does not count.
///
/// An error of an open circuit has [`CircuitOpen`] as its source. One circuit belongs to one client, whose clones share it. [`ClientProxy::circuit`](crate::ClientProxy::circuit) tells
/// its state, and so do lines of the log, target `nestrs::client`.
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::{CircuitBreaker, ClientConfig, TcpTransportOptions};
///
/// let breaker = CircuitBreaker::default().failure_percent(30).open_for(Duration::from_secs(2));
/// let math = ClientConfig::tcp("MATH", TcpTransportOptions::to("127.0.0.1:3001")).circuit_breaker(breaker);
/// # let _ = math;
/// ```
///
/// [`ErrorKind::Unavailable`]: nestrs_core::ErrorKind::Unavailable
/// [`ErrorKind::ConnectionClosed`]: nestrs_core::ErrorKind::ConnectionClosed
/// [`ErrorKind::Timeout`]: nestrs_core::ErrorKind::Timeout
/// [`ErrorKind::Overloaded`]: nestrs_core::ErrorKind::Overloaded
/// [`ErrorKind::TooLarge`]: nestrs_core::ErrorKind::TooLarge
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitBreaker {
    /// The share of failed calls that opens the circuit, in percent. Default 50, at least 1.
    pub failure_percent: u32,
    /// Calls that must have ended within the window before it may open. Default 20, at least 1.
    pub min_calls: u32,
    /// How far back calls count, to a tenth of it. Default 10 s.
    pub window: Duration,
    /// How long it stays open before a call is let through. Default 5 s.
    pub open_for: Duration,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { failure_percent: 50, min_calls: 20, window: Duration::from_secs(10), open_for: Duration::from_secs(5) }
    }
}

impl CircuitBreaker {
    /// Sets the share of failed calls that opens it, in percent.
    #[must_use]
    pub const fn failure_percent(mut self, failure_percent: u32) -> Self {
        self.failure_percent = failure_percent;
        self
    }

    /// Sets how many calls must have ended before it may open.
    #[must_use]
    pub const fn min_calls(mut self, min_calls: u32) -> Self {
        self.min_calls = min_calls;
        self
    }

    /// Sets how far back calls count.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets how long it stays open.
    #[must_use]
    pub const fn open_for(mut self, open_for: Duration) -> Self {
        self.open_for = open_for;
        self
    }
}

/// The source of the error of a call that an open circuit refused.
///
/// ```
/// use std::error::Error;
/// use nestrs_core::TransportError;
/// use nestrs_microservices::CircuitOpen;
///
/// fn was_refused(error: &TransportError) -> bool {
///     error.source().is_some_and(|source| source.is::<CircuitOpen>())
/// }
/// # assert!(!was_refused(&TransportError::new("another")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the circuit is open")]
pub struct CircuitOpen;

pub(super) fn is_circuit_open(error: &TransportError) -> bool {
    error.source().is_some_and(|source| source.is::<CircuitOpen>())
}

/// A circuit before a transport.
pub(crate) struct Breaking(Arc<Circuit>);

impl Breaking {
    pub(crate) fn new(name: &'static str, options: CircuitBreaker) -> Self {
        Self(Arc::new(Circuit::new(name, options)))
    }
}

#[async_trait]
impl ClientLayer for Breaking {
    async fn send(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        let pass = self.0.enter()?;
        pass.end(inner.send_payload(pattern, payload, options).await)
    }

    async fn emit(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        let pass = self.0.enter()?;
        pass.end(inner.emit_payload(pattern, payload, options).await)
    }

    /// What counts is its beginning: the first item, or its end without any.
    async fn send_stream(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        let pass = self.0.enter()?;
        let items = match inner.send_stream(pattern, payload, options).await {
            Ok(items) => items,
            Err(error) => return pass.end(Err(error)),
        };
        Ok(stream::unfold((items, Some(pass)), |(mut items, mut pass)| async move {
            let item = items.next().await;
            match (pass.take(), item) {
                (Some(pass), Some(item)) => Some((pass.end(item), (items, None))),
                (Some(pass), None) => {
                    let _ = pass.end(Ok(()));
                    None
                }
                (None, item) => Some((item?, (items, None))),
            }
        })
        .boxed())
    }

    fn circuit(&self, _inner: &dyn Transport) -> BoxStream<'static, CircuitState> {
        self.0.states()
    }

    fn stats(&self, inner: &dyn Transport) -> ClientStats {
        let mut stats = inner.stats();
        stats.circuit_refused += self.0.refused();
        stats
    }
}
