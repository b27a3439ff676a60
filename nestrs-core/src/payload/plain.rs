//! A long text that is the whole payload, and has nothing to unescape: read in blocks, where serde_json goes by words.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::Reading;
use crate::json_text::plain_len;

/// Shorter ones are not worth two ways.
const LONG_MIN: usize = 128;

/// Reads `json` where it is such a text and such a text is wanted. Whatever else it is, and whatever is wrong with it,
/// is for serde_json to say.
pub(super) fn read<R: Reading>(json: &[u8], reading: &R) -> Option<R::Value> {
    if json.len() < LONG_MIN || !json.starts_with(b"\"") {
        return None;
    }
    reading.read(Plain(json)).ok()
}

struct Plain<'de>(&'de [u8]);

/// It is for serde_json.
#[derive(Debug)]
struct Other;

impl<'de> Plain<'de> {
    fn text(&self) -> Option<&'de str> {
        let text = self.0.strip_prefix(b"\"")?;
        let (text, quote) = text.split_at_checked(plain_len(text))?;
        if quote == b"\"" { std::str::from_utf8(text).ok() } else { None }
    }
}

impl<'de> Deserializer<'de> for Plain<'de> {
    type Error = Other;

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Other> {
        visitor.visit_borrowed_str(self.text().ok_or(Other)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Other> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Other> {
        visitor.visit_some(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Other> {
        Err(Other)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a plain text")
    }
}

impl std::error::Error for Other {}

impl de::Error for Other {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}
