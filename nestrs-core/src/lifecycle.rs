//! Hooks that a provider may have at the beginning and at the end of an application (NestJS's life cycle).

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::reply::BoxFuture;

/// What a hook comes to. Any error will do: it is told to operators, never to callers.
pub type HookResult = Result<(), Box<dyn Error + Send + Sync>>;

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// [`OnModuleInit`].
    ModuleInit,
    /// [`OnApplicationBootstrap`].
    ApplicationBootstrap,
    /// [`OnModuleDestroy`].
    ModuleDestroy,
    /// [`BeforeApplicationShutdown`].
    BeforeApplicationShutdown,
    /// [`OnApplicationShutdown`].
    ApplicationShutdown,
}

impl Phase {
    /// Whether it belongs to the end: its hooks run in the reverse order, dependants before what they depend on.
    #[must_use]
    pub fn is_ending(self) -> bool {
        !matches!(self, Self::ModuleInit | Self::ApplicationBootstrap)
    }
}

/// As the hook's method is called.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ModuleInit => "on_module_init",
            Self::ApplicationBootstrap => "on_application_bootstrap",
            Self::ModuleDestroy => "on_module_destroy",
            Self::BeforeApplicationShutdown => "before_application_shutdown",
            Self::ApplicationShutdown => "on_application_shutdown",
        })
    }
}

/// Runs before anything listens, once every provider is built, and after what this one depends on.
///
/// An error ends the start of the application; it names the provider.
///
/// Found on `#[injectable]` structs without type parameters, wherever they are provided by class.
///
/// ```
/// use nestrs_core::{HookResult, OnModuleInit};
///
/// struct Cache;
///
/// impl OnModuleInit for Cache {
///     async fn on_module_init(&self) -> HookResult {
///         // Warm up.
///         Ok(())
///     }
/// }
/// ```
pub trait OnModuleInit: Send + Sync + 'static {
    /// Prepares the provider.
    fn on_module_init(&self) -> impl Future<Output = HookResult> + Send;
}

/// Runs before anything listens, after every [`OnModuleInit`].
///
/// An error ends the start of the application; it names the provider.
///
/// ```
/// use nestrs_core::{HookResult, OnApplicationBootstrap};
///
/// struct Schedule(Vec<&'static str>);
///
/// impl OnApplicationBootstrap for Schedule {
///     async fn on_application_bootstrap(&self) -> HookResult {
///         if self.0.is_empty() { Err("nothing is scheduled".into()) } else { Ok(()) }
///     }
/// }
/// ```
pub trait OnApplicationBootstrap: Send + Sync + 'static {
    /// Starts what needs the whole application.
    fn on_application_bootstrap(&self) -> impl Future<Output = HookResult> + Send;
}

/// Runs once calls under way have ended, before what this provider depends on is destroyed.
///
/// An error is logged, and the other hooks run.
///
/// ```
/// use nestrs_core::{HookResult, OnModuleDestroy};
///
/// struct Session {
///     file: std::path::PathBuf,
/// }
///
/// impl OnModuleDestroy for Session {
///     async fn on_module_destroy(&self) -> HookResult {
///         Ok(std::fs::remove_file(&self.file)?)
///     }
/// }
/// ```
pub trait OnModuleDestroy: Send + Sync + 'static {
    /// Lets go of what the provider holds.
    fn on_module_destroy(&self) -> impl Future<Output = HookResult> + Send;
}

/// Runs after every [`OnModuleDestroy`]. `signal` is the number of the signal that ended the application, if one did.
///
/// An error is logged, and the other hooks run.
///
/// ```
/// use nestrs_core::{BeforeApplicationShutdown, HookResult};
///
/// struct Registration;
///
/// impl BeforeApplicationShutdown for Registration {
///     async fn before_application_shutdown(&self, signal: Option<i32>) -> HookResult {
///         tracing::info!(signal, "signing off");
///         Ok(())
///     }
/// }
/// ```
pub trait BeforeApplicationShutdown: Send + Sync + 'static {
    /// Does what must be done before the end.
    fn before_application_shutdown(&self, signal: Option<i32>) -> impl Future<Output = HookResult> + Send;
}

/// Runs last. `signal` is the number of the signal that ended the application, if one did.
///
/// An error is logged, and the other hooks run.
///
/// ```
/// use nestrs_core::{HookResult, OnApplicationShutdown};
///
/// struct Connection;
///
/// impl OnApplicationShutdown for Connection {
///     async fn on_application_shutdown(&self, signal: Option<i32>) -> HookResult {
///         match signal {
///             Some(number) => tracing::info!(number, "ended by a signal"),
///             None => tracing::info!("closed"),
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait OnApplicationShutdown: Send + Sync + 'static {
    /// Says good-bye.
    fn on_application_shutdown(&self, signal: Option<i32>) -> impl Future<Output = HookResult> + Send;
}

