//! Events over Redis Streams: shared by the instances of a service, acknowledged after the handler, and kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nestrs::microservices::{RedisContext, RedisStreamsOptions, ServerStatus};
use serde_json::Value;
use tokio::sync::Notify;

use super::raw::Raw;
use super::*;

/// What the handlers of one instance saw.
#[derive(Default)]
struct Seen {
    /// By number, the deliveries of it.
    orders: Mutex<BTreeMap<i64, Vec<u32>>>,
    at: Mutex<Vec<std::time::Instant>>,
    held: AtomicUsize,
    release: Notify,
    failing: AtomicBool,
}

impl Seen {
    fn distinct(&self) -> usize {
        self.orders.lock().unwrap().len()
    }

    fn of(&self, order: i64) -> Vec<u32> {
        self.orders.lock().unwrap().get(&order).cloned().unwrap_or_default()
    }
}

#[injectable]
struct Orders {
    seen: Arc<Seen>,
}

#[micro_routes]
impl Orders {
    #[event_pattern("order")]
    async fn order(&self, order: i64, redis: RedisContext) -> Result<(), TransportError> {
        self.seen.orders.lock().unwrap().entry(order).or_default().push(redis.deliveries());
        self.seen.at.lock().unwrap().push(std::time::Instant::now());
        assert!(redis.stream_id().is_some() && redis.channel() == "order");
        match self.seen.failing.load(Ordering::Relaxed) {
            true => Err(TransportError::new("canary: not today")),
            false => Ok(()),
        }
    }

    #[event_pattern("held")]
    async fn held(&self, order: i64, redis: RedisContext) {
        self.seen.orders.lock().unwrap().entry(order).or_default().push(redis.deliveries());
        self.seen.held.fetch_add(1, Ordering::Relaxed);
        self.seen.release.notified().await;
    }

    #[message_pattern("ask")]
    async fn ask(&self, value: Value) -> Value {
        value
    }
}

#[module(providers = [Orders, Provider::value(Seen::default())], microservices = [Orders], exports = [Seen])]
struct OrdersModule;

const MILLI: Duration = Duration::from_millis(1);

fn streams() -> RedisStreamsOptions {
    RedisStreamsOptions::of("billing").delays([20 * MILLI, 60 * MILLI]).claim_after(300 * MILLI)
}

async fn instance(broker: &Broker, streams: RedisStreamsOptions) -> (RunningApp, Arc<Seen>) {
    let app = serve::<OrdersModule>(server(broker).streams(streams)).await;
    let seen = app.get::<Seen>().unwrap();
    (app, seen)
}

fn emitter(broker: &Broker) -> ClientProxy {
    client(to(broker).streams(true))
}

/// How many events the group has been given and not acknowledged.
async fn pending(raw: &mut Raw, key: &str) -> String {
    raw.command(&["XPENDING", key, "billing"]).await[0].clone()
}

async fn until_settled(raw: &mut Raw, key: &str) {
    let settling = async { while pending(raw, key).await != "0" {} };
    tokio::time::timeout(PATIENCE, settling).await.expect("all is settled in time");
}

