//! Which handlers are served, by which module, with which stages.

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::graph::Graph;
use super::{BootError, BootOptions, Problem};
use crate::bus_event::subscription_problem;
use crate::container::Container;
use crate::handler::{HandlerDef, HandlerKind, HandlerSet, Route};
use crate::injectable::{Dependency, Key, short_type_name};
use crate::module::Listed;
use crate::pattern::Pattern;
use crate::registry;

/// Every handler that will be served, and where.
#[derive(Default)]
pub(super) struct Mounts {
    /// Every listed controller with its name and the module that lists it.
    pub(super) controllers: Vec<(TypeId, String, usize)>,
    handlers: Vec<Mount>,
    /// The sets that some module mounts, by address.
    mounted: HashSet<usize>,
}

struct Mount {
    /// The one that provides the service.
    module: usize,
    handler: &'static HandlerDef,
    patterns: Vec<Pattern>,
}

impl Mounts {
    /// Finds them in every module and checks what they and their stages need.
    pub(super) fn plan(graph: &Graph, options: &BootOptions, problems: &mut Vec<Problem>) -> Self {
        let sets = registry::by_service();
        let mut plan =
            Plan { graph, options, problems, sets, served: HashSet::new(), module: 0, mounts: Self::default() };
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
        plan.mounts
    }

    /// Builds their stages, now that all providers are there.
    pub(super) fn mount(&self, container: &Container) -> Result<Vec<Route>, BootError> {
        let mut problems = Vec::new();
        let mut routes = Vec::new();
        for Mount { module, handler, patterns } in &self.handlers {
            match handler.mount(&container.resolver(*module)) {
                Some(Ok(endpoint)) => routes.extend(patterns.iter().map(|pattern| Route {
                    pattern: pattern.clone(),
                    kind: handler.kind(),
                    handler: handler.name(),
                    endpoint: Arc::clone(&endpoint),
                })),
                Some(Err(error)) => problems.push(Problem::new(
                    format!("`{}` cannot be mounted: {error}", handler.name()),
                    &container.views[*module].path,
                    None,
                )),
                None => unreachable!("a row that mounts nothing is a problem of the plan"),
            }
        }
        if problems.is_empty() { Ok(routes) } else { Err(BootError::new(problems)) }
    }

    /// A set that is linked and served nowhere is usually a module that was forgotten.
    pub(super) fn report_unmounted(&self) {
        let mut forgotten: BTreeMap<&'static str, usize> = BTreeMap::new();
        for set in registry::all() {
            if !self.mounted.contains(&address(set)) {
                *forgotten.entry(set.service_name()).or_default() += set.handlers().len();
            }
        }
        for (service, handlers) in forgotten {
            tracing::warn!(
                service,
                handlers,
                "handlers are linked into the program but no module mounts them; list their type in `microservices` or `controllers`"
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
                has_http = self.options.has_http_routes.is_some_and(|known| known(service));
            }
            if !has_http && self.sets(service, false).is_empty() {
                let has = if list == "controllers" { "neither HTTP routes nor" } else { "no" };
                let cure = "write `#[micro_routes]` on an impl block of it".to_owned();
                self.problem(self.module, format!("{listing} but has {has} message handlers"), Some(cure));
            }
            if view.visible.contains_key(&listed.key) {
                self.serve(&listed.key, false);
            } else {
                let cure = self.graph.cure(self.module, &listed.key);
                self.problem(self.module, format!("{listing} but not provided there"), Some(cure));
            }
        }
    }

    /// Plans the bus handlers of a provider, or its others, for the module that provides it: what its stages need is as
    /// private as what it needs itself.
    fn serve(&mut self, service: &Key, bus: bool) {
        let module = format!("`{}`", self.graph.views[self.module].name);
        for set in self.sets(service.type_id(), bus) {
            if let Some(provider) = self.check(self.module, &module, service.clone(), true)
                && self.served.insert((provider, address(set), bus))
            {
                self.mounts.mounted.insert(address(set));
                for handler in set.handlers().iter().filter(|handler| is_bus(handler) == bus) {
                    self.handler(self.graph.providers[provider].0, handler);
                }
            }
        }
    }

    fn handler(&mut self, module: usize, handler: &'static HandlerDef) {
        let name = format!("`{}`", handler.name());
        let plan = handler.plan();
        match plan.service {
            Some(service) => _ = self.check(module, &name, service, false),
            None => self.problem(module, format!("{name} has a row that mounts nothing"), None),
        }
        for need in plan.needs {
            let stage = format!("`{}` on {name}", short_type_name(need.name));
            self.check(module, &stage, need.key.clone(), true);
            if !self.graph.views[module].visible.contains_key(&need.key) {
                for dependency in &need.dependencies {
                    self.graph.check(module, &stage, dependency, self.problems);
                }
            }
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
        self.mounts.handlers.push(Mount { module, handler, patterns });
    }

    /// A request has one handler. (Events may have many.)
    fn refuse_duplicates(&mut self) {
        let mut handlers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for Mount { module, handler, patterns } in &self.mounts.handlers {
            if handler.kind() == HandlerKind::Message {
                let place = format!("`{}` in `{}`", handler.name(), self.graph.views[*module].name);
                for pattern in patterns {
                    handlers.entry(pattern.route()).or_default().push(place.clone());
                }
            }
        }
        for (pattern, places) in handlers.into_iter().filter(|(_, places)| places.len() > 1) {
            self.problems.push(Problem::new(
                format!("the pattern `{pattern}` is handled by {}", places.join(" and by ")),
                "",
                Some("a request has one answer: give one of them another pattern, or make them events".into()),
            ));
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
