//! What boot leaves behind: every provider, built, and who may see it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::injectable::{Instance, Key, ResolveError, Resolver, StageCache};
use crate::pipeline::Enhancers;
use crate::pipeline::spec::EnhancerSpecs;

/// All providers of one application, frozen. Two applications in one process share nothing.
pub struct Container {
    pub(crate) views: Vec<View>,
    pub(crate) instances: Vec<Option<Instance>>,
    pub(crate) stages: StageCache,
}

impl Container {
    pub(crate) fn resolver(&self, module: usize) -> Resolver<'_> {
        Resolver { view: &self.views[module], instances: &self.instances, stages: &self.stages, declared: None }
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").field("providers", &self.instances.len()).finish_non_exhaustive()
    }
}

/// What one module sees.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) index: usize,
    pub(crate) name: String,
    /// From the root module to this one: `AppModule → OrdersModule`.
    pub(crate) path: String,
    pub(crate) visible: HashMap<Key, Visible>,
}

/// Whom a key means in one module.
#[derive(Clone, Debug)]
pub(crate) enum Visible {
    One(usize),
    /// Exported by several imported modules: no guess is made.
    Several(Vec<String>),
}

impl View {
    pub(crate) fn find(&self, key: &Key) -> Option<usize> {
        match self.visible.get(key)? {
            Visible::One(provider) => Some(*provider),
            Visible::Several(_) => None,
        }
    }
}

/// The container as one module sees it.
///
/// ```
/// use nestrs_core::{BootOptions, DynamicModule, ModuleDef, Provider, boot};
///
/// struct AppModule;
/// struct PoolModule;
///
/// let pool = DynamicModule::new::<PoolModule>()
///     .provide(Provider::value("private"))
///     .provide(Provider::value(8_u32).named("WORKERS"))
///     .export_named("WORKERS");
/// # futures_util::FutureExt::now_or_never(async {
/// let app = boot(ModuleDef::new::<AppModule>().import_dynamic(pool), BootOptions::default()).await.unwrap();
/// assert_eq!(app.root.get_named::<u32>("WORKERS").as_deref(), Some(&8));
/// assert_eq!(app.root.get::<&str>(), None);
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Scope {
    pub(crate) container: Arc<Container>,
    pub(crate) module: usize,
}

impl Scope {
    /// `Arc<T>`, if a provider of it is visible in this module.
    #[must_use]
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.container.resolver(self.module).optional()
    }

    /// `Arc<T>` under a name, if a provider of it is visible in this module.
    #[must_use]
    pub fn get_named<T: ?Sized + Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        self.container.resolver(self.module).get(&Key::named::<T>(name.to_owned())).ok()
    }

    /// Builds declared stages with what this module sees. Boot has checked those of HTTP routes.
    ///
    /// # Errors
    /// When one of them needs something that is not there.
    pub fn build_enhancers(&self, specs: &EnhancerSpecs) -> Result<Enhancers, ResolveError> {
        specs.build(&self.container.resolver(self.module))
    }

    /// The module's name.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.container.views[self.module].name
    }
}
