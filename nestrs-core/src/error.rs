//! The one error of a call: what the application said, or what went wrong on the way.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

mod quoteless;
pub use quoteless::Misfit;
pub(crate) use quoteless::quoteless;

/// What NestJS tells a caller about a failure that is none of its business.
pub const INTERNAL_SERVER_ERROR: &str = "Internal server error";

/// Why a message was not answered with a value.
///
/// Handlers return it, and `ClientProxy` methods fail with it. `message` and `details` are
/// what a caller may read; everything else (the [`ErrorKind`], whether a request was sent, the cause) stays on this
/// side of the wire and is reached through accessors.
///
/// On the wire it is the `err` member of a response (NestJS fact sheet, section 13):
///
/// | made by | `err` |
/// |---|---|
/// | `TransportError::new("boom")` | `{"status":"error","message":"boom"}` |
/// | the same `.with_details(json!({"id":7}))` | `{"status":"error","message":"boom","details":{"id":7}}` |
/// | [`TransportError::exact`]`(json!({"code":42}))` | `{"code":42}`, as NestJS's `RpcException(object)` |
/// | [`TransportError::internal`] and every failure of the machinery | `{"status":"error","message":"Internal server error"}` |
///
/// ```
/// use nestrs_core::{ErrorKind, TransportError};
/// use serde_json::json;
///
/// let error = TransportError::new("no such order").with_details(json!({ "id": 7 })).with_kind(ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "no such order");
/// assert_eq!(error.to_wire(), json!({ "status": "error", "message": "no such order", "details": { "id": 7 } }));
///
/// // Reading an `err` of any shape loses nothing.
/// let remote = TransportError::from_wire(json!({ "code": 42, "message": "boom" }));
/// assert_eq!(remote.message, "boom");
/// assert_eq!(remote.details, Some(json!({ "code": 42, "message": "boom" })));
/// ```
#[derive(Clone)]
pub struct TransportError {
    /// What happened, for the caller. A lower-case fragment without a full stop.
    pub message: String,
    /// Machine-readable details, for the caller.
    pub details: Option<Value>,
    rest: Box<Rest>,
}

/// The private half; boxed, so that a `Result` carrying the error stays small.
#[derive(Clone, Default)]
struct Rest {
    kind: ErrorKind,
    sent: Option<Sent>,
    /// `err` exactly as given to `exact` or read by `from_wire`; `details` begins as the same.
    exact: Option<Value>,
    /// Set on errors whose text is for operators: a caller reads "Internal server error" instead.
    withheld: bool,
    /// Says `"executed":false` on the wire.
    not_executed: bool,
    /// It came over the wire.
    remote: bool,
    /// Made from a panic.
    panic: bool,
    /// The type this was converted from, should the conversion have dropped it.
    origin: Option<&'static str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What sort of failure a [`TransportError`] is: for `match`, for the HTTP status, for retries.
///
/// Never sent over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The application said so: [`TransportError::new`] without another kind.
    #[default]
    Application,
    /// The other side answered with an error of its own ([`TransportError::from_wire`]).
    Remote,
    /// Nothing answers to that pattern, or the thing asked for does not exist.
    NotFound,
    /// The payload does not fit what the handler takes.
    InvalidPayload,
    /// The reply does not fit what the caller asked for, or is no packet at all.
    InvalidReply,
    /// The caller has not said who it is.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// No answer came in time.
    Timeout,
    /// No connection could be made.
    Unavailable,
    /// The connection was lost while the call was under way.
    ConnectionClosed,
    /// The client was closed by its owner.
    Closed,
    /// A limit on concurrent work was reached.
    Overloaded,
    /// The message is larger than the limit.
    TooLarge,
    /// A bug, a panic, a foreign error: the caller reads "Internal server error".
    Internal,
}

/// Whether the other side may have executed a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// Not one byte of the request was handed to the operating system.
    No,
    /// The request, or part of it, may have arrived.
    Maybe,
}

