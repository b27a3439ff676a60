//! NestJS's page "Guards": who may call what, for HTTP and messages alike.
//!
//! ```sh
//! cargo run --example guards
//! curl http://127.0.0.1:3000/cats
//! curl http://127.0.0.1:3000/cats/me
//! curl -H 'authorization: Bearer tom' http://127.0.0.1:3000/cats/me
//! curl -H 'authorization: Bearer tom' -X POST http://127.0.0.1:3000/cats/feed
//! curl -H 'authorization: Bearer ada' -X POST http://127.0.0.1:3000/cats/feed      # twice
//! ```
//!
//! answers
//!
//! ```text
//! 9
//! {"error":"Unauthorized","message":"who are you?","statusCode":401}
//! Tom, visitor
//! {"error":"Forbidden","message":"Forbidden resource","statusCode":403}
//! fed by staff
//! {"error":"Conflict","message":"the cats are not hungry","statusCode":409}
//! ```
//!
//! The same guards stand around messages on the same port, where a NestJS 12 client sends the header as metadata of the
//! packet. What stands around each handler is in the start-up log:
//!
//! ```text
//! POST /cats/feed → CatsController::feed: guard AuthGuard (global) → guard RolesGuard (block) → guard Hungry (method) → handler
//! ```
//!
//! `PORT` changes the port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;
use serde_json::json;

/// Who calls, as the first guard finds out and leaves for what follows: NestJS's `request.user`.
#[derive(Clone)]
struct User {
    name: &'static str,
    role: &'static str,
}

/// Stands around everything. It says who somebody is, not what they may do.
#[injectable]
struct AuthGuard {
    tokens: Arc<Tokens>,
}

impl CanActivate for AuthGuard {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        // The headers of a request and the metadata of a message are one to a guard.
        let Some(header) = cx.metadata().get("authorization") else { return Ok(()) };
        let user = header.strip_prefix("Bearer ").and_then(|token| self.tokens.user(token));
        cx.extensions().insert(user.ok_or_else(|| unauthorized("the token is not known"))?);
        Ok(())
    }
}

/// Stands for whatever verifies tokens.
#[injectable]
struct Tokens;

impl Tokens {
    fn user(&self, token: &str) -> Option<User> {
        match token {
            "ada" => Some(User { name: "Ada", role: "staff" }),
            "tom" => Some(User { name: "Tom", role: "visitor" }),
            _ => None,
        }
    }
}

/// `@Roles('staff')`: NestJS's `Reflector.createDecorator<string[]>()`.
struct Roles(&'static [&'static str]);

/// `@Public()`
struct Public;

#[injectable]
struct RolesGuard {
    reflector: Arc<Reflector>,
}

impl CanActivate for RolesGuard {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        if self.reflector.get::<Public>(cx).is_some() {
            return Ok(());
        }
        // The method's roles override those of its block.
        let Some(Roles(wanted)) = self.reflector.get_all_and_override(cx) else { return Ok(()) };
        let Some(user) = cx.extensions().get::<User>() else { return Err(unauthorized("who are you?")) };
        // NestJS's answer to `return false`.
        if wanted.contains(&user.role) { Ok(()) } else { Err(forbidden()) }
    }
}

/// A guard may say no in its own words.
#[injectable]
struct Hungry {
    cats: Arc<Cats>,
}

impl CanActivate for Hungry {
    async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
        if !self.cats.fed.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(TransportError::new("the cats are not hungry").with_details(json!({ "statusCode": 409 })))
    }
}

fn unauthorized(why: &str) -> TransportError {
    TransportError::new(why).with_kind(ErrorKind::Unauthorized)
}

#[injectable]
struct Cats {
    fed: AtomicBool,
}

#[injectable]
struct CatsController {
    cats: Arc<Cats>,
}

#[controller("/cats")]
#[micro_routes]
#[use_guards(RolesGuard)]
#[set_metadata(Roles(&["staff", "visitor"]))]
impl CatsController {
    #[get]
    #[message_pattern("cats.count")]
    #[set_metadata(Public)]
    async fn count(&self) -> u32 {
        9
    }

    #[post("/feed")]
    #[message_pattern("cats.feed")]
    #[set_metadata(Roles(&["staff"]))]
    #[use_guards(Hungry)]
    async fn feed(&self) -> &'static str {
        self.cats.fed.store(true, Ordering::Relaxed);
        "fed by staff"
    }

    #[get("/me")]
    async fn me(&self, Ctx(Extension(user)): Ctx<Extension<User>>) -> String {
        format!("{}, {}", user.name, user.role)
    }

    #[message_pattern("cats.me")]
    async fn me_by_message(&self, #[ctx] Extension(user): Extension<User>) -> String {
        format!("{}, {}", user.name, user.role)
    }
}

/// `{ provide: APP_GUARD, useClass: AuthGuard }`; `use_global_guards` takes a guard that needs nothing injected.
#[module(providers = [Provider::app_guard::<AuthGuard>(), Tokens, Cats], controllers = [CatsController])]
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
