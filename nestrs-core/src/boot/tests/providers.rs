//! Each way to provide something.

use std::sync::Arc;

use super::*;
use crate::{Injectable, Key, ResolveError};

trait Repository: Send + Sync {
    fn url(&self) -> String;
}

struct Config(&'static str);

struct PgRepository {
    config: Arc<Config>,
}

impl Injectable for PgRepository {
    fn dependencies() -> Vec<Dependency> {
        vec![Dependency::required::<Config>("config")]
    }
    fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self { config: resolver.required()? })
    }
}

impl Repository for PgRepository {
    fn url(&self) -> String {
        format!("pg://{}", self.config.0)
    }
}

/// Has a named, an optional and an optional named dependency.
struct Worker {
    count: Arc<u32>,
    repository: Option<Arc<dyn Repository>>,
    label: Option<Arc<String>>,
}

impl Injectable for Worker {
    fn dependencies() -> Vec<Dependency> {
        vec![
            Dependency::named::<u32>("count", "WORKERS"),
            Dependency::required::<dyn Repository>("repository").optional(),
            Dependency::named::<String>("label", "LABEL").optional(),
        ]
    }
    fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            count: resolver.named("WORKERS")?,
            repository: resolver.optional(),
            label: resolver.optional_named("LABEL"),
        })
    }
}

#[test]
fn a_class_is_built_from_what_it_declares() {
    let app = booted(app().provide(Provider::class::<PgRepository>()).provide(Provider::value(Config("db"))));
    assert_eq!(app.root.get::<PgRepository>().unwrap().url(), "pg://db");
    assert!(Arc::ptr_eq(&app.root.get::<Config>().unwrap(), &app.root.get::<PgRepository>().unwrap().config));
}

#[test]
fn a_class_may_be_asked_for_as_its_trait() {
    let provider = Provider::class_as::<PgRepository, dyn Repository>(|repository| repository);
    assert_eq!(*provider.key(), Key::of::<dyn Repository>());
    let app = booted(app().provide(provider).provide(Provider::value(Config("db"))));
    assert_eq!(app.root.get::<dyn Repository>().unwrap().url(), "pg://db");
    assert!(app.root.get::<PgRepository>().is_none(), "only the trait was provided");
}

#[test]
fn a_shared_value_stays_the_one_its_owner_holds() {
    let mine = Arc::new(Config("mine"));
    let object: Arc<dyn Repository> = Arc::new(PgRepository { config: Arc::clone(&mine) });
    let app = booted(app().provide(Provider::shared(Arc::clone(&mine))).provide(Provider::shared(object)));
    assert!(Arc::ptr_eq(&app.root.get::<Config>().unwrap(), &mine));
    assert_eq!(app.root.get::<dyn Repository>().unwrap().url(), "pg://mine");
}

#[test]
fn a_factory_takes_none_to_six_arguments_some_of_them_optional() {
    let none = Provider::factory(|| 1_u8);
    let six = Provider::factory(
        |a: Arc<u8>, b: Arc<u16>, c: Arc<u32>, d: Arc<u64>, missing: Option<Arc<i8>>, there: Option<Arc<u8>>| {
            assert!(missing.is_none());
            format!("{a} {b} {c} {d} {}", there.expect("it is provided"))
        },
    );
    let values = app().provide(Provider::value(2_u16)).provide(Provider::value(3_u32)).provide(Provider::value(4_u64));
    assert_eq!(*booted(values.provide(six).provide(none)).root.get::<String>().unwrap(), "1 2 3 4 1");
}

#[test]
fn a_fallible_factory_gives_its_value() {
    let parsed = Provider::try_factory(|text: Arc<String>| text.parse::<u32>());
    let app = booted(app().provide(parsed).provide(Provider::value("42".to_owned())));
    assert_eq!(*app.root.get::<u32>().unwrap(), 42);
}

#[test]
fn an_async_factory_is_awaited_before_what_depends_on_it_is_built() {
    let slow = Provider::async_factory(|config: Arc<Config>| async move {
        // Pending three times first.
        for _ in 0..3 {
            let mut waited = false;
            std::future::poll_fn(
                |_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending },
            )
            .await;
        }
        Ok::<_, std::io::Error>(config.0.len())
    });
    let dependant = Provider::factory(|length: Arc<usize>| format!("{length}"));
    let app = booted(app().provide(dependant).provide(slow).provide(Provider::value(Config("four"))));
    assert_eq!(*app.root.get::<String>().unwrap(), "4");
}

