//! Exception filters: what a failed call is answered with.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::injectable::short_type_name;
use crate::log_limit::LogLimit;
use crate::reply::{BoxFuture, HandlerResult};

/// Answers for calls that fail with one type of error; NestJS's `ExceptionFilter` and `@Catch(Type)` (fact sheet,
/// section 13), for messages and HTTP alike.
///
/// It stands outside interceptors, guards, pipes and handler, and sees the errors of all of them. Exactly one filter runs:
/// the first that fits, looked for on the method, then on the impl block, on the module and among the global ones, of
/// several in one place the last declared first. What it returns is the answer; an error it returns, or a panic, is
/// answered too.
///
/// An error fits by its type: it is a [`TransportError`], which fits `type Error = TransportError`, and what that was
/// made from is found along [`Error::source`]. So a conversion into `TransportError` keeps its cause:
///
/// ```
/// use nestrs_core::{Caught, ExceptionFilter, ExecutionContext, HandlerResult, TransportError};
/// use serde_json::json;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("only {left} left")]
/// struct OutOfStock { left: u32 }
///
/// impl From<OutOfStock> for TransportError {
///     fn from(error: OutOfStock) -> Self {
///         TransportError::caused_by(error)
///     }
/// }
///
/// #[derive(Default)]
/// struct OutOfStockFilter;
///
/// impl ExceptionFilter for OutOfStockFilter {
///     type Error = OutOfStock;
///     async fn catch(&self, _cx: &ExecutionContext, caught: Caught<OutOfStock>) -> HandlerResult {
///         Err(TransportError::exact(json!({ "code": "OUT_OF_STOCK", "left": caught.left })))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an exception filter",
    label = "implement `ExceptionFilter` for this type",
    note = "one with `Arc` fields is also `#[injectable]`; one without may derive `Default` instead"
)]
pub trait ExceptionFilter: Send + Sync + 'static {
    /// What it catches; [`TransportError`] for everything.
    type Error: Error + Send + Sync + 'static;

    /// Answers in place of the error: `Ok` with a reply as if the call had succeeded, or another error, or the same.
    fn catch(&self, cx: &ExecutionContext, caught: Caught<Self::Error>) -> impl Future<Output = HandlerResult> + Send;
}

/// An error on its way to the caller, of which a filter knows that an `E` caused it. Dereferences to that.
pub struct Caught<E> {
    error: TransportError,
    found: PhantomData<fn() -> E>,
}

impl<E: Error + 'static> Caught<E> {
    /// `None`, with the error back, when no `E` is in it.
    fn new(error: TransportError) -> Result<Self, TransportError> {
        if find::<E>(&error).is_some() { Ok(Self { error, found: PhantomData }) } else { Err(error) }
    }

    /// The error as it came; return it to leave it as it is, or changed: what is withheld of it stays withheld.
    ///
    /// Its `message` may be for the log only ([`TransportError::is_withheld`]). A text of your own that quotes it goes to
    /// the caller as it is, so quote [`TransportError::told`].
    #[must_use]
    pub fn into_transport_error(self) -> TransportError {
        self.error
    }

    /// The error as it came; see [`Caught::into_transport_error`] for what of it may be told.
    #[must_use]
    pub fn transport_error(&self) -> &TransportError {
        &self.error
    }
}

impl<E: Error + 'static> Deref for Caught<E> {
    type Target = E;
    fn deref(&self) -> &E {
        find(&self.error).unwrap_or_else(|| unreachable!("`new` has found it, and nothing has changed since"))
    }
}

impl<E> fmt::Debug for Caught<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caught").field(&self.error).finish()
    }
}

/// The error itself, or the first of its causes that is an `E`.
fn find<E: Error + 'static>(error: &TransportError) -> Option<&E> {
    if let Some(itself) = (error as &dyn Any).downcast_ref() {
        return Some(itself);
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// A filter whose type is forgotten.
pub(crate) trait ErasedFilter: Send + Sync + 'static {
    /// Answers, or gives back an error that it does not catch.
    fn try_catch<'a>(
        &'a self,
        cx: &'a ExecutionContext,
        error: TransportError,
    ) -> Result<BoxFuture<'a, HandlerResult>, TransportError>;
    /// The name of the type it catches.
    fn catches(&self) -> &'static str;
    fn name(&self) -> &'static str;
}

impl<F: ExceptionFilter> ErasedFilter for F {
    fn try_catch<'a>(
        &'a self,
        cx: &'a ExecutionContext,
        error: TransportError,
    ) -> Result<BoxFuture<'a, HandlerResult>, TransportError> {
        Caught::new(error).map(|caught| Box::pin(self.catch(cx, caught)) as BoxFuture<'a, HandlerResult>)
    }

    fn catches(&self) -> &'static str {
        type_name::<F::Error>()
    }

    fn name(&self) -> &'static str {
        type_name::<F>()
    }
}

/// The filters around one route, the one that is asked first in front.
#[derive(Clone, Default)]
pub struct Filters(Arc<[Arc<dyn ErasedFilter>]>);

impl Filters {
    /// From filters in the order from outside in: global, module, block, method.
    pub(crate) fn from_outside_in(filters: impl DoubleEndedIterator<Item = Arc<dyn ErasedFilter>>) -> Self {
        Self(filters.rev().collect())
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands an error to the first filter that catches its type.
    ///
    /// # Errors
    /// The filter's; the error itself when no filter catches it.
    pub async fn catch(&self, cx: &ExecutionContext, error: TransportError) -> HandlerResult {
        let mut error = error;
        for filter in &*self.0 {
            // Cheap unless something is withheld: then there is something to log.
            let withheld = error.is_withheld().then(|| error.clone());
            match filter.try_catch(cx, error) {
                Ok(caught) => {
                    let outcome = caught.await;
                    // What is withheld from callers is for the log, whatever a filter tells them; if it is still there,
                    // whoever ran the call logs it.
                    if let Some(error) = withheld
                        && !matches!(&outcome, Err(error) if error.is_withheld())
                    {
                        static FAILURES: LogLimit = LogLimit::per_second(100);
                        FAILURES.pass(|suppressed| {
                            let (handler, pattern) = (cx.handler(), cx.declared_pattern());
                            let (error, cause) = (error.message_for_log(), error.cause_for_log());
                            let suppressed = (suppressed > 0).then_some(suppressed);
                            tracing::error!(
                                target: "nestrs::call", handler, pattern, error, cause, suppressed,
                                "handler failed; a filter answered"
                            );
                        });
                    }
                    return outcome;
                }
                Err(passed) => error = passed,
            }
        }
        self.report_lost_cause(&error);
        Err(error)
    }

    /// A handler's error that a filter is there for, but whose conversion has thrown it away.
    fn report_lost_cause(&self, error: &TransportError) {
        static REPORTED: AtomicBool = AtomicBool::new(false);
        let Some(origin) = error.origin() else { return };
        if let Some(filter) = self.0.iter().find(|filter| filter.catches() == origin)
            && !REPORTED.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                filter = short_type_name(filter.name()),
                error = short_type_name(origin),
                "a filter was not asked: the conversion of this error into `TransportError` drops it; \
                 keep it with `TransportError::caused_by(error)` or `.with_source(error)`"
            );
        }
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|filter| filter.name())).finish()
    }
}
