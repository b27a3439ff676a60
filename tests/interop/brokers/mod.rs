//! NestJS and we over message brokers, in both directions, in both majors; and NestJS with itself, to know that the cases
//! hold there.

mod nest_client;
mod our_client;
#[path = "../../redis/raw.rs"]
#[allow(dead_code, reason = "an onlooker is for the tests of Redis alone")]
mod raw;
mod services;
mod transcripts;

use std::time::Duration;

use nestrs::RunningApp;
use nestrs::microservices::{
    NatsMicroserviceOptions, NatsTransport, NatsTransportOptions, RedisMicroserviceOptions, RedisTransport,
    RedisTransportOptions,
};
use nestrs_brokers::{Broker, Nats, Redis};

use super::*;
use services::{BrokerModule, ReplicaModule};

/// What each of the replicas of one service is called after: its queue group, where there is one.
const TEAM: &str = "team";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nats,
    Redis,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
        }
    }

    /// A broker of one's own, where there is one, and Node beside it.
    async fn start(self, test: &str) -> Option<Broker> {
        if !is_available(test) {
            return None;
        }
        self.start_broker().await
    }

    async fn start_broker(self) -> Option<Broker> {
        match self {
            // Room for the longest payloads of the contract.
            Self::Nats => Broker::start_or_skip(Nats::new().line("max_payload: 8388608")).await,
            Self::Redis => Broker::start_or_skip(Redis::new()).await,
        }
    }

    /// The contract, and what only brokers have.
    async fn serve(self, broker: &Broker) -> RunningApp {
        let app = match self {
            Self::Nats => NestFactory::create_microservice_nats::<BrokerModule>(nats(broker)).start().await,
            Self::Redis => {
                NestFactory::create_microservice_redis::<BrokerModule>(redis(broker).wildcards(true)).start().await
            }
        };
        app.expect("the application starts")
    }

    /// One of several replicas of another service.
    async fn serve_replica(self, broker: &Broker) -> RunningApp {
        let app = match self {
            Self::Nats => {
                NestFactory::create_microservice_nats::<ReplicaModule>(nats(broker).queue(TEAM)).start().await
            }
            Self::Redis => NestFactory::create_microservice_redis::<ReplicaModule>(redis(broker)).start().await,
        };
        app.expect("the replica starts")
    }

    /// A client with the options that everyone has, but for what a test must not wait for.
    fn client(self, broker: &Broker, timeout: Duration) -> ClientProxy {
        self.client_with(broker, timeout, true)
    }

    /// One that sends what NestJS's sends, and no deadline.
    fn plain_client(self, broker: &Broker) -> ClientProxy {
        self.client_with(broker, support::raw::PATIENCE, false)
    }

    fn client_with(self, broker: &Broker, timeout: Duration, deadline: bool) -> ClientProxy {
        ClientProxy::new(match self {
            Self::Nats => Arc::new(NatsTransport::new(
                NatsTransportOptions::to(&broker.address()).request_timeout(Some(timeout)).send_deadline(deadline),
            )),
            Self::Redis => Arc::new(RedisTransport::new(
                RedisTransportOptions::to(&broker.address()).request_timeout(Some(timeout)).send_deadline(deadline),
            )),
        })
    }
}

fn nats(broker: &Broker) -> NatsMicroserviceOptions {
    NatsMicroserviceOptions::to(&broker.address()).grace_period(Duration::from_secs(2))
}

fn redis(broker: &Broker) -> RedisMicroserviceOptions {
    RedisMicroserviceOptions::to(&broker.address()).grace_period(Duration::from_secs(2))
}

/// A NestJS process with the same services, once it has subscribed to everything.
async fn nest_services(kind: Kind, broker: &Broker, major: &str) -> Node {
    let mut node = Node::run("broker-server.mjs", &[major, kind.name(), &broker.address()]);
    assert_eq!(node.report().await, Some(json!({ "ready": true })));
    node
}
