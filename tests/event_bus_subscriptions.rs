//! Subscribers of the event bus that are made at run time: functions, the next event, streams of events.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use nestrs::prelude::*;
use nestrs::{EventStream, ReceivedEvent};
use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;

#[event("order.created")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OrderCreated {
    id: u64,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// A subscriber that writes who got what.
    fn writer(&self, who: &'static str) -> impl Fn(ReceivedEvent) -> std::future::Ready<()> + Send + Sync + 'static {
        let log = self.clone();
        move |event| {
            log.add(format!("{who} {} {}", event.name(), event.payload().value().unwrap()));
            std::future::ready(())
        }
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("in time")
}

fn names(events: &[ReceivedEvent]) -> Vec<String> {
    events.iter().map(|event| event.name().to_owned()).collect()
}

#[tokio::test]
async fn functions_get_events_in_the_order_they_were_subscribed() {
    let (bus, log) = (EventBus::new(), Log::default());
    let _first = bus.subscribe("order.*", log.writer("first"));
    let _second = bus.subscribe("order.created", log.writer("second"));
    let third = bus.subscribe("**", log.writer("third"));
    assert_eq!(bus.publish("order.created", 1).await.handled, 3);
    assert_eq!(log.take(), ["first order.created 1", "second order.created 1", "third order.created 1"]);
    assert_eq!(bus.stats().subscribers, 3);

    third.unsubscribe();
    assert_eq!(bus.publish("order.created", 2).await.handled, 2);
    assert_eq!(log.take().len(), 2);
    assert_eq!(bus.stats().subscribers, 2);
}

#[tokio::test]
async fn methods_come_before_functions_whenever_those_were_made() {
    /// Subscribes while the application is being built.
    struct Early;

    #[injectable]
    struct Service {
        _early: Arc<Early>,
        log: Arc<Log>,
    }

    #[event_routes]
    impl Service {
        #[on_event("late")]
        fn method(&self) {
            self.log.add("method");
        }
    }

    fn early(bus: Arc<EventBus>, log: Arc<Log>) -> Early {
        bus.subscribe("late", log.writer("function")).keep();
        Early
    }

    #[module(providers = [Service, Provider::value(Log::default()), Provider::factory(early)], exports = [Log])]
    struct ServiceModule;

    let app = NestFactory::create::<ServiceModule>().start("127.0.0.1:0").await.unwrap();
    app.get::<EventBus>().unwrap().publish("late", ()).await;
    assert_eq!(app.get::<Log>().unwrap().take(), ["method", "function late null"]);
    app.close().await;
}

#[tokio::test]
async fn dropping_a_subscription_unsubscribes_and_keeping_it_does_not() {
    let (bus, log) = (EventBus::new(), Log::default());
    let dropped = bus.subscribe("x", log.writer("dropped"));
    assert!(dropped.is_active());
    drop(dropped);
    bus.subscribe("x", log.writer("kept")).keep();
    bus.publish("x", 1).await;
    assert_eq!(log.take(), ["kept x 1"]);
}

#[tokio::test]
async fn an_event_that_waits_is_not_delivered_after_unsubscribing() {
    let (bus, log) = (EventBus::new(), Log::default());
    let subscription = bus.subscribe("x", log.writer("a"));
    assert_eq!(bus.emit("x", 1).queued, 1);
    subscription.unsubscribe();
    tokio::task::yield_now().await;
    assert_eq!(log.take(), Vec::<String>::new());
    assert_eq!((bus.stats().dropped, bus.stats().queued), (1, 0));
}

#[tokio::test]
async fn a_function_may_take_the_type_of_an_event() {
    let (bus, log) = (EventBus::new(), Log::default());
    let sink = log.clone();
    let _subscription = bus.subscribe_event(move |event: OrderCreated| {
        let sink = sink.clone();
        async move {
            sink.add(format!("{event:?}"));
            if event.id == 0 { Err(TransportError::new("no id")) } else { Ok(()) }
        }
    });
    assert!(bus.publish_event(&OrderCreated { id: 7 }).await.is_ok());
    assert_eq!(bus.publish_event(&OrderCreated { id: 0 }).await.into_result().unwrap_err().message, "no id");
    assert_eq!(bus.publish("order.created", "no order").await.failed(), 1);
    assert_eq!(log.take(), ["OrderCreated { id: 7 }", "OrderCreated { id: 0 }"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn once_is_for_one_event_also_when_several_are_published_at_a_time() {
    let bus = EventBus::new();
    for round in 0..20 {
        // Many, so that publishers find them at the same time.
        let once: Vec<_> = (0..500).map(|_| bus.subscribe_once("x.*", |_| async {})).collect();
        let together = Arc::new(Barrier::new(4));
        let publishing = (0..4).map(|number| {
            let (bus, together) = (bus.clone(), Arc::clone(&together));
            tokio::spawn(async move {
                together.wait().await;
                bus.publish(format!("x.{number}"), ()).await.handled
            })
        });
        let handled: usize = futures_util::future::join_all(publishing).await.into_iter().map(Result::unwrap).sum();
        assert_eq!(handled, 500, "round {round}");
        assert!(once.iter().all(|subscription| !subscription.is_active()));
    }
    assert_eq!(bus.stats().subscribers, 0);
}

#[tokio::test]
async fn the_next_event_is_the_next_from_the_call_and_not_from_the_await() {
    let bus = EventBus::new();
    let next = bus.once("order.*");
    bus.publish_event(&OrderCreated { id: 1 }).await;
    bus.publish_event(&OrderCreated { id: 2 }).await;
    let event = soon(next).await.unwrap();
    assert_eq!((event.name(), event.decode::<OrderCreated>().unwrap()), ("order.created", OrderCreated { id: 1 }));
    assert_eq!((bus.stats().subscribers, bus.stats().dropped), (0, 0));

    drop(bus.once("order.*"));
    assert_eq!(bus.publish_event(&OrderCreated { id: 3 }).await.handled, 0, "who waits no longer is no subscriber");
}

#[tokio::test]
async fn a_stream_gives_events_in_order_and_ends_with_the_bus() {
    let bus = EventBus::new();
    let mut stream = bus.stream("order.**");
    for number in 0..3 {
        bus.publish(format!("order.{number}"), number).await;
    }
    bus.emit("order", 3);
    assert_eq!(soon(stream.next()).await.unwrap().decode::<u8>().unwrap(), 0);
    bus.close(Duration::ZERO).await;
    let rest: Vec<_> = soon(StreamExt::collect(stream)).await;
    assert_eq!(names(&rest), ["order.1", "order.2", "order"]);
    assert!(soon(bus.once("order")).await.is_none(), "nothing will be published any more");
    assert!(soon(bus.stream("order").next()).await.is_none());
}

#[tokio::test]
async fn rq_13_a_stream_that_is_not_read_keeps_its_bound_and_the_rest_is_counted() {
    let bus = EventBus::new();
    let mut stream: EventStream = bus.stream_bounded("x", 2);
    let reports: Vec<_> = (0..5).map(|number| bus.emit("x", number)).collect();
    assert_eq!(
        reports.iter().map(|report| (report.queued, report.dropped)).collect::<Vec<_>>(),
        [(1, 0), (1, 0), (0, 1), (0, 1), (0, 1)]
    );
    let read = [stream.next().now_or_never(), stream.next().now_or_never()];
    assert_eq!(read.map(|event| event.unwrap().unwrap().decode::<u8>().unwrap()), [0, 1], "the oldest are kept");
    assert!(stream.next().now_or_never().is_none());
    assert_eq!((bus.stats().delivered, bus.stats().dropped), (2, 3));
    drop(stream);
    assert_eq!(bus.stats().subscribers, 0);
}

#[tokio::test]
async fn there_are_so_many_subscribers_and_no_more() {
    #[module(imports = [EventBusModule::for_root(EventBusOptions::default().subscribers_max(2))])]
    struct AppModule;

    let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await.unwrap();
    let (bus, log) = (app.get::<EventBus>().unwrap(), Log::default());
    let first = bus.subscribe("x", log.writer("first"));
    let _second = bus.subscribe("x", log.writer("second"));
    let third = bus.subscribe("x", log.writer("third"));
    assert!(first.is_active() && !third.is_active());
    assert!(soon(bus.once("x")).await.is_none(), "one that is not let in does not wait");
    assert_eq!(bus.publish("x", ()).await.handled, 2);
    drop(first);
    let fourth = bus.subscribe("x", log.writer("fourth"));
    assert!(fourth.is_active());
    app.close().await;
    assert!(!fourth.is_active());
}
