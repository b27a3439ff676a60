//! Which handlers are served, by which module, with which stages.

use std::any::TypeId;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::graph::Graph;
use super::{BootError, BootOptions, Problem};
use crate::bus_event::subscription_problem;
use crate::container::Container;
use crate::discovery::{Catalogue, CatalogueEntry};
use crate::handler::{HandlerDef, HandlerKind, HandlerSet, Route};
use crate::injectable::{Dependency, Key, short_type_name};
use crate::metadata::HandlerMetadata;
use crate::module::Listed;
use crate::pattern::Pattern;
use crate::pipeline::spec::{EnhancerSpecs, StageNeed};
use crate::pipeline::{Chain, ChainEntry, Enhancers, StageKind};
use crate::provider_scope::ProviderScope;
use crate::registry;
use crate::resolver::ResolveError;
use crate::sorted::sorted;

/// Every handler that will be served, and where.
#[derive(Default)]
pub(super) struct Mounts {
    /// Every listed controller with its name and the module that lists it.
    pub(super) controllers: Vec<(TypeId, String, usize)>,
    /// The same, by provider.
    listed: Vec<usize>,
    handlers: Vec<Mount>,
    /// Those that each module puts around its handlers.
    enhancers: Vec<EnhancerSpecs>,
    /// The sets that some module mounts, by address.
    mounted: HashSet<usize>,
}

struct Mount {
    provider: usize,
    /// The one that provides the service.
    module: usize,
    handler: &'static HandlerDef,
    patterns: Vec<Pattern>,
    /// Shared with its routes.
    metadata: Option<Arc<HandlerMetadata>>,
    /// The stages written on it and on its block.
    chain: Vec<ChainEntry>,
}

impl Mounts {
    /// Finds them in every module and checks what they and their stages need.
    pub(super) fn plan(graph: &Graph, options: &BootOptions, problems: &mut Vec<Problem>) -> Self {
        let sets = registry::by_service();
        let mut plan = Plan {
            graph,
            options,
            problems,
            sets,
            served: HashSet::new(),
            module: 0,
            stages: HashSet::new(),
            mounts: Self::default(),
        };
        for (module, node) in graph.nodes.iter().enumerate() {
            plan.module = module;
            plan.listed(&node.def.controllers, "controllers");
            plan.listed(&node.def.microservices, "microservices");
            // Bus subscribers need no listing: being provided, other than under a name, is enough.
            for provider in node.def.providers.iter().filter(|provider| provider.key.name().is_none()) {
                plan.serve(&provider.key, true);
            }
        }
        plan.refuse_duplicates();
        plan.check_enhancers();
        plan.refuse_idle_overrides();
        plan.mounts
    }

    /// Builds their stages, now that all providers are there; `global` stands around all messages and events.
    pub(super) fn mount(&self, container: &Container, global: &Enhancers) -> Result<Vec<Route>, BootError> {
        let mut problems = Vec::new();
        let mut routes = Vec::new();
        let mut around: HashMap<usize, Arc<Enhancers>> = HashMap::new();
        let none = Arc::new(Enhancers::default());
        for Mount { module, handler, patterns, metadata, chain, .. } in &self.handlers {
            let view = &container.views[*module];
            let cannot =
                |error| Problem::new(format!("`{}` cannot be mounted: {error}", handler.name()), &view.path, None);
            let outer = if is_bus(handler) {
                &none
            } else {
                match self.around(container, *module, global, &mut around) {
                    Ok(outer) => outer,
                    Err(error) => {
                        problems.push(cannot(error));
                        continue;
                    }
                }
            };
            match handler.mount(&container.resolver(*module), outer) {
                Some(Ok(endpoint)) => {
                    let chain = Arc::new(Chain::new(outer.chain().into_iter().chain(chain.iter().cloned())));
                    routes.extend(patterns.iter().map(|pattern| Route {
                        pattern: pattern.clone(),
                        kind: handler.kind(),
                        handler: handler.name(),
                        transports: handler.transport_filter(),
                        extras: handler.given_extras(),
                        limits: handler.limits(),
                        metadata: metadata.clone(),
                        chain: Arc::clone(&chain),
                        endpoint: Arc::clone(&endpoint),
                    }));
                }
                Some(Err(error)) => problems.push(cannot(error)),
                None => unreachable!("a row that mounts nothing is a problem of the plan"),
            }
        }
        if problems.is_empty() { Ok(routes) } else { Err(BootError::new(problems)) }
    }