impl TransportError {
    /// An error whose text the caller is meant to read.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), details: None, rest: Box::default() }
    }

    /// Adds details for the caller; on the wire they are the member `details`.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// An error that travels as exactly this JSON, as NestJS's `new RpcException(object)` does.
    ///
    /// A NestJS client takes a falsy `err` (`null`, `false`, `0`, `""`) for success, so such a value is wrapped as
    /// `{"status":"error","message":<value>}`, which is what NestJS itself does.
    ///
    /// ```
    /// # use nestrs_core::TransportError; use serde_json::json;
    /// assert_eq!(TransportError::exact(json!({ "code": 42 })).to_wire(), json!({ "code": 42 }));
    /// assert_eq!(TransportError::exact(json!("")).to_wire(), json!({ "status": "error", "message": "" }));
    /// ```
    #[must_use]
    pub fn exact(err: Value) -> Self {
        let err = if is_falsy(&err) { json!({ "status": "error", "message": err }) } else { err };
        let mut error = Self::new(message_of(&err)).with_details(err.clone());
        error.rest.exact = Some(err);
        error
    }

    /// An error whose text is for the log of this process: callers read "Internal server error".
    ///
    /// ```
    /// # use nestrs_core::TransportError;
    /// let error = TransportError::internal("table `orders` is missing");
    /// assert_eq!(error.to_string(), "table `orders` is missing");
    /// assert_eq!(error.to_wire()["message"], "Internal server error");
    /// ```
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::withheld(ErrorKind::Internal, message)
    }

    /// A failure of the machinery: like [`TransportError::internal`], of another kind. Transports make these; their
    /// text may name hosts and limits, so it is never sent to a caller.
    #[must_use]
    pub fn withheld(kind: ErrorKind, message: impl Into<String>) -> Self {
        let mut error = Self::new(message).with_kind(kind);
        error.rest.withheld = true;
        error
    }

    /// A refusal of a server that has not begun to execute the call: the caller may safely make it again, there or
    /// elsewhere. Says `"executed":false` beside the message; with details of its own it does not.
    ///
    /// ```
    /// # use nestrs_core::{ErrorKind, TransportError};
    /// let error = TransportError::not_executed(ErrorKind::Overloaded, "Service overloaded");
    /// assert_eq!(error.to_wire_json(), r#"{"status":"error","message":"Service overloaded","executed":false}"#);
    /// assert!(TransportError::from_wire(error.to_wire()).was_not_executed());
    /// assert!(!TransportError::new("sold out").was_not_executed());
    /// ```
    #[must_use]
    pub fn not_executed(kind: ErrorKind, message: impl Into<String>) -> Self {
        let mut error = Self::new(message).with_kind(kind);
        error.rest.not_executed = true;
        error
    }

    /// True for a [`TransportError::not_executed`], also when it came over the wire.
    fn says_not_executed(&self) -> bool {
        let told = |exact: &Value| exact.get("executed") == Some(&Value::Bool(false));
        self.rest.not_executed || self.rest.exact.as_ref().is_some_and(told)
    }

    /// Reads the `err` of a response, whatever its shape. `details` holds the whole of it, `message` its `message`
    /// member, the string itself, or else its JSON text.
    #[must_use]
    pub fn from_wire(err: Value) -> Self {
        let mut error = Self::new(message_of(&err)).with_details(err.clone()).with_kind(ErrorKind::Remote);
        error.rest.exact = Some(err);
        error.rest.remote = true;
        error
    }

    /// The `err` member of a response. Never falsy, so every peer takes it for an error.
    #[must_use]
    pub fn to_wire(&self) -> Value {
        if self.rest.withheld {
            return json!({ "status": "error", "message": INTERNAL_SERVER_ERROR });
        }
        // Someone who changes the message or the details of an error on its way wants the change to be read.
        let unchanged = |exact: &&Value| self.details.as_ref() == Some(exact) && self.message == message_of(exact);
        if let Some(exact) = self.rest.exact.as_ref().filter(|exact| !is_falsy(exact)).filter(unchanged) {
            let mut exact = exact.clone();
            // What a service behind this one did not execute says nothing about this one, which got as far as asking it.
            if self.rest.remote
                && let Value::Object(members) = &mut exact
            {
                members.remove("executed");
            }
            return exact;
        }
        match &self.details {
            None if self.rest.not_executed => {
                json!({ "status": "error", "message": self.message, "executed": false })
            }
            None => json!({ "status": "error", "message": self.message }),
            Some(details) => json!({ "status": "error", "message": self.message, "details": details }),
        }
    }

    /// [`TransportError::to_wire`] as JSON text, its members in the order in which NestJS writes them.
    #[must_use]
    pub fn to_wire_json(&self) -> String {
        let text = |message: &str| Value::from(message).to_string();
        match &self.details {
            _ if self.rest.withheld => format!(r#"{{"status":"error","message":"{INTERNAL_SERVER_ERROR}"}}"#),
            _ if self.rest.exact.is_some() => self.to_wire().to_string(),
            None if self.rest.not_executed => {
                format!(r#"{{"status":"error","message":{},"executed":false}}"#, text(&self.message))
            }
            None => format!(r#"{{"status":"error","message":{}}}"#, text(&self.message)),
            Some(details) => {
                format!(r#"{{"status":"error","message":{},"details":{details}}}"#, text(&self.message))
            }
        }
    }

    /// An error whose text the caller is meant to read, made from another error, which is kept as the source: exception
    /// filters find it there by its type.
    ///
    /// ```
    /// # use nestrs_core::TransportError;
    /// #[derive(Debug, thiserror::Error)]
    /// #[error("order {0} is closed")]
    /// struct Closed(u32);
    ///
    /// impl From<Closed> for TransportError {
    ///     fn from(error: Closed) -> Self {
    ///         Self::caused_by(error)
    ///     }
    /// }
    ///
    /// assert_eq!(TransportError::from(Closed(7)).to_wire()["message"], "order 7 is closed");
    /// ```
    #[must_use]
    pub fn caused_by(error: impl Error + Send + Sync + 'static) -> Self {
        Self::new(error.to_string()).with_source(error)
    }

    /// Remembers the name of the type it was converted from.
    #[must_use]
    pub(crate) fn converted_from<E>(mut self) -> Self {
        self.rest.origin.get_or_insert(std::any::type_name::<E>());
        self
    }

    pub(crate) fn origin(&self) -> Option<&'static str> {
        self.rest.origin
    }

    /// A panic as an error: withheld, like every bug.
    ///
    /// ```
    /// # use nestrs_core::TransportError;
    /// let panic = std::panic::catch_unwind(|| panic!("no rows")).unwrap_err();
    /// let error = TransportError::panicked(&*panic);
    /// assert_eq!(error.to_string(), "panicked: no rows");
    /// assert!(error.is_panic() && error.is_withheld());
    /// ```
    #[must_use]
    pub fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let mut error = Self::internal(format!("panicked: {}", text.unwrap_or("(no message)")));
        error.rest.panic = true;
        error
    }

    /// True when it was made from a panic.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.rest.panic
    }

    /// Keeps its text from callers: they read "Internal server error".
    #[must_use]
    pub fn withhold(mut self) -> Self {
        self.rest.withheld = true;
        self
    }

    /// Sets the kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.rest.kind = kind;
        self
    }

    /// Says whether the request may have been executed. Transports set this on every failed call.
    #[must_use]
    pub fn with_sent(mut self, sent: Sent) -> Self {
        self.rest.sent = Some(sent);
        self
    }

    /// Keeps the cause, for logs and [`Error::source`]; never sent to a caller.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.rest.source = Some(source.into().into());
        self
    }

    /// What sort of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.rest.kind
    }

    /// The message, for a line of the log. That of an error made of JSON which names no message is the whole JSON:
    /// data, and data is not logged.
    #[doc(hidden)]
    #[must_use]
    pub fn message_for_log(&self) -> &str {
        let whole = self.rest.exact.as_ref().filter(|exact| exact.is_object() || exact.is_array());
        match whole.filter(|exact| self.message == exact.to_string()) {
            Some(_) => "an error without a message",
            None => &self.message,
        }
    }

    /// The cause, for a line of the log: where it says more than the message, and without the values that serde's errors
    /// quote, since those are a payload's.
    #[doc(hidden)]
    #[must_use]
    pub fn cause_for_log(&self) -> Option<String> {
        let source = self.rest.source.as_deref()?;
        let text = source.downcast_ref().map_or_else(|| source.to_string(), quoteless);
        Some(text).filter(|text| *text != self.message)
    }

    /// Why a payload or a reply did not fit its type, without its values.
    #[doc(hidden)]
    #[must_use]
    pub fn misfit_for_log(&self) -> Option<&str> {
        self.rest.source.as_deref()?.downcast_ref().map(|Misfit(reason)| reason.as_str())
    }

    /// Whether the request may have been executed; `None` on errors that no client call produced.
    #[must_use]
    pub fn sent(&self) -> Option<Sent> {
        self.rest.sent
    }

    /// Whether the request was surely not executed: nothing of it was sent, or the server said that it refused to run it
    /// (`"executed": false` in its `err`). Such a call may be made again without asking what it does.
    ///
    /// ```
    /// # use nestrs_core::{Sent, TransportError}; use serde_json::json;
    /// assert!(TransportError::new("refused").with_sent(Sent::No).was_not_executed());
    /// assert!(TransportError::from_wire(json!({ "message": "Service overloaded", "executed": false })).was_not_executed());
    /// assert!(!TransportError::new("lost").with_sent(Sent::Maybe).was_not_executed());
    /// ```
    #[must_use]
    pub fn was_not_executed(&self) -> bool {
        self.says_not_executed() || self.rest.sent == Some(Sent::No)
    }

    /// What a caller reads of the message: "Internal server error" where it is withheld.
    ///
    /// ```
    /// # use nestrs_core::TransportError;
    /// assert_eq!(TransportError::new("sold out").told(), "sold out");
    /// assert_eq!(TransportError::internal("the password is hunter2").told(), "Internal server error");
    /// ```
    #[must_use]
    pub fn told(&self) -> &str {
        if self.rest.withheld { INTERNAL_SERVER_ERROR } else { &self.message }
    }

    /// True when callers read "Internal server error" in place of the message.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.rest.withheld
    }
}

