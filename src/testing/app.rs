//! Building an application for a test, and running it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use nestrs_core::{CanActivate, ExceptionFilter, Interceptor, Module, Overrides, PipeTransform, Provider, TransportId};
use nestrs_microservices::{
    ClientProxy, MicroserviceOptions, MockService, TcpTransport, TcpTransportOptions, memory_pair_as,
};

use crate::app::Plan;
#[cfg(feature = "http")]
use crate::http::HttpApp;
use crate::{Explained, ListenError, RunningApp};

/// A module under test, not yet running; what [`TestApp::of`] makes. NestJS's `Test.createTestingModule(…)`.
///
/// What is replaced is replaced wherever it stands, in every module; an override that replaces nothing is an error of
/// [`TestingModule::start`].
///
/// ```
/// use nestrs::prelude::*;
/// use nestrs::testing::TestApp;
///
/// struct Keys;
///
/// /// Needs what a test has not.
/// #[injectable]
/// struct TokenGuard {
///     _keys: std::sync::Arc<Keys>,
/// }
///
/// impl CanActivate for TokenGuard {
///     async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
///         Err(forbidden())
///     }
/// }
///
/// struct Everyone;
///
/// impl CanActivate for Everyone {
///     async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
///         Ok(())
///     }
/// }
///
/// #[injectable]
/// struct Shop {
///     #[inject("CENTS")]
///     cents: u32,
/// }
///
/// #[micro_routes]
/// impl Shop {
///     #[message_pattern("shop.price")]
///     #[use_guards(TokenGuard)]
///     async fn price(&self) -> u32 {
///         self.cents
///     }
/// }
///
/// #[module(providers = [Provider::value(450_u32).named("CENTS")], controllers = [Shop])]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = TestApp::of::<AppModule>()
///     .override_named("CENTS", 1_u32)
///     .override_guard::<TokenGuard>(Everyone)
///     .start()
///     .await?;
/// assert_eq!(app.client().send::<_, u32>("shop.price", &()).await?, 1);
/// app.close().await;
///
/// let idle = TestApp::of::<AppModule>().override_guard::<TokenGuard>(Everyone).override_provider(7_u64).start().await;
/// assert!(idle.unwrap_err().to_string().contains("`Arc<u64>` is overridden, but no module provides it"));
/// # Ok(()) }
/// ```
#[must_use = "nothing runs before `start` is awaited"]
pub struct TestingModule<M> {
    plan: Plan,
    overrides: Overrides,
    transport: TransportId,
    module: PhantomData<fn() -> M>,
}

/// An application that runs for a test: its messages come through memory, its HTTP requests without a socket; packets,
/// codec, dispatch, stages, life-cycle hooks and shutdown are those of production.
///
/// Nothing waits for the clock, so tests may pause it (`#[tokio::test(start_paused = true)]`). Its transport is called
/// `memory`: a handler that is filtered to others (`transport = tcp`) is not reached, and start-up says so, unless
/// [`TestingModule::transport`] gives it that name.
///
/// ```
/// use std::sync::Arc;
/// use nestrs::prelude::*;
/// use nestrs::testing::TestApp;
///
/// trait Rates: Send + Sync {
///     fn rate(&self) -> f64;
/// }
///
/// struct Live;
/// impl Rates for Live {
///     fn rate(&self) -> f64 {
///         panic!("no test asks the bank")
///     }
/// }
///
/// struct Fixed(f64);
/// impl Rates for Fixed {
///     fn rate(&self) -> f64 {
///         self.0
///     }
/// }
///
/// #[injectable]
/// struct Exchange {
///     rates: Arc<dyn Rates>,
/// }
///
/// #[micro_routes]
/// impl Exchange {
///     #[message_pattern("exchange")]
///     async fn exchange(&self, amount: f64) -> f64 {
///         amount * self.rates.rate()
///     }
/// }
///
/// #[module(providers = [Exchange, Provider::shared(Arc::new(Live) as Arc<dyn Rates>)], microservices = [Exchange])]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = TestApp::of::<AppModule>().override_shared(Arc::new(Fixed(1.5)) as Arc<dyn Rates>).start().await?;
/// let francs: f64 = app.client().send("exchange", &10.0).await?;
/// assert_eq!(francs, 15.0);
/// app.close().await;
/// # Ok(()) }
/// ```
pub struct TestApp {
    app: RunningApp,
    dial: TcpTransportOptions,
    client: ClientProxy,
}

impl TestApp {
    /// A module to be tested, whole: its imports, providers, handlers and stages as they are declared. What modules
    /// provide for the application stands around messages and HTTP routes alike.
    pub fn of<M: Module>() -> TestingModule<M> {
        TestingModule::new(Plan::new(M::define))
    }

