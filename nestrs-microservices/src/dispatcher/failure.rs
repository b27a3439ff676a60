//! What the log says of a handler that fails.

use std::any::Any;
use std::fmt;

use nestrs_core::log_limit::LogLimit;
use nestrs_core::{ErrorKind, TransportError};

/// Panics of handlers, wherever they are caught. Of the process, as its log is.
static PANICS: LogLimit = LogLimit::per_second(10);
/// Payloads that fit no handler: what a peer can send a million times.
static MISFITS: LogLimit = LogLimit::per_second(10);
/// The log is the only place where these are told in full.
static FAILURES: LogLimit = LogLimit::per_second(100);

/// What is withheld from the caller goes to the log; what the application said is the caller's business.
pub(crate) fn log_failure(error: &TransportError, handler: &str, pattern: &str, is_request: bool) {
    if error.is_panic() {
        // A panic a peer can cause it can cause a million times.
        PANICS.pass(|suppressed| {
            let suppressed = (suppressed > 0).then_some(suppressed);
            let error = error.message_for_log();
            tracing::error!(target: "nestrs::call", handler, pattern, error, suppressed, "handler failed");
        });
    } else if error.is_withheld() {
        FAILURES.pass(|suppressed| {
            let (error, source) = (error.message_for_log(), error.cause_for_log());
            let suppressed = (suppressed > 0).then_some(suppressed);
            tracing::error!(target: "nestrs::call", handler, pattern, error, source, suppressed, "handler failed");
        });
    } else if error.kind() == ErrorKind::InvalidPayload {
        // Its text quotes the payload.
        MISFITS.pass(|suppressed| {
            let suppressed = (suppressed > 0).then_some(suppressed);
            let reason = error.misfit_for_log();
            tracing::warn!(
                target: "nestrs::call", handler, pattern, reason, suppressed, "the payload does not fit the handler"
            );
        });
        tracing::trace!(target: "nestrs::call", handler, pattern, %error, "what does not fit");
    } else if is_request {
        let error = LogText(error);
        tracing::debug!(target: "nestrs::call", handler, pattern, %error, "handler answered with an error");
    } else {
        FAILURES.pass(|suppressed| {
            let (error, suppressed) = (error.message_for_log(), (suppressed > 0).then_some(suppressed));
            tracing::warn!(target: "nestrs::call", handler, pattern, error, suppressed, "event handler failed");
        });
    }
}

/// Made only when it is written: errors that callers are told are ordinary.
struct LogText<'a>(&'a TransportError);

impl fmt::Display for LogText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message_for_log())
    }
}

/// A panic becomes one error reply.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> TransportError {
    TransportError::panicked(panic)
}
