//! An application that runs: what it listens on, what it serves, and how it ends.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nestrs_core::{Application, ErrorKind, Pattern, TransportError};
use nestrs_microservices::{ClientsService, EventBus, Shutdown};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::error::ListenError;
use crate::explain::Explained;
use crate::heartbeat::Heartbeat;
use crate::lifecycle;
use crate::servers::Servers;

/// How long what the last hooks have emitted may take.
pub(crate) const BUS_FAREWELL: Duration = Duration::from_secs(1);

/// How long the clients of one module may take to close.
const CLIENTS_FAREWELL: Duration = Duration::from_secs(1);

/// One address an application listens on.
///
/// ```
/// use nestrs::prelude::*;
///
/// #[module]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ListenError> {
/// let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await?;
/// let [listening] = app.listening() else { panic!("HTTP only") };
/// assert_eq!((listening.transport, Some(&*listening.address)), ("http", app.address("http")));
/// app.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// `"tcp"` or `"http"`.
    pub transport: &'static str,
    /// `127.0.0.1:3000`.
    pub address: String,
}

/// An application that runs. [`RunningApp::close`] lets calls under way finish; dropping it tells everything to stop at
/// once, waits for nothing, and runs no hooks.
///
/// ```
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Greeter;
///
/// #[module(providers = [Greeter])]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ListenError> {
/// let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await?;
/// assert!(app.address("http").unwrap().starts_with("127.0.0.1:"));
/// assert!(app.get::<Greeter>().is_some());
/// app.close().await;
/// # Ok(()) }
/// ```
pub struct RunningApp {
    pub(crate) application: Arc<Application>,
    pub(crate) bus: EventBus,
    pub(crate) listening: Vec<Listening>,
    pub(crate) servers: Servers,
    pub(crate) routes: Vec<Explained>,
    pub(crate) shutdown: Shutdown,
    /// The signal that ended it.
    pub(crate) signal: Arc<OnceLock<i32>>,
    pub(crate) tasks: JoinSet<Result<(), TransportError>>,
    /// Waits for signals, up to the end of the last hook: a second one ends the process even then.
    pub(crate) signals: Option<JoinHandle<()>>,
    pub(crate) heartbeat: Option<Heartbeat>,
    /// Kept for a test.
    #[cfg(all(feature = "http", feature = "test-util"))]
    pub(crate) router: Option<axum::Router>,
}

impl RunningApp {
    #[cfg(all(feature = "http", feature = "test-util"))]
    pub(crate) fn router(&self) -> axum::Router {
        self.router.clone().unwrap_or_default()
    }

    /// Where it listens, in the order in which the transports were given, HTTP last.
    #[must_use]
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// The address of the first transport of that name: `"tcp"`, `"http"`.
    #[must_use]
    pub fn address(&self, transport: &str) -> Option<&str> {
        self.listening.iter().find(|entry| entry.transport == transport).map(|entry| entry.address.as_str())
    }

