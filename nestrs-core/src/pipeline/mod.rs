//! What runs around a handler, and in which order.
//!
//! Interceptors wrap the rest of the call, then guards decide, then pipes transform the payload, then the handler
//! runs. The order lives in one function, [`Stages::enter`], for messages and for HTTP alike.

pub(crate) mod guard;
pub(crate) mod interceptor;
pub(crate) mod list;
pub(crate) mod pipe;
pub(crate) mod spec;

use std::future::Future;

use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::payload::Payload;

pub use guard::{CanActivate, MicroCanActivate};
pub use interceptor::{Interceptor, MicroIncomingInterceptor};
pub use pipe::{MicroPipeTransform, PipeTransform};

use list::{GuardList, InterceptorList, PipeList};

/// The stages of one route, built: three typed lists, composed once at mount.
///
/// A list is `()`, or a stage and the rest: `(Arc<First>, (Arc<Second>, ()))`.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{CanActivate, ContextKind, ExecutionContext, Payload, Stages, TransportError, forbidden};
///
/// struct Closed;
/// impl CanActivate for Closed {
///     async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
///         Err(forbidden())
///     }
/// }
///
/// # futures_util::FutureExt::now_or_never(async {
/// let cx = ExecutionContext::new(ContextKind::Http, "/cats", Payload::absent());
/// assert_eq!(Stages::new((), (), ()).enter(&cx, async { Ok("cats") }).await.unwrap(), "cats");
/// assert_eq!(Stages::new((), (Arc::new(Closed), ()), ()).enter(&cx, async { Ok("cats") }).await, Err(forbidden()));
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Stages<I, G, P> {
    interceptors: I,
    guards: G,
    pipes: P,
}

impl<I: InterceptorList, G: GuardList, P: PipeList> Stages<I, G, P> {
    /// Stages from their three lists.
    pub const fn new(interceptors: I, guards: G, pipes: P) -> Self {
        Self { interceptors, guards, pipes }
    }

    /// Runs `end` inside the interceptors, once the guards have agreed.
    ///
    /// # Errors
    /// The error of the first stage that fails, or of `end`, as the interceptors leave it.
    pub async fn enter<T: Send>(
        &self,
        cx: &ExecutionContext,
        end: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        let guarded = async {
            self.guards.check(cx).await?;
            end.await
        };
        self.interceptors.wrap(cx, guarded).await
    }

    /// Runs the pipes in order, each on what the one before it returned.
    ///
    /// # Errors
    /// The error of the first pipe that fails.
    pub async fn transform(&self, cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        self.pipes.transform(cx, payload).await
    }
}
