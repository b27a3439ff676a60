//! Who sees what: encapsulation, exports, re-exports, globals.

use std::sync::Arc;

use super::*;
use crate::{Injectable, Module, ResolveError};

struct Pool(&'static str);
/// Exported by `DbModule`, which keeps its `Pool` to itself.
struct Orders {
    pool: Arc<Pool>,
}

impl Injectable for Orders {
    fn dependencies() -> Vec<Dependency> {
        vec![Dependency::required::<Pool>("pool")]
    }
    fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self { pool: resolver.required()? })
    }
}

struct DbModule;
impl Module for DbModule {
    fn define() -> ModuleDef {
        ModuleDef::new::<Self>()
            .provide(Provider::class::<Orders>())
            .provide(Provider::value(Pool("private")))
            .export::<Orders>()
    }
}

/// Asks for a `Pool`.
fn pool_user() -> Provider {
    Provider::factory(|pool: Arc<Pool>| pool.0.to_owned())
}

#[test]
fn an_exported_provider_keeps_its_private_dependencies() {
    let app = booted(app().import::<DbModule>());
    assert_eq!(app.root.get::<Orders>().unwrap().pool.0, "private");
    assert!(app.root.get::<Pool>().is_none());
}

#[test]
fn what_is_not_exported_cannot_be_injected_and_the_cure_names_the_module_to_change() {
    assert_eq!(
        problem(app().import::<DbModule>().provide(pool_user())),
        "`String` needs `Arc<Pool>` for the factory, which no imported module exports (AppModule); \
         `DbModule` provides it without exporting it: add it to `exports` of `DbModule`",
    );
}

#[test]
fn a_module_uses_its_own_provider_though_an_import_exports_the_same() {
    let app = booted(app().import::<DbModule>().provide(Provider::value(Orders { pool: Arc::new(Pool("own")) })));
    assert_eq!(app.root.get::<Orders>().unwrap().pool.0, "own");
}

#[test]
fn a_private_provider_does_not_shadow_what_an_exported_one_needs() {
    // Both modules have a `Pool`; each builds with its own.
    let app = booted(app().import::<DbModule>().provide(Provider::value(Pool("app's"))).provide(pool_user()));
    assert_eq!(*app.root.get::<String>().unwrap(), "app's");
    assert_eq!(app.root.get::<Orders>().unwrap().pool.0, "private");
}

#[test]
fn imports_of_imports_are_not_seen() {
    struct Middle;
    let middle = DynamicModule::new::<Middle>().import::<DbModule>();
    assert!(booted(app().import_dynamic(middle)).root.get::<Orders>().is_none());
}

#[test]
fn a_module_may_be_passed_on_as_a_whole_or_by_what_it_exports() {
    struct Whole;
    let whole = DynamicModule::new::<Whole>().import::<DbModule>().export::<DbModule>();
    assert!(booted(app().import_dynamic(whole)).root.get::<Orders>().is_some());

    struct Single;
    let single = DynamicModule::new::<Single>().import::<DbModule>().export::<Orders>();
    assert!(booted(app().import_dynamic(single)).root.get::<Orders>().is_some());
}

#[test]
fn passing_on_goes_through_any_number_of_modules() {
    struct First;
    struct Second;
    let first = DynamicModule::new::<First>().import::<DbModule>().export::<DbModule>();
    let second = DynamicModule::new::<Second>().import_dynamic(first).export::<First>();
    assert!(booted(app().import_dynamic(second)).root.get::<Orders>().is_some());
}

#[test]
fn naming_an_export_in_two_ways_is_no_mistake() {
    struct Middle;
    let middle = DynamicModule::new::<Middle>().import::<DbModule>().export::<DbModule>().export::<Orders>();
    assert!(booted(app().import_dynamic(middle)).root.get::<Orders>().is_some());

    let twice = Provider::value(1_u8).named("A");
    booted(app().provide(twice).export_named("A").export_named("A"));
}

#[test]
fn a_name_exports_everything_of_that_name_own_or_imported() {
    struct Inner;
    struct Outer;
    let inner = DynamicModule::new::<Inner>().provide(Provider::value(1_u8).named("A")).export_named("A");
    let outer = DynamicModule::new::<Outer>()
        .import_dynamic(inner)
        .provide(Provider::value(2_u16).named("A"))
        .provide(Provider::value(3_u16).named("B"))
        .export_named("A");
    let root = booted(app().import_dynamic(outer)).root;
    assert_eq!(root.get_named::<u8>("A").as_deref(), Some(&1));
    assert_eq!(root.get_named::<u16>("A").as_deref(), Some(&2));
    assert!(root.get_named::<u16>("B").is_none());
}

#[test]
fn a_module_that_provides_and_imports_a_key_exports_its_own() {
    struct Override;
    let own = |module: DynamicModule| {
        module.import::<DbModule>().provide(Provider::value(Orders { pool: Arc::new(Pool("own")) }))
    };
    for module in [
        own(DynamicModule::new::<Override>()).export::<Orders>(),
        own(DynamicModule::new::<Override>()).export::<Orders>().export::<DbModule>(),
        own(DynamicModule::new::<Override>()).export::<DbModule>().export::<Orders>(),
    ] {
        assert_eq!(booted(app().import_dynamic(module)).root.get::<Orders>().unwrap().pool.0, "own");
    }
    // Its own is private here; what it passes on is the import's.
    let private = own(DynamicModule::new::<Override>()).export::<DbModule>();
    assert_eq!(booted(app().import_dynamic(private)).root.get::<Orders>().unwrap().pool.0, "private");
}