/// A dead letter's fields.
fn fields(words: &[String]) -> HashMap<&str, &str> {
    words.chunks(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect()
}

#[tokio::test]
async fn br_6_instances_share_events_and_each_is_handled_once_and_acknowledged() {
    let Some(broker) = broker().await else { return };
    let client = emitter(&broker);
    // Before there is any instance.
    for order in 0..10 {
        client.emit("order", &order).await.unwrap();
    }
    let small = || serve::<OrdersModule>(server(&broker).streams(streams()).prefetch(4));
    let (first, second) = (small().await, small().await);
    let [one, two] = [&first, &second].map(|app| app.get::<Seen>().unwrap());
    let client = &client;
    let emit = |order: i64| async move { client.emit("order", &order).await };
    futures_util::future::try_join_all((10..200).map(emit)).await.unwrap();
    until(|| one.distinct() + two.distinct() == 200).await;
    let mut raw = Raw::connect(&broker).await;
    until_settled(&mut raw, "events:order").await;
    for order in 0..200 {
        assert_eq!([one.of(order), two.of(order)].concat(), [1], "{order}");
    }
    let services = [&first, &second].map(|app| app.servers().get("redis").unwrap().clone());
    // Each is counted once Redis has confirmed it, which is after it is settled there.
    let counted = until(|| services.iter().map(|service| service.stats().acknowledged_events).sum::<u64>() == 200);
    tokio::time::timeout(PATIENCE, counted).await.expect("each is acknowledged");
    // Calls go the way they always went, and what is published is for whoever hears it: no handler of events.
    assert_eq!(client.send::<_, i64>("ask", &7).await.unwrap(), 7);
    assert_eq!(raw.publish("order", r#"{"pattern":"order","data":1}"#).await, 0);
    // Neither can have them all: more than these it does not take.
    for order in 200..216 {
        client.emit("held", &order).await.unwrap();
    }
    let shared = until(|| [&one, &two].iter().all(|seen| seen.held.load(Ordering::Relaxed) == 4));
    tokio::time::timeout(PATIENCE, shared).await.expect("each has its share");
    let handled = async {
        while one.held.load(Ordering::Relaxed) + two.held.load(Ordering::Relaxed) < 16
            || pending(&mut raw, "events:held").await != "0"
        {
            one.release.notify_waiters();
            two.release.notify_waiters();
            tokio::time::sleep(2 * MILLI).await;
        }
    };
    tokio::time::timeout(PATIENCE, handled).await.expect("all are handled");
    first.close().await;
    second.close().await;
    assert_eq!(raw.command(&["XINFO", "CONSUMERS", "events:order", "billing"]).await, Vec::<String>::new());
}

#[tokio::test]
async fn br_6_br_7_what_failed_comes_again_with_growing_delay_and_a_count() {
    let Some(broker) = broker().await else { return };
    let (app, seen) = instance(&broker, streams().delays([20 * MILLI, 400 * MILLI])).await;
    seen.failing.store(true, Ordering::Relaxed);
    emitter(&broker).emit("order", &1).await.unwrap();
    until(|| seen.of(1).len() == 3).await;
    seen.failing.store(false, Ordering::Relaxed);
    until(|| seen.of(1).len() == 4).await;
    assert_eq!(seen.of(1), [1, 2, 3, 4]);
    let at = seen.at.lock().unwrap().clone();
    assert!(at[1] - at[0] >= 20 * MILLI && at[2] - at[1] >= 400 * MILLI && at[3] - at[2] >= 400 * MILLI, "{at:?}");
    let mut raw = Raw::connect(&broker).await;
    until_settled(&mut raw, "events:order").await;
    let service = app.servers().get("redis").unwrap().clone();
    let counted = until(|| service.stats().acknowledged_events == 1);
    tokio::time::timeout(PATIENCE, counted).await.expect("it is acknowledged");
    assert_eq!((service.stats().retried_events, service.stats().dead_events), (3, 0));
    app.close().await;
}

#[tokio::test]
async fn br_5_br_6_what_fails_too_often_or_cannot_be_read_is_a_dead_letter() {
    let Some(broker) = broker().await else { return };
    let (app, seen) = instance(&broker, streams().max_deliveries(2)).await;
    seen.failing.store(true, Ordering::Relaxed);
    let service = app.servers().get("redis").unwrap().clone();
    emitter(&broker).emit("order", &1).await.unwrap();
    until(|| service.stats().dead_events == 1).await;
    let mut raw = Raw::connect(&broker).await;
    let letter = raw.command(&["XRANGE", "events:order.dead", "-", "+"]).await;
    let told = fields(&letter[1..]);
    assert_eq!(told["packet"], r#"{"pattern":"order","data":1}"#);
    let expected = [("reason", "failed"), ("kind", "Application"), ("deliveries", "2"), ("group", "billing")];
    for (name, value) in expected {
        assert_eq!(told[format!("dead-{name}").as_str()], value);
    }
    assert!(told["dead-id"].contains('-') && !letter.concat().contains("canary"));

    // Somebody else's: no packet, and one that does not fit. Neither is tried twice.
    raw.command(&["XADD", "events:order", "*", "foreign", "5"]).await;
    until(|| service.stats().dead_events == 2).await;
    raw.command(&["XADD", "events:order", "*", "packet", r#"{"data":"no number"}"#]).await;
    until(|| service.stats().dead_events == 3).await;
    let letters = raw.command(&["XRANGE", "events:order.dead", "-", "+"]).await;
    for reason in ["unreadable", "invalid-payload"] {
        assert!(letters.iter().any(|word| word == reason), "{letters:?}");
    }
    assert!(letters.iter().any(|word| word == "foreign"));
    until_settled(&mut raw, "events:order").await;
    assert_eq!((seen.of(1), service.stats().retried_events), (vec![1, 2], 1));
    app.close().await;
}

#[test]
fn br_7_what_an_instance_had_that_is_gone_is_taken_over() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (gone, here) = (runtime(), runtime());
    let Some(broker) = here.block_on(broker()) else { return };
    let (app, first) = gone.block_on(instance(&broker, streams()));
    here.block_on(async {
        let client = emitter(&broker);
        for order in 0..5 {
            client.emit("held", &order).await.unwrap();
        }
        until(|| first.held.load(Ordering::Relaxed) == 5).await;
        // It is alive, and renews: nobody takes from it what takes long.
        let (second, other) = instance(&broker, streams()).await;
        tokio::time::sleep(700 * MILLI).await;
        assert_eq!(other.held.load(Ordering::Relaxed), 0);
        // Without a word: nothing of it runs any more, and its sockets are closed.
        gone.shutdown_background();
        until(|| other.held.load(Ordering::Relaxed) == 5).await;
        assert_eq!((0..5).map(|order| other.of(order)).collect::<Vec<_>>(), vec![vec![2]; 5]);
        for _ in 0..5 {
            other.release.notify_one();
        }
        until_settled(&mut Raw::connect(&broker).await, "events:held").await;
        second.close().await;
    });
    std::mem::forget(app);
}

#[tokio::test]
async fn br_8_what_an_ending_instance_cannot_finish_or_begin_goes_to_another_at_once() {
    let Some(broker) = broker().await else { return };
    let options = server(&broker).streams(streams().claim_after(Duration::from_secs(60))).prefetch(2);
    let app = serve::<OrdersModule>(options).await;
    let (first, client) = (app.get::<Seen>().unwrap(), emitter(&broker));
    for order in 0..10 {
        client.emit("held", &order).await.unwrap();
    }
    // Two are under way, and two wait here.
    until(|| first.held.load(Ordering::Relaxed) == 2).await;
    app.close().await;
    // Nothing has to be taken over.
    let (second, other) = instance(&broker, streams().claim_after(Duration::from_secs(60))).await;
    let taken = until(|| other.held.load(Ordering::Relaxed) == 10);
    tokio::time::timeout(PATIENCE, taken).await.expect("long before anything is taken over");
    // Those that were begun count as delivered.
    let again = (0..10).filter(|order| other.of(*order) == [2]).count();
    let new = (0..10).filter(|order| other.of(*order) == [1]).count();
    assert_eq!((again, new), (2, 8));
    other.release.notify_waiters();
    until_settled(&mut Raw::connect(&broker).await, "events:held").await;
    second.close().await;
}

#[tokio::test]
async fn br_6_confirmed_events_survive_a_broker_that_is_killed_twice_under_load() {
    let Some(mut broker) = Broker::start_or_skip(Redis::new().durable()).await else { return };
    let (app, seen) = instance(&broker, streams()).await;
    let client = emitter(&broker);
    let (stop, confirmed) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let emitting = tokio::spawn({
        let (client, stop, confirmed) = (client.clone(), Arc::clone(&stop), Arc::clone(&confirmed));
        async move {
            // 500 a second, each on its own.
            let mut tick = tokio::time::interval(2 * MILLI);
            let mut tasks = tokio::task::JoinSet::new();
            for order in 0_i64.. {
                tick.tick().await;
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let (client, confirmed) = (client.clone(), Arc::clone(&confirmed));
                tasks.spawn(async move {
                    if client.emit("order", &order).await.is_ok() {
                        confirmed.lock().unwrap().push(order);
                    }
                });
            }
            tasks.join_all().await;
        }
    });
    let service = app.servers().get("redis").unwrap().clone();
    let mut enough = 200;
    for _ in 0..2 {
        until(|| confirmed.lock().unwrap().len() >= enough).await;
        broker.kill().await.unwrap();
        until(|| service.current_status() != ServerStatus::Listening).await;
        broker.restart().await.unwrap();
        until(|| service.current_status() == ServerStatus::Listening).await;
        enough = confirmed.lock().unwrap().len() + 200;
    }
    until(|| confirmed.lock().unwrap().len() >= enough).await;
    stop.store(true, Ordering::Relaxed);
    emitting.await.unwrap();
    let confirmed = confirmed.lock().unwrap().clone();
    let mut lost = Vec::new();
    let arriving = async {
        loop {
            lost = confirmed.iter().copied().filter(|order| seen.of(*order).is_empty()).collect();
            if lost.is_empty() {
                break;
            }
            tokio::time::sleep(10 * MILLI).await;
        }
    };
    let arrived = tokio::time::timeout(PATIENCE, arriving).await;
    assert!(arrived.is_ok(), "{} of {} are lost: {lost:?}", lost.len(), confirmed.len());
    until_settled(&mut Raw::connect(&broker).await, "events:order").await;
    let runs: usize = seen.orders.lock().unwrap().values().map(Vec::len).sum();
    let twice = runs - seen.distinct();
    // Those whose acknowledgement was under way when the broker was killed.
    tracing::info!(confirmed = confirmed.len(), runs, twice, "what became of them");
    assert!(twice <= 300, "{twice} of {runs}");
    app.close().await;
}

#[tokio::test]
async fn br_3_a_database_that_was_emptied_gets_its_groups_back() {
    let Some(broker) = broker().await else { return };
    let (app, seen) = instance(&broker, streams()).await;
    let (client, mut raw) = (emitter(&broker), Raw::connect(&broker).await);
    client.emit("order", &1).await.unwrap();
    until(|| seen.distinct() == 1).await;
    raw.command(&["FLUSHALL"]).await;
    client.emit("order", &2).await.unwrap();
    tokio::time::timeout(PATIENCE, until(|| seen.distinct() == 2)).await.expect("there is a group again");
    until_settled(&mut raw, "events:order").await;
    app.close().await;
}

#[tokio::test]
async fn streams_are_bounded_and_what_is_gone_before_its_retry_is_counted() {
    let Some(broker) = Broker::start_or_skip(Redis::new().line("stream-node-max-entries 10")).await else { return };
    let (app, seen) = instance(&broker, streams().delays([300 * MILLI])).await;
    let client = client(to(&broker).streams(true).stream_max_len(20));
    seen.failing.store(true, Ordering::Relaxed);
    client.emit("order", &0).await.unwrap();
    until(|| seen.distinct() == 1).await;
    seen.failing.store(false, Ordering::Relaxed);
    for order in 1..100 {
        client.emit("order", &order).await.unwrap();
    }
    let mut raw = Raw::connect(&broker).await;
    let len: usize = raw.command(&["XLEN", "events:order"]).await[0].parse().unwrap();
    assert!((20..=40).contains(&len), "{len}");
    let service = app.servers().get("redis").unwrap().clone();
    let counted = until(|| service.stats().dropped_events == 1);
    tokio::time::timeout(PATIENCE, counted).await.expect("what is gone is counted");
    until_settled(&mut raw, "events:order").await;
    assert_eq!(seen.of(0), [1]);
    app.close().await;
}

#[tokio::test]
async fn cl_3_an_event_that_redis_does_not_take_is_no_success() {
    let Some(broker) = broker().await else { return };
    let client = emitter(&broker);
    let mut raw = Raw::connect(&broker).await;
    raw.command(&["SET", "events:order", "somebody's"]).await;
    let error = client.emit("order", &1).await.unwrap_err();
    assert_eq!(error.sent(), Some(Sent::No), "{error}");
    // Nor does a service start that would never get one.
    let options = server(&broker).streams(streams());
    let starting = NestFactory::create_microservice_redis::<OrdersModule>(options).start();
    let error = tokio::time::timeout(PATIENCE, starting).await.expect("at once").unwrap_err().to_string();
    assert!(error.contains("events:order") && error.contains("WRONGTYPE"), "{error}");
    raw.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let error = client.emit("other", &1).await.unwrap_err();
    assert!(error.to_string().contains("OOM") && error.sent() == Some(Sent::No), "{error}");
}

#[tokio::test]
async fn a_wildcard_is_no_stream() {
    #[injectable]
    struct Wild;
    #[micro_routes]
    impl Wild {
        #[event_pattern("order:*")]
        async fn all(&self, _value: Value) {}
    }
    #[module(providers = [Wild], microservices = [Wild])]
    struct WildModule;
    let Some(broker) = broker().await else { return };
    let options = server(&broker).wildcards(true).streams(streams());
    let error = NestFactory::create_microservice_redis::<WildModule>(options).start().await.unwrap_err().to_string();
    assert!(error.contains("`order:*` is a wildcard"), "{error}");
}
