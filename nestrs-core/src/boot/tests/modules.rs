//! How often a module exists, and who may import whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::Module;

/// Told apart by address.
#[derive(Default)]
struct Cache;

/// A static module with one exported `Cache`.
struct CacheModule;
impl Module for CacheModule {
    fn define() -> ModuleDef {
        ModuleDef::new::<Self>().provide(Provider::factory(Cache::default)).export::<Cache>()
    }
}

/// The `Cache` that a module sees, under a name.
fn seen_as(name: &'static str) -> Provider {
    Provider::alias(|cache: Arc<Cache>| cache).named(name)
}

#[test]
fn a_module_imported_twice_is_one() {
    struct Left;
    struct Right;
    let left = DynamicModule::new::<Left>().import::<CacheModule>().provide(seen_as("LEFT")).export_named("LEFT");
    let right = DynamicModule::new::<Right>().import::<CacheModule>().provide(seen_as("RIGHT")).export_named("RIGHT");
    let diamond = app().import_dynamic(left).import_dynamic(right).import::<CacheModule>().import::<CacheModule>();
    let root = booted(diamond).root;
    let cache = root.get::<Cache>().unwrap();
    assert!(Arc::ptr_eq(&cache, &root.get_named("LEFT").unwrap()));
    assert!(Arc::ptr_eq(&cache, &root.get_named("RIGHT").unwrap()));
}

struct Empty;
impl Module for Empty {
    fn define() -> ModuleDef {
        ModuleDef::new::<Self>()
    }
}

/// Each call makes a module.
fn register(name: &'static str) -> DynamicModule {
    DynamicModule::new::<CacheModule>().provide(Provider::factory(Cache::default).named(name)).export_named(name)
}

#[test]
fn each_registration_is_a_module_of_its_own_and_a_clone_is_the_same() {
    struct Feature;
    let (one, other) = (register("ONE"), register("OTHER"));
    let feature = DynamicModule::new::<Feature>()
        .import_dynamic(one.clone())
        .provide(Provider::alias(|cache: Arc<Cache>| cache).named("SEEN"))
        .provide(Provider::existing::<Cache>("ONE"))
        .export_named("SEEN");
    let root = booted(app().import_dynamic(one).import_dynamic(other).import_dynamic(feature)).root;
    let one = root.get_named::<Cache>("ONE").unwrap();
    assert!(Arc::ptr_eq(&one, &root.get_named("SEEN").unwrap()));
    assert!(!Arc::ptr_eq(&one, &root.get_named("OTHER").unwrap()));
}

#[test]
fn a_clone_to_which_something_is_added_is_another_module() {
    let base = register("ONE");
    let more = base.clone().provide(Provider::value(1_u8)).export::<u8>();
    let root = booted(app().import_dynamic(base.clone()).import_dynamic(more)).root;
    assert_eq!(root.get::<u8>().as_deref(), Some(&1));

    let base = || base.clone();
    let others = [
        base().import::<Empty>(),
        base().import_dynamic(register("OTHER")),
        base().provide(Provider::value(1_u8)),
        base().export::<Cache>(),
        base().export_named("ONE"),
        base().global(),
    ];
    assert!(others.iter().all(|other| other.id != base().id));
}

#[test]
fn registrations_of_one_host_are_passed_on_by_the_hosts_name() {
    struct Middle;
    let middle = DynamicModule::new::<Middle>()
        .import_dynamic(register("ONE"))
        .import_dynamic(register("OTHER"))
        .export::<CacheModule>();
    let root = booted(app().import_dynamic(middle)).root;
    assert!(root.get_named::<Cache>("ONE").is_some() && root.get_named::<Cache>("OTHER").is_some());
}

#[test]
fn a_dynamic_module_may_start_from_a_static_one() {
    let extended =
        DynamicModule::extend::<CacheModule>().import::<Empty>().provide(seen_as("SAME")).export_named("SAME");
    let root = booted(app().import_dynamic(extended)).root;
    assert!(Arc::ptr_eq(&root.get::<Cache>().unwrap(), &root.get_named("SAME").unwrap()));
}

#[test]
fn a_module_is_described_once_per_application() {
    static DESCRIBED: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Module for Counted {
        fn define() -> ModuleDef {
            DESCRIBED.fetch_add(1, Ordering::Relaxed);
            ModuleDef::new::<Self>()
        }
    }
    booted(app().import::<Counted>().import::<Counted>().import_dynamic(register("A").import::<Counted>()));
    assert_eq!(DESCRIBED.load(Ordering::Relaxed), 1);
}

struct Egg;
struct Hen;
impl Module for Egg {
    fn define() -> ModuleDef {
        ModuleDef::new::<Self>().import::<Hen>().provide(Provider::value(1_u8)).export::<u8>().export::<Hen>()
    }
}
impl Module for Hen {
    fn define() -> ModuleDef {
        // It can see the `u8`, and both may pass the other on: the circle is the only problem.
        let uses = Provider::factory(|egg: Arc<u8>| u16::from(*egg));
        ModuleDef::new::<Self>().import::<Egg>().provide(uses).export::<Egg>().export::<u8>()
    }
}

#[test]
fn modules_that_import_each_other_are_named_and_nothing_else_is_blamed() {
    assert_eq!(
        problem(app().import::<Hen>()),
        "the modules `Hen` → `Egg` → `Hen` import each other in a circle (AppModule → Hen → Egg); \
         move what both need into a module that imports neither",
    );
}

#[test]
fn a_longer_circle_through_dynamic_modules_is_named() {
    struct First;
    struct Second;
    struct Third;
    impl Module for First {
        fn define() -> ModuleDef {
            let third = DynamicModule::new::<Third>().import::<Self>();
            ModuleDef::new::<Self>().import_dynamic(DynamicModule::new::<Second>().import_dynamic(third))
        }
    }
    let text = problem(app().import::<First>());
    assert!(text.starts_with("the modules `First` → `Second` → `Third` → `First` import each other"), "{text}");
}

#[test]
fn a_module_that_imports_itself_is_named() {
    struct Narcissus;
    impl Module for Narcissus {
        fn define() -> ModuleDef {
            ModuleDef::new::<Self>().import::<Self>()
        }
    }
    assert_eq!(
        problem(app().import::<Narcissus>()),
        "the module `Narcissus` imports itself (AppModule → Narcissus); leave out that import",
    );
    assert!(problem(Narcissus::define()).starts_with("the module `Narcissus` imports itself (Narcissus)"));
}
