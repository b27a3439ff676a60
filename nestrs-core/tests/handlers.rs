//! From rows written by hand to routes: which handlers are served, where, how often.

mod support;

use std::any::TypeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use linkme::distributed_slice;
use nestrs_core::__private::HANDLERS;
use nestrs_core::{
    BootOptions, BoxFuture, ContextKind, Dependency, DynamicModule, Ending, ExecutionContext, HandlerDef, HandlerReply,
    HandlerResult, HandlerSet, Injectable, MicroRoutes, ModuleDef, PatternLiteral, Payload, Provider, ResolveError,
    Resolver, TransportId, boot, mount,
};

use support::{answer, app, booted, call, problem, refused, run, table};

/// A service with two blocks of handlers and a number, so that instances can be told apart.
struct Math {
    base: i64,
}

impl Injectable for Math {
    fn dependencies() -> Vec<Dependency> {
        vec![Dependency::required::<i64>("base").optional()]
    }
    fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self { base: resolver.optional::<i64>().map_or(0, |base| *base) })
    }
}

impl Math {
    fn sum(&self, numbers: &[i64]) -> i64 {
        self.base + numbers.iter().sum::<i64>()
    }
}

fn sum<'a>(math: &'a Arc<Math>, _: &'a ExecutionContext, payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
    Box::pin(async move { math.sum(&payload.decode::<Vec<i64>>()?).into_reply() })
}

fn pattern<'a>(_: &'a Arc<Math>, cx: &'a ExecutionContext, _: &'a Payload) -> BoxFuture<'a, HandlerResult> {
    Box::pin(async move { (cx.pattern(), cx.handler()).into_reply() })
}

struct Sums;
impl MicroRoutes for Sums {
    type Service = Math;
    const HANDLERS: &'static [HandlerDef] = &[
        HandlerDef::message(
            &[PatternLiteral::Object(&[("v", PatternLiteral::Number(1.0)), ("cmd", PatternLiteral::Text("sum"))])],
            "Math::sum",
            |mounting| mount(mounting, (), (), (), (), sum),
        ),
        HandlerDef::event(&[PatternLiteral::Text("math.done")], "Math::done", |it| mount(it, (), (), (), (), pattern)),
    ];
}
#[distributed_slice(HANDLERS)]
static SUMS: HandlerSet = HandlerSet::of::<Sums>();

struct Extras;
impl MicroRoutes for Extras {
    type Service = Math;
    const HANDLERS: &'static [HandlerDef] = &[
        HandlerDef::message(
            &[PatternLiteral::Text("where"), PatternLiteral::Text("am.i")],
            "Math::where_am_i",
            |mounting| mount(mounting, (), (), (), (), pattern),
        ),
        HandlerDef::event(&[PatternLiteral::Text("math.done")], "Math::done_too", |it| {
            mount(it, (), (), (), (), pattern)
        }),
    ];
}
#[distributed_slice(HANDLERS)]
static EXTRAS: HandlerSet = HandlerSet::of::<Extras>();

const MATH_ROUTES: [&str; 5] = [
    "message {\"cmd\":\"sum\",\"v\":1} Math::sum",
    "event math.done Math::done",
    "message where Math::where_am_i",
    "message am.i Math::where_am_i",
    "event math.done Math::done_too",
];

