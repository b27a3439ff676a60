//! What is said when the graph is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::{Injectable, Module, ResolveError};

struct Ledger;
struct Mailer;
struct Billing;

impl Injectable for Billing {
    fn dependencies() -> Vec<Dependency> {
        vec![
            Dependency::required::<Ledger>("ledger"),
            Dependency::required::<Mailer>("mailer"),
            Dependency::named::<u32>("retries", "RETRYS"),
        ]
    }
    fn construct(_: &Resolver<'_>) -> Result<Self, ResolveError> {
        unreachable!("its dependencies are never there")
    }
}

struct LedgerModule;
impl Module for LedgerModule {
    fn define() -> ModuleDef {
        ModuleDef::new::<Self>()
            .provide(Provider::value(Ledger))
            .provide(Provider::value(3_u32).named("RETRIES"))
            .provide(Provider::factory(|_: Arc<u16>| 1_u8))
            .provide(Provider::factory(|_: Arc<u8>| 1_u16))
    }
}

struct BillingModule;
impl Module for BillingModule {
    fn define() -> ModuleDef {
        ModuleDef::new::<Self>()
            .import::<LedgerModule>()
            .import::<Self>()
            .provide(Provider::class::<Billing>())
            .export::<Billing>()
            .export::<Mailer>()
            .export_named("TAX")
    }
}

#[test]
fn every_problem_is_reported_at_once_with_its_path_and_cure() {
    let root = app()
        .import::<BillingModule>()
        .provide(Provider::value("one").named("GREETING"))
        .provide(Provider::value("other").named("GREETING"))
        .export_named("GREETINGS")
        .microservice::<Ledger>();
    let error = refused(root);
    assert_eq!(
        error.to_string(),
        "\
the application cannot start, for 11 reasons:
  1. the module `BillingModule` imports itself (AppModule → BillingModule); leave out that import
  2. `AppModule` provides `&str` named `GREETING` twice (AppModule); keep one of them, or give one a name
  3. `AppModule` exports the name `GREETINGS`, which it neither provides nor imports (AppModule); \
add it to `providers` of `AppModule`, or import a module that exports it
  4. `BillingModule` exports `Mailer`, which it neither provides nor imports (AppModule → BillingModule); \
add it to `providers` of `BillingModule`, or import a module that exports it
  5. `BillingModule` exports the name `TAX`, which it neither provides nor imports (AppModule → BillingModule); \
add it to `providers` of `BillingModule`, or import a module that exports it
  6. `Billing` needs `Arc<Ledger>` for its field `ledger`, which no imported module exports \
(AppModule → BillingModule); \
`LedgerModule` provides it without exporting it: add it to `exports` of `LedgerModule`
  7. `Billing` needs `Arc<Mailer>` for its field `mailer`, which no imported module exports \
(AppModule → BillingModule); add it to `providers` of `BillingModule`, or import a module that exports it
  8. `Billing` needs `u32` named `RETRYS` for its field `retries`, which no imported module exports \
(AppModule → BillingModule); did you mean `RETRIES`?
  9. the providers `u8` → `u16` → `u8` need each other in a circle (AppModule → BillingModule → LedgerModule); \
let one of them publish an event, or move what both need into a third
  10. `Ledger` is listed in `microservices` of `AppModule` but has no message handlers (AppModule); \
write `#[micro_routes]` on an impl block of it
  11. `Ledger` is listed in `microservices` of `AppModule` but not provided there (AppModule); \
`LedgerModule` provides it: add it to `exports` of `LedgerModule` and import that in `AppModule`",
    );
    let ledger = &error.problems()[5];
    assert_eq!(ledger.path(), "AppModule → BillingModule");
    assert!(ledger.what().starts_with("`Billing` needs `Arc<Ledger>`"));
    assert_eq!(ledger.cure().unwrap().matches("LedgerModule").count(), 2);
}

#[test]
fn one_problem_is_said_in_one_line() {
    let error = refused(app().provide(Provider::factory(|_: Arc<Mailer>| Ledger)));
    assert_eq!(
        error.to_string(),
        "the application cannot start: `Ledger` needs `Arc<Mailer>` for the factory, which no imported module exports \
         (AppModule); add it to `providers` of `AppModule`, or import a module that exports it",
    );
    assert!(std::error::Error::source(&error).is_none());
}

