//! From a constant row to a mounted route.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::argument::bound::{Alone, ArgumentNeeds, ArgumentSpecs, Bound, Target, With};
use crate::context::ExecutionContext;
use crate::contract::ContractMethod;
use crate::extras::Extras;
use crate::injectable::{Key, ResolveError, Resolver};
use crate::metadata::HandlerMetadata;
use crate::pattern::{Pattern, PatternLiteral};
use crate::payload::Payload;
use crate::per_call::ServiceSource;
use crate::pipeline::chain::{Chain, ChainEntry, StageKind};
use crate::pipeline::filter::Filters;
use crate::pipeline::list::{GuardList, InterceptorList, PipeList};
use crate::pipeline::spec::{FilterList, Specs, StageNeed};
use crate::pipeline::{Enhancers, Stages};
use crate::reply::{BoxFuture, HandlerResult};
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
    mount: fn(&mut Mounting<'_>),
    metadata: Option<fn() -> HandlerMetadata>,
    transports: &'static [TransportId],
    extras: Extras,
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

    /// Whether some transport would serve both.
    pub(crate) fn shares_a_transport(&self, other: &Self) -> bool {
        self.transports.is_empty()
            || other.transports.is_empty()
            || self.transports.iter().any(|transport| other.transports.contains(transport))
    }

    pub(crate) fn patterns(&self) -> &'static [PatternLiteral] {
        self.patterns
    }

    pub(crate) fn plan(&self) -> Plan {
        let mut plan =
            Plan { service: None, needs: Vec::new(), chain: Vec::new(), arguments: ArgumentNeeds::default() };
        (self.mount)(&mut Mounting(Mode::Plan(&mut plan)));
        plan
    }

    /// Builds it inside the stages of its module and of the application.
    pub(crate) fn mount(
        &self,
        resolver: &Resolver<'_>,
        outer: &Arc<Enhancers>,
    ) -> Option<Result<Arc<dyn Endpoint>, ResolveError>> {
        let mut built = None;
        (self.mount)(&mut Mounting(Mode::Build { resolver, outer, built: &mut built }));
        built
    }

    pub(crate) fn to_metadata(self) -> Option<Arc<HandlerMetadata>> {
        self.metadata.map(|metadata| Arc::new(metadata()))
    }
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
/// fn sum<'a>(math: &'a Arc<Math>, _cx: &'a ExecutionContext, payload: Payload) -> BoxFuture<'a, HandlerResult> {
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

/// What a row's `mount` function is called with: once to say what it needs, once to be built.
pub struct Mounting<'a>(Mode<'a>);

enum Mode<'a> {
    Plan(&'a mut Plan),
    Build {
        resolver: &'a Resolver<'a>,
        outer: &'a Arc<Enhancers>,
        built: &'a mut Option<Result<Arc<dyn Endpoint>, ResolveError>>,
    },
}

impl fmt::Debug for Mounting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mounting")
    }
}

/// What a handler needs from the module that mounts it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) service: Option<Key>,
    pub(crate) needs: Vec<StageNeed>,
    /// The stages written on it and on its block.
    pub(crate) chain: Vec<ChainEntry>,
    pub(crate) arguments: ArgumentNeeds,
}

/// The user's method behind a uniform signature: decodes the payload, calls the method, converts what it returns.
pub type Thunk<S> = for<'a> fn(&'a Arc<S>, &'a ExecutionContext, Payload) -> BoxFuture<'a, HandlerResult>;

/// A mounted handler with its stages.
pub trait Endpoint: Send + Sync {
    /// Runs one call. `payload` is what the pipes start from.
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: Payload) -> BoxFuture<'a, HandlerResult>;
}

/// Mounts a method with its stages, or says what that needs: a row calls it exactly once.
pub fn mount<S, I, G, P, F>(
    mounting: &mut Mounting<'_>,
    interceptors: I,
    guards: G,
    pipes: P,
    filters: F,
    thunk: Thunk<S>,
) where
    S: Send + Sync + 'static,
    I: Specs<Built: InterceptorList>,
    G: Specs<Built: GuardList>,
    P: Specs<Built: PipeList>,
    F: Specs<Built: FilterList>,
{
    mount_on(mounting, &Alone(PhantomData), interceptors, guards, pipes, filters, thunk);
}

