//! The server that is measured: an ordinary nestrs microservice with every default on.
//!
//! `chain` gives its handlers one guard, one pipe and one interceptor; `listeners` makes it two applications behind one
//! address, each on a thread and a runtime of its own.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Stream, stream};
use nestrs::Module;
use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime;

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

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    match std::env::args().nth(1).as_deref() {
        None => on_all_cores(serve::<BareModule>(options("127.0.0.1:0"))),
        Some("chain") => on_all_cores(serve::<ChainModule>(options("127.0.0.1:0"))),
        Some("listeners") => on_two_threads(),
        Some(other) => Err(format!("`{other}` is no server").into()),
    }
}

/// As `#[tokio::main]`.
fn on_all_cores(serving: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serving)
}

/// The kernel gives each connection to one of the two listeners, for good.
fn on_two_threads() -> Result<(), Failure> {
    let first = reuse("127.0.0.1:0".parse()?)?;
    let address = first.local_addr()?;
    let second = reuse(address)?;
    let threads = [first, second].map(|listener| {
        std::thread::spawn(move || {
            runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
                let listener = TcpListener::from_std(listener)?;
                let options = options("127.0.0.1:0").listener(listener);
                let app = NestFactory::create_microservice::<BareModule>(options).start().await?;
                Ok::<_, Failure>(app.wait().await?)
            })
        })
    });
    announce(&address.to_string());
    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a listener panicked")?)
}

fn reuse(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// Beyond the default, for the row of so many connections.
fn options(address: &str) -> TcpMicroserviceOptions {
    TcpMicroserviceOptions::bind(address).max_connections(20_000)
}

async fn serve<M: Module>(options: TcpMicroserviceOptions) -> Result<(), Failure> {
    let app = NestFactory::create_microservice::<M>(options).start().await?;
    announce(app.address("tcp").unwrap_or_default());
    Ok(app.wait().await?)
}

#[expect(clippy::print_stdout, reason = "this is how the load program learns the address")]
fn announce(address: &str) {
    println!("listening {address}");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}