#[test]
fn nothing_is_built_when_anything_is_wrong() {
    static BUILT: AtomicBool = AtomicBool::new(false);
    let built = Provider::factory(|| BUILT.store(true, Ordering::Relaxed));
    refused(app().provide(built).export::<Mailer>());
    assert!(!BUILT.load(Ordering::Relaxed));
}

/// Asks for a `Mailer`.
fn needs_mailer() -> Provider {
    Provider::factory(|_: Arc<Mailer>| Ledger)
}

/// The cure of the only problem.
fn cure(root: ModuleDef) -> String {
    let error = refused(root);
    assert_eq!(error.problems().len(), 1, "{error}");
    error.problems()[0].cure().unwrap().to_owned()
}

struct MailModule;
struct Feature;

#[test]
fn the_cure_for_something_exported_elsewhere_is_to_import_that() {
    let mail = DynamicModule::new::<MailModule>().provide(Provider::value(Mailer)).export::<Mailer>();
    let feature = DynamicModule::new::<Feature>().provide(needs_mailer());
    assert_eq!(
        cure(app().import_dynamic(feature.clone()).import_dynamic(mail.clone())),
        "`MailModule` exports it: import that in `Feature`",
    );
    // An import of the import has it; a private one further off does not come first.
    let between = DynamicModule::new::<LedgerModule>().import_dynamic(mail);
    assert_eq!(
        cure(app().import_dynamic(between).provide(needs_mailer())),
        "`MailModule` exports it: import that in `AppModule`",
    );
}

#[test]
fn the_cure_for_something_private_elsewhere_is_to_export_and_import_it() {
    let mail = DynamicModule::new::<MailModule>().provide(Provider::value(Mailer));
    let feature = DynamicModule::new::<Feature>().provide(needs_mailer());
    assert_eq!(
        cure(app().import_dynamic(feature).import_dynamic(mail)),
        "`MailModule` provides it: add it to `exports` of `MailModule` and import that in `Feature`",
    );
}

#[test]
fn the_cure_for_something_of_an_importer_is_never_a_circle_of_imports() {
    let feature = DynamicModule::new::<Feature>().provide(needs_mailer());
    for root in [app().provide(Provider::value(Mailer)), app().provide(Provider::value(Mailer)).export::<Mailer>()] {
        assert_eq!(
            cure(root.import_dynamic(feature.clone())),
            "`AppModule` provides it but imports `Feature`: move it into a module that both can import",
        );
    }
}

/// A root module that needs the number named `name`.
fn needs_number(name: &'static str) -> ModuleDef {
    app().provide(Provider::dynamic(vec![Dependency::named::<u32>("the sum", name)], |_| Ok(Ledger)))
}

#[test]
fn the_cure_for_an_unknown_name_is_the_nearest_known_one() {
    let number = |name: &'static str| Provider::value(1_u32).named(name);
    let check = |root: ModuleDef, expected: &str| assert_eq!(cure(root), expected);
    check(
        needs_number("MATH_SERVCE").provide(number("MATH_SERVICE")).provide(number("MAIL_SERVICE")),
        "did you mean `MATH_SERVICE`?",
    );
    check(
        needs_number("MATH_SERVICE").provide(number("ZETA")).provide(number("ALPHA")),
        "the names known for it are `ALPHA`, `ZETA`",
    );
    check(needs_number("DB").provide(number("MQ")), "the names known for it are `MQ`");
    check(needs_number("A").provide(Provider::value(1_u32)), "it is provided without a name: leave out the name");
    check(needs_number("A").provide(Provider::value(1_u64).named("A")), "what is provided as `A` is a `u64`");
    check(needs_number("A"), "provide it in `AppModule` or in a module that it imports");
    check(
        app().provide(Provider::factory(|_: Arc<u32>| Ledger)).provide(number("B")).provide(number("A")),
        "it is provided by name only: write `#[inject(\"…\")]` with `A`, `B`",
    );
}

