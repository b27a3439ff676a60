//! From a module graph to a container and its routes, with every problem reported at once.

mod check;
mod graph;
mod mounts;
mod overrides;
mod report;
mod scopes;
mod walk;

use std::any::TypeId;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::container::{Container, Plan, Scope};
use crate::discovery::Catalogue;
use crate::handler::Route;
use crate::injectable::Dependency;
use crate::lifecycle::{Hooks, Lifecycle};
use crate::module::{DynamicModule, ModuleDef};
use crate::pipeline::spec::EnhancerSpecs;
use crate::pipeline::{Enhancers, Level, StageKind};
use crate::provider::{AddEnhancer, Build, FactoryError, Provider};
use crate::provider_scope::ProviderScope;
use crate::resolver::{Instance, StageCache};

use graph::Graph;
use mounts::Mounts;
pub use overrides::Overrides;
pub(crate) use overrides::Replacement;
pub use report::{BootError, Problem};

/// What an application adds to its module graph.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct BootOptions {
    /// Modules whose exports every module sees, global or not: the event bus, the application's own options.
    pub globals: Vec<DynamicModule>,
    /// Tells whether a listed controller has routes that are not messages; without it only message handlers count.
    pub has_http_routes: Option<fn(TypeId) -> bool>,
    /// The stages of each such route, by the name of its handler, to be checked with everything else.
    pub http_enhancers: Option<fn(TypeId) -> Vec<HttpEnhancers>>,
    /// Around every message and event handler, inside those that modules provide for the application.
    pub enhancers: Enhancers,
    /// Keeps what modules provide for the application ([`Provider::app_guard`] and its siblings) away from messages and
    /// events.
    pub app_enhancers_off_messages: bool,
    /// What a test uses instead of the application's own.
    pub overrides: Overrides,
}

/// The stages of one HTTP route, by the name of its handler.
pub type HttpEnhancers = (&'static str, EnhancerSpecs);

/// A booted application: everything is built, nothing listens yet.
#[derive(Debug)]
pub struct Application {
    /// Every provider.
    pub container: Arc<Container>,
    /// Every message, event and bus handler, in module order.
    pub routes: Vec<Route>,
    /// Every listed controller, for whoever serves its other routes.
    pub controllers: Vec<Controller>,
    /// What modules provide for the application: [`Provider::app_guard`] and its siblings, in module order.
    pub app_enhancers: Enhancers,
    /// The hooks of every provider; running them is up to whoever runs the application.
    pub lifecycle: Lifecycle,
    /// The root module's view of the container.
    pub root: Scope,
}

/// One type listed in some module's `controllers`.
#[derive(Clone)]
pub struct Controller {
    /// The type.
    pub type_id: TypeId,
    /// Its name.
    pub name: String,
    /// The module that lists it, as a view of the container.
    pub scope: Scope,
    /// What that module puts around its handlers.
    pub enhancers: Enhancers,
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Controller({} in {})", self.name, self.scope.module())
    }
}

/// Builds an application from its root module.
///
/// The whole graph is checked before anything is built: imports, exports, every dependency of every provider, every
/// handler and every stage. Then providers are built, each after what it needs, async factories awaited one by one.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{BootOptions, Module, ModuleDef, Provider, boot};
///
/// struct AppModule;
/// impl Module for AppModule {
///     fn define() -> ModuleDef {
///         ModuleDef::new::<Self>()
///             .provide(Provider::value(20_u32))
///             .provide(Provider::factory(|half: Arc<u32>| format!("{}", *half * 2)))
///     }
/// }
///
/// # futures_util::FutureExt::now_or_never(async {
/// let app = boot(AppModule::define(), BootOptions::default()).await.unwrap();
/// assert_eq!(*app.root.get::<String>().unwrap(), "40");
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`BootError`] with every problem of the first phase that has any: the graph, then building. What could not be built
/// for want of something else that could not be built is not a problem of its own.
pub async fn boot(root: ModuleDef, options: BootOptions) -> Result<Application, BootError> {
    let mut problems = Vec::new();
    let mut graph = Graph::collect(root, &options, &mut problems);
    let order = graph.check_dependencies(&mut problems);
    graph.check_scopes(&order, &mut problems);
    let mounts = Mounts::plan(&graph, &options, &mut problems);
    if !problems.is_empty() {
        return Err(BootError::new(problems));
    }

    let for_application: Vec<(usize, TypeId, (StageKind, AddEnhancer))> = graph
        .providers
        .iter()
        .enumerate()
        .filter_map(|(index, (_, provider))| Some((index, provider.key().type_id(), provider.enhancer?)))
        .collect();
    let mut lifecycle = Lifecycle::default();
    let stages = StageCache { replaced: options.overrides.stages.clone(), ..StageCache::default() };
    let container = Arc::new(build(graph, mounts.catalogue(), &order, stages, &mut lifecycle).await?);
    container.late.arrive(&container);
    let app_enhancers =
        for_application.iter().fold(Enhancers::default(), |enhancers, (provider, stage, (kind, add))| {
            match (container.resolver(0).replacement(*kind, *stage), &container.instances[*provider]) {
                (Some(replace), _) => replace(enhancers, Level::Global),
                (None, Some(instance)) => add(instance, enhancers),
                (None, None) => unreachable!("boot ends before this when a provider could not be built"),
            }
        });
    let global = if options.app_enhancers_off_messages { Enhancers::default() } else { app_enhancers.clone() };
    let routes = mounts.mount(&container, &global.around(&options.enhancers))?;
    mounts.report_unmounted();
    let controller = |(type_id, name, module): &(TypeId, String, usize)| {
        Ok(Controller {
            type_id: *type_id,
            name: name.clone(),
            scope: Scope { container: Arc::clone(&container), module: *module },
            enhancers: mounts.around_http(&container, *module)?,
        })
    };
    Ok(Application {
        controllers: mounts.controllers.iter().map(controller).collect::<Result<_, BootError>>()?,
        app_enhancers,
        root: Scope { container: Arc::clone(&container), module: 0 },
        lifecycle,
        routes,
        container,
    })
}

