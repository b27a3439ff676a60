//! The same guard, interceptor, filter and metadata on message handlers and on HTTP routes.

mod support;

use std::sync::Arc;

use nestrs::RunningApp;
use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;
use serde_json::{Value, json};

use support::client_of;
use support::http::{get, request};

/// What a handler asks of its callers.
#[derive(Debug, PartialEq)]
struct Roles(&'static [&'static str]);

/// Who calls, as the guard found out.
#[derive(Clone)]
struct User(String);

impl<'a> FromContext<'a> for User {
    fn from_context(cx: &'a ExecutionContext) -> Result<Self, TransportError> {
        let user = cx.extensions().get::<Self>();
        user.ok_or_else(|| TransportError::new("who are you?").with_kind(ErrorKind::Unauthorized))
    }
}

/// Lets those in who have one of the wanted roles: `x-user: ali:admin` in the metadata, or in an HTTP header.
#[injectable]
struct RolesGuard {
    reflector: Arc<Reflector>,
}

impl CanActivate for RolesGuard {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        let Some(Roles(wanted)) = self.reflector.get_all_and_override(cx) else { return Ok(()) };
        let (name, role) = cx.metadata().get("x-user").and_then(|user| user.split_once(':')).unwrap_or_default();
        if !wanted.contains(&role) {
            return Err(forbidden());
        }
        cx.extensions().insert(User(name.to_owned()));
        Ok(())
    }
}

/// Wraps every answer in `data`.
#[derive(Default)]
struct InData;

impl Interceptor for InData {
    fn map_value(&self, cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError> {
        Ok(json!({ "data": value.into_value()?, "by": cx.handler() }).into())
    }
}

#[injectable]
struct Cats;

#[controller("/cats")]
#[micro_routes]
#[use_guards(RolesGuard)]
#[use_interceptors(InData)]
#[set_metadata(Roles(&["user", "admin"]))]
#[set_metadata("topic", "cats")]
impl Cats {
    #[message_pattern("cats.feed")]
    #[set_metadata(Roles(&["admin"]))]
    async fn feed(&self, #[ctx] user: User, cx: &ExecutionContext) -> String {
        let levels: Vec<_> = Reflector.get_all::<Roles>(cx).collect();
        assert_eq!(levels, [&Roles(&["admin"]), &Roles(&["user", "admin"])]);
        assert_eq!(Reflector.get::<Roles>(cx), Some(&Roles(&["admin"])));
        assert_eq!(Reflector.value("topic", cx), Some(&json!("cats")));
        format!("fed by {}", user.0)
    }

    #[get("/feed")]
    #[set_metadata(Roles(&["admin"]))]
    async fn feed_over_http(&self, Ctx(user): Ctx<User>) -> Value {
        json!(format!("fed by {}", user.0))
    }

    #[get("/raw")]
    async fn raw(&self, Ctx(cx): Ctx) -> String {
        cx.pattern().to_owned()
    }
}

/// Nothing stands around this one by itself.
#[injectable]
struct Dogs;

#[controller("/dogs")]
#[micro_routes]
impl Dogs {
    #[message_pattern("dogs.bark")]
    #[get("/bark")]
    async fn bark(&self) -> &'static str {
        "woof"
    }

    #[get("/called/{name}")]
    async fn called(&self, Ctx(cx): Ctx) -> String {
        format!("{} {:?}", cx.pattern(), cx.metadata().get("x-user"))
    }
}

#[module(controllers = [Cats, Dogs])]
struct AppModule;

/// Refuses everybody.
struct Closed;

impl CanActivate for Closed {
    async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
        Err(TransportError::new("closed").with_kind(ErrorKind::Forbidden))
    }
}

fn tcp() -> TcpMicroserviceOptions {
    TcpMicroserviceOptions::bind("127.0.0.1:0")
}

async fn http(app: &RunningApp, path: &str, user: &str) -> (u16, Value) {
    request("GET", app.address("http").unwrap(), path, &[("X-User", user)], "").await
}

async fn send(app: &RunningApp, pattern: &str, user: &str) -> Result<Value, TransportError> {
    client_of(app).with_metadata("x-user", user).send(pattern, &()).await
}

#[tokio::test]
async fn a_guard_reads_roles_and_lets_the_right_callers_in_over_either_way() {
    let app = NestFactory::create::<AppModule>().connect_microservice(tcp()).start("127.0.0.1:0").await.unwrap();
    let fed = json!({ "data": "fed by ali", "by": "Cats::feed" });
    assert_eq!(send(&app, "cats.feed", "ali:admin").await.unwrap(), fed);
    assert_eq!(send(&app, "cats.feed", "bea:user").await.unwrap_err().message, "Forbidden resource");

    let fed = json!({ "data": "fed by ali", "by": "Cats::feed_over_http" });
    assert_eq!(http(&app, "/cats/feed", "ali:admin").await, (200, fed));
    let (status, body) = http(&app, "/cats/feed", "bea:user").await;
    assert_eq!((status, &body["message"]), (403, &json!("Forbidden resource")));
    // The block's roles, where the method has none.
    assert_eq!(http(&app, "/cats/raw", "bea:user").await.0, 200);
    assert_eq!(http(&app, "/cats/raw", "eve:none").await.0, 403);
    app.close().await;
}

