//! The typed face of a transport.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use nestrs_core::spans::Timed;
use nestrs_core::{ErrorKind, Pattern, Payload, Sent, TransportError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::deadline::{current_deadline, has_passed};
use crate::scratch::in_scratch;
use crate::transport::{CallOptions, CircuitState, ClientStatus, Transport};

use super::fallback::FallingBack;
use super::layer::{ClientLayer, Layered};
use super::retry::{RetryBudget, RetryPolicy};
use super::retrying::Retrying;
use super::stats::ClientStats;

/// Calls a remote service (NestJS's `ClientProxy`). Clones share one connection.
///
/// ```
/// use std::sync::Arc;
/// # use nestrs_core::{TransportError, async_trait};
/// use nestrs_microservices::{ClientProxy, Transport};
/// use serde_json::{Value, json};
/// # struct Loopback;
/// # #[async_trait]
/// # impl Transport for Loopback {
/// #     async fn send_json(&self, _: &str, payload: Value) -> Result<Value, TransportError> { Ok(payload) }
/// #     async fn emit_json(&self, _: &str, _: Value) -> Result<(), TransportError> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), TransportError> {
/// let client = ClientProxy::new(Arc::new(Loopback));
/// let sum: Vec<i64> = client.send(json!({ "cmd": "sum" }), &[1, 2, 3]).await?;
/// assert_eq!(sum, [1, 2, 3]);
/// client.emit("user.created", &json!({ "id": 7 })).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ClientProxy {
    name: &'static str,
    transport: Arc<dyn Transport>,
    options: CallOptions,
    /// Of all calls made with a retry policy, whichever that is.
    retries: Arc<RetryBudget>,
}

