//! Where a configuration is read from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// Where a configuration is read from, and how.
///
/// A later source goes before an earlier one, key by key: defaults, files in the order given, `.env` files, the
/// environment, and what is [`set`](Self::set).
///
/// ```
/// use nestrs::config::{ConfigOptions, UnknownKeys};
///
/// let options = ConfigOptions::default()
///     .optional_file("config.toml")
///     .env_prefix("APP_")
///     .expand_variables(true)
///     .unknown_keys(UnknownKeys::Refuse);
/// assert_eq!((options.env_separator.as_str(), options.max_file_bytes), ("__", 1024 * 1024));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ConfigOptions {
    /// Whether every module sees what [`ConfigModule::for_root`](super::ConfigModule::for_root) provides, without
    /// importing it. Default true (NestJS's `isGlobal` is false).
    pub is_global: bool,
    /// Files of TOML (`.toml`) or JSON (`.json`), the later over the earlier. Default none. There is no YAML: no parser
    /// for it is looked after well enough.
    pub files: Vec<ConfigFile>,
    /// `.env` files. Of those that set one variable the first wins, as with NestJS's `envFilePath`. Default `None`: an
    /// optional `.env`.
    pub env_files: Option<Vec<ConfigFile>>,
    /// What a variable's name must begin with to be looked at, case and all; cut off then. Default empty: every variable
    /// counts, as in NestJS, those meant for others too.
    pub env_prefix: String,
    /// What separates the keys in a variable's name: `APP_DATABASE__PORT` is `database.port`. Default `__`; empty for
    /// none.
    pub env_separator: String,
    /// Whether `${OTHER}` in `.env` files stands for another variable (NestJS's `expandVariables`). `${OTHER:-default}`
    /// is there too, a dollar sign is `\$`, and what stands in single quotes stays. Default false. One that is not set is
    /// a boot error, as is a circle.
    pub expand_variables: bool,
    /// What becomes of keys that nothing reads. Default [`UnknownKeys::Ignore`].
    pub unknown_keys: UnknownKeys,
    /// Keys of the root that belong to [`ConfigModule::for_feature`](super::ConfigModule::for_feature): unknown to the
    /// root's type, but not refused. Default none.
    pub namespaces: Vec<String>,
    /// The directory that relative paths start from. Default empty: the current one.
    pub base_dir: PathBuf,
    /// The longest file, and the longest value after expansion, in bytes. Default 1 MiB; a longer one is a boot error.
    pub max_file_bytes: usize,
    /// How deep tables and lists may lie in one another. Default 32; deeper is a boot error. The parsers of TOML and
    /// JSON have limits of their own, of 80 and 128.
    pub max_depth: usize,
    pub(super) defaults: Vec<Result<serde_json::Value, ()>>,
    pub(super) overrides: Vec<(String, Result<serde_json::Value, ()>)>,
    pub(super) environment: Environment,
}

/// What becomes of a key that nothing reads. A struct with `#[serde(deny_unknown_fields)]` always refuses its own.
///
/// Variables of the environment are only ever refused when a prefix says that they are meant for this application; those
/// of a `.env` file are, with a prefix or without. Inside `#[serde(flatten)]` and in maps no key is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownKeys {
    /// It is left alone. A missing key names it when it looks like a misspelling.
    #[default]
    Ignore,
    /// It is a boot error, which names the nearest known key.
    Refuse,
}

/// A file of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFile {
    /// Where it is, from `base_dir`.
    pub path: PathBuf,
    /// Whether it is a boot error when it is missing.
    pub required: bool,
}

impl ConfigFile {
    /// One that must be there.
    #[must_use]
    pub fn required(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), required: true }
    }

    /// One that may be missing.
    #[must_use]
    pub fn optional(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), required: false }
    }
}

/// Variables of the process, or in their place.
#[derive(Clone)]
pub(super) enum Environment {
    Process,
    Given(BTreeMap<String, String>),
    Ignored,
}

