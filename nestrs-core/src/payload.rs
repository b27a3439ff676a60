//! What a message carries: JSON as bytes, parsed at most once, cheap to clone.

// What a peer sends must not be able to make this panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice))]

mod misfit;
mod plain;
mod property;
mod shared;
mod texts;
mod written;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use self::shared::{Shared, SharedValue};
use self::written::{Short, Written};
use crate::error::TransportError;

/// The user's JSON, on its way to a handler or back.
///
/// A payload read from the wire is a slice of the received frame: making one copies nothing, and cloning it counts a
/// reference. A typed handler decodes straight from those bytes; a [`Value`] is only built when a stage asks for one
/// through [`Payload::value`], and then once for the whole call.
///
/// An *absent* payload (NestJS's `undefined`: the packet has no `data`) is told apart from `null` by
/// [`Payload::is_absent`], and decodes like `null`.
///
/// ```
/// use nestrs_core::Payload;
///
/// let payload = Payload::from_json(r#"{"a":1,"b":2}"#);
/// assert_eq!(payload.value().unwrap()["b"], 2);
/// let pair: std::collections::BTreeMap<String, i64> = payload.decode().unwrap();
/// assert_eq!(pair["a"], 1);
/// assert_eq!(Payload::absent().decode::<Option<i64>>().unwrap(), None);
/// ```
#[derive(Clone, Default)]
pub struct Payload {
    source: Source,
    /// Filled by the first call of `value` on a payload that came as text.
    parsed: OnceLock<Arc<Value>>,
}

#[derive(Clone, Default)]
enum Source {
    #[default]
    Absent,
    Json(Bytes),
    /// Text of this process that is too short to be worth an allocation.
    Short(Short),
    Value(Arc<Value>),
    /// A value of this process, JSON only for those who ask for it.
    Shared(Arc<dyn SharedValue>),
}

impl Payload {
    /// No payload at all, as when a packet has no `data`.
    #[must_use]
    pub const fn absent() -> Self {
        Self { source: Source::Absent, parsed: OnceLock::new() }
    }

    /// A payload from JSON text. The text is checked when it is first decoded, not here.
    #[must_use]
    pub fn from_json(text: impl Into<Bytes>) -> Self {
        Self { source: Source::Json(text.into()), parsed: OnceLock::new() }
    }

    /// A payload from a value that is already parsed.
    #[must_use]
    pub fn from_value(value: Value) -> Self {
        Self { source: Source::Value(Arc::new(value)), parsed: OnceLock::new() }
    }

