//! serde's `Deserializer` over one place of the tree.

use std::borrow::Cow;

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::access::{Entries, Items, Variant};
use super::fault::{Fault, Kind};
use super::pass::{Pass, items};
use super::{neutral, text};
use crate::config::path::{Path, loose};
use crate::config::secret;
use crate::config::tree::{Node, Table, Value};

/// One place.
pub(super) struct Cursor<'r> {
    pub(super) pass: &'r Pass<'r>,
    pub(super) path: Path,
    pub(super) input: Input<'r>,
    /// Whether its text is a string even where nobody says what is wanted.
    pub(super) is_string: bool,
}

/// What is there.
#[derive(Clone, Copy)]
pub(super) enum Input<'r> {
    Node(&'r Node),
    /// An item of a text with commas.
    Piece(&'r str),
    /// Anything that will do; the number tells what to try.
    Neutral(u8),
    /// Nothing: a part of the configuration that no source has.
    Absent,
}

impl<'r> Input<'r> {
    /// The text of a variable, which may mean many things.
    pub(super) fn text(&self) -> Option<&'r str> {
        match self {
            Self::Piece(text) => Some(text),
            Self::Node(Node { value: Value::Text(text), .. }) => Some(text),
            _ => None,
        }
    }

    fn table(&self) -> Option<&'r Table> {
        match self {
            Self::Node(Node { value: Value::Table(table), .. }) => Some(table),
            _ => None,
        }
    }

    /// Whether it can stand for a table: the places inside it tell what is missing.
    fn is_table_like(&self) -> bool {
        matches!(self, Self::Neutral(_) | Self::Absent) || self.table().is_some()
    }

    fn string(&self) -> Option<&'r str> {
        match self {
            Self::Node(Node { value: Value::String(text), .. }) => Some(text),
            _ => self.text(),
        }
    }
}

impl<'r> Cursor<'r> {
    /// What is there, as what it is.
    fn natural<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let node = match self.input {
            Input::Piece(text) => return visitor.visit_str(text),
            Input::Neutral(shape) => return neutral::any(shape, visitor),
            Input::Absent => return Err(Kind::Absent.into()),
            Input::Node(node) => node,
        };
        match &node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => integer(*value, visitor),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) | Value::Text(text) => visitor.visit_str(text),
            Value::List(_) => self.list(visitor),
            Value::Table(_) => visitor.visit_map(Entries::new(&self, None)),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match items(&self.input) {
            Some(items) => visitor.visit_seq(Items::new(&self, items)),
            None => self.natural(visitor),
        }
    }

    /// Notes the place in what goes wrong while `read` is at it.
    fn locate<T>(self, read: impl FnOnce(Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let path = self.path.clone();
        read(self).map_err(|fault| fault.at(&path))
    }

    fn number<'de, V: Visitor<'de>>(self, expected: &str, visitor: V) -> Result<V::Value, Fault> {
        self.locate(|this| match (this.input, this.input.text()) {
            (Input::Neutral(shape), _) => visitor.visit_u64(neutral::number(shape)),
            (_, Some(text)) => integer(text::integer(text, expected)?, visitor),
            _ => this.natural(visitor),
        })
    }

    fn fraction<'de, V: Visitor<'de>>(self, expected: &str, visitor: V) -> Result<V::Value, Fault> {
        self.locate(|this| match (this.input, this.input.text()) {
            #[expect(clippy::cast_precision_loss, reason = "they are small")]
            (Input::Neutral(shape), _) => visitor.visit_f64(neutral::number(shape) as f64),
            (_, Some(text)) => visitor.visit_f64(text::float(text, expected)?),
            _ => this.natural(visitor),
        })
    }

    fn words<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.locate(|this| match this.input {
            Input::Neutral(shape) => visitor.visit_str(neutral::text(shape)),
            _ => this.natural(visitor),
        })
    }

    fn table<'de, V: Visitor<'de>>(
        self,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.locate(|this| {
            if this.input.is_table_like() {
                visitor.visit_map(Entries::new(&this, fields))
            } else {
                this.natural(visitor)
            }
        })
    }

    fn tuple<'de, V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Fault> {
        self.locate(|this| match this.input {
            Input::Neutral(shape) => {
                let items = vec![Input::Neutral(shape); length];
                visitor.visit_seq(Items::new(&this, items))
            }
            _ => this.list(visitor),
        })
    }

    /// Entries of a struct or a map, by the names that the reader knows.
    pub(super) fn entries(&self, fields: Option<&'static [&'static str]>) -> Vec<(String, Self)> {
        self.pass.entries(&self.path, self.input.table(), fields)
    }

    /// The one that is meant by a variant's name.
    fn variant(&self, known: &'static [&'static str]) -> Result<Variant<'r>, Fault> {
        let refuse = || Fault::from(Kind::NoVariant { known });
        let called = |name: &str, loosely: bool| {
            let exact = known.iter().find(|variant| **variant == name).copied();
            let similar = || known.iter().find(|variant| loosely && loose(variant) == loose(name)).copied();
            exact.or_else(similar).map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
        };
        if let Input::Neutral(shape) = self.input {
            let name = known.get(usize::from(shape) % known.len().max(1)).ok_or_else(refuse)?;
            let content = self.pass.cursor(self.path.key(name), Input::Neutral(shape)).ok_or_else(refuse)?;
            return Ok(Variant { name: Cow::Borrowed(name), content: Some(content) });
        }
        if let Some(text) = self.input.string() {
            let is_variable = self.input.text().is_some();
            let text = if is_variable { text.trim() } else { text };
            return Ok(Variant { name: called(text, is_variable), content: None });
        }
        let mut entries = self.input.table().map(|_| self.entries(None)).unwrap_or_default().into_iter();
        match (entries.next(), entries.next()) {
            (Some((name, content)), None) => {
                let is_variable = matches!(content.input, Input::Node(node) if node.origin.is_variable());
                Ok(Variant { name: called(&name, is_variable), content: Some(content) })
            }
            _ => Err(refuse()),
        }
    }
}

