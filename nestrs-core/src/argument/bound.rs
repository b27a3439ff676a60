//! What the arguments of a handler need from the container: providers, and pipes with dependencies of their own.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::injectable::{Dependency, Key};
use crate::per_call::ServiceSource;
use crate::pipeline::spec::{StageNeed, StageSpec};
use crate::resolver::{ResolveError, Resolver};

/// A service with what its handler's arguments need.
#[derive(Debug)]
pub struct Bound<S, A> {
    /// The service.
    pub service: Arc<S>,
    /// `(first, (second, ()))`
    pub arguments: Arc<A>,
}

/// A provider as an argument, declared.
pub struct Inject<V> {
    dependency: fn() -> Dependency,
    resolve: fn(&Resolver<'_>) -> Result<V, ResolveError>,
}

impl<V> Inject<V> {
    /// What it needs, and how it is got.
    #[must_use]
    pub const fn new(dependency: fn() -> Dependency, resolve: fn(&Resolver<'_>) -> Result<V, ResolveError>) -> Self {
        Self { dependency, resolve }
    }
}

impl<V> fmt::Debug for Inject<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inject").field(&(self.dependency)()).finish()
    }
}

/// What boot checks for the arguments of one handler.
#[derive(Debug, Default)]
pub struct ArgumentNeeds {
    pub(crate) providers: Vec<Dependency>,
    pub(crate) pipes: Vec<StageNeed>,
}

/// One thing that an argument needs.
pub trait ArgumentSpec {
    /// What the handler finds at each call.
    type Built;
    /// Adds what it needs.
    fn needs(&self, needs: &mut ArgumentNeeds);
    /// Gets it.
    ///
    /// # Errors
    /// When it cannot be built.
    fn build(&self, resolver: &Resolver<'_>) -> Result<Self::Built, ResolveError>;
}

impl<V> ArgumentSpec for Inject<V> {
    type Built = V;
    fn needs(&self, needs: &mut ArgumentNeeds) {
        needs.providers.push((self.dependency)());
    }
    fn build(&self, resolver: &Resolver<'_>) -> Result<V, ResolveError> {
        (self.resolve)(resolver)
    }
}

impl<P> ArgumentSpec for StageSpec<P> {
    type Built = Arc<P>;
    fn needs(&self, needs: &mut ArgumentNeeds) {
        needs.pipes.push(self.need());
    }
    fn build(&self, resolver: &Resolver<'_>) -> Result<Arc<P>, ResolveError> {
        self.built(resolver)
    }
}

/// A list of them: `(first, (second, ()))`.
pub trait ArgumentSpecs {
    /// The same list, built.
    type Built: Send + Sync + 'static;
    /// Adds what each needs.
    fn needs(&self, needs: &mut ArgumentNeeds);
    /// Gets them in order.
    ///
    /// # Errors
    /// When one cannot be built.
    fn build(&self, resolver: &Resolver<'_>) -> Result<Self::Built, ResolveError>;
}

impl ArgumentSpecs for () {
    type Built = ();
    fn needs(&self, _: &mut ArgumentNeeds) {}
    fn build(&self, _: &Resolver<'_>) -> Result<(), ResolveError> {
        Ok(())
    }
}

impl<A: ArgumentSpec<Built: Send + Sync + 'static>, Rest: ArgumentSpecs> ArgumentSpecs for (A, Rest) {
    type Built = (A::Built, Rest::Built);
    fn needs(&self, needs: &mut ArgumentNeeds) {
        self.0.needs(needs);
        self.1.needs(needs);
    }
    fn build(&self, resolver: &Resolver<'_>) -> Result<Self::Built, ResolveError> {
        Ok((self.0.build(resolver)?, self.1.build(resolver)?))
    }
}

/// What a thunk is called on: a service alone, or one with what its arguments need.
pub(crate) trait Target {
    type Bound: Send + Sync + 'static;
    fn service(&self) -> Key;
    fn needs(&self, needs: &mut ArgumentNeeds);
    fn bind(&self, resolver: &Resolver<'_>) -> Result<ServiceSource<Self::Bound>, ResolveError>;
}

/// A service whose arguments need nothing.
pub(crate) struct Alone<S>(pub(crate) PhantomData<S>);

impl<S: Send + Sync + 'static> Target for Alone<S> {
    type Bound = S;
    fn service(&self) -> Key {
        Key::of::<S>()
    }
    fn needs(&self, _: &mut ArgumentNeeds) {}
    fn bind(&self, resolver: &Resolver<'_>) -> Result<ServiceSource<S>, ResolveError> {
        ServiceSource::find(resolver)
    }
}

/// A service, and what its arguments need.
pub(crate) struct With<S, A>(pub(crate) PhantomData<S>, pub(crate) A);

impl<S: Send + Sync + 'static, A: ArgumentSpecs> Target for With<S, A> {
    type Bound = Bound<S, A::Built>;
    fn service(&self) -> Key {
        Key::of::<S>()
    }
    fn needs(&self, needs: &mut ArgumentNeeds) {
        self.1.needs(needs);
    }
    fn bind(&self, resolver: &Resolver<'_>) -> Result<ServiceSource<Self::Bound>, ResolveError> {
        let arguments = Arc::new(self.1.build(resolver)?);
        Ok(match ServiceSource::<S>::find(resolver)? {
            ServiceSource::Shared(service) => ServiceSource::Shared(Arc::new(Bound { service, arguments })),
            ServiceSource::PerCall(source) => ServiceSource::PerCall(Box::new(move |cx| {
                Ok(Arc::new(Bound { service: source(cx)?, arguments: Arc::clone(&arguments) }))
            })),
        })
    }
}
