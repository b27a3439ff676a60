//! Guards, interceptors and pipes around a handler, declared as macros declare them.

mod support;

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;

use linkme::distributed_slice;
use nestrs_core::__private::{
    DefaultGuard as _, DefaultInterceptor as _, DefaultPipe as _, DocumentedGuard as _, DocumentedInterceptor as _,
    DocumentedPipe as _, HANDLERS, InjectableGuard as _, InjectableInterceptor as _, InjectablePipe as _, Stage,
};
use nestrs_core::{
    BoxFuture, CanActivate, ContextKind, Dependency, DynamicModule, ErrorKind, ExecutionContext, HandlerDef,
    HandlerReply, HandlerResult, HandlerSet, INTERNAL_SERVER_ERROR, Injectable, Interceptor, MicroCanActivate,
    MicroIncomingInterceptor, MicroPipeTransform, MicroRoutes, ModuleDef, PatternLiteral, Payload, PipeTransform,
    Provider, Reply, ResolveError, Resolver, Stages, TransportError, async_trait, forbidden, mount,
};
use serde_json::{Value, json};

use support::{answer, app, booted, call, problem, run};

thread_local! {
    /// What ran, in order. Each test has a thread of its own.
    static MARKS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn mark(text: impl Into<String>) {
    MARKS.with_borrow_mut(|marks| marks.push(text.into()));
}

fn marks() -> Vec<String> {
    MARKS.take()
}

/// What stages inject.
struct Name(&'static str);

/// The dependencies of a stage with a `Name`.
fn needs_name() -> Vec<Dependency> {
    vec![Dependency::required::<Name>("name")]
}

#[derive(Default)]
struct Around;
impl Interceptor for Around {
    async fn intercept<T: Send>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        mark(format!("> {}", cx.handler()));
        let outcome = next.await;
        mark(if outcome.is_ok() { "< ok" } else { "< error" });
        outcome
    }
}

struct InjectedAround {
    name: Arc<Name>,
}
impl Injectable for InjectedAround {
    fn dependencies() -> Vec<Dependency> {
        needs_name()
    }
    fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self { name: resolver.required()? })
    }
}
impl Interceptor for InjectedAround {
    async fn intercept<T: Send>(
        &self,
        _: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        mark(format!("> {}", self.name.0));
        next.await
    }
}

#[derive(Default)]
struct Observer;
#[async_trait]
impl MicroIncomingInterceptor for Observer {
    async fn before_handle_micro(&self, pattern: &str, payload: &Value) {
        mark(format!("observed {pattern} {payload}"));
    }
}

/// Lets pass who says the injected name.
struct NameGuard {
    name: Arc<Name>,
}
impl Injectable for NameGuard {
    fn dependencies() -> Vec<Dependency> {
        needs_name()
    }
    fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self { name: resolver.required()? })
    }
}
impl CanActivate for NameGuard {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        mark(format!("guard {}", self.name.0));
        if cx.payload().value()?["name"] == self.name.0 { Ok(()) } else { Err(forbidden()) }
    }
}

#[derive(Default)]
struct DefaultedGuard;
impl CanActivate for DefaultedGuard {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        mark("guard by default");
        Ok(())
    }
}

#[derive(Default)]
struct TokenGuard;
#[async_trait]
impl MicroCanActivate for TokenGuard {
    async fn can_activate_micro(&self, pattern: &str, payload: &Value) -> Result<(), TransportError> {
        mark(format!("guard of {pattern}"));
        if payload["token"] == "open sesame" { Ok(()) } else { Err(TransportError::new("unauthorized")) }
    }
}

/// Appends itself to `path`.
#[derive(Default)]
struct NativePipe;
impl PipeTransform for NativePipe {
    async fn transform(&self, cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        mark("pipe");
        assert!(cx.payload().value()?["path"].is_null(), "the context keeps what was received");
        let mut value = payload.into_value()?;
        value["path"] = json!(["native"]);
        Ok(value.into())
    }
}

