//! A service and a client of events that NATS or Redis keeps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nestrs::RunningApp;
use nestrs::microservices::{
    JetStreamEmitOptions, JetStreamOptions, NatsMicroserviceOptions, NatsTransport, NatsTransportOptions,
    RedisMicroserviceOptions, RedisStreamsOptions, RedisTransport, RedisTransportOptions, Transport,
};
use nestrs::prelude::*;

/// How long handlers may go on at the end.
const GRACE: Duration = Duration::from_secs(1);
/// How soon what a lost service had is given to another.
const TAKEN_OVER: Duration = Duration::from_secs(2);
/// How long the broker is away before its silence is a loss.
const PING: Duration = Duration::from_millis(500);
/// A delivery that a broken connection ate is no failure of a handler; there are many.
const DELIVERIES: u32 = 50;
/// Of the events.
pub(super) const PATTERN: &str = "kept.noted";

/// Which broker, and how it keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    JetStream,
    Streams,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::JetStream => "jetstream",
            Self::Streams => "streams",
        }
    }
}

/// How both ends are made.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    kind: Kind,
    address: String,
}

impl Ends {
    pub(super) fn new(kind: Kind, address: &str) -> Self {
        Self { kind, address: address.to_owned() }
    }

    pub(super) async fn serve(&self) -> Result<RunningApp, ListenError> {
        match self.kind {
            Kind::JetStream => {
                let kept =
                    JetStreamOptions::stream("KEPT").subject("kept.>").ack_wait(TAKEN_OVER).max_deliveries(DELIVERIES);
                let options = NatsMicroserviceOptions::to(&self.address)
                    .queue("kept")
                    .jetstream(kept)
                    .ping_interval(PING)
                    .grace_period(GRACE)
                    .wait_forever();
                NestFactory::create_microservice::<KeptModule>(options).start().await
            }
            Kind::Streams => {
                let kept = RedisStreamsOptions::of("kept").claim_after(TAKEN_OVER).max_deliveries(DELIVERIES);
                let options = RedisMicroserviceOptions::to(&self.address)
                    .streams(kept)
                    .ping_interval(PING)
                    .grace_period(GRACE)
                    .wait_forever(true);
                NestFactory::create_microservice::<KeptModule>(options).start().await
            }
        }
    }

    /// What the broker says of the events and of those who take them, for whoever looks for one that is missing.
    pub(super) async fn seen_by_the_broker(&self) -> String {
        if self.kind == Kind::Streams {
            return String::new();
        }
        let Ok(client) = async_nats::connect(&self.address).await else { return "unreachable".to_owned() };
        let mut said = String::new();
        for subject in ["$JS.API.STREAM.INFO.KEPT", "$JS.API.CONSUMER.LIST.KEPT"] {
            let answer = client.request(subject, "".into()).await.map(|answer| answer.payload);
            said.push_str(&String::from_utf8_lossy(&answer.unwrap_or_default()));
        }
        said
    }

    pub(super) fn client(&self) -> ClientProxy {
        let transport: Arc<dyn Transport> = match self.kind {
            Kind::JetStream => {
                let options = NatsTransportOptions::to(&self.address)
                    .jetstream(JetStreamEmitOptions::default())
                    .ping_interval(PING);
                Arc::new(NatsTransport::new(options))
            }
            Kind::Streams => {
                let options = RedisTransportOptions::to(&self.address).streams(true).ping_interval(PING);
                Arc::new(RedisTransport::new(options))
            }
        };
        ClientProxy::new(transport)
    }
}

/// A service that remembers what it has handled, and how often.
#[injectable]
pub(super) struct Handled {
    times: Mutex<HashMap<u64, u32>>,
}

impl Handled {
    fn times(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> HashMap<u64, u32> {
        self.times().clone()
    }

    /// Begins anew.
    pub(super) fn forget(&self) {
        self.times().clear();
    }
}

#[micro_routes]
impl Handled {
    /// Noted when it is done: one that was dropped half-way has not been handled.
    #[event_pattern("kept.noted")]
    async fn noted(&self, nonce: u64) {
        tokio::time::sleep(Duration::from_millis(nonce % 10)).await;
        *self.times().entry(nonce).or_default() += 1;
    }
}

#[module(providers = [Handled], microservices = [Handled])]
struct KeptModule;
