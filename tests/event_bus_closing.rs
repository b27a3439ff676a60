//! The event bus as its application closes, and what it says in the log.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use nestrs::microservices::memory_pair;
use nestrs::prelude::*;
use nestrs::{FailureKind, LogCapture, LogLevel, RunningApp};
use tokio::time::Instant;

/// What this test logs.
struct Log(LogCapture);

impl Log {
    fn capture() -> Self {
        Self(LogCapture::start_at(LogLevel::Debug))
    }

    fn lines(&self, part: &str) -> Vec<String> {
        self.0.lines().into_iter().filter(|line| line.contains(part)).collect()
    }
}

/// What happened, in order. It outlives the application.
#[derive(Clone, Default)]
struct Marks(Arc<Mutex<Vec<String>>>);

impl Marks {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

tokio::task_local! {
    static MARKS: Marks;
}

#[injectable]
struct Slow {
    bus: Arc<EventBus>,
    marks: Arc<Marks>,
}

#[event_routes]
impl Slow {
    #[on_event("slow")]
    async fn slow(&self, number: u64) {
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.marks.add(format!("slow {number}"));
    }

    #[on_event("hung")]
    async fn hung(&self) {
        std::future::pending().await
    }

    #[on_event("destroyed")]
    async fn destroyed(&self, how: String) {
        self.marks.add(format!("destroyed {how}"));
    }
}

impl OnModuleDestroy for Slow {
    async fn on_module_destroy(&self) -> HookResult {
        self.marks.add("hook");
        self.bus.publish("destroyed", "published").await;
        self.bus.emit("destroyed", "emitted");
        Ok(())
    }
}

fn marks() -> Marks {
    MARKS.get()
}

#[module(providers = [Slow, Provider::factory(marks)], exports = [Slow])]
struct AppModule;

async fn start() -> (RunningApp, Arc<EventBus>, Marks) {
    let marks = Marks::default();
    let starting = NestFactory::create_microservice::<AppModule>(memory_pair().0).start();
    let app = MARKS.scope(marks.clone(), starting).await.unwrap();
    let bus = app.get::<EventBus>().unwrap();
    (app, bus, marks)
}

#[tokio::test(start_paused = true)]
async fn sd_1_queued_events_are_handled_before_the_hooks_of_the_end_and_these_may_publish() {
    let (app, bus, marks) = start().await;
    for number in 0..3 {
        assert_eq!(bus.emit("slow", number).queued, 1);
    }
    let began = Instant::now();
    app.close().await;
    assert_eq!(began.elapsed().as_secs(), 9, "one after another");
    let expected = ["slow 0", "slow 1", "slow 2", "hook", "destroyed published", "destroyed emitted"];
    assert_eq!(marks.take(), expected);
    assert_eq!((bus.stats().dropped, bus.stats().failed), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn sd_1_what_is_left_after_the_grace_period_is_dropped_with_a_line_in_the_log() {
    let log = Log::capture();
    let (app, bus, marks) = start().await;
    bus.emit("hung", "secret");
    for number in 0..20 {
        bus.emit("slow", number);
    }
    let publishing = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish("hung", "secret").await }
    });
    tokio::task::yield_now().await;
    let began = Instant::now();
    app.close().await;
    assert_eq!(began.elapsed().as_secs(), 10, "the grace period");
    let handled = marks.take();
    assert_eq!(handled.iter().filter(|mark| mark.starts_with("slow")).count(), 3, "{handled:?}");
    assert_eq!(publishing.await.unwrap().failures[0].kind, FailureKind::Closing);
    let stats = bus.stats();
    assert_eq!((stats.queued, stats.running, stats.dropped, stats.failed), (0, 0, 16, 3));
    let lines = log.lines("the event bus closes");
    assert!(lines.len() == 1 && lines[0].contains("queued=16 running=3"), "{lines:?}");
    assert_eq!(log.lines("event handler was dropped").len(), 3);
    assert_eq!(log.lines("secret"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn after_the_end_everything_is_refused_and_nothing_is_kept_alive() {
    let (app, bus, _) = start().await;
    let service: Weak<Slow> = Arc::downgrade(&app.get::<Slow>().unwrap());
    let held = Arc::new(());
    let holder = Arc::clone(&held);
    bus.subscribe("x", move |_| {
        let _ = &holder;
        std::future::ready(())
    })
    .keep();
    app.close().await;
    assert!(bus.publish("slow", 1).await.refused.is_some());
    assert!(bus.emit("slow", 1).refused.is_some());
    assert!(!bus.subscribe("slow", |_| async {}).is_active());
    assert_eq!((bus.stats().refused, bus.stats().subscribers), (2, 0));
    assert_eq!(Arc::strong_count(&held), 1, "functions are dropped");
    assert!(service.upgrade().is_none(), "the bus is held by a service that it does not hold any more");
}

#[tokio::test(start_paused = true)]
async fn dropping_an_application_ends_its_bus_at_once() {
    let (app, bus, marks) = start().await;
    let publishing = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish("hung", ()).await }
    });
    tokio::task::yield_now().await;
    bus.emit("slow", 1);
    drop(app);
    assert_eq!(publishing.await.unwrap().failures[0].kind, FailureKind::Closing);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(marks.take(), Vec::<String>::new());
    assert_eq!((bus.stats().dropped, bus.stats().running), (1, 0));
}

#[tokio::test]
async fn rq_13_failures_and_full_queues_are_logged_without_payloads() {
    let log = Log::capture();
    let bus = EventBus::new();
    let _fails = bus.subscribe("x", |_| async { Err::<(), _>(TransportError::new("out of luck")) });
    let _misfits = bus.subscribe("x", |event| async move { event.decode::<u8>().map(drop) });
    let _panics = bus.subscribe("x", |event| async move { assert_eq!(event.name(), "y", "dismay") });
    bus.publish("x", "secret").await;
    bus.publish("y.*", "secret").await;
    let _stream = bus.stream_bounded("z", 1);
    for _ in 0..1000 {
        bus.emit("z", "secret");
    }
    for (part, lines) in [
        ("event handler failed", 1),
        ("out of luck", 1),
        ("does not fit the handler", 1),
        ("dismay", 1),
        ("event is refused", 1),
        ("queue is full", 1),
        ("secret", 0),
    ] {
        let found = log.lines(part);
        assert_eq!(found.len(), lines, "{part}: {found:?}");
    }
}
