//! The modules of an application and who may see what.

use std::collections::HashMap;

use super::walk::{Node, walk};
use super::{BootOptions, Problem};
use crate::container::{Late, View, Visible};
use crate::context::ExecutionContext;
use crate::discovery::DiscoveryService;
use crate::injectable::Key;
use crate::module::{Export, ModuleDef};
use crate::module_ref::ModuleRef;
use crate::provider::{Build, Provider, ProviderKind};
use crate::provider_scope::ProviderScope;
use crate::resolver::{Instance, ResolveError, Resolver};

/// Every module once, each provider numbered, each module's view computed.
pub(super) struct Graph {
    pub(super) views: Vec<View>,
    pub(super) nodes: Vec<Node>,
    /// With the module each belongs to.
    pub(super) providers: Vec<(usize, Provider)>,
    /// What each module lets others use.
    pub(super) exports: Vec<Exports>,
    /// How many of the providers modules list; those after them are everyone's.
    pub(super) listed: usize,
    /// For those that ask the container itself.
    pub(super) late: Late,
}

/// More than one provider for a key is a problem of whoever asks for it. In ascending order, each once.
type Exports = HashMap<Key, Vec<usize>>;

impl Graph {
    /// Reads the whole graph, from the root and the globals.
    pub(super) fn collect(root: ModuleDef, options: &BootOptions, problems: &mut Vec<Problem>) -> Self {
        let (mut nodes, finished) = walk(root, &options.globals, problems);
        let mut providers = Vec::new();
        let mut own: Vec<HashMap<Key, usize>> = Vec::new();
        for (module, node) in nodes.iter_mut().enumerate() {
            // A controller is a provider without being listed as one.
            for controller in &node.def.controllers {
                let provided = node.def.providers.iter().any(|provider| provider.key == controller.key);
                if let Some(provider) = controller.provider.as_ref().filter(|_| !provided) {
                    node.def.providers.push(provider.clone());
                }
            }
            for provider in &mut node.def.providers {
                if let Some(other) = options.overrides.instead_of(provider.key()) {
                    *provider = provider.replaced_by(other);
                }
                if let Some((kind, _)) = provider.enhancer
                    && options.overrides.stages.contains_key(&(kind, provider.key().type_id()))
                {
                    provider.build_nothing();
                }
            }
            let mut keys = HashMap::new();
            for provider in &node.def.providers {
                if keys.insert(provider.key.clone(), providers.len()).is_some() {
                    problems.push(Problem::new(
                        format!("`{}` provides {} twice", node.def.name, provider.key),
                        &node.path,
                        Some("keep one of them, or give one a name".into()),
                    ));
                }
                providers.push((module, provider.clone()));
            }
            own.push(keys);
        }

        for unused in
            options.overrides.providers.iter().filter(|other| !own.iter().any(|own| own.contains_key(other.key())))
        {
            let cure = "a test replaces what some module provides; to add something, import a module that provides it";
            let what = format!("{} is overridden, but no module provides it", unused.key());
            problems.push(Problem::new(what, "", Some(cure.into())));
        }
        let exports = exports(&nodes, &finished, &own, problems);
        let mut views = views(&nodes, &own, &exports, &providers);
        let (listed, late) = (providers.len(), Late::default());
        add_everyones(&mut views, &mut providers, &late);
        Self { views, nodes, providers, exports, listed, late }
    }
}

/// What every module sees without importing it, unless it sees another of that type.
fn add_everyones(views: &mut [View], providers: &mut Vec<(usize, Provider)>, late: &Late) {
    let call = providers.len();
    providers.push((0, this_call()));
    providers.push((0, Provider::value(DiscoveryService::new(late.clone()))));
    for (module, view) in views.iter_mut().enumerate() {
        view.visible.entry(Key::of::<ExecutionContext>()).or_insert(Visible::One(call));
        view.visible.entry(Key::of::<DiscoveryService>()).or_insert(Visible::One(call + 1));
        view.visible.entry(Key::of::<ModuleRef>()).or_insert_with(|| {
            providers.push((module, Provider::value(ModuleRef::new(late.clone(), module))));
            Visible::One(providers.len() - 1)
        });
    }
}

/// The call at hand (NestJS's `CONTEXT`).
fn this_call() -> Provider {
    let build = |resolver: &Resolver<'_>| {
        let cx = resolver.call.and_then(|call| call.store.context(call.cx));
        let cx = cx.ok_or_else(|| ResolveError::no_call(Key::of::<ExecutionContext>()))?;
        Ok(Build::Ready(Instance::sized(cx)))
    };
    Provider::new::<ExecutionContext>(ProviderKind::Factory, Vec::new(), build).scope(ProviderScope::Request)
}

