//! Providers that are no singletons: how many instances there are, who may hold them, and what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::ProviderScope::{Request, Transient};
use crate::{
    ContextId, ContextKind, ErrorKind, ExecutionContext, HookList, HookResult, Injectable, ModuleRef, OnModuleInit,
    Payload, Phase, ProviderScope, ResolveError, TransportError,
};

/// Told apart by number.
struct Counted(usize);

fn counted() -> Provider {
    let count = AtomicUsize::new(0);
    Provider::factory(move || Counted(count.fetch_add(1, Ordering::Relaxed)))
}

fn call(tenant: &str) -> ExecutionContext {
    ExecutionContext::new(ContextKind::Message, "who", Payload::from_json("1"))
        .with_metadata(Some([("x-tenant", tenant)].into_iter().collect()))
}

struct Tenant(String);

fn tenant() -> Provider {
    Provider::factory(|cx: Arc<ExecutionContext>| Tenant(cx.metadata().get("x-tenant").unwrap_or("none").to_owned()))
        .scope(Request)
}

#[test]
fn a_transient_provider_is_new_for_each_consumer_and_one_for_each() {
    let left = Provider::factory(|a: Arc<Counted>, b: Arc<Counted>| {
        assert!(Arc::ptr_eq(&a, &b), "one consumer has one");
        a.0
    });
    let right = Provider::factory(|counted: Arc<Counted>| counted.0);
    let app = booted(app().provide(left.named("L")).provide(right.named("R")).provide(counted().scope(Transient)));
    let mut numbers = [*app.root.get_named::<usize>("L").unwrap(), *app.root.get_named::<usize>("R").unwrap()];
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1]);
    assert!(app.root.get::<Counted>().is_none(), "there is none to get");
}

#[test]
fn a_request_scoped_provider_is_one_for_all_that_ask_in_a_call() {
    let left = Provider::factory(|counted: Arc<Counted>| counted.0).scope(Request).named("L");
    let right = Provider::factory(|counted: Arc<Counted>| counted.0).scope(Request).named("R");
    let both = Provider::dynamic(
        vec![Dependency::named::<usize>("left", "L"), Dependency::named::<usize>("right", "R")],
        |it| Ok((*it.named::<usize>("L")?, *it.named::<usize>("R")?)),
    );
    let root = app().provide(left).provide(right).provide(both.scope(Request)).provide(counted().scope(Request));
    let app = booted(root);
    let (one, other) = (call("a"), call("b"));
    let get = |cx| *app.root.per_call::<(usize, usize)>(cx).unwrap();
    assert_eq!((get(&one), get(&other), get(&one)), ((0, 0), (1, 1), (0, 0)));
    assert_eq!(app.root.provider_scope::<Counted>(), Some(Request));
}

#[test]
fn a_request_scoped_provider_knows_its_call() {
    let greeting = Provider::factory(|tenant: Arc<Tenant>, half: Arc<u8>| format!("{} {half}", tenant.0));
    let app = booted(app().provide(greeting.scope(Request)).provide(tenant()).provide(Provider::value(7_u8)));
    assert_eq!(*app.root.per_call::<String>(&call("acme")).unwrap(), "acme 7");
    assert_eq!(*app.root.per_call::<u8>(&call("acme")).unwrap(), 7, "a singleton is what it is in every call");
}

#[test]
fn what_a_call_built_ends_with_the_call_though_it_holds_the_call() {
    struct Holder {
        _cx: Arc<ExecutionContext>,
    }
    let app = booted(app().provide(Provider::factory(|cx| Holder { _cx: cx }).scope(Request)));
    let cx = call("a");
    let id = ContextId::of(&cx);
    assert_eq!(id, ContextId::of(&cx));
    assert_eq!(id, ContextId::of(&cx.clone()), "a copy made while the call runs is of that call");
    drop(id);
    let kept = Arc::downgrade(&app.root.per_call::<Holder>(&cx).unwrap());
    assert!(kept.upgrade().is_some());
    drop(cx);
    assert!(kept.upgrade().is_none(), "the call is over");
}

