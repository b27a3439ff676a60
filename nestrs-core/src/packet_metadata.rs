//! Strings beside the payload of a packet, read when somebody asks for one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::Value;

/// Strings beside the payload of a packet (NestJS fact sheet, section 1): `"metadata":{"x-version":"1"}`.
///
/// What came over the wire is kept as text until somebody asks, since most calls carry no more than their deadline.
///
/// ```
/// use nestrs_core::Metadata;
///
/// let mut metadata: Metadata = [("x-version", "1")].into_iter().collect();
/// metadata.insert("x-tenant", "acme");
/// assert_eq!(metadata.get("x-version"), Some("1"));
/// assert_eq!(metadata.iter().count(), 2);
/// ```
#[derive(Clone, Default)]
pub struct Metadata {
    /// As it was received; empty when it was made here.
    json: Bytes,
    read: OnceLock<BTreeMap<String, String>>,
}

impl Metadata {
    /// That of a packet without any.
    pub(crate) fn none() -> &'static Self {
        static NONE: Metadata = Metadata { json: Bytes::new(), read: OnceLock::new() };
        &NONE
    }

    /// From the JSON text of an object, read at the first question. Members that are no strings are left out; what is no
    /// object at all has no members.
    ///
    /// ```
    /// use nestrs_core::Metadata;
    ///
    /// let metadata = Metadata::from_json(r#"{"x-version":"1","x-retries":2}"#);
    /// assert_eq!((metadata.get("x-version"), metadata.get("x-retries")), (Some("1"), None));
    /// assert!(Metadata::from_json("[1]").is_empty());
    /// ```
    #[must_use]
    pub fn from_json(json: impl Into<Bytes>) -> Self {
        Self { json: json.into(), read: OnceLock::new() }
    }

    /// The text it came as; empty when it was made here, or has been changed since.
    #[doc(hidden)]
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.json
    }

    /// The value of `key`. Keys are compared as written, case and all.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.members().get(key).map(String::as_str)
    }

    /// Sets `key`, replacing what it was.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.members();
        self.json = Bytes::new();
        self.read.get_mut().expect("has just been read").insert(key.into(), value.into());
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// All pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members().iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn members(&self) -> &BTreeMap<String, String> {
        self.read.get_or_init(|| read(&self.json))
    }
}

fn read(json: &[u8]) -> BTreeMap<String, String> {
    if json.is_empty() {
        return BTreeMap::new();
    }
    let members: BTreeMap<String, Value> = serde_json::from_slice(json).unwrap_or_default();
    let mut strings = BTreeMap::new();
    // One by one: `collect` sorts them first, with 7 KiB of machine code.
    for (key, value) in members {
        if let Value::String(text) = value {
            strings.insert(key, text);
        }
    }
    strings
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.members() == other.members()
    }
}

impl Eq for Metadata {}

/// Metadata often holds tokens: `Debug` shows the keys only.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metadata")?;
        f.debug_set().entries(self.members().keys()).finish()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let members: BTreeMap<_, _> = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { json: Bytes::new(), read: OnceLock::from(members) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_is_no_longer_what_came() {
        let mut metadata = Metadata::from_json(r#"{"a":"1"}"#);
        assert_eq!(metadata.text(), br#"{"a":"1"}"#);
        metadata.insert("b", "2");
        assert_eq!((metadata.text(), metadata.iter().count()), (&b""[..], 2));
        assert_eq!(metadata, [("b", "2"), ("a", "1")].into_iter().collect());
        assert_eq!(Metadata::from_json(r#"{"a":1,"b":null,"c":{"d":"e"}}"#), Metadata::default());
        assert_eq!(format!("{metadata:?}"), r#"Metadata{"a", "b"}"#);
    }
}