    /// Its servers: how each one is, and who is connected to it. A provider can have the same injected.
    ///
    /// ```
    /// use nestrs::microservices::TcpMicroserviceOptions;
    /// use nestrs::prelude::*;
    ///
    /// #[module]
    /// struct AppModule;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), ListenError> {
    /// let options = TcpMicroserviceOptions::bind("127.0.0.1:0");
    /// let app = NestFactory::create_microservice::<AppModule>(options).start().await?;
    /// for server in app.servers() {
    ///     println!("{}://{} is {}", server.transport(), server.address(), server.current_status());
    /// }
    /// app.close().await;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// A provider, as the root module sees it.
    #[must_use]
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.application.root.get()
    }

    /// A provider by name, as the root module sees it.
    #[must_use]
    pub fn get_named<T: ?Sized + Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        self.application.root.get_named(name)
    }

    /// Everything it serves, with what stands around each handler; start-up logs the same lines.
    ///
    /// ```
    /// use nestrs::prelude::*;
    ///
    /// #[injectable]
    /// struct Cats;
    ///
    /// #[controller("/cats")]
    /// impl Cats {
    ///     #[get("/count")]
    ///     async fn count(&self) -> u32 {
    ///         9
    ///     }
    /// }
    ///
    /// #[module(controllers = [Cats])]
    /// struct AppModule;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), ListenError> {
    /// let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await?;
    /// let routes: Vec<String> = app.routes().iter().map(|route| route.to_string()).collect();
    /// assert_eq!(routes, ["GET /cats/count → Cats::count"]);
    /// app.close().await;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn routes(&self) -> &[Explained] {
        &self.routes
    }

    /// What runs for a pattern, `"math.add"`, or for an HTTP route, `"GET /math/sum"`: the handler and the chain of
    /// stages around it. Several for an event with several handlers, none when nothing answers.
    ///
    /// ```
    /// use nestrs::microservices::TcpMicroserviceOptions;
    /// use nestrs::prelude::*;
    ///
    /// #[derive(Default)]
    /// struct TokenGuard;
    /// impl CanActivate for TokenGuard {
    ///     async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// #[injectable]
    /// struct Math;
    ///
    /// #[micro_routes]
    /// impl Math {
    ///     #[message_pattern("math.sum")]
    ///     #[use_guards(TokenGuard)]
    ///     async fn sum(&self, numbers: Vec<i64>) -> i64 {
    ///         numbers.iter().sum()
    ///     }
    /// }
    ///
    /// #[module(providers = [Math], microservices = [Math])]
    /// struct AppModule;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), ListenError> {
    /// let options = TcpMicroserviceOptions::bind("127.0.0.1:0");
    /// let app = NestFactory::create_microservice::<AppModule>(options).start().await?;
    /// let explained = app.explain("math.sum");
    /// assert_eq!(explained[0].to_string(), "message math.sum → Math::sum: guard TokenGuard (method) → handler");
    /// app.close().await;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn explain(&self, pattern: impl Into<Pattern>) -> Vec<&Explained> {
        let pattern = pattern.into();
        self.routes.iter().filter(|route| route.answers(pattern.route())).collect()
    }

    /// Runs until it is shut down by a signal, or until nothing is served any more.
    ///
    /// # Errors
    /// When every transport has ended by itself: the first one's reason. One that ends while others go on is logged.
    pub async fn wait(mut self) -> Result<(), ListenError> {
        let mut first_error = None;
        loop {
            let ended = tokio::select! {
                biased;
                () = self.shutdown.begun() => break,
                ended = self.tasks.join_next() => ended,
            };
            match ended {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => {
                    tracing::error!(%error, "a transport has ended");
                    first_error.get_or_insert(error);
                }
                Some(Err(panic)) => {
                    tracing::error!(%panic, "a transport has panicked");
                    first_error.get_or_insert_with(|| {
                        TransportError::withheld(ErrorKind::Internal, "a transport has panicked")
                    });
                }
                None => break,
            }
        }
        self.close().await;
        first_error.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Stops listening, lets calls and HTTP requests under way finish for the grace period, and returns when all has
    /// ended, at the latest a second after that. What a handler has spawned by itself is its own. Then the hooks of the end
    /// run ([`OnModuleDestroy`](crate::OnModuleDestroy) and the others), each for 5 s at most.
    ///
    /// Events on the bus finish within the same grace period, after the calls that emit them, and what the hooks emit
    /// within a second more; then the bus is closed, and last the clients of `ClientsModule`s.
    pub async fn close(mut self) {
        let deadline = Instant::now() + self.shutdown.grace_period();
        self.shutdown.finish().await;
        // A transport that ignores the shutdown ends here.
        self.tasks.shutdown().await;
        self.servers.end();
        self.bus.drain(deadline.saturating_duration_since(Instant::now())).await;
        lifecycle::end(&self.application.lifecycle, self.signal.get().copied()).await;
        self.bus.close(BUS_FAREWELL).await;
        for clients in self.application.container.all::<ClientsService>() {
            if tokio::time::timeout(CLIENTS_FAREWELL, clients.close()).await.is_err() {
                tracing::warn!(target: "nestrs::app", ?clients, "clients did not close in time");
            }
        }
        self.heartbeat = None;
        if let Some(signals) = self.signals.take() {
            signals.abort();
            // So that nothing of this application is left.
            let _ = signals.await;
        }
    }
}

impl Drop for RunningApp {
    fn drop(&mut self) {
        self.shutdown.abort();
        self.servers.end();
        self.bus.abort();
        if let Some(signals) = &self.signals {
            signals.abort();
        }
    }
}

impl fmt::Debug for RunningApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningApp").field("listening", &self.listening).finish_non_exhaustive()
    }
}
