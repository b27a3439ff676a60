//! Interceptors: around the rest of the call.

use std::future::Future;

use async_trait::async_trait;
use serde_json::Value;

use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::payload::Payload;

/// Wraps a call; NestJS's `NestInterceptor`. `next` is the rest of the pipeline: awaiting it runs it, dropping it
/// cancels it, and its error may be changed or replaced.
///
/// The first interceptor written is the outermost. It sees the errors of guards, pipes and handler. What it wants to
/// change in the values that go out, one or a stream of them, it does in [`Interceptor::map_value`].
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
    /// Runs one call, or keeps it from running. Does nothing of its own unless written.
    fn intercept<T: Send>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> impl Future<Output = Result<T, TransportError>> + Send {
        let _ = cx;
        next
    }

    /// Changes a value on its way out: the reply, or each item of a streaming one, before `next` gives it to
    /// [`Interceptor::intercept`]. NestJS's `next.handle().pipe(map(…))`. Changes nothing unless written; `()` has no
    /// value, so it never comes here.
    ///
    /// On HTTP routes it sees the values that nestrs writes as JSON, and those in axum's `Json<T>` and
    /// `(StatusCode, Json<T>)`, whose status stays. **It does not see** what a handler answers in any other way of axum's:
    /// text (`String`, `&str`), `Html`, bytes, `Json` together with headers, a `Response` or an `impl IntoResponse`,
    /// whatever is inside, and errors with a response of their own. What must be hidden must not leave by these.
    ///
    /// ```
    /// use nestrs_core::{ExecutionContext, Interceptor, Payload, TransportError};
    /// use serde_json::json;
    ///
    /// /// Wraps every answer: `15` becomes `{"data":15}`.
    /// #[derive(Default)]
    /// struct InData;
    ///
    /// impl Interceptor for InData {
    ///     fn map_value(&self, _cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError> {
    ///         Ok(json!({ "data": value.into_value()? }).into())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// The error takes the value's place; it ends a stream.
    fn map_value(&self, cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError> {
        let _ = cx;
        Ok(value)
    }
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
