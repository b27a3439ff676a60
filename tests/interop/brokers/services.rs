//! What `tests/interop/broker-server.mjs` serves besides the contract, in Rust.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nestrs::microservices::{NatsContext, RedisContext};

use super::super::*;

/// What handlers have seen, for the test.
#[derive(Default)]
pub(super) struct Seen(Mutex<Vec<(&'static str, Value)>>);

impl Seen {
    fn note(&self, handler: &'static str, what: Value) {
        self.0.lock().unwrap().push((handler, what));
    }

    /// All that one handler has seen, in order.
    pub(super) fn by(&self, handler: &str) -> Vec<Value> {
        self.0.lock().unwrap().iter().filter(|(name, _)| *name == handler).map(|(_, what)| what.clone()).collect()
    }
}

#[injectable]
pub(super) struct Wild {
    pub(super) seen: Seen,
}

fn channel(nats: Option<&NatsContext>, redis: Option<&RedisContext>) -> String {
    nats.map(NatsContext::subject).or_else(|| redis.map(RedisContext::channel)).expect("a broker").to_owned()
}

#[micro_routes]
impl Wild {
    #[message_pattern("where.*")]
    async fn somewhere(&self, _data: Value, nats: Option<NatsContext>, redis: Option<RedisContext>) -> String {
        channel(nats.as_ref(), redis.as_ref())
    }

    /// `>` is NATS's and `*` Redis's; each broker has the other as a text that nobody sends to.
    #[message_pattern(["deep.>", "deep.*"])]
    async fn deep(&self, _data: Value, nats: Option<NatsContext>, redis: Option<RedisContext>) -> String {
        channel(nats.as_ref(), redis.as_ref())
    }

    #[event_pattern("log.*")]
    async fn log(&self, data: Value, nats: Option<NatsContext>, redis: Option<RedisContext>) {
        self.seen.note("log", json!({ "channel": channel(nats.as_ref(), redis.as_ref()), "data": data }));
    }

    #[message_pattern("headers")]
    async fn headers(&self, _data: Value, nats: Option<NatsContext>) -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in nats.iter().flat_map(|nats| nats.headers().iter()) {
            all.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        all
    }

    #[event_pattern("versioned")]
    async fn versioned(&self, _data: Value, metadata: &Metadata) {
        self.seen.note("versioned", json!(metadata.get("x-version")));
    }
}

#[module(imports = [ContractModule], providers = [Wild], microservices = [Wild])]
pub(super) struct BrokerModule;

/// Which of the replicas of this process it is.
struct Number(usize);

impl Default for Number {
    fn default() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

#[injectable]
pub(super) struct Replica {
    number: Number,
    pub(super) seen: Seen,
}

#[micro_routes]
impl Replica {
    #[message_pattern("who")]
    async fn who(&self) -> String {
        self.seen.note("who", json!(1));
        format!("nestrs {}", self.number.0)
    }

    #[event_pattern("shared")]
    async fn shared(&self, data: Value) {
        self.seen.note("shared", data);
    }

    #[event_pattern("broadcast", extras = { queue: "" })]
    async fn broadcast(&self, data: Value) {
        self.seen.note("broadcast", data);
    }
}

#[module(providers = [Replica], microservices = [Replica])]
pub(super) struct ReplicaModule;