#[test]
fn rows_written_by_hand_are_routes() {
    let app = booted(app().provide(Provider::class::<Math>()).provide(Provider::value(40_i64)).microservice::<Math>());
    assert_eq!(table(&app), MATH_ROUTES, "of both blocks, in a settled order");
    assert_eq!(answer(call(&app, r#"{"cmd":"sum","v":1}"#, "[1,1]")), "42");
    assert_eq!(answer(call(&app, "am.i", "null")), r#"["am.i","Math::where_am_i"]"#);
    assert!(call(&app, r#"{"cmd":"sum","v":1}"#, r#""x""#).unwrap_err().message.starts_with("invalid payload"));
    assert!(app.controllers.is_empty());
    assert_eq!(
        format!("{:?}", app.routes[1]),
        r#"Route { pattern: Pattern(math.done), kind: Event, handler: "Math::done", .. }"#,
    );
}

#[test]
fn a_controller_is_a_provider_without_being_listed_as_one() {
    let app = booted(app().controller::<Math>());
    assert_eq!(table(&app), MATH_ROUTES);
    let [controller] = &*app.controllers else { panic!("one controller") };
    assert_eq!((&*controller.name, controller.type_id), ("Math", TypeId::of::<Math>()));
    assert!(controller.scope.get::<Math>().is_some());
    assert_eq!(format!("{controller:?}"), "Controller(Math in AppModule)");
}

#[test]
fn a_controller_that_is_also_provided_is_built_once() {
    let own = Provider::value(Math { base: 7 });
    let app = booted(app().controller::<Math>().provide(own).microservice::<Math>());
    assert_eq!(table(&app), MATH_ROUTES, "listed twice, served once");
    assert_eq!(answer(call(&app, r#"{"cmd":"sum","v":1}"#, "[]")), "7");
}

struct MathModule;
fn math_module() -> ModuleDef {
    ModuleDef::new::<MathModule>().provide(Provider::class::<Math>()).microservice::<Math>().export::<Math>()
}

#[test]
fn a_provider_listed_by_two_modules_is_served_once() {
    let app = booted(app().import_dynamic(math_module()).microservice::<Math>());
    assert_eq!(table(&app), MATH_ROUTES);
}

#[test]
fn the_service_of_any_reachable_module_is_served() {
    struct Between;
    let between = DynamicModule::new::<Between>().import_dynamic(math_module());
    assert_eq!(table(&booted(app().import_dynamic(between))), MATH_ROUTES);
}

#[test]
fn two_handlers_of_one_request_are_named_with_their_modules() {
    // Each module has a `Math` of its own. Events may have many handlers; a request has one.
    let root = app().import_dynamic(math_module()).provide(Provider::value(Math { base: 1 })).microservice::<Math>();
    assert_eq!(
        refused(root).to_string(),
        "\
the application cannot start, for 3 reasons:
  1. the pattern `am.i` is handled by `Math::where_am_i` in `AppModule` and by `Math::where_am_i` in `MathModule`; \
a request has one answer: give one of them another pattern, or make them events
  2. the pattern `where` is handled by `Math::where_am_i` in `AppModule` and by `Math::where_am_i` in `MathModule`; \
a request has one answer: give one of them another pattern, or make them events
  3. the pattern `{\"cmd\":\"sum\",\"v\":1}` is handled by `Math::sum` in `AppModule` and by `Math::sum` in \
`MathModule`; a request has one answer: give one of them another pattern, or make them events",
    );
}

struct Silent;

impl Injectable for Silent {
    fn dependencies() -> Vec<Dependency> {
        Vec::new()
    }
    fn construct(_: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self)
    }
}

#[test]
fn a_listed_type_must_have_handlers() {
    assert_eq!(
        problem(app().provide(Provider::class::<Silent>()).microservice::<Silent>()),
        "`Silent` is listed in `microservices` of `AppModule` but has no message handlers (AppModule); \
         write `#[micro_routes]` on an impl block of it",
    );
    assert_eq!(
        problem(app().controller::<Silent>()),
        "`Silent` is listed in `controllers` of `AppModule` but has neither HTTP routes nor message handlers \
         (AppModule); write `#[micro_routes]` on an impl block of it",
    );
}

#[test]
fn http_routes_count_for_controllers_and_not_for_microservices() {
    let has_http_routes: Option<fn(TypeId) -> bool> = Some(|service| service == TypeId::of::<Silent>());
    let with_http = |root| {
        let mut options = BootOptions::default();
        options.has_http_routes = has_http_routes;
        run(boot(root, options))
    };
    assert_eq!(with_http(app().controller::<Silent>()).unwrap().controllers.len(), 1);
    assert!(with_http(app().provide(Provider::class::<Silent>()).microservice::<Silent>()).is_err());
}

#[test]
fn a_listed_type_must_be_provided() {
    assert_eq!(
        problem(app().microservice::<Math>()),
        "`Math` is listed in `microservices` of `AppModule` but not provided there (AppModule); \
         add it to `providers` of `AppModule`, or import a module that exports it",
    );
}

#[test]
fn a_type_is_listed_once_per_list() {
    assert_eq!(
        problem(app().controller::<Math>().controller::<Math>()),
        "`Math` is listed in `controllers` of `AppModule` twice (AppModule); keep one of them",
    );
}

#[test]
fn a_listed_type_that_two_imports_export_is_not_guessed_at() {
    struct Other;
    let module = |def: ModuleDef| def.provide(Provider::class::<Math>()).export::<Math>();
    let two =
        app().import_dynamic(module(ModuleDef::new::<MathModule>())).import_dynamic(module(ModuleDef::new::<Other>()));
    assert_eq!(
        problem(two.microservice::<Math>()),
        "`AppModule` needs `Arc<Math>`, which several imported modules export: `MathModule`, `Other` (AppModule); \
         import only one of them, or provide each under a name",
    );
}

/// Subscribes to the bus, and has a message handler beside.
#[derive(Default)]
struct Audit {
    seen: AtomicUsize,
}

fn audit<'a>(audit: &'a Arc<Audit>, _: &'a ExecutionContext, _: &'a Payload) -> BoxFuture<'a, HandlerResult> {
    Box::pin(async move { audit.seen.fetch_add(1, Ordering::Relaxed).into_reply() })
}

struct Audits;
impl MicroRoutes for Audits {
    type Service = Audit;
    const HANDLERS: &'static [HandlerDef] = &[
        HandlerDef::bus(&[PatternLiteral::Text("user.created")], "Audit::record", |it| {
            mount(it, (), (), (), (), audit)
        }),
        HandlerDef::message(&[PatternLiteral::Text("audit.count")], "Audit::count", |it| {
            mount(it, (), (), (), (), audit)
        }),
    ];
}
#[distributed_slice(HANDLERS)]
static AUDITS: HandlerSet = HandlerSet::of::<Audits>();

#[test]
fn a_bus_subscriber_is_served_by_being_provided() {
    let audit = Arc::new(Audit::default());
    let app = booted(app().provide(Provider::shared(Arc::clone(&audit))));
    assert_eq!(table(&app), ["bus user.created Audit::record"], "its message handler is not listed");
    answer(call(&app, "user.created", "{}"));
    assert_eq!(audit.seen.load(Ordering::Relaxed), 1);
}

#[test]
fn a_bus_subscriber_that_is_listed_too_hears_each_event_once() {
    let app = booted(app().provide(Provider::factory(Audit::default)).microservice::<Audit>());
    assert_eq!(table(&app), ["message audit.count Audit::count", "bus user.created Audit::record"]);
}

#[test]
fn a_bus_subscriber_under_a_name_is_left_to_those_who_ask_for_it() {
    let named = || Provider::factory(Audit::default).named("OTHER");
    assert!(booted(app().provide(named())).routes.is_empty());
    assert_eq!(booted(app().provide(named()).provide(Provider::existing::<Audit>("OTHER"))).routes.len(), 1);
}

#[test]
fn each_instance_of_a_bus_subscriber_is_served() {
    struct Feature;
    let feature = DynamicModule::new::<Feature>().provide(Provider::factory(Audit::default));
    let root = app().provide(Provider::factory(Audit::default)).import_dynamic(feature.clone()).import_dynamic(feature);
    assert_eq!(booted(root).routes.len(), 2);
}

struct Odd;
struct OddRows;
impl MicroRoutes for OddRows {
    type Service = Odd;
    const HANDLERS: &'static [HandlerDef] = &[
        HandlerDef::message(&[PatternLiteral::Text("")], "Odd::empty", |it| mount(it, (), (), (), (), odd)),
        HandlerDef::message(&[PatternLiteral::Bool(true)], "Odd::truth", |it| mount(it, (), (), (), (), odd)),
        HandlerDef::message(&[PatternLiteral::Text("odd")], "Odd::nothing", |_| {}),
        HandlerDef::message(&[PatternLiteral::Text("math")], "Odd::other", |it| mount(it, (), (), (), (), sum)),
    ];
}
#[distributed_slice(HANDLERS)]
static ODD: HandlerSet = HandlerSet::of::<OddRows>();

fn odd<'a>(_: &'a Arc<Odd>, _: &'a ExecutionContext, _: &'a Payload) -> BoxFuture<'a, HandlerResult> {
    unreachable!("never mounted")
}

#[test]
fn rows_that_cannot_be_mounted_are_named() {
    assert_eq!(
        refused(app().provide(Provider::value(Odd)).microservice::<Odd>()).to_string(),
        "\
the application cannot start, for 4 reasons:
  1. `Odd::empty` has a pattern that cannot be routed: a pattern cannot be empty (AppModule)
  2. `Odd::truth` has a pattern that cannot be routed: a pattern is a string, a number or an object, not `true` \
(AppModule)
  3. `Odd::nothing` has a row that mounts nothing (AppModule)
  4. `Odd::other` needs `Arc<Math>`, which no imported module exports (AppModule); \
add it to `providers` of `AppModule`, or import a module that exports it",
    );
}

struct HalfWild;
struct HalfWildRows;
impl MicroRoutes for HalfWildRows {
    type Service = HalfWild;
    const HANDLERS: &'static [HandlerDef] =
        &[HandlerDef::bus(&[PatternLiteral::Text("order.cre*")], "HalfWild::hears", |it| {
            mount(it, (), (), (), (), half_wild);
        })];
}
#[distributed_slice(HANDLERS)]
static HALF_WILD: HandlerSet = HandlerSet::of::<HalfWildRows>();

fn half_wild<'a>(_: &'a Arc<HalfWild>, _: &'a ExecutionContext, _: &'a Payload) -> BoxFuture<'a, HandlerResult> {
    unreachable!("never mounted")
}

