//! How long calls may take: what their callers say, what servers say, and what is left to the calls they make in turn.

mod completed;
mod ended;
mod inherited;
mod told;

#[path = "../support/mod.rs"]
mod support;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, stream};
use nestrs::microservices::{
    ClientConfig, TIMEOUT_METADATA, TcpTransport, TcpTransportOptions, current_deadline, with_deadline,
};
use nestrs::prelude::*;
use nestrs::{LogCapture, LogLevel, RunningApp, Sent};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

use support::raw::{PATIENCE, Peer, frame};
use support::{client_of, client_to, free_port, serve, serve_with};

const TIMED_OUT: &str = r#"{"err":{"status":"error","message":"Request timed out"},"isDisposed":true,"id":1}"#;

/// Counts what happens to handlers, and tells a test that waits for it.
#[injectable]
struct Marks {
    started: AtomicUsize,
    finished: AtomicUsize,
    dropped: AtomicUsize,
    changed: Notify,
    #[inject(value = Semaphore::new(0))]
    gate: Semaphore,
}

impl Marks {
    fn get(&self) -> (usize, usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (read(&self.started), read(&self.finished), read(&self.dropped))
    }

    fn open(&self) {
        self.gate.add_permits(1);
    }

    async fn until(&self, reached: impl Fn((usize, usize, usize)) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if reached(self.get()) {
                    break;
                }
                changed.await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, waiting).await;
        in_time.unwrap_or_else(|_| panic!("started, finished and dropped are {:?}", self.get()));
    }

    fn add(&self, count: &AtomicUsize) {
        count.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// A handler that waits at the gate.
    async fn work(&self) {
        struct Dropped<'a>(Option<&'a Marks>);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                if let Some(marks) = self.0 {
                    marks.add(&marks.dropped);
                }
            }
        }
        self.add(&self.started);
        let mut dropped = Dropped(Some(self));
        self.gate.acquire().await.expect("it is never closed").forget();
        dropped.0 = None;
        self.add(&self.finished);
    }
}

#[injectable]
struct Work {
    marks: Arc<Marks>,
    #[inject(default)]
    lock: tokio::sync::Mutex<()>,
    bus: Arc<EventBus>,
}

const LONG: Duration = Duration::from_secs(3600);

#[micro_routes]
impl Work {
    #[message_pattern("echo")]
    async fn echo(&self, value: Value) -> Value {
        value
    }

    #[message_pattern("work")]
    async fn work(&self) -> &'static str {
        self.marks.work().await;
        "done"
    }

    #[message_pattern("work.short")]
    #[handler_timeout("20ms")]
    async fn short(&self) {
        self.marks.work().await;
    }

    #[message_pattern("work.long")]
    #[handler_timeout(LONG)]
    async fn long(&self) -> &'static str {
        self.marks.work().await;
        "done"
    }

    #[message_pattern("work.to.the.end")]
    #[run_to_completion]
    async fn complete(&self) -> &'static str {
        self.marks.work().await;
        "done"
    }

    #[message_pattern("work.together")]
    #[cancel_on_disconnect]
    async fn cancel(&self) -> &'static str {
        self.marks.work().await;
        "done"
    }

    #[event_pattern("work.event")]
    async fn event(&self) {
        self.marks.work().await;
    }

    #[event_pattern("work.event")]
    async fn other_event(&self) {
        tokio::time::sleep(Duration::from_millis(40)).await;
        self.marks.add(&self.marks.finished);
    }

    #[event_pattern("complete.event")]
    #[run_to_completion]
    #[handler_timeout("20ms")]
    async fn complete_event(&self) {
        self.marks.work().await;
    }

    /// Holds a lock that another handler of the event needs, at its timeout and after it.
    #[event_pattern("locked.event")]
    #[run_to_completion]
    #[handler_timeout("20ms")]
    async fn holds_the_lock(&self) {
        let _held = self.lock.lock().await;
        self.marks.work().await;
    }

    #[event_pattern("locked.event")]
    async fn needs_the_lock(&self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let _held = self.lock.lock().await;
        self.marks.add(&self.marks.finished);
    }

    /// Panics where it is dropped.
    #[message_pattern("panics.when.dropped")]
    async fn panics_when_dropped(&self) {
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("dropped half-way");
            }
        }
        let _panics = Panics;
        pending().await
    }

    #[message_pattern("left")]
    async fn left(&self, #[ctx] Deadline(end): Deadline, cx: &ExecutionContext) -> Option<u64> {
        assert_eq!(end, cx.deadline());
        assert_eq!(end, current_deadline());
        end.map(milliseconds_to)
    }

    #[message_pattern("ticks")]
    fn ticks(&self) -> impl Stream<Item = u32> + use<> {
        stream::iter(0_u32..).then(async |n| {
            tokio::time::sleep(Duration::from_millis(5)).await;
            n
        })
    }

    #[message_pattern("bus")]
    async fn bus(&self) -> Vec<Option<u64>> {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let _subscription = self.bus.subscribe("asked", move |_| {
            let tell = tell.clone();
            async move {
                // Not done at once, so the bus gives it a task of its own.
                tokio::task::yield_now().await;
                tell.send(current_deadline().map(milliseconds_to)).expect("somebody listens");
            }
        });
        self.bus.publish("asked", &()).await;
        let published = told.recv().await.unwrap();
        self.bus.emit("asked", ());
        vec![published, told.recv().await.unwrap()]
    }
}

