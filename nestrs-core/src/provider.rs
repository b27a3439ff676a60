//! The ways to provide something: by class, value, factory or alias.

use std::any::type_name;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::discovery::ProviderMetadata;
use crate::injectable::{Dependency, Injectable, Key, short_type_name};
use crate::lifecycle::{Hooks, Phase};
use crate::pipeline::chain::{Level, StageKind};
use crate::pipeline::{CanActivate, Enhancers, ExceptionFilter, Interceptor, PipeTransform};
use crate::provider_scope::ProviderScope;
use crate::reply::BoxFuture;
use crate::resolver::{Instance, ResolveError, Resolver};

/// Whatever a factory failed with.
pub type FactoryError = Box<dyn Error + Send + Sync>;

/// Something a module provides: how it is built, and what it is asked for by.
///
/// In `#[module(providers = [..])]` a bare type is [`Provider::class`], `PgRepo as dyn Repo` is
/// [`Provider::class_as`], and any other expression is a `Provider` of your own making.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::Provider;
///
/// struct Config { url: String }
/// struct Pool(String);
///
/// let by_value = Provider::value(Config { url: "db".into() });
/// let by_factory = Provider::factory(|config: Arc<Config>| Pool(config.url.clone()));
/// let by_name = Provider::value(8_u32).named("WORKERS");
/// let by_async_factory = Provider::async_factory(|config: Arc<Config>| async move {
///     Ok::<_, std::io::Error>(Pool(config.url.clone()))
/// });
/// let alias = Provider::alias(|pool: Arc<Pool>| pool as Arc<dyn Send + Sync>);
/// # let _ = (by_value, by_factory, by_name, by_async_factory, alias);
/// ```
#[derive(Clone)]
pub struct Provider {
    pub(crate) key: Key,
    /// The type that is built, for messages.
    pub(crate) label: String,
    pub(crate) kind: ProviderKind,
    pub(crate) scope: ProviderScope,
    /// The hooks that its instances have.
    pub(crate) phases: Vec<Phase>,
    pub(crate) metadata: Vec<ProviderMetadata>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) build: Arc<BuildFn>,
    /// Set on what stands around the handlers of the whole application.
    pub(crate) enhancer: Option<(StageKind, AddEnhancer)>,
}

/// Adds a built provider to the stages of the application.
pub(crate) type AddEnhancer = fn(&Instance, Enhancers) -> Enhancers;

/// How a provider comes to its instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderKind {
    /// [`Provider::class`] and [`Provider::class_as`].
    Class,
    /// [`Provider::value`] and [`Provider::shared`].
    Value,
    /// [`Provider::factory`], [`Provider::try_factory`] and [`Provider::dynamic`].
    Factory,
    /// [`Provider::async_factory`].
    AsyncFactory,
    /// [`Provider::alias`] and [`Provider::existing`].
    Alias,
}

