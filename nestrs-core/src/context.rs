//! One call, as its stages and its handler see it.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::error::{ErrorKind, TransportError};
use crate::extras::Extras;
use crate::handler::Route;
use crate::injectable::short_type_name;
use crate::metadata::HandlerMetadata;
use crate::packet_metadata::Metadata;
use crate::pattern::Pattern;
use crate::payload::Payload;
use crate::provider_scope::CallSlot;

/// What a call came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContextKind {
    /// A message or an event from a transport; NestJS's `getType() === 'rpc'`.
    Message,
    /// An HTTP request.
    Http,
    /// An event of the in-process `EventBus`.
    EventBus,
}

/// Read-only view of one call: NestJS's `ExecutionContext`, with Rust's types.
///
/// Guards, interceptors, pipes and handlers get it by reference. It does not change while the call runs; what a guard
/// wants to leave for the handler goes into [`ExecutionContext::extensions`]. Cloning shares those.
///
/// ```
/// use nestrs_core::{ContextKind, ExecutionContext, Payload};
///
/// let cx = ExecutionContext::new(ContextKind::Message, "math.add", Payload::from_json("[1,2]"));
/// assert_eq!(cx.pattern(), "math.add");
/// cx.extensions().insert(42_u32);
/// assert_eq!(cx.extensions().get::<u32>(), Some(42));
/// ```
#[derive(Clone)]
pub struct ExecutionContext {
    kind: ContextKind,
    /// `None` between two calls.
    pattern: Option<Arc<str>>,
    handler: &'static str,
    handler_metadata: Option<Arc<HandlerMetadata>>,
    /// Where it is not what was called: a pattern with wildcards.
    declared: Option<Pattern>,
    extras: Extras,
    payload: Payload,
    metadata: Option<Metadata>,
    deadline: Option<Instant>,
    transport: Option<Arc<dyn Any + Send + Sync>>,
    extensions: Extensions,
    call_slot: CallSlot,
}

impl ExecutionContext {
    /// A context with nothing but the call itself in it; transports add the rest by the `with_` methods.
    #[must_use]
    pub fn new(kind: ContextKind, pattern: impl Into<Arc<str>>, payload: Payload) -> Self {
        Self {
            kind,
            pattern: Some(pattern.into()),
            handler: "",
            handler_metadata: None,
            declared: None,
            extras: Extras::default(),
            payload,
            metadata: None,
            deadline: None,
            transport: None,
            extensions: Extensions::default(),
            call_slot: CallSlot::default(),
        }
    }

    /// Names the handler, as `Type::method`.
    #[must_use]
    pub fn with_handler(mut self, handler: &'static str) -> Self {
        self.handler = handler;
        self
    }

    /// Names the handler, the pattern it is declared under, its extras and its metadata, all from its route.
    #[must_use]
    pub fn with_route(mut self, route: &Route) -> Self {
        self.set_route(route);
        self
    }

    /// [`ExecutionContext::with_route`], in its place: moving a context is a copy of some three hundred bytes.
    #[doc(hidden)]
    pub fn set_route(&mut self, route: &Route) {
        self.handler = route.handler;
        self.declared = (route.pattern.route() != self.pattern()).then(|| route.pattern.clone());
        self.extras = route.extras;
        self.handler_metadata.clone_from(&route.metadata);
    }

    /// Makes another call of one that was [cleared](Self::clear), in its place.
    #[doc(hidden)]
    #[inline]
    pub fn renew(
        &mut self,
        pattern: Arc<str>,
        payload: Payload,
        metadata: Option<Metadata>,
        deadline: Option<Instant>,
        transport: Arc<dyn Any + Send + Sync>,
    ) {
        self.pattern = Some(pattern);
        self.payload = payload;
        self.metadata = metadata;
        self.deadline = deadline;
        self.transport = Some(transport);
    }

    /// Drops all that belongs to the call.
    #[doc(hidden)]
    pub fn clear(&mut self) {
        let Self {
            kind: _,
            pattern,
            handler,
            handler_metadata,
            declared,
            extras,
            payload,
            metadata,
            deadline,
            transport,
            extensions,
            call_slot,
        } = self;
        *pattern = None;
        *handler = "";
        *handler_metadata = None;
        *declared = None;
        *extras = Extras::default();
        *payload = Payload::absent();
        *metadata = None;
        *deadline = None;
        *transport = None;
        *extensions = Extensions::default();
        *call_slot = CallSlot::default();
    }

