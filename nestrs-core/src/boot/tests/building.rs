//! The second phase: everything is there, now it is built.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{Injectable, ResolveError};

#[test]
fn a_chain_of_five_thousand_providers_is_built_on_an_ordinary_stack() {
    const LINKS: usize = 5_000;
    let names: Vec<&'static str> = (0..LINKS).map(|link| &*format!("LINK_{link}").leak()).collect();
    let first = Provider::value(0_usize).named(names[0]);
    // The last comes first, so that one walk goes through all of them.
    let root = (1..LINKS).rev().fold(app(), |module, link| {
        let before = names[link - 1];
        let needs = vec![Dependency::named::<usize>("the link", before)];
        module.provide(Provider::dynamic(needs, move |it| Ok(*it.named::<usize>(before)? + 1)).named(names[link]))
    });
    let app = booted(root.provide(first));
    assert_eq!(*app.root.get_named::<usize>(names[LINKS - 1]).unwrap(), LINKS - 1);
}

#[test]
fn every_provider_is_built_once_whether_or_not_anyone_asks() {
    static BUILT: AtomicUsize = AtomicUsize::new(0);
    let counted = Provider::factory(|| BUILT.fetch_add(1, Ordering::Relaxed));
    let users =
        app().provide(Provider::factory(|_: Arc<usize>| 1_u8)).provide(Provider::factory(|_: Arc<usize>| 1_u16));
    let app =
        booted(users.provide(counted).provide(Provider::factory(|| BUILT.fetch_add(1, Ordering::Relaxed)).named("B")));
    assert_eq!(BUILT.load(Ordering::Relaxed), 2);
    assert!(Arc::ptr_eq(&app.root.get::<usize>().unwrap(), &app.root.get::<usize>().unwrap()));
}

#[test]
fn two_applications_in_one_process_share_nothing() {
    static BUILT: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    struct Registered;
    // Even one and the same registration is built anew for each.
    let registered = DynamicModule::new::<Registered>()
        .provide(Provider::factory(|| {
            BUILT.fetch_add(1, Ordering::Relaxed);
            Counted
        }))
        .export::<Counted>();
    let one = booted(app().import_dynamic(registered.clone()));
    let other = booted(app().import_dynamic(registered));
    assert_eq!(BUILT.load(Ordering::Relaxed), 2);
    assert!(!Arc::ptr_eq(&one.root.get::<Counted>().unwrap(), &other.root.get::<Counted>().unwrap()));

    let kept = Arc::downgrade(&one.root.get::<Counted>().unwrap());
    drop(one);
    assert!(kept.upgrade().is_none(), "nothing outlives its application");
    assert!(other.root.get::<Counted>().is_some());
}

#[derive(Debug)]
struct ConnectError(std::io::Error);

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot reach `db:5432`")
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn refused_connection() -> ConnectError {
    ConnectError(std::io::Error::other("connection refused"))
}

#[test]
fn a_factory_that_fails_is_reported_with_its_causes_and_those_that_need_it_are_not() {
    struct DbModule;
    let db = DynamicModule::new::<DbModule>()
        .provide(Provider::async_factory(|| async { Err::<u8, _>(refused_connection()) }))
        .provide(Provider::factory(|pool: Arc<u8>| u16::from(*pool)))
        .export::<u16>();
    let root = app()
        .import_dynamic(db)
        .provide(Provider::factory(|orders: Arc<u16>| u32::from(*orders)))
        // What is optional was there, and failed: that is no absence.
        .provide(Provider::factory(|orders: Option<Arc<u32>>| orders.map_or(0_u64, |it| u64::from(*it))))
        .provide(Provider::try_factory(|| "x".parse::<i32>()).named("PORT"));
    assert_eq!(
        refused(root).to_string(),
        "\
the application cannot start, for 2 reasons:
  1. `u8` cannot be built: cannot reach `db:5432`: connection refused (AppModule → DbModule)
  2. `i32` named `PORT` cannot be built: invalid digit found in string (AppModule)",
    );
}

#[test]
fn a_cause_that_its_error_has_already_told_is_not_told_again() {
    #[derive(Debug, thiserror::Error)]
    #[error("no database: {0}")]
    struct Told(#[source] ConnectError);
    let fails = Provider::try_factory(|| Err::<u8, _>(Told(refused_connection())));
    assert_eq!(
        problem(app().provide(fails)),
        "`u8` cannot be built: no database: cannot reach `db:5432`: connection refused (AppModule)",
    );
}

#[test]
fn a_factory_s_list_of_reasons_stands_below_its_place() {
    let broken = Provider::try_factory(|| Err::<u8, _>("2 keys are wrong:\nport: missing\nhost: missing"));
    let other = Provider::try_factory(|| Err::<u16, _>("one line:"));
    assert_eq!(
        refused(app().provide(broken).provide(other)).to_string(),
        "the application cannot start, for 2 reasons:\
         \n  1. `u8` cannot be built: 2 keys are wrong (AppModule):\
         \n     port: missing\
         \n     host: missing\
         \n  2. `u16` cannot be built: one line: (AppModule)",
    );
}

#[test]
fn asking_for_what_was_not_declared_is_refused() {
    struct Sneaky;
    impl Injectable for Sneaky {
        fn dependencies() -> Vec<Dependency> {
            Vec::new()
        }
        fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
            resolver.required::<u8>().map(|_| Self)
        }
    }
    // In whichever order they would be built.
    let (class, value) = (Provider::class::<Sneaky>(), Provider::value(1_u8));
    for root in [app().provide(class.clone()).provide(value.clone()), app().provide(value).provide(class)] {
        assert_eq!(
            problem(root),
            "`Sneaky` cannot be built: `Arc<u8>` was asked for but not declared as a dependency, \
             or is optional and not there (AppModule)",
        );
    }
}

#[test]
fn booting_can_be_moved_to_another_thread() {
    fn is_send(_: impl Send) {}
    is_send(boot(app(), BootOptions::default()));
}

#[test]
fn an_application_without_anything_boots() {
    let app = booted(app());
    assert!(app.routes.is_empty() && app.controllers.is_empty());
}
