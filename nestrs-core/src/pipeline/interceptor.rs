//! Interceptors: around the rest of the call.

use std::future::Future;

use async_trait::async_trait;
use serde_json::Value;

use crate::context::ExecutionContext;
use crate::error::TransportError;

/// Wraps a call; NestJS's `NestInterceptor`. `next` is the rest of the pipeline: awaiting it runs it, dropping it
/// cancels it, and its result may be changed or replaced.
///
/// The first interceptor written is the outermost. It sees the errors of guards, pipes and handler.
///
/// ```
/// use nestrs_core::{ExecutionContext, Interceptor, TransportError};
///
/// #[derive(Default)]
/// struct Timing;
///
/// impl Interceptor for Timing {
///     async fn intercept<T: Send>(
///         &self,
///         cx: &ExecutionContext,
///         next: impl Future<Output = Result<T, TransportError>> + Send,
///     ) -> Result<T, TransportError> {
///         let started = std::time::Instant::now();
///         let outcome = next.await;
///         tracing::debug!(pattern = cx.pattern(), elapsed = ?started.elapsed(), ok = outcome.is_ok());
///         outcome
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an interceptor",
    label = "implement `Interceptor` or `MicroIncomingInterceptor` for this type",
    note = "one with `Arc` fields is also `#[injectable]`; one without may derive `Default` instead"
)]
pub trait Interceptor: Send + Sync + 'static {
    /// Runs one call, or keeps it from running.
    fn intercept<T: Send>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> impl Future<Output = Result<T, TransportError>> + Send;
}

/// The documented interceptor for messages: it observes each one before guards, pipes and handler.
///
/// ```
/// use nestrs_core::{MicroIncomingInterceptor, async_trait};
/// use serde_json::Value;
///
/// #[derive(Default)]
/// struct LogPattern;
///
/// #[async_trait]
/// impl MicroIncomingInterceptor for LogPattern {
///     async fn before_handle_micro(&self, pattern: &str, _payload: &Value) {
///         tracing::info!(pattern, "incoming");
///     }
/// }
/// ```
#[async_trait]
pub trait MicroIncomingInterceptor: Default + Send + Sync + 'static {
    /// Sees one message; it cannot change or stop it.
    async fn before_handle_micro(&self, pattern: &str, payload: &Value);
}

/// Lets a [`MicroIncomingInterceptor`] stand where an [`Interceptor`] does.
#[derive(Debug)]
pub struct MicroInterceptor<I>(pub(crate) std::sync::Arc<I>);

impl<I: MicroIncomingInterceptor> Interceptor for MicroInterceptor<I> {
    async fn intercept<T: Send>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        self.0.before_handle_micro(cx.pattern(), cx.payload().value()?).await;
        next.await
    }
}
