//! Modules: what belongs together, what it needs from others and what it lets others use.

use std::any::{TypeId, type_name};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::injectable::{Injectable, Key, short_type_name};
use crate::pipeline::spec::EnhancerSpecs;
use crate::provider::Provider;

/// A module; what `#[module]` implements.
///
/// A module sees its own providers, what the modules it imports export, and what global modules export; nothing else.
/// Written by hand it looks like this:
///
/// ```
/// use nestrs_core::{Module, ModuleDef, Provider};
///
/// struct ConfigModule;
///
/// impl Module for ConfigModule {
///     fn define() -> ModuleDef {
///         ModuleDef::new::<Self>().provide(Provider::value(8_u32).named("WORKERS")).export_named("WORKERS")
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a module",
    label = "not `#[module]`",
    note = "write `#[module]` on the struct; in `imports`, anything that is not a type must be a `DynamicModule`"
)]
pub trait Module: 'static {
    /// Describes the module. Called once per application, however often it is imported.
    fn define() -> ModuleDef;
}

/// What a module consists of.
#[derive(Clone)]
pub struct ModuleDef {
    pub(crate) type_id: TypeId,
    pub(crate) name: String,
    pub(crate) imports: Vec<Import>,
    pub(crate) providers: Vec<Provider>,
    pub(crate) controllers: Vec<Listed>,
    pub(crate) microservices: Vec<Listed>,
    pub(crate) exports: Vec<Export>,
    pub(crate) global: bool,
    /// Around every handler whose service this module provides.
    pub(crate) enhancers: EnhancerSpecs,
}

#[derive(Clone)]
pub(crate) enum Import {
    Static { type_id: TypeId, define: fn() -> ModuleDef },
    Dynamic(DynamicModule),
}

/// A type that is listed for its handlers.
#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) key: Key,
    pub(crate) name: String,
    /// Given for controllers, which are providers without being listed as such.
    pub(crate) provider: Option<Provider>,
}

#[derive(Clone)]
pub(crate) enum Export {
    /// A provider, or a module whose exports are passed on: which one is known at boot.
    Type(Key),
    /// Every provider of that name.
    Name(String),
}

impl ModuleDef {
    /// An empty module of type `M`.
    #[must_use]
    pub fn new<M: 'static>() -> Self {
        Self {
            type_id: TypeId::of::<M>(),
            name: short_type_name(type_name::<M>()),
            imports: Vec::new(),
            providers: Vec::new(),
            controllers: Vec::new(),
            microservices: Vec::new(),
            exports: Vec::new(),
            global: false,
            enhancers: EnhancerSpecs::default(),
        }
    }

    /// Imports a module. However often it is imported, it exists once per application.
    #[must_use]
    pub fn import<M: Module>(mut self) -> Self {
        self.imports.push(Import::Static { type_id: TypeId::of::<M>(), define: M::define });
        self
    }

    /// Imports a module made at run time.
    #[must_use]
    pub fn import_dynamic(mut self, module: impl Into<DynamicModule>) -> Self {
        self.imports.push(Import::Dynamic(module.into()));
        self
    }

    /// Adds a provider.
    #[must_use]
    pub fn provide(mut self, provider: impl Into<Provider>) -> Self {
        self.providers.push(provider.into());
        self
    }

    /// Adds a controller: a provider whose HTTP routes and message handlers are served.
    #[must_use]
    pub fn controller<T: Injectable>(mut self) -> Self {
        self.controllers.push(Listed {
            key: Key::of::<T>(),
            name: short_type_name(type_name::<T>()),
            provider: Some(Provider::class::<T>()),
        });
        self
    }

    /// Serves the `#[micro_routes]` of a provider that is visible here.
    #[must_use]
    pub fn microservice<T: Send + Sync + 'static>(mut self) -> Self {
        self.microservices.push(Listed {
            key: Key::of::<T>(),
            name: short_type_name(type_name::<T>()),
            provider: None,
        });
        self
    }

    /// Lets importing modules use a provider, or, with the type of an imported module, all that it exports.
    #[must_use]
    pub fn export<T: ?Sized + 'static>(mut self) -> Self {
        self.exports.push(Export::Type(Key::of::<T>()));
        self
    }

    /// Lets importing modules use every provider of that name.
    #[must_use]
    pub fn export_named(mut self, name: impl Into<String>) -> Self {
        self.exports.push(Export::Name(name.into()));
        self
    }

    /// Makes what it exports visible everywhere.
    #[must_use]
    pub fn global(mut self) -> Self {
        self.global = true;
        self
    }
}

impl fmt::Debug for ModuleDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleDef")
            .field("name", &self.name)
            .field("providers", &self.providers)
            .finish_non_exhaustive()
    }
}

/// A module made at run time, usually by an associated function of its host: `ClientsModule::register(..)`.
///
/// Each call that makes one makes a module of its own. A clone is the same module, until something is added to it.
///
/// ```
/// use nestrs_core::{DynamicModule, Provider};
///
/// struct CacheModule;
///
/// impl CacheModule {
///     fn register(capacity: usize) -> DynamicModule {
///         DynamicModule::new::<Self>().provide(Provider::value(capacity).named("CAPACITY")).export_named("CAPACITY")
///     }
/// }
/// # let _ = CacheModule::register(8);
/// ```
#[derive(Clone, Debug)]
pub struct DynamicModule {
    pub(crate) id: u64,
    pub(crate) def: ModuleDef,
}

impl DynamicModule {
    /// An empty module whose host is `M`.
    #[must_use]
    pub fn new<M: 'static>() -> Self {
        Self::from(ModuleDef::new::<M>())
    }

    /// A module that starts with all that `M` declares.
    #[must_use]
    pub fn extend<M: Module>() -> Self {
        Self::from(M::define())
    }

    /// Imports a module.
    #[must_use]
    pub fn import<M: Module>(self) -> Self {
        Self::from(self.def.import::<M>())
    }

    /// Imports a module made at run time.
    #[must_use]
    pub fn import_dynamic(self, module: impl Into<Self>) -> Self {
        Self::from(self.def.import_dynamic(module))
    }

    /// Adds a provider.
    #[must_use]
    pub fn provide(self, provider: impl Into<Provider>) -> Self {
        Self::from(self.def.provide(provider))
    }

    /// Adds a controller; see [`ModuleDef::controller`].
    #[must_use]
    pub fn controller<T: Injectable>(self) -> Self {
        Self::from(self.def.controller::<T>())
    }

    /// Serves the `#[micro_routes]` of a provider that is visible here.
    #[must_use]
    pub fn microservice<T: Send + Sync + 'static>(self) -> Self {
        Self::from(self.def.microservice::<T>())
    }

    /// Lets importing modules use a provider, or, with the type of an imported module, all that it exports; of modules
    /// made at run time, every imported one whose host that is.
    #[must_use]
    pub fn export<T: ?Sized + 'static>(self) -> Self {
        Self::from(self.def.export::<T>())
    }

    /// Lets importing modules use every provider of that name.
    #[must_use]
    pub fn export_named(self, name: impl Into<String>) -> Self {
        Self::from(self.def.export_named(name))
    }

    /// Makes what it exports visible everywhere.
    #[must_use]
    pub fn global(self) -> Self {
        Self::from(self.def.global())
    }
}

impl From<ModuleDef> for DynamicModule {
    fn from(def: ModuleDef) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), def }
    }
}