/// [`mount`] for a method whose arguments need something from the container.
pub fn mount_with<S, A, I, G, P, F>(
    mounting: &mut Mounting<'_>,
    arguments: A,
    interceptors: I,
    guards: G,
    pipes: P,
    filters: F,
    thunk: Thunk<Bound<S, A::Built>>,
) where
    S: Send + Sync + 'static,
    A: ArgumentSpecs,
    I: Specs<Built: InterceptorList>,
    G: Specs<Built: GuardList>,
    P: Specs<Built: PipeList>,
    F: Specs<Built: FilterList>,
{
    mount_on(mounting, &With(PhantomData, arguments), interceptors, guards, pipes, filters, thunk);
}

fn mount_on<T, I, G, P, F>(
    mounting: &mut Mounting<'_>,
    target: &T,
    interceptors: I,
    guards: G,
    pipes: P,
    filters: F,
    thunk: Thunk<T::Bound>,
) where
    T: Target,
    I: Specs<Built: InterceptorList>,
    G: Specs<Built: GuardList>,
    P: Specs<Built: PipeList>,
    F: Specs<Built: FilterList>,
{
    match &mut mounting.0 {
        Mode::Plan(plan) => {
            plan.service = Some(target.service());
            target.needs(&mut plan.arguments);
            interceptors.declare(StageKind::Interceptor, &mut plan.needs, &mut plan.chain);
            guards.declare(StageKind::Guard, &mut plan.needs, &mut plan.chain);
            pipes.declare(StageKind::Pipe, &mut plan.needs, &mut plan.chain);
            filters.declare(StageKind::Filter, &mut plan.needs, &mut plan.chain);
        }
        Mode::Build { resolver, outer, built } => {
            **built = Some((|| {
                let service = target.bind(resolver)?;
                if interceptors.is_replaced(resolver)
                    || guards.is_replaced(resolver)
                    || pipes.is_replaced(resolver)
                    || filters.is_replaced(resolver)
                {
                    // In tests only: what replaces a stage is of another type.
                    let own = interceptors.build_erased(resolver, Enhancers::default())?;
                    let own = guards.build_erased(resolver, own)?;
                    let own = pipes.build_erased(resolver, own)?;
                    let all = Enhancers::clone(outer).around(&filters.build_erased(resolver, own)?);
                    let filters = all.to_filters();
                    let stages = Stages::new((), (), ()).inside(&Arc::new(all)).filtered_by(filters);
                    return Ok(Arc::new(Staged { service, stages, thunk }) as Arc<dyn Endpoint>);
                }
                let mut within = Vec::new();
                filters.build(resolver)?.add_to(&mut within);
                let filters = Filters::from_outside_in(outer.filters().chain(within));
                let is_bare = I::Built::EMPTY && G::Built::EMPTY && P::Built::EMPTY;
                if is_bare && outer.is_empty() && filters.is_empty() {
                    return Ok(Arc::new(Bare { service, thunk }) as Arc<dyn Endpoint>);
                }
                let stages =
                    Stages::new(interceptors.build(resolver)?, guards.build(resolver)?, pipes.build(resolver)?);
                let stages = stages.inside(outer).filtered_by(filters);
                Ok(Arc::new(Staged { service, stages, thunk }) as Arc<dyn Endpoint>)
            })());
        }
    }
}

/// A method without stages: one box a call.
struct Bare<S> {
    service: ServiceSource<S>,
    thunk: Thunk<S>,
}

impl<S: Send + Sync + 'static> Endpoint for Bare<S> {
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: Payload) -> BoxFuture<'a, HandlerResult> {
        match &self.service {
            ServiceSource::Shared(service) => (self.thunk)(service, cx, payload),
            ServiceSource::PerCall(source) => Box::pin(async move {
                let service = source(cx)?;
                (self.thunk)(&service, cx, payload).await
            }),
        }
    }
}

/// A method inside its stages: one box for all of them, one for the method.
struct Staged<S, I, G, P> {
    service: ServiceSource<S>,
    stages: Stages<I, G, P>,
    thunk: Thunk<S>,
}

impl<S, I, G, P> Endpoint for Staged<S, I, G, P>
where
    S: Send + Sync + 'static,
    I: InterceptorList,
    G: GuardList,
    P: PipeList,
{
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: Payload) -> BoxFuture<'a, HandlerResult> {
        Box::pin(self.stages.enter(cx, async move {
            let payload = self.stages.transform(cx, payload).await?;
            let built;
            let service = match &self.service {
                ServiceSource::Shared(service) => service,
                ServiceSource::PerCall(source) => {
                    built = source(cx)?;
                    &built
                }
            };
            (self.thunk)(service, cx, payload).await
        }))
    }
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
