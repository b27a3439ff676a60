//! What somebody believes to be guarded is guarded, or the application does not start.

mod support;

use std::sync::{Arc, Mutex};

use nestrs::prelude::*;
use nestrs::testing::{TestApp, TestingModule};
use nestrs::{HandlerResult, LogCapture, LogLevel};
use serde_json::Value;

use support::{client_of, serve};

/// What a handler asks of its callers.
struct Roles(&'static str);

/// Refuses those who have not the role that is asked for; passes where none is.
#[derive(Default)]
struct RolesGuard;

impl CanActivate for RolesGuard {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        match Reflector.get_all_and_override::<Roles>(cx) {
            Some(Roles(role)) if cx.metadata().get("x-role") != Some(role) => Err(forbidden()),
            _ => Ok(()),
        }
    }
}

#[derive(Default)]
struct Deny;

impl CanActivate for Deny {
    async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
        Err(forbidden())
    }
}

async fn refused<M: nestrs::Module>(module: TestingModule<M>) -> String {
    module.start().await.expect_err("should not start").to_string()
}

#[tokio::test]
async fn metadata_is_seen_by_the_guards_of_bus_subscribers() {
    #[injectable]
    struct Audit {
        ran: Mutex<u8>,
    }

    #[event_routes]
    #[use_guards(RolesGuard)]
    impl Audit {
        #[on_event("guarded")]
        #[set_metadata(Roles("admin"))]
        async fn guarded(&self) {
            *self.ran.lock().unwrap() += 1;
        }

        #[on_event("open.*")]
        async fn open(&self, cx: &ExecutionContext) {
            assert_eq!((cx.pattern(), cx.handler()), ("open.door", "Audit::open"));
            *self.ran.lock().unwrap() += 10;
        }
    }

    #[module(providers = [Audit])]
    struct Audits;

    let app = TestApp::of::<Audits>().start().await.unwrap();
    let bus = app.get::<EventBus>().unwrap();
    assert_eq!(bus.publish("guarded", ()).await.failed(), 1);
    assert!(bus.publish("open.door", ()).await.is_ok());
    assert_eq!(*app.get::<Audit>().unwrap().ran.lock().unwrap(), 10);
    app.close().await;
}

#[injectable]
struct Secret;

#[micro_routes]
impl Secret {
    #[message_pattern("secret")]
    async fn secret(&self) -> &'static str {
        "s3cret"
    }
}

#[module(providers = [Secret], exports = [Secret])]
struct Core;

#[tokio::test]
async fn a_module_that_lists_a_service_of_another_does_not_guard_it_and_does_not_start() {
    #[module(imports = [Core], microservices = [Secret], guards = [Deny])]
    struct Front;

    let error = refused(TestApp::of::<Front>()).await;
    assert!(error.contains("do not stand around it: `Core` provides it"), "{error}");
}

#[tokio::test]
async fn pipes_around_http_routes_alone_do_not_start() {
    #[derive(Default)]
    struct Trim;

    impl PipeTransform for Trim {
        async fn transform(&self, _cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
            Ok(payload)
        }
    }

    #[injectable]
    struct Pages;

    #[controller("/pages")]
    impl Pages {
        #[get]
        async fn index(&self) -> &'static str {
            "index"
        }
    }

    #[module(controllers = [Pages], pipes = [Trim])]
    struct Site;

    let error = refused(TestApp::of::<Site>()).await;
    assert!(error.contains("`Site` has pipes, but no message handler"), "{error}");

    #[module(controllers = [Pages])]
    struct PlainSite;

    let logs = LogCapture::start();
    NestFactory::create::<PlainSite>().use_global_pipes(Trim).start("127.0.0.1:0").await.unwrap().close().await;
    assert!(logs.contains(LogLevel::Warn, "global pipes transform nothing"), "{:?}", logs.lines());
}

#[injectable]
struct Both;

impl Interceptor for Both {}

impl CanActivate for Both {
    async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
        Err(forbidden())
    }
}

