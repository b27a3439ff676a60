//! How long calls may take: what their callers say, what servers say, and what is left to the calls they make in turn.

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

#[tokio::test]
async fn rq_6_a_request_says_how_long_its_caller_waits_and_an_event_does_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = client_to(&address);
    let quick = client.with_timeout(Duration::from_millis(300));
    let (_, packets) = tokio::join!(quick.send::<_, Value>("a", &1), async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let first = next_frame(&mut socket).await;
        client.emit("b", &1).await.unwrap();
        let event = next_frame(&mut socket).await;
        (first, event)
    });
    let left = sent_timeout(&packets.0).expect("it is a request");
    assert!((1..=301).contains(&left), "{left}");
    let keys: Vec<_> = packets.0.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["data", "id", "metadata", "pattern"]);
    assert!(packets.1.get("metadata").is_none(), "{}", packets.1);

    // NestJS 12 would show it, so it can be left out.
    let options =
        TcpTransportOptions::to(&address).request_timeout(Some(Duration::from_millis(50))).send_deadline(false);
    let silent = ClientProxy::new(Arc::new(TcpTransport::new(options)));
    let (_, packet) = tokio::join!(silent.send::<_, Value>("silent", &1), async {
        let (mut socket, _) = listener.accept().await.unwrap();
        next_frame(&mut socket).await
    });
    assert!(packet.get("metadata").is_none(), "{packet}");
}

#[tokio::test]
async fn rq_6_the_time_stands_beside_the_callers_own_metadata() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_to(&listener.local_addr().unwrap().to_string()).with_timeout(Duration::from_millis(200));
    let tagged = client.with_metadata("x", "\"1\"");
    let own = client.with_metadata(TIMEOUT_METADATA, "7");
    let receiving = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        [next_frame(&mut socket).await, next_frame(&mut socket).await, next_frame(&mut socket).await]
    };
    let (_, _, stream, packets) = tokio::join!(
        tagged.send::<_, Value>("tagged", &1),
        own.send::<_, Value>("own", &1),
        client.send_stream::<_, Value>("stream", &1),
        receiving
    );
    drop(stream);
    let of = |pattern: &str| packets.iter().find(|packet| packet["pattern"] == pattern).expect("it was sent");
    assert_eq!(of("tagged")["metadata"]["x"], "\"1\"");
    assert!(sent_timeout(of("tagged")).is_some());
    assert_eq!(sent_timeout(of("own")), Some(7));
    // Its timeout is for each item, and there may be any number of them.
    assert!(of("stream").get("metadata").is_none(), "{}", of("stream"));
}

#[tokio::test]
async fn rq_6_a_call_that_is_late_is_answered_and_not_started() {
    let app = serve_with::<WorkModule>(free_port().max_in_flight_per_conn(1)).await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"work","id":1,"metadata":{"nestrs-timeout-ms":"0"}}"#]).await;
    peer.expect(&frame(TIMED_OUT)).await;
    assert_eq!(marks.get(), (0, 0, 0));

    // The second waits for its turn, in the buffer of the connection, and its time passes there.
    let second = r#"{"pattern":"work","id":1,"metadata":{"nestrs-timeout-ms":"30"}}"#;
    peer.send_frames(&[r#"{"pattern":"work","id":2}"#, second]).await;
    marks.until(|(started, ..)| started == 1).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    marks.open();
    peer.expect(r#"44#{"response":"done","isDisposed":true,"id":2}"#).await;
    peer.expect(&frame(TIMED_OUT)).await;
    assert_eq!(marks.get(), (1, 1, 0));
    app.close().await;
}

#[tokio::test]
async fn rq_6_the_handler_is_dropped_at_the_deadline_of_a_client_that_says_nothing_else() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let client = client_of(&app).with_timeout(Duration::from_millis(40));
    let error = client.send::<_, Value>("work", &()).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::Maybe)));
    marks.until(|marks| marks == (1, 0, 1)).await;
    app.close().await;
}