#[test]
fn the_cure_for_nearly_the_right_type_is_the_right_one() {
    trait Audit {}
    impl Audit for u8 {}
    mod other {
        pub(super) struct Mailer;
    }
    let object: Arc<dyn Audit + Send + Sync> = Arc::new(1_u8);
    assert_eq!(
        cure(
            app()
                .provide(Provider::shared(object))
                .provide(Provider::dynamic(vec![Dependency::required::<dyn Audit>("audit")], |_| Ok(Ledger)))
        ),
        "`dyn Audit + Send + Sync` is provided: ask for exactly that type",
    );
    let text = cure(app().provide(needs_mailer()).provide(Provider::value(other::Mailer)));
    assert!(text.starts_with("another type of that name is provided: `nestrs_core::boot::tests::problems::"), "{text}");
    assert!(text.ends_with("::other::Mailer`, not `nestrs_core::boot::tests::problems::Mailer`"), "{text}");
}

#[test]
fn exporting_by_type_what_is_provided_by_name_is_explained() {
    assert_eq!(
        problem(app().provide(Provider::value(1_u32).named("A")).export::<u32>()),
        "`AppModule` exports `u32`, which it neither provides nor imports (AppModule); \
         `AppModule` provides it by name: export the name `A`",
    );
}

#[test]
fn a_private_provider_of_an_import_cannot_be_passed_on() {
    let mail = DynamicModule::new::<MailModule>().provide(Provider::value(Mailer));
    let text = problem(app().import_dynamic(mail).export::<Mailer>());
    assert!(text.starts_with("`AppModule` exports `Mailer`, which it neither provides nor imports"), "{text}");
}

#[test]
fn a_provider_that_needs_itself_is_named() {
    assert_eq!(
        problem(app().provide(Provider::factory(|same: Arc<u8>| *same))),
        "the provider `u8` needs itself (AppModule); ask for another, by type or by name",
    );
    let text =
        problem(app().provide(Provider::existing::<u8>("A")).provide(Provider::alias(|it: Arc<u8>| it).named("A")));
    assert!(text.starts_with("the providers `u8` → `u8` named `A` → `u8` need each other"), "{text}");
}

#[test]
fn three_providers_in_a_circle_are_named_in_order() {
    let root = app()
        .provide(Provider::value("outside the circle"))
        .provide(Provider::factory(|_: Arc<u16>| 1_u8))
        .provide(Provider::factory(|_: Option<Arc<u32>>| 1_u16))
        .provide(Provider::factory(|_: Arc<u8>, _: Arc<&'static str>| 1_u32));
    let text = problem(root);
    assert!(text.starts_with("the providers `u8` → `u16` → `u32` → `u8` need each other in a circle"), "{text}");
}

#[test]
fn a_circle_of_providers_is_named_through_modules_too() {
    // Only a global module sees those that import it.
    let global =
        DynamicModule::new::<MailModule>().provide(Provider::factory(|_: Arc<u16>| 1_u8)).export::<u8>().global();
    let other = DynamicModule::new::<Feature>().provide(Provider::factory(|_: Arc<u8>| 1_u16)).export::<u16>().global();
    assert_eq!(
        problem(app().import_dynamic(global).import_dynamic(other)),
        "the providers `u8` → `u16` → `u8` need each other in a circle (AppModule → MailModule); \
         let one of them publish an event, or move what both need into a third",
    );
}

#[test]
fn two_circles_are_two_problems() {
    let root = app()
        .provide(Provider::factory(|_: Arc<u16>| 1_u8))
        .provide(Provider::factory(|_: Arc<u8>| 1_u16))
        .provide(Provider::factory(|_: Arc<i16>| 1_i8))
        .provide(Provider::factory(|_: Arc<i8>| 1_i16));
    assert_eq!(refused(root).problems().len(), 2);
}

#[test]
fn the_same_problem_met_twice_is_said_once() {
    let thrice = || Provider::value(Mailer);
    let root = app().provide(thrice()).provide(thrice()).provide(thrice());
    assert!(problem(root).starts_with("`AppModule` provides `Arc<Mailer>` twice"));
}
