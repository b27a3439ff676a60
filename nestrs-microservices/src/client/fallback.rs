//! What a caller gets when a service cannot be reached.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{BoxFuture, Pattern, Payload, TransportError};
use serde_json::Value;

use crate::transport::{CallOptions, CircuitState, ClientStatus, Transport};

use super::breaker::is_failure;
use super::stats::{ClientStats, Counter};

/// Answers in the place of a service.
type Answer = dyn Fn(Pattern, TransportError) -> BoxFuture<'static, Result<Value, TransportError>> + Send + Sync;

/// A transport whose calls have an answer when it fails: a default, something kept from before, another service.
pub(crate) struct FallingBack {
    inner: Arc<dyn Transport>,
    fallback: Arc<Fallback>,
}

struct Fallback {
    answer: Box<Answer>,
    asked: Counter,
}

impl FallingBack {
    pub(crate) fn new<F, Fut>(inner: Arc<dyn Transport>, answer: F) -> Self
    where
        F: Fn(Pattern, TransportError) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, TransportError>> + Send + 'static,
    {
        let answer = Box::new(move |pattern, error| Box::pin(answer(pattern, error)) as BoxFuture<'static, _>);
        Self { inner, fallback: Arc::new(Fallback { answer, asked: Counter::default() }) }
    }
}

impl Fallback {
    /// Asks for an answer where there is none. What the service said, and what this side did wrong, stays as it is.
    async fn instead_of(&self, pattern: &Pattern, error: TransportError) -> Result<Payload, TransportError> {
        if !is_failure(&error) {
            return Err(error);
        }
        self.asked.add_one();
        tracing::debug!(target: "nestrs::client", pattern = %pattern, %error, "falling back");
        (self.answer)(pattern.clone(), error).await.map(Payload::from_value)
    }
}

#[async_trait]
impl Transport for FallingBack {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        let options = CallOptions::default();
        self.send_payload(&Pattern::from(pattern), Payload::from_value(payload), &options).await?.into_value()
    }

    /// Events have no answer, so there is nothing to put in its place.
    async fn emit_json(&self, pattern: &str, payload: Value) -> Result<(), TransportError> {
        self.inner.emit_json(pattern, payload).await
    }

    async fn send_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        match self.inner.send_payload(pattern, payload, options).await {
            Err(error) => self.fallback.instead_of(pattern, error).await,
            answered => answered,
        }
    }

    async fn emit_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        self.inner.emit_payload(pattern, payload, options).await
    }

    /// One answer in the place of all, while none has come.
    async fn send_stream(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        let items = match self.inner.send_stream(pattern, payload, options).await {
            Ok(items) => items,
            Err(error) => {
                let only = self.fallback.instead_of(pattern, error).await?;
                return Ok(stream::once(std::future::ready(Ok(only))).boxed());
            }
        };
        let first = Some((Arc::clone(&self.fallback), pattern.clone()));
        Ok(stream::unfold((items, first), |(mut items, mut first)| async move {
            match (items.next().await?, first.take()) {
                (Err(error), Some((fallback, pattern))) => {
                    let only = fallback.instead_of(&pattern, error).await;
                    Some((only, (stream::empty().boxed(), None)))
                }
                (item, _) => Some((item, (items, None))),
            }
        })
        .boxed())
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
        self.inner.circuit()
    }

    fn request_timeout(&self) -> Option<Duration> {
        self.inner.request_timeout()
    }

    fn stats(&self) -> ClientStats {
        let mut stats = self.inner.stats();
        stats.fallbacks += self.fallback.asked.get();
        stats
    }
}

impl fmt::Debug for FallingBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallingBack").finish_non_exhaustive()
    }
}
