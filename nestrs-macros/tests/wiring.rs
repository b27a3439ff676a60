//! What the container makes of injectable structs and modules.

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use nestrs::{DynamicModule, Provider};
use nestrs_macros::{injectable, micro_routes, module};
use serde_json::json;
use support::{Answer, booted, send};

// A dependency under another name, and one that is reached through a module.
extern crate nestrs as nest_framework;

mod vendored {
    pub(crate) use nestrs as framework;
}

trait Repository: Send + Sync {
    fn name(&self) -> &'static str;
}

#[injectable]
struct PgRepository;

impl Repository for PgRepository {
    fn name(&self) -> &'static str {
        "pg"
    }
}

#[injectable]
struct Clock;

#[derive(Clone, Debug, PartialEq)]
struct Proxy(&'static str);

/// A field of every kind.
#[injectable]
struct Everything<T: Default + Send + Sync, const N: usize>
where
    T: 'static,
{
    clock: Arc<Clock>,
    repository: std::sync::Arc<dyn Repository>,
    maybe: Option<Arc<Clock>>,
    absent: Option<Arc<String>>,
    #[inject("MATH")]
    math: Proxy,
    #[inject("BILLING")]
    billing: Arc<Proxy>,
    #[inject("BILLING")]
    maybe_billing: Option<Arc<Proxy>>,
    #[inject("NOBODY")]
    nobody: Option<Arc<Proxy>>,
    count: AtomicU64,
    plain: Option<u8>,
    #[inject(default)]
    own: Arc<Vec<T>>,
    #[inject(value = [7; N])]
    slots: [u8; N],
    #[cfg(any())]
    conditional: Arc<DoesNotExist>,
}

#[injectable]
struct Pair(Arc<Clock>, #[inject("WORKERS")] u32, #[cfg(any())] Arc<DoesNotExist>, u8);

#[injectable]
struct Braces {}

macro_rules! service {
    ($name:ident, $field:ty) => {
        #[injectable]
        struct $name {
            field: $field,
        }
    };
}
service!(FromMacro, Arc<Clock>);

#[module(
    providers = [
        PgRepository as dyn Repository,
        Provider::value(Proxy("math")).named("MATH"),
        Provider::factory(|| Proxy("billing")).named("BILLING"),
        Clock,
    ],
    exports = [dyn Repository, Clock, "MATH", "BILLING"],
)]
struct Infrastructure;

struct Workers;

impl Workers {
    fn register(count: u32) -> DynamicModule {
        DynamicModule::new::<Self>().provide(Provider::value(count).named("WORKERS")).export_named("WORKERS")
    }
}

#[module]
struct Bare;

#[module(
    imports = [Infrastructure, Workers::register(4), Bare],
    providers = [Everything<String, 2>, Pair, Braces, FromMacro],
    exports = [Infrastructure, Pair],
    global = false,
)]
struct AppModule;

#[test]
fn every_field_is_filled_as_it_says() {
    let app = booted::<AppModule>();
    let everything = app.root.get::<Everything<String, 2>>().unwrap();
    assert!(Arc::ptr_eq(&everything.clock, everything.maybe.as_ref().unwrap()));
    assert_eq!(everything.repository.name(), "pg");
    assert!(everything.absent.is_none() && everything.nobody.is_none() && everything.plain.is_none());
    assert_eq!(everything.math, Proxy("math"));
    assert!(Arc::ptr_eq(&everything.billing, everything.maybe_billing.as_ref().unwrap()));
    assert_eq!(everything.count.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert!(everything.own.is_empty());
    assert_eq!(everything.slots, [7, 7]);
    let pair = app.root.get::<Pair>().unwrap();
    assert!(Arc::ptr_eq(&pair.0, &app.root.get::<FromMacro>().unwrap().field));
    assert_eq!((pair.1, pair.2), (4, 0));
    let Braces {} = *app.root.get::<Braces>().unwrap();
}

#[module(global, providers = [Clock], exports = [Clock])]
struct Everywhere;

#[injectable]
struct Needs(Arc<Clock>);

#[module(providers = [Needs], exports = [Needs])]
struct Feature;

#[module(imports = [Everywhere, Feature])]
struct GlobalApp;

#[test]
fn a_global_module_is_seen_by_those_who_do_not_import_it() {
    let app = booted::<GlobalApp>();
    assert!(Arc::ptr_eq(&app.root.get::<Needs>().unwrap().0, &app.root.get::<Clock>().unwrap()));
}

#[injectable(crate = nest_framework)]
struct Renamed;

#[micro_routes(crate = nest_framework)]
impl Renamed {
    #[message_pattern("renamed")]
    fn renamed(&self) -> u8 {
        1
    }
}

#[module(crate = crate::vendored::framework, controllers = [Renamed])]
struct RenamedModule;

#[test]
fn nestrs_may_have_another_name() {
    let app = booted::<RenamedModule>();
    let pattern = nestrs_macros::pattern!(crate = nest_framework; "renamed");
    assert_eq!(send(&app, pattern, json!(null)).unwrap(), Answer::Value(json!(1)));
}
