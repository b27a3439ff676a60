//! What sort of failure an error is, and whether its request may have been executed.

/// What sort of failure a [`TransportError`] is: for `match`, for the HTTP status, for retries.
///
/// Never sent over the wire.
///
/// [`TransportError`]: crate::TransportError
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The application said so: [`TransportError::new`] without another kind.
    ///
    /// [`TransportError::new`]: crate::TransportError::new
    #[default]
    Application,
    /// The other side answered with an error of its own ([`TransportError::from_wire`]).
    ///
    /// [`TransportError::from_wire`]: crate::TransportError::from_wire
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