    /// [`ExecutionContext::with_deadline`], in its place.
    #[doc(hidden)]
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// Moves the call out, with all that belongs to it; what is left is cleared.
    #[doc(hidden)]
    #[must_use]
    pub fn take(&mut self) -> Self {
        let mut left = Self::new(self.kind, "", Payload::absent());
        left.pattern = None;
        std::mem::replace(self, left)
    }

    /// The same call for another of its handlers: what stages leave in one's extensions is not seen by the others.
    #[must_use]
    pub fn with_own_extensions(mut self) -> Self {
        self.extensions = Extensions::default();
        self
    }

    /// Adds what `#[set_metadata]` says of the handler.
    #[must_use]
    pub fn with_handler_metadata(mut self, metadata: Option<Arc<HandlerMetadata>>) -> Self {
        self.handler_metadata = metadata;
        self
    }

    /// Adds the packet's metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Option<Metadata>) -> Self {
        self.metadata = metadata;
        self
    }

    /// Sets when the call ends at the latest.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Adds what the transport knows of the call, to be read by [`ExecutionContext::transport`].
    #[must_use]
    pub fn with_transport(mut self, transport: Arc<dyn Any + Send + Sync>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// What the call came in by.
    #[must_use]
    pub fn kind(&self) -> ContextKind {
        self.kind
    }

    /// The route that was called, in canonical form: what the caller wrote, also where the handler has wildcards.
    #[must_use]
    pub fn pattern(&self) -> &str {
        self.pattern.as_deref().unwrap_or_default()
    }

    /// The pattern that the handler is declared under: `orders.*`, where [`ExecutionContext::pattern`] is
    /// `orders.created`, and the same where there are no wildcards. The one to count and to log by: callers choose the
    /// other freely.
    #[must_use]
    pub fn declared_pattern(&self) -> &str {
        self.declared.as_ref().map_or_else(|| self.pattern(), Pattern::route)
    }

    /// The extras of the handler; empty when none was found yet.
    #[must_use]
    pub fn extras(&self) -> Extras {
        self.extras
    }

    /// The handler that will run or runs, as `Type::method`; empty when none was found yet.
    #[must_use]
    pub fn handler(&self) -> &'static str {
        self.handler
    }

    /// What `#[set_metadata]` says of the handler and of its block; [`Reflector`](crate::Reflector) reads it.
    #[must_use]
    pub fn handler_metadata(&self) -> &HandlerMetadata {
        self.handler_metadata.as_deref().unwrap_or(HandlerMetadata::NONE)
    }

    /// The payload as it was received, before any pipe.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The packet's metadata (NestJS 12's `getMetadata()`); empty when it had none.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.metadata.as_ref().unwrap_or(Metadata::none())
    }

    /// When this call ends at the latest: when its caller stops waiting, if it said so, or when the handler's own time is
    /// over (`handler_timeout`), whichever comes first.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What the transport knows of the call, if it is of that type.
    #[must_use]
    pub fn transport<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.transport.as_deref()?.downcast_ref()
    }

    /// The request-scoped instances of this call.
    pub(crate) fn call_slot(&self) -> &CallSlot {
        &self.call_slot
    }

    /// What stages leave for later stages and for the handler.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }
}

/// Names the call, never its payload.
impl fmt::Debug for ExecutionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutionContext")
            .field("kind", &self.kind)
            .field("pattern", &self.pattern())
            .field("handler", &self.handler)
            .finish_non_exhaustive()
    }
}

/// A value per type, left by one stage for another; a guard's way to hand the user it found to the handler.
///
/// Values are cloned out, so put an [`Arc`] in for anything large. Clones of an `Extensions` share their content.
///
/// A call that leaves nothing pays nothing: the map is made by the first `insert` or clone.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::Extensions;
///
/// struct User(&'static str);
///
/// let extensions = Extensions::default();
/// extensions.insert(Arc::new(User("ali")));
/// assert_eq!(extensions.get::<Arc<User>>().unwrap().0, "ali");
/// ```
#[derive(Default)]
pub struct Extensions(OnceLock<Arc<Values>>);

type Values = Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>;

