//! Transports over a broker: each run's own, killed to cut the way.

use std::sync::Arc;
use std::time::Duration;

use nestrs::microservices::{
    MicroserviceOptions, NatsMicroserviceOptions, NatsTransport, NatsTransportOptions, RedisMicroserviceOptions,
    RedisTransport, RedisTransportOptions, Transport, TransportServer,
};
use nestrs::prelude::*;
use nestrs::testing::conformance::{ConformanceTarget, Offer, Promise};
use nestrs_brokers::Broker;
use tokio::sync::Mutex;

use super::local::{GRACE, PATIENCE, WAIT, soon};

const A_BROKER_BETWEEN: &str = "the broker does not say when a caller goes";

/// Ends a broker without a word.
async fn cut(broker: &Mutex<Broker>) -> Result<(), TransportError> {
    broker.lock().await.kill().await.map_err(TransportError::caused_by)
}

/// Starts it anew, if it does not run.
async fn mend(broker: &Mutex<Broker>) -> Result<(), TransportError> {
    let mut broker = broker.lock().await;
    if broker.id().is_none() {
        broker.restart().await.map_err(TransportError::caused_by)?;
    }
    Ok(())
}

pub(crate) struct Nats(Mutex<Broker>, String);

impl Nats {
    pub(crate) async fn begin() -> Option<Self> {
        let broker = Broker::start_or_skip(nestrs_brokers::Nats::new().line("max_payload: 65536")).await?;
        let address = broker.address();
        Some(Self(Mutex::new(broker), address))
    }
}

#[async_trait]
impl ConformanceTarget for Nats {
    fn name(&self) -> &str {
        "NATS"
    }

    fn offer(&self, promise: Promise) -> Offer {
        if promise == Promise::CallerGone { Offer::no(A_BROKER_BETWEEN) } else { Offer::Yes }
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn server(&self) -> Result<Box<dyn TransportServer>, TransportError> {
        Ok(NatsMicroserviceOptions::to(&self.1).backoff(soon()).grace_period(GRACE).into_server())
    }

    async fn client(&self, _address: &str) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(NatsTransport::new(NatsTransportOptions::to(&self.1).backoff(soon()).connect_wait(WAIT))))
    }

    async fn cut(&self) -> Result<(), TransportError> {
        cut(&self.0).await
    }

    async fn mend(&self) -> Result<(), TransportError> {
        mend(&self.0).await
    }
}

pub(crate) struct Redis(Mutex<Broker>, String);

impl Redis {
    pub(crate) async fn begin() -> Option<Self> {
        let broker = Broker::start_or_skip(nestrs_brokers::Redis::new()).await?;
        let address = broker.address();
        Some(Self(Mutex::new(broker), address))
    }
}

#[async_trait]
impl ConformanceTarget for Redis {
    fn name(&self) -> &str {
        "Redis"
    }

    fn offer(&self, promise: Promise) -> Offer {
        match promise {
            Promise::CallerGone => Offer::no(A_BROKER_BETWEEN),
            Promise::Replicas => Offer::no("publish and subscribe gives every instance every message (RD-2)"),
            _ => Offer::Yes,
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn server(&self) -> Result<Box<dyn TransportServer>, TransportError> {
        let options = RedisMicroserviceOptions::to(&self.1).backoff(soon()).grace_period(GRACE);
        Ok(options.max_message_bytes(self.max_message_bytes()).into_server())
    }

    async fn client(&self, _address: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let options = RedisTransportOptions::to(&self.1).backoff(soon()).connect_wait(WAIT);
        Ok(Arc::new(RedisTransport::new(options.max_message_bytes(self.max_message_bytes()))))
    }

    async fn cut(&self) -> Result<(), TransportError> {
        cut(&self.0).await
    }

    async fn mend(&self) -> Result<(), TransportError> {
        mend(&self.0).await
    }
}
