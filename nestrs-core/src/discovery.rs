//! Looking at what an application consists of (NestJS's `DiscoveryService`).

use std::any::{Any, type_name};
use std::fmt;
use std::sync::{Arc, Weak};

use crate::container::{Container, Late, Plan};
use crate::handler::{HandlerDef, HandlerKind};
use crate::injectable::Key;
use crate::metadata::HandlerMetadata;
use crate::pattern::Pattern;
use crate::provider::ProviderKind;
use crate::provider_scope::{Call, ContextId, ProviderScope};
use crate::resolver::{Instance, ResolveError};

/// A value that stands on a provider for others to find: `#[injectable(metadata = CommandHandler("create"))]`, or
/// [`Provider::with_metadata`](crate::Provider::with_metadata).
///
/// ```
/// use nestrs_core::ProviderMetadata;
///
/// struct Every(u32);
///
/// assert!(format!("{:?}", ProviderMetadata::new(Every(60))).ends_with("Every"), "the type, not the value");
/// ```
#[derive(Clone)]
pub struct ProviderMetadata {
    value: Arc<dyn Any + Send + Sync>,
    type_name: &'static str,
}

impl ProviderMetadata {
    /// Any value; it is found by its type.
    #[must_use]
    pub fn new<M: Send + Sync + 'static>(value: M) -> Self {
        Self { value: Arc::new(value), type_name: type_name::<M>() }
    }

    fn get<M: Send + Sync + 'static>(&self) -> Option<Arc<M>> {
        Arc::clone(&self.value).downcast().ok()
    }
}

/// Names the type only.
impl fmt::Debug for ProviderMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name)
    }
}

/// Lists every provider, controller and handler of the application, whatever module they are in; inject it anywhere as
/// `Arc<DiscoveryService>`.
///
/// It is what libraries are made with that collect providers by what is written on them: commands, schedules, metrics.
/// Like [`ModuleRef`](crate::ModuleRef) it asks a finished application, from `on_module_init` on; before, and after the
/// end, every list is empty.
///
/// ```
/// use nestrs_core::{BootOptions, DiscoveryService, ModuleDef, Provider, boot};
///
/// struct AppModule;
/// /// Every so many seconds.
/// struct Every(u32);
/// struct Cleaner;
///
/// # futures_util::FutureExt::now_or_never(async {
/// let cleaner = Provider::factory(|| Cleaner).with_metadata(Every(60));
/// let app = boot(ModuleDef::new::<AppModule>().provide(cleaner), BootOptions::default()).await.unwrap();
///
/// let discovery = app.root.get::<DiscoveryService>().unwrap();
/// let found = discovery.get_providers_with::<Every>();
/// let [(every, provider)] = found.as_slice() else { panic!("there is one") };
/// assert_eq!((every.0, provider.name(), provider.module()), (60, "Cleaner", "AppModule"));
/// assert!(provider.instance::<Cleaner>().is_some());
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct DiscoveryService {
    late: Late,
}

impl DiscoveryService {
    pub(crate) fn new(late: Late) -> Self {
        Self { late }
    }

    /// Every provider that a module lists, controllers included, in module order.
    #[must_use]
    pub fn providers(&self) -> Vec<DiscoveredProvider> {
        let Ok(container) = self.late.get() else { return Vec::new() };
        (0..container.listed).map(|index| DiscoveredProvider::new(&container, index)).collect()
    }

