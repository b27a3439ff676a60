//! A service and a client over either broker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nestrs::microservices::{
    Backoff, NatsMicroserviceOptions, NatsTransport, NatsTransportOptions, RedisMicroserviceOptions, RedisTransport,
    RedisTransportOptions, Transport,
};
use nestrs::prelude::*;
use nestrs::{Module, RunningApp};

use crate::load::Journal;
use crate::server::{Receipt, Work, seal};
use crate::settings::{Profile, Settings};

/// How long handlers may go on at the end.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How long calls and events wait for a connection: less than the broker is away, so that some end meanwhile.
const WAIT: Duration = Duration::from_millis(100);

/// Pauses of a second at most between two tries to connect: with the five seconds of the defaults, the two seconds of BR-3 are
/// kept after outages that are over before the pauses are so long.
fn soon() -> Backoff {
    Backoff { max: Duration::from_secs(1), ..Backoff::default() }
}

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nats,
    Redis,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
        }
    }
}

/// How both ends are made.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    kind: Kind,
    address: String,
    /// How soon silence is noticed, where that is not left to the defaults: how often the broker is asked, and how long it may
    /// be dialled.
    impatient: Option<(Duration, Duration)>,
}

impl Ends {
    pub(super) fn new(kind: Kind, address: &str, settings: &Settings) -> Self {
        let quick = settings.profile == Profile::Quick;
        let impatient = quick.then_some((Duration::from_millis(200), Duration::from_millis(500)));
        Self { kind, address: address.to_owned(), impatient }
    }

    /// Waits for the broker, if it has to.
    pub(super) async fn serve<M: Module>(&self) -> Result<RunningApp, ListenError> {
        match self.kind {
            Kind::Nats => {
                let mut options =
                    NatsMicroserviceOptions::to(&self.address).backoff(soon()).grace_period(GRACE).wait_forever();
                if let Some((ping, dial)) = self.impatient {
                    options = options.ping_interval(ping).connect_timeout(dial);
                }
                NestFactory::create_microservice::<M>(options).start().await
            }
            Kind::Redis => {
                let mut options =
                    RedisMicroserviceOptions::to(&self.address).backoff(soon()).grace_period(GRACE).wait_forever(true);
                if let Some((ping, dial)) = self.impatient {
                    options = options.ping_interval(ping).connect_timeout(dial);
                }
                NestFactory::create_microservice::<M>(options).start().await
            }
        }
    }

    pub(super) fn client(&self) -> ClientProxy {
        let transport: Arc<dyn Transport> = match self.kind {
            Kind::Nats => {
                let mut options = NatsTransportOptions::to(&self.address).backoff(soon()).connect_wait(WAIT);
                if let Some((ping, dial)) = self.impatient {
                    options = options.ping_interval(ping).connect_timeout(dial);
                }
                Arc::new(NatsTransport::new(options))
            }
            Kind::Redis => {
                let mut options = RedisTransportOptions::to(&self.address).backoff(soon()).connect_wait(WAIT);
                if let Some((ping, dial)) = self.impatient {
                    options = options.ping_interval(ping).connect_timeout(dial);
                }
                Arc::new(RedisTransport::new(options))
            }
        };
        ClientProxy::new(transport)
    }
}

type Times = Mutex<HashMap<u64, u32>>;

/// A service that remembers what it has handled.
#[injectable]
pub(super) struct Counted {
    worked: Times,
    noted: Times,
    held: Times,
}

fn all(times: &Times) -> MutexGuard<'_, HashMap<u64, u32>> {
    times.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(times: &Times, nonce: u64) {
    *all(times).entry(nonce).or_default() += 1;
}

impl Counted {
    /// Begins anew.
    pub(super) fn forget(&self) {
        for times in [&self.worked, &self.noted, &self.held] {
            all(times).clear();
        }
    }

    pub(super) fn journal(&self) -> Journal {
        all(&self.worked).iter().map(|(nonce, times)| (*nonce, *times)).collect()
    }

    pub(super) fn noted(&self, nonce: u64) -> u32 {
        all(&self.noted).get(&nonce).copied().unwrap_or_default()
    }

    pub(super) fn held(&self, nonce: u64) -> bool {
        all(&self.held).contains_key(&nonce)
    }
}

#[micro_routes]
impl Counted {
    #[message_pattern("work")]
    async fn work(&self, work: Work) -> Receipt {
        count(&self.worked, work.nonce);
        tokio::time::sleep(Duration::from_millis(work.millis)).await;
        Receipt { nonce: work.nonce, seal: seal(work.nonce), pad: work.pad }
    }

    #[message_pattern("echo")]
    async fn echo(&self, number: u64) -> u64 {
        number
    }

    /// Its callers' time is over before it is done.
    #[message_pattern("hold")]
    async fn hold(&self, nonce: u64) -> u64 {
        count(&self.held, nonce);
        std::future::pending().await
    }

    #[event_pattern("noted")]
    async fn noted_down(&self, nonce: u64) {
        count(&self.noted, nonce);
    }
}

#[module(providers = [Counted], microservices = [Counted])]
pub(super) struct LossModule;

/// A service that begins while there is no broker.
#[injectable]
struct Late;

#[micro_routes]
impl Late {
    #[message_pattern("late")]
    async fn late(&self, number: u64) -> u64 {
        number
    }
}

#[module(providers = [Late], microservices = [Late])]
pub(super) struct LateModule;
