//! Typed lists of built stages: `(first, (second, ()))`. Composing them costs one future, whatever their number.

use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;

use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::payload::Payload;
use crate::pipeline::answer::Answer;
use crate::pipeline::in_place::InPlace;
use crate::pipeline::{CanActivate, Interceptor, PipeTransform};

/// Zero or more interceptors, the outermost first.
pub trait InterceptorList: Send + Sync + 'static {
    /// True for the empty list.
    const EMPTY: bool;
    /// Runs `next` inside all of them.
    fn wrap<T: Answer>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> impl Future<Output = Result<T, TransportError>> + Send;
}

/// Zero or more guards.
pub trait GuardList: Send + Sync + 'static {
    /// True for the empty list.
    const EMPTY: bool;
    /// Asks each in order, up to the first that refuses.
    fn check(&self, cx: &ExecutionContext) -> impl Future<Output = Result<(), TransportError>> + Send;
}

/// Zero or more pipes.
pub trait PipeList: Send + Sync + 'static {
    /// True for the empty list.
    const EMPTY: bool;
    /// Hands the payload through each in order.
    fn transform(
        &self,
        cx: &ExecutionContext,
        payload: Payload,
    ) -> impl Future<Output = Result<Payload, TransportError>> + Send;
}

impl InterceptorList for () {
    const EMPTY: bool = true;
    fn wrap<T: Answer>(
        &self,
        _: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> impl Future<Output = Result<T, TransportError>> + Send {
        next
    }
}

impl<I: Interceptor, Rest: InterceptorList> InterceptorList for (Arc<I>, Rest) {
    const EMPTY: bool = false;
    async fn wrap<T: Answer>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        let mapped = pin!(Some(async { self.1.wrap(cx, next).await?.map_values(&self.0, cx) }));
        self.0.intercept(cx, InPlace::new(mapped)).await
    }
}

impl GuardList for () {
    const EMPTY: bool = true;
    fn check(&self, _: &ExecutionContext) -> impl Future<Output = Result<(), TransportError>> + Send {
        ready(Ok(()))
    }
}

impl<G: CanActivate, Rest: GuardList> GuardList for (Arc<G>, Rest) {
    const EMPTY: bool = false;
    async fn check(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        self.0.can_activate(cx).await?;
        if Rest::EMPTY { Ok(()) } else { self.1.check(cx).await }
    }
}

impl PipeList for () {
    const EMPTY: bool = true;
    fn transform(
        &self,
        _: &ExecutionContext,
        payload: Payload,
    ) -> impl Future<Output = Result<Payload, TransportError>> + Send {
        ready(Ok(payload))
    }
}

impl<P: PipeTransform, Rest: PipeList> PipeList for (Arc<P>, Rest) {
    const EMPTY: bool = false;
    async fn transform(&self, cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        let payload = self.0.transform(cx, payload).await?;
        if Rest::EMPTY { Ok(payload) } else { self.1.transform(cx, payload).await }
    }
}
