//! One call that makes the program's log appear.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};
use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use super::filter;
use super::level::LogLevel;
use super::lines::{Format, Lines, Output};

/// Writes what is logged: NestJS's `ConsoleLogger`.
///
/// Everything that this framework and an application say goes through `tracing`; this writes it, a line for each event.
/// An application that has a subscriber of its own needs no `Logger`.
///
/// ```no_run
/// use nestrs::prelude::*;
///
/// # fn main() -> Result<(), ListenError> {
/// Logger::from_env().init()?;
/// tracing::info!(context = "OrdersService", id = 7, "an order was placed");
/// // [Nest] 12345  - 11/21/2026, 8:14:07 AM     LOG [OrdersService] an order was placed id=7 +3ms
/// # Ok(()) }
/// ```
///
/// # The line for people
/// `[prefix] pid  - date     LEVEL [Context] message name=value span{name=value} +Nms`. The context is the event's
/// field `context`, or else its target; `+Nms` is the time since the line before. As in NestJS, errors go to stderr and
/// all else to stdout. Unlike NestJS's, the date is in UTC.
///
/// # The line for machines
/// NestJS 11's `json: true`: `{"level":"log","pid":12345,"timestamp":1795248847042,"message":"…","context":"…"}`, then
/// the event's fields, then `"spans":[{"name":"call",…}]`. A field named as one of those members gets an underscore
/// behind its name.
///
/// # In both
/// Control characters and those that turn the direction of text are escaped, so that no value can forge a line; a
/// message or value of more than 8 KiB is cut, and says so. Lines are written at once and synchronously; one that
/// cannot be written is lost. Records of the `log` crate are not collected.
///
/// # What the framework says
/// Its targets are `nestrs::tcp`, `nestrs::call`, `nestrs::client`, `nestrs::event_bus`, `nestrs::boot`, and the paths of
/// its modules. These spans stand around lines, those of handlers included:
///
/// | span | on from | fields |
/// |---|---|---|
/// | `connection` | `log`, `nestrs::tcp` | `transport`, `connection`, `peer_addr` |
/// | `call` | `debug`, `nestrs::call` | `pattern`, `handler`, `kind` (`request`, `event`), `id`; at its end `outcome`, `elapsed_us` |
/// | `client_call` | `debug`, `nestrs::client` | `client`, `pattern`, `kind` (`send`, `emit`); at its end `outcome`, `elapsed_us` |
///
/// An outcome is `ok`, the [`ErrorKind`](crate::ErrorKind), or `dropped` for a call that nobody waited for any more. A
/// span that is off costs a call nothing but a comparison. No payload is logged above `verbose`; the message of an error
/// or a panic is, and what goes into that is the application's choice.
#[must_use = "a logger writes nothing before `init`"]
pub struct Logger {
    format: Format,
    filter: Result<Targets, String>,
    prefix: String,
    colour: Option<bool>,
    timestamp: bool,
    pid: u32,
    clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    writer: Option<Box<dyn io::Write + Send>>,
    /// What is wrong with the environment: the first lines.
    problems: Problems,
}