    /// What stands around the handlers of one module, built once.
    fn around<'a>(
        &self,
        container: &Container,
        module: usize,
        global: &Enhancers,
        known: &'a mut HashMap<usize, Arc<Enhancers>>,
    ) -> Result<&'a Arc<Enhancers>, ResolveError> {
        match known.entry(module) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let own = self.enhancers[module].build(&container.resolver(module))?;
                Ok(entry.insert(Arc::new(global.clone().around(&own))))
            }
        }
    }

    /// The stages of the module that lists a controller, for its HTTP routes.
    pub(super) fn around_http(&self, container: &Container, module: usize) -> Result<Enhancers, BootError> {
        self.enhancers[module].build(&container.resolver(module)).map_err(|error| {
            let view = &container.views[module];
            BootError::new(vec![Problem::new(
                format!("a stage of `{}` cannot be built: {error}", view.name),
                &view.path,
                None,
            )])
        })
    }

    /// What there is to discover.
    pub(super) fn catalogue(&self) -> Catalogue {
        let entry = |mount: &Mount| CatalogueEntry {
            handler: mount.handler,
            patterns: mount.patterns.as_slice().into(),
            metadata: mount.metadata.clone(),
            provider: mount.provider,
        };
        Catalogue { controllers: self.listed.clone(), handlers: self.handlers.iter().map(entry).collect() }
    }

    /// A set that is linked and served nowhere is usually a module that was forgotten.
    pub(super) fn report_unmounted(&self) {
        let mut forgotten = registry::all();
        forgotten.retain(|set| !self.mounted.contains(&address(set)));
        if !forgotten.is_empty() {
            let handlers: usize = forgotten.iter().map(|set| set.handlers().len()).sum();
            // Those of one service stand together.
            forgotten.dedup_by_key(|set| set.service_name());
            let services: Vec<_> = forgotten.iter().map(|set| short_type_name(set.service_name())).collect();
            tracing::warn!(
                target: "nestrs::boot",
                services = services.join(", "),
                handlers,
                "handlers are linked into the program but no module of this application mounts them; \
                 list their types in `microservices` or `controllers`"
            );
        }
    }
}

/// The walk through all modules that finds the handlers.
struct Plan<'a> {
    graph: &'a Graph,
    options: &'a BootOptions,
    problems: &'a mut Vec<Problem>,
    sets: HashMap<TypeId, Vec<&'static HandlerSet>>,
    /// A provider is served once, however many modules list it.
    served: HashSet<(usize, usize, bool)>,
    /// The one being read.
    module: usize,
    /// The types of stages that stand somewhere.
    stages: HashSet<(StageKind, TypeId)>,
    mounts: Mounts,
}

