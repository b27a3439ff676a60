//! The configuration as providers (NestJS's `ConfigModule`).

use std::future::Future;
use std::sync::Arc;

use nestrs_core::{DynamicModule, Factory, FactoryError, Provider};
use serde::de::DeserializeOwned;

use super::error::{ConfigError, ConfigProblem};
use super::options::ConfigOptions;
use super::service::ConfigService;

/// Provides a typed configuration, and a [`ConfigService`].
///
/// What is wrong with it keeps the application from starting, every wrong key once in one error.
#[derive(Debug)]
pub struct ConfigModule;

impl ConfigModule {
    /// Reads the configuration at boot and provides it as `Arc<T>`, and as [`ConfigService`]. Every module sees both,
    /// unless the options say otherwise.
    ///
    /// `T` is anything that implements `Deserialize`, `()` for an application that only wants the service. A `T` of the
    /// text of variables gets it as it wants it: numbers, booleans (`true`, `yes`, `on`, `1` and their opposites), lists
    /// with commas, a `std::time::Duration` such as `1h30m`, `30s` or `250ms`. An empty variable is an empty string or an
    /// empty list, never an absent one. Files have types of their own, and a string there is nothing but a string (or a
    /// duration).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs::config::{ConfigModule, ConfigOptions};
    /// use nestrs::prelude::*;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct AppConfig {
    ///     #[serde(default = "default_port")]
    ///     port: u16,
    /// }
    ///
    /// fn default_port() -> u16 {
    ///     3000
    /// }
    ///
    /// #[injectable]
    /// struct Greeter {
    ///     config: Arc<AppConfig>,
    /// }
    ///
    /// #[module(imports = [ConfigModule::for_root::<AppConfig>(ConfigOptions::default())], providers = [Greeter])]
    /// struct AppModule;
    /// ```
    #[must_use]
    pub fn for_root<T: DeserializeOwned + Send + Sync + 'static>(options: ConfigOptions) -> DynamicModule {
        let is_global = options.is_global;
        let service = Provider::try_factory(move || ConfigService::load(&options));
        root::<T>(DynamicModule::new::<Self>(), service, is_global)
    }

    /// Like [`ConfigModule::for_root`], with options that are only known at boot: from another provider, or from
    /// somewhere that must be asked first. Import what the factory needs into the module this gives.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs::config::{AsyncConfigOptions, ConfigModule, ConfigOptions};
    /// use nestrs::prelude::*;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct AppConfig {
    ///     password: String,
    /// }
    ///
    /// #[injectable]
    /// struct Vault;
    ///
    /// impl Vault {
    ///     async fn password(&self) -> Result<String, std::io::Error> {
    ///         Ok("from far away".to_owned())
    ///     }
    /// }
    ///
    /// #[module(providers = [Vault], exports = [Vault])]
    /// struct VaultModule;
    ///
    /// let config = ConfigModule::for_root_async::<AppConfig>(AsyncConfigOptions::new(|vault: Arc<Vault>| async move {
    ///     Ok::<_, std::io::Error>(ConfigOptions::default().set("password", vault.password().await?))
    /// }))
    /// .import::<VaultModule>();
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn for_root_async<T: DeserializeOwned + Send + Sync + 'static>(options: AsyncConfigOptions) -> DynamicModule {
        let service = Provider::try_factory(|options: Arc<ConfigOptions>| {
            if !options.is_global {
                return Err(ConfigError::new(vec![ConfigProblem {
                    key: String::new(),
                    what: "`is_global(false)` is known too late".to_owned(),
                    origin: None,
                    cure: Some("set it on `AsyncConfigOptions`".to_owned()),
                }]));
            }
            ConfigService::load(&options)
        });
        root::<T>(DynamicModule::new::<Self>().provide(options.provider), service, options.is_global)
    }

    /// Provides the part of the configuration at `key` as `Arc<T>` (NestJS's `registerAs` and `forFeature`), to the module
    /// that imports it. [`ConfigModule::for_root`] must be imported somewhere, and here too if it is not global.
    ///
    /// With [`UnknownKeys::Refuse`](super::UnknownKeys::Refuse), name the key as a
    /// [`namespace`](ConfigOptions::namespace) unless the root's type has it too.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs::config::ConfigModule;
    /// use nestrs::prelude::*;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct DatabaseConfig {
    ///     host: String,
    /// }
    ///
    /// #[injectable]
    /// struct Database {
    ///     config: Arc<DatabaseConfig>,
    /// }
    ///
    /// #[module(imports = [ConfigModule::for_feature::<DatabaseConfig>("database")], providers = [Database])]
    /// struct DatabaseModule;
    /// ```
    #[must_use]
    pub fn for_feature<T: DeserializeOwned + Send + Sync + 'static>(key: impl Into<String>) -> DynamicModule {
        let key = key.into();
        let part = Provider::try_factory(move |service: Arc<ConfigService>| service.tell_once(service.part::<T>(&key)));
        DynamicModule::new::<Self>().provide(part).export::<T>()
    }
}

fn root<T: DeserializeOwned + Send + Sync + 'static>(
    module: DynamicModule,
    service: Provider,
    is_global: bool,
) -> DynamicModule {
    let module = module
        .provide(service)
        .provide(Provider::try_factory(|service: Arc<ConfigService>| service.tell_once(service.root::<T>())))
        .export::<ConfigService>()
        .export::<T>();
    if is_global { module.global() } else { module }
}

/// Options that are made at boot.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `ConfigModule::for_root_async` gets it"]
pub struct AsyncConfigOptions {
    is_global: bool,
    provider: Provider,
}

impl AsyncConfigOptions {
    /// Options from a function whose arguments are injected, each an `Arc<T>` or `Option<Arc<T>>`. Its error is one of
    /// boot's problems.
    pub fn new<Args, F, Fut, E>(factory: F) -> Self
    where
        F: Factory<Args, Output = Fut>,
        Fut: Future<Output = Result<ConfigOptions, E>> + Send + 'static,
        E: Into<FactoryError>,
    {
        Self { is_global: true, provider: Provider::async_factory(factory) }
    }

    /// Sets whether every module sees the configuration. Default true. Set here: once the factory has run it is too late.
    pub fn is_global(mut self, is_global: bool) -> Self {
        self.is_global = is_global;
        self
    }
}
