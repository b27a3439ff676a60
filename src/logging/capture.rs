//! What was logged, for tests to look at.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use tracing::span::{Attributes, Id};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use super::console;
use super::escape::push_plain;
use super::level::LogLevel;
use super::lines::{add_fields, keep_fields};
use super::record::{Fields, Record, SpanRecord};

/// The most events, and the most spans, that a capture keeps. What comes later is counted.
const KEPT_MAX: usize = 10_000;

/// Keeps what this thread logs, from its start until it is dropped, instead of writing it.
///
/// It hears the thread that made it, and no other: all of a test under `#[tokio::test]`, whose runtime has one thread,
/// servers and spawned tasks included; but not the other threads of `flavor = "multi_thread"`, and not those of
/// `spawn_blocking`. Tests that run at the same time do not hear each other.
///
/// It keeps the first 10,000 events and the first 10,000 spans; [`LogCapture::cut`] says how many came after them, and
/// so does the last line.
///
/// ```
/// use nestrs::{LogCapture, LogLevel};
///
/// let logs = LogCapture::start();
/// let call = tracing::debug_span!("call", pattern = "orders.place");
/// call.in_scope(|| tracing::warn!(target: "orders", stock = 0, "out of stock"));
///
/// assert!(logs.contains(LogLevel::Warn, "out of stock"));
/// assert_eq!(logs.lines(), ["WARN [orders] out of stock stock=0 call{pattern=orders.place}"]);
/// assert_eq!(logs.events()[0].field("stock"), Some("0"));
/// assert_eq!(logs.events()[0].spans[0].field("pattern"), Some("orders.place"));
/// ```
#[must_use = "a capture ends when it is dropped"]
pub struct LogCapture {
    kept: Arc<Mutex<Kept>>,
    _guard: DefaultGuard,
    _thread: PhantomData<*const ()>,
}

/// One thing that was logged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogEvent {
    /// How much it matters.
    pub level: LogLevel,
    /// Who said it: the path of a module, or the `target:` of the call.
    pub target: String,
    /// What a logger prints in brackets: the field `context`, or else the target.
    pub context: String,
    /// What was said. Nothing in it is escaped.
    pub message: String,
    /// Its fields, without `message` and `context`, in the order of the call.
    pub fields: Vec<(String, String)>,
    /// The spans around it, the outermost first, with what their fields were at that time. A field that the event or a
    /// span further in says as well is not repeated.
    pub spans: Vec<LogSpan>,
    line: String,
}

/// A span, as [`LogEvent::spans`] or [`LogCapture::spans`] have it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogSpan {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub fields: Vec<(String, String)>,
}

#[derive(Default)]
struct Kept {
    events: Vec<LogEvent>,
    spans: Vec<SpanRecord>,
    cut_events: usize,
    cut_spans: usize,
}

/// Where a span is among those that are kept.
struct Place(usize);

struct Keeper(Arc<Mutex<Kept>>);

impl LogCapture {
    /// Keeps everything, from `verbose` on.
    pub fn start() -> Self {
        Self::start_at(LogLevel::Verbose)
    }

    /// Keeps what is of this level and above; the rest is as cheap as without a subscriber.
    pub fn start_at(level: LogLevel) -> Self {
        // Where there is one subscriber only, tracing asks the thread that comes by a line first, which may be another test's
        // without any, and keeps to its answer. Of two it asks both.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));
        LazyLock::force(&ANOTHER);
        let kept = Arc::default();
        let keeper = Keeper(Arc::clone(&kept));
        let subscriber = Registry::default().with(level.filter()).with(keeper);
        Self { kept, _guard: tracing::subscriber::set_default(subscriber), _thread: PhantomData }
    }

    /// What was logged so far.
    #[must_use]
    pub fn events(&self) -> Vec<LogEvent> {
        lock(&self.kept).events.clone()
    }

    /// The same as lines: `WARN [context] message name=value span{name=value}`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let kept = lock(&self.kept);
        let mut lines: Vec<_> = kept.events.iter().map(|event| event.line.clone()).collect();
        if kept.cut_events > 0 {
            lines.push(format!("… and {} more, which were not kept", kept.cut_events));
        }
        lines
    }

    /// Whether a line of exactly this level has the text in it: in its context, message, fields or spans.
    #[must_use]
    pub fn contains(&self, level: LogLevel, text: &str) -> bool {
        lock(&self.kept).events.iter().any(|event| event.level == level && event.line.contains(text))
    }

    /// Every span that began, in order, with its fields as they are now.
    #[must_use]
    pub fn spans(&self) -> Vec<LogSpan> {
        lock(&self.kept).spans.iter().map(LogSpan::of).collect()
    }

    /// How many events and spans were not kept.
    #[must_use]
    pub fn cut(&self) -> usize {
        let kept = lock(&self.kept);
        kept.cut_events + kept.cut_spans
    }
}

impl fmt::Debug for LogCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines()).finish()
    }
}

impl LogEvent {
    /// The value of a field, as text; `None` when it has none of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }
}

impl LogSpan {
    /// The value of a field, as text; `None` when it has none of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }

    fn of(span: &SpanRecord) -> Self {
        Self { name: span.name.to_owned(), fields: texts(&span.fields) }
    }
}

fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn texts(fields: &Fields) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect()
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line_of(record: &Record) -> String {
    let mut line = record.level.name().to_ascii_uppercase();
    line.push_str(" [");
    push_plain(&mut line, &record.context);
    line.push_str("] ");
    push_plain(&mut line, &record.message);
    console::push_rest(&mut line, record);
    line
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Keeper {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        keep_fields(attributes, id, &cx);
        let Some(span) = cx.span(id) else { return };
        let fields = span.extensions().get::<Fields>().cloned().unwrap_or_default();
        let mut kept = lock(&self.0);
        if kept.spans.len() == KEPT_MAX {
            kept.cut_spans += 1;
            return;
        }
        span.extensions_mut().insert(Place(kept.spans.len()));
        kept.spans.push(SpanRecord { name: span.name(), fields });
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, cx: Context<'_, S>) {
        add_fields(id, values, &cx);
        let Some(span) = cx.span(id) else { return };
        let extensions = span.extensions();
        if let (Some(Place(at)), Some(fields)) = (extensions.get(), extensions.get::<Fields>()) {
            lock(&self.0).spans[*at].fields = fields.clone();
        }
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let record = Record::new(event, &cx);
        let line = line_of(&record);
        let mut kept = lock(&self.0);
        if kept.events.len() == KEPT_MAX {
            kept.cut_events += 1;
            return;
        }
        kept.events.push(LogEvent {
            level: record.level,
            target: event.metadata().target().to_owned(),
            fields: texts(&record.fields),
            spans: record.spans.iter().map(LogSpan::of).collect(),
            context: record.context,
            message: record.message,
            line,
        });
    }
}
