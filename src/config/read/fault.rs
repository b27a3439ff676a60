//! Why one pass failed: serde's reasons, kept as they are rather than as text, and without values.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::config::path::Path;

/// What is wrong, and where, once somebody who knows the place has seen it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) at: Option<Path>,
    pub(super) kind: Kind,
    /// Inside a `Secret`: a type's own words stay unsaid.
    pub(super) is_secret: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// The place itself is not there.
    Absent,
    Missing(&'static str),
    UnknownKey {
        key: String,
        known: &'static [&'static str],
    },
    Duplicate(&'static str),
    Misfit {
        found: &'static str,
        expected: String,
    },
    OutOfRange {
        expected: String,
    },
    Invalid {
        expected: String,
    },
    Length {
        found: usize,
        expected: String,
    },
    NoVariant {
        known: &'static [&'static str],
    },
    /// What a type says itself; parts of the value may be in it.
    Other(String),
}

impl Fault {
    /// Notes the place, unless one deeper inside is known.
    pub(super) fn at(mut self, path: &Path) -> Self {
        self.at.get_or_insert_with(|| path.clone());
        self
    }

    pub(super) fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    pub(super) fn misfit(found: &'static str, expected: &str) -> Self {
        Kind::Misfit { found, expected: expected.to_owned() }.into()
    }
}

impl Kind {
    /// What the type wants in place of what is there.
    pub(super) fn wanted(&self) -> Option<&str> {
        match self {
            Self::Misfit { expected, .. }
            | Self::OutOfRange { expected }
            | Self::Invalid { expected }
            | Self::Length { expected, .. } => Some(expected),
            _ => None,
        }
    }
}

impl From<Kind> for Fault {
    fn from(kind: Kind) -> Self {
        Self { at: None, kind, is_secret: false }
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Kind::Other(message.to_string()).into()
    }
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::misfit(kind_of(&found), &in_our_words(expected))
    }
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = in_our_words(expected);
        match found {
            Unexpected::Signed(_) | Unexpected::Unsigned(_) | Unexpected::Float(_) => {
                Kind::OutOfRange { expected }.into()
            }
            _ => Kind::Invalid { expected }.into(),
        }
    }
    fn invalid_length(found: usize, expected: &dyn Expected) -> Self {
        Kind::Length { found, expected: in_our_words(expected) }.into()
    }
    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Kind::NoVariant { known }.into()
    }
    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Kind::UnknownKey { key: key.to_owned(), known }.into()
    }
    fn missing_field(field: &'static str) -> Self {
        Kind::Missing(field).into()
    }
    fn duplicate_field(field: &'static str) -> Self {
        Kind::Duplicate(field).into()
    }
}

/// Nobody sees it: `report` has the words.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is wrong")
    }
}

impl std::error::Error for Fault {}

/// Of which kind a value is; never the value.
fn kind_of(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "something else",
    }
}

/// serde's words for what a type wants, in those of a configuration.
fn in_our_words(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match &*expected {
        "a map" => "a table".to_owned(),
        "a sequence" => "a list".to_owned(),
        "string" => "a string".to_owned(),
        named if named.starts_with("struct ") => "a table".to_owned(),
        _ => expected,
    }
}