/// By the smallest method that can: that is what visitors of integers understand.
fn integer<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, Fault> {
    if let Ok(value) = u64::try_from(value) {
        visitor.visit_u64(value)
    } else if let Ok(value) = i64::try_from(value) {
        visitor.visit_i64(value)
    } else {
        visitor.visit_i128(value)
    }
}

macro_rules! numbers {
    ($read:ident: $($method:ident $type:literal),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.$read($type, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Cursor<'_> {
    type Error = Fault;

    numbers!(number: deserialize_u8 "u8", deserialize_u16 "u16", deserialize_u32 "u32", deserialize_u64 "u64",
        deserialize_u128 "u128", deserialize_i8 "i8", deserialize_i16 "i16", deserialize_i32 "i32",
        deserialize_i64 "i64", deserialize_i128 "i128");
    numbers!(fraction: deserialize_f32 "f32", deserialize_f64 "f64");

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if !matches!(self.input, Input::Absent) {
            self.pass.seen.borrow_mut().guessed.insert(self.path.clone());
        }
        self.locate(|this| {
            let text = this.input.text().filter(|_| !this.is_string).map(str::trim);
            match text {
                Some("true") => visitor.visit_bool(true),
                Some("false") => visitor.visit_bool(false),
                Some(text) if text.parse::<i128>().is_ok() => integer(text::integer(text, "")?, visitor),
                Some(text) if text.contains('.') && text.parse::<f64>().is_ok() => {
                    visitor.visit_f64(text::float(text, "")?)
                }
                _ => this.natural(visitor),
            }
        })
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.locate(|this| match (this.input, this.input.text()) {
            (Input::Neutral(shape), _) => visitor.visit_bool(shape % 2 == 1),
            (_, Some(text)) => visitor.visit_bool(text::boolean(text)?),
            _ => this.natural(visitor),
        })
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.locate(|this| match this.input {
            Input::Neutral(_) => visitor.visit_char('a'),
            _ => this.natural(visitor),
        })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.words(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.words(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.words(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.words(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.locate(|this| match this.input {
            Input::Neutral(_) | Input::Absent | Input::Node(Node { value: Value::Null, .. }) => visitor.visit_none(),
            _ => visitor.visit_some(this),
        })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.locate(|this| match this.input {
            Input::Neutral(_) | Input::Absent => visitor.visit_unit(),
            // Whoever wants nothing of the whole configuration gets it.
            _ if this.path.steps().is_empty() => visitor.visit_unit(),
            _ => this.natural(visitor),
        })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        let hide = |fault: Fault| if name == secret::NAME { fault.secret() } else { fault };
        self.locate(|this| visitor.visit_newtype_struct(this)).map_err(hide)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.tuple(0, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Fault> {
        self.tuple(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.table(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        // The standard library's: the table that it is elsewhere is nothing that people write.
        if name != "Duration" || fields != ["secs", "nanos"] || self.input.is_table_like() {
            return self.table(Some(fields), visitor);
        }
        self.locate(|this| {
            let duration = match (this.input.string(), this.input) {
                (Some(text), _) => text::duration(text)?,
                (None, Input::Node(Node { value: Value::Integer(_) | Value::Float(_), .. })) => {
                    return Err(Fault::misfit("a number without a unit", text::DURATION));
                }
                _ => return Err(Fault::misfit("something else", text::DURATION)),
            };
            let parts = [("secs", duration.as_secs()), ("nanos", u64::from(duration.subsec_nanos()))];
            visitor.visit_map(MapDeserializer::new(parts.into_iter()))
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.locate(|this| visitor.visit_enum(this.variant(variants)?))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.words(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.pass.seen.borrow_mut().ignored.insert(self.path);
        visitor.visit_unit()
    }
}

/// The key of a table, as whatever the reader's keys are.
pub(super) struct Key<'a>(pub(super) &'a str);

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.0)
    }

    numbers!(number: deserialize_u8 "u8", deserialize_u16 "u16", deserialize_u32 "u32", deserialize_u64 "u64",
        deserialize_u128 "u128", deserialize_i8 "i8", deserialize_i16 "i16", deserialize_i32 "i32",
        deserialize_i64 "i64", deserialize_i128 "i128");

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_bool(text::boolean(self.0)?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let key: StrDeserializer<'_, Fault> = self.0.into_deserializer();
        key.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl Key<'_> {
    fn number<'de, V: Visitor<'de>>(self, expected: &str, visitor: V) -> Result<V::Value, Fault> {
        integer(text::integer(self.0, expected)?, visitor)
    }
}