    /// Every provider that has metadata of this type, with that; one that has several values stands here once for each.
    #[must_use]
    pub fn get_providers_with<M: Send + Sync + 'static>(&self) -> Vec<(Arc<M>, DiscoveredProvider)> {
        let with = |provider: DiscoveredProvider| {
            let found: Vec<Arc<M>> = provider.all_metadata().collect();
            found.into_iter().map(move |metadata| (metadata, provider.clone()))
        };
        self.providers().into_iter().flat_map(with).collect()
    }

    /// Every type that a module lists in `controllers`, once for each such module.
    #[must_use]
    pub fn controllers(&self) -> Vec<DiscoveredProvider> {
        let Ok(container) = self.late.get() else { return Vec::new() };
        let listed = container.catalogue.controllers.iter();
        listed.map(|index| DiscoveredProvider::new(&container, *index)).collect()
    }

    /// Every handler of messages, events and the bus that is served, in module order. Routes of HTTP are not among them.
    ///
    /// ```
    /// use nestrs_core::{BootOptions, DiscoveryService, ModuleDef, Provider, boot};
    /// # use std::sync::Arc;
    /// # use nestrs_core::{
    /// #     BoxFuture, ExecutionContext, HandlerDef, HandlerMetadata, HandlerReply, HandlerResult, HandlerSet,
    /// #     MicroRoutes, PatternLiteral, Payload, mount,
    /// # };
    ///
    /// struct AppModule;
    /// #[derive(Debug, PartialEq)]
    /// struct Since(u32);
    ///
    /// /// `#[micro_routes]`, with `#[message_pattern("cats.count")]` and `#[set_metadata(Since(2))]` on its method `count`.
    /// struct Cats;
    /// # fn count<'a>(_: &'a Arc<Cats>, _: &'a ExecutionContext, _: &'a Payload) -> BoxFuture<'a, HandlerResult> {
    /// #     Box::pin(async { 9.into_reply() })
    /// # }
    /// # struct Routes;
    /// # impl MicroRoutes for Routes {
    /// #     type Service = Cats;
    /// #     const HANDLERS: &'static [HandlerDef] = &[HandlerDef::message(
    /// #         &[PatternLiteral::Text("cats.count")],
    /// #         "Cats::count",
    /// #         |mounting| mount(mounting, (), (), (), (), count),
    /// #     )
    /// #     .metadata(|| HandlerMetadata::none().on_method(Since(2)))];
    /// # }
    /// # #[nestrs_core::__private::linkme::distributed_slice(nestrs_core::__private::HANDLERS)]
    /// # #[linkme(crate = nestrs_core::__private::linkme)]
    /// # static SET: HandlerSet = HandlerSet::of::<Routes>();
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let root = ModuleDef::new::<AppModule>().provide(Provider::factory(|| Cats)).microservice::<Cats>();
    /// let app = boot(root, BootOptions::default()).await.unwrap();
    /// let handlers = app.root.get::<DiscoveryService>().unwrap().handlers();
    /// let [handler] = handlers.as_slice() else { panic!("there is one") };
    /// assert_eq!((handler.name(), handler.patterns()[0].route()), ("Cats::count", "cats.count"));
    /// assert_eq!((handler.provider().name(), handler.metadata().get()), ("Cats", Some(&Since(2))));
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn handlers(&self) -> Vec<DiscoveredHandler> {
        let Ok(container) = self.late.get() else { return Vec::new() };
        let discovered = |entry: &CatalogueEntry| DiscoveredHandler {
            def: entry.handler,
            patterns: entry.patterns.clone(),
            metadata: entry.metadata.clone(),
            provider: DiscoveredProvider::new(&container, entry.provider),
        };
        container.catalogue.handlers.iter().map(discovered).collect()
    }
}

impl fmt::Debug for DiscoveryService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiscoveryService")
    }
}

/// One provider. It does not keep the application alive: once that has ended, there are no instances.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{BootOptions, DiscoveryService, ModuleDef, Provider, ProviderKind, ProviderScope, boot};
///
/// struct AppModule;
///
/// # futures_util::FutureExt::now_or_never(async {
/// let root = ModuleDef::new::<AppModule>().provide(Provider::value(8_u32).named("WORKERS"));
/// let app = boot(root, BootOptions::default()).await.unwrap();
/// let discovery: Arc<DiscoveryService> = app.root.get().unwrap();
/// let providers = discovery.providers();
/// let workers = providers.iter().find(|provider| provider.key().name() == Some("WORKERS")).expect("it is listed");
/// assert_eq!((workers.kind(), workers.scope()), (ProviderKind::Value, ProviderScope::Singleton));
/// assert_eq!(*workers.instance::<u32>().unwrap(), 8);
/// drop(app);
/// assert!(workers.instance::<u32>().is_none());
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct DiscoveredProvider {
    container: Weak<Container>,
    plan: Arc<Plan>,
    index: usize,
}

impl DiscoveredProvider {
    fn new(container: &Arc<Container>, index: usize) -> Self {
        Self { container: Arc::downgrade(container), plan: Arc::clone(&container.plans[index]), index }
    }

