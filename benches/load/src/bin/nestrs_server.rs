//! The server that is measured: an ordinary nestrs microservice with every default on.
//!
//! `chain` gives its handlers one guard, one pipe and one interceptor.

use std::io::Read as _;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Stream, stream};
use nestrs::Module;
use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;

#[injectable]
struct Bare {
    seen: AtomicU64,
}

#[micro_routes]
impl Bare {
    #[message_pattern("math.sum")]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }

    #[message_pattern("echo")]
    async fn echo(&self, text: String) -> String {
        text
    }

    #[message_pattern("event.seen")]
    async fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    #[message_pattern("stream")]
    fn stream(&self, count: u64) -> impl Stream<Item = u64> {
        stream::iter(1..=count)
    }

    #[event_pattern("event.note")]
    async fn note(&self, _number: u64) {
        self.seen.fetch_add(1, Ordering::Relaxed);
    }
}

#[module(providers = [Bare], microservices = [Bare])]
struct BareModule;

/// Lets everybody in.
#[injectable]
struct Open;

impl CanActivate for Open {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        std::hint::black_box(cx);
        Ok(())
    }
}

/// Leaves payloads as they are.
#[injectable]
struct Same;

impl PipeTransform for Same {
    async fn transform(&self, cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        std::hint::black_box(cx);
        Ok(payload)
    }
}

/// Stands around calls and does nothing.
#[injectable]
struct Around;

impl Interceptor for Around {
    async fn intercept<T: Send>(
        &self,
        cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        std::hint::black_box(cx);
        next.await
    }
}

#[injectable]
struct Chain {
    seen: AtomicU64,
}

#[micro_routes]
#[use_guards(Open)]
#[use_pipes(Same)]
#[use_interceptors(Around)]
impl Chain {
    #[message_pattern("math.sum")]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }

    #[message_pattern("echo")]
    async fn echo(&self, text: String) -> String {
        text
    }

    #[message_pattern("event.seen")]
    async fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    #[message_pattern("stream")]
    fn stream(&self, count: u64) -> impl Stream<Item = u64> {
        stream::iter(1..=count)
    }

    #[event_pattern("event.note")]
    async fn note(&self, _number: u64) {
        self.seen.fetch_add(1, Ordering::Relaxed);
    }
}

#[module(providers = [Chain, Open, Same, Around], microservices = [Chain])]
struct ChainModule;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        None => serve::<BareModule>().await,
        Some("chain") => serve::<ChainModule>().await,
        Some(other) => Err(format!("`{other}` is no server").into()),
    }
}

#[expect(clippy::print_stdout, reason = "this is how the load program learns the address")]
async fn serve<M: Module>() -> Result<(), Box<dyn std::error::Error>> {
    // Beyond the default, for the row of so many connections.
    let options = TcpMicroserviceOptions::bind("127.0.0.1:0").max_connections(20_000);
    let app = NestFactory::create_microservice::<M>(options).start().await?;
    println!("listening {}", app.address("tcp").unwrap_or_default());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    Ok(app.wait().await?)
}
