//! What boot leaves behind: every provider, built, and who may see it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use crate::context::ExecutionContext;
use crate::discovery::{Catalogue, ProviderMetadata};
use crate::injectable::{Dependency, Key};
use crate::pipeline::Enhancers;
use crate::pipeline::spec::EnhancerSpecs;
use crate::provider::{Build, BuildFn, ProviderKind};
use crate::provider_scope::{Call, ProviderScope};
use crate::resolver::{Instance, ResolveError, Resolver, StageCache};

/// All providers of one application, frozen. Two applications in one process share nothing.
pub struct Container {
    /// Tells applications apart, in what may be handed from one to the other.
    id: u64,
    pub(crate) views: Vec<View>,
    /// How each provider is built.
    pub(crate) plans: Vec<Arc<Plan>>,
    /// How many of them modules list; those after are everyone's (see [`Late`]).
    pub(crate) listed: usize,
    /// Every singleton.
    pub(crate) instances: Vec<Option<Instance>>,
    pub(crate) stages: StageCache,
    pub(crate) late: Late,
    pub(crate) catalogue: Catalogue,
}

/// A provider, as it is known after boot.
pub(crate) struct Plan {
    pub(crate) module: usize,
    pub(crate) module_name: String,
    pub(crate) module_path: String,
    pub(crate) key: Key,
    pub(crate) title: String,
    pub(crate) label: String,
    pub(crate) kind: ProviderKind,
    pub(crate) scope: ProviderScope,
    pub(crate) metadata: Vec<ProviderMetadata>,
    pub(crate) dependencies: Vec<Dependency>,
    /// A singleton's is let go of: what it captured may be large.
    pub(crate) build: Option<Arc<BuildFn>>,
}

impl Container {
    /// Every singleton that is asked for as an `Arc<T>`, named or not, whichever module provides it.
    #[must_use]
    pub fn all<T: ?Sized + Send + Sync + 'static>(&self) -> Vec<Arc<T>> {
        let wanted = std::any::TypeId::of::<T>();
        let asked_for = self.plans.iter().zip(&self.instances).filter(|(plan, _)| plan.key.type_id() == wanted);
        asked_for.filter_map(|(_, instance)| instance.as_ref()?.get()).collect()
    }

    /// Nothing is built yet.
    pub(crate) fn new(
        views: Vec<View>,
        plans: Vec<Arc<Plan>>,
        listed: usize,
        late: Late,
        catalogue: Catalogue,
        stages: StageCache,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let instances = plans.iter().map(|_| None).collect();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, views, plans, listed, instances, stages, late, catalogue }
    }

    /// For whoever may see all singletons that a module sees.
    pub(crate) fn resolver(&self, module: usize) -> Resolver<'_> {
        Resolver { container: self, view: &self.views[module], declared: None, scoped: Vec::new(), call: None }
    }

    /// For something under construction that belongs to a module. What it declared and is no singleton is made now.
    pub(crate) fn resolver_of<'a>(
        &'a self,
        module: usize,
        declared: &'a [Dependency],
        call: Option<Call<'a>>,
    ) -> Result<Resolver<'a>, ResolveError> {
        let view = &self.views[module];
        let mut scoped: Vec<(usize, Instance)> = Vec::new();
        for provider in declared.iter().filter_map(|dependency| view.find(&dependency.key)) {
            let is_known = scoped.iter().any(|(known, _)| *known == provider);
            if self.plans[provider].scope != ProviderScope::Singleton && !is_known {
                scoped.push((provider, self.obtain(provider, call)?));
            }
        }
        Ok(Resolver { container: self, view, declared: Some(declared), scoped, call })
    }

    /// What a provider has for one that asks: the only instance, that of the call, or a new one.
    pub(crate) fn obtain(&self, provider: usize, call: Option<Call<'_>>) -> Result<Instance, ResolveError> {
        let plan = &self.plans[provider];
        match (plan.scope, call) {
            (ProviderScope::Singleton, _) => {
                self.instances[provider].clone().ok_or_else(|| ResolveError::undeclared(plan.key.clone()))
            }
            (ProviderScope::Transient, call) => self.build(plan, call),
            (ProviderScope::Request, None) => Err(ResolveError::no_call(plan.key.clone())),
            (ProviderScope::Request, Some(in_call)) => {
                in_call.store.get_or_build((self.id, provider), || self.build(plan, call))
            }
        }
    }

    /// One more instance. As deep as its chain of providers that are no singletons, which boot limits.
    fn build(&self, plan: &Plan, call: Option<Call<'_>>) -> Result<Instance, ResolveError> {
        let build = plan.build.as_ref().ok_or_else(|| ResolveError::undeclared(plan.key.clone()))?;
        let resolver = self.resolver_of(plan.module, &plan.dependencies, call)?;
        let failed = |cause| ResolveError::failed(plan.title.clone(), cause);
        match build(&resolver) {
            Ok(Build::Ready(instance) | Build::Hooked(instance, _)) => Ok(instance),
            Ok(Build::Failed(cause)) => Err(failed(cause)),
            Ok(Build::Later(_)) => unreachable!("boot refuses async factories that are no singletons"),
            Err(error) => Err(failed(error.into())),
        }
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").field("providers", &self.listed).finish_non_exhaustive()
    }
}

/// The container, for those of its own providers that ask it later. They do not keep it alive.
#[derive(Clone, Default)]
pub(crate) struct Late(Arc<OnceLock<Weak<Container>>>);

impl Late {
    /// Once everything is built.
    pub(crate) fn arrive(&self, container: &Arc<Container>) {
        let _ = self.0.set(Arc::downgrade(container));
    }

    pub(crate) fn weak(&self) -> Weak<Container> {
        self.0.get().cloned().unwrap_or_default()
    }

    pub(crate) fn get(&self) -> Result<Arc<Container>, ResolveError> {
        self.0.get().ok_or_else(ResolveError::building)?.upgrade().ok_or_else(ResolveError::ended)
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
    /// `Arc<T>`, if a provider of it is visible in this module and is a singleton.
    #[must_use]
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.container.resolver(self.module).optional()
    }

    /// `Arc<T>` under a name, if a provider of it is visible in this module and is a singleton.
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

    /// `Arc<T>` for one call: the singleton, the call's own instance, or a new transient one.
    ///
    /// # Errors
    /// When no provider of it is visible in this module, or when it cannot be built for this call; as a
    /// [`TransportError`](crate::TransportError) it is the call's answer.
    pub fn per_call<T: ?Sized + Send + Sync + 'static>(&self, cx: &ExecutionContext) -> Result<Arc<T>, ResolveError> {
        let (container, key) = (&self.container, Key::of::<T>());
        let view = &container.views[self.module];
        let provider =
            view.find(&key).ok_or_else(|| ResolveError::missing(vec![key.clone()], &format!("`{}`", view.name)))?;
        if let Some(singleton) = &container.instances[provider] {
            return singleton.get().ok_or_else(|| ResolveError::undeclared(key));
        }
        let store = cx.call_slot().open();
        let instance = container.obtain(provider, Some(Call { store: &store, cx: Some(cx) }))?;
        instance.get().ok_or_else(|| ResolveError::undeclared(key))
    }

    /// How many instances of `T` there are, if a provider of it is visible in this module.
    #[must_use]
    pub fn provider_scope<T: ?Sized + 'static>(&self) -> Option<ProviderScope> {
        let provider = self.container.views[self.module].find(&Key::of::<T>())?;
        Some(self.container.plans[provider].scope)
    }

    /// The module's name.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.container.views[self.module].name
    }
}
