//! What a provider or a stage under construction may ask for.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::boot::Replacement;
use crate::container::{Container, View};
use crate::error::TransportError;
use crate::injectable::{Dependency, Key};
use crate::pipeline::{Enhancers, Level, StageKind};
use crate::provider_scope::{Call, ProviderScope};

/// Why a provider could not be had.
///
/// As an error of a handler it answers the call: with the [`TransportError`] that a factory failed with, or else with an
/// internal error whose text stays here.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct ResolveError(Reason);

#[derive(Clone, Debug, thiserror::Error)]
enum Reason {
    #[error("{0} was asked for but not declared as a dependency, or is optional and not there")]
    Undeclared(Key),
    #[error("{} is not provided anywhere in the sight of {module}", list(keys))]
    Missing { keys: Vec<Key>, module: String },
    #[error("{key} is provided by several modules: {}", list(&modules.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>()))]
    Several { key: Key, modules: Vec<String> },
    #[error("{key} is {scope}, so there is none to get: `resolve` it")]
    Scoped { key: Key, scope: ProviderScope },
    #[error("{0} exists only during a call, and this is none: take the context id from one, `ContextId::of(cx)`")]
    NoCall(Key),
    #[error("{title} cannot be built")]
    Failed { title: String, source: Arc<dyn Error + Send + Sync> },
    #[error("the application is still being built: ask in `on_module_init` or later")]
    Building,
    #[error("the application has ended")]
    Ended,
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl ResolveError {
    pub(crate) fn undeclared(key: Key) -> Self {
        Self(Reason::Undeclared(key))
    }

    pub(crate) fn missing(keys: Vec<Key>, module: &str) -> Self {
        Self(Reason::Missing { keys, module: module.to_owned() })
    }

    pub(crate) fn several(key: Key, modules: Vec<String>) -> Self {
        Self(Reason::Several { key, modules })
    }

    pub(crate) fn scoped(key: Key, scope: ProviderScope) -> Self {
        Self(Reason::Scoped { key, scope })
    }

    pub(crate) fn no_call(key: Key) -> Self {
        Self(Reason::NoCall(key))
    }

    /// The first cause is the one to report, not that all who need it failed too.
    pub(crate) fn failed(title: String, cause: Box<dyn Error + Send + Sync>) -> Self {
        match cause.downcast::<Self>() {
            Ok(earlier) if matches!(earlier.0, Reason::Failed { .. } | Reason::NoCall(_)) => *earlier,
            Ok(own) => Self(Reason::Failed { title, source: Arc::new(*own) }),
            Err(cause) => Self(Reason::Failed { title, source: cause.into() }),
        }
    }

    pub(crate) fn building() -> Self {
        Self(Reason::Building)
    }

    pub(crate) fn ended() -> Self {
        Self(Reason::Ended)
    }
}

impl From<ResolveError> for TransportError {
    fn from(error: ResolveError) -> Self {
        match &error.0 {
            Reason::Failed { source, .. } => match source.downcast_ref::<Self>() {
                Some(answer) => answer.clone(),
                None => Self::internal(error.to_string()).with_source(Arc::clone(source)),
            },
            _ => Self::internal(error.to_string()),
        }
    }
}

/// Gives a provider under construction what it declared.
pub struct Resolver<'a> {
    pub(crate) container: &'a Container,
    pub(crate) view: &'a View,
    /// All that may be asked for; `None` for everything in sight.
    pub(crate) declared: Option<&'a [Dependency]>,
    /// What was declared and is no singleton, by provider: made for this one, or belonging to the call.
    pub(crate) scoped: Vec<(usize, Instance)>,
    pub(crate) call: Option<Call<'a>>,
}