impl ClientProxy {
    /// A client that calls over `transport`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self::named("", transport)
    }

    pub(crate) fn named(name: &'static str, transport: Arc<dyn Transport>) -> Self {
        Self { name, transport, options: CallOptions::default(), retries: Arc::default() }
    }

    /// Sends a request and waits for its answer. A reply of many values gives the first; see
    /// [`ClientProxy::send_stream`] for all of them. A reply without a value decodes into `()` or `Option`.
    ///
    /// The pattern is anything that makes a [`Pattern`]: `"math.add"`, `json!({ "cmd": "sum" })`,
    /// `pattern!({ cmd: "sum" })`.
    ///
    /// # Errors
    /// What the handler answered ([`ErrorKind::Remote`]); [`ErrorKind::Timeout`] after the client's `request_timeout`
    /// or this proxy's; [`ErrorKind::Unavailable`] and the others of a lost or missing connection;
    /// [`ErrorKind::InvalidReply`] when the answer does not fit `TRes`.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the call; the request may have been sent.
    pub async fn send<TReq, TRes>(
        &self,
        pattern: impl Into<Pattern> + Send,
        payload: &TReq,
    ) -> Result<TRes, TransportError>
    where
        TReq: Serialize + Send + Sync + ?Sized,
        TRes: for<'de> Deserialize<'de> + Send,
    {
        let pattern = pattern.into();
        let payload = written(payload)?;
        let options = self.options(&pattern)?;
        let mut span = Timed::client_call(self.name, pattern.route(), "send");
        let sending = self.transport.send_payload(&pattern, payload, &options);
        let outcome = span.around(sending).await.and_then(|answer| decode(&answer, &pattern)).map_err(honest);
        span.end(&outcome);
        outcome
    }

    /// Emits an event. Over TCP it returns when the operating system has taken the whole message: at most once, and no
    /// proof that anybody handled it.
    ///
    /// # Errors
    /// When the event could not be handed over.
    pub async fn emit<TReq>(&self, pattern: impl Into<Pattern> + Send, payload: &TReq) -> Result<(), TransportError>
    where
        TReq: Serialize + Send + Sync + ?Sized,
    {
        let pattern = pattern.into();
        let payload = written(payload)?;
        let options = self.options(&pattern)?;
        let mut span = Timed::client_call(self.name, pattern.route(), "emit");
        let emitting = self.transport.emit_payload(&pattern, payload, &options);
        let outcome = span.around(emitting).await.map_err(honest);
        span.end(&outcome);
        outcome
    }

    /// Sends a request that is answered by any number of values; NestJS's Observable. Dropping the stream forgets the
    /// call; until then it keeps the connection, even when every clone of the client is gone. The timeout runs to the
    /// first item, and anew from each to the next.
    ///
    /// # Errors
    /// When the request could not be sent. What goes wrong later is the stream's last item.
    pub async fn send_stream<TReq, TRes>(
        &self,
        pattern: impl Into<Pattern> + Send,
        payload: &TReq,
    ) -> Result<ReplyItems<TRes>, TransportError>
    where
        TReq: Serialize + Send + Sync + ?Sized,
        TRes: for<'de> Deserialize<'de> + Send + 'static,
    {
        let pattern = pattern.into();
        let payload = written(payload)?;
        let options = self.options(&pattern)?;
        let items = self.transport.send_stream(&pattern, payload, &options).await.map_err(honest)?;
        let items = match options.deadline {
            None => items,
            Some(deadline) => ends_at(deadline, items, pattern.clone()),
        };
        let decoded = move |item: Result<Payload, _>| item.and_then(|item| decode(&item, &pattern)).map_err(honest);
        Ok(ReplyItems(items.map(decoded).boxed()))
    }

    /// How a call that begins now goes out: no longer than the handler that makes it may take.
    fn options(&self, pattern: &Pattern) -> Result<Cow<'_, CallOptions>, TransportError> {
        let Some(inherited) = current_deadline() else { return Ok(Cow::Borrowed(&self.options)) };
        if has_passed(inherited) {
            return Err(out_of_time(pattern).with_sent(Sent::No));
        }
        let mut options = self.options.clone();
        options.deadline = Some(inherited);
        Ok(Cow::Owned(options))
    }

    /// The same client with another timeout for its calls. Inside a handler that has a deadline they end with that at the
    /// latest ([`current_deadline`]).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use nestrs_microservices::{ClientProxy, MockService};
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let math = MockService::new();
    /// math.expect("math.sum").reply(3);
    /// let client = ClientProxy::new(Arc::new(math));
    /// let sum: i64 = client.with_timeout(Duration::from_millis(200)).send("math.sum", &[1, 2]).await?;
    /// assert_eq!(sum, 3);
    /// # Ok::<(), nestrs_core::TransportError>(()) }).unwrap().unwrap();
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let mut client = self.clone();
        client.options.timeout = Some(timeout);
        client
    }

    /// The same client with a string beside every payload, read by NestJS 12's `getMetadata()` and by a handler's
    /// `Metadata` argument.
    #[must_use]
    pub fn with_metadata(&self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let mut client = self.clone();
        client.options.metadata.insert(key, value);
        client
    }

    /// The same client, for calls that may be executed twice without harm: [`RetryPolicy::idempotent`].
    ///
    /// ```
    /// # use nestrs_core::TransportError; use nestrs_microservices::ClientProxy;
    /// async fn count(stock: &ClientProxy) -> Result<u32, TransportError> {
    ///     stock.retry_idempotent().send("stock.count", &()).await
    /// }
    /// ```
    #[must_use]
    pub fn retry_idempotent(&self) -> Self {
        self.with_retry(RetryPolicy::idempotent())
    }

    /// The same client with calls that are tried again as `policy` says. Its clones, and every other client made from the
    /// same one, share one [budget](RetryPolicy); a policy of the client's configuration does not apply to these calls.
    #[must_use]
    pub fn with_retry(&self, policy: RetryPolicy) -> Self {
        self.with_layer(Retrying::new(policy, Arc::clone(&self.retries)))
    }

    /// The same client with an answer for calls that fail because the service cannot be reached, does not answer in time,
    /// or refuses to work ([`ErrorKind::Unavailable`], [`ErrorKind::ConnectionClosed`], [`ErrorKind::Timeout`],
    /// [`ErrorKind::Overloaded`]). What the service answers is never replaced, and events have no answer. A stream that has
    /// not brought an item yet becomes a stream of the one answer.
    ///
    /// `answer` may fail too, with the error it was given or another. How long it takes is up to it: the call's timeout is
    /// over.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs_core::{ErrorKind, TransportError};
    /// use nestrs_microservices::{ClientProxy, TcpTransport, TcpTransportOptions};
    /// use serde_json::json;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), TransportError> {
    /// # let address = { let l = std::net::TcpListener::bind("127.0.0.1:0").unwrap(); l.local_addr().unwrap().to_string() };
    /// // Nobody listens there.
    /// let stock = ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to(&address))));
    /// let stock = stock.with_fallback(|_pattern, error| async move {
    ///     assert_eq!(error.kind(), ErrorKind::Unavailable);
    ///     Ok(json!(0))
    /// });
    /// let count: u32 = stock.send("stock.count", &()).await?;
    /// assert_eq!(count, 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_fallback<F, Fut>(&self, answer: F) -> Self
    where
        F: Fn(Pattern, TransportError) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, TransportError>> + Send + 'static,
    {
        self.with_layer(FallingBack::new(answer))
    }

    /// The same client with a layer of your own around its calls; see [`ClientLayer`].
    #[must_use]
    pub fn with_layer(&self, layer: impl ClientLayer) -> Self {
        let mut client = self.clone();
        client.transport = Layered::around(client.transport, layer);
        client
    }

    /// Connects now rather than at the first call, to fail fast at start-up.
    ///
    /// # Errors
    /// When no connection can be made.
    pub async fn connect(&self) -> Result<(), TransportError> {
        self.transport.connect().await
    }

    /// Closes the connection for good, for all clones: calls under way and later ones fail with
    /// [`ErrorKind::Closed`].
    pub async fn close(&self) {
        self.transport.close().await;
    }

    /// What state the connection is in: the present one first, then each later one. A reader that is slower than the
    /// changes sees the latest, in order and never missing the last. Ends after [`ClientStatus::Closed`].
    #[must_use]
    pub fn status(&self) -> BoxStream<'static, ClientStatus> {
        self.transport.status()
    }

    /// What state its [`CircuitBreaker`](crate::CircuitBreaker) is in: the present one first, then each later one. A reader
    /// that is slower than the changes sees the latest. Ends with the client; without a breaker, at once.
    #[must_use]
    pub fn circuit(&self) -> BoxStream<'static, CircuitState> {
        self.transport.circuit()
    }

    /// What it has counted: replies that came too late, connections lost, calls sent once more.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.transport.stats()
    }

    /// The name it was registered under; empty for one made by [`ClientProxy::new`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// Names the client, never its credentials.