#[test]
fn one_context_id_serves_two_applications_without_mixing_them() {
    let id = ContextId::new();
    let build = || booted(app().provide(counted().scope(Request)));
    let (one, other) = (build(), build());
    let get = |app: &Application| run(app.root.get::<ModuleRef>().unwrap().resolve_in::<Counted>(&id)).unwrap();
    assert!(!Arc::ptr_eq(&get(&one), &get(&other)));
    assert!(Arc::ptr_eq(&get(&one), &get(&one)));
}

#[test]
fn an_alias_has_the_scope_of_what_it_stands_for() {
    let alias = Provider::alias(|tenant: Arc<Tenant>| tenant).named("T");
    let app = booted(app().provide(alias).provide(tenant()));
    let cx = call("acme");
    let module = app.root.get::<ModuleRef>().unwrap();
    let named = run(module.resolve_named_in::<Tenant>("T", &ContextId::of(&cx))).unwrap();
    assert_eq!(named.0, "acme");
    assert!(Arc::ptr_eq(&named, &app.root.per_call(&cx).unwrap()));
}

#[test]
fn a_singleton_that_needs_what_is_request_scoped_is_refused_with_the_cure() {
    let report = Provider::factory(|tenant: Arc<Tenant>| tenant.0.len());
    assert_eq!(
        problem(app().provide(report).provide(tenant())),
        "`usize` is a singleton and needs `Arc<Tenant>` for the factory, which is request-scoped (AppModule); \
         add `.scope(ProviderScope::Request)` to it, or let it resolve that per call, by `ModuleRef::resolve_in`",
    );
    let optional = Provider::factory(|tenant: Option<Arc<Tenant>>| tenant.is_some());
    assert!(
        problem(app().provide(optional).provide(tenant())).contains("`bool` is a singleton and needs `Arc<Tenant>`")
    );
    let transient = Provider::factory(|tenant: Arc<Tenant>| tenant.0.len()).scope(Transient);
    assert!(
        problem(app().provide(transient).provide(tenant())).contains("`usize` is transient and needs `Arc<Tenant>`")
    );
    let alias = Provider::alias(|tenant: Arc<Tenant>| tenant).named("T");
    let through = Provider::dynamic(vec![Dependency::named::<Tenant>("t", "T")], |_| Ok(1_u8));
    let root = app().provide(through).provide(alias).provide(tenant());
    assert!(problem(root).contains("`u8` is a singleton and needs `Tenant` named `T` for its field `t`"));
}

#[test]
fn only_what_is_request_scoped_may_hold_the_call() {
    let sneaky = || Provider::factory(|cx: Arc<ExecutionContext>| cx.pattern().len());
    assert_eq!(
        problem(app().provide(sneaky())),
        "`usize` is a singleton and needs `Arc<ExecutionContext>` for the factory, which exists only during a call \
         (AppModule); add `.scope(ProviderScope::Request)` to it, or let it resolve that per call, by \
         `ModuleRef::resolve_in`",
    );
    assert!(problem(app().provide(sneaky().scope(Transient))).contains("`usize` is transient and needs"));
}

#[test]
fn a_scope_that_cannot_be_is_refused() {
    let check = |provider: Provider, expected: &str| {
        let text = problem(app().provide(provider));
        assert!(text.contains(expected), "{text}");
    };
    check(Provider::value(1_u8).scope(Request), "`u8` is request-scoped but a value, of which there is one");
    check(
        Provider::async_factory(|| async { Ok::<_, std::io::Error>(1_u8) }).scope(Request),
        "`u8` is request-scoped but made by an async factory, which only boot awaits",
    );
    let alias = Provider::alias(|it: Arc<u8>| it).named("A").scope(Transient);
    let text = problem(app().provide(alias).provide(Provider::value(1_u8)));
    assert!(text.contains("`u8` named `A` is transient but an alias"), "{text}");
}

struct Hooked;

impl OnModuleInit for Hooked {
    async fn on_module_init(&self) -> HookResult {
        Ok(())
    }
}

