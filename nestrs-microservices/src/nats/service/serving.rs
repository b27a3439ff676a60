//! Answering whoever asks.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use async_nats::{Message, Subject, Subscriber};
use futures_util::StreamExt;
use futures_util::stream::select_all;
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{ErrorKind, TransportError};
use tokio_util::task::AbortOnDropHandle;

use crate::broker::Subscription;
use crate::nats::connecting::Wire;

use super::answers::{Verb, answer};
use super::endpoint::Endpoint;
use super::identity::Identity;
use super::started::rfc_3339;

/// Whoever may ask may ask as often as they like.
static SHORTENED: LogLimit = LogLimit::per_second(1);

/// A service, over all its connections.
#[derive(Debug)]
pub(in crate::nats) struct Service {
    identity: Identity,
    started: String,
    /// In the order of the subscriptions; known with the first of them.
    endpoints: OnceLock<Vec<Arc<Endpoint>>>,
}

/// A service on one connection; it answers until this is stopped or dropped.
#[derive(Default)]
pub(in crate::nats) struct Serving(Mutex<Option<AbortOnDropHandle<()>>>);

impl Service {
    pub(in crate::nats) fn new(identity: Identity) -> Arc<Self> {
        Arc::new(Self { identity, started: rfc_3339(SystemTime::now()), endpoints: OnceLock::new() })
    }

    /// Whether the protocol allows what was set.
    ///
    /// # Errors
    /// When not: the application does not start.
    pub(in crate::nats) fn check(&self) -> Result<(), TransportError> {
        self.identity.check()
    }

    /// The endpoints of these subscriptions, each with its queue group; the same ones after a loss.
    pub(in crate::nats) fn endpoints(
        &self,
        subscriptions: &[Subscription],
        queues: &[Option<String>],
    ) -> &[Arc<Endpoint>] {
        let all = || subscriptions.iter().zip(queues).map(|(one, queue)| Endpoint::of(one, queue.clone())).collect();
        self.endpoints.get_or_init(all)
    }

    /// Begins to answer. A server that does not allow these subjects says so in the log, and in nothing else.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::nats) async fn serve(self: &Arc<Self>, wire: &Wire, serving: &Serving) -> Result<(), TransportError> {
        let mut questions = Vec::new();
        for (verb, word) in Verb::ALL {
            let Identity { name, id, .. } = &self.identity;
            for subject in [format!("$SRV.{word}"), format!("$SRV.{word}.{name}"), format!("$SRV.{word}.{name}.{id}")] {
                let subscriber: Subscriber = wire.client.subscribe(subject).await.map_err(|error| {
                    TransportError::withheld(ErrorKind::Unavailable, format!("cannot subscribe to `$SRV`: {error}"))
                })?;
                questions.push(subscriber.map(move |question| (verb, question)));
            }
        }
        let (service, wire) = (Arc::clone(self), wire.clone());
        let answering = async move {
            let mut questions = select_all(questions);
            while let Some((verb, Message { reply, .. })) = questions.next().await {
                if let Some(inbox) = reply {
                    service.answer(verb, inbox, &wire).await;
                }
                tokio::task::consume_budget().await;
            }
        };
        serving.put(Some(AbortOnDropHandle::new(tokio::spawn(answering))));
        Ok(())
    }

    async fn answer(&self, verb: Verb, inbox: Subject, wire: &Wire) {
        let endpoints = self.endpoints.get().map(Vec::as_slice).unwrap_or_default();
        let max = wire.client.max_payload();
        let (body, left_out) = answer(verb, &self.identity, &self.started, endpoints.iter().map(|one| &**one), max);
        if left_out > 0 {
            SHORTENED.pass(|suppressed| {
                let suppressed = (suppressed > 0).then_some(suppressed);
                tracing::warn!(target: "nestrs::nats", left_out, max, suppressed, "not all endpoints fit an answer");
            });
        }
        // Nobody to answer, or no connection: the next question will tell.
        let _ = wire.client.publish(inbox, body).await;
    }
}

impl Serving {
    /// Answers nobody any more: a service that is about to end is not to be found.
    pub(in crate::nats) fn stop(&self) {
        self.put(None);
    }

    fn put(&self, task: Option<AbortOnDropHandle<()>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = task;
    }
}
