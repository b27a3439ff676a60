//! NestJS's page "Interceptors": what stands around a call, sees it come and go, and changes its answer.
//!
//! ```sh
//! cargo run --example interceptors
//! curl http://127.0.0.1:3000/cats            # twice
//! curl http://127.0.0.1:3000/cats/asleep
//! curl http://127.0.0.1:3000/cats/lost
//! ```
//!
//! answers
//!
//! ```text
//! {"data":["Tom","Kitty"]}
//! {"data":["Tom","Kitty"]}
//! {"error":"Gateway Timeout","message":"no answer within 100ms","statusCode":504}
//! {"message":"the cats cannot be asked","statusCode":502}
//! ```
//!
//! and prints
//!
//! ```text
//! before GET /cats
//! the cats are read
//! after GET /cats: ok
//! before GET /cats
//! after GET /cats: from the cache
//! before GET /cats/asleep
//! after GET /cats/asleep: no answer within 100ms
//! before GET /cats/lost
//! after GET /cats/lost: the cats cannot be asked
//! ```
//!
//! The message `cats.watch`, on the same port, is answered with a stream, whose items are wrapped one by one. `PORT`
//! changes the port.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{Stream, stream};
use nestrs::HandlerResult;
use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;
use serde_json::json;

/// `console.log('Before…')`, `tap(() => console.log('After…'))`
#[injectable]
struct Logging;

impl Interceptor for Logging {
    async fn intercept<T: Send>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        println_line(&format!("before {}", cx.pattern()));
        let outcome = next.await;
        let how = outcome.as_ref().map_or_else(|error| error.message.as_str(), |_| "ok");
        println_line(&format!("after {}: {how}", cx.pattern()));
        outcome
    }
}

/// `map(data => ({ data }))`
#[derive(Default)]
struct InData;

impl Interceptor for InData {
    fn map_value(&self, _cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError> {
        Ok(json!({ "data": value.into_value()? }).into())
    }
}

/// How long a handler may take; what it is doing then is dropped.
struct Within(Duration);

/// `timeout(…)`
#[injectable]
struct Timeout {
    reflector: Arc<Reflector>,
}

impl Interceptor for Timeout {
    async fn intercept<T: Send>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        let Some(Within(limit)) = self.reflector.get_all_and_override(cx) else { return next.await };
        let late = |_| Err(TransportError::new(format!("no answer within {limit:?}")).with_kind(ErrorKind::Timeout));
        tokio::time::timeout(*limit, next).await.unwrap_or_else(late)
    }
}

/// `catchError(() => throwError(() => new BadGatewayException()))`
#[derive(Default)]
struct BadGateway;

impl Interceptor for BadGateway {
    async fn intercept<T: Send>(
        &self,
        _cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        next.await.map_err(|error| {
            let told = json!({ "statusCode": 502, "message": "the cats cannot be asked" });
            TransportError::exact(told).with_source(error)
        })
    }
}

/// How long an answer is kept: NestJS's `@CacheTTL`. For handlers whose answer depends on nothing.
struct CacheTtl(Duration);

/// The last answer of each such handler: there are no more than handlers.
#[injectable]
struct Answers {
    kept: Mutex<HashMap<&'static str, (Instant, Payload)>>,
}

/// An answer is here already. An interceptor does not know the type of what `next` gives, and cannot make one: it fails
/// with what it has, and a filter answers with that.
#[derive(Debug, thiserror::Error)]
#[error("from the cache")]
struct Kept(Payload);

#[injectable]
struct Cache {
    answers: Arc<Answers>,
    reflector: Arc<Reflector>,
}

impl Interceptor for Cache {
    /// `of(value)` in place of `next.handle()`
    async fn intercept<T: Send>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        let kept = self.answers.kept.lock().unwrap_or_else(PoisonError::into_inner).get(cx.handler()).cloned();
        match kept {
            Some((until, answer)) if until > Instant::now() => Err(TransportError::caused_by(Kept(answer))),
            _ => next.await,
        }
    }

    fn map_value(&self, cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError> {
        if let Some(CacheTtl(ttl)) = self.reflector.get_all_and_override(cx) {
            let entry = (Instant::now() + *ttl, value.clone());
            self.answers.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(cx.handler(), entry);
        }
        Ok(value)
    }
}

#[derive(Default)]
struct FromCache;

impl ExceptionFilter for FromCache {
    type Error = Kept;

    async fn catch(&self, _cx: &ExecutionContext, caught: Caught<Kept>) -> HandlerResult {
        Ok(Reply::Value(caught.0.clone()))
    }
}

#[injectable]
struct CatsController;

/// The first interceptor is the outermost: `Cache` keeps what `InData` has made.
#[controller("/cats")]
#[micro_routes]
#[use_interceptors(Cache, InData, Timeout)]
#[use_filters(FromCache)]
impl CatsController {
    #[get]
    #[message_pattern("cats.list")]
    #[set_metadata(CacheTtl(Duration::from_secs(60)))]
    async fn list(&self) -> Vec<&'static str> {
        println_line("the cats are read");
        vec!["Tom", "Kitty"]
    }

    #[get("/asleep")]
    #[message_pattern("cats.asleep")]
    #[set_metadata(Within(Duration::from_millis(100)))]
    async fn asleep(&self) -> u32 {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        9
    }

    #[get("/lost")]
    #[message_pattern("cats.lost")]
    #[use_interceptors(BadGateway)]
    async fn lost(&self) -> Result<u32, std::io::Error> {
        Err(std::io::Error::other("no cat on port 9"))
    }

    #[message_pattern("cats.watch")]
    fn watch(&self) -> impl Stream<Item = &'static str> + use<> {
        stream::iter(["Tom", "Kitty"])
    }
}

/// `{ provide: APP_INTERCEPTOR, useClass: Logging }`
#[module(providers = [Provider::app_interceptor::<Logging>(), Answers], controllers = [CatsController])]
struct AppModule;

fn port() -> u16 {
    std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000)
}

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
fn println_line(line: &str) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::default().port(port()))
        .also_listen_http(port())
        .enable_shutdown_hooks()
        .listen()
        .await
}