    /// An application as `main` makes it, before it listens: its module, its global stages, what
    /// `inherit_app_config` says and how its HTTP half is set up. The transports and addresses it would listen on are
    /// left out.
    ///
    /// A test of the module alone ([`TestApp::of`]) cannot see what the factory is told: whether messages are guarded by
    /// the global guards of an HTTP application, for example.
    ///
    /// ```
    /// use nestrs::prelude::*;
    /// use nestrs::testing::TestApp;
    ///
    /// struct Closed;
    /// impl CanActivate for Closed {
    ///     async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
    ///         Err(forbidden())
    ///     }
    /// }
    ///
    /// #[injectable]
    /// struct Cats;
    ///
    /// #[micro_routes]
    /// impl Cats {
    ///     #[message_pattern("cats.count")]
    ///     async fn count(&self) -> u32 {
    ///         3
    ///     }
    /// }
    ///
    /// #[module(controllers = [Cats])]
    /// struct AppModule;
    ///
    /// fn application() -> NestApplication<AppModule> {
    ///     NestFactory::create::<AppModule>().use_global_guards(Closed)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = TestApp::from_application(application()).start().await?;
    /// // The guard is for HTTP: nothing was said of messages.
    /// assert_eq!(app.client().send::<_, u32>("cats.count", &()).await?, 3);
    /// app.close().await;
    ///
    /// let app = TestApp::from_application(application().inherit_app_config(true)).start().await?;
    /// assert!(app.client().send::<_, u32>("cats.count", &()).await.is_err());
    /// app.close().await;
    /// # Ok(()) }
    /// ```
    pub fn from_application<M: Module>(application: impl Into<TestingModule<M>>) -> TestingModule<M> {
        application.into()
    }

    /// A client of the application, connected through memory; clones share the connection.
    #[must_use]
    pub fn client(&self) -> &ClientProxy {
        &self.client
    }

    /// Another client, on a connection of its own.
    #[must_use]
    pub fn new_client(&self) -> ClientProxy {
        connect(&self.dial)
    }

    /// The application's HTTP routes, called without a socket.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(&self) -> super::TestHttp {
        super::TestHttp::new(self.app.router())
    }

    /// A provider, as the root module sees it.
    #[must_use]
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.app.get()
    }

    /// A provider by name, as the root module sees it.
    #[must_use]
    pub fn get_named<T: ?Sized + Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        self.app.get_named(name)
    }

    /// What runs for a pattern or a path; see [`RunningApp::explain`].
    #[must_use]
    pub fn explain(&self, pattern: impl Into<nestrs_core::Pattern>) -> Vec<&Explained> {
        self.app.explain(pattern)
    }

    /// Ends it as an application ends: calls under way finish, then the hooks of the end run.
    pub async fn close(self) {
        self.client.close().await;
        self.app.close().await;
    }
}

impl fmt::Debug for TestApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestApp").finish_non_exhaustive()
    }
}

impl<M: Module> TestingModule<M> {
    fn new(mut plan: Plan) -> Self {
        plan.prepare_for_test();
        Self { plan, overrides: Overrides::default(), transport: TransportId::MEMORY, module: PhantomData }
    }

