//! Why a payload does not fit: where, what was expected, what was there instead.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment, Track};

use super::Reading;
use crate::error::{ErrorKind, Misfit, TransportError, quoteless};

/// Paths hold keys of the payload, and reasons a type's own words: both are cut after this many characters.
const TEXT_MAX: usize = 240;

/// What a failed decode means for the caller. Decodes once more, now keeping account of where it is.
///
/// Nothing of the payload's values is told, only where one is wrong and what sort of value it is.
#[cold]
pub(super) fn explain<R: Reading>(text: &[u8], reading: &R, error: &serde_json::Error) -> TransportError {
    if !error.is_data() {
        return TransportError::new(format!("invalid payload: {error}"))
            .with_kind(ErrorKind::InvalidPayload)
            .with_source(Misfit(quoteless(error)));
    }
    let mut track = Track::new();
    let mut source = serde_json::Deserializer::from_slice(text);
    let path = match reading.read(serde_path_to_error::Deserializer::new(&mut source, &mut track)) {
        // The first attempt read what pipes have made, and that differs in a way its text does not show.
        Ok(_) => String::new(),
        Err(_) => readable(&track.path()),
    };
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = error.to_string();
    let reason = Reason::of(reason.strip_suffix(&place).unwrap_or(&reason));
    // The sender may read the names in its own payload; the log may not.
    reason.tell(path).with_source(Misfit(quoteless(error)))
}

/// `lines[2].price`; empty for the payload itself.
fn readable(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        // Writing to a string cannot fail.
        _ = match segment {
            Segment::Seq { index } => write!(text, "[{index}]"),
            Segment::Map { key } | Segment::Enum { variant: key } => write!(text, ".{key}"),
            Segment::Unknown => write!(text, ".?"),
        };
    }
    shown(text.strip_prefix('.').unwrap_or(&text))
}

/// Text that may hold anything, fit for one line.
fn shown(text: &str) -> String {
    let mut characters = text.chars().map(|character| if character.is_control() { '?' } else { character });
    let mut shown: String = characters.by_ref().take(TEXT_MAX).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// serde's words, taken apart.
#[derive(Debug, PartialEq)]
enum Reason {
    Missing(String),
    Unknown(String),
    /// What was expected, and what sort of value was there.
    Mismatch(String, Option<String>),
    /// A type's own words.
    Other(String),
}

impl Reason {
    fn of(text: &str) -> Self {
        // What was found may hold any text, what was expected is the type's: the last comma is the one between them.
        let mismatch = |rest: &str| {
            let (found, expected) = rest.rsplit_once(", expected ")?;
            Some((found.to_owned(), shown(expected)))
        };
        let quoted = |rest: &str| rest.split_once('`').map(|(name, _)| shown(name));
        if let Some(field) = text.strip_prefix("missing field `").and_then(quoted) {
            return Self::Missing(field);
        }
        if let Some(field) = text.strip_prefix("unknown field `").and_then(quoted) {
            return Self::Unknown(field);
        }
        if let Some((_, expected)) = text.strip_prefix("unknown variant ").and_then(mismatch) {
            return Self::Mismatch(expected, Some("something else".to_owned()));
        }
        if let Some((length, expected)) = text.strip_prefix("invalid length ").and_then(mismatch) {
            return Self::Mismatch(expected, Some(format!("length {length}")));
        }
        let rest = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "));
        if let Some((found, expected)) = rest.and_then(mismatch) {
            return Self::Mismatch(expected, sort_of(&found));
        }
        Self::Other(shown(text))
    }

    fn tell(self, mut path: String) -> TransportError {
        // An unknown key has been entered already, except where a type buffers its members first.
        if let Self::Missing(field) | Self::Unknown(field) = &self
            && !(matches!(self, Self::Unknown(_)) && path.rsplit('.').next() == Some(field))
        {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(field);
        }
        let place = if path.is_empty() { String::new() } else { format!(", at `{path}`") };
        let message = match &self {
            Self::Missing(_) => format!("`{path}` is missing"),
            Self::Unknown(_) => format!("`{path}` is not known"),
            Self::Mismatch(expected, Some(found)) => format!("expected {expected}, found {found}{place}"),
            Self::Mismatch(expected, None) => format!("expected {expected}{place}"),
            Self::Other(words) => format!("{words}{place}"),
        };
        let (expected, found) = match self {
            Self::Missing(_) => (None, Some("nothing".to_owned())),
            Self::Unknown(_) => (Some("nothing".to_owned()), None),
            Self::Mismatch(expected, found) => (Some(expected), found),
            Self::Other(_) => (None, None),
        };
        let members = [("path", Some(path)), ("expected", expected), ("found", found)];
        let details: Map<String, Value> =
            members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect();
        TransportError::new(format!("invalid payload: {message}"))
            .with_details(details.into())
            .with_kind(ErrorKind::InvalidPayload)
    }
}

/// What [`super::property`] says of a property that is not there: serde's words for a field.
pub(super) struct MissingProperty<'a>(pub(super) &'a str);