    /// Serialises `value`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) when serde refuses the value, for example a map whose keys are no strings. The reason
    /// is kept as the error's source and never sent to a caller.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, TransportError> {
        let mut written = Written::new();
        write(&mut written, value)?;
        Ok(Self { source: written.into_source(), parsed: OnceLock::new() })
    }

    /// A payload that stays the value it is, for receivers in the same process: [`Payload::receive`] of the same type
    /// clones it, and JSON is written when someone asks for that, once for all clones of the payload.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs_core::Payload;
    ///
    /// let payload = Payload::from_shared(Arc::new(vec![1, 2]));
    /// assert_eq!(payload.receive::<Vec<i32>>().unwrap(), [1, 2]);
    /// assert_eq!(payload.json().as_ref(), b"[1,2]");
    /// ```
    #[must_use]
    pub fn from_shared<T: Clone + Serialize + Send + Sync + 'static>(value: Arc<T>) -> Self {
        Self { source: Source::Shared(Arc::new(Shared::new(value))), parsed: OnceLock::new() }
    }

    /// True when the packet had no `data`.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self.source, Source::Absent)
    }

    /// The payload as a JSON value; an absent one is `null`. Parses on the first call only.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPayload`](crate::ErrorKind::InvalidPayload) when the text is not JSON, or nests deeper than 127 levels;
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) when serde refuses a shared value.
    pub fn value(&self) -> Result<&Value, TransportError> {
        static NULL: Value = Value::Null;
        match &self.source {
            Source::Absent => Ok(&NULL),
            Source::Value(value) => Ok(value),
            Source::Json(_) | Source::Short(_) | Source::Shared(_) => {
                if let Some(value) = self.parsed.get() {
                    return Ok(value);
                }
                let value = match &self.source {
                    Source::Shared(shared) => parse(shared.json()?)?,
                    _ => parse(&self.json())?,
                };
                Ok(self.parsed.get_or_init(|| Arc::new(value)))
            }
        }
    }

    /// The payload as a JSON value of the caller's own.
    ///
    /// # Errors
    /// As [`Payload::value`].
    pub fn into_value(self) -> Result<Value, TransportError> {
        self.value()?;
        let shared = match self.source {
            Source::Absent => return Ok(Value::Null),
            Source::Value(value) => Some(value),
            Source::Json(_) | Source::Short(_) | Source::Shared(_) => self.parsed.into_inner(),
        };
        Ok(shared.map_or(Value::Null, |value| Arc::try_unwrap(value).unwrap_or_else(|shared| (*shared).clone())))
    }

    /// Decodes the payload into `T`, straight from the received bytes where they are still text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPayload`](crate::ErrorKind::InvalidPayload) when the payload does not fit `T`. The message says where, what was expected and
    /// what sort of value was found, never the value; `details` says the same to programs:
    ///
    /// ```
    /// # use nestrs_core::Payload; use serde_json::json; use std::collections::BTreeMap;
    /// let error = Payload::from_json(r#"{"prices":[1,"x"]}"#).decode::<BTreeMap<String, Vec<u32>>>().unwrap_err();
    /// assert_eq!(error.message, "invalid payload: expected u32, found string, at `prices[1]`");
    /// assert_eq!(error.details, Some(json!({ "path": "prices[1]", "expected": "u32", "found": "string" })));
    /// ```
    ///
    /// Text that is no JSON at all has no path and no details. A failed decode costs a second one, which finds the path.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, TransportError> {
        self.read(&Whole(PhantomData::<T>))
    }

    /// Decodes one property of the payload into `T`, as NestJS's `@Payload('name')` reads one; members before and after
    /// it are skipped without being kept. Of a property given twice the last counts.
    ///
    /// A payload that is no object has no properties. One that is missing, or `null`, is `None` to an `Option`.
    ///
    /// # Errors
    /// As [`Payload::decode`], the path beginning with `name`; also when the property is missing and `T` is no `Option`.
    ///
    /// ```
    /// # use nestrs_core::Payload;
    /// let payload = Payload::from_json(r#"{"id":7,"name":"ada"}"#);
    /// assert_eq!(payload.property::<u32>("id").unwrap(), 7);
    /// assert_eq!(payload.property::<Option<u32>>("age").unwrap(), None);
    /// assert_eq!(payload.property::<u32>("age").unwrap_err().message, "invalid payload: `age` is missing");
    /// ```
    pub fn property<T: DeserializeOwned>(&self, name: &str) -> Result<T, TransportError> {
        self.read(&property::Property::<T>::named(name))
    }

    fn read<R: Reading>(&self, reading: &R) -> Result<R::Value, TransportError> {
        let outcome = match &self.source {
            Source::Json(text) => return read(text, reading),
            Source::Short(short) => return read(short.text(), reading),
            Source::Value(value) => reading.read(&**value),
            Source::Absent => reading.read(Value::Null),
            Source::Shared(shared) => return read(shared.json()?, reading),
        };
        outcome.map_err(|error| misfit::explain(&self.json(), reading, &error))
    }

    /// The payload as a `T`: a clone of a shared value of that type, and [`Payload::decode`] of all else.
    ///
    /// # Errors
    /// As [`Payload::decode`].
    pub fn receive<T: DeserializeOwned + 'static>(&self) -> Result<T, TransportError> {
        let mut slot = None::<T>;
        self.fill(&mut slot);
        slot.map_or_else(|| self.decode(), Ok)
    }

    /// The payload as a `T` behind a pointer: a shared value of that type itself, and [`Payload::decode`] of all else.
    ///
    /// # Errors
    /// As [`Payload::decode`].
    pub fn receive_shared<T: DeserializeOwned + 'static>(&self) -> Result<Arc<T>, TransportError> {
        let mut slot = None::<Arc<T>>;
        self.fill(&mut slot);
        slot.map_or_else(|| self.decode().map(Arc::new), Ok)
    }

    fn fill(&self, slot: &mut dyn Any) {
        if let Source::Shared(shared) = &self.source {
            shared.fill(slot);
        }
    }

    /// The payload as JSON text: the received bytes themselves, or the value written out. Absent is `null`, and so is
    /// a shared value that serde refuses ([`Payload::value`] says why).
    #[must_use]
    pub fn json(&self) -> Cow<'_, [u8]> {
        match &self.source {
            Source::Absent => Cow::Borrowed(b"null"),
            Source::Json(text) => Cow::Borrowed(text),
            Source::Short(short) => Cow::Borrowed(short.text()),
            Source::Value(value) => Cow::Owned(value_text(value).into_vec()),
            Source::Shared(shared) => match shared.json() {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => Cow::Borrowed(b"null"),
            },
        }
    }

    /// The JSON text when it is long and nobody else holds it: whoever writes it may then pass on these bytes instead of a
    /// copy, and keeps nothing alive with them. For transports.
    #[doc(hidden)]
    #[must_use]
    pub fn sole_text(&self, min_len: usize) -> Option<&Bytes> {
        match &self.source {
            Source::Json(text) if text.len() >= min_len && text.is_unique() => Some(text),
            _ => None,
        }
    }

    /// [`Payload::json`] as shared bytes: what was received or serialised is not copied.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match &self.source {
            Source::Absent => Bytes::from_static(b"null"),
            Source::Json(text) => text.clone(),
            Source::Short(short) => Bytes::copy_from_slice(short.text()),
            Source::Value(value) => value_text(value).into_bytes(),
            Source::Shared(shared) => shared.json().cloned().unwrap_or_else(|_| Bytes::from_static(b"null")),
        }
    }
}

