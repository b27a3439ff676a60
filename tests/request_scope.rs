//! Request-scoped services behind HTTP routes, beside messages.

mod support;

use std::sync::Arc;

use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;
use serde_json::Value;

use support::client_of;
use support::http::{get, text};

/// Lets those in who say who they are, and remembers it.
#[derive(Default)]
struct Named;

#[derive(Clone, PartialEq, Debug)]
struct User(String);

impl CanActivate for Named {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        let name = cx.metadata().get("x-user").ok_or_else(forbidden)?;
        cx.extensions().insert(User(name.to_owned()));
        Ok(())
    }
}

/// One of these per request, with the request in it.
#[injectable(scope = request)]
struct Visit {
    cx: Arc<ExecutionContext>,
}

#[injectable(scope = request)]
struct Visitors {
    visit: Arc<Visit>,
    same: Arc<Visit>,
}

#[controller("/visitors")]
#[micro_routes]
impl Visitors {
    #[get("/{name}")]
    #[message_pattern("visitors.name")]
    async fn name(&self) -> String {
        assert!(Arc::ptr_eq(&self.visit, &self.same), "one for each call");
        format!("{} {}", self.visit.cx.pattern(), self.visit.cx.metadata().get("x-user").unwrap_or("nobody"))
    }

    #[get("/guarded/{name}")]
    #[use_guards(Named)]
    async fn guarded(&self) -> String {
        self.visit.cx.extensions().get::<User>().expect("the guard has left it").0
    }
}

/// Cannot be had by those whose name is too long.
struct Visa;

fn visa() -> Provider {
    let build = |cx: Arc<ExecutionContext>| match cx.metadata().get("x-user").map(str::len) {
        Some(0..10) => Ok(Visa),
        Some(_) => Err(TransportError::new("a long name").with_kind(ErrorKind::Forbidden)),
        None => Err(TransportError::internal("the password is hunter2")),
    };
    Provider::try_factory(build).scope(ProviderScope::Request)
}

#[injectable(scope = request)]
struct Border {
    _visa: Arc<Visa>,
}

#[controller("/border")]
impl Border {
    #[get]
    async fn cross(&self) -> &'static str {
        "welcome"
    }
}

#[module(providers = [Visit, visa()], controllers = [Visitors, Border])]
struct AppModule;

#[tokio::test]
async fn a_controller_may_be_built_for_each_request() {
    let tcp = TcpMicroserviceOptions::bind("127.0.0.1:0");
    let app = NestFactory::create::<AppModule>().connect_microservice(tcp).start("127.0.0.1:0").await.unwrap();
    let address = app.address("http").unwrap();
    let ask = async |path, user| text(address, path, &[("x-user", user)]).await;
    assert_eq!(ask("/visitors/tom", "ali").await, "GET /visitors/{name} ali");
    assert_eq!(ask("/visitors/tom", "bea").await, "GET /visitors/{name} bea");
    assert_eq!(ask("/visitors/guarded/tom", "ali").await, "ali");
    assert_eq!(get(address, "/visitors/guarded/tom").await.0, 403);
    let client = client_of(&app).with_metadata("x-user", "ali");
    assert_eq!(client.send::<_, Value>("visitors.name", &()).await.unwrap(), "visitors.name ali");
    app.close().await;
}

#[tokio::test]
async fn a_request_whose_service_cannot_be_built_is_answered_and_nothing_leaks() {
    let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await.unwrap();
    let address = app.address("http").unwrap();
    assert_eq!(text(address, "/border", &[("x-user", "ali")]).await, "welcome");
    let refused = support::http::request("GET", address, "/border", &[("x-user", "bartholomew")], "").await;
    assert_eq!((refused.0, &refused.1["message"]), (403, &Value::from("a long name")));
    let (status, body) = get(address, "/border").await;
    assert_eq!((status, body["message"].as_str().unwrap()), (500, "Internal server error"));
    app.close().await;
}
