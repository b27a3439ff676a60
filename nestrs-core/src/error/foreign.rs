//! Errors of others, so that `?` works on them in handlers.

use std::error::Error;
use std::fmt;

use super::quoteless::quoteless;
use super::transport_error::TransportError;

impl TransportError {
    /// Remembers the name of the type it was converted from.
    #[must_use]
    pub(crate) fn converted_from<E>(mut self) -> Self {
        self.rest.origin.get_or_insert(std::any::type_name::<E>());
        self
    }

    pub(crate) fn origin(&self) -> Option<&'static str> {
        self.rest.origin
    }
}

/// Its text goes to the log, and there without the values that it quotes: they are a payload's.
impl From<serde_json::Error> for TransportError {
    fn from(source: serde_json::Error) -> Self {
        Self::internal(quoteless(&source)).with_source(source)
    }
}

impl From<Box<dyn Error + Send + Sync>> for TransportError {
    fn from(source: Box<dyn Error + Send + Sync>) -> Self {
        Self::internal(source.downcast_ref().map_or_else(|| source.to_string(), quoteless)).with_source(source)
    }
}

/// Foreign errors that handlers meet most, so that `?` works on them. Their text is kept as the source and withheld
/// from callers, who read "Internal server error".
macro_rules! withheld_from {
    ($($foreign:ty),* $(,)?) => {$(
        impl From<$foreign> for TransportError {
            fn from(source: $foreign) -> Self {
                Self::internal(source.to_string()).with_source(source)
            }
        }
    )*};
}

withheld_from!(
    fmt::Error,
    std::io::Error,
    std::num::ParseFloatError,
    std::num::ParseIntError,
    std::str::Utf8Error,
    std::string::FromUtf8Error,
);