pub(crate) type BuildFn = dyn Fn(&Resolver<'_>) -> Result<Build, ResolveError> + Send + Sync;

/// What building gives: at once, or after a while.
pub(crate) enum Build {
    Ready(Instance),
    /// With hooks, if it has any.
    Hooked(Instance, Hooks),
    Failed(FactoryError),
    Later(BoxFuture<'static, Result<Instance, FactoryError>>),
}

impl Provider {
    pub(crate) fn new<T: ?Sized + Send + Sync + 'static>(
        kind: ProviderKind,
        dependencies: Vec<Dependency>,
        build: impl Fn(&Resolver<'_>) -> Result<Build, ResolveError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            key: Key::of::<T>(),
            label: short_type_name(type_name::<T>()),
            kind,
            scope: ProviderScope::Singleton,
            phases: Vec::new(),
            metadata: Vec::new(),
            dependencies,
            build: Arc::new(build),
            enhancer: None,
        }
    }

    /// One `T`, built by the container.
    #[must_use]
    pub fn class<T: Injectable>() -> Self {
        Self::built::<T, T>(Instance::sized)
    }

    /// One `T`, built by the container and asked for as `Arc<As>`, usually a trait object.
    #[must_use]
    pub fn class_as<T: Injectable, As: ?Sized + Send + Sync + 'static>(cast: fn(Arc<T>) -> Arc<As>) -> Self {
        Self::built::<T, As>(move |value| Instance::new(cast(Arc::clone(&value))).of(value))
    }

    fn built<T: Injectable, As: ?Sized + Send + Sync + 'static>(
        instance: impl Fn(Arc<T>) -> Instance + Send + Sync + 'static,
    ) -> Self {
        let provider = Self::new::<As>(ProviderKind::Class, T::dependencies(), move |resolver| {
            let value = Arc::new(T::construct(resolver)?);
            let hooks = T::hooks().bind(&value);
            Ok(Build::Hooked(instance(value), hooks))
        });
        let label = short_type_name(type_name::<T>());
        Self { label, scope: T::scope(), phases: T::hooks().phases(), metadata: T::metadata(), ..provider }
    }

    /// A value made beforehand.
    #[must_use]
    pub fn value<T: Send + Sync + 'static>(value: T) -> Self {
        let instance = Instance::sized(Arc::new(value));
        Self::new::<T>(ProviderKind::Value, Vec::new(), move |_| Ok(Build::Ready(instance.clone())))
    }

    /// A value made beforehand that others hold too; `T` may be a trait object.
    #[must_use]
    pub fn shared<T: ?Sized + Send + Sync + 'static>(value: Arc<T>) -> Self {
        let instance = Instance::new(value);
        Self::new::<T>(ProviderKind::Value, Vec::new(), move |_| Ok(Build::Ready(instance.clone())))
    }

    /// What a function makes of its injected arguments, each an `Arc<T>` or `Option<Arc<T>>`, up to six.
    #[must_use]
    pub fn factory<Args, F: Factory<Args, Output: Send + Sync + 'static>>(factory: F) -> Self {
        Self::new::<F::Output>(ProviderKind::Factory, F::dependencies(), move |resolver| {
            factory.call(resolver).map(|value| Build::Ready(Instance::sized(Arc::new(value))))
        })
    }

    /// Like [`Provider::factory`], for a function that may fail: its error is one of boot's problems.
    #[must_use]
    pub fn try_factory<Args, F, T, E>(factory: F) -> Self
    where
        F: Factory<Args, Output = Result<T, E>>,
        T: Send + Sync + 'static,
        E: Into<FactoryError>,
    {
        Self::new::<T>(ProviderKind::Factory, F::dependencies(), move |resolver| {
            Ok(match factory.call(resolver)? {
                Ok(value) => Build::Ready(Instance::sized(Arc::new(value))),
                Err(error) => Build::Failed(error.into()),
            })
        })
    }

    /// Like [`Provider::try_factory`], for an async function. Boot awaits it before it builds what depends on it; so it is
    /// always a singleton.
    #[must_use]
    pub fn async_factory<Args, F, Fut, T, E>(factory: F) -> Self
    where
        F: Factory<Args, Output = Fut>,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + Sync + 'static,
        E: Into<FactoryError>,
    {
        Self::new::<T>(ProviderKind::AsyncFactory, F::dependencies(), move |resolver| {
            let future = factory.call(resolver)?;
            Ok(Build::Later(Box::pin(async move {
                future.await.map(|value| Instance::sized(Arc::new(value))).map_err(Into::into)
            })))
        })
    }

    /// Another way to ask for what is already provided: a trait object for a type, or, with [`Provider::named`], a
    /// name for it. It has the scope of what it stands for.
    #[must_use]
    pub fn alias<From, To>(cast: fn(Arc<From>) -> Arc<To>) -> Self
    where
        From: ?Sized + Send + Sync + 'static,
        To: ?Sized + Send + Sync + 'static,
    {
        Self::new::<To>(ProviderKind::Alias, vec![Dependency::required::<From>("the alias")], move |resolver| {
            resolver.required::<From>().map(|value| Build::Ready(Instance::new(cast(value))))
        })
    }

    /// What is provided under `name`, asked for by type alone too.
    #[must_use]
    pub fn existing<T: ?Sized + Send + Sync + 'static>(name: &'static str) -> Self {
        Self::new::<T>(ProviderKind::Alias, vec![Dependency::named::<T>("the alias", name)], move |resolver| {
            resolver.named::<T>(name).map(|value| Build::Ready(Instance::new(value)))
        })
    }

    /// What a function makes of dependencies that its signature does not show: named ones, or a number of them that is
    /// only known at run time.
    ///
    /// ```
    /// use nestrs_core::{Dependency, Provider};
    ///
    /// let total = Provider::dynamic(
    ///     vec![Dependency::named::<u32>("the total", "LEFT"), Dependency::named::<u32>("the total", "RIGHT")],
    ///     |resolver| Ok(*resolver.named::<u32>("LEFT")? + *resolver.named::<u32>("RIGHT")?),
    /// );
    /// # let _ = total;
    /// ```
    #[must_use]
    pub fn dynamic<T: Send + Sync + 'static>(
        dependencies: Vec<Dependency>,
        build: impl Fn(&Resolver<'_>) -> Result<T, ResolveError> + Send + Sync + 'static,
    ) -> Self {
        Self::new::<T>(ProviderKind::Factory, dependencies, move |resolver| {
            build(resolver).map(|value| Build::Ready(Instance::sized(Arc::new(value))))
        })
    }

    /// A guard for the whole application, built by the container and so with access to what its module sees; NestJS's
    /// `APP_GUARD`. It may be listed in any module, and stands outside those that are given to the factory.
    ///
    /// ```
    /// use nestrs_core::{CanActivate, ExecutionContext, Injectable, Provider, ResolveError, Resolver, TransportError};
    ///
    /// struct Everyone;
    /// impl CanActivate for Everyone {
    ///     async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
    ///         Ok(())
    ///     }
    /// }
    /// # impl Injectable for Everyone {
    /// #     fn dependencies() -> Vec<nestrs_core::Dependency> { vec![] }
    /// #     fn construct(_: &Resolver<'_>) -> Result<Self, ResolveError> { Ok(Everyone) }
    /// # }
    /// let provider = Provider::app_guard::<Everyone>();
    /// # let _ = provider;
    /// ```
    #[must_use]
    pub fn app_guard<G: CanActivate + Injectable>() -> Self {
        Self::for_application::<G>("APP_GUARD", StageKind::Guard, |guard, enhancers| match guard.get::<G>() {
            Some(guard) => enhancers.with_guard(guard, type_name::<G>(), Level::Global),
            None => enhancers,
        })
    }

    /// An interceptor for the whole application; see [`Provider::app_guard`].
    #[must_use]
    pub fn app_interceptor<I: Interceptor + Injectable>() -> Self {
        Self::for_application::<I>(
            "APP_INTERCEPTOR",
            StageKind::Interceptor,
            |interceptor, enhancers| match interceptor.get::<I>() {
                Some(interceptor) => enhancers.with_interceptor(interceptor, type_name::<I>(), Level::Global),
                None => enhancers,
            },
        )
    }

    /// A pipe for the messages and events of the whole application; see [`Provider::app_guard`].
    #[must_use]
    pub fn app_pipe<P: PipeTransform + Injectable>() -> Self {
        Self::for_application::<P>("APP_PIPE", StageKind::Pipe, |pipe, enhancers| match pipe.get::<P>() {
            Some(pipe) => enhancers.with_pipe(pipe, type_name::<P>(), Level::Global),
            None => enhancers,
        })
    }

    /// An exception filter for the whole application; see [`Provider::app_guard`].
    #[must_use]
    pub fn app_filter<F: ExceptionFilter + Injectable>() -> Self {
        Self::for_application::<F>("APP_FILTER", StageKind::Filter, |filter, enhancers| match filter.get::<F>() {
            Some(filter) => enhancers.with_filter(filter, type_name::<F>(), Level::Global),
            None => enhancers,
        })
    }

    /// Under a name, so that it is no provider of its type for others.
    fn for_application<T: Injectable>(name: &'static str, kind: StageKind, add: AddEnhancer) -> Self {
        let mut provider = Self::class::<T>().named(name);
        provider.enhancer = Some((kind, add));
        provider
    }

    /// Neither needs nor builds anything any more.
    pub(crate) fn build_nothing(&mut self) {
        self.dependencies.clear();
        self.build = Arc::new(|_| Ok(Build::Ready(Instance::new(Arc::new(())))));
    }

    /// Another provider in the place of this one, asked for as this one is.
    pub(crate) fn replaced_by(&self, other: &Self) -> Self {
        Self { key: self.key.clone(), enhancer: self.enhancer, ..other.clone() }
    }

    /// Makes it one that is asked for by name: `#[inject("NAME")]`.
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.key = self.key.with_name(name.into());
        self
    }

    /// Says how many instances there are, in place of what the class says.
    ///
    /// For classes and factories; of a value, an alias or an async factory, boot refuses any scope but the singleton's.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs_core::{ExecutionContext, Provider, ProviderScope};
    ///
    /// struct Tenant(String);
    ///
    /// let tenant = Provider::factory(|cx: Arc<ExecutionContext>| {
    ///     Tenant(cx.metadata().get("x-tenant").unwrap_or("none").to_owned())
    /// })
    /// .scope(ProviderScope::Request);
    /// # let _ = tenant;
    /// ```
    #[must_use]
    pub fn scope(mut self, scope: ProviderScope) -> Self {
        self.scope = scope;
        self
    }

    /// Adds a value for others to find it by, beside those that a class has
    /// ([`DiscoveryService`](crate::DiscoveryService)).
    #[must_use]
    pub fn with_metadata<M: Send + Sync + 'static>(mut self, value: M) -> Self {
        self.metadata.push(ProviderMetadata::new(value));
        self
    }

    /// How messages call it.
    pub(crate) fn title(&self) -> String {
        match self.key.name() {
            None => format!("`{}`", self.label),
            Some(name) => format!("`{}` named `{name}`", self.label),
        }
    }

    /// What it is asked for by.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("key", &self.key).field("dependencies", &self.dependencies).finish()
    }
}

