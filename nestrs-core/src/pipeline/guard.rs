//! Guards: may this call run at all?

use std::future::Future;

use async_trait::async_trait;
use serde_json::Value;

use crate::context::ExecutionContext;
use crate::error::TransportError;

/// Decides whether a call may reach its handler; NestJS's `CanActivate`, for messages and HTTP alike.
///
/// `Ok(())` lets the call pass; an error becomes its answer, and neither pipes nor handler run. NestJS's own refusal
/// is [`forbidden`]. Guards run one after another in the order they are written, those of the impl block first.
///
/// A guard with `Arc` fields is `#[injectable]` and built by the container, once per module; one without fields may
/// derive `Default` instead.
///
/// ```
/// use nestrs_core::{CanActivate, ExecutionContext, TransportError, forbidden};
///
/// #[derive(Default)]
/// struct TenantGuard;
///
/// impl CanActivate for TenantGuard {
///     async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
///         match cx.metadata().get("tenant") {
///             Some(_) => Ok(()),
///             None => Err(forbidden()),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a guard",
    label = "implement `CanActivate` or `MicroCanActivate` for this type",
    note = "one with `Arc` fields is also `#[injectable]`; one without may derive `Default` instead"
)]
pub trait CanActivate: Send + Sync + 'static {
    /// Answers for one call.
    fn can_activate(&self, cx: &ExecutionContext) -> impl Future<Output = Result<(), TransportError>> + Send;

    /// True for one that decides by the payload alone, which HTTP routes have not.
    #[doc(hidden)]
    fn is_for_messages(&self) -> bool {
        false
    }
}

/// The documented guard for messages: it sees the pattern and the payload as JSON.
///
/// ```
/// use nestrs_core::{MicroCanActivate, TransportError, async_trait};
/// use serde_json::Value;
///
/// #[derive(Default)]
/// struct TokenGuard;
///
/// #[async_trait]
/// impl MicroCanActivate for TokenGuard {
///     async fn can_activate_micro(&self, _pattern: &str, payload: &Value) -> Result<(), TransportError> {
///         if payload["token"] == "open sesame" { Ok(()) } else { Err(TransportError::new("unauthorized")) }
///     }
/// }
/// ```
#[async_trait]
pub trait MicroCanActivate: Default + Send + Sync + 'static {
    /// Answers for one message.
    ///
    /// # Errors
    /// The error becomes the answer of the call; an event is dropped with a log line.
    async fn can_activate_micro(&self, pattern: &str, payload: &Value) -> Result<(), TransportError>;
}

/// NestJS's answer when a guard says no: `{"status":"error","message":"Forbidden resource"}`.
#[must_use]
pub fn forbidden() -> TransportError {
    TransportError::new("Forbidden resource").with_kind(crate::ErrorKind::Forbidden)
}

/// Lets a [`MicroCanActivate`] stand where a [`CanActivate`] does.
#[derive(Debug)]
pub struct MicroGuard<G>(pub(crate) std::sync::Arc<G>);

impl<G: MicroCanActivate> CanActivate for MicroGuard<G> {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        self.0.can_activate_micro(cx.pattern(), cx.payload().value()?).await
    }

    fn is_for_messages(&self) -> bool {
        true
    }
}
