//! The configuration as a whole, asked by key (NestJS's `ConfigService`).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

use super::error::{ConfigError, ConfigProblem};
use super::options::ConfigOptions;
use super::path::Path;
use super::read;
use super::source;
use super::tree::Node;

/// Everything that the sources say, to be asked by key.
///
/// [`ConfigModule::for_root`](super::ConfigModule::for_root) provides it beside the typed configuration. Prefer the
/// latter: what is wrong with it is known at boot, while a key that is asked for here is read when it is asked for. It
/// knows what sources say, so not the defaults that serde fills in (`#[serde(default)]`), but those of
/// [`ConfigOptions::defaults`].
///
/// ```
/// use nestrs::config::{ConfigOptions, ConfigService};
///
/// let options = ConfigOptions::default().ignore_env_file().environment([("DATABASE__PORT", "5432"), ("DATABASE_USER", "me")]);
/// let config = ConfigService::load(&options)?;
/// assert_eq!(config.get::<u16>("database.port")?, Some(5432));
/// assert_eq!(config.get::<String>("database.host")?, None);
/// assert_eq!(config.get_or("database.host", "localhost".to_owned())?, "localhost");
/// // As NestJS's users write it: case and underscores of variables do not count.
/// assert_eq!(config.get_or_throw::<String>("DATABASE_USER")?, "me");
/// assert_eq!(
///     config.get_or_throw::<String>("database.host").unwrap_err().to_string(),
///     "the configuration is wrong: `database.host`: missing; set it in a file or as `DATABASE__HOST`",
/// );
/// # Ok::<(), nestrs::config::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ConfigService {
    inner: Arc<Loaded>,
}

/// What was read, and how: both are needed to say what is wrong with it.
pub(super) struct Loaded {
    pub(super) tree: Node,
    pub(super) options: ConfigOptions,
    /// What boot's error says already. The whole and its parts are wrong in the same keys.
    told: Mutex<BTreeSet<String>>,
}

impl ConfigService {
    /// Reads every source. It blocks for as long as reading the files takes.
    ///
    /// # Errors
    /// [`ConfigError`] with every source that cannot be read: a required file that is missing, one that is too long or
    /// not what its name says, a line of a `.env` file that is no variable. See [`ConfigOptions`] for the limits.
    pub fn load(options: &ConfigOptions) -> Result<Self, ConfigError> {
        let tree = source::load(options)?;
        Ok(Self { inner: Arc::new(Loaded { tree, options: options.clone(), told: Mutex::default() }) })
    }

    /// Leaves out of a provider's error what that of an earlier one has said.
    pub(super) fn tell_once<T>(&self, outcome: Result<T, ConfigError>) -> Result<T, ConfigError> {
        outcome.map_err(|error| {
            let mut told = self.inner.told.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = |problem: &&ConfigProblem| told.insert(problem.to_string());
            let new: Vec<_> = error.problems().iter().filter(is_new).cloned().collect();
            if new.is_empty() { ConfigError::told_above() } else { ConfigError::new(new) }
        })
    }

    /// The whole as a `T`.
    ///
    /// # Errors
    /// [`ConfigError`] with every key that does not fit.
    pub fn root<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        read::read(&self.inner, &Path::default())
    }

    /// The part at a key as a `T`. A part that is not there is one without keys: `T`'s defaults apply.
    ///
    /// # Errors
    /// As [`ConfigService::root`], each key with its whole path.
    pub fn part<T: DeserializeOwned>(&self, key: &str) -> Result<T, ConfigError> {
        read::read(&self.inner, &Path::dotted(key))
    }

    /// The value of a key such as `database.port` or `servers.0.host`; `None` when it is not there.
    ///
    /// # Errors
    /// [`ConfigError`] when it is there and is no `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ConfigError> {
        let path = Path::dotted(key);
        self.inner.tree.at(&path).map(|_| read::read(&self.inner, &path)).transpose()
    }

    /// The value of a key, or another where it is not there.
    ///
    /// # Errors
    /// [`ConfigError`] when it is there and is no `T`.
    pub fn get_or<T: DeserializeOwned>(&self, key: &str, default: T) -> Result<T, ConfigError> {
        Ok(self.get(key)?.unwrap_or(default))
    }

    /// The value of a key (NestJS's `getOrThrow`).
    ///
    /// # Errors
    /// [`ConfigError`] when it is not there or is no `T`.
    pub fn get_or_throw<T: DeserializeOwned>(&self, key: &str) -> Result<T, ConfigError> {
        self.get(key)?.ok_or_else(|| {
            let path = Path::dotted(key);
            ConfigError::new(vec![ConfigProblem {
                key: key.to_owned(),
                what: "missing".to_owned(),
                origin: None,
                cure: Some(read::cure_of_missing(&self.inner.options, &path)),
            }])
        })
    }

    /// Whether a key is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.inner.tree.at(&Path::dotted(key)).is_some()
    }
}

/// No key and no value: both may be secrets.
impl fmt::Debug for ConfigService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigService").finish_non_exhaustive()
    }
}