#[test]
fn an_alias_is_the_same_instance_under_another_type() {
    let alias = Provider::alias(|repository: Arc<PgRepository>| repository as Arc<dyn Repository>);
    let app =
        booted(app().provide(alias).provide(Provider::class::<PgRepository>()).provide(Provider::value(Config("db"))));
    let class = app.root.get::<PgRepository>().unwrap();
    assert!(std::ptr::addr_eq(Arc::as_ptr(&class), Arc::as_ptr(&app.root.get::<dyn Repository>().unwrap())));
}

#[test]
fn an_alias_may_be_a_name() {
    let alias = Provider::alias(|config: Arc<Config>| config).named("MAIN");
    let app = booted(app().provide(alias).provide(Provider::value(Config("db"))));
    assert!(Arc::ptr_eq(&app.root.get::<Config>().unwrap(), &app.root.get_named::<Config>("MAIN").unwrap()));
}

#[test]
fn something_named_can_be_asked_for_by_type_alone_too() {
    let named = Provider::value(Config("db")).named("MAIN");
    let app = booted(app().provide(Provider::existing::<Config>("MAIN")).provide(named));
    assert!(Arc::ptr_eq(&app.root.get::<Config>().unwrap(), &app.root.get_named::<Config>("MAIN").unwrap()));
}

#[test]
fn one_type_may_be_provided_under_many_names() {
    let value = |number: u32, name: &'static str| Provider::value(number).named(name);
    let total = Provider::dynamic(
        vec![Dependency::named::<u32>("the total", "LEFT"), Dependency::named::<u32>("the total", "RIGHT")],
        |resolver| Ok(*resolver.named::<u32>("LEFT")? + *resolver.named::<u32>("RIGHT")?),
    );
    let app = booted(app().provide(total).provide(value(40, "LEFT")).provide(value(2, "RIGHT")));
    assert_eq!(*app.root.get::<u32>().unwrap(), 42);
    assert_eq!(*app.root.get_named::<u32>("LEFT").unwrap(), 40);
    assert!(app.root.get_named::<u32>("left").is_none());
    assert!(app.root.get_named::<u64>("LEFT").is_none());
}

#[test]
fn what_is_optional_is_given_when_it_is_there_and_absent_when_not() {
    let worker = || app().provide(Provider::class::<Worker>()).provide(Provider::value(8_u32).named("WORKERS"));
    let alone = booted(worker()).root.get::<Worker>().unwrap();
    assert_eq!((*alone.count, alone.repository.is_some(), alone.label.is_some()), (8, false, false));

    let repository: Arc<dyn Repository> = Arc::new(PgRepository { config: Arc::new(Config("db")) });
    let equipped =
        worker().provide(Provider::shared(repository)).provide(Provider::value("w".to_owned()).named("LABEL"));
    let equipped = booted(equipped).root.get::<Worker>().unwrap();
    assert_eq!(equipped.repository.as_ref().unwrap().url(), "pg://db");
    assert_eq!(**equipped.label.as_ref().unwrap(), "w");
}

#[test]
fn debug_shows_keys_and_never_values() {
    let provider = Provider::value("secret".to_owned()).named("TOKEN");
    assert_eq!(format!("{provider:?}"), "Provider { key: `String` named `TOKEN`, dependencies: [] }");
    let app = booted(app().provide(provider));
    assert_eq!(format!("{:?}", app.container), "Container { providers: 1, .. }");
    assert_eq!(app.root.module(), "AppModule");
}

#[test]
fn keys_are_equal_by_type_and_name() {
    assert_eq!(Key::of::<u8>(), Key::of::<u8>());
    assert_ne!(Key::of::<u8>(), Key::of::<i8>());
    assert_ne!(Key::of::<u8>(), Key::named::<u8>("A"));
    assert_eq!(Key::named::<u8>("A"), Key::named::<u8>(String::from("A")));
    assert_eq!(Key::of::<dyn Repository>().to_string(), "`Arc<dyn Repository>`");
    assert_eq!(Key::named::<u8>("A").to_string(), "`u8` named `A`");
}