impl Injectable for Hooked {
    fn dependencies() -> Vec<Dependency> {
        Vec::new()
    }
    fn construct(_: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self)
    }
    fn scope() -> ProviderScope {
        Request
    }
    fn hooks() -> HookList<Self> {
        HookList::of([
            (Phase::ModuleInit, Some(|this, _| Box::pin(async move { this.on_module_init().await }))),
            (Phase::ApplicationBootstrap, None),
            (Phase::ModuleDestroy, None),
            (Phase::BeforeApplicationShutdown, None),
            (Phase::ApplicationShutdown, None),
        ])
    }
}

#[test]
fn a_hook_that_would_never_run_is_refused() {
    assert_eq!(
        problem(app().provide(Provider::class::<Hooked>())),
        "`Hooked` is request-scoped but has the hook `on_module_init`, which runs on singletons only (AppModule); \
         move the hook to a singleton that it needs",
    );
    let singleton = booted(app().provide(Provider::class::<Hooked>().scope(ProviderScope::Singleton)));
    assert_eq!(singleton.lifecycle.hooks(Phase::ModuleInit).len(), 1);
}

#[test]
fn a_failure_to_build_names_the_first_cause_and_answers_the_call() {
    let refuses = Provider::try_factory(|cx: Arc<ExecutionContext>| match cx.metadata().get("x-tenant") {
        Some("acme") => Ok(Tenant("acme".into())),
        _ => Err(TransportError::new("who are you?").with_kind(ErrorKind::Unauthorized)),
    });
    let breaks = Provider::try_factory(|_: Arc<Tenant>| "x".parse::<u16>()).scope(Request);
    let root = app().provide(refuses.scope(Request)).provide(breaks);
    let app = booted(root.provide(Provider::factory(|_: Arc<u16>| 1_u32).scope(Request)));
    let answer = |tenant| TransportError::from(app.root.per_call::<u32>(&call(tenant)).unwrap_err());
    assert_eq!(answer("evil"), TransportError::new("who are you?").with_kind(ErrorKind::Unauthorized));
    let broken = answer("acme");
    assert_eq!(broken.to_string(), "`u16` cannot be built");
    assert!(broken.is_withheld(), "what broke is nothing to a caller");
    assert_eq!(with_causes(&broken), "`u16` cannot be built: invalid digit found in string");
}

#[test]
fn a_transient_that_fails_at_boot_is_reported_once_for_each_consumer() {
    let fails = Provider::try_factory(|| "x".parse::<u8>()).scope(Transient);
    let root = app().provide(fails).provide(Provider::factory(|byte: Option<Arc<u8>>| byte.is_some()));
    assert_eq!(
        problem(root),
        "`bool` cannot be built: `u8` cannot be built: invalid digit found in string (AppModule)"
    );
}

#[test]
fn a_transient_whose_singleton_failed_is_no_problem_of_its_own() {
    let pool = Provider::try_factory(|| "x".parse::<u8>());
    let session = Provider::factory(|pool: Arc<u8>| u16::from(*pool)).scope(Transient);
    let root = app().provide(pool).provide(session).provide(Provider::factory(|it: Arc<u16>| u32::from(*it)));
    assert_eq!(problem(root), "`u8` cannot be built: invalid digit found in string (AppModule)");
}

#[test]
fn a_chain_of_what_is_built_one_inside_the_other_has_a_limit() {
    fn chain(links: usize) -> ModuleDef {
        let names: Vec<&'static str> = (0..links).map(|link| &*format!("LINK_{link}").leak()).collect();
        let first = Provider::factory(|| 1_usize).named(names[0]).scope(Transient);
        (1..links).fold(app().provide(first), |module, link| {
            let before = names[link - 1];
            let needs = vec![Dependency::named::<usize>("the link", before)];
            let next = Provider::dynamic(needs, move |it| Ok(*it.named::<usize>(before)? + 1));
            module.provide(next.named(names[link]).scope(Transient))
        })
    }
    let app = booted(chain(64));
    let module = app.root.get::<ModuleRef>().unwrap();
    assert_eq!(*run(module.resolve_named_in::<usize>("LINK_63", &ContextId::new())).unwrap(), 64);
    assert_eq!(
        problem(chain(70)),
        "`usize` named `LINK_64` ends a chain of 65 providers, none a singleton (AppModule); at most 64 can be built one \
         inside the other: make one a singleton",
    );
}