/// Two payloads are equal when they are the same JSON value; texts that are no JSON are equal to nothing.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.is_absent() == other.is_absent()
            && matches!((self.value(), other.value()), (Ok(mine), Ok(theirs)) if mine == theirs)
    }
}

/// Writes the payload as it is: its text is passed on untouched by serde_json's serialisers, digits and order of members
/// included. An absent one is `null`.
impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.source {
            Source::Absent => serializer.serialize_unit(),
            Source::Value(value) => value.serialize(serializer),
            Source::Json(text) => write_raw(text, serializer),
            Source::Short(short) => write_raw(short.text(), serializer),
            Source::Shared(shared) => write_raw(shared.json().map_err(S::Error::custom)?, serializer),
        }
    }
}

fn write_raw<S: Serializer>(text: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let raw: &RawValue = serde_json::from_slice(text).map_err(S::Error::custom)?;
    raw.serialize(serializer)
}

/// Payloads are users' data: `Debug` gives the size, never the content.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Absent => f.write_str("Payload(absent)"),
            Source::Json(text) => write!(f, "Payload({} bytes)", text.len()),
            Source::Short(short) => write!(f, "Payload({} bytes)", short.text().len()),
            Source::Value(_) => f.write_str("Payload(value)"),
            Source::Shared(_) => f.write_str("Payload(shared)"),
        }
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::from_value(value)
    }
}

/// A way to decode a payload that can be gone again, to find out where it failed.
trait Reading {
    type Value;
    fn read<'de, D: Deserializer<'de>>(&self, source: D) -> Result<Self::Value, D::Error>;
}

/// All of a payload.
struct Whole<T>(PhantomData<T>);

impl<T: DeserializeOwned> Reading for Whole<T> {
    type Value = T;
    fn read<'de, D: Deserializer<'de>>(&self, source: D) -> Result<T, D::Error> {
        T::deserialize(source)
    }
}

fn write<T: Serialize + ?Sized>(out: &mut Written, value: &T) -> Result<(), TransportError> {
    match texts::write(out, value) {
        Ok(()) => Ok(()),
        Err(error) => Err(TransportError::internal("value cannot be serialised as JSON").with_source(error)),
    }
}

fn value_text(value: &Value) -> Written {
    let mut text = Written::new();
    // A `Value` has string keys only, so writing it cannot fail.
    let _ = texts::write(&mut text, value);
    text
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, TransportError> {
    read(text, &Whole(PhantomData))
}

fn read<R: Reading>(text: &[u8], reading: &R) -> Result<R::Value, TransportError> {
    if let Some(value) = plain::read(text, reading) {
        return Ok(value);
    }
    read_text(text, reading).or_else(|error| match mend_surrogates(text) {
        Some(mended) => read_text(&mended, reading).map_err(|error| misfit::explain(&mended, reading, &error)),
        None => Err(misfit::explain(text, reading, &error)),
    })
}

fn read_text<R: Reading>(text: &[u8], reading: &R) -> Result<R::Value, serde_json::Error> {
    let mut source = serde_json::Deserializer::from_slice(text);
    let value = reading.read(&mut source)?;
    source.end()?;
    Ok(value)
}

/// Replaces every `\uD800`–`\uDFFF` escape that has no partner by `\ufffd`; `None` when there is none.
///
/// JavaScript strings may be cut inside an emoji, and `JSON.stringify` writes the half that is left as an escape,
/// which Rust strings cannot hold. Only run after a decode has failed, so ordinary payloads never pay for it.
pub(crate) fn mend_surrogates(text: &[u8]) -> Option<Vec<u8>> {
    let unit_at = |at: usize| -> Option<u16> {
        let digits = text.get(at..at + 6)?.strip_prefix(br"\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < text.len() {
        if text.get(at) != Some(&b'\\') {
            at += 1;
            continue;
        }
        match unit_at(at) {
            Some(0xD800..=0xDBFF) if matches!(unit_at(at + 6), Some(0xDC00..=0xDFFF)) => at += 12,
            Some(0xD800..=0xDFFF) => {
                let mended = mended.get_or_insert_with(|| text.to_vec());
                if let Some(escape) = mended.get_mut(at..at + 6) {
                    escape.copy_from_slice(br"\ufffd");
                }
                at += 6;
            }
            // Any other escape: step over the escaped byte too, so that `\\ud83d` is left alone.
            _ => at += 2,
        }
    }
    mended
}

#[cfg(test)]
mod tests;
