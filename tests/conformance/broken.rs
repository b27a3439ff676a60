//! Transports with one fault each: every row of the table can fail.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs::Sent;
use nestrs::microservices::{
    Bound, CallOptions, ClientStats, ClientStatus, Dispatcher, ServerHandle, Shutdown, Transport, TransportServer,
};
use nestrs::prelude::*;
use nestrs::testing::conformance::{self, ConformanceTarget, Offer, Outcome, Promise};
use serde_json::Value;

use super::local::{Memory, Tcp};

/// Its fault is what breaks this promise.
struct Faulty<T> {
    base: T,
    fault: Promise,
}

#[async_trait]
impl<T: ConformanceTarget> ConformanceTarget for Faulty<T> {
    fn name(&self) -> &str {
        "broken"
    }

    async fn server(&self) -> Result<Box<dyn TransportServer>, TransportError> {
        let server = self.base.server().await?;
        Ok(if self.fault == Promise::Drain { Box::new(Abrupt(server)) } else { server })
    }

    async fn client(&self, address: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let (inner, fault) = (self.base.client(address).await?, self.fault);
        Ok(Arc::new(Broken {
            inner,
            fault,
            hurt: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            last: Mutex::default(),
        }))
    }

    async fn cut(&self) -> Result<(), TransportError> {
        self.base.cut().await
    }

    async fn mend(&self) -> Result<(), TransportError> {
        self.base.mend().await
    }

    fn max_message_bytes(&self) -> usize {
        // Which is not what its ends have.
        if self.fault == Promise::Oversize { self.base.max_message_bytes() / 2 } else { self.base.max_message_bytes() }
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(250)
    }
}

struct Broken {
    inner: Arc<dyn Transport>,
    fault: Promise,
    hurt: AtomicBool,
    calls: AtomicUsize,
    last: Mutex<Option<Payload>>,
}

impl Broken {
    /// Options, without what it forgets.
    fn options(&self, options: &CallOptions) -> CallOptions {
        let mut options = options.clone();
        match self.fault {
            Promise::Metadata => options.metadata = Metadata::default(),
            Promise::Deadline => (options.timeout, options.deadline) = (None, None),
            _ => {}
        }
        options
    }
}

#[async_trait]
impl Transport for Broken {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        self.inner.send_json(pattern, payload).await
    }

    async fn emit_json(&self, pattern: &str, payload: Value) -> Result<(), TransportError> {
        self.inner.emit_json(pattern, payload).await
    }

    async fn send_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        if self.hurt.load(Ordering::Relaxed) {
            return Err(TransportError::withheld(ErrorKind::Unavailable, "hurt").with_sent(Sent::No));
        }
        let options = self.options(options);
        if self.fault == Promise::Duplicate {
            self.inner.send_payload(pattern, payload.clone(), &options).await?;
        }
        if self.fault == Promise::Cancel {
            // Whoever drops the call does not drop this.
            let (inner, pattern) = (Arc::clone(&self.inner), pattern.clone());
            return tokio::spawn(async move { inner.send_payload(&pattern, payload, &options).await }).await.unwrap();
        }
        let answer = self.inner.send_payload(pattern, payload, &options).await;
        match (self.fault, answer) {
            (Promise::Send, Ok(answer)) => Ok(self.last.lock().unwrap().replace(answer.clone()).unwrap_or(answer)),
            (Promise::Error, Err(_)) => Ok(Payload::from_value(Value::Null)),
            (Promise::UnknownPattern, Err(error)) if error.kind() == ErrorKind::NotFound => {
                Ok(Payload::from_value(Value::Null))
            }
            (fault, Err(error)) => {
                let hurts = match fault {
                    Promise::Panic => error.to_string() == "Internal server error",
                    Promise::Reconnect => error.kind() == ErrorKind::ConnectionClosed,
                    _ => false,
                };
                self.hurt.fetch_or(hurts, Ordering::Relaxed);
                Err(error)
            }
            (_, answer) => answer,
        }
    }

    async fn emit_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        let options = self.options(options);
        match self.fault {
            Promise::Emit => return Ok(()),
            Promise::Order if self.calls.fetch_add(1, Ordering::Relaxed) == 3 => {
                let (inner, pattern) = (Arc::clone(&self.inner), pattern.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    inner.emit_payload(&pattern, payload, &options).await
                });
                return Ok(());
            }
            _ => {}
        }
        self.inner.emit_payload(pattern, payload, &options).await
    }

    async fn send_stream(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        let items = self.inner.send_stream(pattern, payload, options).await?;
        Ok(if self.fault == Promise::Stream { items.take(1).boxed() } else { items })
    }

    async fn close(&self) {
        if !matches!(self.fault, Promise::Close | Promise::CallerGone) {
            self.inner.close().await;
        }
    }

    fn status(&self) -> BoxStream<'static, ClientStatus> {
        if self.fault == Promise::Status { stream::empty().boxed() } else { self.inner.status() }
    }

    fn stats(&self) -> ClientStats {
        self.inner.stats()
    }
}

