//! Where a handler's service comes from: it is there, or it is built for each call.

use std::sync::{Arc, Weak};

use crate::container::Container;
use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::injectable::Key;
use crate::provider_scope::{Call, ProviderScope};
use crate::resolver::{ResolveError, Resolver};

/// The service of a mounted handler.
pub(crate) enum ServiceSource<S> {
    /// A singleton.
    Shared(Arc<S>),
    /// Request-scoped: gives the call's own, built if nothing in this call has asked before.
    PerCall(Box<BuildPerCall<S>>),
}

type BuildPerCall<S> = dyn Fn(&ExecutionContext) -> Result<Arc<S>, TransportError> + Send + Sync;

/// A request-scoped provider of an application.
pub(crate) struct PerCall {
    /// Weak: the event bus is a provider, and holds handlers.
    container: Weak<Container>,
    provider: usize,
}

impl<S: Send + Sync + 'static> ServiceSource<S> {
    /// That of a handler which is being mounted.
    pub(crate) fn find(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        let container = resolver.container;
        match resolver.view.find(&Key::of::<S>()) {
            Some(provider) if container.plans[provider].scope == ProviderScope::Request => {
                let source = PerCall { container: container.late.weak(), provider };
                Ok(Self::PerCall(Box::new(move |cx| source.build(cx))))
            }
            _ => resolver.required::<S>().map(Self::Shared),
        }
    }
}

impl PerCall {
    /// The call's own, built if nothing in this call has asked before.
    ///
    /// Four allocations for a service that needs nothing else: its `Arc`, the container's around that, the call's store
    /// and its list. Two or three more for each request-scoped provider behind it; singletons are only counted up.
    pub(crate) fn build<S: Send + Sync + 'static>(&self, cx: &ExecutionContext) -> Result<Arc<S>, TransportError> {
        let container = self.container.upgrade().ok_or_else(ResolveError::ended)?;
        let store = cx.call_slot().open();
        let call = Call { store: &store, cx: Some(cx) };
        let instance = container.obtain(self.provider, Some(call))?;
        instance.get().ok_or_else(|| ResolveError::undeclared(Key::of::<S>()).into())
    }
}
