//! What the log says of an error: nothing that is a payload's.

use super::quoteless::{Misfit, quoteless};
use super::transport_error::TransportError;

impl TransportError {
    /// The message, for a line of the log. That of an error made of JSON which names no message is the whole JSON:
    /// data, and data is not logged.
    #[doc(hidden)]
    #[must_use]
    pub fn message_for_log(&self) -> &str {
        let whole = self.rest.exact.as_ref().filter(|exact| exact.is_object() || exact.is_array());
        match whole.filter(|exact| self.message == exact.to_string()) {
            Some(_) => "an error without a message",
            None => &self.message,
        }
    }

    /// The cause, for a line of the log: where it says more than the message, and without the values that serde's errors
    /// quote, since those are a payload's.
    #[doc(hidden)]
    #[must_use]
    pub fn cause_for_log(&self) -> Option<String> {
        let source = self.rest.source.as_deref()?;
        let text = source.downcast_ref().map_or_else(|| source.to_string(), quoteless);
        Some(text).filter(|text| *text != self.message)
    }

    /// Why a payload or a reply did not fit its type, without its values.
    #[doc(hidden)]
    #[must_use]
    pub fn misfit_for_log(&self) -> Option<&str> {
        self.rest.source.as_deref()?.downcast_ref().map(|Misfit(reason)| reason.as_str())
    }
}
