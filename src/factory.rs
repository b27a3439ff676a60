//! How applications are made (NestJS's `NestFactory`).

use std::marker::PhantomData;

#[cfg(all(feature = "http", feature = "microservices"))]
use nestrs_core::Enhancers;
use nestrs_core::{ExceptionFilter, IntoGuard, IntoInterceptor, IntoPipe, Module};
#[cfg(feature = "microservices")]
use nestrs_microservices::MicroserviceOptions;

use crate::app::Plan;
#[cfg(feature = "microservices")]
use crate::error::ListenError;
#[cfg(feature = "http")]
use crate::http::{HttpAddress, HttpApp};
#[cfg(feature = "microservices")]
use crate::running::RunningApp;

/// Makes applications from their root module.
#[derive(Debug)]
pub struct NestFactory;

impl NestFactory {
    /// An HTTP application. Transports may be added by [`NestApplication::connect_microservice`].
    ///
    /// ```
    /// use nestrs::prelude::*;
    /// use nestrs::testing::TestApp;
    ///
    /// #[module]
    /// struct AppModule;
    ///
    /// /// In `main`: `application().listen(3000).await`.
    /// fn application() -> NestApplication<AppModule> {
    ///     NestFactory::create::<AppModule>().enable_health_check("/health").enable_shutdown_hooks()
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = TestApp::from_application(application()).start().await?;
    /// assert_eq!(app.http().get("/health").send().await.status(), 200);
    /// app.close().await;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "http")]
    pub fn create<M: Module>() -> NestApplication<M> {
        let mut plan = Plan::new(M::define);
        plan.messages_inherit = false;
        NestApplication { plan, module: PhantomData }
    }

    /// A microservice, listening on the transport whose options are given; others may be added, and HTTP beside them.
    ///
    /// ```
    /// use nestrs::microservices::TcpMicroserviceOptions;
    /// use nestrs::prelude::*;
    /// use nestrs::testing::TestApp;
    ///
    /// #[injectable]
    /// struct Math;
    ///
    /// #[micro_routes]
    /// impl Math {
    ///     #[message_pattern({ cmd: "sum" })]
    ///     async fn sum(&self, numbers: Vec<i64>) -> i64 {
    ///         numbers.iter().sum()
    ///     }
    /// }
    ///
    /// #[module(providers = [Math], microservices = [Math])]
    /// struct AppModule;
    ///
    /// /// In `main`: `microservice().listen().await`.
    /// fn microservice() -> NestMicroservice<AppModule> {
    ///     NestFactory::create_microservice(TcpMicroserviceOptions::bind("127.0.0.1:3001"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = TestApp::from_application(microservice()).start().await?;
    /// assert_eq!(app.client().send::<_, i64>(pattern!({ cmd: "sum" }), &[1, 2]).await?, 3);
    /// app.close().await;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "microservices")]
    pub fn create_microservice<M: Module>(options: impl MicroserviceOptions) -> NestMicroservice<M> {
        let mut plan = Plan::new(M::define);
        plan.servers.push(options.into_server());
        NestMicroservice { plan, module: PhantomData }
    }

    /// [`NestFactory::create_microservice`] over NATS. Feature `microservices-nats`.
    ///
    /// ```
    /// use nestrs::microservices::NatsMicroserviceOptions;
    /// use nestrs::prelude::*;
    ///
    /// #[module]
    /// struct AppModule;
    ///
    /// /// In `main`: `microservice().listen().await`.
    /// fn microservice() -> NestMicroservice<AppModule> {
    ///     NestFactory::create_microservice_nats(NatsMicroserviceOptions::to("127.0.0.1:4222"))
    /// }
    /// ```
    #[cfg(feature = "microservices-nats")]
    pub fn create_microservice_nats<M: Module>(
        options: nestrs_microservices::NatsMicroserviceOptions,
    ) -> NestMicroservice<M> {
        Self::create_microservice(options)
    }

    /// [`NestFactory::create_microservice`] over Redis. Feature `microservices-redis`.
    ///
    /// ```
    /// use nestrs::microservices::RedisMicroserviceOptions;
    /// use nestrs::prelude::*;
    ///
    /// #[module]
    /// struct AppModule;
    ///
    /// /// In `main`: `microservice().listen().await`.
    /// fn microservice() -> NestMicroservice<AppModule> {
    ///     NestFactory::create_microservice_redis(RedisMicroserviceOptions::to("127.0.0.1:6379"))
    /// }
    /// ```
    #[cfg(feature = "microservices-redis")]
    pub fn create_microservice_redis<M: Module>(
        options: nestrs_microservices::RedisMicroserviceOptions,
    ) -> NestMicroservice<M> {
        Self::create_microservice(options)
    }
}

