//! What a handler says to its transport beside its pattern.

use serde_json::Value;

use crate::pattern::PatternLiteral;

/// The extras of a handler: NestJS's last argument of `@MessagePattern`, `{ queue: "workers" }`.
///
/// They are for the transport that serves the handler. Which ones it reads, and of what kind, is told by
/// `TransportServer::extras`: an application whose extras are of another kind does not start, and one that has extras
/// nobody reads is warned.
///
/// ```
/// use nestrs_core::{Extras, PatternLiteral};
///
/// let extras = Extras::new(&[("queue", PatternLiteral::Text("workers")), ("qos", PatternLiteral::Number(1.0))]);
/// assert_eq!(extras.text("queue"), Some("workers"));
/// assert_eq!(extras.number("qos"), Some(1.0));
/// assert_eq!(extras.get("retain"), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extras(&'static [(&'static str, PatternLiteral)]);

/// What kind of value an extra has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtraKind {
    /// A string.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// Any value; the transport looks for itself.
    Any,
}

impl Extras {
    /// These extras. Of two with one name, the first counts; the macros refuse the second.
    #[must_use]
    pub const fn new(extras: &'static [(&'static str, PatternLiteral)]) -> Self {
        Self(extras)
    }

    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<PatternLiteral> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The value of that name, if it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'static str> {
        match self.get(name)? {
            PatternLiteral::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of that name, if it is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            PatternLiteral::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The value of that name, if it is `true` or `false`.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            PatternLiteral::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// The value of that name as JSON; for those that are lists or objects.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value> {
        self.get(name).map(PatternLiteral::to_value)
    }

    /// All of them, as they are written.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, PatternLiteral)> + use<> {
        self.0.iter().copied()
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ExtraKind {
    /// Whether a value is of this kind.
    #[must_use]
    pub fn accepts(self, value: &PatternLiteral) -> bool {
        match self {
            Self::Text => matches!(value, PatternLiteral::Text(_)),
            Self::Number => matches!(value, PatternLiteral::Number(_)),
            Self::Flag => matches!(value, PatternLiteral::Bool(_)),
            Self::Any => true,
        }
    }

    /// `a string`, as problems name it.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Flag => "`true` or `false`",
            Self::Any => "any value",
        }
    }
}
