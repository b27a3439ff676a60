//! Modules that are made from options (NestJS's `ConfigurableModuleBuilder`).

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::injectable::Injectable;
use crate::module::{DynamicModule, Module, ModuleDef};
use crate::provider::{Factory, FactoryError, Provider};

/// A module that is made from options: say once what it consists of, and it can be registered with a value, with a
/// factory, for one importer or for all.
///
/// The options are a provider of the module like any other, asked for as `Arc<Options>`; importers do not see them,
/// unless [`configure`](Self::configure) exports them.
///
/// | NestJS | here | options | seen by |
/// |---|---|---|---|
/// | `register` | [`register`](Self::register) | a value | importers |
/// | `registerAsync` | [`register_async`](Self::register_async) | made at boot | importers |
/// | `forRoot` | [`for_root`](Self::for_root) | a value | every module |
/// | `forRootAsync` | [`for_root_async`](Self::for_root_async) | made at boot | every module |
///
/// Each call makes a module of its own, with providers of its own. To share one, keep it and import clones: a clone is
/// the same module. Two that export the same type to one module are a problem there, not a guess; two registrations `for
/// root` are one everywhere, so call that once, in the root module. `for_feature` is no part of this: write it as a
/// function of your own that gives a [`DynamicModule`], whose providers ask for what `for_root` has made visible.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{AsyncOptions, BootOptions, ConfigurableModule, ModuleDef, Provider, boot};
///
/// struct MailOptions { from: String }
/// struct Mailer(Arc<MailOptions>);
/// struct MailModule;
///
/// impl ConfigurableModule for MailModule {
///     type Options = MailOptions;
///
///     fn configure(module: ModuleDef) -> ModuleDef {
///         module.provide(Provider::factory(Mailer)).export::<Mailer>()
///     }
/// }
///
/// # struct AppModule;
/// # futures_util::FutureExt::now_or_never(async {
/// let now = MailModule::register(MailOptions { from: "a@example.org".into() });
/// let later = MailModule::register_async(AsyncOptions::factory(|name: Arc<String>| async move {
///     Ok::<_, std::io::Error>(MailOptions { from: format!("{name}@example.org") })
/// }).provide(Provider::value("b".to_owned())));
///
/// for (module, from) in [(now, "a@example.org"), (later, "b@example.org")] {
///     let app = boot(ModuleDef::new::<AppModule>().import_dynamic(module), BootOptions::default()).await.unwrap();
///     assert_eq!(app.root.get::<Mailer>().unwrap().0.from, from);
///     assert!(app.root.get::<MailOptions>().is_none(), "the options are the module's own");
/// }
/// # }).unwrap();
/// ```
pub trait ConfigurableModule: Sized + 'static {
    /// What it is made from.
    type Options: Send + Sync + 'static;

    /// Says what the module consists of besides its options: what it provides, imports and exports.
    fn configure(module: ModuleDef) -> ModuleDef;

    /// With these options, for those who import it.
    #[must_use]
    fn register(options: Self::Options) -> DynamicModule {
        Self::configure(ModuleDef::new::<Self>().provide(Provider::value(options))).into()
    }

    /// With options that are made at boot, for those who import it.
    #[must_use]
    fn register_async(options: AsyncOptions<Self::Options>) -> DynamicModule {
        Self::configure(options.add_to(ModuleDef::new::<Self>())).into()
    }

    /// With these options, for every module.
    #[must_use]
    fn for_root(options: Self::Options) -> DynamicModule {
        Self::register(options).global()
    }

    /// With options that are made at boot, for every module.
    #[must_use]
    fn for_root_async(options: AsyncOptions<Self::Options>) -> DynamicModule {
        Self::register_async(options).global()
    }
}

/// How options are made at boot: by a factory whose arguments are injected (NestJS's `useFactory`), by a class
/// (`useClass`), or by what another module already provides (`useExisting`).
///
/// What is injected comes from modules that are imported for it ([`import`](Self::import)), from providers added for it
/// ([`provide`](Self::provide), NestJS's `extraProviders`), or from global modules. An error of the factory is one of
/// boot's problems.
pub struct AsyncOptions<Options> {
    /// What makes them, and what that needs: imports and providers.
    def: ModuleDef,
    options: PhantomData<fn() -> Options>,
}

/// A class that makes options for a module: NestJS's `createOptions`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make `{Options}`",
    note = "implement `OptionsFactory<{Options}>` for it"
)]
pub trait OptionsFactory<Options>: Send + Sync + 'static {
    /// Makes them; once, at boot.
    ///
    /// # Errors
    /// Any error is one of boot's problems.
    fn create_options(&self) -> impl Future<Output = Result<Options, FactoryError>> + Send;
}

impl<Options: Send + Sync + 'static> AsyncOptions<Options> {
    /// By an async function of up to six injected arguments, each an `Arc<T>` or `Option<Arc<T>>`.
    #[must_use]
    pub fn factory<Args, F, Fut, E>(factory: F) -> Self
    where
        F: Factory<Args, Output = Fut>,
        Fut: Future<Output = Result<Options, E>> + Send + 'static,
        E: Into<FactoryError>,
    {
        Self::provider(Provider::async_factory(factory))
    }

    /// By a class that is built for it, in this module.
    #[must_use]
    pub fn class<T: Injectable + OptionsFactory<Options>>() -> Self {
        Self::existing::<T>().provide(Provider::class::<T>())
    }

    /// By what is already provided in sight of this module.
    #[must_use]
    pub fn existing<T: OptionsFactory<Options>>() -> Self {
        Self::provider(Provider::async_factory(|factory: Arc<T>| async move { factory.create_options().await }))
    }

    fn provider(provider: Provider) -> Self {
        Self { def: ModuleDef::new::<Self>().provide(provider), options: PhantomData }
    }

    /// Imports a module for what the options are made from.
    #[must_use]
    pub fn import<M: Module>(self) -> Self {
        Self { def: self.def.import::<M>(), ..self }
    }

    /// Imports a module made at run time.
    #[must_use]
    pub fn import_dynamic(self, module: impl Into<DynamicModule>) -> Self {
        Self { def: self.def.import_dynamic(module), ..self }
    }

    /// Adds a provider for what the options are made from.
    #[must_use]
    pub fn provide(self, provider: Provider) -> Self {
        Self { def: self.def.provide(provider), ..self }
    }

    fn add_to(self, mut module: ModuleDef) -> ModuleDef {
        module.imports.extend(self.def.imports);
        module.providers.extend(self.def.providers);
        module
    }
}

impl<Options> fmt::Debug for AsyncOptions<Options> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncOptions").field("providers", &self.def.providers).finish_non_exhaustive()
    }
}
