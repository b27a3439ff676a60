//! A server, as the application and whoever watches it see it.

use std::fmt;
use std::sync::Arc;

use futures_util::stream::BoxStream;

use crate::net::registry::{ConnectionEvents, ConnectionId, ConnectionInfo, Registry, ServerStats, ServerStatus};

/// One server of a running application: what state it is in, and who is connected. Cheap to clone; it keeps nothing
/// open.
///
/// [`Servers`](https://docs.rs/nestrs/latest/nestrs/struct.Servers.html) has those of an application. A transport of one's
/// own makes one with [`ServerHandle::new`], and gives it out by
/// [`TransportServer::handle`](crate::TransportServer::handle).
///
/// ```
/// use nestrs::microservices::{ServerHandle, ServerStatus, TcpMicroserviceOptions};
/// use nestrs::prelude::*;
///
/// #[module]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::bind("127.0.0.1:0")).start().await?;
/// let server: ServerHandle = app.servers().get("tcp").cloned().unwrap();
/// let _peer = tokio::net::TcpStream::connect(server.address()).await?;
/// assert_eq!(server.current_status(), ServerStatus::Listening);
/// app.close().await;
/// assert_eq!(server.current_status(), ServerStatus::Closed);
/// assert_eq!(server.connections(), []);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ServerHandle {
    registry: Arc<Registry>,
    address: Arc<str>,
}

impl ServerHandle {
    /// A handle for a server that keeps no registry of connections: it has a status, and nothing else. It is listening
    /// until [`ServerHandle::set_status`] says otherwise.
    #[must_use]
    pub fn new(transport: &'static str, address: &str) -> Self {
        Self::of(Registry::new(transport), address)
    }

    pub(crate) fn of(registry: Arc<Registry>, address: &str) -> Self {
        Self { registry, address: Arc::from(address) }
    }

    /// The same server, reached at another address: where it accepts through a listener that is not its own.
    #[must_use]
    pub fn at(self, address: &str) -> Self {
        Self { address: Arc::from(address), ..self }
    }

    /// `"tcp"`, `"http"`.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        self.registry.transport
    }

    /// Where it can be reached, in the transport's own words: `127.0.0.1:3000`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What state it is in: the present one first, then each later one. A reader that is slower than the changes sees the
    /// latest, in order and never missing the last. Ends after [`ServerStatus::Closed`].
    #[must_use]
    pub fn status(&self) -> BoxStream<'static, ServerStatus> {
        self.registry.statuses()
    }

    /// What state it is in now.
    #[must_use]
    pub fn current_status(&self) -> ServerStatus {
        self.registry.status()
    }

    /// For transports: says what state the server is in. Nothing follows [`ServerStatus::Closed`]; one that is
    /// [`ServerStatus::Draining`] closes by itself with its last connection, or at once where there is none.
    pub fn set_status(&self, status: ServerStatus) {
        self.registry.set_status(status);
    }

    /// What it has done since it was bound. Empty for transports that keep no registry, such as HTTP.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.registry.stats()
    }

    /// Who is connected now, in the order in which they were accepted. Empty for transports that keep no registry, such as
    /// HTTP.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.registry.connections()
    }

    /// One connection, if it is still there.
    #[must_use]
    pub fn connection(&self, id: ConnectionId) -> Option<ConnectionInfo> {
        self.registry.connection(id)
    }

    /// Asks a connection to end, for [`CloseReason::Shutdown`](crate::net::CloseReason::Shutdown): nothing more is read
    /// from it, calls under way are answered, within the grace period, and then it is closed. False when there is no such
    /// connection. Returns at once; [`ServerHandle::events`] tells when it is gone.
    pub fn disconnect(&self, id: ConnectionId) -> bool {
        self.registry.disconnect(id)
    }

    /// What happens to its connections from now on.
    #[must_use]
    pub fn events(&self) -> ConnectionEvents {
        self.registry.feed.subscribe()
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("transport", &self.transport())
            .field("address", &self.address)
            .field("status", &self.current_status())
            .finish_non_exhaustive()
    }
}
