//! The error itself: how it is made, changed and asked.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::INTERNAL_SERVER_ERROR;
use super::kind::{ErrorKind, Sent};

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
    pub(super) rest: Box<Rest>,
}

/// The private half; boxed, so that a `Result` carrying the error stays small.
#[derive(Clone, Default)]
pub(super) struct Rest {
    pub(super) kind: ErrorKind,
    pub(super) sent: Option<Sent>,
    /// `err` exactly as given to `exact` or read by `from_wire`; `details` begins as the same.
    pub(super) exact: Option<Value>,
    /// Set on errors whose text is for operators: a caller reads "Internal server error" instead.
    pub(super) withheld: bool,
    /// Says `"executed":false` on the wire.
    pub(super) not_executed: bool,
    /// It came over the wire.
    pub(super) remote: bool,
    /// Made from a panic.
    pub(super) panic: bool,
    /// A guard's, or what a filter made of that.
    pub(super) refusal: bool,
    /// The type this was converted from, should the conversion have dropped it.
    pub(super) origin: Option<&'static str>,
    pub(super) source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TransportError {
    /// An error whose text the caller is meant to read.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), details: None, rest: Box::default() }
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

    /// Adds details for the caller; on the wire they are the member `details`.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
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

    /// Keeps its text from callers: they read "Internal server error".
    #[must_use]
    pub fn withhold(mut self) -> Self {
        self.rest.withheld = true;
        self
    }

    /// What sort of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.rest.kind
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

    /// True when it was made from a panic.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.rest.panic
    }

    /// True when a guard refused the call, whatever a filter has made of that since: the same call would be refused again.
    /// An error that is withheld ([`TransportError::is_withheld`]) is no refusal: that guard could not decide.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.rest.refusal
    }

    /// A guard returned it.
    pub(crate) fn of_guard(mut self) -> Self {
        self.rest.refusal = !self.rest.withheld;
        self
    }

    /// A filter made it of an error of which `refusal` was true.
    pub(crate) fn instead_of(mut self, refusal: bool) -> Self {
        self.rest.refusal = refusal;
        self
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
