//! The event bus under load: queues and their bound, slow subscribers, order, counters.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nestrs::microservices::memory_pair;
use nestrs::prelude::*;
use nestrs::{EventBusStats, FailureKind, ReceivedEvent, RunningApp};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// Handlers wait here until the test lets them go, one permit an event.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Gate {
    fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    fn open(&self) {
        self.0.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

type Numbers = Arc<Mutex<Vec<u64>>>;

/// A subscriber that waits at the gate and then writes down what it got.
fn behind(
    gate: &Gate,
    seen: &Numbers,
) -> impl Fn(ReceivedEvent) -> nestrs::__private::BoxFuture<'static, ()> + Send + Sync + 'static {
    let (gate, seen) = (gate.clone(), Arc::clone(seen));
    move |event| {
        let (gate, seen) = (gate.clone(), Arc::clone(&seen));
        Box::pin(async move {
            gate.pass().await;
            seen.lock().unwrap().push(event.decode().unwrap());
        })
    }
}

/// Every subscriber that an event was for is counted once.
fn accounted(stats: EventBusStats) -> u64 {
    stats.delivered + stats.failed + stats.dropped + stats.queued + stats.running
}

async fn start_with<M: nestrs::Module>() -> (RunningApp, Arc<EventBus>) {
    let app = NestFactory::create_microservice::<M>(memory_pair().0).start().await.unwrap();
    let bus = app.get::<EventBus>().unwrap();
    (app, bus)
}

/// Lets every task run until all of them wait; time is paused.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn rq_13_a_queue_takes_1024_events_and_the_rest_is_reported_and_counted() {
    let (bus, gate, seen) = (EventBus::new(), Gate::closed(), Numbers::default());
    let _slow = bus.subscribe("x", behind(&gate, &seen));
    let quick = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&quick);
    let _quick = bus.subscribe("x", move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    });
    for number in 0..1024_u64 {
        assert_eq!(bus.emit("x", number).dropped, 0, "{number}");
        tokio::task::yield_now().await;
    }
    settled().await;
    let stats = bus.stats();
    assert_eq!((stats.queued, stats.running, stats.dropped), (1023, 1, 0));
    let emitted = bus.emit("x", 1024);
    assert_eq!((emitted.queued, emitted.dropped), (1, 1), "the quick one is not held up");
    let published = bus.publish("x", 1025).await;
    assert_eq!((published.handled, published.failures[0].kind), (1, FailureKind::QueueFull));
    assert!(published.failures[0].subscriber.contains("event_bus_limits.rs:"), "{published:?}");
    assert_eq!(bus.stats().dropped, 2);

    gate.open();
    settled().await;
    assert_eq!(*seen.lock().unwrap(), (0..1024).collect::<Vec<_>>(), "in order, and the newest were dropped");
    assert_eq!(quick.load(Ordering::Relaxed), 1026);
    let stats = bus.stats();
    assert_eq!((stats.published, stats.delivered, stats.queued, stats.running), (1026, 1024 + 1026, 0, 0));
    assert_eq!(accounted(stats), 2 * 1026);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn emitted_events_are_handled_one_by_one_in_their_order() {
    let (bus, seen) = (EventBus::new(), Numbers::default());
    let at_work = Arc::new(AtomicUsize::new(0));
    let sink = Arc::clone(&seen);
    let _subscription = bus.subscribe("order.*", move |event| {
        let (seen, at_work) = (Arc::clone(&sink), Arc::clone(&at_work));
        async move {
            assert_eq!(at_work.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
            let number: u64 = event.decode().unwrap();
            // The earlier ones take longer.
            for _ in 0..(500 - number) / 50 {
                tokio::task::yield_now().await;
            }
            seen.lock().unwrap().push(number);
            at_work.fetch_sub(1, Ordering::SeqCst);
        }
    });
    for number in 0..500 {
        bus.emit(format!("order.{number}"), number);
    }
    bus.drain(Duration::from_secs(20)).await;
    assert_eq!(*seen.lock().unwrap(), (0..500).collect::<Vec<_>>());
    assert_eq!(bus.stats().failed, 0);
}

#[tokio::test(start_paused = true)]
async fn rq_13_a_publisher_waits_30_seconds_and_the_slow_subscriber_goes_on() {
    let (bus, gate, seen) = (EventBus::new(), Gate::closed(), Numbers::default());
    let _slow = bus.subscribe("x", behind(&gate, &seen));
    let _quick = bus.subscribe("x", |_| async {});
    let began = Instant::now();
    let published = bus.publish("x", 7).await;
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!((published.handled, published.failures[0].kind), (1, FailureKind::GivenUp));
    assert_eq!(bus.stats().running, 1);
    gate.open();
    settled().await;
    assert_eq!(*seen.lock().unwrap(), [7]);
    assert_eq!((bus.stats().delivered, bus.stats().failed), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn rq_7_a_subscriber_over_its_time_is_dropped_and_gets_its_next_event() {
    #[module(imports = [EventBusModule::for_root(
        EventBusOptions::default().handler_timeout(Duration::from_secs(2)).publish_timeout(None),
    )])]
    struct AppModule;

    let (app, bus) = start_with::<AppModule>().await;
    let (gate, seen) = (Gate::closed(), Numbers::default());
    let _slow = bus.subscribe("x", behind(&gate, &seen));
    let began = Instant::now();
    assert_eq!(bus.publish("x", 1).await.failures[0].kind, FailureKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 2);
    bus.emit("x", 2);
    bus.emit("x", 3);
    tokio::time::sleep(Duration::from_secs(3)).await;
    gate.open();
    settled().await;
    assert_eq!(*seen.lock().unwrap(), [3]);
    let stats = bus.stats();
    assert_eq!((stats.delivered, stats.failed, stats.running), (1, 2, 0));
    app.close().await;
}

