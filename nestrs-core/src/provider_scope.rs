//! How long an instance of a provider lives, and the instances that belong to one call.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use crate::context::ExecutionContext;
use crate::resolver::{Instance, ResolveError};

/// How many instances of a provider there are (NestJS's `Scope`).
///
/// Written `#[injectable(scope = request)]`, or `Provider::factory(..).scope(ProviderScope::Request)`.
///
/// Only what is request-scoped may need what is request-scoped: a scope does not spread by itself to whoever needs it, as
/// it does in NestJS, and boot names every provider that would have to follow. Life-cycle hooks run on singletons only;
/// on others they are refused at boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderScope {
    /// One for the module that provides it, built at boot and shared by all.
    #[default]
    Singleton,
    /// A new one for each provider, handler's stage or [`resolve`](crate::ModuleRef::resolve) that asks.
    Transient,
    /// One per call: per message, per HTTP request, per event of the bus. All that ask in one call share it; several
    /// handlers of one event have one each. It may inject `Arc<ExecutionContext>`.
    Request,
}

/// As messages call it: `request-scoped`.
impl fmt::Display for ProviderScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Singleton => "a singleton",
            Self::Transient => "transient",
            Self::Request => "request-scoped",
        })
    }
}

/// Whose request-scoped instances are meant: those of a call, or of whatever else one decides to be one unit of work
/// (NestJS's `ContextId`).
///
/// It holds the instances, so they live as long as it does, or as the call it was taken from. Do not put it into that
/// call's [`extensions`](ExecutionContext::extensions): the two would keep each other.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{BootOptions, ContextId, ModuleDef, ModuleRef, Provider, ProviderScope, boot};
///
/// struct AppModule;
/// #[derive(Default)]
/// struct Basket;
///
/// # futures_util::FutureExt::now_or_never(async {
/// let basket = Provider::factory(Basket::default).scope(ProviderScope::Request);
/// let app = boot(ModuleDef::new::<AppModule>().provide(basket), BootOptions::default()).await.unwrap();
/// let module = app.root.get::<ModuleRef>().unwrap();
///
/// let job = ContextId::new();
/// let one = module.resolve_in::<Basket>(&job).await.unwrap();
/// assert!(Arc::ptr_eq(&one, &module.resolve_in(&job).await.unwrap()));
/// assert!(!Arc::ptr_eq(&one, &module.resolve_in(&ContextId::new()).await.unwrap()));
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct ContextId(pub(crate) Arc<CallStore>);

impl ContextId {
    /// A new unit of work without a call: what needs `Arc<ExecutionContext>` cannot be built in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// That of a call (NestJS's `ContextIdFactory.getByRequest`): what is resolved in it is what the call's handler gets.
    ///
    /// A copy of the context that outlives its call has new instances each time.
    #[must_use]
    pub fn of(cx: &ExecutionContext) -> Self {
        let store = cx.call_slot().open();
        store.context(Some(cx));
        Self(store)
    }
}

impl PartialEq for ContextId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ContextId {}

impl fmt::Debug for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContextId({:p})", Arc::as_ptr(&self.0))
    }
}

/// A provider of one application.
pub(crate) type Slot = (u64, usize);

/// The request-scoped instances of one call: at most one for each request-scoped provider.
#[derive(Default)]
pub(crate) struct CallStore {
    /// Few, so a list: most calls need one to five.
    instances: Mutex<Vec<(Slot, Instance)>>,
    /// A copy for those who inject it. The copy knows this store by a weak reference only.
    cx: OnceLock<Arc<ExecutionContext>>,
}

impl CallStore {
    fn find(instances: &[(Slot, Instance)], slot: Slot) -> Option<Instance> {
        instances.iter().find(|(known, _)| *known == slot).map(|(_, instance)| instance.clone())
    }

    /// Nothing is locked while building, which comes back here for what it needs. Two tasks that ask at once may both
    /// build; both get the one that was first.
    pub(crate) fn get_or_build(
        &self,
        slot: Slot,
        build: impl FnOnce() -> Result<Instance, ResolveError>,
    ) -> Result<Instance, ResolveError> {
        let known = Self::find(&self.instances.lock().unwrap_or_else(PoisonError::into_inner), slot);
        if let Some(known) = known {
            return Ok(known);
        }
        let built = build()?;
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = Self::find(&instances, slot) {
            return Ok(earlier);
        }
        instances.push((slot, built.clone()));
        Ok(built)
    }

    /// The call, to be held by its instances; `None` when this belongs to no call.
    pub(crate) fn context(&self, cx: Option<&ExecutionContext>) -> Option<Arc<ExecutionContext>> {
        match cx {
            Some(cx) => Some(Arc::clone(self.cx.get_or_init(|| Arc::new(cx.clone())))),
            None => self.cx.get().cloned(),
        }
    }
}

/// In whose name something is being built.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) store: &'a CallStore,
    pub(crate) cx: Option<&'a ExecutionContext>,
}

/// A context's way to the instances of its call. Empty, and no allocation, until someone asks for one.
#[derive(Default)]
pub(crate) struct CallSlot(OnceLock<Held>);

enum Held {
    /// By the context that the call runs with.
    Own(Arc<CallStore>),
    /// By its copies: instances that hold a copy must not keep themselves alive.
    Of(Weak<CallStore>),
}

impl CallSlot {
    pub(crate) fn open(&self) -> Arc<CallStore> {
        match self.0.get_or_init(|| Held::Own(Arc::default())) {
            Held::Own(store) => Arc::clone(store),
            Held::Of(store) => store.upgrade().unwrap_or_default(),
        }
    }
}

impl Clone for CallSlot {
    fn clone(&self) -> Self {
        Self(match self.0.get() {
            None => OnceLock::new(),
            Some(Held::Own(store)) => OnceLock::from(Held::Of(Arc::downgrade(store))),
            Some(Held::Of(store)) => OnceLock::from(Held::Of(Weak::clone(store))),
        })
    }
}
