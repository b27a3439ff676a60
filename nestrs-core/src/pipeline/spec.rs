//! Stages as they are declared: what each needs, and how it is built when its route is mounted.
//!
//! `#[use_micro_guards(G)]` accepts the neutral traits and the documented `Micro*` ones, and builds `G` by the container
//! or by `Default`. Which of these holds is decided by the type, through [`Stage`]: method lookup prefers the
//! implementation with the most references, so the first that fits wins and a type that fits none gets one error.

use std::any::type_name;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::injectable::{Dependency, Injectable, Key, ResolveError, Resolver};
use crate::pipeline::guard::MicroGuard;
use crate::pipeline::interceptor::MicroInterceptor;
use crate::pipeline::pipe::MicroPipe;
use crate::pipeline::{
    CanActivate, Interceptor, MicroCanActivate, MicroIncomingInterceptor, MicroPipeTransform, PipeTransform,
};

/// What one stage needs at boot.
#[derive(Debug)]
pub struct StageNeed {
    /// The stage's own type: used as it is when a provider of it is visible.
    pub(crate) key: Key,
    pub(crate) name: &'static str,
    /// What to inject otherwise; empty for one built by `Default`.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One declared stage, `T` being its built form.
#[derive(Debug)]
pub struct StageSpec<T> {
    need: fn() -> StageNeed,
    build: fn(&Resolver<'_>) -> Result<Arc<T>, ResolveError>,
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
    StageSpec { need: injected_need::<T>, build: injected::<T> }
}

/// One that `Default` builds.
pub(crate) fn default_spec<T: Default + Send + Sync + 'static>() -> StageSpec<T> {
    StageSpec { need: default_need::<T>, build: defaulted::<T> }
}

/// A list of declared stages: `(first, (second, ()))`.
pub trait Specs {
    /// The same list, built.
    type Built;
    /// Adds what each stage needs.
    fn needs(&self, needs: &mut Vec<StageNeed>);
    /// Builds them in order.
    ///
    /// # Errors
    /// When a stage or something it injects cannot be built.
    fn build(&self, resolver: &Resolver<'_>) -> Result<Self::Built, ResolveError>;
}

impl Specs for () {
    type Built = ();
    fn needs(&self, _: &mut Vec<StageNeed>) {}
    fn build(&self, _: &Resolver<'_>) -> Result<Self::Built, ResolveError> {
        Ok(())
    }
}

impl<T, Rest: Specs> Specs for (StageSpec<T>, Rest) {
    type Built = (Arc<T>, Rest::Built);
    fn needs(&self, needs: &mut Vec<StageNeed>) {
        needs.push((self.0.need)());
        self.1.needs(needs);
    }
    fn build(&self, resolver: &Resolver<'_>) -> Result<Self::Built, ResolveError> {
        Ok(((self.0.build)(resolver)?, self.1.build(resolver)?))
    }
}

/// A type named in a `use_micro_*` attribute.
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
    StageNeed { key: Key::of::<T>(), name: type_name::<T>(), dependencies: T::dependencies() }
}

fn default_need<T: Send + Sync + 'static>() -> StageNeed {
    StageNeed { key: Key::of::<T>(), name: type_name::<T>(), dependencies: Vec::new() }
}

fn injected<T: Injectable>(resolver: &Resolver<'_>) -> Result<Arc<T>, ResolveError> {
    resolver.stage(|resolver| T::construct(&resolver.declaring(&T::dependencies())))
}

fn defaulted<T: Default + Send + Sync + 'static>(resolver: &Resolver<'_>) -> Result<Arc<T>, ResolveError> {
    resolver.stage(|_| Ok(T::default()))
}

/// The ways to obtain one kind of stage, in order of preference.
macro_rules! ways {
    ($method:ident, $native:ident, $micro:ident, $adapter:ident: $injectable:ident, $default:ident, $documented:ident, $other:ident) => {
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
                StageSpec { need: injected_need::<T>, build: injected::<T> }
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
                StageSpec { need: default_need::<T>, build: defaulted::<T> }
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
                StageSpec {
                    need: default_need::<T>,
                    build: |resolver| Ok(Arc::new($adapter(defaulted::<T>(resolver)?))),
                }
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
                StageSpec { need: default_need::<T>, build: defaulted::<T> }
            }
        }
    };
}

ways!(guard, CanActivate, MicroCanActivate, MicroGuard: InjectableGuard, DefaultGuard, DocumentedGuard, NoGuard);
ways!(
    interceptor, Interceptor, MicroIncomingInterceptor, MicroInterceptor:
    InjectableInterceptor, DefaultInterceptor, DocumentedInterceptor, NoInterceptor
);
ways!(pipe, PipeTransform, MicroPipeTransform, MicroPipe: InjectablePipe, DefaultPipe, DocumentedPipe, NoPipe);
