//! Stages as they are declared: what each needs, and how it is built when its route is mounted.
//!
//! `#[use_micro_guards(G)]` accepts the neutral traits and the documented `Micro*` ones, and builds `G` by the container
//! or by `Default`. Which of these holds is decided by the type, through [`Stage`]: method lookup prefers the
//! implementation with the most references, so the first that fits wins and a type that fits none gets one error.

use std::any::type_name;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::injectable::{Dependency, Injectable, Key};
use crate::module::ModuleDef;
use crate::pipeline::chain::{ChainEntry, Level, StageKind};
use crate::pipeline::filter::ErasedFilter;
use crate::pipeline::guard::MicroGuard;
use crate::pipeline::interceptor::MicroInterceptor;
use crate::pipeline::pipe::MicroPipe;
use crate::pipeline::{
    CanActivate, Enhancers, ExceptionFilter, Interceptor, MicroCanActivate, MicroIncomingInterceptor,
    MicroPipeTransform, PipeTransform,
};
use crate::provider_scope::ProviderScope;
use crate::resolver::{ResolveError, Resolver};

/// What one stage needs at boot.
#[derive(Debug)]
pub struct StageNeed {
    /// The stage's own type: used as it is when a provider of it is visible.
    pub(crate) key: Key,
    pub(crate) name: &'static str,
    /// `None` for the pipe of an argument.
    pub(crate) kind: Option<StageKind>,
    pub(crate) scope: ProviderScope,
    /// What to inject otherwise; empty for one built by `Default`.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One declared stage, `T` being its built form.
#[derive(Debug)]
pub struct StageSpec<T> {
    need: fn() -> StageNeed,
    build: fn(&Resolver<'_>) -> Result<Arc<T>, ResolveError>,
    /// Adds it, built, to stages whose types are forgotten.
    erase: Erase<T>,
    kind: StageKind,
    level: Level,
}

type Erase<T> = fn(Enhancers, Arc<T>, &'static str, Level) -> Enhancers;

impl<T> Clone for StageSpec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for StageSpec<T> {}

impl<T> StageSpec<T> {
    const fn new(
        kind: StageKind,
        need: fn() -> StageNeed,
        build: fn(&Resolver<'_>) -> Result<Arc<T>, ResolveError>,
        erase: Erase<T>,
    ) -> Self {
        Self { need, build, erase, kind, level: Level::Method }
    }

    /// Builds it, or what it is replaced by, into stages whose types are forgotten.
    fn build_erased(&self, resolver: &Resolver<'_>, enhancers: Enhancers) -> Result<Enhancers, ResolveError> {
        let need = (self.need)();
        Ok(match resolver.replacement(self.kind, need.key.type_id()) {
            Some(replace) => replace(enhancers, self.level),
            None => (self.erase)(enhancers, (self.build)(resolver)?, need.name, self.level),
        })
    }

    /// Says that it was declared on the impl block, for all of its handlers.
    #[must_use]
    pub const fn of_block(mut self) -> Self {
        self.level = Level::Block;
        self
    }

    const fn of_module(mut self) -> Self {
        self.level = Level::Module;
        self
    }
}

impl<T> StageSpec<T> {
    pub(crate) fn need(&self) -> StageNeed {
        (self.need)()
    }

    pub(crate) fn built(&self, resolver: &Resolver<'_>) -> Result<Arc<T>, ResolveError> {
        (self.build)(resolver)
    }
}

/// One that the container builds.
pub(crate) fn injectable_spec<T: Injectable>() -> StageSpec<T> {
    StageSpec::new(StageKind::Pipe, injected_need::<T>, injected::<T>, around_nothing)
}

/// One that `Default` builds.
pub(crate) fn default_spec<T: Default + Send + Sync + 'static>() -> StageSpec<T> {
    StageSpec::new(StageKind::Pipe, default_need::<T>, defaulted::<T>, around_nothing)
}

/// The pipes of an argument are built and called by their own types; they are no stages of a route.
fn around_nothing<T>(enhancers: Enhancers, _: Arc<T>, _: &'static str, _: Level) -> Enhancers {
    enhancers
}

/// A list of declared stages: `(first, (second, ()))`.
pub trait Specs {
    /// The same list, built.
    type Built;
    /// Adds what each stage needs and what it is, all being of one kind.
    fn declare(&self, kind: StageKind, needs: &mut Vec<StageNeed>, chain: &mut Vec<ChainEntry>);
    /// True when one of them is replaced in this application.
    fn is_replaced(&self, resolver: &Resolver<'_>) -> bool;
    /// Builds them, or what they are replaced by, and forgets their types.
    ///
    /// # Errors
    /// When a stage or something it injects cannot be built.
    fn build_erased(&self, resolver: &Resolver<'_>, enhancers: Enhancers) -> Result<Enhancers, ResolveError>;
    /// Builds them in order.
    ///
    /// # Errors
    /// When a stage or something it injects cannot be built.
    fn build(&self, resolver: &Resolver<'_>) -> Result<Self::Built, ResolveError>;
}

impl Specs for () {
    type Built = ();
    fn declare(&self, _: StageKind, _: &mut Vec<StageNeed>, _: &mut Vec<ChainEntry>) {}
    fn is_replaced(&self, _: &Resolver<'_>) -> bool {
        false
    }
    fn build_erased(&self, _: &Resolver<'_>, enhancers: Enhancers) -> Result<Enhancers, ResolveError> {
        Ok(enhancers)
    }
    fn build(&self, _: &Resolver<'_>) -> Result<Self::Built, ResolveError> {
        Ok(())
    }
}

impl<T, Rest: Specs> Specs for (StageSpec<T>, Rest) {
    type Built = (Arc<T>, Rest::Built);
    fn declare(&self, kind: StageKind, needs: &mut Vec<StageNeed>, chain: &mut Vec<ChainEntry>) {
        let mut need = (self.0.need)();
        need.kind = Some(kind);
        chain.push(ChainEntry::new(kind, self.0.level, need.name));
        needs.push(need);
        self.1.declare(kind, needs, chain);
    }
    fn is_replaced(&self, resolver: &Resolver<'_>) -> bool {
        let stage = (self.0.need)().key.type_id();
        resolver.replacement(self.0.kind, stage).is_some() || self.1.is_replaced(resolver)
    }
    fn build_erased(&self, resolver: &Resolver<'_>, enhancers: Enhancers) -> Result<Enhancers, ResolveError> {
        self.1.build_erased(resolver, self.0.build_erased(resolver, enhancers)?)
    }
    fn build(&self, resolver: &Resolver<'_>) -> Result<Self::Built, ResolveError> {
        Ok(((self.0.build)(resolver)?, self.1.build(resolver)?))
    }
}

/// Built filters: `(first, (second, ()))`.
pub trait FilterList {
    /// Adds them, from outside in.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only ever called by `mount`")]
    fn add_to(self, filters: &mut Vec<Arc<dyn ErasedFilter>>);
}

impl FilterList for () {
    #[expect(private_interfaces, reason = "only ever called by `mount`")]
    fn add_to(self, _: &mut Vec<Arc<dyn ErasedFilter>>) {}
}

impl<F: ExceptionFilter, Rest: FilterList> FilterList for (Arc<F>, Rest) {
    #[expect(private_interfaces, reason = "only ever called by `mount`")]
    fn add_to(self, filters: &mut Vec<Arc<dyn ErasedFilter>>) {
        filters.push(self.0);
        self.1.add_to(filters);
    }
}

/// Declared stages whose types are forgotten: those of a module or of an HTTP route, from outside in.
#[derive(Clone, Default)]
pub struct EnhancerSpecs(Vec<DeclaredEnhancer>);

#[derive(Clone)]
struct DeclaredEnhancer {
    kind: StageKind,
    need: fn() -> StageNeed,
    add: Arc<AddBuilt>,
}

type AddBuilt = dyn Fn(&Resolver<'_>, Enhancers) -> Result<Enhancers, ResolveError> + Send + Sync;

macro_rules! declare {
    ($($kind:ident $native:ident $about:literal;)*) => {$(
        #[doc = concat!("Adds ", $about, " inside those that are there.")]
        #[must_use]
        pub fn $kind<T: $native>(self, spec: StageSpec<T>) -> Self {
            self.declare(spec.kind, spec.need, move |resolver, enhancers| spec.build_erased(resolver, enhancers))
        }
    )*};
}

impl EnhancerSpecs {
    declare! {
        interceptor Interceptor "an interceptor";
        guard CanActivate "a guard";
        pipe PipeTransform "a pipe";
        filter ExceptionFilter "an exception filter";
    }

    fn declare(
        mut self,
        kind: StageKind,
        need: fn() -> StageNeed,
        add: impl Fn(&Resolver<'_>, Enhancers) -> Result<Enhancers, ResolveError> + Send + Sync + 'static,
    ) -> Self {
        self.0.push(DeclaredEnhancer { kind, need, add: Arc::new(add) });
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn needs(&self) -> impl Iterator<Item = StageNeed> {
        self.0.iter().map(|declared| StageNeed { kind: Some(declared.kind), ..(declared.need)() })
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = StageKind> {
        self.0.iter().map(|declared| declared.kind)
    }

    pub(crate) fn build(&self, resolver: &Resolver<'_>) -> Result<Enhancers, ResolveError> {
        self.0.iter().try_fold(Enhancers::default(), |enhancers, declared| (declared.add)(resolver, enhancers))
    }
}

impl std::fmt::Debug for EnhancerSpecs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.needs().map(|need| need.name)).finish()
    }
}

macro_rules! for_modules {
    ($($kind:ident $native:ident $about:literal;)*) => {$(
        impl ModuleDef {
            #[doc = concat!("Puts ", $about, " around every handler whose service this module provides.")]
            #[must_use]
            pub fn $kind<T: $native>(mut self, spec: StageSpec<T>) -> Self {
                self.enhancers = self.enhancers.$kind(spec.of_module());
                self
            }
        }
    )*};
}

for_modules! {
    interceptor Interceptor "an interceptor";
    guard CanActivate "a guard";
    pipe PipeTransform "a pipe";
    filter ExceptionFilter "an exception filter";
}

/// A type named in a `use_*` attribute.
#[derive(Debug)]
pub struct Stage<T>(PhantomData<T>);

impl<T> Stage<T> {
    /// Stands for `T`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only ever written by macros")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

fn injected_need<T: Injectable>() -> StageNeed {
    StageNeed {
        key: Key::of::<T>(),
        name: type_name::<T>(),
        kind: None,
        scope: T::scope(),
        dependencies: T::dependencies(),
    }
}

fn default_need<T: Send + Sync + 'static>() -> StageNeed {
    StageNeed {
        key: Key::of::<T>(),
        name: type_name::<T>(),
        kind: None,
        scope: ProviderScope::Singleton,
        dependencies: Vec::new(),
    }
}

fn injected<T: Injectable>(resolver: &Resolver<'_>) -> Result<Arc<T>, ResolveError> {
    resolver.stage(|resolver| T::construct(&resolver.declaring(&T::dependencies())?))
}

fn defaulted<T: Default + Send + Sync + 'static>(resolver: &Resolver<'_>) -> Result<Arc<T>, ResolveError> {
    resolver.stage(|_| Ok(T::default()))
}

/// The ways to obtain one kind of stage, in order of preference.
macro_rules! ways {
    ($method:ident, $kind:ident, $native:ident, $micro:ident, $adapter:ident, $add:ident: $injectable:ident, $default:ident, $documented:ident, $other:ident) => {
        #[doc = concat!("A [`", stringify!($native), "`] built by the container.")]
        pub trait $injectable {
            /// The built stage.
            type Built;
            /// Declares the stage.
            fn $method(&self) -> StageSpec<Self::Built>;
        }
        impl<T: $native + Injectable> $injectable for &&&Stage<T> {
            type Built = T;
            fn $method(&self) -> StageSpec<T> {
                StageSpec::new(StageKind::$kind, injected_need::<T>, injected::<T>, Enhancers::$add)
            }
        }

        #[doc = concat!("A [`", stringify!($native), "`] built by `Default`.")]
        pub trait $default {
            /// The built stage.
            type Built;
            /// Declares the stage.
            fn $method(&self) -> StageSpec<Self::Built>;
        }
        impl<T: $native + Default> $default for &&Stage<T> {
            type Built = T;
            fn $method(&self) -> StageSpec<T> {
                StageSpec::new(StageKind::$kind, default_need::<T>, defaulted::<T>, Enhancers::$add)
            }
        }

        #[doc = concat!("A [`", stringify!($micro), "`].")]
        pub trait $documented {
            /// The built stage.
            type Built;
            /// Declares the stage.
            fn $method(&self) -> StageSpec<Self::Built>;
        }
        impl<T: $micro> $documented for &Stage<T> {
            type Built = $adapter<T>;
            fn $method(&self) -> StageSpec<$adapter<T>> {
                StageSpec::new(
                    StageKind::$kind,
                    default_need::<T>,
                    |resolver| Ok(Arc::new($adapter(defaulted::<T>(resolver)?))),
                    Enhancers::$add,
                )
            }
        }

        /// Anything else: an error that names what is missing.
        pub trait $other<T> {
            /// Declares the stage, if it is one.
            fn $method(&self) -> StageSpec<T>
            where
                T: $native + Default;
        }
        impl<T> $other<T> for Stage<T> {
            fn $method(&self) -> StageSpec<T>
            where
                T: $native + Default,
            {
                StageSpec::new(StageKind::$kind, default_need::<T>, defaulted::<T>, Enhancers::$add)
            }
        }
    };
}

ways!(
    guard, Guard, CanActivate, MicroCanActivate, MicroGuard, with_guard: InjectableGuard, DefaultGuard, DocumentedGuard, NoGuard
);
ways!(
    interceptor, Interceptor, Interceptor, MicroIncomingInterceptor, MicroInterceptor, with_interceptor:
    InjectableInterceptor, DefaultInterceptor, DocumentedInterceptor, NoInterceptor
);
ways!(
    pipe, Pipe, PipeTransform, MicroPipeTransform, MicroPipe, with_pipe: InjectablePipe, DefaultPipe, DocumentedPipe, NoPipe
);

/// An [`ExceptionFilter`] built by the container.
pub trait InjectableFilter {
    /// The built filter.
    type Built;
    /// Declares the filter.
    fn filter(&self) -> StageSpec<Self::Built>;
}
impl<T: ExceptionFilter + Injectable> InjectableFilter for &&Stage<T> {
    type Built = T;
    fn filter(&self) -> StageSpec<T> {
        StageSpec::new(StageKind::Filter, injected_need::<T>, injected::<T>, Enhancers::with_filter)
    }
}

/// An [`ExceptionFilter`] built by `Default`.
pub trait DefaultFilter {
    /// The built filter.
    type Built;
    /// Declares the filter.
    fn filter(&self) -> StageSpec<Self::Built>;
}
impl<T: ExceptionFilter + Default> DefaultFilter for &Stage<T> {
    type Built = T;
    fn filter(&self) -> StageSpec<T> {
        StageSpec::new(StageKind::Filter, default_need::<T>, defaulted::<T>, Enhancers::with_filter)
    }
}

/// Anything else: an error that names what is missing.
pub trait NoFilter<T> {
    /// Declares the filter, if it is one.
    fn filter(&self) -> StageSpec<T>
    where
        T: ExceptionFilter + Default;
}
impl<T> NoFilter<T> for Stage<T> {
    fn filter(&self) -> StageSpec<T>
    where
        T: ExceptionFilter + Default,
    {
        StageSpec::new(StageKind::Filter, default_need::<T>, defaulted::<T>, Enhancers::with_filter)
    }
}
