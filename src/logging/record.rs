//! One line, before it is written: its fields, and the spans around it.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::Attributes;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::escape::Bounded;
use super::level::LogLevel;

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// The fields of an event or a span, each name once, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    pub(super) fn of_span(attributes: &Attributes<'_>) -> Self {
        let mut fields = Self::default();
        attributes.record(&mut fields);
        fields
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    fn contains(&self, name: &str, value: &Value) -> bool {
        self.iter().any(|field| field == (name, value))
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(at).1)
    }

    /// What is recorded later replaces what was there.
    pub(super) fn extend(&mut self, later: Self) {
        for (name, value) in later.0 {
            match self.0.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => self.0.push((name, value)),
            }
        }
    }

    fn set(&mut self, field: &Field, value: Value) {
        let name = field.name().strip_prefix("r#").unwrap_or(field.name());
        self.extend(Self(vec![(name, value)]));
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::Float(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::Text(Bounded::format(format_args!("{value}"))));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, Value::Text(Bounded::format(format_args!("{value:?}"))));
    }
}

/// A span around a line.
#[derive(Clone, Debug)]
pub(super) struct SpanRecord {
    pub(super) name: &'static str,
    pub(super) fields: Fields,
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) level: LogLevel,
    /// NestJS's context: the field of that name, or else the target.
    pub(super) context: String,
    pub(super) message: String,
    pub(super) fields: Fields,
    /// The outermost first. A field that the line, or a span further in, says as well is not repeated.
    pub(super) spans: Vec<SpanRecord>,
}

impl Record {
    pub(super) fn new<S>(event: &Event<'_>, cx: &Context<'_, S>) -> Self
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let is_fatal = *metadata.level() == tracing::Level::ERROR && fields.contains("fatal", &Value::Bool(true));
        if is_fatal {
            fields.take("fatal");
        }
        let context = fields.take("context").map_or_else(|| metadata.target().to_owned(), |value| value.to_string());
        let message = fields.take("message").map(|value| value.to_string()).unwrap_or_default();
        let mut spans: Vec<SpanRecord> = Vec::new();
        for span in cx.event_scope(event).into_iter().flatten() {
            let known = span.extensions();
            let mut own = known.get::<Fields>().cloned().unwrap_or_default();
            own.0.retain(|(name, value)| {
                !fields.contains(name, value) && !spans.iter().any(|inner| inner.fields.contains(name, value))
            });
            spans.push(SpanRecord { name: span.name(), fields: own });
        }
        spans.reverse();
        let level = if is_fatal { LogLevel::Fatal } else { LogLevel::of(metadata) };
        Self { level, context, message, fields, spans }
    }
}
