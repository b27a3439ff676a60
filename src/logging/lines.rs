//! From events to lines.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::level::LogLevel;
use super::record::{Fields, Record};
use super::time::unix_millis;
use super::{console, json};

/// What a line is to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Console,
    Json { iso: bool },
}

/// What every line has beside what was logged.
pub(super) struct Stamp<'a> {
    pub(super) prefix: &'a str,
    pub(super) pid: u32,
    pub(super) time: SystemTime,
    /// Milliseconds since the line before.
    pub(super) since_last: Option<u64>,
}

/// Where lines go.
pub(super) enum Output {
    /// As NestJS's: errors to stderr, all else to stdout. Which of the two are coloured.
    Standard {
        out: bool,
        err: bool,
    },
    Writer {
        writer: Mutex<Box<dyn Write + Send>>,
        colour: bool,
    },
}

/// Writes a line for each event.
pub(super) struct Lines {
    pub(super) format: Format,
    pub(super) prefix: String,
    pub(super) pid: u32,
    pub(super) clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    pub(super) timestamp: bool,
    pub(super) output: Output,
    /// When the last line was written; 0 before the first.
    pub(super) last: AtomicU64,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("format", &self.format).finish_non_exhaustive()
    }
}

thread_local! {
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// A thread keeps no larger buffer than this between two lines.
const KEPT_MAX: usize = 16 * 1024;

impl Lines {
    fn write(&self, record: &Record) {
        // Taken, not borrowed: formatting a value may log another line.
        let mut line = LINE.take();
        line.clear();
        let time = (self.clock)();
        let now = unix_millis(time);
        let last = self.last.swap(now, Ordering::Relaxed);
        let since_last = (self.timestamp && last != 0).then(|| now.saturating_sub(last));
        let stamp = Stamp { prefix: &self.prefix, pid: self.pid, time, since_last };
        match self.format {
            Format::Console => console::write(&mut line, record, &stamp, self.output.is_coloured(record.level)),
            Format::Json { iso } => json::write(&mut line, record, &stamp, iso),
        }
        self.output.write(record.level, line.as_bytes());
        if line.capacity() <= KEPT_MAX {
            LINE.set(line);
        }
    }
}

impl Output {
    fn is_coloured(&self, level: LogLevel) -> bool {
        match self {
            Self::Standard { err, .. } if is_for_stderr(level) => *err,
            Self::Standard { out: colour, .. } | Self::Writer { colour, .. } => *colour,
        }
    }

    /// A line that cannot be written is lost: there is nowhere left to say so.
    fn write(&self, level: LogLevel, line: &[u8]) {
        let _ = match self {
            Self::Standard { .. } if is_for_stderr(level) => io::stderr().lock().write_all(line),
            Self::Standard { .. } => io::stdout().lock().write_all(line),
            Self::Writer { writer, .. } => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write_all(line).and_then(|()| writer.flush())
            }
        };
    }
}

fn is_for_stderr(level: LogLevel) -> bool {
    matches!(level, LogLevel::Fatal | LogLevel::Error)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        keep_fields(attributes, id, &cx);
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, cx: Context<'_, S>) {
        add_fields(id, values, &cx);
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        self.write(&Record::new(event, &cx));
    }
}

/// Keeps the fields of a span with it.
pub(super) fn keep_fields<S>(attributes: &Attributes<'_>, id: &Id, cx: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // Formatted before anything is locked: formatting a value may log a line.
    let fields = Fields::of_span(attributes);
    if let Some(span) = cx.span(id) {
        span.extensions_mut().insert(fields);
    }
}

/// Adds fields that a span has got since it began.
pub(super) fn add_fields<S>(id: &Id, values: &tracing::span::Record<'_>, cx: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut later = Fields::default();
    values.record(&mut later);
    if let Some(span) = cx.span(id)
        && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
    {
        fields.extend(later);
    }
}