    /// Provides `value` wherever a module provides an `Arc<T>`. A type that no module provides is an error of `start`.
    pub fn override_provider<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.override_with(Provider::value(value))
    }

    /// Provides what is shared, a trait object for example, wherever a module provides an `Arc<T>`.
    pub fn override_shared<T: ?Sized + Send + Sync + 'static>(self, value: Arc<T>) -> Self {
        self.override_with(Provider::shared(value))
    }

    /// Provides `value` wherever a module provides a `T` under this name.
    pub fn override_named<T: Send + Sync + 'static>(self, name: &'static str, value: T) -> Self {
        self.override_with(Provider::value(value).named(name))
    }

    /// Uses any provider wherever a module provides what it is asked for by; its dependencies are what that module sees.
    pub fn override_with(mut self, provider: Provider) -> Self {
        self.overrides = self.overrides.provider(provider);
        self
    }

    /// Uses `guard` wherever the guard `G` stands, at any level. `G` is then neither built nor are its dependencies
    /// needed.
    pub fn override_guard<G: 'static>(mut self, guard: impl CanActivate) -> Self {
        self.overrides = self.overrides.guard::<G>(guard);
        self
    }

    /// Uses `interceptor` wherever the interceptor `I` stands, at any level.
    pub fn override_interceptor<I: 'static>(mut self, interceptor: impl Interceptor) -> Self {
        self.overrides = self.overrides.interceptor::<I>(interceptor);
        self
    }

    /// Uses `pipe` wherever the pipe `P` stands, at any level.
    pub fn override_pipe<P: 'static>(mut self, pipe: impl PipeTransform) -> Self {
        self.overrides = self.overrides.pipe::<P>(pipe);
        self
    }

    /// Uses `filter` wherever the exception filter `F` stands, at any level.
    pub fn override_filter<F: 'static>(mut self, filter: impl ExceptionFilter) -> Self {
        self.overrides = self.overrides.filter::<F>(filter);
        self
    }

    /// Lets the client that is registered as `name` call a mock instead of the remote service.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs::microservices::{ClientConfig, TcpTransportOptions};
    /// use nestrs::prelude::*;
    /// use nestrs::testing::{MockService, TestApp};
    ///
    /// #[injectable]
    /// struct Shop {
    ///     #[inject("BILLING")]
    ///     billing: Arc<ClientProxy>,
    /// }
    ///
    /// #[micro_routes]
    /// impl Shop {
    ///     #[message_pattern("shop.buy")]
    ///     async fn buy(&self, cents: u32) -> Result<u32, TransportError> {
    ///         self.billing.send("billing.charge", &cents).await
    ///     }
    /// }
    ///
    /// #[module(
    ///     imports = [ClientsModule::register(&[ClientConfig::tcp("BILLING", TcpTransportOptions::to("127.0.0.1:1"))])],
    ///     controllers = [Shop],
    /// )]
    /// struct AppModule;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let billing = MockService::new();
    /// billing.expect("billing.charge").with(450).reply(7).once();
    /// let app = TestApp::of::<AppModule>().mock_service("BILLING", &billing).start().await?;
    /// assert_eq!(app.client().send::<_, u32>("shop.buy", &450).await?, 7);
    /// app.close().await;
    /// billing.verify();
    /// # Ok(()) }
    /// ```
    pub fn mock_service(self, name: &'static str, mock: &MockService) -> Self {
        self.override_named(name, ClientProxy::new(Arc::new(mock.clone())))
    }

    /// Sets whose handlers messages reach, beside those for every transport: with [`TransportId::TCP`] those that are marked
    /// `transport = tcp`. Default [`TransportId::MEMORY`].
    ///
    /// ```
    /// use nestrs::TransportId;
    /// use nestrs::prelude::*;
    /// use nestrs::testing::TestApp;
    ///
    /// #[injectable]
    /// struct Cats;
    ///
    /// #[micro_routes]
    /// impl Cats {
    ///     #[message_pattern("cats.count", transport = tcp)]
    ///     async fn count(&self) -> u32 {
    ///         3
    ///     }
    /// }
    ///
    /// #[module(providers = [Cats], microservices = [Cats])]
    /// struct AppModule;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = TestApp::of::<AppModule>().transport(TransportId::TCP).start().await?;
    /// assert_eq!(app.client().send::<_, u32>("cats.count", &()).await?, 3);
    /// app.close().await;
    /// # Ok(()) }
    /// ```
    pub fn transport(mut self, transport: TransportId) -> Self {
        self.transport = transport;
        self
    }

    /// Sets up the HTTP half: prefix, health check, stages.
    #[cfg(feature = "http")]
    pub fn configure_http(mut self, configure: impl FnOnce(HttpApp) -> HttpApp) -> Self {
        self.plan.http = configure(self.plan.http);
        self
    }

    /// Builds and starts the application: hooks of the start run, and messages are served.
    ///
    /// # Errors
    /// [`ListenError`], as an application's start; an override that replaces nothing is one.
    pub async fn start(mut self) -> Result<TestApp, ListenError> {
        let (server, dial) = memory_pair_as(self.transport);
        self.plan.overrides = self.overrides;
        self.plan.servers.push(server.into_server());
        let app = self.plan.start().await?;
        let client = connect(&dial);
        Ok(TestApp { app, dial, client })
    }
}

impl<M> fmt::Debug for TestingModule<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestingModule").field("overrides", &self.overrides).finish_non_exhaustive()
    }
}

#[cfg(feature = "http")]
impl<M: Module> From<crate::NestApplication<M>> for TestingModule<M> {
    fn from(application: crate::NestApplication<M>) -> Self {
        Self::new(application.into_plan())
    }
}

#[cfg(feature = "microservices")]
impl<M: Module> From<crate::NestMicroservice<M>> for TestingModule<M> {
    fn from(microservice: crate::NestMicroservice<M>) -> Self {
        Self::new(microservice.into_plan())
    }
}

fn connect(dial: &TcpTransportOptions) -> ClientProxy {
    ClientProxy::new(Arc::new(TcpTransport::new(dial.clone())))
}
