//! Why an application does not listen.

use std::error::Error;
use std::fmt;

use nestrs_core::{BootError, TransportError};

#[cfg(feature = "logger")]
use crate::logging::LoggerError;

/// Why `listen` or `start` failed. Whatever had been opened is closed again.
#[non_exhaustive]
pub enum ListenError {
    /// The module graph is wrong.
    Boot(BootError),
    /// A transport or the HTTP half cannot have its address, or lost it.
    Transport(TransportError),
    /// Two HTTP handlers want one path.
    Routes(String),
    /// A provider's `on_module_init` or `on_application_bootstrap` failed.
    Hook(String),
    /// The logger cannot begin.
    #[cfg(feature = "logger")]
    Logger(LoggerError),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boot(error) => error.fmt(f),
            Self::Transport(error) => error.fmt(f),
            Self::Routes(problem) | Self::Hook(problem) => f.write_str(problem),
            #[cfg(feature = "logger")]
            Self::Logger(error) => error.fmt(f),
        }
    }
}

/// The same as `Display`: a `main` that returns the error prints it by this.
impl fmt::Debug for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Boot(error) => error.source(),
            Self::Transport(error) => error.source(),
            Self::Routes(_) | Self::Hook(_) => None,
            #[cfg(feature = "logger")]
            Self::Logger(error) => error.source(),
        }
    }
}

impl From<BootError> for ListenError {
    fn from(error: BootError) -> Self {
        Self::Boot(error)
    }
}

impl From<TransportError> for ListenError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

/// So that a `main` can say `Logger::from_env().init()?`.
#[cfg(feature = "logger")]
impl From<LoggerError> for ListenError {
    fn from(error: LoggerError) -> Self {
        Self::Logger(error)
    }
}

impl ListenError {
    /// Says it where it will be seen: a caller may ignore what `listen` returns, and a program may have no subscriber.
    pub(crate) fn announce(&self) {
        if tracing::dispatcher::has_been_set() {
            tracing::error!(error = %self, "the application cannot start");
        } else {
            eprintln!("nestrs: {self}");
        }
    }
}
