//! Modules that are made from options, and what can be added to a module at run time.

use std::sync::Arc;

use super::*;
use crate::{AsyncOptions, ConfigurableModule, FactoryError, Injectable, Module, OptionsFactory, ResolveError};

#[derive(Debug)]
struct Options(&'static str);

struct Mailer {
    options: Arc<Options>,
}

impl Injectable for Mailer {
    fn dependencies() -> Vec<Dependency> {
        vec![Dependency::required::<Options>("options")]
    }
    fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self { options: resolver.required()? })
    }
}

/// What options are made from.
struct Text(&'static str);

struct MailModule;

impl ConfigurableModule for MailModule {
    type Options = Options;

    fn configure(module: ModuleDef) -> ModuleDef {
        module.provide(Provider::class::<Mailer>()).export::<Mailer>()
    }
}

fn from(root: ModuleDef) -> &'static str {
    booted(root).root.get::<Mailer>().expect("it is exported").options.0
}

struct ConfigModule;

impl Module for ConfigModule {
    fn define() -> ModuleDef {
        ModuleDef::new::<Self>().provide(Provider::value(Text("config"))).export::<Text>()
    }
}

/// Makes options of what the module sees.
struct Maker {
    text: Arc<Text>,
}

impl Injectable for Maker {
    fn dependencies() -> Vec<Dependency> {
        vec![Dependency::required::<Text>("text")]
    }
    fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self { text: resolver.required()? })
    }
}

impl OptionsFactory<Options> for Maker {
    async fn create_options(&self) -> Result<Options, FactoryError> {
        match self.text.0 {
            "bad" => Err("no such address".into()),
            text => Ok(Options(text)),
        }
    }
}

#[test]
fn one_definition_takes_a_value_a_factory_a_class_or_what_is_there() {
    assert_eq!(from(app().import_dynamic(MailModule::register(Options("value")))), "value");
    let factory = AsyncOptions::factory(|text: Arc<Text>| async move { Ok::<_, FactoryError>(Options(text.0)) });
    assert_eq!(from(app().import_dynamic(MailModule::register_async(factory.import::<ConfigModule>()))), "config");
    let class = AsyncOptions::class::<Maker>().provide(Provider::value(Text("class")));
    assert_eq!(from(app().import_dynamic(MailModule::register_async(class))), "class");
    struct MakerModule;
    let maker = DynamicModule::new::<MakerModule>().provide(Provider::class::<Maker>()).export::<Maker>();
    let existing = AsyncOptions::existing::<Maker>().import_dynamic(maker.provide(Provider::value(Text("existing"))));
    assert_eq!(from(app().import_dynamic(MailModule::register_async(existing))), "existing");
}

#[test]
fn options_that_cannot_be_made_are_a_problem_of_boot() {
    let options = AsyncOptions::class::<Maker>().provide(Provider::value(Text("bad")));
    assert_eq!(
        problem(app().import_dynamic(MailModule::register_async(options))),
        "`Options` cannot be built: no such address (AppModule → MailModule)",
    );
    let text = problem(app().import_dynamic(MailModule::register_async(AsyncOptions::existing::<Maker>())));
    assert!(text.starts_with("`Options` needs `Arc<Maker>` for the factory"), "{text}");
}

#[test]
fn a_registration_for_root_is_seen_everywhere_and_one_that_is_not_is_seen_by_its_importer() {
    struct Feature;
    let feature = || {
        let subject = Provider::factory(|mailer: Arc<Mailer>| mailer.options.0).named("SUBJECT");
        DynamicModule::new::<Feature>().provide(subject).export_named("SUBJECT")
    };
    let root = app().import_dynamic(MailModule::for_root(Options("root"))).import_dynamic(feature());
    assert_eq!(*booted(root).root.get_named::<&str>("SUBJECT").unwrap(), "root");
    let later = AsyncOptions::factory(|| async { Ok::<_, FactoryError>(Options("later")) });
    let root = app().import_dynamic(MailModule::for_root_async(later)).import_dynamic(feature());
    assert_eq!(*booted(root).root.get_named::<&str>("SUBJECT").unwrap(), "later");
    let root = app().import_dynamic(MailModule::register(Options("mine"))).import_dynamic(feature());
    assert!(problem(root).contains("`MailModule` exports it: import that in `Feature`"));
}

#[test]
fn each_registration_is_one_more_and_two_in_one_sight_are_no_guess() {
    let two =
        || app().import_dynamic(MailModule::register(Options("a"))).import_dynamic(MailModule::register(Options("b")));
    assert!(booted(two()).root.get::<Mailer>().is_none());
    let text = problem(two().provide(Provider::factory(|_: Arc<Mailer>| 1_u8)));
    assert!(text.contains("several imported modules export: `MailModule`, `MailModule`"), "{text}");
    let one = MailModule::register(Options("a"));
    assert_eq!(from(app().import_dynamic(one.clone()).import_dynamic(one)), "a");
}

#[test]
fn a_module_made_at_run_time_passes_on_what_those_that_it_imports_export() {
    struct Shell;
    let shell = DynamicModule::new::<Shell>()
        .import_dynamic(MailModule::register(Options("inner")))
        .import::<ConfigModule>()
        .export::<MailModule>()
        .export::<ConfigModule>();
    let app = booted(app().import_dynamic(shell));
    assert_eq!(app.root.get::<Mailer>().unwrap().options.0, "inner");
    assert_eq!(app.root.get::<Text>().map(|text| text.0), Some("config"));
}