#[test]
fn a_subscription_that_would_hear_nothing_is_a_problem() {
    assert_eq!(
        refused(app().provide(Provider::value(HalfWild))).to_string(),
        "the application cannot start: `HalfWild::hears` subscribes to `order.cre*`: a wildcard is a whole segment: `*` \
         for one, `**` for any number (AppModule)",
    );
}

#[test]
fn debug_of_a_set_names_its_service_and_handlers() {
    let text = format!("{SUMS:?}");
    assert!(text.contains("handlers::Math\"") && text.contains("\"Math::sum\""), "{text}");
}

struct Choosy;
impl Injectable for Choosy {
    fn dependencies() -> Vec<Dependency> {
        Vec::new()
    }
    fn construct(_: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self)
    }
}

fn choosy<'a>(_: &'a Arc<Choosy>, cx: &'a ExecutionContext, _: &'a Payload) -> BoxFuture<'a, HandlerResult> {
    Box::pin(async move { (cx.pattern(), cx.declared_pattern(), cx.extras().text("queue")).into_reply() })
}

const QUEUE: &[(&str, PatternLiteral)] = &[("queue", PatternLiteral::Text("workers"))];

struct ChoosyRoutes;
impl MicroRoutes for ChoosyRoutes {
    type Service = Choosy;
    const HANDLERS: &'static [HandlerDef] = &[
        HandlerDef::message(&[PatternLiteral::Text("log.*")], "Choosy::one", |it| mount(it, (), (), (), (), choosy))
            .transports(&[TransportId::TCP])
            .extras(QUEUE),
        HandlerDef::message(&[PatternLiteral::Text("log.*")], "Choosy::other", |it| mount(it, (), (), (), (), choosy))
            .transports(&[TransportId::NATS, TransportId::custom("pigeon")]),
    ];
}
#[distributed_slice(HANDLERS)]
static CHOOSY: HandlerSet = HandlerSet::of::<ChoosyRoutes>();