impl Resolver<'_> {
    /// `Arc<T>`.
    ///
    /// # Errors
    /// [`ResolveError`] when it was not declared as a dependency.
    pub fn required<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Arc<T>, ResolveError> {
        self.get(&Key::of::<T>())
    }

    /// `Arc<T>` under a name.
    ///
    /// # Errors
    /// As [`Resolver::required`].
    pub fn named<T: ?Sized + Send + Sync + 'static>(&self, name: &'static str) -> Result<Arc<T>, ResolveError> {
        self.get(&Key::named::<T>(name))
    }

    /// `Arc<T>` if it was declared and a provider of it is visible here.
    #[must_use]
    pub fn optional<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.required().ok()
    }

    /// `Arc<T>` under a name, if it was declared and a provider of it is visible here.
    #[must_use]
    pub fn optional_named<T: ?Sized + Send + Sync + 'static>(&self, name: &'static str) -> Option<Arc<T>> {
        self.named(name).ok()
    }

    pub(crate) fn get<T: ?Sized + Send + Sync + 'static>(&self, key: &Key) -> Result<Arc<T>, ResolveError> {
        let declared = self.declared.is_none_or(|all| all.iter().any(|dependency| dependency.key == *key));
        let found = self.view.find(key).filter(|_| declared);
        let instance = found.and_then(|provider| {
            let scoped = self.scoped.iter().find(|(known, _)| *known == provider).map(|(_, instance)| instance);
            scoped.or_else(|| self.container.instances.get(provider)?.as_ref())
        });
        instance.and_then(Instance::get::<T>).ok_or_else(|| ResolveError::undeclared(key.clone()))
    }

    /// The same for a stage under construction, which has dependencies of its own.
    pub(crate) fn declaring<'b>(&'b self, dependencies: &'b [Dependency]) -> Result<Resolver<'b>, ResolveError> {
        self.container.resolver_of(self.view.index, dependencies, self.call)
    }

    /// What a test uses instead of this stage.
    pub(crate) fn replacement(
        &self,
        kind: StageKind,
        stage: TypeId,
    ) -> Option<&(dyn Fn(Enhancers, Level) -> Enhancers + Send + Sync)> {
        // Empty outside of tests.
        self.container.stages.replaced.get(&(kind, stage)).map(|replacement| &*replacement.add)
    }

    /// A guard, interceptor or pipe: the visible provider of that type, or one instance per module.
    pub(crate) fn stage<T: Send + Sync + 'static>(
        &self,
        make: impl FnOnce(&Self) -> Result<T, ResolveError>,
    ) -> Result<Arc<T>, ResolveError> {
        if let Some(provider) = self.view.find(&Key::of::<T>()) {
            let provided = self.container.obtain(provider, self.call)?;
            return provided.get().ok_or_else(|| ResolveError::undeclared(Key::of::<T>()));
        }
        let slot = (self.view.index, TypeId::of::<T>());
        let known = self
            .container
            .stages
            .built
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&slot)
            .and_then(Instance::get);
        if let Some(known) = known {
            return Ok(known);
        }
        let stage = Arc::new(make(self)?);
        let mut stages = self.container.stages.built.lock().unwrap_or_else(PoisonError::into_inner);
        stages.insert(slot, Instance::new(Arc::clone(&stage)));
        Ok(stage)
    }
}

impl fmt::Debug for Resolver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("module", &self.view.name).finish_non_exhaustive()
    }
}

/// How stages are obtained that no module provides.
#[derive(Default)]
pub(crate) struct StageCache {
    /// One of each per module.
    pub(crate) built: Mutex<HashMap<(usize, TypeId), Instance>>,
    /// What a test uses instead of others.
    pub(crate) replaced: HashMap<(StageKind, TypeId), Replacement>,
}

/// A built provider: an `Arc<T>` whose `T` is known to those who ask.
#[derive(Clone)]
pub(crate) struct Instance {
    /// The `Arc<T>`: inside another, since `T` may be a trait object.
    shared: Arc<dyn Any + Send + Sync>,
    value: Value,
}

/// The value itself, whatever it is asked for by.
#[derive(Clone)]
enum Value {
    Unknown,
    /// What is shared: not held a second time.
    Shared(fn(&(dyn Any + Send + Sync)) -> Option<Arc<dyn Any + Send + Sync>>),
    /// What a trait object hides.
    Hidden(Arc<dyn Any + Send + Sync>),
}

impl Instance {
    pub(crate) fn new<T: ?Sized + Send + Sync + 'static>(value: Arc<T>) -> Self {
        Self { shared: Arc::new(value), value: Value::Unknown }
    }

    /// With the value as what it is.
    pub(crate) fn of(mut self, value: Arc<dyn Any + Send + Sync>) -> Self {
        self.value = Value::Hidden(value);
        self
    }

    pub(crate) fn sized<T: Send + Sync + 'static>(value: Arc<T>) -> Self {
        let shared = |shared: &(dyn Any + Send + Sync)| {
            shared.downcast_ref::<Arc<T>>().map(|value| Arc::clone(value) as Arc<dyn Any + Send + Sync>)
        };
        Self { value: Value::Shared(shared), ..Self::new(value) }
    }

    pub(crate) fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.shared.downcast_ref::<Arc<T>>().cloned()
    }

    pub(crate) fn value(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        match &self.value {
            Value::Unknown => None,
            Value::Shared(value) => value(&*self.shared),
            Value::Hidden(value) => Some(Arc::clone(value)),
        }
    }
}