impl Extensions {
    /// Puts `value` in, in place of one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) {
        let values = self.0.get_or_init(Arc::default);
        values.lock().unwrap_or_else(PoisonError::into_inner).insert(TypeId::of::<T>(), Box::new(value));
    }

    /// A clone of the value of this type.
    #[must_use]
    pub fn get<T: Clone + 'static>(&self) -> Option<T> {
        let values = self.0.get()?.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }
}

impl Clone for Extensions {
    fn clone(&self) -> Self {
        Self(OnceLock::from(Arc::clone(self.0.get_or_init(Arc::default))))
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extensions")
    }
}

/// An argument of a handler that comes from the context, not from the payload.
///
/// The first argument of a handler is its payload; each later one without an attribute that says otherwise is made by
/// this trait. Implement it to give handlers
/// an argument of your own, for example the user that a guard left in the extensions.
///
/// ```
/// use nestrs_core::{ErrorKind, ExecutionContext, FromContext, TransportError};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// impl<'a> FromContext<'a> for User {
///     fn from_context(cx: &'a ExecutionContext) -> Result<Self, TransportError> {
///         let user = cx.extensions().get::<Self>();
///         user.ok_or_else(|| TransportError::new("who are you?").with_kind(ErrorKind::Unauthorized))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a context argument",
    label = "not the payload, and not something a call's context gives",
    note = "the first argument of a handler is its payload; later ones, and those marked `#[ctx]`, implement `FromContext`",
    note = "for several payload values, take one struct that derives `Deserialize`, or mark each `#[payload(\"property\")]`"
)]
pub trait FromContext<'a>: Sized {
    /// Makes the argument for one call.
    ///
    /// # Errors
    /// The error becomes the call's answer, and the handler does not run.
    fn from_context(cx: &'a ExecutionContext) -> Result<Self, TransportError>;
}

impl<'a> FromContext<'a> for &'a ExecutionContext {
    fn from_context(cx: &'a ExecutionContext) -> Result<Self, TransportError> {
        Ok(cx)
    }
}

impl<'a> FromContext<'a> for &'a Metadata {
    fn from_context(cx: &'a ExecutionContext) -> Result<Self, TransportError> {
        Ok(cx.metadata())
    }
}

impl FromContext<'_> for ExecutionContext {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        Ok(cx.clone())
    }
}

impl FromContext<'_> for Metadata {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        Ok(cx.metadata().clone())
    }
}

/// The route that was called, as a handler argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalledPattern(pub Arc<str>);

impl FromContext<'_> for CalledPattern {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        Ok(Self(cx.pattern.clone().unwrap_or_default()))
    }
}

/// When the call ends at the latest, as a handler argument; `None` when neither its caller nor its server set a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Option<Instant>);

impl FromContext<'_> for Deadline {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        Ok(Self(cx.deadline))
    }
}

/// What a stage has left in [`ExecutionContext::extensions`], as a handler argument: `Extension(user): Extension<User>`.
///
/// Taken for an argument from the context wherever it stands, without `#[ctx]`. An `Option<Extension<T>>` is `None`
/// where nothing was left; without it that is a mistake of the application, which callers read as "Internal server
/// error".
///
/// ```
/// use nestrs_core::{ContextKind, ExecutionContext, Extension, FromContext, Payload};
///
/// #[derive(Clone)]
/// struct User(&'static str);
///
/// let cx = ExecutionContext::new(ContextKind::Message, "orders.find", Payload::absent());
/// assert!(Extension::<User>::from_context(&cx).is_err());
/// cx.extensions().insert(User("ada"));
/// let Extension(user) = Extension::<User>::from_context(&cx).unwrap();
/// assert_eq!(user.0, "ada");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension<T>(pub T);

impl<T: Clone + Send + Sync + 'static> FromContext<'_> for Extension<T> {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        cx.extensions().get().map(Self).ok_or_else(|| {
            let ty = short_type_name(type_name::<T>());
            TransportError::withheld(
                ErrorKind::Internal,
                format!("`{}` takes an `Extension<{ty}>`, and no stage has left one", cx.handler()),
            )
        })
    }
}

/// An argument that may be missing: a failure to make it is `None`.
impl<'a, T: FromContext<'a>> FromContext<'a> for Option<T> {
    fn from_context(cx: &'a ExecutionContext) -> Result<Self, TransportError> {
        Ok(T::from_context(cx).ok())
    }
}

#[cfg(test)]
mod tests;
