//! From a constant row to a mounted route.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::contract::ContractMethod;
use crate::extras::Extras;
use crate::metadata::HandlerMetadata;
use crate::mount::{Endpoint, Mounting};
use crate::pattern::{Pattern, PatternLiteral};
use crate::pipeline::Chain;
use crate::transport_id::TransportId;

/// What a handler answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandlerKind {
    /// `#[message_pattern]`: a request, answered with a reply.
    Message,
    /// `#[event_pattern]`: an event, not answered.
    Event,
    /// `#[on_event]`: an event of the in-process bus.
    Bus,
}

/// One handler as its macro wrote it: a row of a constant table.
#[derive(Clone, Copy, Debug)]
pub struct HandlerDef {
    kind: HandlerKind,
    patterns: &'static [PatternLiteral],
    name: &'static str,
    pub(crate) mount: fn(&mut Mounting<'_>),
    metadata: Option<fn() -> HandlerMetadata>,
    transports: &'static [TransportId],
    extras: Extras,
    limits: HandlerLimits,
}

impl HandlerDef {
    /// A row for a request handler named `Type::method`; one handler may have several patterns.
    #[must_use]
    pub const fn message(
        patterns: &'static [PatternLiteral],
        name: &'static str,
        mount: fn(&mut Mounting<'_>),
    ) -> Self {
        Self {
            kind: HandlerKind::Message,
            patterns,
            name,
            mount,
            metadata: None,
            transports: &[],
            extras: Extras::new(&[]),
            limits: HandlerLimits::NONE,
        }
    }

    /// A row for an event handler.
    #[must_use]
    pub const fn event(patterns: &'static [PatternLiteral], name: &'static str, mount: fn(&mut Mounting<'_>)) -> Self {
        Self {
            kind: HandlerKind::Event,
            patterns,
            name,
            mount,
            metadata: None,
            transports: &[],
            extras: Extras::new(&[]),
            limits: HandlerLimits::NONE,
        }
    }

    /// A row for a subscriber of the in-process bus.
    #[must_use]
    pub const fn bus(patterns: &'static [PatternLiteral], name: &'static str, mount: fn(&mut Mounting<'_>)) -> Self {
        Self {
            kind: HandlerKind::Bus,
            patterns,
            name,
            mount,
            metadata: None,
            transports: &[],
            extras: Extras::new(&[]),
            limits: HandlerLimits::NONE,
        }
    }

    /// The same row, served by these transports only; an empty list is every transport. No transport serves the bus.
    ///
    /// ```
    /// use nestrs_core::{HandlerDef, PatternLiteral, TransportId};
    ///
    /// const ROW: HandlerDef = HandlerDef::event(&[PatternLiteral::Text("log.>")], "Logs::log", |_| {})
    ///     .transports(&[TransportId::NATS])
    ///     .extras(&[("queue", PatternLiteral::Text("workers"))]);
    /// assert_eq!(ROW.transport_filter(), [TransportId::NATS]);
    /// assert_eq!(ROW.given_extras().text("queue"), Some("workers"));
    /// ```
    #[must_use]
    pub const fn transports(self, transports: &'static [TransportId]) -> Self {
        Self { transports, ..self }
    }

    /// The same row with these extras for its transport.
    #[must_use]
    pub const fn extras(self, extras: &'static [(&'static str, PatternLiteral)]) -> Self {
        Self { extras: Extras::new(extras), ..self }
    }

    /// The same row for a handler that this ends: `#[cancel_on_disconnect]`, `#[run_to_completion]`.
    ///
    /// # Panics
    /// In the constant, so at compile time, where [`Ending::Disconnect`] is asked for a handler of events.
    ///
    /// ```
    /// use std::time::Duration;
    /// use nestrs_core::{Ending, HandlerDef, PatternLiteral};
    ///
    /// const ROW: HandlerDef = HandlerDef::message(&[PatternLiteral::Text("report")], "Reports::make", |_| {})
    ///     .ending(Ending::Disconnect)
    ///     .timeout(Duration::from_secs(5));
    /// assert_eq!(ROW.limits().timeout, Some(Duration::from_secs(5)));
    /// ```
    #[must_use]
    pub const fn ending(self, ending: Ending) -> Self {
        assert!(
            matches!(self.kind, HandlerKind::Message) || !matches!(ending, Ending::Disconnect),
            "`#[cancel_on_disconnect]`: nobody waits for the answer to an event, so its emitter may well be gone"
        );
        Self { limits: HandlerLimits { ending, ..self.limits }, ..self }
    }

    /// The same row for a handler that may take this long.
    #[must_use]
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self { limits: HandlerLimits { timeout: Some(timeout), ..self.limits }, ..self }
    }

    /// The same row with what `#[set_metadata]` says of the handler and of its block; made once, at boot.
    #[must_use]
    pub const fn metadata(self, metadata: fn() -> HandlerMetadata) -> Self {
        Self { metadata: Some(metadata), ..self }
    }

    /// A row for a handler that a contract describes.
    #[doc(hidden)]
    #[must_use]
    pub const fn contracted(method: ContractMethod, name: &'static str, mount: fn(&mut Mounting<'_>)) -> Self {
        Self { kind: method.kind, ..Self::message(method.patterns, name, mount) }
    }

    /// What it answers to.
    #[must_use]
    pub const fn kind(&self) -> HandlerKind {
        self.kind
    }

