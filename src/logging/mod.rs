//! What the program says: NestJS-style lines for people, JSON for machines, a capture for tests.

#[cfg(feature = "test-util")]
mod capture;
mod console;
mod escape;
mod filter;
mod json;
mod level;
mod lines;
mod logger;
mod record;
mod time;

#[cfg(feature = "test-util")]
pub use capture::{LogCapture, LogEvent, LogSpan};
pub use level::{LogLevel, LogLevelError};
pub use logger::{Logger, LoggerError, LoggerGuard};