impl fmt::Display for MissingProperty<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "missing field `{}`", self.0)
    }
}

/// `string "secret"` as `string`: the value is nobody else's business.
fn sort_of(found: &str) -> Option<String> {
    let sort = found.split(['"', '`']).next().unwrap_or_default().trim();
    let sort = match sort {
        "" => return None,
        "map" => "object",
        "sequence" => "array",
        "floating point" => "number",
        other => other,
    };
    Some(shown(sort))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use crate::payload::Payload;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "only ever read from a payload")]
        price: u32,
    }

    #[derive(Debug, Deserialize)]
    enum Size {
        Small,
        Large {
            #[expect(dead_code, reason = "only ever read from a payload")]
            by: u8,
        },
    }

    type Lines = BTreeMap<String, Vec<Line>>;

    #[track_caller]
    fn check<T: serde::de::DeserializeOwned + std::fmt::Debug>(json: &str, message: &str, details: serde_json::Value) {
        // The same is said of text and of what a pipe has made.
        let made = serde_json::from_str::<serde_json::Value>(json).map(Payload::from_value);
        for payload in [Payload::from_json(json.to_owned()), made.unwrap()] {
            let error = payload.decode::<T>().unwrap_err();
            assert_eq!(error.message, format!("invalid payload: {message}"));
            assert_eq!(error.details, Some(details.clone()));
        }
    }

    #[test]
    fn a_misfit_names_the_path_the_expected_type_and_the_sort_of_value() {
        check::<Lines>(
            r#"{"lines":[{"price":1},{"price":2},{"price":"secret"}]}"#,
            "expected u32, found string, at `lines[2].price`",
            json!({ "path": "lines[2].price", "expected": "u32", "found": "string" }),
        );
        check::<Lines>(
            r#"{"lines":[{}]}"#,
            "`lines[0].price` is missing",
            json!({ "path": "lines[0].price", "found": "nothing" }),
        );
        check::<Lines>(
            r#"{"lines":[{"price":1,"tip":1}]}"#,
            "`lines[0].tip` is not known",
            json!({ "path": "lines[0].tip", "expected": "nothing" }),
        );
        check::<Lines>(
            r#"{"lines":{}}"#,
            "expected a sequence, found object, at `lines`",
            json!({ "path": "lines", "expected": "a sequence", "found": "object" }),
        );
        check::<u8>("[]", "expected u8, found array", json!({ "path": "", "expected": "u8", "found": "array" }));
        check::<u8>("300", "expected u8, found integer", json!({ "path": "", "expected": "u8", "found": "integer" }));
        check::<u8>("1.5", "expected u8, found number", json!({ "path": "", "expected": "u8", "found": "number" }));
        check::<(u8, u8)>(
            "[1]",
            "expected a tuple of size 2, found length 1",
            json!({ "path": "", "expected": "a tuple of size 2", "found": "length 1" }),
        );
        check::<Size>(
            r#""secret, expected `x`""#,
            "expected `Small` or `Large`, found something else",
            json!({ "path": "", "expected": "`Small` or `Large`", "found": "something else" }),
        );
        check::<Size>(
            r#"{"Large":{"by":null}}"#,
            "expected u8, found null, at `Large.by`",
            json!({ "path": "Large.by", "expected": "u8", "found": "null" }),
        );
        check::<std::net::Ipv4Addr>(r#""secret""#, "invalid IPv4 address syntax", json!({ "path": "" }));
        let large = Payload::from_json(r#"{"Large":{"by":1}}"#);
        assert!(matches!(large.decode(), Ok(Size::Large { .. })));
        assert!(matches!(Payload::from_json(r#""Small""#).decode(), Ok(Size::Small)));
    }

    #[test]
    fn a_value_that_is_wrong_is_never_repeated() {
        for json in [r#""secret, expected secret""#, r#"["secret"]"#, r#"{"price":"secret`"}"#, r#""`secret`""#] {
            let error = Payload::from_json(json).decode::<Line>().unwrap_err();
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn what_a_key_may_do_to_a_message_has_limits() {
        let long = format!(r#"{{"{}":"x"}}"#, "k".repeat(100_000));
        let error = Payload::from_json(long).decode::<BTreeMap<String, u8>>().unwrap_err();
        assert!(error.message.chars().count() < 400, "{}", error.message.len());
        let lines = Payload::from_json(r#"{"a\nb":"x"}"#).decode::<BTreeMap<String, u8>>().unwrap_err();
        assert!(lines.message.ends_with("at `a?b`"), "{lines}");
    }
}
