//! Who a service is to the tools that ask.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use nestrs_core::TransportError;
use serde::Serialize;

/// What the protocol does not bound, so that an answer does not outgrow what a NATS server carries.
const VERSION_MAX: usize = 128;
const DESCRIPTION_MAX: usize = 4096;
const METADATA_MAX: usize = 64;
const TEXT_MAX: usize = 1024;
/// A name is a word of a subject.
const NAME_MAX: usize = 128;

/// What every answer says of the service.
#[derive(Clone, Debug, Serialize)]
pub(in crate::nats) struct Identity {
    /// The kind of service; its replicas share it.
    pub(super) name: String,
    /// This instance, from its start to its end.
    pub(super) id: String,
    pub(super) version: String,
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(skip)]
    pub(super) description: String,
}

impl Identity {
    /// Of the queue group, which replicas share, or of the name of the connection, whatever can be said of it in a subject.
    pub(in crate::nats) fn new(
        queue: Option<&str>,
        name: Option<&str>,
        version: &str,
        description: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Self {
        let name = queue.filter(|queue| !queue.is_empty()).or(name).map(word).filter(|name| !name.is_empty());
        Self {
            name: name.unwrap_or_else(|| "service".to_owned()),
            id: id(),
            version: version.to_owned(),
            metadata: metadata.clone(),
            description: description.to_owned(),
        }
    }

    /// Whether the protocol allows what was set.
    pub(super) fn check(&self) -> Result<(), TransportError> {
        let wrong = |text: String| Err(TransportError::internal(text));
        if self.version.len() > VERSION_MAX || !is_semver(&self.version) {
            let shown: String = self.version.escape_debug().take(VERSION_MAX).collect();
            return wrong(format!(
                "`{shown}` is no version of a service: write `MAJOR.MINOR.PATCH`, as in `1.4.2-beta.1`"
            ));
        }
        if self.description.len() > DESCRIPTION_MAX {
            return wrong(format!("`service_description` is longer than {DESCRIPTION_MAX} bytes"));
        }
        if self.metadata.len() > METADATA_MAX {
            return wrong(format!("`service_metadata` has more than {METADATA_MAX} entries"));
        }
        match self.metadata.iter().find(|(key, value)| key.is_empty() || key.len() + value.len() > TEXT_MAX) {
            Some(_) => wrong(format!("an entry of `service_metadata` has no key, or is longer than {TEXT_MAX} bytes")),
            None => Ok(()),
        }
    }
}

/// The text with everything replaced that a name of a service or an endpoint may not have.
pub(super) fn word(text: &str) -> String {
    let allowed = |character: char| match character {
        'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' => character,
        _ => '_',
    };
    text.chars().map(allowed).take(NAME_MAX).collect()
}

/// 22 letters and digits, as NATS's own ids have.
fn id() -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // Seeded by the operating system; twice 64 bits are almost 22 letters.
    let random = RandomState::new();
    let mut rest = u128::from(random.hash_one(0_u8)) << 64 | u128::from(random.hash_one(1_u8));
    let letter = |_| {
        let letter = LETTERS.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
        char::from(letter)
    };
    (0..22).map(letter).collect()
}

/// <https://semver.org>, version 2.0.0.
fn is_semver(version: &str) -> bool {
    let (version, build) = version.split_once('+').map_or((version, None), |(version, build)| (version, Some(build)));
    let (numbers, before) = version.split_once('-').map_or((version, None), |(numbers, rest)| (numbers, Some(rest)));
    let is_number = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
    };
    let is_label =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_before = |text: &str| is_label(text) && (is_number(text) || !text.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && before.is_none_or(|before| before.split('.').all(is_before))
        && build.is_none_or(|build| build.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(queue: Option<&str>, name: Option<&str>) -> String {
        Identity::new(queue, name, "0.0.0", "", &BTreeMap::new()).name
    }

    #[test]
    fn a_service_is_named_after_its_queue_or_its_connection_as_far_as_a_subject_can_say_it() {
        assert_eq!(named(Some("orders"), Some("orders-1")), "orders");
        assert_eq!(named(None, Some("orders-1")), "orders-1");
        assert_eq!(named(Some(""), Some("orders-1")), "orders-1");
        assert_eq!(named(None, None), "service");
        assert_eq!(named(Some("my orders.*>é"), None), "my_orders____");
        assert_eq!(named(Some(&"x".repeat(1000)), None).len(), NAME_MAX);
    }

    #[test]
    fn ids_are_22_letters_and_none_is_like_another() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())));
    }

    #[test]
    fn versions_are_semantic() {
        for good in ["0.0.0", "1.2.3", "10.20.30", "1.0.0-alpha.1", "1.0.0-0a.x-y", "1.0.0+001.sha", "1.0.0-a+b-c"] {
            assert!(is_semver(good), "{good}");
        }
        for bad in
            ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "v1.2.3", "1.2.3-a..b", "1.2.é"]
        {
            assert!(!is_semver(bad), "{bad}");
        }
    }
}
