//! From a row of the table to something that can be called: a method, with its stages around it.

use std::fmt;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;

use crate::argument::bound::{Alone, ArgumentNeeds, ArgumentSpecs, Bound, Target, With};
use crate::context::ExecutionContext;
use crate::handler::HandlerDef;
use crate::injectable::Key;
use crate::payload::Payload;
use crate::per_call::ServiceSource;
use crate::pipeline::chain::{ChainEntry, StageKind};
use crate::pipeline::filter::Filters;
use crate::pipeline::in_place::InPlace;
use crate::pipeline::list::{GuardList, InterceptorList, PipeList};
use crate::pipeline::spec::{FilterList, Specs, StageNeed};
use crate::pipeline::{Enhancers, Stages};
use crate::reply::{BoxFuture, HandlerResult};
use crate::resolver::{ResolveError, Resolver};

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

impl HandlerDef {
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
pub type Thunk<S> = for<'a> fn(&'a Arc<S>, &'a ExecutionContext, &'a Payload) -> BoxFuture<'a, HandlerResult>;

/// A mounted handler with its stages.
pub trait Endpoint: Send + Sync {
    /// Runs one call. `payload` is what the pipes start from; a handler without any decodes it where it is.
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: &'a Payload) -> BoxFuture<'a, HandlerResult>;
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
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
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
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
        Box::pin(async move {
            // In its place from the start, since `enter` would hold it twice.
            let end = pin!(Some(async {
                let piped;
                let payload = if self.stages.transforms() {
                    piped = self.stages.transform(cx, payload.clone()).await?;
                    &piped
                } else {
                    payload
                };
                let built;
                let service = match &self.service {
                    ServiceSource::Shared(service) => service,
                    ServiceSource::PerCall(source) => {
                        built = source(cx)?;
                        &built
                    }
                };
                (self.thunk)(service, cx, payload).await
            }));
            self.stages.enter(cx, InPlace::new(end)).await
        })
    }
}