/// A function whose arguments the container can supply. Implemented for functions of up to six arguments.
#[diagnostic::on_unimplemented(
    message = "the arguments of this factory cannot be injected",
    note = "a factory takes up to six arguments, each an `Arc<T>` or an `Option<Arc<T>>`"
)]
pub trait Factory<Args>: Send + Sync + 'static {
    /// What it makes.
    type Output;
    /// What its arguments are.
    fn dependencies() -> Vec<Dependency>;
    /// Calls it.
    ///
    /// # Errors
    /// When an argument is not there.
    fn call(&self, resolver: &Resolver<'_>) -> Result<Self::Output, ResolveError>;
}

/// An argument of a factory.
pub trait Injected: Sized {
    /// What it asks for.
    fn dependency() -> Dependency;
    /// Takes it.
    ///
    /// # Errors
    /// When it is not there.
    fn take(resolver: &Resolver<'_>) -> Result<Self, ResolveError>;
}

impl<T: ?Sized + Send + Sync + 'static> Injected for Arc<T> {
    fn dependency() -> Dependency {
        Dependency::required::<T>("the factory")
    }
    fn take(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        resolver.required()
    }
}

impl<T: ?Sized + Send + Sync + 'static> Injected for Option<Arc<T>> {
    fn dependency() -> Dependency {
        Dependency::required::<T>("the factory").optional()
    }
    fn take(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(resolver.optional())
    }
}

macro_rules! factories {
    ($(($($arg:ident),*))*) => {$(
        impl<Func, Out, $($arg: Injected),*> Factory<($($arg,)*)> for Func
        where
            Func: Fn($($arg),*) -> Out + Send + Sync + 'static,
        {
            type Output = Out;
            fn dependencies() -> Vec<Dependency> {
                vec![$($arg::dependency()),*]
            }
            fn call(&self, _resolver: &Resolver<'_>) -> Result<Out, ResolveError> {
                Ok(self($($arg::take(_resolver)?),*))
            }
        }
    )*};
}

factories!(()(A)(A, B)(A, B, C)(A, B, C, D)(A, B, C, D, E)(A, B, C, D, E, F));
