//! NestJS's pages "Pipes" and "Validation": what a handler takes is parsed, changed and checked before it runs.
//!
//! ```sh
//! cargo run --example validation
//! curl -d '{"name":"","age":31}' -H 'content-type: application/json' http://127.0.0.1:3000/cats
//! curl http://127.0.0.1:3000/cats/list/2
//! ```
//!
//! The same rules hold for messages on the same port: a NestJS client that sends `cats.create` reads the same list of
//! violations. `PORT` changes the port. Types that derive `Validate` need the crate `garde` beside nestrs.

use std::sync::{Arc, Mutex, PoisonError};

use garde::Validate;
use nestrs::axum::extract::Path;
use nestrs::microservices::{ClientConfig, TcpMicroserviceOptions, TcpTransportOptions};
use nestrs::prelude::*;
use serde::{Deserialize, Serialize};

/// A DTO: the type says what is decoded, the rules what is accepted.
#[derive(Clone, Deserialize, Serialize, Validate)]
struct CreateCat {
    #[garde(length(min = 1, max = 40))]
    name: String,
    #[garde(range(max = 30))]
    age: u8,
    #[garde(length(max = 3), inner(length(min = 1)))]
    #[serde(default)]
    colours: Vec<String>,
}

#[injectable]
struct Cats {
    #[inject(default)]
    all: Mutex<Vec<CreateCat>>,
}

impl Cats {
    fn add(&self, cat: CreateCat) -> usize {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(cat);
        all.len()
    }

    fn names(&self) -> Vec<String> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|cat| cat.name.clone()).collect()
    }
}

/// A pipe of one's own: text in, tidy text out.
#[derive(Default)]
struct Trim;

impl ArgumentPipe<String> for Trim {
    type Input = String;

    async fn transform(&self, _cx: &ExecutionContext, value: String) -> Result<String, TransportError> {
        Ok(value.trim().to_owned())
    }
}

/// A pipe that asks a provider; the container builds it.
#[injectable]
struct NotYetKnown {
    cats: Arc<Cats>,
}

impl ArgumentPipe<String> for NotYetKnown {
    type Input = String;

    async fn transform(&self, _cx: &ExecutionContext, name: String) -> Result<String, TransportError> {
        if self.cats.names().contains(&name) {
            return Err(TransportError::new("there is a cat of that name").with_kind(ErrorKind::InvalidPayload));
        }
        Ok(name)
    }
}

#[injectable]
struct CatsService {
    cats: Arc<Cats>,
}

#[micro_routes]
impl CatsService {
    /// `@Payload() dto: CreateCatDto` with a `ValidationPipe`.
    #[message_pattern("cats.create")]
    async fn create(&self, cat: Valid<CreateCat>) -> usize {
        self.cats.add(cat.into_inner())
    }

    /// `@Payload('name', Trim, NotYetKnown) name: string`
    #[message_pattern("cats.adopt")]
    async fn adopt(
        &self,
        #[payload("name")]
        #[pipe(Trim, NotYetKnown)]
        name: String,
        #[payload("age")] age: Option<u8>,
    ) -> Result<usize, TransportError> {
        let cat = Valid::check(CreateCat { name, age: age.unwrap_or(1), colours: Vec::new() })?;
        Ok(self.cats.add(cat.into_inner()))
    }

    /// `@Payload('limit', new DefaultValuePipe(10), ParseIntPipe) limit: number`, and a provider as an argument.
    #[message_pattern("cats.list")]
    async fn list(
        &self,
        #[payload("limit")]
        #[pipe(DefaultValuePipe(10), ParseIntPipe)]
        limit: usize,
        #[inject] cats: Arc<Cats>,
    ) -> Vec<String> {
        cats.names().into_iter().take(limit).collect()
    }
}

#[injectable]
struct CatsController {
    cats: Arc<Cats>,
    #[inject("CATS")]
    client: Arc<ClientProxy>,
}

#[controller("/cats")]
impl CatsController {
    /// The same type, the same rules; a bad request is NestJS's `{"statusCode":400,"message":[…]}`.
    #[post]
    async fn create(&self, cat: Valid<CreateCat>) -> String {
        format!("cat number {}", self.cats.add(cat.into_inner()))
    }

    /// NestJS's `ParseIntPipe` on a path is a type here. The limit is sent on as text, as some peers do.
    #[get("/list/{limit}")]
    async fn list(&self, Path(limit): Path<u32>) -> Result<Vec<String>, TransportError> {
        self.client.send("cats.list", &serde_json::json!({ "limit": limit.to_string() })).await
    }

    /// What the message is refused for is this answer too.
    #[post("/adopt/{name}")]
    async fn adopt(&self, Path(name): Path<String>) -> Result<usize, TransportError> {
        self.client.send("cats.adopt", &serde_json::json!({ "name": name })).await
    }
}

#[module(
    imports = [ClientsModule::register(&[
        ClientConfig::tcp("CATS", TcpTransportOptions::default().port(port())),
    ])],
    providers = [Cats, CatsService],
    controllers = [CatsController],
    microservices = [CatsService],
)]
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
