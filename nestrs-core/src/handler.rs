//! From a constant row to a mounted route.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::argument::bound::{Alone, ArgumentNeeds, ArgumentSpecs, Bound, Target, With};
use crate::context::ExecutionContext;
use crate::injectable::{Key, ResolveError, Resolver};
use crate::pattern::{Pattern, PatternLiteral};
use crate::payload::Payload;
use crate::pipeline::Stages;
use crate::pipeline::list::{GuardList, InterceptorList, PipeList};
use crate::pipeline::spec::{Specs, StageNeed};
use crate::reply::{BoxFuture, HandlerResult};

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
}

impl HandlerDef {
    /// A row for a request handler named `Type::method`; one handler may have several patterns.
    #[must_use]
    pub const fn message(
        patterns: &'static [PatternLiteral],
        name: &'static str,
        mount: fn(&mut Mounting<'_>),
    ) -> Self {
        Self { kind: HandlerKind::Message, patterns, name, mount }
    }

    /// A row for an event handler.
    #[must_use]
    pub const fn event(patterns: &'static [PatternLiteral], name: &'static str, mount: fn(&mut Mounting<'_>)) -> Self {
        Self { kind: HandlerKind::Event, patterns, name, mount }
    }

    /// A row for a subscriber of the in-process bus.
    #[must_use]
    pub const fn bus(patterns: &'static [PatternLiteral], name: &'static str, mount: fn(&mut Mounting<'_>)) -> Self {
        Self { kind: HandlerKind::Bus, patterns, name, mount }
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

    pub(crate) fn patterns(&self) -> &'static [PatternLiteral] {
        self.patterns
    }

    pub(crate) fn plan(&self) -> Plan {
        let mut plan = Plan { service: None, needs: Vec::new(), arguments: ArgumentNeeds::default() };
        (self.mount)(&mut Mounting(Mode::Plan(&mut plan)));
        plan
    }

    pub(crate) fn mount(&self, resolver: &Resolver<'_>) -> Option<Result<Arc<dyn Endpoint>, ResolveError>> {
        let mut built = None;
        (self.mount)(&mut Mounting(Mode::Build(resolver, &mut built)));
        built
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
///         |mounting| mount(mounting, (), (), (), sum),
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
    Build(&'a Resolver<'a>, &'a mut Option<Result<Arc<dyn Endpoint>, ResolveError>>),
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
pub fn mount<S, I, G, P>(mounting: &mut Mounting<'_>, interceptors: I, guards: G, pipes: P, thunk: Thunk<S>)
where
    S: Send + Sync + 'static,
    I: Specs<Built: InterceptorList>,
    G: Specs<Built: GuardList>,
    P: Specs<Built: PipeList>,
{
    mount_on(mounting, &Alone(PhantomData), interceptors, guards, pipes, thunk);
}

/// [`mount`] for a method whose arguments need something from the container.
pub fn mount_with<S, A, I, G, P>(
    mounting: &mut Mounting<'_>,
    arguments: A,
    interceptors: I,
    guards: G,
    pipes: P,
    thunk: Thunk<Bound<S, A::Built>>,
) where
    S: Send + Sync + 'static,
    A: ArgumentSpecs,
    I: Specs<Built: InterceptorList>,
    G: Specs<Built: GuardList>,
    P: Specs<Built: PipeList>,
{
    mount_on(mounting, &With(PhantomData, arguments), interceptors, guards, pipes, thunk);
}

fn mount_on<T, I, G, P>(
    mounting: &mut Mounting<'_>,
    target: &T,
    interceptors: I,
    guards: G,
    pipes: P,
    thunk: Thunk<T::Bound>,
) where
    T: Target,
    I: Specs<Built: InterceptorList>,
    G: Specs<Built: GuardList>,
    P: Specs<Built: PipeList>,
{
    match &mut mounting.0 {
        Mode::Plan(plan) => {
            plan.service = Some(target.service());
            target.needs(&mut plan.arguments);
            interceptors.needs(&mut plan.needs);
            guards.needs(&mut plan.needs);
            pipes.needs(&mut plan.needs);
        }
        Mode::Build(resolver, built) => {
            **built = Some((|| {
                let service = target.bind(resolver)?;
                if I::Built::EMPTY && G::Built::EMPTY && P::Built::EMPTY {
                    return Ok(Arc::new(Bare { service, thunk }) as Arc<dyn Endpoint>);
                }
                let stages =
                    Stages::new(interceptors.build(resolver)?, guards.build(resolver)?, pipes.build(resolver)?);
                Ok(Arc::new(Staged { service, stages, thunk }) as Arc<dyn Endpoint>)
            })());
        }
    }
}

/// A method without stages: one box a call.
struct Bare<S> {
    service: Arc<S>,
    thunk: Thunk<S>,
}

impl<S: Send + Sync> Endpoint for Bare<S> {
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: Payload) -> BoxFuture<'a, HandlerResult> {
        (self.thunk)(&self.service, cx, payload)
    }
}

/// A method inside its stages: one box for all of them, one for the method.
struct Staged<S, I, G, P> {
    service: Arc<S>,
    stages: Stages<I, G, P>,
    thunk: Thunk<S>,
}

impl<S, I, G, P> Endpoint for Staged<S, I, G, P>
where
    S: Send + Sync,
    I: InterceptorList,
    G: GuardList,
    P: PipeList,
{
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: Payload) -> BoxFuture<'a, HandlerResult> {
        Box::pin(self.stages.enter(cx, async move {
            let payload = self.stages.transform(cx, payload).await?;
            (self.thunk)(&self.service, cx, payload).await
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
    /// The handler with its stages.
    pub endpoint: Arc<dyn Endpoint>,
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