    fn singleton(&self) -> Option<Instance> {
        self.container.upgrade()?.instances[self.index].clone()
    }

    /// The type that is built, without its path; what it is asked for by may be another ([`Self::key`]).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.label
    }

    /// What it is asked for by.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.plan.key
    }

    /// How it comes to its instances.
    #[must_use]
    pub fn kind(&self) -> ProviderKind {
        self.plan.kind
    }

    /// How many instances there are.
    #[must_use]
    pub fn scope(&self) -> ProviderScope {
        self.plan.scope
    }

    /// The module that provides it.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.plan.module_name
    }

    /// From the root module to the one that provides it: `AppModule → OrdersModule`.
    #[must_use]
    pub fn module_path(&self) -> &str {
        &self.plan.module_path
    }

    /// The first metadata of this type.
    #[must_use]
    pub fn metadata<M: Send + Sync + 'static>(&self) -> Option<Arc<M>> {
        self.all_metadata().next()
    }

    fn all_metadata<M: Send + Sync + 'static>(&self) -> impl Iterator<Item = Arc<M>> {
        self.plan.metadata.iter().filter_map(ProviderMetadata::get)
    }

    /// The singleton, as what it is asked for by: `instance::<dyn Repository>()` of `PgRepository as dyn Repository`.
    #[must_use]
    pub fn instance<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.singleton()?.get()
    }

    /// The singleton, to be downcast to the type that was built: `PgRepository`, whatever it is asked for by. `None` for
    /// an alias and for [`Provider::shared`](crate::Provider::shared), whose types are not known.
    #[must_use]
    pub fn instance_any(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.singleton()?.value()
    }

    /// The instance that belongs to a unit of work, or a new transient one, to be downcast; a singleton is what it is.
    ///
    /// # Errors
    /// When it cannot be built.
    pub async fn resolve_any(&self, id: &ContextId) -> Result<Option<Arc<dyn Any + Send + Sync>>, ResolveError> {
        let container = self.container.upgrade().ok_or_else(ResolveError::ended)?;
        let instance = container.obtain(self.index, Some(Call { store: &id.0, cx: None }))?;
        Ok(instance.value())
    }
}

impl fmt::Debug for DiscoveredProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscoveredProvider")
            .field("key", self.key())
            .field("scope", &self.scope())
            .field("module", &self.module_path())
            .field("metadata", &self.plan.metadata)
            .finish()
    }
}

/// One handler that is served; [`DiscoveryService::handlers`] shows it in use.
#[derive(Clone)]
pub struct DiscoveredHandler {
    def: &'static HandlerDef,
    patterns: Arc<[Pattern]>,
    metadata: Option<Arc<HandlerMetadata>>,
    provider: DiscoveredProvider,
}

impl DiscoveredHandler {
    /// Its row, with all that its macro wrote.
    #[must_use]
    pub fn def(&self) -> &'static HandlerDef {
        self.def
    }

    /// `Type::method`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.def.name()
    }

    /// What it answers to.
    #[must_use]
    pub fn kind(&self) -> HandlerKind {
        self.def.kind()
    }

    /// Its patterns, canonical.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// What `#[set_metadata]` says of it and of its block (NestJS's `getMetadataByDecorator`); its guards read the same.
    #[must_use]
    pub fn metadata(&self) -> &HandlerMetadata {
        self.metadata.as_deref().unwrap_or(HandlerMetadata::NONE)
    }

    /// The provider whose method it is.
    #[must_use]
    pub fn provider(&self) -> &DiscoveredProvider {
        &self.provider
    }
}

impl fmt::Debug for DiscoveredHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscoveredHandler")
            .field("name", &self.name())
            .field("kind", &self.kind())
            .field("patterns", &self.patterns)
            .finish_non_exhaustive()
    }
}

/// What boot planned, for those who look at it later.
#[derive(Default)]
pub(crate) struct Catalogue {
    /// Controllers, by provider.
    pub(crate) controllers: Vec<usize>,
    pub(crate) handlers: Vec<CatalogueEntry>,
}

pub(crate) struct CatalogueEntry {
    pub(crate) handler: &'static HandlerDef,
    pub(crate) patterns: Arc<[Pattern]>,
    pub(crate) metadata: Option<Arc<HandlerMetadata>>,
    pub(crate) provider: usize,
}
