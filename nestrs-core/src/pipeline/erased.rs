//! Stages whose types are forgotten: those of a whole module or application, and all of an HTTP route.
//!
//! A route keeps the types of the stages written on it, and pays one box for all of them together. What stands around
//! many routes is held once, behind a pointer, and pays a box each.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::injectable::short_type_name;
use crate::payload::Payload;
use crate::pipeline::answer::{Answer, ValueMap};
use crate::pipeline::chain::{ChainEntry, Level, StageKind};
use crate::pipeline::filter::{ErasedFilter, Filters};
use crate::pipeline::{CanActivate, ExceptionFilter, Interceptor, MicroCanActivate, MicroIncomingInterceptor};
use crate::pipeline::{
    MicroPipeTransform, PipeTransform, guard::MicroGuard, interceptor::MicroInterceptor, pipe::MicroPipe,
};
use crate::reply::BoxFuture;

type Outcome<T> = Result<T, TransportError>;

pub(crate) trait ErasedInterceptor: ValueMap {
    fn intercept<'a>(
        &'a self,
        cx: &'a ExecutionContext,
        next: BoxFuture<'a, Outcome<()>>,
    ) -> BoxFuture<'a, Outcome<()>>;
}

impl<I: Interceptor> ErasedInterceptor for I {
    fn intercept<'a>(
        &'a self,
        cx: &'a ExecutionContext,
        next: BoxFuture<'a, Outcome<()>>,
    ) -> BoxFuture<'a, Outcome<()>> {
        Box::pin(Interceptor::intercept(self, cx, next))
    }
}

pub(crate) trait ErasedGuard: Send + Sync + 'static {
    fn can_activate<'a>(&'a self, cx: &'a ExecutionContext) -> BoxFuture<'a, Outcome<()>>;
    fn is_for_messages(&self) -> bool;
}

impl<G: CanActivate> ErasedGuard for G {
    fn can_activate<'a>(&'a self, cx: &'a ExecutionContext) -> BoxFuture<'a, Outcome<()>> {
        Box::pin(CanActivate::can_activate(self, cx))
    }

    fn is_for_messages(&self) -> bool {
        CanActivate::is_for_messages(self)
    }
}

pub(crate) trait ErasedPipe: Send + Sync + 'static {
    fn transform<'a>(&'a self, cx: &'a ExecutionContext, payload: Payload) -> BoxFuture<'a, Outcome<Payload>>;
}

impl<P: PipeTransform> ErasedPipe for P {
    fn transform<'a>(&'a self, cx: &'a ExecutionContext, payload: Payload) -> BoxFuture<'a, Outcome<Payload>> {
        Box::pin(PipeTransform::transform(self, cx, payload))
    }
}

/// One stage with the name of its type and where it was declared.
struct Entry<T: ?Sized> {
    stage: Arc<T>,
    name: &'static str,
    level: Level,
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { stage: Arc::clone(&self.stage), ..*self }
    }
}

impl<T: ?Sized> Entry<T> {
    fn new(stage: Arc<T>, name: &'static str, level: Level) -> Self {
        Self { stage, name, level }
    }
}

/// Guards, interceptors, pipes and exception filters around many handlers, from outside in.
///
/// Applications collect their global ones in it (NestJS's `useGlobalGuards` and its siblings); modules and HTTP routes
/// have theirs built by the container. Both the neutral traits and the documented `Micro*` ones are accepted.
///
/// ```
/// use nestrs_core::{CanActivate, Enhancers, ExecutionContext, TransportError, forbidden};
///
/// struct Closed;
/// impl CanActivate for Closed {
///     async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
///         Err(forbidden())
///     }
/// }
///
/// assert!(!Enhancers::default().guard(Closed).is_empty());
/// ```
#[derive(Clone, Default)]
pub struct Enhancers {
    interceptors: Vec<Entry<dyn ErasedInterceptor>>,
    guards: Vec<Entry<dyn ErasedGuard>>,
    pipes: Vec<Entry<dyn ErasedPipe>>,
    filters: Vec<Entry<dyn ErasedFilter>>,
}

impl Enhancers {
    /// Adds a guard after those that are there.
    #[must_use]
    pub fn guard<M>(self, guard: impl IntoGuard<M>) -> Self {
        guard.add_to(self)
    }

    /// Adds an interceptor inside those that are there.
    #[must_use]
    pub fn interceptor<M>(self, interceptor: impl IntoInterceptor<M>) -> Self {
        interceptor.add_to(self)
    }

    /// Adds a pipe after those that are there. HTTP routes run no pipes: their extractors take the place.
    #[must_use]
    pub fn pipe<M>(self, pipe: impl IntoPipe<M>) -> Self {
        pipe.add_to(self)
    }

    /// Adds an exception filter; it is asked before those that are there.
    #[must_use]
    pub fn filter<F: ExceptionFilter>(self, filter: F) -> Self {
        self.with_filter(Arc::new(filter), type_name::<F>(), Level::Global)
    }

    pub(crate) fn with_guard<G: CanActivate>(mut self, guard: Arc<G>, name: &'static str, level: Level) -> Self {
        self.guards.push(Entry::new(guard, name, level));
        self
    }

    pub(crate) fn with_interceptor<I: Interceptor>(
        mut self,
        interceptor: Arc<I>,
        name: &'static str,
        level: Level,
    ) -> Self {
        self.interceptors.push(Entry::new(interceptor, name, level));
        self
    }

    pub(crate) fn with_pipe<P: PipeTransform>(mut self, pipe: Arc<P>, name: &'static str, level: Level) -> Self {
        self.pipes.push(Entry::new(pipe, name, level));
        self
    }

