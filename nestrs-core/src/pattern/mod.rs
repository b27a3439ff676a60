//! The name a message is sent to, in the one form that routes it.

// What a peer sends must not be able to make this panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice))]

mod collate;
mod literal;
mod number;
mod wildcard;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;
use thiserror::Error;

use crate::payload::mend_surrogates;
use crate::sorted::sorted;

pub use literal::LiteralPattern;
pub use wildcard::{Wildcard, WildcardStyle};

/// Objects nested deeper than this below the top are written as `[MAX_DEPTH_REACHED]`, as NestJS does.
const DEPTH_MAX: usize = 5;
/// Objects with more members than this are written as `[TOO_MANY_KEYS]`, as NestJS does.
const KEYS_MAX: usize = 20;
/// A longer pattern on the wire is an unknown one.
const WIRE_LEN_MAX: usize = 64 * 1024;

/// Where a message is sent: a string, a number or an object, with its canonical *route*.
///
/// Two patterns are the same when their routes are, whatever the order of their members. The route is what NestJS's
/// `transformPatternToRoute` makes of the pattern (NestJS fact sheet, section 4): the string itself, or the object
/// with sorted keys and no spaces. It is the key of the handler table, and the channel name on brokers.
///
/// ```
/// use nestrs_core::Pattern;
/// use serde_json::json;
///
/// let pattern = Pattern::from_value(&json!({ "b": 1, "a": { "d": 2, "c": 3 } })).unwrap();
/// assert_eq!(pattern.route(), r#"{"a":{"c":3,"d":2},"b":1}"#);
/// assert_eq!(Pattern::from("math.add").route(), "math.add");
/// ```
///
/// # Limits
/// NestJS sorts keys by the collation of its process's locale. Its usual one (English, or ICU's root) is reproduced
/// for keys made of printable ASCII characters; an object with two or more keys of which one has another character
/// is refused with [`PatternError::KeyOrder`], rather than sent to a route that no peer may know.
#[derive(Clone)]
pub struct Pattern {
    route: Cow<'static, str>,
    /// The JSON text of an object or number pattern, members in their author's order; `None` for a string, unless it is
    /// written already.
    json: Option<Cow<'static, str>>,
}

/// Why a value is no pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// `true`, `false` and `null` name no route; NestJS cannot be reached by them either.
    #[error("a pattern is a string, a number or an object, not `{0}`")]
    NotAPattern(String),
    /// The order of the keys is not known for every NestJS peer.
    #[error("key `{0}` has a character outside printable ASCII, whose place among other keys depends on a locale")]
    KeyOrder(String),
    /// The text is empty.
    #[error("a pattern cannot be empty")]
    Empty,
}

impl Pattern {
    /// The pattern that `value` describes.
    ///
    /// # Errors
    /// [`PatternError::NotAPattern`] for a boolean or `null`, [`PatternError::Empty`] for an empty string,
    /// [`PatternError::KeyOrder`] as explained above.
    pub fn from_value(value: &Value) -> Result<Self, PatternError> {
        match value {
            Value::String(text) if text.is_empty() => Err(PatternError::Empty),
            Value::String(text) => Ok(Self { route: text.clone().into(), json: None }),
            other => {
                let route = normalise(other)?;
                Ok(Self { route: route.into(), json: Some(other.to_string().into()) })
            }
        }
    }

    /// The pattern of a literal that a macro has read.
    ///
    /// # Errors
    /// As [`Pattern::from_value`].
    pub fn from_literal(literal: &PatternLiteral) -> Result<Self, PatternError> {
        if let PatternLiteral::Text(text) = *literal {
            return if text.is_empty() {
                Err(PatternError::Empty)
            } else {
                Ok(Self { route: text.into(), json: None })
            };
        }
        let mut json = String::new();
        literal.write_json(&mut json);
        Ok(Self { json: Some(json.into()), ..Self::from_value(&literal.to_value())? })
    }

    /// The canonical text: key of the handler table, channel name on brokers.
    #[must_use]
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The pattern as JSON, as a request carries it: a quoted string, or the object in its author's order.
    #[must_use]
    pub fn json(&self) -> Cow<'_, str> {
        match &self.json {
            Some(json) => Cow::Borrowed(json),
            None => Cow::Owned(Value::from(&*self.route).to_string()),
        }
    }

    /// The route that the `pattern` member of a received packet names, given its JSON text; `None` when there can be
    /// no handler for it.
    ///
    /// A string that is itself JSON is read as JSON once more, so that an object may come as an object or as its
    /// text, with its keys in any order; `"007"` stays as it is and `"1.0"` means `1` (NestJS fact sheet, section 4,
    /// *lookup*). The work is linear in the length of the text, and a text over 64 KiB is an unknown pattern.
    ///
    /// ```
    /// use nestrs_core::Pattern;
    ///
    /// let route = |json| Pattern::route_of(json).map(|route| route.into_owned());
    /// assert_eq!(route(r#""math.add""#).as_deref(), Some("math.add"));
    /// assert_eq!(route(r#"{"b":1,"a":2}"#).as_deref(), Some(r#"{"a":2,"b":1}"#));
    /// assert_eq!(route(r#""{\"b\":1,\"a\":2}""#).as_deref(), Some(r#"{"a":2,"b":1}"#));
    /// assert_eq!(route("null"), None);
    /// ```
    #[must_use]
    pub fn route_of(json: &str) -> Option<Cow<'_, str>> {
        if json.len() > WIRE_LEN_MAX {
            return None;
        }
        let plain = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|text| !text.contains('\\'));
        let text = match plain {
            Some(text) => Cow::Borrowed(text),
            None => match parse(json)? {
                Value::String(text) => Cow::Owned(text),
                other => return normalise(&other).ok().map(Cow::Owned),
            },
        };
        if !may_be_json(&text) {
            return Some(text);
        }
        match parse(&text) {
            None => Some(text),
            Some(Value::String(inner)) => Some(Cow::Owned(inner)),
            Some(other) => normalise(&other).ok().map(Cow::Owned),
        }
    }
}