impl Plan<'_> {
    /// Plans what one module lists in `controllers` or in `microservices`.
    fn listed(&mut self, listings: &[Listed], list: &str) {
        let view = &self.graph.views[self.module];
        for (index, listed) in listings.iter().enumerate() {
            let listing = format!("`{}` is listed in `{list}` of `{}`", listed.name, view.name);
            if listings[..index].iter().any(|earlier| earlier.key == listed.key) {
                self.problem(self.module, format!("{listing} twice"), Some("keep one of them".into()));
                continue;
            }
            let service = listed.key.type_id();
            let mut has_http = false;
            if list == "controllers" {
                self.mounts.controllers.push((service, listed.name.clone(), self.module));
                self.mounts.listed.extend(view.find(&listed.key));
                has_http = self.options.has_http_routes.is_some_and(|known| known(service));
            }
            if !has_http && self.sets(service, false).is_empty() {
                let has = if list == "controllers" { "neither HTTP routes nor" } else { "no" };
                let cure = "write `#[micro_routes]` on an impl block of it".to_owned();
                self.problem(self.module, format!("{listing} but has {has} message handlers"), Some(cure));
            }
            if has_http {
                self.graph.check_http_scope(self.module, &listed.key, self.problems);
            }
            if let Some(provider) = view.find(&listed.key) {
                self.check_covered(&listing, provider);
            }
            if view.visible.contains_key(&listed.key) {
                self.serve(&listed.key, false);
            } else {
                let cure = self.graph.cure(self.module, &listed.key);
                self.problem(self.module, format!("{listing} but not provided there"), Some(cure));
            }
        }
    }

    /// The stages of a module stand around the handlers of what it provides. Whoever lists a service of another module
    /// beside guards believes it to be guarded.
    fn check_covered(&mut self, listing: &str, provider: usize) {
        let owner = self.graph.providers[provider].0;
        if owner != self.module && !self.graph.nodes[self.module].def.enhancers.is_empty() {
            let owner = self.graph.views[owner].name.clone();
            let what = format!(
                "{listing}, whose guards, interceptors, pipes and filters do not stand around it: `{owner}` provides it"
            );
            let cure = format!("give them to `{owner}`, or to its impl block");
            self.problem(self.module, what, Some(cure));
        }
    }

    /// Plans the bus handlers of a provider, or its others, for the module that provides it: what its stages need is as
    /// private as what it needs itself.
    fn serve(&mut self, service: &Key, bus: bool) {
        let module = format!("`{}`", self.graph.views[self.module].name);
        for set in self.sets(service.type_id(), bus) {
            if let Some(provider) = self.check(self.module, &module, service.clone(), true)
                && self.graph.check_service_scope(provider, self.problems)
                && self.served.insert((provider, address(set), bus))
            {
                self.mounts.mounted.insert(address(set));
                for handler in set.handlers().iter().filter(|handler| is_bus(handler) == bus) {
                    self.handler(provider, handler);
                }
            }
        }
    }

    fn handler(&mut self, provider: usize, handler: &'static HandlerDef) {
        let module = self.graph.providers[provider].0;
        let name = format!("`{}`", handler.name());
        let plan = handler.plan();
        match plan.service {
            Some(service) => _ = self.check(module, &name, service, false),
            None => self.problem(module, format!("{name} has a row that mounts nothing"), None),
        }
        for dependency in &plan.arguments.providers {
            if let Some(provider) = self.graph.check(module, &name, dependency, self.problems) {
                self.graph.check_stage_scope(module, &name, provider, self.problems);
            }
        }
        for need in plan.needs.into_iter().chain(plan.arguments.pipes) {
            self.stage(module, &need, &name);
        }
        let mut patterns = Vec::new();
        for literal in handler.patterns() {
            match Pattern::from_literal(literal) {
                Ok(pattern) => {
                    if is_bus(handler)
                        && let Some(problem) = subscription_problem(pattern.route())
                    {
                        self.problem(module, format!("{name} subscribes to `{pattern}`: {problem}"), None);
                    }
                    patterns.push(pattern);
                }
                Err(error) => {
                    self.problem(module, format!("{name} has a pattern that cannot be routed: {error}"), None)
                }
            }
        }
        let metadata = handler.to_metadata();
        self.mounts.handlers.push(Mount { provider, module, handler, patterns, metadata, chain: plan.chain });
    }

    /// Checks that the container can build a stage.
    fn stage(&mut self, module: usize, need: &StageNeed, place: &str) {
        let stage = need.key.type_id();
        if let Some(kind) = need.kind {
            self.stages.insert((kind, stage));
            if self.options.overrides.stages.contains_key(&(kind, stage)) {
                return;
            }
        }
        let stage = format!("`{}` on {place}", short_type_name(need.name));
        if need.scope != ProviderScope::Singleton && !self.graph.views[module].visible.contains_key(&need.key) {
            let what = format!("{stage} is {}, but a stage is built once", need.scope);
            self.problem(module, what, Some("leave out its scope".into()));
        }
        if let Some(provider) = self.check(module, &stage, need.key.clone(), true) {
            self.graph.check_stage_scope(module, &stage, provider, self.problems);
        }
        if !self.graph.views[module].visible.contains_key(&need.key) {
            for dependency in &need.dependencies {
                if let Some(provider) = self.graph.check(module, &stage, dependency, self.problems) {
                    self.graph.check_stage_scope(module, &stage, provider, self.problems);
                }
            }
        }
    }

    /// Checks the stages of modules and of HTTP routes. A module's that stand around nothing are a mistake: someone
    /// believes something to be guarded.
    fn check_enhancers(&mut self) {
        for (module, node) in self.graph.nodes.iter().enumerate() {
            let specs = node.def.enhancers.clone();
            let name = format!("`{}`", self.graph.views[module].name);
            for need in specs.needs() {
                self.stage(module, &need, &format!("all handlers of {name}"));
            }
            let has_messages =
                self.mounts.handlers.iter().any(|mount| mount.module == module && !is_bus(mount.handler));
            let has_http = |service| self.options.has_http_routes.is_some_and(|known| known(service));
            let has_http = self.mounts.controllers.iter().any(|(service, _, at)| *at == module && has_http(*service));
            if !specs.is_empty() && !has_messages && !has_http {
                let what =
                    format!("{name} has guards, interceptors, pipes or filters, but no handler that they stand around");
                let cure = "they belong to the module that provides the services or lists the controllers";
                self.problem(module, what, Some(cure.into()));
            }
            if specs.kinds().any(|kind| kind == StageKind::Pipe) && !has_messages && has_http {
                let what = format!("{name} has pipes, but no message handler that they stand around");
                let cure = "pipes transform the payload of messages; on HTTP routes extractors do that";
                self.problem(module, what, Some(cure.into()));
            }
            self.mounts.enhancers.push(specs);
        }
        let Some(of_routes) = self.options.http_enhancers else { return };
        for (service, _, module) in self.mounts.controllers.clone() {
            for (route, specs) in of_routes(service) {
                for need in specs.needs() {
                    self.stage(module, &need, &format!("`{route}`"));
                }
            }
        }
    }

    /// What replaces a stage that stands nowhere replaces nothing.
    fn refuse_idle_overrides(&mut self) {
        let for_application = self.graph.providers.iter().filter_map(|(_, provider)| {
            let (kind, _) = provider.enhancer?;
            Some((kind, provider.key().type_id()))
        });
        self.stages.extend(for_application);
        for ((kind, stage), replacement) in &self.options.overrides.stages {
            if !self.stages.contains(&(*kind, *stage)) {
                let name = short_type_name(replacement.replaced);
                let what = format!("the {kind} `{name}` is overridden, but stands around nothing");
                self.problems.push(Problem::new(what, "", None));
            }
        }
    }

    /// A request has one handler on each transport. (Events may have many.)
    fn refuse_duplicates(&mut self) {
        let mut handlers: HashMap<&str, Vec<(&HandlerDef, String)>> = HashMap::new();
        for Mount { module, handler, patterns, .. } in &self.mounts.handlers {
            if handler.kind() == HandlerKind::Message {
                let place = format!("`{}` in `{}`", handler.name(), self.graph.views[*module].name);
                for pattern in patterns {
                    handlers.entry(pattern.route()).or_default().push((handler, place.clone()));
                }
            }
        }
        handlers.retain(|_, handlers| handlers.len() > 1);
        for (pattern, handlers) in sorted(handlers, |(one, _), (other, _)| one <= other) {
            let collides = |index: usize| {
                let others = handlers.iter().enumerate().filter(|(other, _)| *other != index);
                others.into_iter().any(|(_, (other, _))| handlers[index].0.shares_a_transport(other))
            };
            let places: Vec<&str> =
                (0..handlers.len()).filter(|index| collides(*index)).map(|index| &*handlers[index].1).collect();
            if !places.is_empty() {
                self.problems.push(Problem::new(
                    format!("the pattern `{pattern}` is handled by {}", places.join(" and by ")),
                    "",
                    Some("a request has one answer: give one of them another pattern, or make them events".into()),
                ));
            }
        }
    }

    /// The sets of a service that have bus handlers, or others.
    fn sets(&self, service: TypeId, bus: bool) -> Vec<&'static HandlerSet> {
        let sets = self.sets.get(&service).into_iter().flatten().copied();
        sets.filter(|set| set.handlers().iter().any(|handler| is_bus(handler) == bus)).collect()
    }

    fn check(&mut self, module: usize, asker: &str, key: Key, optional: bool) -> Option<usize> {
        self.graph.check(module, asker, &Dependency { key, asked_by: "self", optional }, self.problems)
    }

    fn problem(&mut self, module: usize, what: String, cure: Option<String>) {
        self.problems.push(Problem::new(what, &self.graph.views[module].path, cure));
    }
}

fn address(set: &'static HandlerSet) -> usize {
    std::ptr::from_ref(set).addr()
}

fn is_bus(handler: &HandlerDef) -> bool {
    handler.kind() == HandlerKind::Bus
}