/// Lets everything drop at the first word of an end.
struct Abrupt(Box<dyn TransportServer>);

#[async_trait]
impl TransportServer for Abrupt {
    async fn bind(&mut self) -> Result<Bound, TransportError> {
        self.0.bind().await
    }

    fn grace_period(&self) -> Duration {
        self.0.grace_period()
    }

    fn handle(&self) -> Option<ServerHandle> {
        self.0.handle()
    }

    async fn serve(self: Box<Self>, dispatcher: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        let never = Shutdown::new(Duration::ZERO);
        let serving = self.0.serve(dispatcher, never.clone());
        tokio::select! {
            served = serving => served,
            () = shutdown.begun() => {
                never.abort();
                Ok(())
            }
        }
    }
}

/// How a promise is found to be broken.
async fn found(promise: Promise) -> Option<Outcome> {
    let only = [promise];
    let report = match promise {
        Promise::Reconnect | Promise::Status => {
            conformance::run_only(&Faulty { base: Tcp::default(), fault: promise }, &only).await
        }
        _ => conformance::run_only(&Faulty { base: Memory::default(), fault: promise }, &only).await,
    };
    report.outcome(promise).cloned()
}

/// A part of what is said of the fault.
fn said_of(promise: Promise) -> &'static str {
    match promise {
        Promise::Send => "`echo` of null came back as \"ready\"",
        Promise::Emit => "in vain for an event at its first handler",
        Promise::Order => "where event 3 should begin, 4 does",
        Promise::Error => "a call to `fail` succeeds, and should fail",
        Promise::Stream => "a stream of 100 items came as [1]",
        Promise::Metadata => "metadata `acme` of a call arrive as null",
        Promise::Deadline => "a handler whose caller waits 60 s is told of ",
        Promise::Cancel => "10 calls wait for an answer whose futures were dropped",
        Promise::CallerGone => "in vain for a handler to be told that its caller is gone",
        Promise::Drain => "which leaves open whether it was executed",
        Promise::Reconnect => "after the way is mended a call fails by `hurt`",
        Promise::Status => "the states end, and never say connected",
        Promise::Oversize => "a call to `echo` succeeds, and should fail",
        Promise::Panic => "an error where there should be none: `hurt`",
        Promise::UnknownPattern => "a call to `nobody` succeeds, and should fail",
        Promise::Duplicate => "0 was handled 2 times by `echo`",
        Promise::Replicas => "of 64 calls one handled 64, the other 0",
        Promise::Close => "a call under way ends at `close` by",
        _ => "a fault that is not here yet",
    }
}

#[tokio::test]
async fn each_row_fails_where_its_promise_is_broken() {
    let mut wrong = Vec::new();
    for promise in Promise::ALL {
        match found(promise).await {
            Some(Outcome::Broken(what)) if what.contains(said_of(promise)) => {}
            other => wrong.push((promise, other)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

struct WithoutAWay(Memory);

#[async_trait]
impl ConformanceTarget for WithoutAWay {
    fn name(&self) -> &str {
        "without"
    }

    fn offer(&self, promise: Promise) -> Offer {
        if promise == Promise::Stream { Offer::no("one answer at a time") } else { Offer::Yes }
    }

    async fn server(&self) -> Result<Box<dyn TransportServer>, TransportError> {
        self.0.server().await
    }

    async fn client(&self, address: &str) -> Result<Arc<dyn Transport>, TransportError> {
        self.0.client(address).await
    }
}

/// Nothing is left out in silence: what is offered and cannot be checked is broken, what is not offered says why.
#[tokio::test]
async fn what_is_not_offered_is_said_and_what_cannot_be_checked_is_broken() {
    let promises = [Promise::Emit, Promise::Stream, Promise::Reconnect];
    let report = conformance::run_only(&WithoutAWay(Memory::default()), &promises).await;
    assert_eq!(report.outcome(Promise::Emit), Some(&Outcome::Kept));
    assert_eq!(report.outcome(Promise::Stream), Some(&Outcome::NotOffered("one answer at a time".into())));
    let Some(Outcome::Broken(what)) = report.outcome(Promise::Reconnect) else { panic!("{report}") };
    assert!(what.contains("does not say how its way is cut"), "{what}");
    assert!(!report.is_kept());
    let text = report.to_string();
    assert!(text.starts_with("without: 1 kept, 1 not offered, 1 broken\n"), "{text}");
    let failing = std::panic::catch_unwind(|| report.assert_kept()).unwrap_err();
    assert_eq!(failing.downcast_ref::<String>(), Some(&text));
}