impl Default for ConfigOptions {
    fn default() -> Self {
        Self {
            is_global: true,
            files: Vec::new(),
            env_files: None,
            env_prefix: String::new(),
            env_separator: "__".to_owned(),
            expand_variables: false,
            unknown_keys: UnknownKeys::default(),
            namespaces: Vec::new(),
            base_dir: PathBuf::new(),
            max_file_bytes: 1024 * 1024,
            max_depth: 32,
            defaults: Vec::new(),
            overrides: Vec::new(),
            environment: Environment::Process,
        }
    }
}

impl ConfigOptions {
    /// Sets whether every module sees it.
    #[must_use]
    pub fn is_global(mut self, is_global: bool) -> Self {
        self.is_global = is_global;
        self
    }

    /// Adds values that go behind all others: `json!({ "port": 3000 })`, or a struct that implements `Serialize`. What is
    /// not a table, or cannot be written as JSON, is a boot error.
    #[must_use]
    pub fn defaults(mut self, values: impl Serialize) -> Self {
        self.defaults.push(serde_json::to_value(values).map_err(drop));
        self
    }

    /// Adds a file that must be there.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(ConfigFile::required(path));
        self
    }

    /// Adds a file that may be missing.
    #[must_use]
    pub fn optional_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(ConfigFile::optional(path));
        self
    }

    /// Adds a `.env` file that may be missing (NestJS's `envFilePath`). The first one added takes the place of `.env`.
    #[must_use]
    pub fn env_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.env_files.get_or_insert_default().push(ConfigFile::optional(path));
        self
    }

    /// Adds a `.env` file that must be there. The first one added takes the place of `.env`.
    #[must_use]
    pub fn required_env_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.env_files.get_or_insert_default().push(ConfigFile::required(path));
        self
    }

    /// Reads no `.env` file (NestJS's `ignoreEnvFile`).
    #[must_use]
    pub fn ignore_env_file(mut self) -> Self {
        self.env_files = Some(Vec::new());
        self
    }

    /// Sets what the names of variables begin with.
    #[must_use]
    pub fn env_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.env_prefix = prefix.into();
        self
    }

    /// Sets what separates keys in the names of variables.
    #[must_use]
    pub fn env_separator(mut self, separator: impl Into<String>) -> Self {
        self.env_separator = separator.into();
        self
    }

    /// Takes these variables for those of the process; tests need no other environment.
    #[must_use]
    pub fn environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.environment = Environment::Given(variables.collect());
        self
    }

    /// Does not look at the variables of the process (NestJS's `ignoreEnvVars`).
    #[must_use]
    pub fn ignore_env_vars(mut self) -> Self {
        self.environment = Environment::Ignored;
        self
    }

    /// Sets whether `${OTHER}` stands for another variable.
    #[must_use]
    pub fn expand_variables(mut self, expand: bool) -> Self {
        self.expand_variables = expand;
        self
    }

    /// Sets what becomes of keys that nothing reads.
    #[must_use]
    pub fn unknown_keys(mut self, unknown: UnknownKeys) -> Self {
        self.unknown_keys = unknown;
        self
    }

    /// Says that a key of the root belongs to a feature.
    #[must_use]
    pub fn namespace(mut self, key: impl Into<String>) -> Self {
        self.namespaces.push(key.into());
        self
    }

    /// Sets the directory that relative paths start from.
    #[must_use]
    pub fn base_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.base_dir = directory.into();
        self
    }

    /// Sets the longest file, in bytes.
    #[must_use]
    pub fn max_file_bytes(mut self, bytes: usize) -> Self {
        self.max_file_bytes = bytes;
        self
    }

    /// Sets how deep tables and lists may lie in one another.
    #[must_use]
    pub fn max_depth(mut self, levels: usize) -> Self {
        self.max_depth = levels;
        self
    }

    /// Sets one key, before all other sources: `set("database.port", 5432)`. For tests, and for what a program finds out
    /// by itself.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.overrides.push((key.into(), serde_json::to_value(value).map_err(drop)));
        self
    }
}

/// Names and limits; no value of the environment, of the defaults or of what is set.
impl fmt::Debug for ConfigOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigOptions")
            .field("is_global", &self.is_global)
            .field("files", &self.files)
            .field("env_files", &self.env_files)
            .field("env_prefix", &self.env_prefix)
            .field("unknown_keys", &self.unknown_keys)
            .finish_non_exhaustive()
    }
}
