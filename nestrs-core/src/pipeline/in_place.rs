//! The rest of a call, where it was made.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that stays where it was made, handed on in its stead: an async function holds what it is given twice, once
/// as an argument and once as what it waits for, and whoever waits for that holds twice as much again.
///
/// It ends the future when it is dropped, as the future itself would: an interceptor that drops `next` cancels the rest
/// of the call there and then.
pub(crate) struct InPlace<'a, F>(Pin<&'a mut Option<F>>);

impl<'a, F> InPlace<'a, F> {
    /// For `pin!(Some(future))`.
    #[inline]
    pub(crate) fn new(place: Pin<&'a mut Option<F>>) -> Self {
        Self(place)
    }
}

impl<F: Future> Future for InPlace<'_, F> {
    type Output = F::Output;
    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let place = self.0.as_mut().as_pin_mut();
        place.unwrap_or_else(|| unreachable!("only dropping this empties the place")).poll(task)
    }
}

impl<F> Drop for InPlace<'_, F> {
    #[inline]
    fn drop(&mut self) {
        self.0.set(None);
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of_val;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::FutureExt;

    use crate::context::{ContextKind, ExecutionContext};
    use crate::error::TransportError;
    use crate::payload::Payload;
    use crate::pipeline::{CanActivate, Interceptor, PipeTransform, Stages};
    use crate::reply::Reply;

    #[derive(Default)]
    struct Nothing;
    impl CanActivate for Nothing {
        async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
            Ok(())
        }
    }
    impl PipeTransform for Nothing {
        async fn transform(&self, _cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
            Ok(payload)
        }
    }
    impl Interceptor for Nothing {
        async fn intercept<T: Send>(
            &self,
            _cx: &ExecutionContext,
            next: impl Future<Output = Result<T, TransportError>> + Send,
        ) -> Result<T, TransportError> {
            next.await
        }
    }

    fn context() -> ExecutionContext {
        ExecutionContext::new(ContextKind::Message, "sum", Payload::absent())
    }

    #[test]
    fn the_future_of_a_call_grows_by_little_for_each_stage() {
        let cx = context();
        let one = || Arc::new(Nothing);
        let none = size_of_val(&Stages::new((), (), ()).enter(&cx, async { Ok(Reply::Empty) }));
        let stages = Stages::new((one(), (one(), (one(), ()))), (one(), ()), (one(), ()));
        let three = size_of_val(&stages.enter(&cx, async { Ok(Reply::Empty) }));
        assert!(none <= 256, "{none} bytes without stages");
        assert!(three <= none + 3 * 160, "{none} bytes without stages, {three} with three interceptors");
    }

    /// Cancels the rest of the call, and looks whether it has ended.
    struct Impatient(Arc<AtomicBool>);
    impl Interceptor for Impatient {
        async fn intercept<T: Send>(
            &self,
            _cx: &ExecutionContext,
            next: impl Future<Output = Result<T, TransportError>> + Send,
        ) -> Result<T, TransportError> {
            let mut next = Box::pin(next);
            assert!(next.as_mut().now_or_never().is_none());
            assert!(!self.0.load(Ordering::Relaxed), "it is under way");
            drop(next);
            assert!(self.0.load(Ordering::Relaxed), "it has ended by now");
            Err(TransportError::new("too slow"))
        }
    }

    struct Ended(Arc<AtomicBool>);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_interceptor_that_drops_next_ends_the_rest_of_the_call_there_and_then() {
        let ended = Arc::new(AtomicBool::new(false));
        let guard = Ended(Arc::clone(&ended));
        let interceptors = (Arc::new(Impatient(ended)), (Arc::new(Nothing), ()));
        let stages = Stages::new(interceptors, (Arc::new(Nothing), ()), ());
        let cx = context();
        let end = async move {
            let _guard = guard;
            std::future::pending::<Result<Reply, TransportError>>().await
        };
        let outcome = pin!(stages.enter(&cx, end)).now_or_never();
        assert_eq!(outcome.expect("it waits for nothing").unwrap_err().message, "too slow");
    }
}
