//! A transport that is told how each call ends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nestrs::Sent;
use nestrs::microservices::{CallOptions, CircuitBreaker, ClientConfig, Transport};
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What a service does with one call.
#[derive(Clone, Copy)]
pub enum Act {
    Answer,
    /// Answers after so many milliseconds.
    AnswerAfter(u64),
    Fail(ErrorKind, Sent),
    /// Never answers.
    Hang,
}

/// A service that acts as it is told, call by call; the last act stays.
#[derive(Clone)]
pub struct Actor {
    acts: Arc<Mutex<VecDeque<Act>>>,
    calls: Arc<Mutex<Vec<Instant>>>,
}

impl Actor {
    pub fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self { acts: Arc::new(Mutex::new(acts.into_iter().collect())), calls: Arc::default() }
    }

    pub fn acts(&self, acts: impl IntoIterator<Item = Act>) {
        *self.acts.lock().unwrap() = acts.into_iter().collect();
    }

    pub fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub fn config(&self) -> ClientConfig {
        ClientConfig { name: "ACTOR", transport: Arc::new(self.clone()) }
    }

    async fn act(&self, timeout: Option<Duration>) -> Result<Payload, TransportError> {
        self.calls.lock().unwrap().push(Instant::now());
        let act = {
            let mut acts = self.acts.lock().unwrap();
            if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0] }
        };
        let acting = async {
            match act {
                Act::Answer => Ok(Payload::from_value(json!(1))),
                Act::AnswerAfter(milliseconds) => {
                    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                    Ok(Payload::from_value(json!(1)))
                }
                Act::Fail(kind, sent) => Err(TransportError::new(format!("{kind:?}")).with_kind(kind).with_sent(sent)),
                Act::Hang => std::future::pending().await,
            }
        };
        let late = |_| TransportError::new("late").with_kind(ErrorKind::Timeout).with_sent(Sent::Maybe);
        tokio::time::timeout(timeout.unwrap_or(Duration::from_secs(30)), acting).await.map_err(late)?
    }
}

#[async_trait]
impl Transport for Actor {
    async fn send_json(&self, _: &str, _: Value) -> Result<Value, TransportError> {
        self.act(None).await?.into_value()
    }

    async fn emit_json(&self, _: &str, _: Value) -> Result<(), TransportError> {
        self.act(None).await.map(drop)
    }

    async fn send_payload(&self, _: &Pattern, _: Payload, options: &CallOptions) -> Result<Payload, TransportError> {
        self.act(options.timeout).await
    }

    fn request_timeout(&self) -> Option<Duration> {
        Some(Duration::from_secs(30))
    }
}

pub const LOST: Act = Act::Fail(ErrorKind::ConnectionClosed, Sent::Maybe);
pub const REFUSED: Act = Act::Fail(ErrorKind::Unavailable, Sent::No);

pub fn proxy(config: &ClientConfig) -> ClientProxy {
    ClientProxy::new(Arc::clone(&config.transport))
}

pub async fn call(client: &ClientProxy) -> Result<u32, TransportError> {
    client.send("x", &1).await
}

/// Ten calls within a window, half of them failed.
pub fn touchy() -> CircuitBreaker {
    CircuitBreaker::default().min_calls(10).open_for(Duration::from_secs(2))
}
