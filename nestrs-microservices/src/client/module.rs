//! Clients as providers (NestJS's `ClientsModule`).

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use nestrs_core::{Dependency, DynamicModule, Factory, FactoryError, Provider};

use super::config::ClientConfig;
use super::proxy::ClientProxy;

/// Registers named [`ClientProxy`]s, to be imported where they are needed.
///
/// Each is injected by its name (`#[inject("billing")] client: Arc<ClientProxy>`), or looked up in
/// [`ClientsService`]. When exactly one is registered it is also the default: `client: Arc<ClientProxy>`.
#[derive(Debug)]
pub struct ClientsModule;

impl ClientsModule {
    /// A module with these clients.
    ///
    /// ```
    /// use nestrs_microservices::{ClientConfig, ClientsModule, TcpTransportOptions};
    ///
    /// let module = ClientsModule::register(&[ClientConfig::tcp("billing", TcpTransportOptions::default())]);
    /// # let _ = module;
    /// ```
    ///
    /// # Panics
    /// When two clients have one name: which of them is meant could not be told.
    #[must_use]
    #[track_caller]
    pub fn register(configs: &[ClientConfig]) -> DynamicModule {
        let mut module = DynamicModule::new::<Self>();
        let mut names = Vec::new();
        for config in configs {
            assert!(!names.contains(&config.name), "two clients are registered as `{}`", config.name);
            names.push(config.name);
            let proxy = ClientProxy::named(config.name, Arc::clone(&config.transport));
            module = module.provide(Provider::value(proxy).named(config.name)).export_named(config.name);
        }
        Self::looked_up(module, names)
    }

    /// A module with clients whose options are only known at boot: read from a configuration provider, resolved from a
    /// registry. `imports` are what the factories' arguments come from; see [`DynamicModule::import`] to add more.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs_core::{DynamicModule, Provider};
    /// use nestrs_microservices::{AsyncClientConfig, ClientConfig, ClientsModule, TcpTransportOptions};
    ///
    /// struct Config { billing: String }
    /// struct ConfigModule;
    ///
    /// let config = DynamicModule::new::<ConfigModule>()
    ///     .provide(Provider::value(Config { billing: "127.0.0.1:3001".into() }))
    ///     .export::<Config>();
    /// let clients = ClientsModule::register_async([AsyncClientConfig::new("billing", |config: Arc<Config>| async move {
    ///     Ok::<_, std::io::Error>(ClientConfig::tcp("billing", TcpTransportOptions::to(&config.billing)))
    /// })])
    /// .import_dynamic(config);
    /// # let _ = clients;
    /// ```
    ///
    /// # Panics
    /// When two clients have one name.
    #[must_use]
    #[track_caller]
    pub fn register_async(configs: impl IntoIterator<Item = AsyncClientConfig>) -> DynamicModule {
        let configs: Vec<_> = configs.into_iter().collect();
        let mut module = DynamicModule::new::<Self>();
        for (index, config) in configs.iter().enumerate() {
            let twice = configs[..index].iter().any(|earlier| earlier.name == config.name);
            assert!(!twice, "two clients are registered as `{}`", config.name);
            let name = config.name;
            let proxy = Provider::dynamic(
                vec![Dependency::named::<ClientConfig>("its configuration", name)],
                move |resolver| {
                    let config = resolver.named::<ClientConfig>(name)?;
                    Ok(ClientProxy::named(name, Arc::clone(&config.transport)))
                },
            );
            module = module.provide(config.provider.clone()).provide(proxy.named(name)).export_named(name);
        }
        Self::looked_up(module, configs.iter().map(|config| config.name).collect())
    }

    /// The clients that a module provides by name, in `ClientsService` and, when there is one, without its name.
    fn looked_up(mut module: DynamicModule, names: Vec<&'static str>) -> DynamicModule {
        if let [name] = names.as_slice() {
            module = module.provide(Provider::existing::<ClientProxy>(name)).export::<ClientProxy>();
        }
        let needs = names.iter().map(|name| Dependency::named::<ClientProxy>("its list of clients", name)).collect();
        let service = Provider::dynamic(needs, move |resolver| {
            let proxy = |name: &&'static str| Ok((*name, (*resolver.named::<ClientProxy>(name)?).clone()));
            Ok(ClientsService { proxies: names.iter().map(proxy).collect::<Result<_, _>>()? })
        });
        module.provide(service).export::<ClientsService>()
    }
}

/// A client whose configuration is made at boot.
#[derive(Clone, Debug)]
pub struct AsyncClientConfig {
    name: &'static str,
    provider: Provider,
}

impl AsyncClientConfig {
    /// A client named `name`, whatever name the factory's result bears. The factory's arguments are injected, each an
    /// `Arc<T>` or `Option<Arc<T>>`; its error is one of boot's problems.
    pub fn new<Args, F, Fut, E>(name: &'static str, factory: F) -> Self
    where
        F: Factory<Args, Output = Fut>,
        Fut: Future<Output = Result<ClientConfig, E>> + Send + 'static,
        E: Into<FactoryError>,
    {
        Self { name, provider: Provider::async_factory(factory).named(name) }
    }
}

/// Named [`ClientProxy`] look-up, for names that are only known at run time.
#[derive(Clone)]
pub struct ClientsService {
    proxies: BTreeMap<&'static str, ClientProxy>,
}

impl ClientsService {
    /// The client registered under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<ClientProxy> {
        self.proxies.get(name).cloned()
    }

    /// Closes every client of this module: calls under way and later ones fail with
    /// [`ErrorKind::Closed`](nestrs_core::ErrorKind::Closed). An application does so when it ends, after the hooks of the
    /// end, which may still call (NestJS fact sheet, section 16).
    pub async fn close(&self) {
        for proxy in self.proxies.values() {
            proxy.close().await;
        }
    }

    /// The client registered under `name`.
    ///
    /// # Panics
    /// When there is none; the message lists those there are.
    #[must_use]
    #[track_caller]
    pub fn expect(&self, name: &str) -> ClientProxy {
        match self.get(name) {
            Some(proxy) => proxy,
            None => {
                let known: Vec<String> = self.proxies.keys().map(|name| format!("`{name}`")).collect();
                panic!("no client is registered as `{name}`; there are {}", known.join(", "))
            }
        }
    }
}

impl fmt::Debug for ClientsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.proxies.keys()).finish()
    }
}
