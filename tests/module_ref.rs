//! `ModuleRef`: asking the container when one needs something, not when one is built.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nestrs::prelude::*;

use support::{client_of, serve};

#[injectable]
struct Secret;

/// Exports nothing.
#[module(providers = [Secret])]
struct SecretModule;

#[module(providers = [Provider::value(1_u8)], exports = [u8])]
struct OneModule;

#[module(providers = [Provider::value(2_u8)], exports = [u8])]
struct TwoModule;

static BUILT: AtomicUsize = AtomicUsize::new(0);

fn draft() -> Provider {
    Provider::factory(|| Draft(BUILT.fetch_add(1, Ordering::Relaxed))).scope(ProviderScope::Transient)
}

#[derive(Debug)]
struct Draft(usize);

/// No provider, but built like one.
#[injectable]
#[derive(Debug)]
struct Report {
    workers: Arc<Workers>,
    draft: Arc<Draft>,
}

#[injectable]
#[derive(Debug)]
struct NeedsTooMuch {
    _workers: Arc<Workers>,
    _secret: Arc<Mutex<u8>>,
    #[inject("TOKEN")]
    _token: Arc<String>,
    _optional: Option<Arc<u64>>,
}

#[derive(Debug)]
struct Workers(u32);

#[injectable]
struct Jobs {
    module: Arc<ModuleRef>,
}

impl OnModuleInit for Jobs {
    async fn on_module_init(&self) -> HookResult {
        // The first moment at which everything is there.
        self.module.get::<Workers>()?;
        Ok(())
    }
}

#[micro_routes]
impl Jobs {
    #[message_pattern("draft")]
    async fn draft(&self) -> Result<bool, TransportError> {
        let (one, other) = (self.module.resolve::<Draft>().await?, self.module.resolve::<Draft>().await?);
        Ok(one.0 != other.0)
    }

    #[message_pattern("missing")]
    async fn missing(&self) -> Result<(), TransportError> {
        self.module.get::<String>()?;
        Ok(())
    }
}

#[module(
    imports = [SecretModule, OneModule, TwoModule],
    providers = [
        Jobs,
        draft(),
        draft().named("DRAFT"),
        Provider::value(Workers(8)),
        Provider::value(3_u16).named("PORT"),
    ],
    microservices = [Jobs],
)]
struct AppModule;

fn text<T>(outcome: Result<T, nestrs::ResolveError>) -> String {
    outcome.err().expect("should fail").to_string()
}

#[tokio::test]
async fn a_provider_gets_what_its_module_sees_when_it_needs_it() {
    let app = serve::<AppModule>().await;
    let module = &app.get::<Jobs>().unwrap().module;
    assert_eq!(module.get::<Workers>().unwrap().0, 8);
    assert_eq!(*module.get_named::<u16>("PORT").unwrap(), 3);
    assert_eq!(text(module.get::<Secret>()), "`Arc<Secret>` is not provided anywhere in the sight of `AppModule`");
    assert_eq!(
        text(module.get_named::<u16>("PROT")),
        "`u16` named `PROT` is not provided anywhere in the sight of `AppModule`"
    );
    assert_eq!(text(module.get::<u8>()), "`Arc<u8>` is provided by several modules: `OneModule`, `TwoModule`");
    assert_eq!(text(module.get::<Draft>()), "`Arc<Draft>` is transient, so there is none to get: `resolve` it");
    app.close().await;
}

#[tokio::test]
async fn what_is_not_shared_is_resolved_anew_by_its_name_too() {
    let app = serve::<AppModule>().await;
    let module = app.get::<ModuleRef>().unwrap();
    let one = module.resolve_named::<Draft>("DRAFT").await.unwrap();
    assert_ne!(one.0, module.resolve_named::<Draft>("DRAFT".to_owned()).await.unwrap().0);
    assert_eq!(
        text(module.resolve_named::<Draft>("GRAFT").await),
        "`Draft` named `GRAFT` is not provided anywhere in the sight of `AppModule`",
    );
    app.close().await;
}