/// Variables, and what is wrong with them.
type Problems = Vec<(&'static str, String)>;

impl Logger {
    /// Lines for people, of level `log` and above. In colour on a terminal, unless `NO_COLOR` is set to anything.
    pub fn console() -> Self {
        Self {
            format: Format::Console,
            filter: filter::parse(""),
            prefix: "Nest".to_owned(),
            colour: None,
            timestamp: true,
            pid: std::process::id(),
            clock: Box::new(SystemTime::now),
            writer: None,
            problems: Vec::new(),
        }
    }

    /// Lines of JSON, of level `log` and above.
    pub fn json() -> Self {
        Self { format: Format::Json { iso: false }, ..Self::console() }
    }

    /// As the environment says: `NESTRS_LOG` is `console` (the default) or `json`, `RUST_LOG` is a
    /// [filter](Logger::filter), and `NO_COLOR` turns colours off. A variable that cannot be read is taken for absent,
    /// and the first line of the log says so: a typing error does not keep a service down.
    pub fn from_env() -> Self {
        let mut problems = Vec::new();
        let read = |name| env::var_os(name).map(|text| text.to_string_lossy().into_owned()).filter(|it| !it.is_empty());
        let mut logger = match read("NESTRS_LOG").as_deref() {
            Some("json") => Self::json(),
            None | Some("console") => Self::console(),
            Some(_) => {
                problems.push(("NESTRS_LOG", "there are `console` and `json`".to_owned()));
                Self::console()
            }
        };
        if let Some(text) = read("RUST_LOG") {
            match filter::parse(&text) {
                Ok(filter) => logger.filter = Ok(filter),
                Err(problem) => problems.push(("RUST_LOG", problem)),
            }
        }
        logger.problems = problems;
        logger
    }

    /// Writes lines of this level and above.
    pub fn level(mut self, level: LogLevel) -> Self {
        self.filter = Ok(Targets::new().with_default(level.filter()));
        self
    }

    /// Writes what this filter lets through: `RUST_LOG`'s syntax, `level` or `target=level` with commas in between, and
    /// NestJS's names for levels beside Rust's. `off` is a level too. What no part names is logged at the level that
    /// stands alone, or else at `log`.
    ///
    /// `nestrs::call=debug` has the pattern, the handler and the request's id in every line that a handler logs.
    ///
    /// A filter that cannot be read is an error of [`Logger::init`].
    pub fn filter(mut self, filter: &str) -> Self {
        self.filter = filter::parse(filter);
        self
    }

    /// The name in front of a console line; "Nest" as in NestJS.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Whether console lines are coloured, whatever they are written to.
    pub fn color(mut self, color: bool) -> Self {
        self.colour = Some(color);
        self
    }

    /// Whether console lines end in the time since the line before. Default true.
    pub fn timestamp(mut self, timestamp: bool) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// Writes the `timestamp` of JSON lines as `"2026-11-21T08:14:07.042Z"`. Without it they are milliseconds since
    /// 1970, as NestJS's are. Changes nothing in console lines.
    pub fn iso_timestamps(mut self) -> Self {
        if let Format::Json { iso } = &mut self.format {
            *iso = true;
        }
        self
    }

    /// Writes to this, in place of stdout and stderr. One call per line, under a lock.
    pub fn writer(mut self, writer: impl io::Write + Send + 'static) -> Self {
        self.writer = Some(Box::new(writer));
        self
    }

    /// Takes the time from this clock, and says this process id: for tests of what is written.
    pub fn stamped(mut self, pid: u32, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.pid = pid;
        self.clock = Box::new(clock);
        self
    }

    /// Begins to log, for the whole process and until its end.
    ///
    /// # Errors
    /// [`LoggerError::AlreadySet`] when the process has a logger, or another `tracing` subscriber; that one goes on.
    /// [`LoggerError::Filter`] for a filter that cannot be read.
    pub fn init(self) -> Result<(), LoggerError> {
        let (dispatch, problems) = self.build()?;
        tracing::dispatcher::set_global_default(dispatch).map_err(|_| LoggerError::AlreadySet)?;
        report(&problems);
        Ok(())
    }

    /// Begins to log what this thread says, until the guard is dropped: for tests, which share their process. The rest
    /// of a runtime with several threads is not heard.
    ///
    /// # Errors
    /// [`LoggerError::Filter`] for a filter that cannot be read.
    ///
    /// ```
    /// use nestrs::Logger;
    ///
    /// let guard = Logger::console().init_thread()?;
    /// assert!(Logger::json().filter("loud=very").init_thread().is_err());
    /// drop(guard);
    /// # Ok::<(), nestrs::LoggerError>(())
    /// ```
    pub fn init_thread(self) -> Result<LoggerGuard, LoggerError> {
        let (dispatch, problems) = self.build()?;
        let guard = LoggerGuard { _guard: tracing::dispatcher::set_default(&dispatch), _thread: PhantomData };
        report(&problems);
        Ok(guard)
    }

    fn build(self) -> Result<(Dispatch, Problems), LoggerError> {
        let filter = self.filter.map_err(LoggerError::Filter)?;
        let output = match self.writer {
            Some(writer) => Output::Writer { writer: Mutex::new(writer), colour: self.colour.unwrap_or(false) },
            None => {
                let wanted = env::var_os("NO_COLOR").is_none_or(|text| text.is_empty());
                let coloured = |is_terminal: bool| self.colour.unwrap_or(wanted && is_terminal);
                Output::Standard {
                    out: coloured(io::stdout().is_terminal()),
                    err: coloured(io::stderr().is_terminal()),
                }
            }
        };
        let lines = Lines {
            format: self.format,
            prefix: self.prefix,
            pid: self.pid,
            clock: self.clock,
            timestamp: self.timestamp,
            output,
            last: AtomicU64::new(0),
        };
        // One after the other, not `and_then`: joined layers hide the filter's level from `tracing`, and each call that is
        // not written would ask the filter.
        Ok((Dispatch::new(Registry::default().with(filter).with(lines)), self.problems))
    }
}

fn report(problems: &[(&'static str, String)]) {
    for (variable, problem) in problems {
        tracing::warn!(variable, problem, "an environment variable cannot be read; ignored");
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("format", &self.format).field("filter", &self.filter).finish_non_exhaustive()
    }
}

/// Ends a thread's logger when it is dropped. Belongs to its thread.
#[must_use = "the logger ends with its guard"]
pub struct LoggerGuard {
    _guard: DefaultGuard,
    _thread: PhantomData<*const ()>,
}

impl fmt::Debug for LoggerGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoggerGuard")
    }
}

/// Why nothing is logged by the logger that was asked for.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoggerError {
    /// The process has a logger already.
    AlreadySet,
    /// A filter cannot be read.
    Filter(String),
}

impl fmt::Display for LoggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadySet => f.write_str("this process has a logger, or another `tracing` subscriber, already"),
            Self::Filter(problem) => write!(f, "the log's filter cannot be read: {problem}"),
        }
    }
}

/// The same as `Display`: a `main` that returns the error prints it by this.
impl fmt::Debug for LoggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for LoggerError {}