fn milliseconds_to(end: Instant) -> u64 {
    u64::try_from(end.saturating_duration_since(Instant::now()).as_millis()).unwrap()
}

#[module(providers = [Work, Marks], microservices = [Work])]
struct WorkModule;

/// Calls the service that the test names.
#[injectable]
struct Gateway {
    #[inject("WORK")]
    work: Arc<ClientProxy>,
}

#[controller("/gateway")]
#[micro_routes]
impl Gateway {
    #[message_pattern("gateway.left")]
    async fn left(&self, by_task: bool) -> Result<Option<u64>, TransportError> {
        // A longer timeout of its own changes nothing.
        let work = self.work.with_timeout(Duration::from_secs(20));
        if by_task {
            let task = tokio::spawn(async move { work.send::<_, Option<u64>>("left", &()).await });
            return task.await.expect("it does not panic");
        }
        work.send("left", &()).await
    }

    #[message_pattern("gateway.work")]
    async fn work(&self) -> Result<(), TransportError> {
        self.work.send("work", &()).await
    }

    #[message_pattern("gateway.to.the.end")]
    #[run_to_completion]
    async fn to_the_end(&self) -> Result<(), TransportError> {
        tokio::time::sleep(Duration::from_millis(40)).await;
        // The caller's time is over, and this is work that must be done all the same.
        self.work.send("work", &()).await
    }

    #[get("/left")]
    #[handler_timeout("300ms")]
    async fn http_left(&self, Ctx(cx): Ctx) -> Result<axum::Json<Option<u64>>, TransportError> {
        assert_eq!(cx.deadline(), current_deadline());
        self.work.send("left", &()).await.map(axum::Json)
    }

    #[get("/work")]
    #[handler_timeout("30ms")]
    async fn http_work(&self) -> Result<(), TransportError> {
        self.work.send("work", &()).await
    }

    #[get("/hang")]
    #[handler_timeout("30ms")]
    async fn http_hang(&self) {
        pending().await
    }
}

use nestrs::axum;

tokio::task_local!(static WORK: String);

struct GatewayModule;

impl nestrs::Module for GatewayModule {
    fn define() -> nestrs::ModuleDef {
        let work = ClientConfig::tcp("WORK", TcpTransportOptions::to(&WORK.get()));
        nestrs::ModuleDef::new::<Self>()
            .import_dynamic(ClientsModule::register(&[work]))
            .provide(Provider::class::<Gateway>())
            .microservice::<Gateway>()
            .controller::<Gateway>()
    }
}

/// A service, and a gateway to it.
async fn both() -> (RunningApp, RunningApp) {
    let work = serve::<WorkModule>().await;
    let address = work.address("tcp").unwrap().to_owned();
    let gateway =
        NestFactory::create_microservice::<GatewayModule>(free_port().grace_period(Duration::from_millis(100)))
            .also_listen_http("127.0.0.1:0");
    let gateway = WORK.scope(address, async { gateway.start().await.unwrap() }).await;
    (work, gateway)
}

/// The next frame that a client sends.
async fn next_frame(socket: &mut TcpStream) -> Value {
    let mut header = String::new();
    loop {
        match socket.read_u8().await.unwrap() {
            b'#' => break,
            digit => header.push(char::from(digit)),
        }
    }
    let mut body = vec![0; header.parse().unwrap()];
    socket.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn sent_timeout(packet: &Value) -> Option<u64> {
    Some(packet["metadata"].get(TIMEOUT_METADATA)?.as_str().expect("metadata are strings").parse().unwrap())
}
