//! What a caller gets when a service cannot be reached.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{BoxFuture, Pattern, Payload, TransportError};
use serde_json::Value;

use crate::transport::{CallOptions, Transport};

use super::breaker::is_failure;
use super::layer::ClientLayer;
use super::stats::{ClientStats, Counter};

/// Answers in the place of a service.
type Answer = dyn Fn(Pattern, TransportError) -> BoxFuture<'static, Result<Value, TransportError>> + Send + Sync;

/// An answer for calls that fail: a default, something kept from before, another service. Events have none, so there is
/// nothing to put in its place.
pub(crate) struct FallingBack(Arc<Fallback>);

struct Fallback {
    answer: Box<Answer>,
    asked: Counter,
}

impl FallingBack {
    pub(crate) fn new<F, Fut>(answer: F) -> Self
    where
        F: Fn(Pattern, TransportError) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, TransportError>> + Send + 'static,
    {
        let answer = Box::new(move |pattern, error| Box::pin(answer(pattern, error)) as BoxFuture<'static, _>);
        Self(Arc::new(Fallback { answer, asked: Counter::default() }))
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
impl ClientLayer for FallingBack {
    async fn send(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        match inner.send_payload(pattern, payload, options).await {
            Err(error) => self.0.instead_of(pattern, error).await,
            answered => answered,
        }
    }

    /// One answer in the place of all, while none has come.
    async fn send_stream(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        let items = match inner.send_stream(pattern, payload, options).await {
            Ok(items) => items,
            Err(error) => {
                let only = self.0.instead_of(pattern, error).await?;
                return Ok(stream::once(std::future::ready(Ok(only))).boxed());
            }
        };
        let first = Some((Arc::clone(&self.0), pattern.clone()));
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

    fn stats(&self, inner: &dyn Transport) -> ClientStats {
        let mut stats = inner.stats();
        stats.fallbacks += self.0.asked.get();
        stats
    }
}