struct InjectedPipe {
    name: Arc<Name>,
}
impl Injectable for InjectedPipe {
    fn dependencies() -> Vec<Dependency> {
        needs_name()
    }
    fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self { name: resolver.required()? })
    }
}
impl PipeTransform for InjectedPipe {
    async fn transform(&self, _: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        mark(format!("pipe {}", self.name.0));
        let mut value = payload.into_value()?;
        if let Some(path) = value["path"].as_array_mut() {
            path.push(self.name.0.into());
        }
        Ok(value.into())
    }
}

#[derive(Default)]
struct DocumentedPipe;
#[async_trait]
impl MicroPipeTransform for DocumentedPipe {
    async fn transform_micro(&self, pattern: &str, mut payload: Value) -> Result<Value, TransportError> {
        mark(format!("pipe of {pattern}"));
        if payload["refuse"] == true {
            return Err(TransportError::new("refused").with_kind(ErrorKind::InvalidPayload));
        }
        if let Some(path) = payload["path"].as_array_mut() {
            path.push("documented".into());
        }
        Ok(payload)
    }
}

struct Service;

fn path<'a>(_: &'a Arc<Service>, _: &'a ExecutionContext, payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
    Box::pin(async move {
        mark("handler");
        if payload.value()?["fail"] == true {
            return Err(std::io::Error::other("secret").into());
        }
        payload.value()?["path"].clone().into_reply()
    })
}

/// A stage as its attribute declares it.
macro_rules! stage {
    ($method:ident $stage:ty) => {
        (&&&&Stage::<$stage>::new()).$method()
    };
}

struct Rows;
impl MicroRoutes for Rows {
    type Service = Service;
    const HANDLERS: &'static [HandlerDef] = &[
        HandlerDef::message(&[PatternLiteral::Text("all")], "Service::all", |mounting| {
            mount(
                mounting,
                (stage!(interceptor Around), (stage!(interceptor InjectedAround), (stage!(interceptor Observer), ()))),
                (stage!(guard NameGuard), (stage!(guard DefaultedGuard), (stage!(guard TokenGuard), ()))),
                (stage!(pipe NativePipe), (stage!(pipe InjectedPipe), (stage!(pipe DocumentedPipe), ()))),
                (),
                path,
            )
        }),
        HandlerDef::message(&[PatternLiteral::Text("named")], "Service::named", |mounting| {
            mount(mounting, (), (stage!(guard NameGuard), ()), (), (), path)
        }),
        HandlerDef::message(&[PatternLiteral::Text("bare")], "Service::bare", |mounting| {
            mount(mounting, (), (), (), (), path)
        }),
    ];
}
#[distributed_slice(HANDLERS)]
static ROWS: HandlerSet = HandlerSet::of::<Rows>();

fn service() -> ModuleDef {
    app().provide(Provider::value(Service)).provide(Provider::value(Name("ali"))).microservice::<Service>()
}

const WELCOME: &str = r#"{"name":"ali","token":"open sesame"}"#;

