//! Everything that is wrong with a configuration, in one error, without a single value.

use std::error::Error;
use std::fmt;

/// Why a configuration cannot be used: every problem, each with its key and where the value came from.
///
/// No value is ever part of it: values may be secrets.
///
/// ```
/// use nestrs::config::{ConfigOptions, ConfigService};
///
/// #[derive(Debug, serde::Deserialize)]
/// struct AppConfig {
///     port: u16,
///     host: String,
/// }
///
/// let options = ConfigOptions::default().ignore_env_file().env_prefix("APP_").environment([("APP_PORT", "many")]);
/// let error = ConfigService::load(&options).unwrap().root::<AppConfig>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the configuration has 2 problems:\n\
///      `host`: missing; set it in a file or as `APP_HOST`\n\
///      `port`: expected u16, found a string (environment `APP_PORT`)",
/// );
/// assert_eq!(error.problems()[0].key(), "host");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    pub(super) key: String,
    pub(super) what: String,
    pub(super) origin: Option<String>,
    pub(super) cure: Option<String>,
}

impl ConfigProblem {
    /// One about a source as a whole.
    pub(super) fn of_source(origin: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { key: String::new(), what: what.into(), origin: Some(origin.to_string()), cure: None }
    }

    /// The key, as `database.port` or `servers[0].host`; empty when it is about a whole source or the whole configuration.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where the value came from: `` `config.toml:12` ``, `` `.env:3` ``, ``environment `APP_PORT` ``.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// What to write to make it right, if that can be said.
    #[must_use]
    pub fn cure(&self) -> Option<&str> {
        self.cure.as_deref()
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            // Of a source, that comes first.
            Some(origin) if self.key.is_empty() => write!(f, "{origin}: {}", self.what)?,
            origin => {
                if !self.key.is_empty() {
                    write!(f, "`{}`: ", self.key)?;
                }
                f.write_str(&self.what)?;
                if let Some(origin) = origin {
                    write!(f, " ({origin})")?;
                }
            }
        }
        match &self.cure {
            Some(cure) => write!(f, "; {cure}"),
            None => Ok(()),
        }
    }
}

impl ConfigError {
    pub(super) fn new(problems: Vec<ConfigProblem>) -> Self {
        Self { problems }
    }

    /// One whose every problem is part of an earlier error.
    pub(super) fn told_above() -> Self {
        let what = "the keys are told above".to_owned();
        Self::new(vec![ConfigProblem { key: String::new(), what, origin: None, cure: None }])
    }

    /// Every problem, at most 100; a last one then says that there may be more.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.problems {
            [problem] => write!(f, "the configuration is wrong: {problem}"),
            problems => {
                write!(f, "the configuration has {} problems:", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
            }
        }
    }
}

/// The same as `Display`: a `main` that returns the error prints it by this.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {}
