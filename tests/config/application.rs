//! How an application gets its configuration.

use super::*;

#[test]
fn the_service_is_asked_by_key() {
    let directory = Directory::with(&[("config.toml", "[[servers]]\nhost = 'a'\n")]);
    let options = directory.options().file("config.toml").environment([("APP_DATABASE__PORT", "x")]);
    let config = ConfigService::load(&options).unwrap();
    assert_eq!(config.get::<String>("servers.0.host").unwrap().as_deref(), Some("a"));
    assert_eq!(config.get_or("servers.1.host", "none".to_owned()).unwrap(), "none");
    assert_eq!(
        config.get::<u16>("database.port").unwrap_err().to_string(),
        "the configuration is wrong: `database.port`: expected u16, found a string (environment `APP_DATABASE__PORT`)"
    );
    assert!(config.get_or_throw::<u16>("database.prt").unwrap_err().to_string().contains("`APP_DATABASE__PRT`"));
    assert!(config.has("DATABASE.PORT") && !config.has("nothing"));
    assert_eq!(format!("{config:?}{options:?}").matches("PORT").count(), 0);
}

// In an application.

#[injectable]
struct Repository {
    app: Arc<AppConfig>,
    database: Arc<DatabaseConfig>,
    config: Arc<ConfigService>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct CacheConfig {
    #[serde(default)]
    size: u32,
}

async fn started(root: nestrs::ModuleDef) -> Result<nestrs::Application, BootError> {
    boot(root, Default::default()).await
}

struct Root;

fn root(config: DynamicModule) -> nestrs::ModuleDef {
    nestrs::ModuleDef::new::<Root>().import_dynamic(config).import::<DatabaseModule>()
}

#[module(
    imports = [
        ConfigModule::for_feature::<DatabaseConfig>("database"),
        ConfigModule::for_feature::<CacheConfig>("cache"),
    ],
    providers = [Repository],
    exports = [Repository, CacheConfig],
)]
struct DatabaseModule;

fn good() -> ConfigOptions {
    nothing().environment([("APP_NAME", "n"), ("APP_DATABASE__HOST", "h"), ("APP_DATABASE__PORT", "1")])
}

#[tokio::test]
async fn providers_get_the_whole_the_part_and_the_service() {
    let app = started(root(ConfigModule::for_root::<AppConfig>(good()))).await.unwrap();
    let repository = app.root.get::<Repository>().unwrap();
    assert_eq!((&*repository.app.name, repository.database.port), ("n", 1));
    assert_eq!(repository.config.get("database.port").unwrap(), Some(1));
    assert_eq!(*app.root.get::<CacheConfig>().unwrap(), CacheConfig { size: 0 }, "a part without keys has defaults");
}

#[tokio::test]
async fn one_boot_error_tells_every_wrong_key_of_the_whole_and_of_its_parts() {
    let options = nothing().environment([("APP_DATABASE__PORT", "hunter2"), ("APP_CACHE__SIZE", "-1")]);
    let error = started(root(ConfigModule::for_root::<AppConfig>(options))).await.unwrap_err();
    let expected = "\
the application cannot start, for 3 reasons:
  1. `AppConfig` cannot be built: the configuration has 3 problems (Root → ConfigModule):
     `database.host`: missing; set it in a file or as `APP_DATABASE__HOST`
     `database.port`: expected u16, found a string (environment `APP_DATABASE__PORT`)
     `name`: missing; set it in a file or as `APP_NAME`
  2. `DatabaseConfig` cannot be built: the configuration is wrong: the keys are told above (Root → DatabaseModule → ConfigModule)
  3. `CacheConfig` cannot be built: the configuration is wrong: `cache.size`: out of range: expected u32 (environment `APP_CACHE__SIZE`) (Root → DatabaseModule → ConfigModule)";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_configuration_that_is_not_global_is_seen_by_those_who_import_it() {
    let error = started(root(ConfigModule::for_root::<AppConfig>(good().is_global(false)))).await.unwrap_err();
    assert!(error.to_string().contains("`Repository` needs `Arc<AppConfig>`"), "{error}");
    let alone =
        nestrs::ModuleDef::new::<Root>().import_dynamic(ConfigModule::for_root::<AppConfig>(good().is_global(false)));
    assert!(started(alone).await.unwrap().root.get::<AppConfig>().is_some());
}