/// A microservice that does not run yet.
#[cfg(feature = "microservices")]
#[derive(Debug)]
#[must_use = "nothing listens before `listen` or `start` is awaited"]
pub struct NestMicroservice<M> {
    plan: Plan,
    module: PhantomData<fn() -> M>,
}

#[cfg(feature = "microservices")]
impl<M: Module> NestMicroservice<M> {
    #[cfg(feature = "test-util")]
    pub(crate) fn into_plan(self) -> Plan {
        self.plan
    }

    /// Serves the same handlers over one more transport.
    pub fn connect_microservice(mut self, options: impl MicroserviceOptions) -> Self {
        self.plan.servers.push(options.into_server());
        self
    }

    /// Serves HTTP too: a port, on this machine only unless the environment variable `NESTRS_HOST` says otherwise, or
    /// an address such as `"0.0.0.0:3000"`. The same address as a TCP transport's is shared with it.
    #[cfg(feature = "http")]
    pub fn also_listen_http(mut self, address: impl HttpAddress) -> Self {
        self.plan.listen_http(address);
        self
    }

    /// Sets up the HTTP half. Has no effect without [`NestMicroservice::also_listen_http`].
    #[cfg(feature = "http")]
    pub fn configure_http(mut self, configure: impl FnOnce(HttpApp) -> HttpApp) -> Self {
        self.plan.http = configure(self.plan.http);
        self
    }

    /// Puts a guard around every message and event handler, and around every HTTP route of the same application, outside of those written in modules and on handlers.
    pub fn use_global_guards<K>(mut self, guard: impl IntoGuard<K>) -> Self {
        self.plan.enhancers = self.plan.enhancers.guard(guard);
        self
    }

    /// Puts an interceptor around every message and event handler, and around every HTTP route of the same application, outside of those written in modules and on handlers.
    pub fn use_global_interceptors<K>(mut self, interceptor: impl IntoInterceptor<K>) -> Self {
        self.plan.enhancers = self.plan.enhancers.interceptor(interceptor);
        self
    }

    /// Transforms the payload of every message and event, before the pipes written in modules and on handlers.
    pub fn use_global_pipes<K>(mut self, pipe: impl IntoPipe<K>) -> Self {
        self.plan.enhancers = self.plan.enhancers.pipe(pipe);
        self
    }

    /// Answers for every message handler and HTTP route that fails with an error of the filter's type, unless a filter in a module or on the
    /// handler does.
    pub fn use_global_filters(mut self, filter: impl ExceptionFilter) -> Self {
        self.plan.enhancers = self.plan.enhancers.filter(filter);
        self
    }

    /// Ends gracefully on SIGTERM and SIGINT; a second signal ends the process at once, with status 128 + its number. So
    /// does any signal after the last such application of the process has ended, should the process hang then. Without
    /// this, signals are left alone.
    pub fn enable_shutdown_hooks(mut self) -> Self {
        self.plan.shutdown_hooks = true;
        self
    }

    /// Builds the application, opens everything, and runs until it is shut down.
    ///
    /// # Errors
    /// [`ListenError`], when the module graph is wrong, when any address cannot be had, or when every transport has
    /// ended by itself. The error is also logged, or printed where there is no log, so ignoring it hides nothing.
    pub async fn listen(self) -> Result<(), ListenError> {
        self.plan.listen().await
    }

    /// Builds the application, opens everything, and returns while it runs.
    ///
    /// # Errors
    /// As [`NestMicroservice::listen`], but not announced.
    pub async fn start(self) -> Result<RunningApp, ListenError> {
        self.plan.start().await
    }
}

/// An HTTP application that does not run yet.
#[cfg(feature = "http")]
#[derive(Debug)]
#[must_use = "nothing listens before `listen` or `start` is awaited"]
pub struct NestApplication<M> {
    plan: Plan,
    module: PhantomData<fn() -> M>,
}

#[cfg(feature = "http")]
impl<M: Module> NestApplication<M> {
    #[cfg(feature = "test-util")]
    pub(crate) fn into_plan(self) -> Plan {
        self.plan
    }

    /// Puts every controller under `prefix`; see [`HttpApp::set_global_prefix`].
    pub fn set_global_prefix(self, prefix: &str) -> Self {
        self.configure_http(|http| http.set_global_prefix(prefix))
    }

    /// Answers at `path` while the application runs; see [`HttpApp::enable_health_check`].
    pub fn enable_health_check(self, path: &str) -> Self {
        self.configure_http(|http| http.enable_health_check(path))
    }

    /// Lets pages of other origins call.
    pub fn enable_cors(self, options: crate::http::CorsOptions) -> Self {
        self.configure_http(|http| http.enable_cors(options))
    }

