//! `DiscoveryService`: looking at what an application consists of.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nestrs::DiscoveryService;
use nestrs::prelude::*;

use support::serve;

/// What a scheduler looks for.
#[derive(Debug, PartialEq)]
struct Every(u32);

trait Task: Send + Sync {
    fn run(&self);
}

#[injectable(metadata = Every(60), metadata = "nightly")]
struct Cleaner {
    runs: AtomicU32,
}

impl Task for Cleaner {
    fn run(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
    }
}

#[injectable(scope = request, metadata = Every(5))]
struct Poller;

#[module(providers = [Cleaner as dyn Task, Poller])]
struct TasksModule;

#[injectable]
struct Scheduler {
    discovery: Arc<DiscoveryService>,
}

impl OnModuleInit for Scheduler {
    async fn on_module_init(&self) -> HookResult {
        for (every, provider) in self.discovery.get_providers_with::<Every>() {
            if every.0 == 60 {
                provider.instance::<dyn Task>().ok_or("it is a task")?.run();
            }
        }
        Ok(())
    }
}

#[micro_routes]
#[set_metadata(Every(24))]
impl Scheduler {
    #[message_pattern(["tasks.list", { tasks: "list" }])]
    #[set_metadata("audience", "staff")]
    #[set_metadata(Every(1))]
    async fn list(&self) {}

    #[event_pattern("tasks.done")]
    async fn done(&self) {}
}

#[injectable]
struct Pages;

#[controller("/pages")]
impl Pages {
    #[get("/")]
    async fn index(&self) -> &'static str {
        "index"
    }
}

#[module(
    imports = [TasksModule],
    providers = [Provider::value(1_u8).named("PORT").with_metadata(Every(1)), Scheduler],
    controllers = [Pages],
    microservices = [Scheduler],
)]
struct AppModule;

#[tokio::test]
async fn providers_are_found_by_what_is_written_on_them_in_every_module() {
    let app = serve::<AppModule>().await;
    let discovery = app.get::<DiscoveryService>().unwrap();
    let found = discovery.get_providers_with::<Every>();
    let names: Vec<_> = found.iter().map(|(every, it)| (every.0, it.name(), it.module_path(), it.scope())).collect();
    assert_eq!(
        names,
        [
            (1, "u8", "AppModule", ProviderScope::Singleton),
            (60, "Cleaner", "AppModule → TasksModule", ProviderScope::Singleton),
            (5, "Poller", "AppModule → TasksModule", ProviderScope::Request),
        ]
    );
    assert_eq!(found[1].1.key().to_string(), "`Arc<dyn Task>`");
    assert_eq!(found[1].1.metadata::<&str>().as_deref(), Some(&"nightly"));
    let cleaner =
        found[1].1.instance_any().unwrap().downcast::<Cleaner>().expect("what was built, whatever it is asked for by");
    assert_eq!(cleaner.runs.load(Ordering::Relaxed), 1, "the scheduler ran it");
    assert!(found[2].1.instance_any().is_none(), "there is none before a call");
    let poller = found[2].1.resolve_any(&ContextId::new()).await.unwrap().unwrap();
    assert!(poller.downcast::<Poller>().is_ok());
    app.close().await;
}

#[tokio::test]
async fn providers_controllers_and_handlers_are_listed_in_module_order() {
    let app = serve::<AppModule>().await;
    let discovery = app.get::<DiscoveryService>().unwrap();
    let providers = discovery.providers();
    // Beside those stand the application's own.
    let own = |name: &&str| !["EventBus", "Reflector", "Servers"].contains(name);
    let names: Vec<_> = providers.iter().map(|it| it.name()).filter(own).collect();
    assert_eq!(names, ["u8", "Scheduler", "Pages", "Cleaner", "Poller"]);
    assert_eq!(discovery.controllers().iter().map(|it| it.name()).collect::<Vec<_>>(), ["Pages"]);
    let handlers = discovery.handlers();
    let handlers: Vec<String> = handlers
        .iter()
        .map(|it| format!("{:?} {} {:?} {}", it.kind(), it.name(), it.patterns(), it.provider().module()))
        .collect();
    assert_eq!(
        handlers,
        [
            r#"Message Scheduler::list [Pattern(tasks.list), Pattern({"tasks":"list"})] AppModule"#,
            "Event Scheduler::done [Pattern(tasks.done)] AppModule",
        ]
    );
    app.close().await;
}

#[tokio::test]
async fn what_is_set_on_handlers_is_found_the_method_s_before_the_block_s() {
    let app = serve::<AppModule>().await;
    let handlers = app.get::<DiscoveryService>().unwrap().handlers();
    let [list, done] = handlers.as_slice() else { panic!("there are two") };
    assert_eq!(list.metadata().get_all::<Every>().collect::<Vec<_>>(), [&Every(1), &Every(24)]);
    assert_eq!(list.metadata().value("audience").unwrap(), "staff");
    assert_eq!((done.metadata().get::<Every>(), done.metadata().value("audience")), (Some(&Every(24)), None));
    app.close().await;
}