#[tokio::test]
async fn an_application_may_want_the_service_alone() {
    let options = good().env_prefix("").unknown_keys(UnknownKeys::Refuse);
    let app = started(nestrs::ModuleDef::new::<Root>().import_dynamic(ConfigModule::for_root::<()>(options))).await;
    assert!(app.unwrap().root.get::<ConfigService>().unwrap().has("app_name"));
}

#[injectable]
struct Vault;

impl Vault {
    async fn password(&self) -> Result<u16, TransportError> {
        tokio::task::yield_now().await;
        Ok(7)
    }
}

#[module(providers = [Vault], exports = [Vault])]
struct VaultModule;

#[tokio::test]
async fn options_may_come_from_another_provider() {
    let options = AsyncConfigOptions::new(|vault: Arc<Vault>| async move {
        Ok::<_, TransportError>(good().set("database.port", vault.password().await?))
    });
    let config = ConfigModule::for_root_async::<AppConfig>(options.clone()).import::<VaultModule>();
    let app = started(root(config)).await.unwrap();
    assert_eq!(app.root.get::<Repository>().unwrap().database.port, 7);

    let config = ConfigModule::for_root_async::<AppConfig>(options.is_global(false)).import::<VaultModule>();
    assert!(started(root(config)).await.unwrap_err().to_string().contains("`Repository` needs"));
    let late = AsyncConfigOptions::new(|| async { Ok::<_, ConfigError>(good().is_global(false)) });
    let error = started(root(ConfigModule::for_root_async::<AppConfig>(late))).await.unwrap_err();
    assert!(error.to_string().contains("set it on `AsyncConfigOptions`"), "{error}");
}

#[module(
    imports = [ClientsModule::register_async([AsyncClientConfig::new("MATH", |config: Arc<AppConfig>| async move {
        let address = format!("{}:{}", config.database.host, config.database.port);
        Ok::<_, TransportError>(ClientConfig::tcp("MATH", TcpTransportOptions::to(&address)))
    })])],
    exports = [ClientsModule],
)]
struct MathClientModule;

#[tokio::test]
async fn other_modules_are_configured_from_it() {
    let root = nestrs::ModuleDef::new::<Root>()
        .import_dynamic(ConfigModule::for_root::<AppConfig>(good()))
        .import_dynamic(DynamicModule::from(MathClientModule::define()));
    let app = started(root).await.unwrap();
    assert!(app.root.get_named::<ClientProxy>("MATH").is_some());
}

#[tokio::test]
async fn sources_that_cannot_be_read_are_the_only_reason_told() {
    let config = ConfigModule::for_root::<AppConfig>(good().base_dir(Path::new("/nonexistent")).file("config.toml"));
    assert_eq!(
        started(root(config)).await.unwrap_err().to_string(),
        "the application cannot start: `ConfigService` cannot be built: the configuration is wrong: `config.toml`: is \
         missing (Root → ConfigModule)"
    );
}

#[test]
fn a_secret_shows_itself_to_nobody_but_who_asks() {
    #[derive(Debug, Deserialize)]
    struct Login {
        password: Secret<String>,
        #[serde(default)]
        pin: Secret<u16>,
    }
    let options = nothing().environment([("APP_PASSWORD", "hunter2"), ("APP_PIN", "1234")]);
    let login: Login = read(&options).unwrap();
    assert_eq!(format!("{login:?}"), "Login { password: ***, pin: *** }");
    assert_eq!((login.password.expose().as_str(), login.pin.into_exposed()), ("hunter2", 1234));
    assert!(!format!("{options:?}").contains("hunter2"));
}
