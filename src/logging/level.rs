//! NestJS's names for levels.

use std::fmt;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};

/// How much a line matters: NestJS's log levels, the most urgent first.
///
/// | here and in NestJS | in `tracing` |
/// |---|---|
/// | `fatal` | `error!(fatal = true, …)` |
/// | `error` | `error!` |
/// | `warn` | `warn!` |
/// | `log` | `info!` |
/// | `debug` | `debug!` |
/// | `verbose` | `trace!` |
///
/// ```
/// use nestrs::LogLevel;
///
/// assert_eq!("verbose".parse(), Ok(LogLevel::Verbose));
/// assert_eq!("info".parse(), Ok(LogLevel::Log), "both names are understood");
/// assert_eq!(LogLevel::Log.to_string(), "log");
/// assert!(LogLevel::Error < LogLevel::Debug, "sorted by urgency");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogLevel {
    /// The program cannot go on.
    Fatal,
    /// Something failed, and someone must look.
    Error,
    /// Something is wrong, and is coped with.
    Warn,
    /// What an operator wants to read.
    Log,
    /// What a developer wants to read.
    Debug,
    /// Everything, payloads included.
    Verbose,
}

impl LogLevel {
    /// The level of a line.
    pub(crate) fn of(metadata: &Metadata<'_>) -> Self {
        match *metadata.level() {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warn,
            Level::INFO => Self::Log,
            Level::DEBUG => Self::Debug,
            Level::TRACE => Self::Verbose,
        }
    }

    pub(crate) fn filter(self) -> LevelFilter {
        match self {
            Self::Fatal | Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Log => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Verbose => LevelFilter::TRACE,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Log => "log",
            Self::Debug => "debug",
            Self::Verbose => "verbose",
        }
    }
}

/// NestJS's name, in lower case.
impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevelError(String);

impl fmt::Display for LogLevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no log level; there are fatal, error, warn, log, debug and verbose", self.0.escape_debug())
    }
}

impl std::error::Error for LogLevelError {}

/// Reads NestJS's names and those of `tracing`, in any case.
impl FromStr for LogLevel {
    type Err = LogLevelError;

    fn from_str(name: &str) -> Result<Self, LogLevelError> {
        match name.to_ascii_lowercase().as_str() {
            "fatal" => Ok(Self::Fatal),
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "log" | "info" => Ok(Self::Log),
            "debug" => Ok(Self::Debug),
            "verbose" | "trace" => Ok(Self::Verbose),
            _ => Err(LogLevelError(name.chars().take(64).collect())),
        }
    }
}
