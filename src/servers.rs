//! The servers of an application, for whoever wants to know how they are.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use nestrs_core::TransportError;
use nestrs_microservices::{ServerHandle, ServerStatus};

/// The servers of an application: each with its state, its connections and what it has done. HTTP's is among them, with a
/// state only.
///
/// It can be injected everywhere, as `Arc<Servers>`, and [`RunningApp::servers`](crate::RunningApp::servers) is the same.
/// Before the application listens it is empty.
///
/// ```
/// use std::sync::Arc;
/// use nestrs::axum::Json;
/// use nestrs::axum::extract::Path;
/// use nestrs::microservices::{ConnectionId, ConnectionInfo};
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Admin {
///     servers: Arc<Servers>,
/// }
///
/// #[controller("/connections")]
/// impl Admin {
///     #[get]
///     async fn list(&self) -> Json<Vec<ConnectionInfo>> {
///         Json(self.servers.iter().flat_map(|server| server.connections()).collect())
///     }
///
///     #[delete("/{id}")]
///     async fn disconnect(&self, Path(id): Path<u64>) -> Json<bool> {
///         Json(self.servers.iter().any(|server| server.disconnect(ConnectionId(id))))
///     }
/// }
///
/// #[module(controllers = [Admin])]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ListenError> {
/// let app = NestFactory::create::<AppModule>()
///     .connect_microservice(nestrs::microservices::TcpMicroserviceOptions::bind("127.0.0.1:0"))
///     .start("127.0.0.1:0")
///     .await?;
/// let transports: Vec<_> = app.servers().iter().map(|server| server.transport()).collect();
/// assert_eq!(transports, ["tcp", "http"]);
/// app.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Servers(Arc<OnceLock<Vec<ServerHandle>>>);

impl Servers {
    /// All of them, in the order in which the transports were given, HTTP last.
    pub fn iter(&self) -> std::slice::Iter<'_, ServerHandle> {
        self.0.get().map(Vec::as_slice).unwrap_or_default().iter()
    }

    /// The first of that transport: `"tcp"`, `"http"`.
    #[must_use]
    pub fn get(&self, transport: &str) -> Option<&ServerHandle> {
        self.iter().find(|server| server.transport() == transport)
    }

    /// Once, when all have their addresses.
    pub(crate) fn fill(&self, servers: Vec<ServerHandle>) {
        let filled = self.0.set(servers);
        debug_assert!(filled.is_ok(), "an application opens once");
    }

    /// It is over: what has not said so itself is closed.
    pub(crate) fn end(&self) {
        for server in self {
            server.set_status(ServerStatus::Draining);
        }
    }
}

impl<'a> IntoIterator for &'a Servers {
    type Item = &'a ServerHandle;
    type IntoIter = std::slice::Iter<'a, ServerHandle>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Serves, and says so when that is over: transports that keep no registry have nobody else to say it.
pub(crate) async fn attended(
    server: ServerHandle,
    serving: impl Future<Output = Result<(), TransportError>>,
) -> Result<(), TransportError> {
    let mut attended = Attended { server, next: ServerStatus::Failed };
    let outcome = serving.await;
    if outcome.is_ok() {
        attended.next = ServerStatus::Draining;
    }
    outcome
}

struct Attended {
    server: ServerHandle,
    next: ServerStatus,
}

/// Also when it panics.
impl Drop for Attended {
    fn drop(&mut self) {
        self.server.set_status(self.next);
    }
}