#[test]
fn what_two_imports_export_is_not_guessed_at() {
    struct Left;
    struct Right;
    let left = DynamicModule::new::<Left>().provide(Provider::value(Pool("left"))).export::<Pool>();
    let right = DynamicModule::new::<Right>().provide(Provider::value(Pool("right"))).export::<Pool>();
    let both = || app().import_dynamic(left.clone()).import_dynamic(right.clone());
    let ambiguous = "`String` needs `Arc<Pool>` for the factory, which several imported modules export: \
                     `Left`, `Right` (AppModule); import only one of them, or provide each under a name";
    assert_eq!(problem(both().provide(pool_user())), ambiguous);

    // Nobody asks: nobody minds. And one's own is never in doubt.
    assert!(booted(both()).root.get::<Pool>().is_none());
    assert_eq!(booted(both().provide(Provider::value(Pool("own")))).root.get::<Pool>().unwrap().0, "own");

    // An optional dependency is not the way out of a doubt.
    let optional = Provider::factory(|pool: Option<Arc<Pool>>| pool.is_some().to_string());
    assert_eq!(problem(both().provide(optional)), ambiguous);

    // A module in between does not choose either.
    struct Between;
    let between = DynamicModule::new::<Between>().import_dynamic(left.clone()).import_dynamic(right.clone());
    for between in [between.clone().export::<Pool>(), between.export::<Left>().export::<Right>()] {
        assert_eq!(problem(app().import_dynamic(between).provide(pool_user())), ambiguous);
    }
}

#[test]
fn one_provider_met_by_two_ways_is_in_no_doubt() {
    struct Left;
    struct Right;
    let left = DynamicModule::new::<Left>().import::<DbModule>().export::<DbModule>();
    let right = DynamicModule::new::<Right>().import::<DbModule>().export::<Orders>();
    assert!(booted(app().import_dynamic(left).import_dynamic(right)).root.get::<Orders>().is_some());
}

#[test]
fn a_global_module_is_seen_everywhere_but_only_by_its_exports() {
    struct Global;
    struct Feature;
    let global = DynamicModule::new::<Global>()
        .provide(Provider::value(Pool("global")))
        .provide(Provider::value(7_u8))
        .export::<Pool>()
        .global();
    let feature = DynamicModule::new::<Feature>().provide(pool_user()).export::<String>();
    let app = booted(app().import_dynamic(feature).import_dynamic(global));
    assert_eq!(*app.root.get::<String>().unwrap(), "global");
    assert!(app.root.get::<u8>().is_none());
}

#[test]
fn a_global_module_is_the_last_place_to_look() {
    struct Global;
    struct Nearer;
    struct Feature;
    let global = DynamicModule::new::<Global>().provide(Provider::value(Pool("global"))).export::<Pool>().global();
    let nearer = DynamicModule::new::<Nearer>().provide(Provider::value(Pool("imported"))).export::<Pool>();
    let feature = DynamicModule::new::<Feature>().import_dynamic(nearer).provide(pool_user()).export::<String>();
    let app = booted(app().import_dynamic(global).import_dynamic(feature));
    assert_eq!(*app.root.get::<String>().unwrap(), "imported");
    assert_eq!(app.root.get::<Pool>().unwrap().0, "global");
}

#[test]
fn the_applications_own_globals_are_global_without_saying_so() {
    struct Builtin;
    struct Inner;
    let inner = DynamicModule::new::<Inner>().provide(Provider::value(7_u8)).export::<u8>();
    let builtin = DynamicModule::new::<Builtin>()
        .import_dynamic(inner)
        .provide(Provider::factory(|seven: Arc<u8>| Pool(if *seven == 7 { "builtin" } else { "" })))
        .export::<Pool>();
    // Given twice, and imported as well: it is one module all the same.
    let options = BootOptions { globals: vec![builtin.clone(), builtin.clone()], ..BootOptions::default() };
    let app = run(boot(app().import_dynamic(builtin).provide(pool_user()), options)).unwrap();
    assert_eq!(*app.root.get::<String>().unwrap(), "builtin");
    assert!(app.root.get::<u8>().is_none(), "what a global module imports is its own business");
}

#[test]
fn a_global_may_import_modules_of_the_application_and_the_root_itself() {
    struct Builtin;
    struct Root;
    impl Module for Root {
        fn define() -> ModuleDef {
            let wants = Provider::factory(|pool: Arc<Pool>| format!("root has {}", pool.0));
            ModuleDef::new::<Self>().import::<DbModule>().provide(wants).provide(Provider::value(5_u8)).export::<u8>()
        }
    }
    let builtin = DynamicModule::new::<Builtin>()
        .import::<Root>()
        .import::<DbModule>()
        .provide(Provider::factory(|five: Arc<u8>, orders: Arc<Orders>| {
            assert_eq!((*five, orders.pool.0), (5, "private"));
            Pool("builtin")
        }))
        .export::<Pool>();
    let app = run(boot(Root::define(), BootOptions { globals: vec![builtin], ..BootOptions::default() })).unwrap();
    assert_eq!(*app.root.get::<String>().unwrap(), "root has builtin");
}