/// One hook of one provider, ready to be run.
pub type Hook = Arc<dyn Fn(Option<i32>) -> BoxFuture<'static, HookResult> + Send + Sync>;

/// A hook of a type.
pub type HookOf<T> = fn(Arc<T>, Option<i32>) -> BoxFuture<'static, HookResult>;

/// The hooks that a type has.
#[derive(Debug)]
pub struct HookList<T>(Vec<(Phase, HookOf<T>)>);

impl<T> HookList<T> {
    /// Those that are there.
    #[must_use]
    pub fn of(found: [(Phase, Option<HookOf<T>>); 5]) -> Self {
        Self(found.into_iter().filter_map(|(phase, hook)| Some((phase, hook?))).collect())
    }

    pub(crate) fn phases(&self) -> Vec<Phase> {
        self.0.iter().map(|(phase, _)| *phase).collect()
    }
}

impl<T: Send + Sync + 'static> HookList<T> {
    /// The hooks of one instance.
    pub(crate) fn bind(self, this: &Arc<T>) -> Hooks {
        let bind = |(phase, hook): (Phase, HookOf<T>)| {
            let this = Arc::clone(this);
            (phase, Arc::new(move |signal| hook(Arc::clone(&this), signal)) as Hook)
        };
        Hooks(self.0.into_iter().map(bind).collect())
    }
}

impl<T> Default for HookList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The hooks of one provider.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<(Phase, Hook)>);

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(phase, _)| phase)).finish()
    }
}

/// The hooks of every provider of an application, in the order in which they were built.
#[derive(Debug, Default)]
pub struct Lifecycle(Vec<(String, Hooks)>);

impl Lifecycle {
    pub(crate) fn add(&mut self, provider: String, hooks: Hooks) {
        if !hooks.0.is_empty() {
            self.0.push((provider, hooks));
        }
    }

    /// The hooks of one phase, each with its provider, in the order in which they are to run.
    #[must_use]
    pub fn hooks(&self, phase: Phase) -> Vec<(&str, &Hook)> {
        let all = self.0.iter().flat_map(|(provider, hooks)| hooks.0.iter().map(move |hook| (provider.as_str(), hook)));
        let mut hooks: Vec<_> =
            all.filter(|(_, (of, _))| *of == phase).map(|(provider, (_, hook))| (provider, hook)).collect();
        if phase.is_ending() {
            hooks.reverse();
        }
        hooks
    }
}

/// A type whose hooks a macro looks for. Method lookup prefers the trait that stands on more references, which is there
/// only if the type has the hook.
#[derive(Debug)]
pub struct HooksOf<T>(PhantomData<T>);

impl<T> HooksOf<T> {
    /// Stands for `T`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only ever written by macros")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

macro_rules! lookups {
    ($($method:ident: $hook:ident as $has:ident or $no:ident, |$this:ident, $signal:ident| $call:expr;)*) => {$(
        #[doc = concat!("The type has [`", stringify!($hook), "`].")]
        pub trait $has<T> {
            /// The hook.
            fn $method(&self) -> Option<HookOf<T>>;
        }
        impl<T: $hook> $has<T> for &HooksOf<T> {
            fn $method(&self) -> Option<HookOf<T>> {
                Some(|$this, $signal| Box::pin(async move { $call.await }))
            }
        }

        #[doc = concat!("The type has no [`", stringify!($hook), "`].")]
        pub trait $no<T> {
            /// None.
            fn $method(&self) -> Option<HookOf<T>> {
                None
            }
        }
        impl<T> $no<T> for HooksOf<T> {}
    )*};
}

lookups! {
    module_init: OnModuleInit as HasModuleInit or NoModuleInit, |this, _signal| this.on_module_init();
    application_bootstrap: OnApplicationBootstrap as HasApplicationBootstrap or NoApplicationBootstrap,
        |this, _signal| this.on_application_bootstrap();
    module_destroy: OnModuleDestroy as HasModuleDestroy or NoModuleDestroy, |this, _signal| this.on_module_destroy();
    before_shutdown: BeforeApplicationShutdown as HasBeforeShutdown or NoBeforeShutdown,
        |this, signal| this.before_application_shutdown(signal);
    application_shutdown: OnApplicationShutdown as HasApplicationShutdown or NoApplicationShutdown,
        |this, signal| this.on_application_shutdown(signal);
}
