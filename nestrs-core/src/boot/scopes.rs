//! Whether everything lives at least as long as what holds it.

use super::Problem;
use super::check::purpose;
use super::graph::Graph;
use crate::context::ExecutionContext;
use crate::injectable::{Dependency, Key};
use crate::provider::{Provider, ProviderKind};
use crate::provider_scope::ProviderScope::{Request, Singleton, Transient};

/// So many providers that are no singletons may need each other in a row: they are built one inside the other, and a
/// stack ends somewhere.
const CHAIN_MAX: usize = 64;

impl Graph {
    /// Gives aliases the scope of what they stand for, and checks every provider against what it needs. `order` has
    /// those that are needed first.
    pub(super) fn check_scopes(&mut self, order: &[usize], problems: &mut Vec<Problem>) {
        let mut chains = vec![0; self.providers.len()];
        for &index in order {
            let module = self.providers[index].0;
            let needs = |dependency: &Dependency| self.views[module].find(&dependency.key);
            let provider = &self.providers[index].1;
            let path = &self.views[module].path;
            if let Some((what, cure)) = misfit(provider) {
                problems.push(Problem::new(what, path, Some(cure.into())));
            }
            if provider.kind == ProviderKind::Alias {
                let scope = provider.dependencies.first().and_then(needs).map(|target| self.providers[target].1.scope);
                self.providers[index].1.scope = scope.unwrap_or_default();
            }
            let provider = &self.providers[index].1;
            let needs = |dependency: &Dependency| self.views[module].find(&dependency.key);
            if provider.scope == Singleton || provider.scope == Transient {
                for dependency in &provider.dependencies {
                    if let Some(needed) = needs(dependency)
                        && self.providers[needed].1.scope == Request
                    {
                        let asker = format!("{} is {} and", provider.title(), provider.scope);
                        problems.push(self.mismatch(module, &asker, needed, &purpose(dependency), cure(provider)));
                    }
                }
            }
            if provider.scope != Singleton {
                chains[index] =
                    1 + provider.dependencies.iter().filter_map(needs).map(|it| chains[it]).max().unwrap_or(0);
                if chains[index] == CHAIN_MAX + 1 {
                    let what =
                        format!("{} ends a chain of {} providers, none a singleton", provider.title(), CHAIN_MAX + 1);
                    let cure = format!("at most {CHAIN_MAX} can be built one inside the other: make one a singleton");
                    problems.push(Problem::new(what, path, Some(cure)));
                }
            }
        }
    }

    fn mismatch(&self, module: usize, asker: &str, needed: usize, purpose: &str, cure: String) -> Problem {
        let key = &self.providers[needed].1.key;
        let why = if *key == Key::of::<ExecutionContext>() { "exists only during a call" } else { "is request-scoped" };
        Problem::new(format!("{asker} needs {key}{purpose}, which {why}"), &self.views[module].path, Some(cure))
    }

    /// Stages are built once, when their route is mounted.
    pub(super) fn check_stage_scope(&self, module: usize, stage: &str, needed: usize, problems: &mut Vec<Problem>) {
        if self.providers[needed].1.scope == Request {
            let cure = "a stage is built once: let it take what it needs from the context that it is called with, by \
                        `ModuleRef::resolve_in(&ContextId::of(cx))`";
            problems.push(self.mismatch(module, stage, needed, "", cure.into()));
        }
    }

    /// Whether a provider can have handlers: a new instance belongs to whoever asks, and a message does not ask.
    pub(super) fn check_service_scope(&self, provider: usize, problems: &mut Vec<Problem>) -> bool {
        let (module, provider) = &self.providers[provider];
        if provider.scope == Transient {
            problems.push(Problem::new(
                format!("{} has handlers and is transient", provider.title()),
                &self.views[*module].path,
                Some("make it a singleton, or request-scoped for a new one per call".into()),
            ));
        }
        provider.scope != Transient
    }

    /// Whether a controller can have HTTP routes: those are mounted with the one instance there is.
    pub(super) fn check_http_scope(&self, module: usize, key: &Key, problems: &mut Vec<Problem>) {
        let Some(index) = self.views[module].find(key) else { return };
        self.check_service_scope(index, problems);
    }
}

/// What is wrong with a provider's scope, whatever it needs.
fn misfit(provider: &Provider) -> Option<(String, &'static str)> {
    if provider.scope == Singleton {
        return None;
    }
    let (title, scope) = (provider.title(), provider.scope);
    let of = |what: &str| format!("{title} is {scope} but {what}");
    if provider.enhancer.is_some() {
        return Some((of("stands around the whole application, so there is one"), "leave out its scope"));
    }
    match (provider.kind, provider.phases.first()) {
        (ProviderKind::Value, _) => {
            Some((of("a value, of which there is one"), "leave out its scope, or write a factory"))
        }
        (ProviderKind::Alias, _) => {
            Some((of("an alias, which has the scope of what it stands for"), "leave out its scope"))
        }
        (ProviderKind::AsyncFactory, _) => Some((
            of("made by an async factory, which only boot awaits"),
            "make a singleton by it, and what is needed per call from that singleton by a `factory`",
        )),
        (_, Some(phase)) => Some((
            of(&format!("has the hook `{phase}`, which runs on singletons only")),
            "move the hook to a singleton that it needs",
        )),
        _ => None,
    }
}

fn cure(provider: &Provider) -> String {
    let how = match provider.kind {
        ProviderKind::Class => "write `#[injectable(scope = request)]` on it",
        _ => "add `.scope(ProviderScope::Request)` to it",
    };
    format!("{how}, or let it resolve that per call, by `ModuleRef::resolve_in`")
}