#[test]
fn handlers_of_one_pattern_on_different_transports_are_routes_that_know_them() {
    let app = booted(app().provide(Provider::class::<Choosy>()).microservice::<Choosy>());
    let [one, other] = &*app.routes else { panic!("two routes") };
    assert_eq!((one.is_served_by("tcp"), one.is_served_by("nats")), (true, false));
    assert_eq!((other.is_served_by("tcp"), other.is_served_by("pigeon")), (false, true));
    assert_eq!((one.extras.text("queue"), other.extras.is_empty()), (Some("workers"), true));
    let cx = ExecutionContext::new(ContextKind::Message, "log.disk", Payload::from_json("null"));
    assert_eq!((cx.declared_pattern(), cx.extras().is_empty()), ("log.disk", true), "before a route is found");
    let cx = cx.with_route(one);
    assert_eq!((cx.handler(), cx.pattern(), cx.declared_pattern()), ("Choosy::one", "log.disk", "log.*"));
    let answered = run(one.endpoint.call(&cx, &Payload::from_json("null")));
    assert_eq!(answer(answered), r#"["log.disk","log.*","workers"]"#);
}

/// A third handler in another module, for a transport that one of the two above has.
struct Rival;
impl MicroRoutes for Rival {
    type Service = u8;
    const HANDLERS: &'static [HandlerDef] =
        &[HandlerDef::message(&[PatternLiteral::Text("log.*")], "Rival::it", |it| {
            mount(it, (), (), (), (), |_: &Arc<u8>, _, _| Box::pin(async { Ok(nestrs_core::Reply::Empty) }));
        })
        .transports(&[TransportId::custom("pigeon")])];
}
#[distributed_slice(HANDLERS)]
static RIVAL: HandlerSet = HandlerSet::of::<Rival>();

#[test]
fn a_transport_that_two_handlers_of_a_message_share_is_a_problem_that_names_both() {
    let root = app().provide(Provider::class::<Choosy>()).microservice::<Choosy>();
    let problem = problem(root.provide(Provider::value(1_u8)).microservice::<u8>());
    assert!(problem.starts_with("the pattern `log.*` is handled by `Choosy::other` in `AppModule` and by `Rival::it`"));
}

#[test]
#[should_panic(expected = "nobody waits for the answer to an event")]
fn a_handler_of_events_cannot_end_with_its_emitter() {
    let _ = HandlerDef::event(&[PatternLiteral::Text("done")], "Math::done", |_| {}).ending(Ending::Disconnect);
}