#[tokio::test]
async fn rq_6_what_a_handler_calls_inherits_what_is_left() {
    let (work, gateway) = both().await;
    let client = client_of(&gateway).with_timeout(Duration::from_millis(400));
    let left: Option<u64> = client.send("gateway.left", &false).await.unwrap();
    assert!((1..=400).contains(&left.expect("it is told")), "{left:?}");
    // A task of the handler's own is on its own.
    let left: Option<u64> = client.send("gateway.left", &true).await.unwrap();
    assert!(left.expect("it has its own timeout") > 10_000, "{left:?}");
    // Whichever ends first, the caller reads the same.
    let mut peer = Peer::connect(gateway.address("tcp").unwrap()).await;
    for _ in 0..5 {
        peer.send_frames(&[r#"{"pattern":"gateway.work","id":1,"metadata":{"nestrs-timeout-ms":"20"}}"#]).await;
        peer.expect(&frame(TIMED_OUT)).await;
    }
    drop(peer);
    // The innermost handler ends with the outermost caller.
    let marks = work.get::<Marks>().unwrap();
    let error = client.send::<_, Value>("gateway.work", &()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    marks.until(|marks| marks == (6, 0, 6)).await;
    gateway.close().await;
    work.close().await;
}

#[tokio::test]
async fn rq_6_a_stream_inherits_the_end_of_the_handler_that_reads_it() {
    let work = serve::<WorkModule>().await;
    let client = client_of(&work);
    let reading = with_deadline(Instant::now() + Duration::from_millis(60), async {
        let mut items = client.send_stream::<_, u32>("ticks", &()).await.unwrap();
        loop {
            if let Err(error) = items.next().await.expect("an error comes before the end") {
                break error;
            }
        }
    });
    let error = tokio::time::timeout(PATIENCE, reading).await.expect("it ends");
    // Either end may be the first to notice.
    let by_server = error.message == "Request timed out";
    assert!(by_server || (error.kind(), error.sent()) == (ErrorKind::Timeout, Some(Sent::Maybe)), "{error:?}");
    work.close().await;
}

#[tokio::test]
async fn rq_6_an_http_route_with_a_timeout_ends_and_hands_on_what_is_left() {
    let (work, gateway) = both().await;
    let address = gateway.address("http").unwrap();
    let (status, left) = support::http::get(address, "/gateway/left").await;
    assert_eq!(status, 200);
    assert!((1..=300).contains(&left.as_u64().expect("it is told")), "{left}");
    // Whether the handler ends first or what it calls.
    for path in ["/gateway/work", "/gateway/hang"] {
        let (status, body) = support::http::get(address, path).await;
        assert_eq!((status, &body["message"]), (504, &Value::from("Request timed out")));
    }
    gateway.close().await;
    work.close().await;
}

#[tokio::test]
async fn rq_6_subscribers_that_are_waited_for_inherit_and_others_do_not() {
    let app = serve::<WorkModule>().await;
    let client = client_of(&app).with_timeout(Duration::from_millis(400));
    let left: Vec<Option<u64>> = client.send("bus", &()).await.unwrap();
    assert!(left[0].is_some_and(|left| left <= 400), "{left:?}");
    assert_eq!(left[1], None);
    app.close().await;
}

#[tokio::test]
async fn rq_6_with_nothing_left_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_to(&listener.local_addr().unwrap().to_string());
    let past = Instant::now();
    with_deadline(past, async {
        // One that is further away changes nothing.
        with_deadline(past + LONG, async { assert_eq!(current_deadline(), Some(past)) }).await;
        for error in [
            client.send::<_, Value>("a", &()).await.unwrap_err(),
            client.emit("a", &()).await.unwrap_err(),
            client.send_stream::<_, Value>("a", &()).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::No)));
        }
    })
    .await;
    let coming = tokio::time::timeout(Duration::from_millis(30), listener.accept()).await;
    assert!(coming.is_err(), "nobody was dialled");
}

