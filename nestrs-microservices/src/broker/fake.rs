//! A broker in memory, for the tests of what all brokers share: it does what it is told, and loses connections when asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use nestrs_core::{ErrorKind, Sent, TransportError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Acknowledger, ClientDriver, ClientLink, DeadLetter, Delivery, Outgoing, Replier, Replies, ServerDriver, ServerLink,
    Subscription,
};

/// What a test has in its hand.
#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Attempts to connect that fail from now on.
    failing: AtomicUsize,
    connections: AtomicUsize,
    /// Of the server's connection: where deliveries go.
    deliveries: Mutex<Option<mpsc::UnboundedSender<Delivery>>>,
    lost: Mutex<CancellationToken>,
    /// Of the client's connection.
    replies: Mutex<Option<Replies>>,
    /// What was sent: an id for a request.
    sent: Mutex<Vec<(Option<u64>, String)>>,
    /// Requests that are answered as soon as they come, each by one of these.
    answers: Mutex<Vec<&'static str>>,
}

pub(super) fn unavailable() -> TransportError {
    TransportError::withheld(ErrorKind::Unavailable, "nobody is there")
}

impl Fake {
    pub(super) fn fail(&self, attempts: usize) {
        self.0.failing.store(attempts, Ordering::SeqCst);
    }

    pub(super) fn connections(&self) -> usize {
        self.0.connections.load(Ordering::SeqCst)
    }

    /// The connection that there is ends.
    pub(super) fn lose(&self) {
        *self.0.deliveries.lock().unwrap() = None;
        self.0.lost.lock().unwrap().cancel();
    }

    /// Delivers to a subscription; the answers come back.
    pub(super) fn deliver(&self, subject: &str, body: &str) -> mpsc::UnboundedReceiver<String> {
        let (answers, answered) = mpsc::unbounded_channel();
        let delivery = Delivery {
            subscribed: subject.into(),
            subject: subject.into(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            metadata: None,
            context: Arc::new(()),
            replier: Some(Box::new(Answers(answers))),
            acknowledger: None,
        };
        self.0.deliveries.lock().unwrap().as_ref().expect("a server is connected").send(delivery).unwrap();
        answered
    }

    /// Delivers what is kept until it is acknowledged, for the `deliveries`th time, and again when that is asked for. What is
    /// said of it comes back.
    pub(super) fn keep(&self, subject: &str, body: &str, deliveries: u32) -> mpsc::UnboundedReceiver<Settled> {
        let (said, heard) = mpsc::unbounded_channel();
        let kept = Kept { fake: self.clone(), subject: subject.into(), body: body.to_owned(), deliveries, said };
        kept.deliver();
        heard
    }

    pub(super) fn answer(&self, answers: &[&'static str]) {
        self.0.answers.lock().unwrap().extend(answers);
    }

    pub(super) fn sent(&self) -> Vec<(Option<u64>, String)> {
        self.0.sent.lock().unwrap().clone()
    }

    pub(super) fn replies(&self) -> Replies {
        self.0.replies.lock().unwrap().clone().expect("a client is connected")
    }

    fn connect(&self) -> Result<CancellationToken, TransportError> {
        if self.0.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(unavailable());
        }
        self.0.connections.fetch_add(1, Ordering::SeqCst);
        let lost = CancellationToken::new();
        *self.0.lost.lock().unwrap() = lost.clone();
        Ok(lost)
    }
}

/// What a server said of a delivery.
#[derive(Debug, PartialEq)]
pub(super) enum Settled {
    Ack,
    Retry(Duration),
    Dead(DeadLetter),
    Released,
    InProgress,
}

#[derive(Clone)]
struct Kept {
    fake: Fake,
    subject: Arc<str>,
    body: String,
    deliveries: u32,
    said: mpsc::UnboundedSender<Settled>,
}

impl Kept {
    fn deliver(&self) {
        let delivery = Delivery {
            subscribed: Arc::clone(&self.subject),
            subject: Arc::clone(&self.subject),
            body: Bytes::copy_from_slice(self.body.as_bytes()),
            metadata: None,
            context: Arc::new(self.deliveries),
            replier: None,
            acknowledger: Some(Box::new(self.clone())),
        };
        if let Some(deliveries) = &*self.fake.0.deliveries.lock().unwrap() {
            let _ = deliveries.send(delivery);
        }
    }

