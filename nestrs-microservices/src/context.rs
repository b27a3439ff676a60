//! What a handler can learn about the connection a message came over.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use nestrs_core::{ErrorKind, ExecutionContext, FromContext, TransportError};
use tokio_util::sync::CancellationToken;

use crate::authentication::Claims;
use crate::net::PeerIdentity;
use crate::net::registry::{ConnectionId, Meter};

/// The connection a message came over: NestJS's `TcpContext`, whatever the transport.
///
/// ```
/// use std::sync::Arc;
/// use nestrs::microservices::{ConnectionContext, TcpTransport, memory_pair};
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct WhereFrom;
///
/// #[micro_routes]
/// impl WhereFrom {
///     #[message_pattern("where.from")]
///     async fn where_from(&self, #[ctx] connection: ConnectionContext, #[ctx] peer: Peer) -> String {
///         assert_eq!(connection.peer_addr(), peer.0);
///         connection.transport().to_owned()
///     }
/// }
///
/// #[module(providers = [WhereFrom], microservices = [WhereFrom])]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (server, transport) = memory_pair();
/// let app = NestFactory::create_microservice::<AppModule>(server).start().await?;
/// let client = ClientProxy::new(Arc::new(TcpTransport::new(transport)));
/// assert_eq!(client.send::<_, String>("where.from", &()).await?, "memory");
/// app.close().await;
/// # Ok(()) }
/// ```
///
/// A handler takes it as an argument after its payload, or marked `#[ctx]` where it takes none. It is an error, answered to the caller, where a handler is
/// called without a connection, as the event bus does; `Option<ConnectionContext>` is `None` there.
#[derive(Clone, Debug)]
pub struct ConnectionContext(Arc<Connection>);

#[derive(Debug)]
struct Connection {
    meter: Arc<Meter>,
    identity: Option<PeerIdentity>,
    claims: Option<Claims>,
    /// Made when somebody first asks for it: most connections have no handler that does.
    gone: OnceLock<CancellationToken>,
}

impl ConnectionContext {
    /// A context for a connection, and what its peer has shown of itself.
    pub(crate) fn new(meter: Arc<Meter>, identity: Option<PeerIdentity>, claims: Option<Claims>) -> Self {
        Self(Arc::new(Connection { meter, identity, claims, gone: OnceLock::new() }))
    }

    fn gone(&self) -> &CancellationToken {
        self.0.gone.get_or_init(CancellationToken::new)
    }

    /// Tells handlers that nobody will read their answers any more.
    pub(crate) fn leave(&self) {
        self.gone().cancel();
    }

    /// `"tcp"`.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        self.0.meter.transport
    }

    /// Which connection it is.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.0.meter.id
    }

    /// The other end's address, where the transport has one.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.meter.peer_addr
    }

    /// Who the other end has proved to be by a client certificate (feature `tls`); `None` where it showed none.
    #[must_use]
    pub fn identity(&self) -> Option<&PeerIdentity> {
        self.0.identity.as_ref()
    }

    /// What the hook of [`TcpMicroserviceOptions::authenticate`](crate::TcpMicroserviceOptions::authenticate) has returned
    /// for this connection; `None` where there is no hook, or where it returns another type. A handler takes it as
    /// [`Authenticated<T>`](crate::Authenticated).
    #[must_use]
    pub fn authenticated<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.claims.as_deref()?.downcast_ref()
    }

    pub(crate) fn claims(&self) -> Option<&Claims> {
        self.0.claims.as_ref()
    }
}

impl FromContext<'_> for ConnectionContext {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        cx.transport::<Self>().cloned().ok_or_else(|| {
            TransportError::withheld(
                ErrorKind::Internal,
                format!("`{}` was not called over a connection", cx.handler()),
            )
        })
    }
}

/// The address of the caller, as a handler argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub Option<SocketAddr>);

impl FromContext<'_> for Peer {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        Ok(Self(cx.transport::<ConnectionContext>().and_then(ConnectionContext::peer_addr)))
    }
}

/// Tells a handler that nobody waits for its answer any more: the caller's connection is gone, or the server gave up
/// waiting at shutdown. A hint; the handler is not stopped by it.
///
/// ```
/// use nestrs_microservices::Cancellation;
///
/// async fn search(cancellation: Cancellation) -> u32 {
///     tokio::select! {
///         () = cancellation.cancelled() => 0,
///         found = async { 42 } => found,
///     }
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancellation(CancellationToken);

impl Cancellation {
    /// Completes when the caller is gone.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    /// Whether the caller is gone.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl Cancellation {
    /// The cancellation of a call, also for stages; one that never fires where there is no connection.
    #[must_use]
    pub fn of(cx: &ExecutionContext) -> Self {
        cx.transport::<ConnectionContext>().map_or_else(Self::default, |connection| Self(connection.gone().clone()))
    }
}

/// One that never fires, where there is no connection.
impl FromContext<'_> for Cancellation {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        Ok(Self::of(cx))
    }
}
