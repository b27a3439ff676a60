//! NestJS's page "Exception filters": what a call that fails is answered with.
//!
//! ```sh
//! cargo run --example exception_filters
//! curl http://127.0.0.1:3000/cats/Felix         # the filter of the block
//! curl http://127.0.0.1:3000/cats/Tom/wake      # of the method
//! curl http://127.0.0.1:3000/cats               # of the application
//! ```
//!
//! answers
//!
//! ```text
//! {"code":"NO_SUCH_CAT","message":"there is no cat called Felix","statusCode":404}
//! {"name":"Tom","purrs":true}
//! {"message":"Internal server error","path":"GET /cats","statusCode":500}
//! ```
//!
//! Exactly one filter runs: the nearest to the handler that catches errors of that type; of several in one place the last
//! one is asked first, as in NestJS. A message is answered by the same filters; `cats.find` with the payload `"Felix"`, on the same port:
//!
//! ```text
//! {"err":{"code":"NO_SUCH_CAT","message":"there is no cat called Felix","statusCode":404},"isDisposed":true,"id":"1"}
//! ```
//!
//! What `GET /cats` has failed with, and callers may not read, is in the log. `PORT` changes the port.

use nestrs::axum::extract::Path;
use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;
use nestrs::{HandlerResult, status_of};
use serde_json::json;

/// What the service fails with; it knows nothing of HTTP or messages.
#[derive(Debug, thiserror::Error)]
enum CatError {
    #[error("there is no cat called {0}")]
    NoSuchCat(String),
    #[error("{0} is asleep")]
    Asleep(String),
}

/// Keeps the error as the cause, where filters find it by its type.
impl From<CatError> for TransportError {
    fn from(error: CatError) -> Self {
        Self::caused_by(error)
    }
}

/// `@Catch(CatError)`: an object, which is the body of an HTTP response and the `err` of a message.
#[derive(Default)]
struct CatErrorFilter;

impl ExceptionFilter for CatErrorFilter {
    type Error = CatError;

    async fn catch(&self, _cx: &ExecutionContext, caught: Caught<CatError>) -> HandlerResult {
        let (status, code) = match &*caught {
            CatError::NoSuchCat(_) => (404, "NO_SUCH_CAT"),
            CatError::Asleep(_) => (409, "ASLEEP"),
        };
        Err(TransportError::exact(json!({ "statusCode": status, "code": code, "message": caught.to_string() })))
    }
}

/// Answers in place of the error, as if nothing had failed.
#[derive(Default)]
struct LetSleep;

impl ExceptionFilter for LetSleep {
    type Error = CatError;

    async fn catch(&self, _cx: &ExecutionContext, caught: Caught<CatError>) -> HandlerResult {
        match &*caught {
            CatError::Asleep(name) => Ok(Reply::Value(json!({ "name": name, "purrs": true }).into())),
            // Not asked again of another filter: what this one returns is the answer.
            CatError::NoSuchCat(_) => Err(caught.into_transport_error().with_kind(ErrorKind::NotFound)),
        }
    }
}

/// `@Catch()`: everything, since every error is a `TransportError`.
#[injectable]
struct Everything;

impl ExceptionFilter for Everything {
    type Error = TransportError;

    async fn catch(&self, cx: &ExecutionContext, caught: Caught<TransportError>) -> HandlerResult {
        let error = caught.transport_error();
        // `told` is what callers may read: the text of a foreign error is for the log.
        Err(TransportError::exact(json!({
            "statusCode": status_of(error).as_u16(),
            "message": error.told(),
            "path": cx.pattern(),
        })))
    }
}

#[injectable]
struct CatsController;

impl CatsController {
    fn cat(&self, name: &str) -> Result<String, CatError> {
        match name {
            "Tom" => Err(CatError::Asleep(name.to_owned())),
            "Kitty" => Ok(format!("{name} plays")),
            _ => Err(CatError::NoSuchCat(name.to_owned())),
        }
    }
}

#[controller("/cats")]
#[micro_routes]
#[use_filters(CatErrorFilter)]
impl CatsController {
    #[get("/{name}")]
    async fn find(&self, Path(name): Path<String>) -> Result<String, CatError> {
        self.cat(&name)
    }

    #[get("/{name}/wake")]
    #[use_filters(LetSleep)]
    async fn wake(&self, Path(name): Path<String>) -> Result<String, CatError> {
        self.cat(&name)
    }

    #[get]
    #[message_pattern("cats.all")]
    async fn all(&self) -> Result<u32, std::io::Error> {
        Err(std::io::Error::other("the password of the database is hunter2"))
    }

    #[message_pattern("cats.find")]
    async fn find_by_message(&self, name: String) -> Result<String, CatError> {
        self.cat(&name)
    }

    #[message_pattern("cats.wake")]
    #[use_filters(LetSleep)]
    async fn wake_by_message(&self, name: String) -> Result<String, CatError> {
        self.cat(&name)
    }
}

/// `{ provide: APP_FILTER, useClass: Everything }`
#[module(providers = [Provider::app_filter::<Everything>()], controllers = [CatsController])]
struct AppModule;

fn port() -> u16 {
    std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000)
}

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    Logger::from_env().init()?;
    NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::default().port(port()))
        .also_listen_http(port())
        .enable_shutdown_hooks()
        .listen()
        .await
}
