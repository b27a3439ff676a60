//! The typed face of a transport.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use nestrs_core::spans::Timed;
use nestrs_core::{ErrorKind, Pattern, Payload, Sent, TransportError};
use serde::{Deserialize, Serialize};

use crate::transport::{CallOptions, ClientStatus, Transport};

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
}

impl ClientProxy {
    /// A client that calls over `transport`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self::named("", transport)
    }

    pub(crate) fn named(name: &'static str, transport: Arc<dyn Transport>) -> Self {
        Self { name, transport, options: CallOptions::default() }
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
        let payload = Payload::from_serialize(payload).map_err(|error| error.with_sent(Sent::No))?;
        let mut span = Timed::client_call(self.name, pattern.route(), "send");
        let sending = self.transport.send_payload(&pattern, payload, &self.options);
        let outcome = span.around(sending).await.and_then(|answer| decode(&answer, &pattern));
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
        let payload = Payload::from_serialize(payload).map_err(|error| error.with_sent(Sent::No))?;
        let mut span = Timed::client_call(self.name, pattern.route(), "emit");
        let outcome = span.around(self.transport.emit_payload(&pattern, payload, &self.options)).await;
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
        let payload = Payload::from_serialize(payload).map_err(|error| error.with_sent(Sent::No))?;
        let items = self.transport.send_stream(&pattern, payload, &self.options).await?;
        Ok(ReplyItems(items.map(move |item| item.and_then(|payload| decode(&payload, &pattern))).boxed()))
    }

    /// The same client with another timeout for its calls.
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
