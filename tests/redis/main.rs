//! Microservices and clients over a real Redis server, each test's own.

#![cfg(feature = "microservices-redis")]

mod access;
mod bounds;
mod calls;
mod channels;
mod losses;
mod raw;
mod streams;
mod wire;

#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use nestrs::microservices::{Backoff, ClientStatus, RedisMicroserviceOptions, RedisTransport, RedisTransportOptions};
use nestrs::prelude::*;
use nestrs::{RunningApp, Sent};
use nestrs_brokers::{Broker, Redis};

use support::connection::{Calls, CallsModule, until};
use support::contract::{Contract, ContractModule};
use support::raw::PATIENCE;

/// A server of one's own; `None` where there is none to be had.
async fn broker() -> Option<Broker> {
    Broker::start_or_skip(Redis::new()).await
}

/// Pauses short enough to wait for.
fn soon() -> Backoff {
    Backoff { min: Duration::from_millis(2), max: Duration::from_millis(20), ..Backoff::default() }
}

fn server(broker: &Broker) -> RedisMicroserviceOptions {
    RedisMicroserviceOptions::to(&broker.address()).backoff(soon()).grace_period(Duration::from_millis(200))
}

fn to(broker: &Broker) -> RedisTransportOptions {
    RedisTransportOptions::to(&broker.address()).backoff(soon()).request_timeout(Some(PATIENCE))
}

async fn serve<M: nestrs::Module>(options: RedisMicroserviceOptions) -> RunningApp {
    NestFactory::create_microservice_redis::<M>(options).start().await.expect("the application starts")
}

fn client(options: RedisTransportOptions) -> ClientProxy {
    ClientProxy::new(Arc::new(RedisTransport::new(options)))
}

/// Waits until the client says so of itself.
async fn becomes(client: &ClientProxy, expected: impl Fn(&ClientStatus) -> bool) {
    let mut statuses = client.status();
    let waiting = async { while !expected(&statuses.next().await.expect("it is open")) {} };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it does so in time");
}