#[tokio::test(start_paused = true)]
async fn rq_13_slow_subscribers_run_side_by_side() {
    let bus = EventBus::new();
    let _subscriptions: Vec<_> =
        (0..100).map(|_| bus.subscribe("x", |_| tokio::time::sleep(Duration::from_secs(1)))).collect();
    let began = Instant::now();
    assert_eq!(bus.publish("x", ()).await.handled, 100);
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn subscribers_may_publish_to_each_other_and_to_themselves() {
    let bus = EventBus::new();
    let (inner, outer) = (bus.clone(), bus.clone());
    let _ping = bus.subscribe("ping", move |event| {
        let bus = inner.clone();
        async move {
            tokio::task::yield_now().await;
            bus.publish("pong", event.decode::<u32>()?).await.into_result().map(drop)
        }
    });
    let _pong = bus.subscribe("pong", move |event| {
        let bus = outer.clone();
        async move {
            tokio::task::yield_now().await;
            match event.decode::<u32>()? {
                0 => Ok(()),
                left => bus.publish("ping", left - 1).await.into_result().map(drop),
            }
        }
    });
    let began = Instant::now();
    // Both are at work on a queue of their own when they publish to each other.
    bus.emit("ping", 3);
    bus.emit("pong", 3);
    assert!(bus.publish("ping", 20).await.is_ok());
    settled().await;
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for anybody who waits for him");
    assert_eq!((bus.stats().failed, bus.stats().queued, bus.stats().running), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_goes_away_leaves_its_subscribers_at_work() {
    let (bus, gate, seen) = (EventBus::new(), Gate::closed(), Numbers::default());
    let _slow = bus.subscribe("x", behind(&gate, &seen));
    let given_up = tokio::time::timeout(Duration::from_millis(10), bus.publish("x", 7)).await;
    assert!(given_up.is_err());
    gate.open();
    settled().await;
    assert_eq!(*seen.lock().unwrap(), [7]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_every_event_is_accounted_for() {
    #[module(imports = [EventBusModule::for_root(EventBusOptions::default().queue_len(8))])]
    struct AppModule;

    let (app, bus) = start_with::<AppModule>().await;
    let fails = bus.subscribe("load.*", |_| async { Err::<(), _>(TransportError::new("no")) });
    let panics = bus.subscribe("load.*", |event: ReceivedEvent| async move {
        tokio::task::yield_now().await;
        assert_ne!(event.decode::<u64>().unwrap() % 3, 0);
    });
    let leaves = bus.subscribe("load.*", |_| tokio::time::sleep(Duration::from_micros(50)));
    let matched = Arc::new(AtomicUsize::new(0));
    let load = (0..8_u64).map(|task| {
        let (bus, matched) = (bus.clone(), Arc::clone(&matched));
        tokio::spawn(async move {
            for number in 0..200_u64 {
                let subscribers = if (task + number) % 2 == 0 {
                    let published = bus.publish("load.publish", number).await;
                    published.handled + published.failed()
                } else {
                    let emitted = bus.emit("load.emit", number);
                    emitted.queued + emitted.dropped
                };
                matched.fetch_add(subscribers, Ordering::Relaxed);
            }
        })
    });
    let load = tokio::spawn(futures_util::future::join_all(load));
    tokio::task::yield_now().await;
    leaves.unsubscribe();
    for ended in load.await.unwrap() {
        ended.unwrap();
    }
    bus.drain(Duration::from_secs(10)).await;
    let stats = bus.stats();
    assert_eq!((stats.queued, stats.running), (0, 0));
    assert_eq!(accounted(stats), matched.load(Ordering::Relaxed) as u64);
    assert!(stats.delivered > 0 && stats.failed > 0 && stats.dropped > 0, "{stats:?}");
    assert_eq!(stats.published, 1600);
    drop((fails, panics));
    app.close().await;
}

#[test]
fn an_event_may_be_emitted_from_a_thread_that_knows_no_runtime() {
    #[module]
    struct AppModule;

    let bus = EventBus::new();
    let _subscription = bus.subscribe("x", |_| async {});
    let emitted = bus.emit("x", 1);
    assert_eq!((emitted.queued, emitted.dropped), (0, 1), "there is no runtime at all");
    assert_eq!((bus.stats().queued, bus.stats().dropped), (0, 1));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (app, bus) = runtime.block_on(start_with::<AppModule>());
    let done = Arc::new(Notify::new());
    let signal = Arc::clone(&done);
    let _subscription = bus.subscribe("x", move |_| {
        signal.notify_one();
        std::future::ready(())
    });
    assert_eq!(std::thread::spawn(move || bus.emit("x", 1).queued).join().unwrap(), 1);
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(10), done.notified()).await.expect("it is handled");
        app.close().await;
    });
}
