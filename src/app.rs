//! A running application: everything opened together, closed together.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nestrs_core::{
    Application, BootOptions, DynamicModule, Enhancers, HandlerKind, ModuleDef, Provider, Reflector, StageKind,
    TransportError,
};
use nestrs_microservices::{Bound, Dispatcher, EventBus, ServerHandle, Serving, Shutdown, TransportServer};
use tokio::task::JoinSet;

use crate::error::ListenError;
use crate::explain::{self, Explained};
use crate::heartbeat::Heartbeat;
#[cfg(feature = "http")]
use crate::http::{HttpApp, build_router, enhancers_of, has_routes};
use crate::lifecycle;
use crate::running::{BUS_FAREWELL, Listening, RunningApp};
use crate::servers::{Servers, attended};
#[cfg(feature = "http")]
use crate::share;
use crate::signals::on_signals;

/// What is to run.
pub(crate) struct Plan {
    root: fn() -> ModuleDef,
    pub(crate) servers: Vec<Box<dyn TransportServer>>,
    #[cfg(feature = "http")]
    pub(crate) http: HttpApp,
    #[cfg(feature = "http")]
    http_address: Option<(String, u16)>,
    pub(crate) shutdown_hooks: bool,
    /// Around everything the application serves.
    pub(crate) enhancers: Enhancers,
    /// Around messages and events only.
    pub(crate) message_enhancers: Enhancers,
    /// Whether `enhancers`, and what modules provide for the application, stand around messages and events.
    pub(crate) messages_inherit: bool,
    /// What a test uses instead of the application's own.
    #[cfg(feature = "test-util")]
    pub(crate) overrides: nestrs_core::Overrides,
    /// Keeps the routes for a test to call, without an address.
    #[cfg(all(feature = "http", feature = "test-util"))]
    pub(crate) keeps_router: bool,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("transports", &self.servers.len()).finish_non_exhaustive()
    }
}

impl Plan {
    pub(crate) fn new(root: fn() -> ModuleDef) -> Self {
        Self {
            root,
            servers: Vec::new(),
            #[cfg(feature = "http")]
            http: HttpApp::default(),
            #[cfg(feature = "http")]
            http_address: None,
            shutdown_hooks: false,
            enhancers: Enhancers::default(),
            message_enhancers: Enhancers::default(),
            messages_inherit: true,
            #[cfg(feature = "test-util")]
            overrides: nestrs_core::Overrides::default(),
            #[cfg(all(feature = "http", feature = "test-util"))]
            keeps_router: false,
        }
    }

    /// Nothing is to listen but what a test adds.
    #[cfg(feature = "test-util")]
    pub(crate) fn prepare_for_test(&mut self) {
        self.servers.clear();
        self.shutdown_hooks = false;
        #[cfg(feature = "http")]
        {
            self.http_address = None;
            self.keeps_router = true;
        }
    }

    #[cfg(feature = "http")]
    pub(crate) fn listen_http(&mut self, address: impl crate::http::HttpAddress) {
        self.http_address = Some(address.host_and_port());
    }

    pub(crate) async fn listen(self) -> Result<(), ListenError> {
        let outcome = async { self.start().await?.wait().await }.await;
        if let Err(error) = &outcome {
            error.announce();
        }
        outcome
    }

    pub(crate) async fn start(self) -> Result<RunningApp, ListenError> {
        let bus = EventBus::new();
        let servers = Servers::default();
        let options = self.boot_options(&bus, &servers);
        let application = Arc::new(nestrs_core::boot((self.root)(), options).await?);
        bus.attach(&application);
        if let Err(error) = lifecycle::begin(&application.lifecycle).await {
            bus.abort();
            return Err(error);
        }
        match self.open(Arc::clone(&application), bus.clone(), servers).await {
            Ok(app) => Ok(app),
            Err(error) => {
                // What has begun ends, though nothing was ever served.
                lifecycle::end(&application.lifecycle, None).await;
                bus.close(BUS_FAREWELL).await;
                Err(error)
            }
        }
    }