async fn build(
    graph: Graph,
    catalogue: Catalogue,
    order: &[usize],
    stages: StageCache,
    lifecycle: &mut Lifecycle,
) -> Result<Container, BootError> {
    let Graph { views, providers, listed, late, .. } = graph;
    let plan = |(module, provider): &(usize, Provider)| Plan {
        module: *module,
        module_name: views[*module].name.clone(),
        module_path: views[*module].path.clone(),
        key: provider.key.clone(),
        title: provider.title(),
        label: provider.label.clone(),
        kind: provider.kind,
        metadata: provider.metadata.clone(),
        scope: provider.scope,
        dependencies: provider.dependencies.clone(),
        build: (provider.scope != ProviderScope::Singleton).then(|| Arc::clone(&provider.build)),
    };
    let plans = providers.iter().map(plan).map(Arc::new).collect();
    let mut container = Container::new(views, plans, listed, late, catalogue, stages);
    let mut problems = Vec::new();
    // The others are built when they are asked for.
    let is_singleton = |index: &&usize| providers[**index].1.scope == ProviderScope::Singleton;
    for &index in order.iter().filter(is_singleton) {
        let (module, provider) = &providers[index];
        match build_one(provider, *module, &container).await {
            Ok((instance, hooks)) => {
                container.instances[index] = Some(instance);
                lifecycle.add(provider.title(), hooks);
            }
            // What needs it fails too, for want of it: the first cause is the one to report.
            Err(None) => {}
            Err(Some(cause)) => problems.push(Problem::new(
                format!("{} cannot be built: {}", provider.title(), with_causes(&*cause)),
                &container.views[*module].path,
                None,
            )),
        }
    }
    if problems.is_empty() { Ok(container) } else { Err(BootError::new(problems)) }
}

/// Builds one singleton; `Err(None)` when something it needs could not be built.
async fn build_one(
    provider: &Provider,
    module: usize,
    container: &Container,
) -> Result<(Instance, Hooks), Option<FactoryError>> {
    if !can_be_built(module, &provider.dependencies, container) {
        return Err(None);
    }
    let build = {
        let resolver = container.resolver_of(module, &provider.dependencies, None);
        resolver.and_then(|resolver| (provider.build)(&resolver)).map_err(|error| Some(error.into()))?
    };
    match build {
        Build::Ready(instance) => Ok((instance, Hooks::default())),
        Build::Hooked(instance, hooks) => Ok((instance, hooks)),
        Build::Failed(error) => Err(Some(error)),
        Build::Later(future) => future.await.map(|instance| (instance, Hooks::default())).map_err(Some),
    }
}

/// Whether every singleton is there that something needs, itself or through what is made for it.
fn can_be_built(module: usize, dependencies: &[Dependency], container: &Container) -> bool {
    let needed = dependencies.iter().filter_map(|dependency| container.views[module].find(&dependency.key));
    needed.into_iter().all(|provider| match &*container.plans[provider] {
        plan if plan.scope == ProviderScope::Singleton => container.instances[provider].is_some(),
        plan => can_be_built(plan.module, &plan.dependencies, container),
    })
}

/// The text of an error and of what caused it, each once.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