#[tokio::test]
async fn an_override_of_another_kind_replaces_nothing_and_a_replaced_app_guard_stays_one() {
    #[injectable]
    struct Service;

    #[micro_routes]
    #[use_interceptors(Both)]
    impl Service {
        #[message_pattern("open")]
        async fn open(&self) -> &'static str {
            "open"
        }
    }

    #[module(providers = [Service], microservices = [Service])]
    struct Plain;

    let error = refused(TestApp::of::<Plain>().override_guard::<Both>(Deny)).await;
    assert!(error.contains("the guard `Both` is overridden, but stands around nothing"), "{error}");

    #[module(providers = [Service, Provider::app_guard::<Both>()], microservices = [Service])]
    struct Guarded;

    let app = TestApp::of::<Guarded>().override_named("APP_GUARD", Both).start().await.unwrap();
    assert!(app.client().send::<_, Value>("open", &()).await.is_err());
    app.close().await;
}

#[tokio::test]
async fn what_stands_around_the_application_and_every_stage_there_is_is_one() {
    #[injectable(scope = request)]
    struct PerRequest;

    impl CanActivate for PerRequest {
        async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
            Ok(())
        }
    }

    #[module(providers = [Provider::app_guard::<PerRequest>()])]
    struct App;

    let error = refused(TestApp::of::<App>()).await;
    assert!(error.contains("stands around the whole application, so there is one"), "{error}");

    #[injectable]
    struct Service;

    #[micro_routes]
    #[use_guards(PerRequest)]
    impl Service {
        #[message_pattern("x")]
        async fn x(&self) {}
    }

    #[module(providers = [Service], microservices = [Service])]
    struct Services;

    let error = refused(TestApp::of::<Services>()).await;
    assert!(error.contains("`PerRequest` on `Service::x` is request-scoped, but a stage is built once"), "{error}");
}

/// What a guard leaves for its own handler is not seen by another of the same event.
#[tokio::test]
async fn the_handlers_of_one_event_share_no_extensions() {
    #[derive(Default)]
    struct LetsAdminIn;

    impl CanActivate for LetsAdminIn {
        async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
            cx.extensions().insert("admin");
            Ok(())
        }
    }

    #[injectable]
    struct Events {
        seen: Mutex<Vec<(&'static str, Option<&'static str>)>>,
    }

    #[micro_routes]
    impl Events {
        #[event_pattern("both")]
        #[use_guards(LetsAdminIn)]
        async fn first(&self, cx: &ExecutionContext) {
            self.seen.lock().unwrap().push(("first", cx.extensions().get()));
        }

        #[event_pattern("both")]
        async fn second(&self, cx: &ExecutionContext) {
            self.seen.lock().unwrap().push(("second", cx.extensions().get()));
        }
    }

    #[module(providers = [Events], microservices = [Events])]
    struct AppModule;

    let app = serve::<AppModule>().await;
    // Asked for, so that the answer says when both have run.
    client_of(&app).send::<_, Value>("both", &()).await.unwrap();
    let events: Arc<Events> = app.get().unwrap();
    assert_eq!(*events.seen.lock().unwrap(), [("first", Some("admin")), ("second", None)]);
    app.close().await;
}

/// A filter may answer for what is withheld; the log still has it, once.
#[tokio::test]
async fn rq_4_what_a_filter_hides_is_logged() {
    #[derive(Default)]
    struct Friendly;

    impl ExceptionFilter for Friendly {
        type Error = TransportError;
        async fn catch(&self, _cx: &ExecutionContext, caught: Caught<TransportError>) -> HandlerResult {
            Err(TransportError::new(format!("sorry: {}", caught.told())))
        }
    }

    #[injectable]
    struct Failing;

    #[micro_routes]
    #[use_filters(Friendly)]
    impl Failing {
        #[message_pattern("fails")]
        async fn fails(&self) -> Result<(), TransportError> {
            Err(TransportError::internal("disk 3 is broken"))
        }
    }

    #[module(providers = [Failing], microservices = [Failing])]
    struct AppModule;

    let logs = LogCapture::start();
    let app = TestApp::of::<AppModule>().start().await.unwrap();
    let error = app.client().send::<_, Value>("fails", &()).await.unwrap_err();
    assert_eq!(error.message, "sorry: Internal server error");
    let lines: Vec<_> = logs.lines().into_iter().filter(|line| line.contains("disk 3 is broken")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("Failing::fails"), "{lines:?}");
    app.close().await;
}