    /// Opens everything, or nothing.
    async fn open(
        mut self,
        application: Arc<Application>,
        bus: EventBus,
        servers: Servers,
    ) -> Result<RunningApp, ListenError> {
        let grace = self.servers.iter().map(|server| server.grace_period()).max().unwrap_or(DEFAULT_GRACE);
        let shutdown = Shutdown::new(grace);
        let undo = Undo(Some(shutdown.clone()));
        let mut listening = Vec::new();
        #[cfg_attr(not(feature = "http"), expect(unused_mut, reason = "HTTP routes come later"))]
        let mut routes = explain::messages(&application);
        let mut tasks: JoinSet<Result<(), TransportError>> = JoinSet::new();

        #[cfg(all(feature = "http", feature = "test-util"))]
        let kept = self.keeps_router.then(|| self.router(&application, &servers)).transpose()?;
        #[cfg(all(feature = "http", feature = "test-util"))]
        let router = kept.map(|(router, list)| {
            routes.extend(list);
            router
        });

        // Everything is bound before anything is served: a half that fails takes the other with it.
        #[cfg(feature = "http")]
        let http = match self.http_address.clone() {
            None => None,
            Some(address) => {
                let (router, list) = self.router(&application, &servers)?;
                let bound = share::bind_http(&address, &mut self.servers).await?;
                Some((router, list, bound))
            }
        };
        let mut serving = Vec::new();
        let mut handles = Vec::new();
        for server in &mut self.servers {
            let bound = server.bind().await?;
            serving.push(Serving::of(&**server, &bound));
            handles.push(server.handle().unwrap_or_else(|| ServerHandle::new(bound.transport, &bound.address)));
            let Bound { transport, address } = bound;
            listening.push(Listening { transport, address });
        }
        Serving::check(&application, &serving)?;
        #[cfg(feature = "http")]
        let http = http.map(|(router, list, bound)| {
            if bound.shared {
                tracing::info!(address = %bound.address, "HTTP and messages share one address, told apart by the first byte");
            }
            listening.push(Listening { transport: "http", address: bound.address.to_string() });
            routes.extend(list);
            let handle = ServerHandle::new("http", &bound.address.to_string());
            handles.push(handle.clone());
            (handle, router, bound.listener)
        });
        let mut dispatchers = Vec::new();
        for (server, serving) in self.servers.iter_mut().zip(&serving) {
            let dispatcher = Dispatcher::serving(&application, serving);
            server.prepare(&dispatcher).await?;
            dispatchers.push(dispatcher);
        }
        servers.fill(handles);
        // Before anybody can have an answer: whoever has one may end this process by a signal.
        let signal = Arc::new(OnceLock::new());
        let signals = if self.shutdown_hooks { on_signals(shutdown.clone(), Arc::clone(&signal)) } else { None };
        #[cfg(feature = "http")]
        if let Some((handle, router, listener)) = http {
            let serving = share::serve_http(listener, router, shutdown.clone());
            tasks.spawn(shutdown.track(attended(handle, serving)));
        }
        for ((server, dispatcher), handle) in
            std::mem::take(&mut self.servers).into_iter().zip(dispatchers).zip(&servers)
        {
            tasks.spawn(shutdown.track(attended(handle.clone(), server.serve(dispatcher, shutdown.clone()))));
        }
        log_start(&routes, &listening);
        self.warn_of_unguarded(&application);
        if cfg!(panic = "abort") {
            tracing::warn!(
                target: "nestrs::app",
                "built with `panic = \"abort\"`: a panic in a handler ends the process and every call under way; leave that \
                 out of the profile to have it answered as an error"
            );
        }
        undo.keep();
        Ok(RunningApp {
            application,
            bus,
            listening,
            servers,
            routes,
            shutdown,
            signal,
            tasks,
            signals,
            heartbeat: Heartbeat::start(),
            #[cfg(all(feature = "http", feature = "test-util"))]
            router,
        })
    }

    fn boot_options(&self, bus: &EventBus, servers: &Servers) -> BootOptions {
        /// Hosts what every application has.
        struct Nest;
        let builtin = DynamicModule::new::<Nest>()
            .provide(Provider::value(bus.clone()))
            .provide(Provider::value(Reflector))
            .provide(Provider::value(servers.clone()))
            .export::<EventBus>()
            .export::<Reflector>()
            .export::<Servers>()
            .global();
        let mut options = BootOptions::default();
        options.globals.push(builtin);
        #[cfg(feature = "http")]
        {
            options.has_http_routes = Some(has_routes);
            options.http_enhancers = Some(enhancers_of);
        }
        #[cfg(feature = "test-util")]
        {
            options.overrides = self.overrides.clone();
        }
        options.app_enhancers_off_messages = !self.messages_inherit;
        options.enhancers = if self.messages_inherit { self.enhancers.clone() } else { Enhancers::default() }
            .around(&self.message_enhancers);
        options
    }
}

impl Plan {
    /// The HTTP half and the list of its routes.
    #[cfg(feature = "http")]
    fn router(
        &mut self,
        application: &Application,
        servers: &Servers,
    ) -> Result<(axum::Router, Vec<Explained>), ListenError> {
        let global = application.app_enhancers.clone().around(&self.enhancers);
        build_router(application, std::mem::take(&mut self.http), &global, servers).map_err(ListenError::Routes)
    }

    /// Says so when global stages stand around HTTP routes and not around messages.
    fn warn_of_unguarded(&self, application: &Application) {
        let global = application.app_enhancers.clone().around(&self.enhancers).chain();
        let handlers = application.routes.iter().filter(|route| route.kind != HandlerKind::Bus).count();
        if handlers == 0 || !self.messages_inherit {
            let pipes = global.iter().filter(|entry| entry.kind == StageKind::Pipe).map(|entry| entry.name.as_str());
            let pipes: Vec<_> = pipes.collect();
            if !pipes.is_empty() {
                tracing::warn!(
                    pipes = pipes.join(", "),
                    "global pipes transform nothing: they are for messages, and HTTP routes have extractors"
                );
            }
        }
        if self.messages_inherit || global.is_empty() || handlers == 0 {
            return;
        }
        let names: Vec<_> = global.iter().map(|entry| format!("{} {}", entry.kind, entry.name)).collect();
        tracing::warn!(
            handlers,
            "{} around HTTP routes only: message and event handlers run without; \
             `inherit_app_config(true)` puts them around those too",
            names.join(", ")
        );
    }
}

/// How long a shutdown may take where no transport says.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

fn log_start(routes: &[Explained], listening: &[Listening]) {
    for route in routes {
        tracing::info!("{route}");
    }
    for Listening { transport, address } in listening {
        let exposed = address.parse::<SocketAddr>().is_ok_and(|address| !address.ip().is_loopback());
        let reach = if exposed { "reachable from other machines" } else { "this machine only" };
        tracing::info!("listening on {transport}://{address} ({reach})");
    }
    tracing::info!("Nest application successfully started");
}

/// Closes what a start that fails half-way had opened.
struct Undo(Option<Shutdown>);

impl Undo {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(shutdown) = &self.0 {
            shutdown.abort();
        }
    }
}