    /// Sets up the HTTP half.
    pub fn configure_http(mut self, configure: impl FnOnce(HttpApp) -> HttpApp) -> Self {
        self.plan.http = configure(self.plan.http);
        self
    }

    /// Serves the message handlers of the same modules over a transport.
    #[cfg(feature = "microservices")]
    pub fn connect_microservice(mut self, options: impl MicroserviceOptions) -> Self {
        self.plan.servers.push(options.into_server());
        self
    }

    /// Puts a guard around every HTTP route; around messages too with [`NestApplication::inherit_app_config`], outside of those written in modules and on handlers.
    pub fn use_global_guards<K>(mut self, guard: impl IntoGuard<K>) -> Self {
        self.plan.enhancers = self.plan.enhancers.guard(guard);
        self
    }

    /// Puts an interceptor around every HTTP route; around messages too with [`NestApplication::inherit_app_config`], outside of those written in modules and on handlers.
    pub fn use_global_interceptors<K>(mut self, interceptor: impl IntoInterceptor<K>) -> Self {
        self.plan.enhancers = self.plan.enhancers.interceptor(interceptor);
        self
    }

    /// Transforms the payload of every message and event, with [`NestApplication::inherit_app_config`] (HTTP routes have extractors instead), before the pipes written in modules and on handlers.
    pub fn use_global_pipes<K>(mut self, pipe: impl IntoPipe<K>) -> Self {
        self.plan.enhancers = self.plan.enhancers.pipe(pipe);
        self
    }

    /// Answers for every HTTP route, and with [`NestApplication::inherit_app_config`] for every message, that fails with an error of the filter's type, unless a filter in a module or on the
    /// handler does.
    pub fn use_global_filters(mut self, filter: impl ExceptionFilter) -> Self {
        self.plan.enhancers = self.plan.enhancers.filter(filter);
        self
    }

    /// Decides whether the global guards, interceptors and filters of this application, those that modules provide for
    /// it included, stand around its message and event handlers too; they do not unless this is called with `true`
    /// (NestJS fact sheet, section 17). Where that leaves handlers without a global guard, start-up warns.
    #[cfg(feature = "microservices")]
    pub fn inherit_app_config(mut self, inherit: bool) -> Self {
        self.plan.messages_inherit = inherit;
        self
    }

    /// Puts stages around message and event handlers only.
    ///
    /// ```
    /// use nestrs::microservices::TcpMicroserviceOptions;
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
    /// #[controller("/cats")]
    /// #[micro_routes]
    /// impl Cats {
    ///     #[get]
    ///     #[message_pattern("cats.count")]
    ///     async fn count(&self) -> u32 {
    ///         3
    ///     }
    /// }
    ///
    /// #[module(controllers = [Cats])]
    /// struct AppModule;
    ///
    /// /// In `main`: `application().listen(3000).await`.
    /// fn application() -> NestApplication<AppModule> {
    ///     NestFactory::create::<AppModule>()
    ///         .connect_microservice(TcpMicroserviceOptions::bind("127.0.0.1:3001"))
    ///         .configure_microservices(|messages| messages.guard(Closed))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = TestApp::from_application(application()).start().await?;
    /// assert_eq!(app.http().get("/cats").send().await.json::<u32>(), 3);
    /// assert!(app.client().send::<_, u32>("cats.count", &()).await.is_err());
    /// app.close().await;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "microservices")]
    pub fn configure_microservices(mut self, add: impl FnOnce(Enhancers) -> Enhancers) -> Self {
        self.plan.message_enhancers = add(self.plan.message_enhancers);
        self
    }

    /// Ends gracefully on SIGTERM and SIGINT; a second signal ends the process at once, with status 128 + its number. So
    /// does any signal after the last such application of the process has ended, should the process hang then. Without
    /// this, signals are left alone.
    pub fn enable_shutdown_hooks(mut self) -> Self {
        self.plan.shutdown_hooks = true;
        self
    }

    /// Builds the application and listens on a port, on this machine only unless the environment variable
    /// `NESTRS_HOST` says otherwise, or on an address such as `"0.0.0.0:3000"`. Runs until it is shut down.
    ///
    /// # Errors
    /// [`ListenError`](crate::ListenError), as for a microservice.
    pub async fn listen(mut self, address: impl HttpAddress) -> Result<(), crate::ListenError> {
        self.plan.listen_http(address);
        self.plan.listen().await
    }

    /// Like [`NestApplication::listen`], but returns while the application runs.
    ///
    /// # Errors
    /// As [`NestApplication::listen`], but not announced.
    pub async fn start(mut self, address: impl HttpAddress) -> Result<crate::RunningApp, crate::ListenError> {
        self.plan.listen_http(address);
        self.plan.start().await
    }
}
