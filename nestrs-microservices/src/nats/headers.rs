//! Headers of a message, both ways.

use std::collections::BTreeMap;
use std::fmt;

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use nestrs_core::{ErrorKind, Metadata, TransportError};

/// The headers of a NATS message: names with one value or more.
///
/// Names are compared as written, case and all, as NATS has it. `Debug` shows them without their values, which often are
/// tokens.
///
/// ```
/// use nestrs_microservices::NatsHeaders;
///
/// let headers: NatsHeaders = [("x-version", "1"), ("x-tag", "a"), ("x-tag", "b")].into_iter().collect();
/// assert_eq!(headers.get("x-version"), Some("1"));
/// assert_eq!(headers.get_all("x-tag").collect::<Vec<_>>(), ["a", "b"]);
/// assert_eq!(headers.get("X-Version"), None);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NatsHeaders(BTreeMap<String, Vec<String>>);

impl NatsHeaders {
    /// The first value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(String::as_str)
    }

    /// All values of that name, in the order in which they were sent.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// All pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(name, values)| values.iter().map(move |value| (name.as_str(), value.as_str())))
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn of(map: &HeaderMap) -> Self {
        map.iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name.to_string(), value.to_string())))
            .collect()
    }

    /// As the metadata of a call: the first value of each name.
    pub(super) fn metadata(&self) -> Metadata {
        let first = |(name, values): (&String, &Vec<String>)| Some((name.clone(), values.first()?.clone()));
        self.0.iter().filter_map(first).collect()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for NatsHeaders {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            headers.0.entry(name.into()).or_default().push(value.into());
        }
        headers
    }
}

impl fmt::Debug for NatsHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NatsHeaders")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What goes out: `own` beside those of `defaults` that it does not set.
pub(super) fn outgoing<'a>(
    own: impl Iterator<Item = (&'a str, &'a str)>,
    defaults: &'a NatsHeaders,
) -> Result<Option<HeaderMap>, TransportError> {
    let mut map = HeaderMap::new();
    for (name, value) in own {
        let (name, value) = header(name, value)?;
        map.insert(name, value);
    }
    for (name, values) in &defaults.0 {
        if map.get(name.as_str()).is_some() {
            continue;
        }
        for value in values {
            let (name, value) = header(name, value)?;
            map.append(name, value);
        }
    }
    Ok((!map.is_empty()).then_some(map))
}

/// Names are printable ASCII without a colon; values have no line breaks. Nothing is shown of a value.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), TransportError> {
    let refused = |what: &str| {
        let text = format!("`{}` cannot be a header of NATS: {what}", name.escape_debug());
        TransportError::withheld(ErrorKind::InvalidPayload, text)
    };
    // The driver takes an empty name for one.
    let named = Some(name).filter(|name| !name.is_empty()).and_then(|name| name.parse().ok());
    let named = named.ok_or_else(|| refused("a name is printable ASCII without spaces and colons"))?;
    let value = value.parse().map_err(|_| refused("its value has a line break"))?;
    Ok((named, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_s_own_headers_come_before_the_defaults() {
        let defaults = [("a", "1"), ("b", "2"), ("b", "3")].into_iter().collect();
        let sent = outgoing([("a", "mine")].into_iter(), &defaults).unwrap().unwrap();
        let expected: NatsHeaders = [("a", "mine"), ("b", "2"), ("b", "3")].into_iter().collect();
        assert_eq!(NatsHeaders::of(&sent), expected);
        assert!(outgoing(std::iter::empty(), &NatsHeaders::default()).unwrap().is_none());
    }

    #[test]
    fn se_5_a_refused_header_does_not_show_its_value() {
        for (name, value) in [("x y", "canary"), ("x:y", "canary"), ("", "canary"), ("x", "canary\r\nEvil: 1")] {
            let error = outgoing([(name, value)].into_iter(), &NatsHeaders::default()).unwrap_err();
            assert!(error.message.contains("header of NATS") && !error.message.contains("canary"), "{error}");
        }
        let headers: NatsHeaders = [("token", "canary")].into_iter().collect();
        assert_eq!(format!("{headers:?}"), r#"NatsHeaders{"token"}"#);
    }
}
