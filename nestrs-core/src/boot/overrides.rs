//! What a test puts in the place of an application's own providers and stages.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::injectable::{Key, short_type_name};
use crate::pipeline::chain::{Level, StageKind};
use crate::pipeline::{CanActivate, Enhancers, ExceptionFilter, Interceptor, PipeTransform};
use crate::provider::Provider;

/// Providers and stages to be used instead of others; NestJS's `overrideProvider`, `overrideGuard` and their siblings.
///
/// A replaced provider is neither built nor checked, so what it would need may be missing. One that replaces nothing is a
/// problem of boot: a test that believes something to be replaced would test something else.
#[derive(Clone, Default)]
pub struct Overrides {
    pub(crate) providers: Vec<Provider>,
    pub(crate) stages: HashMap<(StageKind, TypeId), Replacement>,
}

/// A stage that stands in for those of one type.
#[derive(Clone)]
pub(crate) struct Replacement {
    pub(crate) replaced: &'static str,
    pub(crate) add: Arc<dyn Fn(Enhancers, Level) -> Enhancers + Send + Sync>,
}

impl Overrides {
    /// Uses `provider` wherever a module provides what it is asked for by.
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        self.providers.push(provider);
        self
    }

    /// Uses `guard` wherever the guard `G` is declared, at any level.
    #[must_use]
    pub fn guard<G: 'static>(self, guard: impl CanActivate) -> Self {
        let guard = Arc::new(guard);
        self.stage::<G>(StageKind::Guard, move |all, level| all.with_guard(Arc::clone(&guard), type_name::<G>(), level))
    }

    /// Uses `interceptor` wherever the interceptor `I` is declared, at any level.
    #[must_use]
    pub fn interceptor<I: 'static>(self, interceptor: impl Interceptor) -> Self {
        let interceptor = Arc::new(interceptor);
        self.stage::<I>(StageKind::Interceptor, move |all, level| {
            all.with_interceptor(Arc::clone(&interceptor), type_name::<I>(), level)
        })
    }

    /// Uses `pipe` wherever the pipe `P` is declared, at any level.
    #[must_use]
    pub fn pipe<P: 'static>(self, pipe: impl PipeTransform) -> Self {
        let pipe = Arc::new(pipe);
        self.stage::<P>(StageKind::Pipe, move |all, level| all.with_pipe(Arc::clone(&pipe), type_name::<P>(), level))
    }

    /// Uses `filter` wherever the exception filter `F` is declared, at any level.
    #[must_use]
    pub fn filter<F: 'static>(self, filter: impl ExceptionFilter) -> Self {
        let filter = Arc::new(filter);
        self.stage::<F>(StageKind::Filter, move |all, level| {
            all.with_filter(Arc::clone(&filter), type_name::<F>(), level)
        })
    }

    fn stage<T: 'static>(
        mut self,
        kind: StageKind,
        add: impl Fn(Enhancers, Level) -> Enhancers + Send + Sync + 'static,
    ) -> Self {
        let replacement = Replacement { replaced: type_name::<T>(), add: Arc::new(add) };
        self.stages.insert((kind, TypeId::of::<T>()), replacement);
        self
    }

    /// What is provided instead of `provider`.
    pub(crate) fn instead_of(&self, key: &Key) -> Option<&Provider> {
        self.providers.iter().rev().find(|provider| provider.key() == key)
    }
}

impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = self.stages.values().map(|stage| short_type_name(stage.replaced));
        f.debug_struct("Overrides")
            .field("providers", &self.providers)
            .field("stages", &stages.collect::<Vec<_>>())
            .finish()
    }
}
