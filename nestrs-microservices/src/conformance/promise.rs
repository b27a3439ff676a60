//! What is checked.

use std::fmt;

/// Something that callers and handlers may rely on, whatever the transport. A row of the table.
///
/// ```
/// use nestrs_microservices::conformance::Promise;
///
/// assert_eq!(Promise::CallerGone.to_string(), "caller gone");
/// assert!(Promise::ALL.contains(&Promise::Send));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Promise {
    /// A call is answered with its own answer, whatever JSON it brings, and a slow one holds up no other.
    Send,
    /// An event reaches every handler of its pattern.
    Emit,
    /// The events of one client begin in the order in which they were emitted.
    Order,
    /// A handler's error reaches its caller, and the text of an internal one does not.
    Error,
    /// A reply of many items arrives in order, to its end or its error.
    Stream,
    /// The strings beside a payload reach the handler, of calls and of events.
    Metadata,
    /// A call ends at its deadline, and so does its handler, who knows of it.
    Deadline,
    /// A call that is dropped leaves nothing behind, and its answer goes to nobody else.
    Cancel,
    /// A handler is told that its caller is gone.
    CallerGone,
    /// A service that ends answers what it has begun, refuses the rest as not executed, and ends in time.
    Drain,
    /// After a loss nothing hangs, what was not sent is said to be so, and all goes on by itself.
    Reconnect,
    /// A client says in what state its connection is.
    Status,
    /// A message that is too long is refused before it is sent, and hurts nothing else.
    Oversize,
    /// A handler that panics is an error of its call and of nothing else.
    Panic,
    /// A call that nobody handles fails at once.
    UnknownPattern,
    /// Each call is executed once, each event once by each of its handlers.
    Duplicate,
    /// The instances of a service share its work.
    Replicas,
    /// A client that is closed fails what is under way, and everything after.
    Close,
}

impl Promise {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 18] = [
        Self::Send,
        Self::Emit,
        Self::Order,
        Self::Error,
        Self::Stream,
        Self::Metadata,
        Self::Deadline,
        Self::Cancel,
        Self::CallerGone,
        Self::Drain,
        Self::Reconnect,
        Self::Status,
        Self::Oversize,
        Self::Panic,
        Self::UnknownPattern,
        Self::Duplicate,
        Self::Replicas,
        Self::Close,
    ];

    /// What it is called in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Emit => "emit",
            Self::Order => "order",
            Self::Error => "error",
            Self::Stream => "stream",
            Self::Metadata => "metadata",
            Self::Deadline => "deadline",
            Self::Cancel => "cancel",
            Self::CallerGone => "caller gone",
            Self::Drain => "drain",
            Self::Reconnect => "reconnect",
            Self::Status => "status",
            Self::Oversize => "oversize",
            Self::Panic => "panic",
            Self::UnknownPattern => "unknown pattern",
            Self::Duplicate => "duplicate",
            Self::Replicas => "replicas",
            Self::Close => "close",
        }
    }

    /// What is promised, in a sentence.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Send => "a call is answered with its own answer, and a slow one holds up no other",
            Self::Emit => "an event reaches every handler of its pattern",
            Self::Order => "the events of one client begin in order",
            Self::Error => "a handler's error reaches its caller; an internal one's text does not",
            Self::Stream => "many items arrive in order, to the end or the error",
            Self::Metadata => "strings beside the payload reach the handler",
            Self::Deadline => "a call ends at its deadline, and its handler too, who knows of it",
            Self::Cancel => "a dropped call leaves nothing behind",
            Self::CallerGone => "a handler is told that its caller is gone",
            Self::Drain => "what has begun is answered, the rest refused as not executed, in time",
            Self::Reconnect => "after a loss nothing hangs, and all goes on by itself",
            Self::Status => "a client says in what state its connection is",
            Self::Oversize => "what is too long is refused unsent, and hurts nothing else",
            Self::Panic => "a panic is an error of its call and of nothing else",
            Self::UnknownPattern => "a call that nobody handles fails at once",
            Self::Duplicate => "each call is executed once, each event once by each handler",
            Self::Replicas => "instances of a service share its work",
            Self::Close => "a closed client fails what is under way and everything after",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