#[tokio::test]
async fn the_context_is_an_argument_of_routes_without_stages_too() {
    let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await.unwrap();
    let address = app.address("http").unwrap();
    let text = support::http::text(address, "/dogs/called/rex", &[("x-user", "ali")]).await;
    assert_eq!(text, "GET /dogs/called/{name} Some(\"ali\")");
    app.close().await;
}

#[tokio::test]
async fn global_stages_of_an_http_application_leave_messages_alone_unless_inherited() {
    let create = || NestFactory::create::<AppModule>().use_global_guards(Closed).connect_microservice(tcp());

    let app = create().start("127.0.0.1:0").await.unwrap();
    assert_eq!(get(app.address("http").unwrap(), "/dogs/bark").await.0, 403);
    assert_eq!(send(&app, "dogs.bark", "").await.unwrap(), "woof");
    assert!(app.explain("dogs.bark")[0].chain().is_empty());
    assert_eq!(app.explain("GET /dogs/bark")[0].chain().entries().len(), 1);
    app.close().await;

    let app = create().inherit_app_config(true).start("127.0.0.1:0").await.unwrap();
    assert_eq!(get(app.address("http").unwrap(), "/dogs/bark").await.0, 403);
    assert_eq!(send(&app, "dogs.bark", "").await.unwrap_err().message, "closed");
    app.close().await;
}

#[tokio::test]
async fn stages_may_be_for_one_half_only() {
    let app = NestFactory::create::<AppModule>()
        .connect_microservice(tcp())
        .configure_microservices(|messages| messages.guard(Closed))
        .start("127.0.0.1:0")
        .await
        .unwrap();
    assert_eq!(get(app.address("http").unwrap(), "/dogs/bark").await.0, 200);
    assert_eq!(send(&app, "dogs.bark", "").await.unwrap_err().message, "closed");
    app.close().await;

    let app = NestFactory::create_microservice::<AppModule>(tcp())
        .also_listen_http("127.0.0.1:0")
        .configure_http(|http| http.enhance(|http| http.guard(Closed)))
        .start()
        .await
        .unwrap();
    assert_eq!(get(app.address("http").unwrap(), "/dogs/bark").await.0, 403);
    assert_eq!(send(&app, "dogs.bark", "").await.unwrap(), "woof");
    app.close().await;
}

/// A microservice is one application: its global stages stand around its HTTP half too.
#[tokio::test]
async fn global_stages_of_a_microservice_stand_around_both_halves() {
    let app = NestFactory::create_microservice::<AppModule>(tcp())
        .also_listen_http("127.0.0.1:0")
        .use_global_guards(Closed)
        .start()
        .await
        .unwrap();
    assert_eq!(get(app.address("http").unwrap(), "/dogs/bark").await.0, 403);
    assert_eq!(send(&app, "dogs.bark", "").await.unwrap_err().message, "closed");
    app.close().await;
}

/// The documented guard decides by the payload, and on HTTP there is none: one that refuses what is bad would let
/// everything pass.
#[tokio::test]
async fn a_documented_guard_around_http_routes_does_not_boot() {
    #[derive(Default)]
    struct TokenGuard;

    #[async_trait]
    impl MicroCanActivate for TokenGuard {
        async fn can_activate_micro(&self, _pattern: &str, payload: &Value) -> Result<(), TransportError> {
            if payload["token"] == "open sesame" { Ok(()) } else { Err(forbidden()) }
        }
    }

    let create = || NestFactory::create_microservice::<AppModule>(tcp()).use_global_guards(TokenGuard);
    let app = create().start().await.unwrap();
    let client = client_of(&app);
    let token = json!({ "token": "open sesame" });
    assert_eq!(client.send::<_, Value>("dogs.bark", &token).await.unwrap(), "woof");
    assert!(client.send::<_, Value>("dogs.bark", &json!({})).await.is_err());
    app.close().await;

    let error = create().also_listen_http("127.0.0.1:0").start().await.unwrap_err().to_string();
    assert!(error.contains("`GET /dogs/bark` is behind `TokenGuard`"), "{error}");
}

#[tokio::test]
async fn a_module_whose_guard_would_guard_nothing_does_not_boot() {
    #[derive(Default)]
    struct Idle;

    impl CanActivate for Idle {
        async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
            Ok(())
        }
    }

    #[module(imports = [AppModule], guards = [Idle])]
    struct Outer;

    let error = NestFactory::create::<Outer>().start("127.0.0.1:0").await.unwrap_err().to_string();
    assert!(error.contains("`Outer` has guards, interceptors, pipes or filters, but no handler"), "{error}");
}

/// What a stage needs is checked with everything else, at boot.
#[tokio::test]
async fn a_stage_of_a_route_that_needs_what_is_not_there_does_not_boot() {
    #[injectable]
    struct Missing;

    #[injectable]
    struct Needy {
        _missing: Arc<Missing>,
    }

    impl CanActivate for Needy {
        async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
            Ok(())
        }
    }

    #[injectable]
    struct Guarded;

    #[controller("/guarded")]
    #[use_guards(Needy)]
    impl Guarded {
        #[get]
        async fn nothing(&self) {}
    }

    #[module(controllers = [Guarded])]
    struct Lacking;

    let error = NestFactory::create::<Lacking>().start("127.0.0.1:0").await.unwrap_err().to_string();
    assert!(error.contains("`Needy` on `Guarded::nothing` needs `Arc<Missing>`"), "{error}");
}