    /// `Type::method`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The transports that [`HandlerDef::transports`] set; empty for all.
    #[must_use]
    pub const fn transport_filter(&self) -> &'static [TransportId] {
        self.transports
    }

    /// What [`HandlerDef::extras`] set.
    #[must_use]
    pub const fn given_extras(&self) -> Extras {
        self.extras
    }

    /// What may end it before it is done.
    #[must_use]
    pub const fn limits(&self) -> HandlerLimits {
        self.limits
    }

    /// Whether some transport would serve both.
    pub(crate) fn shares_a_transport(&self, other: &Self) -> bool {
        self.transports.is_empty()
            || other.transports.is_empty()
            || self.transports.iter().any(|transport| other.transports.contains(transport))
    }

    pub(crate) fn patterns(&self) -> &'static [PatternLiteral] {
        self.patterns
    }

    pub(crate) fn to_metadata(self) -> Option<Arc<HandlerMetadata>> {
        self.metadata.map(|metadata| Arc::new(metadata()))
    }
}

/// What may end a handler before it is done. The end of the grace period ends all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// Its deadline: the earlier of its caller's and of the handler's own timeout. It runs on when its caller is gone.
    #[default]
    Deadline,
    /// Its deadline, or the end of its caller's connection: `#[cancel_on_disconnect]`.
    Disconnect,
    /// Neither: `#[run_to_completion]`. At the deadline the caller is answered, and the handler goes on.
    Completion,
}

/// What one handler says of its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerLimits {
    /// What may end it. Default: its deadline.
    pub ending: Ending,
    /// How long it may take: `#[handler_timeout("5s")]`. Default `None`: what its server says.
    pub timeout: Option<Duration>,
}

impl HandlerLimits {
    pub(crate) const NONE: Self = Self { ending: Ending::Deadline, timeout: None };
}

/// The handlers of one `#[micro_routes]` or `#[event_routes]` block; what linkme collects.
#[derive(Clone, Copy)]
pub struct HandlerSet {
    type_id: fn() -> TypeId,
    type_name: fn() -> &'static str,
    handlers: &'static [HandlerDef],
}

impl HandlerSet {
    /// The set that the block marker `B` describes.
    #[must_use]
    pub const fn of<B: MicroRoutes>() -> Self {
        Self { type_id: TypeId::of::<B::Service>, type_name: std::any::type_name::<B::Service>, handlers: B::HANDLERS }
    }

    pub(crate) fn service(&self) -> TypeId {
        (self.type_id)()
    }

    pub(crate) fn service_name(&self) -> &'static str {
        (self.type_name)()
    }

    pub(crate) fn handlers(&self) -> &'static [HandlerDef] {
        self.handlers
    }
}

impl fmt::Debug for HandlerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerSet").field("service", &self.service_name()).field("handlers", &self.handlers).finish()
    }
}

/// The handler table of one block, implemented by a marker type that the macro makes for it: a service may have
/// several blocks.
///
/// This is what `#[micro_routes]` writes; the macro also enters [`HandlerSet::of`] the marker into the index that boot
/// reads.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{
///     BoxFuture, ExecutionContext, HandlerDef, HandlerReply, HandlerResult, HandlerSet, MicroRoutes, PatternLiteral,
///     Payload, mount,
/// };
///
/// struct Math;
///
/// impl Math {
///     fn sum(&self, numbers: Vec<i64>) -> i64 {
///         numbers.iter().sum()
///     }
/// }
///
/// fn sum<'a>(math: &'a Arc<Math>, _cx: &'a ExecutionContext, payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
///     Box::pin(async move { math.sum(payload.decode()?).into_reply() })
/// }
///
/// struct MathRoutes;
///
/// impl MicroRoutes for MathRoutes {
///     type Service = Math;
///     const HANDLERS: &'static [HandlerDef] = &[HandlerDef::message(
///         &[PatternLiteral::Object(&[("cmd", PatternLiteral::Text("sum"))])],
///         "Math::sum",
///         |mounting| mount(mounting, (), (), (), (), sum),
///     )];
/// }
///
/// const SET: HandlerSet = HandlerSet::of::<MathRoutes>();
/// ```
pub trait MicroRoutes {
    /// The type whose methods the handlers are.
    type Service: Send + Sync + 'static;
    /// One row per handler, in the order they are written.
    const HANDLERS: &'static [HandlerDef];
}

/// A handler mounted under one of its patterns.
#[derive(Clone)]
pub struct Route {
    /// The pattern, canonical.
    pub pattern: Pattern,
    /// What it answers to.
    pub kind: HandlerKind,
    /// `Type::method`.
    pub handler: &'static str,
    /// What `#[set_metadata]` says of it.
    pub metadata: Option<Arc<HandlerMetadata>>,
    /// What stands around it, for people to read.
    pub chain: Arc<Chain>,
    /// The transports it is for; empty for all.
    pub transports: &'static [TransportId],
    /// What it says to the transport that serves it.
    pub extras: Extras,
    /// What may end it before it is done.
    pub limits: HandlerLimits,
    /// The handler with its stages.
    pub endpoint: Arc<dyn Endpoint>,
}

impl Route {
    /// Whether servers of the transport of that name, as they are called when bound, serve it.
    #[must_use]
    pub fn is_served_by(&self, transport: &str) -> bool {
        self.transports.is_empty() || self.transports.iter().any(|id| id.as_str() == transport)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("pattern", &self.pattern)
            .field("kind", &self.kind)
            .field("handler", &self.handler)
            .finish_non_exhaustive()
    }
}