    pub(crate) fn with_filter<F: ExceptionFilter>(mut self, filter: Arc<F>, name: &'static str, level: Level) -> Self {
        self.filters.push(Entry::new(filter, name, level));
        self
    }

    /// True when there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.interceptors.is_empty() && self.guards.is_empty() && self.pipes.is_empty() && self.filters.is_empty()
    }

    /// Those of `inner` inside its own.
    #[must_use]
    pub fn around(mut self, inner: &Self) -> Self {
        self.interceptors.extend(inner.interceptors.iter().cloned());
        self.guards.extend(inner.guards.iter().cloned());
        self.pipes.extend(inner.pipes.iter().cloned());
        self.filters.extend(inner.filters.iter().cloned());
        self
    }

    /// The first guard that decides by the payload alone ([`MicroCanActivate`]), which HTTP routes have not.
    #[must_use]
    pub fn guard_for_messages(&self) -> Option<String> {
        let guard = self.guards.iter().find(|entry| entry.stage.is_for_messages())?;
        Some(short_type_name(guard.name))
    }

    /// What is in it, in the order in which a call meets it.
    #[must_use]
    pub fn chain(&self) -> Vec<ChainEntry> {
        fn entries<T: ?Sized>(kind: StageKind, list: &[Entry<T>]) -> impl Iterator<Item = ChainEntry> {
            list.iter().map(move |entry| ChainEntry::new(kind, entry.level, entry.name))
        }
        let mut chain: Vec<_> = entries(StageKind::Interceptor, &self.interceptors).collect();
        chain.extend(entries(StageKind::Guard, &self.guards));
        chain.extend(entries(StageKind::Pipe, &self.pipes));
        chain.extend(entries(StageKind::Filter, &self.filters));
        chain
    }

    pub(crate) fn filters(&self) -> impl DoubleEndedIterator<Item = Arc<dyn ErasedFilter>> {
        self.filters.iter().map(|entry| Arc::clone(&entry.stage))
    }

    /// Its filters alone, for a route that has no others.
    #[must_use]
    pub fn to_filters(&self) -> Filters {
        Filters::from_outside_in(self.filters())
    }

    pub(crate) async fn check(&self, cx: &ExecutionContext) -> Outcome<()> {
        for guard in &self.guards {
            guard.stage.can_activate(cx).await?;
        }
        Ok(())
    }

    pub(crate) async fn transform(&self, cx: &ExecutionContext, payload: Payload) -> Outcome<Payload> {
        let mut payload = payload;
        for pipe in &self.pipes {
            payload = pipe.stage.transform(cx, payload).await?;
        }
        Ok(payload)
    }

    /// Runs `end` inside the interceptors.
    ///
    /// An interceptor cannot make a value, only pass on the one that `next` gave: that waits in `slot` meanwhile, so
    /// that the interceptors need not know its type.
    /// Whether there is any interceptor.
    pub(crate) fn intercepts(&self) -> bool {
        !self.interceptors.is_empty()
    }

    /// Whether there is any pipe.
    pub(crate) fn transforms(&self) -> bool {
        !self.pipes.is_empty()
    }

    pub(crate) async fn wrap<T: Answer>(
        &self,
        cx: &ExecutionContext,
        end: impl Future<Output = Outcome<T>> + Send,
    ) -> Outcome<T> {
        let slot = Mutex::new(None);
        let put = |answer: T| *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        let take = || slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut next: BoxFuture<'_, Outcome<()>> = Box::pin(async {
            put(end.await?);
            Ok(())
        });
        for entry in self.interceptors.iter().rev() {
            let inner = next;
            next = entry.stage.intercept(
                cx,
                Box::pin(async move {
                    inner.await?;
                    if let Some(answer) = take() {
                        put(answer.map_values(&entry.stage, cx)?);
                    }
                    Ok(())
                }),
            );
        }
        next.await?;
        take().ok_or_else(|| unreachable!("only `next` gives an `Ok`, and it fills the slot"))
    }
}

impl fmt::Debug for Enhancers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.chain()).finish()
    }
}

/// Marks a neutral stage where either kind is accepted.
#[derive(Debug)]
pub struct Neutral;
/// Marks a documented `Micro*` stage where either kind is accepted.
#[derive(Debug)]
pub struct Documented;

macro_rules! either {
    ($($into:ident: $native:ident, $micro:ident, $adapter:ident, $add:ident;)*) => {$(
        #[doc = concat!("A [`", stringify!($native), "`] or a [`", stringify!($micro), "`]; `M` is found by the compiler.")]
        #[diagnostic::on_unimplemented(
            message = "`{Self}` cannot stand here",
            label = "neither a stage of the neutral kind nor of the documented `Micro…` kind that is asked for here"
        )]
        pub trait $into<M> {
            /// Adds it to a collection.
            fn add_to(self, enhancers: Enhancers) -> Enhancers;
        }
        #[diagnostic::do_not_recommend]
        impl<T: $native> $into<Neutral> for T {
            fn add_to(self, enhancers: Enhancers) -> Enhancers {
                enhancers.$add(Arc::new(self), type_name::<T>(), Level::Global)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<T: $micro> $into<Documented> for T {
            fn add_to(self, enhancers: Enhancers) -> Enhancers {
                enhancers.$add(Arc::new($adapter(Arc::new(self))), type_name::<T>(), Level::Global)
            }
        }
    )*};
}

either! {
    IntoGuard: CanActivate, MicroCanActivate, MicroGuard, with_guard;
    IntoInterceptor: Interceptor, MicroIncomingInterceptor, MicroInterceptor, with_interceptor;
    IntoPipe: PipeTransform, MicroPipeTransform, MicroPipe, with_pipe;
}