/// What each module lets others use; `finished` has imported modules first.
fn exports(
    nodes: &[Node],
    finished: &[usize],
    own: &[HashMap<Key, usize>],
    problems: &mut Vec<Problem>,
) -> Vec<Exports> {
    let mut exports: Vec<Option<Exports>> = vec![None; nodes.len()];
    let mut unknown: Vec<Vec<Problem>> = vec![Vec::new(); nodes.len()];
    for &module in finished {
        let node = &nodes[module];
        // Its own providers go before those that it passes on, as they do in its own sight.
        let mut passed_on = Exports::new();
        let mut mine = Exports::new();
        // Modules in an import circle are not finished yet: what they export is not known, and the circle is reported.
        let imports =
            || node.imports.iter().filter_map(|imported| Some((&nodes[*imported], exports[*imported].as_ref()?)));
        for export in &node.def.exports {
            let mut known = imports().count() < node.imports.len();
            match export {
                Export::Type(key) => {
                    if let Some(provider) = own[module].get(key) {
                        mine.insert(key.clone(), vec![*provider]);
                        continue;
                    }
                    for (imported, theirs) in imports() {
                        if imported.def.type_id == key.type_id() {
                            known = true;
                            pass_on(&mut passed_on, theirs);
                        } else if let Some(providers) = theirs.get(key) {
                            known = true;
                            pass_on(&mut passed_on, [(key, providers)]);
                        }
                    }
                }
                Export::Name(name) => {
                    let named = |key: &Key| key.name() == Some(name);
                    for (key, provider) in own[module].iter().filter(|(key, _)| named(key)) {
                        known = true;
                        mine.insert(key.clone(), vec![*provider]);
                    }
                    for theirs in imports().flat_map(|(_, theirs)| theirs).filter(|(key, _)| named(key)) {
                        known = true;
                        pass_on(&mut passed_on, [theirs]);
                    }
                }
            }
            if !known {
                unknown[module].push(unknown_export(node, export, own[module].keys()));
            }
        }
        passed_on.extend(mine);
        exports[module] = Some(passed_on);
    }
    // In module order, like all others.
    problems.extend(unknown.into_iter().flatten());
    exports.into_iter().map(Option::unwrap_or_default).collect()
}

fn pass_on<'a>(exports: &mut Exports, others: impl IntoIterator<Item = (&'a Key, &'a Vec<usize>)>) {
    for (key, providers) in others {
        let known = exports.entry(key.clone()).or_default();
        for provider in providers {
            if let Err(place) = known.binary_search(provider) {
                known.insert(place, *provider);
            }
        }
    }
}

fn unknown_export<'a>(node: &Node, export: &Export, mut own: impl Iterator<Item = &'a Key>) -> Problem {
    let module = &node.def.name;
    let (what, name) = match export {
        Export::Type(key) => (format!("`{}`", key.short_type()), own.find(|own| own.type_id() == key.type_id())),
        Export::Name(name) => (format!("the name `{name}`"), None),
    };
    let cure = match name.and_then(Key::name) {
        Some(name) => format!("`{module}` provides it by name: export the name `{name}`"),
        None => format!("add it to `providers` of `{module}`, or import a module that exports it"),
    };
    Problem::new(format!("`{module}` exports {what}, which it neither provides nor imports"), &node.path, Some(cure))
}

/// What each module sees: its own, then what it imports, then what is global.
fn views(
    nodes: &[Node],
    own: &[HashMap<Key, usize>],
    exports: &[Exports],
    providers: &[(usize, Provider)],
) -> Vec<View> {
    let sight = |modules: &[usize]| {
        let mut seen = Exports::new();
        for module in modules {
            pass_on(&mut seen, &exports[*module]);
        }
        let visible = |found: Vec<usize>| match found.first() {
            Some(one) if found.len() == 1 => Visible::One(*one),
            _ => Visible::Several(found.iter().map(|found| nodes[providers[*found].0].def.name.clone()).collect()),
        };
        seen.into_iter().map(move |(key, found)| (key, visible(found))).collect::<HashMap<_, _>>()
    };
    let globals: Vec<usize> = (0..nodes.len()).filter(|module| nodes[*module].def.global).collect();
    let everywhere = sight(&globals);
    nodes
        .iter()
        .enumerate()
        .map(|(index, node)| {
            let mut visible = everywhere.clone();
            visible.extend(sight(&node.imports));
            visible.extend(own[index].iter().map(|(key, provider)| (key.clone(), Visible::One(*provider))));
            View { index, name: node.def.name.clone(), path: node.path.clone(), visible }
        })
        .collect()
}
