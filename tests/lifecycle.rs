//! Hooks of providers: when they run, in which order, and what one that fails does to the others.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use nestrs::microservices::memory_pair;
use nestrs::prelude::*;
use tokio::net::TcpListener;

/// What ran, in order. Shared with the test by a static, since the application ends before the test looks.
static MARKS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Tests of one process share `MARKS`.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn mark(what: impl Into<String>) {
    MARKS.lock().unwrap().push(what.into());
}

fn marks() -> Vec<String> {
    std::mem::take(&mut MARKS.lock().unwrap())
}

#[injectable]
struct Database;

impl OnModuleInit for Database {
    async fn on_module_init(&self) -> HookResult {
        tokio::task::yield_now().await;
        mark("database init");
        Ok(())
    }
}

impl OnModuleDestroy for Database {
    async fn on_module_destroy(&self) -> HookResult {
        mark("database destroy");
        Ok(())
    }
}

trait Repo: Send + Sync {}

/// Provided behind a trait: its hooks are found all the same.
#[injectable]
struct Orders {
    _database: Arc<Database>,
}

impl Repo for Orders {}

impl OnModuleInit for Orders {
    async fn on_module_init(&self) -> HookResult {
        mark("orders init");
        Ok(())
    }
}

impl OnApplicationBootstrap for Orders {
    async fn on_application_bootstrap(&self) -> HookResult {
        mark("orders bootstrap");
        Ok(())
    }
}

impl OnModuleDestroy for Orders {
    async fn on_module_destroy(&self) -> HookResult {
        mark("orders destroy");
        panic!("one that panics stops nobody else")
    }
}

impl BeforeApplicationShutdown for Orders {
    async fn before_application_shutdown(&self, signal: Option<i32>) -> HookResult {
        mark(format!("orders before {signal:?}"));
        Err("one that fails stops nobody else".into())
    }
}

impl OnApplicationShutdown for Orders {
    async fn on_application_shutdown(&self, signal: Option<i32>) -> HookResult {
        mark(format!("orders shutdown {signal:?}"));
        // Given up on after five seconds.
        std::future::pending().await
    }
}

impl OnApplicationShutdown for Database {
    async fn on_application_shutdown(&self, _signal: Option<i32>) -> HookResult {
        mark("database shutdown");
        Ok(())
    }
}

#[injectable]
struct Unhooked;

#[module(providers = [Unhooked, Orders as dyn Repo, Database])]
struct AppModule;

const BEGUN: [&str; 3] = ["database init", "orders init", "orders bootstrap"];
const ENDED: [&str; 5] =
    ["orders destroy", "database destroy", "orders before None", "orders shutdown None", "database shutdown"];

#[tokio::test(start_paused = true)]
async fn sd_5_hooks_run_once_in_order_each_bounded_and_a_failing_one_stops_nobody_else() {
    let _turn = TURN.lock().await;
    let app = NestFactory::create_microservice::<AppModule>(memory_pair().0).start().await.unwrap();
    assert_eq!(marks(), BEGUN);
    let started = tokio::time::Instant::now();
    app.close().await;
    assert_eq!(marks(), ENDED);
    assert_eq!(started.elapsed(), Duration::from_secs(5), "as long as the one that hangs may take");
}

#[tokio::test]
async fn sd_6_what_has_begun_ends_when_an_address_cannot_be_had() {
    let _turn = TURN.lock().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let busy = taken.local_addr().unwrap().to_string();
    tokio::time::pause();
    NestFactory::create::<AppModule>().start(busy.as_str()).await.unwrap_err();
    assert_eq!(marks(), [&BEGUN[..], &ENDED[..]].concat());
}

#[injectable]
struct Broken {
    _database: Arc<Database>,
}

impl OnModuleInit for Broken {
    async fn on_module_init(&self) -> HookResult {
        Err("no connection".into())
    }
}

#[module(providers = [Broken, Database])]
struct BrokenModule;

#[tokio::test]
async fn a_hook_that_fails_at_the_start_is_the_reason_the_application_does_not() {
    let _turn = TURN.lock().await;
    let error = NestFactory::create::<BrokenModule>().start("127.0.0.1:0").await.unwrap_err();
    assert_eq!(error.to_string(), "`Broken` failed in `on_module_init`: no connection");
    marks();
}

#[injectable]
struct Echo;

#[micro_routes]
impl Echo {
    #[message_pattern("echo")]
    async fn echo(&self, text: String) -> String {
        text
    }
}

#[module(providers = [Echo], microservices = [Echo])]
struct EchoModule;

/// Says goodbye over a client, last of all.
#[injectable]
struct Polite {
    #[inject("ECHO")]
    echo: Arc<ClientProxy>,
}

impl OnApplicationShutdown for Polite {
    async fn on_application_shutdown(&self, _signal: Option<i32>) -> HookResult {
        let said: String = self.echo.send("echo", "goodbye").await?;
        mark(said);
        Ok(())
    }
}

/// In the order of NestJS: servers, hooks, clients.
#[tokio::test]
async fn clients_are_open_for_the_last_hook_and_closed_after_it() {
    let _turn = TURN.lock().await;
    let (server, dial) = memory_pair();
    let echo = NestFactory::create_microservice::<EchoModule>(server).start().await.unwrap();

    tokio::task_local!(static DIAL: nestrs::microservices::TcpTransportOptions);
    struct PoliteModule;
    impl nestrs::Module for PoliteModule {
        fn define() -> nestrs::ModuleDef {
            let clients = ClientsModule::register(&[nestrs::microservices::ClientConfig::tcp("ECHO", DIAL.get())]);
            nestrs::ModuleDef::new::<Self>().import_dynamic(clients).provide(Provider::class::<Polite>())
        }
    }

    let polite = NestFactory::create_microservice::<PoliteModule>(memory_pair().0);
    let polite = DIAL.scope(dial, async { polite.start().await.unwrap() }).await;
    let client = polite.get_named::<ClientProxy>("ECHO").expect("the root module imports it");
    polite.close().await;
    assert_eq!(marks(), ["goodbye"]);
    let error = client.send::<_, String>("echo", "again").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    echo.close().await;
}
