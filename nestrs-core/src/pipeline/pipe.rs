//! Pipes: the payload on its way in.

use std::future::Future;

use async_trait::async_trait;
use serde_json::Value;

use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::payload::Payload;

/// Transforms or refuses a payload before the handler decodes it; NestJS's `PipeTransform`.
///
/// ```
/// use nestrs_core::{ExecutionContext, Payload, PipeTransform, TransportError};
///
/// #[derive(Default)]
/// struct Required;
///
/// impl PipeTransform for Required {
///     async fn transform(&self, _cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
///         if payload.is_absent() { Err(TransportError::new("a payload is required")) } else { Ok(payload) }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pipe",
    label = "implement `PipeTransform` or `MicroPipeTransform` for this type",
    note = "one with `Arc` fields is also `#[injectable]`; one without may derive `Default` instead"
)]
pub trait PipeTransform: Send + Sync + 'static {
    /// Transforms one payload. `cx.payload()` is still the one that was received.
    fn transform(
        &self,
        cx: &ExecutionContext,
        payload: Payload,
    ) -> impl Future<Output = Result<Payload, TransportError>> + Send;
}

/// The documented pipe for messages: JSON to JSON.
///
/// ```
/// use nestrs_core::{MicroPipeTransform, TransportError, async_trait};
/// use serde_json::Value;
///
/// #[derive(Default)]
/// struct TrimName;
///
/// #[async_trait]
/// impl MicroPipeTransform for TrimName {
///     async fn transform_micro(&self, _pattern: &str, mut payload: Value) -> Result<Value, TransportError> {
///         if let Some(name) = payload["name"].as_str() {
///             payload["name"] = name.trim().into();
///         }
///         Ok(payload)
///     }
/// }
/// ```
#[async_trait]
pub trait MicroPipeTransform: Default + Send + Sync + 'static {
    /// Transforms the payload of one message.
    ///
    /// # Errors
    /// The error becomes the answer of the call, and the handler does not run.
    async fn transform_micro(&self, pattern: &str, payload: Value) -> Result<Value, TransportError>;
}

/// Lets a [`MicroPipeTransform`] stand where a [`PipeTransform`] does.
#[derive(Debug)]
pub struct MicroPipe<P>(pub(crate) std::sync::Arc<P>);

impl<P: MicroPipeTransform> PipeTransform for MicroPipe<P> {
    async fn transform(&self, cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        let value = self.0.transform_micro(cx.pattern(), payload.into_value()?).await?;
        Ok(Payload::from_value(value))
    }
}