#[tokio::test]
async fn without_strictness_it_sees_every_module() {
    let app = serve::<AppModule>().await;
    let module = app.get::<ModuleRef>().unwrap().non_strict();
    assert!(module.get::<Secret>().is_ok());
    assert_eq!(text(module.get::<u8>()), "`Arc<u8>` is provided by several modules: `OneModule`, `TwoModule`");
    assert_eq!(text(module.get::<i64>()), "`Arc<i64>` is not provided anywhere in the sight of any module");
    app.close().await;
}

#[tokio::test]
async fn what_is_no_provider_is_built_with_what_it_needs() {
    let app = serve::<AppModule>().await;
    let module = app.get::<ModuleRef>().unwrap();
    let (one, other) = (module.create::<Report>().await.unwrap(), module.create::<Report>().await.unwrap());
    assert_eq!(one.workers.0, 8);
    assert!(Arc::ptr_eq(&one.workers, &other.workers) && one.draft.0 != other.draft.0);
    assert_eq!(
        text(module.create::<NeedsTooMuch>().await),
        "`Arc<Mutex<u8>>`, `String` named `TOKEN` is not provided anywhere in the sight of `AppModule`",
    );
    app.close().await;
}

#[tokio::test]
async fn a_handler_answers_with_what_the_container_says_and_keeps_names_to_itself() {
    let app = serve::<AppModule>().await;
    let client = client_of(&app);
    assert!(client.send::<_, bool>("draft", &()).await.unwrap());
    assert_eq!(client.send::<_, ()>("missing", &()).await.unwrap_err().message, "Internal server error");
    app.close().await;
}

#[injectable(scope = request)]
struct Basket {
    items: Mutex<Vec<u8>>,
}

#[injectable(scope = request)]
struct Checkout {
    basket: Arc<Basket>,
}

#[injectable(scope = request)]
#[derive(Debug)]
struct NeedsCall {
    _cx: Arc<ExecutionContext>,
}

#[module(providers = [Basket, Checkout, NeedsCall])]
struct ShopModule;

#[tokio::test]
async fn a_context_id_stands_for_a_call_where_there_is_none() {
    let app = serve::<ShopModule>().await;
    let module = app.get::<ModuleRef>().unwrap();
    let id = ContextId::new();
    module.resolve_in::<Basket>(&id).await.unwrap().items.lock().unwrap().push(1);
    assert_eq!(*module.resolve_in::<Checkout>(&id).await.unwrap().basket.items.lock().unwrap(), [1]);
    assert!(module.resolve::<Checkout>().await.unwrap().basket.items.lock().unwrap().is_empty());
    assert_eq!(
        text(module.resolve::<NeedsCall>().await),
        "`Arc<ExecutionContext>` exists only during a call, and this is none: take the context id from one, \
         `ContextId::of(cx)`",
    );
    app.close().await;
}

/// Asks too early.
#[injectable]
struct Hasty {
    said: Mutex<Option<String>>,
}

fn hasty() -> Provider {
    Provider::factory(|module: Arc<ModuleRef>| Hasty {
        said: Mutex::new(module.get::<u8>().err().map(|it| it.to_string())),
    })
}

#[module(providers = [hasty(), Provider::value(1_u8)])]
struct HastyModule;

#[tokio::test]
async fn nothing_can_be_asked_for_before_everything_is_built_or_after_the_end() {
    let app = serve::<HastyModule>().await;
    assert_eq!(
        app.get::<Hasty>().unwrap().said.lock().unwrap().as_deref(),
        Some("the application is still being built: ask in `on_module_init` or later"),
    );
    let module = app.get::<ModuleRef>().unwrap();
    assert!(module.get::<u8>().is_ok());
    app.close().await;
    assert_eq!(text(module.get::<u8>()), "the application has ended", "it does not keep it alive");
}
