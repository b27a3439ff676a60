//! Values to put in the place of wrong ones, so that reading goes on. Nobody ever gets them.

use serde::de::Visitor;

use super::fault::Fault;

/// How many there are to try, of any kind.
pub(super) const SHAPES: u8 = 12;

/// How many kinds of value there are to try where the type is not known either.
pub(super) const ANY_SHAPES: u8 = 6;

/// What types that read a text of their own are likely to take.
const TEXTS: [&str; SHAPES as usize] = [
    "",
    "a",
    "0",
    "0.0.0.0",
    "0.0.0.0:0",
    "http://a/",
    "00000000-0000-0000-0000-000000000000",
    "1970-01-01T00:00:00Z",
    "1970-01-01",
    "1s",
    "info",
    "/",
];

/// One before zero: many a number must not be zero.
const NUMBERS: [u64; 6] = [1, 0, 2, 10, 100, 3000];

pub(super) fn text(shape: u8) -> &'static str {
    TEXTS[usize::from(shape) % TEXTS.len()]
}

pub(super) fn number(shape: u8) -> u64 {
    // No more than fits any type, unless that is not enough.
    NUMBERS[usize::from(shape) % NUMBERS.len()]
}

/// The kind that [`any`] gives, in the words of a `Fault`.
pub(super) fn kind(shape: u8) -> &'static str {
    match shape % ANY_SHAPES {
        0 => "a string",
        1 => "an integer",
        2 => "a boolean",
        3 => "a list",
        4 => "a table",
        _ => "null",
    }
}

/// One of another kind by each number.
pub(super) fn any<'de, V: Visitor<'de>>(shape: u8, visitor: V) -> Result<V::Value, Fault> {
    use serde::de::value::{MapDeserializer, SeqDeserializer};
    match shape % ANY_SHAPES {
        0 => visitor.visit_str(""),
        1 => visitor.visit_u64(1),
        2 => visitor.visit_bool(false),
        3 => visitor.visit_seq(SeqDeserializer::<_, Fault>::new(std::iter::empty::<()>())),
        4 => visitor.visit_map(MapDeserializer::<_, Fault>::new(std::iter::empty::<((), ())>())),
        _ => visitor.visit_unit(),
    }
}