    fn say(&self, said: Settled) {
        let _ = self.said.send(said);
    }
}

#[async_trait]
impl Acknowledger for Kept {
    fn deliveries(&self) -> u32 {
        self.deliveries
    }

    async fn ack(&self) -> Result<(), TransportError> {
        self.say(Settled::Ack);
        Ok(())
    }

    async fn retry_after(&self, delay: Duration) -> Result<(), TransportError> {
        self.say(Settled::Retry(delay));
        let again = Self { deliveries: self.deliveries + 1, ..self.clone() };
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            again.deliver();
        });
        Ok(())
    }

    async fn dead(&self, letter: &DeadLetter) -> Result<(), TransportError> {
        self.say(Settled::Dead(*letter));
        Ok(())
    }

    async fn release(&self) {
        self.say(Settled::Released);
    }

    fn renew_every(&self) -> Option<Duration> {
        Some(Duration::from_secs(10))
    }

    async fn in_progress(&self) {
        self.say(Settled::InProgress);
    }
}

struct Answers(mpsc::UnboundedSender<String>);

#[async_trait]
impl Replier for Answers {
    async fn reply(&self, body: Bytes) -> Result<(), TransportError> {
        if body.len() > 1000 {
            return Err(TransportError::withheld(ErrorKind::TooLarge, "too large"));
        }
        self.0.send(String::from_utf8(body.into()).unwrap()).map_err(|_| unavailable())
    }
}

pub(super) struct FakeLink {
    fake: Fake,
    lost: CancellationToken,
}

#[async_trait]
impl ServerDriver for Fake {
    async fn connect(&self) -> Result<Arc<dyn ServerLink>, TransportError> {
        Ok(Arc::new(FakeLink { fake: self.clone(), lost: Self::connect(self)? }))
    }

    fn address(&self) -> String {
        "fake".to_owned()
    }
}

#[async_trait]
impl ServerLink for FakeLink {
    async fn subscribe(&self, _: &[Subscription]) -> Result<Vec<BoxStream<'static, Delivery>>, TransportError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.fake.0.deliveries.lock().unwrap() = Some(sender);
        Ok(vec![tokio_stream(receiver)])
    }

    async fn lost(&self) -> TransportError {
        self.lost.cancelled().await;
        unavailable()
    }

    async fn stop(&self) {
        *self.fake.0.deliveries.lock().unwrap() = None;
    }

    async fn close(&self) {}
}

fn tokio_stream(receiver: mpsc::UnboundedReceiver<Delivery>) -> BoxStream<'static, Delivery> {
    futures_util::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) }).boxed()
}

#[async_trait]
impl ClientDriver for Fake {
    type Link = FakeLink;
    const HEADERS: bool = false;

    async fn connect(&self, replies: Replies) -> Result<FakeLink, TransportError> {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let link = FakeLink { fake: self.clone(), lost: Self::connect(self)? };
        *self.0.replies.lock().unwrap() = Some(replies);
        Ok(link)
    }

    fn address(&self) -> String {
        "fake".to_owned()
    }
}

impl FakeLink {
    fn send(&self, id: Option<u64>, message: &Outgoing<'_>) -> Result<(), TransportError> {
        if self.lost.is_cancelled() {
            return Err(unavailable().with_kind(ErrorKind::ConnectionClosed).with_sent(Sent::No));
        }
        let body = String::from_utf8(message.body.to_vec()).unwrap();
        self.fake.0.sent.lock().unwrap().push((id, body));
        Ok(())
    }
}

#[async_trait]
impl ClientLink for FakeLink {
    async fn request(&self, id: u64, message: Outgoing<'_>) -> Result<(), TransportError> {
        self.send(Some(id), &message)?;
        let mut answers = self.fake.0.answers.lock().unwrap();
        if !answers.is_empty() {
            self.fake.replies().take(Some(id), &Bytes::from_static(answers.remove(0).as_bytes()));
        }
        Ok(())
    }

    async fn emit(&self, message: Outgoing<'_>) -> Result<(), TransportError> {
        self.send(None, &message)
    }

    async fn lost(&self) -> TransportError {
        self.lost.cancelled().await;
        unavailable()
    }

    async fn close(&self) {}
}