/// Whether `JSON.parse` could succeed, by the first character: most routes are told apart without an attempt.
fn may_be_json(text: &str) -> bool {
    matches!(
        text.trim_start_matches([' ', '\t', '\n', '\r']).as_bytes().first(),
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
    )
}

fn parse(json: &str) -> Option<Value> {
    // From bytes, as everywhere: one parser in the binary.
    serde_json::from_slice(json.as_bytes())
        .or_else(|error| match mend_surrogates(json.as_bytes()) {
            Some(mended) => serde_json::from_slice(&mended),
            None => Err(error),
        })
        .ok()
}

fn normalise(value: &Value) -> Result<String, PatternError> {
    let mut route = String::new();
    match value {
        Value::String(text) => route.push_str(text),
        Value::Number(number) => number::write(&mut route, number),
        Value::Object(_) | Value::Array(_) => write_object(&mut route, value, 0)?,
        Value::Null | Value::Bool(_) => return Err(PatternError::NotAPattern(value.to_string())),
    }
    Ok(route)
}

/// Writes an object or array; recursion ends at `DEPTH_MAX`.
fn write_object(route: &mut String, value: &Value, depth: usize) -> Result<(), PatternError> {
    if depth > DEPTH_MAX {
        route.push_str("[MAX_DEPTH_REACHED]");
        return Ok(());
    }
    let mut members: Vec<(Cow<'_, str>, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(key, value)| (Cow::Borrowed(&**key), value)).collect(),
        Value::Array(items) if items.len() <= KEYS_MAX => {
            items.iter().enumerate().map(|(index, value)| (Cow::Owned(index.to_string()), value)).collect()
        }
        _ => Vec::new(),
    };
    if members.len() > KEYS_MAX || matches!(value, Value::Array(items) if items.len() > KEYS_MAX) {
        route.push_str("[TOO_MANY_KEYS]");
        return Ok(());
    }
    if members.len() > 1 {
        if let Some((key, _)) = members.iter().find(|(key, _)| !collate::is_ordered(key)) {
            return Err(PatternError::KeyOrder(key.escape_debug().collect()));
        }
        members = sorted(members, |(one, _), (other, _)| collate::compare(one, other).is_le());
    }
    route.push('{');
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 {
            route.push(',');
        }
        write_quoted(route, key);
        route.push(':');
        match value {
            Value::String(text) => write_quoted(route, text),
            Value::Number(number) => number::write(route, number),
            Value::Null => route.push_str("null"),
            Value::Bool(truth) => route.push_str(if *truth { "true" } else { "false" }),
            Value::Object(_) | Value::Array(_) => write_object(route, value, depth + 1)?,
        }
    }
    route.push('}');
    Ok(())
}

/// Escapes the backslash and the quote and nothing else, as NestJS does: a route is not always JSON.
fn write_quoted(route: &mut String, text: &str) {
    route.push('"');
    for character in text.chars() {
        if matches!(character, '\\' | '"') {
            route.push('\\');
        }
        route.push(character);
    }
    route.push('"');
}

/// A pattern as it stands in source text; what `#[message_pattern(..)]` and `pattern!` expand to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PatternLiteral {
    /// `null`, inside an object only.
    Null,
    /// `true` or `false`, inside an object only.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(&'static str),
    /// An array, inside an object only.
    Array(&'static [Self]),
    /// An object, members as written.
    Object(&'static [(&'static str, Self)]),
}

impl PatternLiteral {
    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => truth.into(),
            // Whole numbers stay whole: `5` is written `5`, not `5.0`.
            Self::Number(number) => {
                let mut text = String::new();
                number::write_f64(&mut text, number);
                serde_json::from_slice(text.as_bytes()).unwrap_or(Value::Null)
            }
            Self::Text(text) => text.into(),
            Self::Array(items) => items.iter().map(|item| item.to_value()).collect(),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(key, value)| ((*key).to_owned(), value.to_value())).collect())
            }
        }
    }

    fn write_json(self, json: &mut String) {
        match self {
            Self::Array(items) => {
                json.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    item.write_json(json);
                }
                json.push(']');
            }
            Self::Object(members) => {
                json.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    json.push_str(&Value::from(*key).to_string());
                    json.push(':');
                    value.write_json(json);
                }
                json.push('}');
            }
            other => json.push_str(&other.to_value().to_string()),
        }
    }
}

/// A string pattern. An empty one is accepted here and finds no handler.
impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self { route: Cow::Owned(text.to_owned()), json: None }
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self { route: Cow::Owned(text), json: None }
    }
}

impl From<&String> for Pattern {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Self> for Pattern {
    fn from(pattern: &Self) -> Self {
        pattern.clone()
    }
}

/// A value that is no pattern ([`PatternError`]) becomes one that no server has a handler for, its JSON text; use
/// [`Pattern::from_value`] to see the error.
impl From<Value> for Pattern {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl From<&Value> for Pattern {
    fn from(value: &Value) -> Self {
        Self::from_value(value)
            .unwrap_or_else(|_| Self { route: value.to_string().into(), json: Some(value.to_string().into()) })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.route == other.route
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.route)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.route)
    }
}

#[cfg(test)]
mod tests;
