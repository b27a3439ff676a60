//! Injection scopes: one instance for all, one for each consumer, one for each call.
//!
//! ```sh
//! cargo run --example scopes
//! ```
//!
//! Two tenants call one service. What is request-scoped is built for each message and knows whose it is; the pool behind
//! it was built once; each that logs has a logger of its own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use nestrs::microservices::{TcpTransport, memory_pair};
use nestrs::prelude::*;

/// A singleton, as everything is that says nothing else: built at boot, shared by all calls.
#[injectable]
struct Pool {
    queries: AtomicU32,
}

/// Transient: a new one for each consumer. Numbers its own lines, and nobody else's.
#[injectable(scope = transient)]
struct Logger {
    lines: Mutex<Vec<String>>,
}

impl Logger {
    fn log(&self, text: &str) {
        if let Ok(mut lines) = self.lines.lock() {
            let number = lines.len() + 1;
            println_line(&format!("{number}. {text}"));
            lines.push(text.to_owned());
        }
    }
}

/// Request-scoped: one for each message. Only such providers may hold the call (NestJS's `@Inject(CONTEXT)`).
#[injectable(scope = request)]
struct Tenant {
    cx: Arc<ExecutionContext>,
}

impl Tenant {
    fn name(&self) -> &str {
        self.cx.metadata().get("x-tenant").unwrap_or("nobody")
    }
}

/// Needs something request-scoped, so it is that too: were it a singleton, the application would not start, and say why.
#[injectable(scope = request)]
struct CatsRepository {
    tenant: Arc<Tenant>,
    pool: Arc<Pool>,
}

impl CatsRepository {
    fn count(&self) -> String {
        let query = self.pool.queries.fetch_add(1, Ordering::Relaxed) + 1;
        format!("query {query}: the cats of {}", self.tenant.name())
    }
}

/// Built for each message, once its guards have let that in.
#[injectable(scope = request)]
struct CatsController {
    cats: Arc<CatsRepository>,
    tenant: Arc<Tenant>,
}

#[micro_routes]
impl CatsController {
    #[use_micro_guards(KnownTenants)]
    #[message_pattern("cats.count")]
    async fn count(&self) -> String {
        debug_assert!(Arc::ptr_eq(&self.tenant, &self.cats.tenant), "one call has one tenant");
        self.cats.count()
    }
}

/// A singleton that must look into calls asks for what belongs to each.
#[injectable]
struct KnownTenants {
    module: Arc<ModuleRef>,
    logger: Arc<Logger>,
}

impl CanActivate for KnownTenants {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        let tenant = self.module.resolve_in::<Tenant>(&ContextId::of(cx)).await?;
        self.logger.log(&format!("guard: {} asks", tenant.name()));
        if tenant.name() == "nobody" { Err(forbidden()) } else { Ok(()) }
    }
}

#[module(providers = [Pool, Logger, Tenant, CatsRepository, KnownTenants], controllers = [CatsController])]
struct CatsModule;

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
fn println_line(line: &str) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (server, transport) = memory_pair();
    let app = NestFactory::create_microservice::<CatsModule>(server).start().await?;
    let client = ClientProxy::new(Arc::new(TcpTransport::new(transport)));
    for tenant in ["acme", "globex"] {
        let answer: String = client.with_metadata("x-tenant", tenant).send("cats.count", &()).await?;
        println_line(&answer);
    }
    let refused = client.send::<_, String>("cats.count", &()).await;
    println_line(&format!("without a tenant: {}", refused.err().map(|error| error.to_string()).unwrap_or_default()));
    app.close().await;
    Ok(())
}