fn message_of(err: &Value) -> String {
    match err {
        Value::String(text) => text.clone(),
        Value::Object(members) => match members.get("message") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => err.to_string(),
        },
        other => other.to_string(),
    }
}

/// What JavaScript's `if (err)` does not enter.
pub(crate) fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// The message alone; the cause is in [`Error::source`].
impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TransportError");
        debug.field("kind", &self.rest.kind).field("message", &self.message);
        if let Some(details) = &self.details {
            debug.field("details", details);
        }
        if let Some(sent) = &self.rest.sent {
            debug.field("sent", sent);
        }
        if let Some(source) = &self.rest.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.rest.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Two errors are equal when a caller could not tell them apart and they are of one kind.
impl PartialEq for TransportError {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.message == other.message && self.to_wire() == other.to_wire()
    }
}

/// Writes the wire form ([`TransportError::to_wire`]).
impl Serialize for TransportError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_wire().serialize(serializer)
    }
}

/// Reads the wire form ([`TransportError::from_wire`]); any JSON value will do.
impl<'de> Deserialize<'de> for TransportError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from_wire)
    }
}

/// Its text goes to the log, and there without the values that it quotes: they are a payload's.
impl From<serde_json::Error> for TransportError {
    fn from(source: serde_json::Error) -> Self {
        Self::internal(quoteless(&source)).with_source(source)
    }
}

impl From<Box<dyn Error + Send + Sync>> for TransportError {
    fn from(source: Box<dyn Error + Send + Sync>) -> Self {
        Self::internal(source.downcast_ref().map_or_else(|| source.to_string(), quoteless)).with_source(source)
    }
}

/// Foreign errors that handlers meet most, so that `?` works on them. Their text is kept as the source and withheld
/// from callers, who read "Internal server error".
macro_rules! withheld_from {
    ($($foreign:ty),* $(,)?) => {$(
        impl From<$foreign> for TransportError {
            fn from(source: $foreign) -> Self {
                Self::internal(source.to_string()).with_source(source)
            }
        }
    )*};
}

withheld_from!(
    fmt::Error,
    std::io::Error,
    std::num::ParseFloatError,
    std::num::ParseIntError,
    std::str::Utf8Error,
    std::string::FromUtf8Error,
);

#[cfg(test)]
mod tests;
