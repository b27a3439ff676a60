//! What runs around a handler, and in which order.
//!
//! Interceptors wrap the rest of the call, then guards decide, then pipes transform the payload, then the handler
//! runs; of each kind first the global ones, then the module's, the impl block's and the method's. Outside of all stand
//! the exception filters. The order lives in one function, [`Stages::enter`], for messages and for HTTP alike.

pub(crate) mod answer;
pub(crate) mod chain;
pub(crate) mod erased;
pub(crate) mod filter;
pub(crate) mod guard;
pub(crate) mod in_place;
pub(crate) mod interceptor;
pub(crate) mod list;
pub(crate) mod pipe;
pub(crate) mod spec;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::payload::Payload;

pub use answer::{Answer, ValueMap};
pub use chain::{Chain, ChainEntry, Level, StageKind};
pub use erased::Enhancers;
pub use filter::{Caught, ExceptionFilter, Filters};
pub use guard::{CanActivate, MicroCanActivate};
pub use interceptor::{Interceptor, MicroIncomingInterceptor};
pub use pipe::{MicroPipeTransform, PipeTransform};

use in_place::InPlace;
use list::{GuardList, InterceptorList, PipeList};

/// The stages of one route, built: three typed lists, composed once at mount, and what stands around them.
///
/// A list is `()`, or a stage and the rest: `(Arc<First>, (Arc<Second>, ()))`.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{
///     CanActivate, ContextKind, ExecutionContext, Payload, Reply, Stages, TransportError, forbidden,
/// };
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
/// let end = async { Ok(Reply::Empty) };
/// assert!(Stages::new((), (), ()).enter(&cx, end).await.is_ok());
/// let end = async { Ok(Reply::Empty) };
/// assert_eq!(Stages::new((), (Arc::new(Closed), ()), ()).enter(&cx, end).await.unwrap_err(), forbidden());
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Stages<I, G, P> {
    interceptors: I,
    guards: G,
    pipes: P,
    outer: Option<Arc<Enhancers>>,
    filters: Filters,
}

impl<I: InterceptorList, G: GuardList, P: PipeList> Stages<I, G, P> {
    /// Stages from their three lists.
    #[must_use]
    pub fn new(interceptors: I, guards: G, pipes: P) -> Self {
        Self { interceptors, guards, pipes, outer: None, filters: Filters::default() }
    }

    /// Puts interceptors, guards and pipes around those of the same kind. Filters go by [`Stages::filtered_by`].
    #[must_use]
    pub fn inside(mut self, outer: &Arc<Enhancers>) -> Self {
        self.outer = (!outer.is_empty()).then(|| Arc::clone(outer));
        self
    }

    /// Puts filters around everything.
    #[must_use]
    pub fn filtered_by(mut self, filters: Filters) -> Self {
        self.filters = filters;
        self
    }

    /// Runs `end` inside the filters and the interceptors, once the guards have agreed.
    ///
    /// # Errors
    /// The error of the first stage that fails, or of `end`, as the interceptors and the filters leave it.
    pub async fn enter<T: Answer>(
        &self,
        cx: &ExecutionContext,
        end: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        // Made in its place: handed on by value through every list, the future of a call with one stage of each kind was
        // eleven thousand bytes, copied for each call.
        let guarded = pin!(Some(async {
            if let Some(outer) = &self.outer {
                outer.check(cx).await?;
            }
            if !G::EMPTY {
                self.guards.check(cx).await?;
            }
            end.await
        }));
        let inner = pin!(Some(self.interceptors.wrap(cx, InPlace::new(guarded))));
        let inner = InPlace::new(inner);
        // In a block of its own, so that the future has no room for an outcome while a filter looks at it.
        let catching = {
            let outcome = match &self.outer {
                // Boxed, as each of those interceptors is: not all routes are to be as large as the few that have any.
                Some(outer) if outer.intercepts() => Box::pin(outer.wrap(cx, inner)).await,
                _ => inner.await,
            };
            match outcome {
                outcome if self.filters.is_empty() => return outcome,
                Ok(answer) => return Ok(answer.filtered(&self.filters, cx)),
                // Boxed, since few calls fail.
                Err(error) => Box::pin(self.filters.catch(cx, error)),
            }
        };
        catching.await.and_then(T::from_reply)
    }

    /// Whether there is any pipe.
    pub(crate) fn transforms(&self) -> bool {
        !P::EMPTY || self.outer.as_ref().is_some_and(|outer| outer.transforms())
    }

    /// Runs the pipes in order, each on what the one before it returned.
    ///
    /// # Errors
    /// The error of the first pipe that fails.
    pub async fn transform(&self, cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        let payload = match &self.outer {
            Some(outer) if outer.transforms() => outer.transform(cx, payload).await?,
            _ => payload,
        };
        self.pipes.transform(cx, payload).await
    }
}