impl fmt::Debug for ClientProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientProxy").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The payload as JSON, or an error that says that nothing was sent. It is written into a buffer that the thread keeps, so
/// that its own storage is one allocation of the right size, however it grew.
fn written<T: Serialize + ?Sized>(payload: &T) -> Result<Payload, TransportError> {
    in_scratch(|text| match serde_json::to_writer(&mut *text, payload) {
        Ok(()) => Ok(Payload::from_json(Bytes::copy_from_slice(text))),
        Err(_) => Payload::from_serialize(payload).map_err(|error| error.with_sent(Sent::No)),
    })
}

/// Every error of a call says whether the request may have been sent; where a transport does not know, it may.
fn honest(error: TransportError) -> TransportError {
    if error.sent().is_some() { error } else { error.with_sent(Sent::Maybe) }
}

fn decode<T: for<'de> Deserialize<'de>>(answer: &Payload, pattern: &Pattern) -> Result<T, TransportError> {
    answer.decode().map_err(|error| {
        let what = if answer.is_absent() { "completed without a value" } else { "does not fit" };
        // The error's own text quotes the reply, and this one ends up in logs.
        let reason = error.misfit_for_log().unwrap_or_default();
        tracing::trace!(target: "nestrs::client", pattern = %pattern, %error, "what does not fit");
        let text = format!("the reply of `{}` {what}: {reason}", pattern.route());
        TransportError::withheld(ErrorKind::InvalidReply, text).with_sent(Sent::Maybe)
    })
}

fn out_of_time(pattern: &Pattern) -> TransportError {
    let text = format!("`{}` was not answered before the deadline of the handler that called it", pattern.route());
    TransportError::withheld(ErrorKind::Timeout, text)
}

/// The items that come before the deadline; the last one is an error if there would be more.
fn ends_at(
    deadline: Instant,
    items: BoxStream<'static, Result<Payload, TransportError>>,
    pattern: Pattern,
) -> BoxStream<'static, Result<Payload, TransportError>> {
    futures_util::stream::unfold(Some((items, pattern)), move |state| async move {
        let (mut items, pattern) = state?;
        match tokio::time::timeout_at(deadline.into(), items.next()).await {
            Ok(item) => Some((item?, Some((items, pattern)))),
            Err(_) => Some((Err(out_of_time(&pattern).with_sent(Sent::Maybe)), None)),
        }
    })
    .boxed()
}

/// The values of one reply, as they arrive. An error is the last item.
pub struct ReplyItems<T>(BoxStream<'static, Result<T, TransportError>>);

impl<T> Stream for ReplyItems<T> {
    type Item = Result<T, TransportError>;
    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(task)
    }
}

impl<T> ReplyItems<T> {
    /// The next value; `None` at the end. Spares an import of a stream library.
    pub async fn next(&mut self) -> Option<Result<T, TransportError>> {
        self.0.next().await
    }
}

impl<T> fmt::Debug for ReplyItems<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyItems")
    }
}