#[tokio::test]
async fn rq_6_a_handler_that_runs_to_its_end_is_answered_for_in_time_and_keeps_its_permit() {
    let app = serve_with::<WorkModule>(free_port().max_in_flight(1)).await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"work.to.the.end","id":1,"metadata":{"nestrs-timeout-ms":"30"}}"#]).await;
    peer.expect(&frame(TIMED_OUT)).await;
    assert_eq!(marks.get(), (1, 0, 0), "it is still there");
    // No permit is left, so nothing is read.
    peer.send_frames(&[r#"{"pattern":"echo","data":1,"id":1}"#]).await;
    let answered = tokio::time::timeout(Duration::from_millis(50), peer.0.peek(&mut [0])).await;
    assert!(answered.is_err(), "the permit is held");
    marks.open();
    peer.expect(r#"39#{"response":1,"isDisposed":true,"id":1}"#).await;
    assert_eq!(marks.get(), (1, 1, 0));
    app.close().await;
}

#[tokio::test]
async fn rq_6_a_handler_that_runs_to_its_end_outlives_its_caller_before_and_after_the_deadline() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let request = r#"{"pattern":"work.to.the.end","id":1,"metadata":{"nestrs-timeout-ms":"30"}}"#;
    let mut before = Peer::connect(app.address("tcp").unwrap()).await;
    before.send_frames(&[request]).await;
    marks.until(|(started, ..)| started == 1).await;
    // A reset, so that nobody drains.
    before.0.set_zero_linger().unwrap();
    drop(before);
    let mut after = Peer::connect(app.address("tcp").unwrap()).await;
    after.send_frames(&[request]).await;
    after.expect(&frame(TIMED_OUT)).await;
    after.0.set_zero_linger().unwrap();
    drop(after);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(marks.get(), (2, 0, 0));
    marks.open();
    marks.open();
    marks.until(|marks| marks == (2, 2, 0)).await;
    app.close().await;
}

#[tokio::test]
async fn rq_6_what_a_handler_that_runs_to_its_end_calls_is_not_cut_off() {
    let (work, gateway) = both().await;
    let marks = work.get::<Marks>().unwrap();
    marks.open();
    let client = client_of(&gateway).with_timeout(Duration::from_millis(20));
    client.send::<_, ()>("gateway.to.the.end", &()).await.unwrap_err();
    marks.until(|marks| marks == (1, 1, 0)).await;
    gateway.close().await;
    work.close().await;
}

#[tokio::test]
async fn rq_7_a_server_ends_handlers_that_take_too_long_unless_they_may() {
    let app = serve_with::<WorkModule>(free_port().handler_timeout(Some(Duration::from_millis(40)))).await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let started = Instant::now();
    peer.send_frames(&[r#"{"pattern":"work","id":1}"#]).await;
    peer.expect(&frame(TIMED_OUT)).await;
    assert!(started.elapsed() >= Duration::from_millis(40));
    assert_eq!(marks.get(), (1, 0, 1));
    // Its handlers see it as their deadline.
    peer.send_frames(&[r#"{"pattern":"left","id":1}"#]).await;
    let mut reply = [0; 64];
    let len = peer.0.read(&mut reply).await.unwrap();
    assert!(String::from_utf8_lossy(&reply[..len]).contains(r#"{"response":3"#), "thirty-odd milliseconds");
    // What a handler says itself comes first.
    peer.send_frames(&[r#"{"pattern":"work.long","id":3}"#, r#"{"pattern":"work.short","id":1}"#]).await;
    peer.expect(&frame(TIMED_OUT)).await;
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(marks.get(), (3, 0, 2), "the long one runs on");
    marks.open();
    peer.expect(r#"44#{"response":"done","isDisposed":true,"id":3}"#).await;
    app.close().await;
}

#[tokio::test]
async fn rq_7_an_event_handler_that_takes_too_long_has_failed_and_the_others_run() {
    let logs = LogCapture::start();
    let app = serve_with::<WorkModule>(free_port().handler_timeout(Some(Duration::from_millis(80)))).await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"work.event"}"#]).await;
    marks.until(|marks| marks == (1, 1, 1)).await;
    peer.expect_alive().await;
    let failed: Vec<_> = logs
        .events()
        .into_iter()
        .filter(|event| event.message == "event handler took too long and was dropped")
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].level, failed[0].field("handler")), (LogLevel::Warn, Some("Work::event")));
    // One that runs to its end has failed as well, and does.
    peer.send_frames(&[r#"{"pattern":"complete.event"}"#]).await;
    let told = async {
        while !logs.contains(LogLevel::Warn, "event handler takes too long; it runs on") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("it is logged");
    marks.open();
    marks.until(|marks| marks == (2, 2, 1)).await;
    app.close().await;
}

#[tokio::test]
async fn rq_8_a_handler_runs_on_when_its_caller_is_gone_and_one_that_is_cancelled_does_not() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"work","id":1}"#, r#"{"pattern":"work.together","id":2}"#]).await;
    marks.until(|(started, ..)| started == 2).await;
    let gone = Instant::now();
    drop(peer);
    marks.until(|(_, _, dropped)| dropped == 1).await;
    assert!(gone.elapsed() < Duration::from_secs(1), "{:?}", gone.elapsed());
    marks.open();
    marks.until(|marks| marks == (2, 1, 1)).await;

    // A caller that stays is answered, by whichever way its time is told.
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    marks.open();
    peer.send_frames(&[r#"{"pattern":"work.together","id":3}"#]).await;
    peer.expect(r#"44#{"response":"done","isDisposed":true,"id":3}"#).await;
    peer.send_frames(&[r#"{"pattern":"work.together","id":1,"metadata":{"nestrs-timeout-ms":"20"}}"#]).await;
    peer.expect(&frame(TIMED_OUT)).await;
    app.close().await;
}

/// As an event it has no caller that could be gone.
#[tokio::test]
async fn rq_8_a_cancelled_handler_that_is_sent_an_event_runs_on() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"work.together"}"#]).await;
    marks.until(|(started, ..)| started == 1).await;
    drop(peer);
    tokio::time::sleep(Duration::from_millis(50)).await;
    marks.open();
    marks.until(|marks| marks == (1, 1, 0)).await;
    app.close().await;
}

/// One that has used up its time goes on while the others run, and does not keep from them what it holds.
#[tokio::test]
async fn rq_6_a_handler_that_runs_to_its_end_does_so_beside_the_other_handlers_of_its_event() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    for (frame, finished) in [(r#"{"pattern":"locked.event"}"#, 2), (r#"{"pattern":"locked.event","id":1}"#, 4)] {
        peer.send_frames(&[frame]).await;
        tokio::time::sleep(Duration::from_millis(40)).await;
        marks.open();
        marks.until(|marks| marks == (finished / 2, finished, 0)).await;
    }
    peer.expect(&frame(TIMED_OUT)).await;
    app.close().await;
}

#[tokio::test]
async fn rq_5_a_handler_that_panics_when_it_is_dropped_costs_its_own_call() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let request = r#"{"pattern":"panics.when.dropped","id":1,"metadata":{"nestrs-timeout-ms":"20"}}"#;
    peer.send_frames(&[r#"{"pattern":"work","id":2}"#, request]).await;
    let failed = r#"{"err":{"status":"error","message":"Internal server error"},"isDisposed":true,"id":1}"#;
    peer.expect(&frame(failed)).await;
    marks.open();
    peer.expect(r#"44#{"response":"done","isDisposed":true,"id":2}"#).await;
    app.close().await;
}

/// Its caller's impatience is no failure of a handler.
#[tokio::test]
async fn rq_6_what_ran_out_of_its_callers_time_is_no_error_in_the_log() {
    let logs = LogCapture::start();
    let (work, gateway) = both().await;
    let mut peer = Peer::connect(gateway.address("tcp").unwrap()).await;
    for _ in 0..5 {
        peer.send_frames(&[r#"{"pattern":"gateway.work","id":1,"metadata":{"nestrs-timeout-ms":"20"}}"#]).await;
        peer.expect(&frame(TIMED_OUT)).await;
    }
    let errors: Vec<_> = logs.events().into_iter().filter(|event| event.level == LogLevel::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    // Its own is: a client that it let wait too long.
    gateway.close().await;
    work.close().await;
}
