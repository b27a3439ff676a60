//! Handlers that show what a connection does with calls, and peers without a network.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::microservices::net::io::{Accepted, Io};
use nestrs::prelude::*;
use nestrs::{LogCapture, LogLevel, RunningApp};
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc};

use super::raw::Peer;
use super::serve_with;

#[injectable]
pub struct Calls {
    pub started: AtomicUsize,
    pub items: AtomicUsize,
    pub told: AtomicBool,
    pub dropped: AtomicUsize,
    pub seen: Mutex<Vec<u64>>,
    pub release: Arc<Notify>,
}

struct CountedDrop<'a>(&'a AtomicUsize);

impl Drop for CountedDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[micro_routes]
impl Calls {
    #[message_pattern("echo")]
    async fn echo(&self, value: Value) -> Value {
        value
    }

    #[message_pattern("slow")]
    async fn slow(&self, milliseconds: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        milliseconds
    }

    /// Ends when it is released.
    #[message_pattern("hold")]
    async fn hold(&self, _payload: Value) -> &'static str {
        let _dropped = CountedDrop(&self.dropped);
        self.started.fetch_add(1, Ordering::Relaxed);
        self.release.notified().await;
        "held"
    }

    /// Ends when its caller is gone.
    #[message_pattern("watch")]
    async fn watch(&self, #[ctx] cancellation: Cancellation) -> &'static str {
        cancellation.cancelled().await;
        self.told.store(true, Ordering::Relaxed);
        "cancelled"
    }

    #[message_pattern("blob")]
    async fn blob(&self, len: usize) -> String {
        "x".repeat(len)
    }

    /// Counts what is taken from it.
    #[message_pattern("endless")]
    fn endless(&self) -> impl Stream<Item = u32> {
        stream::iter(0..).inspect(|_| _ = self.items.fetch_add(1, Ordering::Relaxed))
    }

    #[message_pattern("finite")]
    fn finite(&self, n: u32) -> impl Stream<Item = Result<u32, TransportError>> {
        stream::iter((1..=n).map(|item| if item == 99 { Err(TransportError::new("mid")) } else { Ok(item) }))
    }

    #[message_pattern("ticks")]
    fn ticks(&self) -> impl Stream<Item = u32> {
        stream::unfold(0, |n| async move {
            if n > 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Some((n, n + 1))
        })
    }

    #[event_pattern("seen")]
    async fn seen(&self, n: u64) {
        self.seen.lock().unwrap().push(n);
        // Later ones may be done earlier.
        tokio::time::sleep(Duration::from_millis(10 - n % 10)).await;
    }
}

#[module(providers = [Calls, Provider::value(Notify::new())], microservices = [Calls])]
pub struct CallsModule;

/// A server without a network, under whatever time the test has.
pub struct InMemory {
    pub app: RunningApp,
    dialled: mpsc::Sender<Accepted>,
}

impl InMemory {
    pub async fn serve(options: TcpMicroserviceOptions) -> Self {
        let (dialled, listener) = mpsc::channel(16);
        Self { app: serve_with::<CallsModule>(options.listener(listener)).await, dialled }
    }

    /// A connection that holds 64 KiB in each direction.
    pub async fn dial(&self) -> Peer<DuplexStream> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        self.accept(far).await;
        Peer(near)
    }

    pub async fn accept(&self, io: impl Io) {
        self.dialled.send(Accepted::new(io)).await.unwrap();
    }

    pub fn calls(&self) -> Arc<Calls> {
        self.app.get::<Calls>().unwrap()
    }
}

/// Keeps what this test logs.
pub fn capture() -> LogCapture {
    // While there is only one listener, a line that a thread without one is the first to say is taken to interest nobody,
    // and tests run side by side. So there is always another.
    static ANOTHER: Once = Once::new();
    ANOTHER.call_once(|| {
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _log = LogCapture::start_at(LogLevel::Debug);
            ready.send(()).unwrap();
            loop {
                std::thread::park();
            }
        });
        is_ready.recv().unwrap();
    });
    LogCapture::start_at(LogLevel::Debug)
}

/// The reasons of the connections that have ended, in that order.
pub fn reasons(log: &LogCapture) -> Vec<String> {
    let ends = log.events().into_iter().filter(|event| event.message == "disconnected");
    ends.map(|event| event.field("reason").unwrap().to_owned()).collect()
}

/// Waits until `done`, without a limit of its own: what never comes is the test runner's to end.
pub async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
