//! What a transport says of itself to be checked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nestrs_core::{ErrorKind, TransportError};

use crate::transport::{Transport, TransportServer};

use super::promise::Promise;

/// A transport, as the suite sees it: how its ends are made, and how the way between them is cut.
///
/// The ends should have what makes failures quick to see: a server with a grace period of some 300 ms ([`Promise::Drain`] waits
/// for its end once), a client that waits for a connection no longer than 100 ms, pauses of milliseconds between attempts to
/// connect, and [`max_message_bytes`](Self::max_message_bytes) as their limit. The page of [this module](super) has an example.
#[async_trait]
pub trait ConformanceTarget: Send + Sync {
    /// What it is called in tables.
    fn name(&self) -> &str;

    /// Whether it keeps a promise, and if not, why not. By default all of them. What is offered is checked; what is not, is
    /// a row of the table with its reason.
    fn offer(&self, _promise: Promise) -> Offer {
        Offer::Yes
    }

    /// A server that nobody has bound yet. Called once for each instance of a service: those that it made before and that still
    /// run are replicas of this one.
    ///
    /// # Errors
    /// When it cannot be made: the row is broken.
    async fn server(&self) -> Result<Box<dyn TransportServer>, TransportError>;

    /// A client, not yet connected, of the server made last; `address` is where that said it is bound
    /// ([`Bound::address`](crate::Bound)). Each client is a connection of its own.
    ///
    /// # Errors
    /// When it cannot be made: the row is broken.
    async fn client(&self, address: &str) -> Result<Arc<dyn Transport>, TransportError>;

    /// Cuts the way between all clients and servers: what is connected loses its connection, and nothing connects, until
    /// [`mend`](Self::mend). A broker is stopped, a cable pulled. Returns when it is done. Needed where
    /// [`Promise::Reconnect`] or [`Promise::Status`] is offered.
    ///
    /// # Errors
    /// When it cannot be done: the row is broken. By default so.
    async fn cut(&self) -> Result<(), TransportError> {
        Err(TransportError::withheld(ErrorKind::Internal, "this target does not say how its way is cut"))
    }

    /// Mends what was [`cut`](Self::cut): connections can be made again.
    ///
    /// # Errors
    /// When it cannot be done: the row is broken. By default nothing is done.
    async fn mend(&self) -> Result<(), TransportError> {
        Ok(())
    }

    /// The longest message that its ends take, in bytes. Default 64 KiB, at least 32 KiB.
    fn max_message_bytes(&self) -> usize {
        64 * 1024
    }

    /// How long anything may take before it is said to hang. Default 5 s: an idle machine needs no tenth of it.
    fn patience(&self) -> Duration {
        Duration::from_secs(5)
    }
}

/// Whether a transport keeps a promise.
///
/// ```
/// use nestrs_microservices::conformance::Offer;
///
/// assert_eq!(Offer::no("a broker does not tell"), Offer::No("a broker does not tell".to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It does, and that is checked.
    Yes,
    /// It does not, for this reason.
    No(String),
}

impl Offer {
    /// It does not, for this reason.
    pub fn no(reason: impl Into<String>) -> Self {
        Self::No(reason.into())
    }
}