#[test]
fn rq_3_interceptors_guards_pipes_and_handler_run_once_in_the_documented_order() {
    let app = booted(service());
    assert_eq!(answer(call(&app, "all", WELCOME)), r#"["native","ali","documented"]"#);
    assert_eq!(
        marks(),
        [
            "> Service::all",
            "> ali",
            r#"observed all {"name":"ali","token":"open sesame"}"#,
            "guard ali",
            "guard by default",
            "guard of all",
            "pipe",
            "pipe ali",
            "pipe of all",
            "handler",
            "< ok",
        ],
    );
}

#[test]
fn rq_3_when_a_guard_refuses_neither_later_guards_nor_pipes_nor_handler_run() {
    let app = booted(service());
    let error = call(&app, "all", r#"{"name":"cassim","token":"open sesame"}"#).unwrap_err();
    assert_eq!(error.to_wire(), json!({"status": "error", "message": "Forbidden resource"}));
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(marks().split_off(3), ["guard ali", "< error"]);

    let error = call(&app, "all", r#"{"name":"ali","token":"open barley"}"#).unwrap_err();
    assert_eq!(error.message, "unauthorized");
    assert_eq!(marks().split_off(3), ["guard ali", "guard by default", "guard of all", "< error"]);
}

#[test]
fn rq_3_when_a_pipe_refuses_the_handler_does_not_run() {
    let error = call(&booted(service()), "all", r#"{"name":"ali","token":"open sesame","refuse":true}"#).unwrap_err();
    assert_eq!((error.kind(), &*error.message), (ErrorKind::InvalidPayload, "refused"));
    assert_eq!(marks().split_off(6), ["pipe", "pipe ali", "pipe of all", "< error"]);
}

#[test]
fn rq_3_interceptors_see_the_handlers_error() {
    let error = call(&booted(service()), "all", r#"{"name":"ali","token":"open sesame","fail":true}"#).unwrap_err();
    assert_eq!(error.to_wire()["message"], INTERNAL_SERVER_ERROR);
    assert_eq!(marks().split_off(9), ["handler", "< error"]);
}

#[test]
fn a_payload_that_is_no_json_is_an_invalid_one_to_every_stage_that_reads_it() {
    let app = booted(service());
    assert_eq!(call(&app, "all", "{bad").unwrap_err().kind(), ErrorKind::InvalidPayload);
    assert_eq!(marks(), ["> Service::all", "> ali", "< error"], "the observer could not be shown it");
}

#[test]
fn a_route_without_stages_runs_its_handler_alone() {
    assert_eq!(answer(call(&booted(service()), "bare", "{}")), "null");
    assert_eq!(marks(), ["handler"]);
}

#[test]
fn a_stage_is_built_once_per_module_and_shared_by_its_routes() {
    let app = booted(service());
    // One each in the container, the guard of two routes, the interceptor and the pipe; and one here.
    assert_eq!(Arc::strong_count(&app.root.get::<Name>().unwrap()), 5);
    assert_eq!(answer(call(&app, "named", WELCOME)), "null");
    assert_eq!(marks(), ["guard ali", "handler"]);
}

/// Served by a module of its own.
struct Neighbour;
struct NeighbourRows;
impl MicroRoutes for NeighbourRows {
    type Service = Neighbour;
    const HANDLERS: &'static [HandlerDef] =
        &[HandlerDef::event(&[PatternLiteral::Text("neighbour")], "Neighbour::on", |mounting| {
            mount(mounting, (), (stage!(guard NameGuard), ()), (), (), nothing)
        })];
}
#[distributed_slice(HANDLERS)]
static NEIGHBOUR: HandlerSet = HandlerSet::of::<NeighbourRows>();

fn nothing<'a>(_: &'a Arc<Neighbour>, _: &'a ExecutionContext, _: &'a Payload) -> BoxFuture<'a, HandlerResult> {
    Box::pin(async { Ok(Reply::Empty) })
}

struct NeighbourModule;
fn neighbour() -> ModuleDef {
    ModuleDef::new::<NeighbourModule>().provide(Provider::value(Neighbour)).microservice::<Neighbour>()
}

#[test]
fn each_module_builds_a_stage_from_what_it_sees() {
    let app = booted(service().import_dynamic(neighbour().provide(Provider::value(Name("hassan")))));
    assert!(matches!(call(&app, "neighbour", r#"{"name":"hassan"}"#), Ok(Reply::Empty)));
    assert_eq!(call(&app, "named", r#"{"name":"hassan"}"#).unwrap_err(), forbidden());
    assert_eq!(marks(), ["guard hassan", "guard ali"]);
}

#[test]
fn a_stage_belongs_to_the_module_that_provides_its_service_whoever_lists_that() {
    // The root lists the service, which brings along a guard whose `Name` the root cannot see.
    struct Home;
    let home = DynamicModule::new::<Home>()
        .provide(Provider::value(Neighbour))
        .provide(Provider::value(Name("kasim")))
        .export::<Neighbour>();
    let app = booted(app().import_dynamic(home).microservice::<Neighbour>());
    assert!(call(&app, "neighbour", r#"{"name":"kasim"}"#).is_ok());
}

#[test]
fn a_stage_whose_dependencies_are_missing_is_a_problem_of_the_module_that_mounts_it() {
    assert_eq!(
        problem(app().import_dynamic(neighbour())),
        "`NameGuard` on `Neighbour::on` needs `Arc<Name>` for its field `name`, which no imported module exports \
         (AppModule → NeighbourModule); add it to `providers` of `NeighbourModule`, or import a module that exports it",
    );
}

#[test]
fn a_stage_that_is_provided_is_used_as_it_is() {
    struct Guards;
    let guards = |name| {
        DynamicModule::new::<Guards>()
            .provide(Provider::value(Name(name)))
            .provide(Provider::class::<NameGuard>())
            .export::<NameGuard>()
    };
    // It brings its `Name` along: the module that mounts it sees none.
    let app = booted(app().import_dynamic(neighbour().import_dynamic(guards("morgiana"))));
    assert!(call(&app, "neighbour", r#"{"name":"morgiana"}"#).is_ok());

    // Two of them: no guess is made, and none is built instead.
    let two =
        neighbour().import_dynamic(guards("one")).import_dynamic(guards("other")).provide(Provider::value(Name("")));
    assert_eq!(
        problem(two),
        "`NameGuard` on `Neighbour::on` needs `Arc<NameGuard>`, which several imported modules export: \
         `Guards`, `Guards` (NeighbourModule); import only one of them, or provide each under a name",
    );
}

#[test]
fn a_stage_that_fails_to_be_built_keeps_the_application_from_starting() {
    #[derive(Debug)]
    struct Greedy;
    impl Injectable for Greedy {
        fn dependencies() -> Vec<Dependency> {
            Vec::new()
        }
        fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
            resolver.required::<Undeclared>().map(|_| Self)
        }
    }
    impl CanActivate for Greedy {
        async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
            Ok(())
        }
    }
    struct Undeclared;
    struct Served;
    struct Rows;
    impl MicroRoutes for Rows {
        type Service = Served;
        const HANDLERS: &'static [HandlerDef] =
            &[HandlerDef::message(&[PatternLiteral::Text("greedy")], "Served::greedy", |mounting| {
                mount(mounting, (), (stage!(guard Greedy), ()), (), (), |_: &Arc<Served>, _, _| {
                    Box::pin(async { Ok(Reply::Empty) })
                });
            })];
    }
    #[distributed_slice(HANDLERS)]
    static SET: HandlerSet = HandlerSet::of::<Rows>();

    let root = app().provide(Provider::value(Served)).provide(Provider::value(Undeclared)).microservice::<Served>();
    assert_eq!(
        problem(root),
        "`Served::greedy` cannot be mounted: `Arc<Undeclared>` was asked for but not declared as a dependency, \
         or is optional and not there (AppModule)",
    );
}

#[test]
fn stages_run_around_anything_that_ends_in_a_result() {
    let stages = Stages::new((Arc::new(Around), ()), (Arc::new(DefaultedGuard), ()), ());
    let cx = ExecutionContext::new(ContextKind::Http, "/cats", Payload::absent()).with_handler("Cats::all");
    let cats = || async { Ok(Reply::Value(Payload::from_json(r#""cats""#))) };
    assert!(
        matches!(run(stages.enter(&cx, cats())).unwrap(), Reply::Value(value) if *value.value().unwrap() == "cats")
    );
    assert_eq!(marks(), ["> Cats::all", "guard by default", "< ok"]);
    assert_eq!(run(stages.transform(&cx, Payload::from_json("1"))).unwrap(), Payload::from_json("1"));
}
