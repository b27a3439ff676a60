//! Text that must not be seen.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};

/// A token or a password: never shown by `Debug`, without a `Display`, and compared in constant time.
///
/// ```
/// use nestrs_microservices::net::Secret;
///
/// let expected = Secret::new("s3cr3t");
/// assert!(expected.matches("s3cr3t") && !expected.matches("s3cr3"));
/// assert_eq!(format!("{expected:?}"), "Secret(…)");
/// ```
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into_boxed_str())
    }

    /// Whether `given`, which may be anybody's guess, is the secret. The time it takes depends on the length of `given`
    /// alone, so it tells nothing of how much of a guess was right.
    #[must_use]
    pub fn matches(&self, given: impl AsRef<[u8]>) -> bool {
        let (secret, given) = (self.0.as_bytes(), given.as_ref());
        let same = given.iter().enumerate().fold(Choice::from(1), |same, (at, byte)| {
            // Beyond its end the secret is compared with something, so that its length does not show either.
            same & secret.get(at).unwrap_or(&0).ct_eq(byte)
        });
        (same & secret.len().ct_eq(&given.len())).into()
    }

    /// The text, for where it has to go. Not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn se_3_only_the_whole_secret_matches() {
        let secret = Secret::new("s3cr3t");
        assert!(secret.matches("s3cr3t"));
        assert!(secret.matches(b"s3cr3t"));
        for wrong in ["", "s3cr3", "s3cr3t\0", "s3cr3T", "S3cr3t", "s3cr3ts3cr3t"] {
            assert!(!secret.matches(wrong), "{wrong:?}");
        }
        assert!(Secret::new("").matches("") && !Secret::new("").matches("\0"));
    }

    #[test]
    fn se_5_a_secret_is_not_shown() {
        assert_eq!(
            format!("{:?} {:#?}", Secret::new("canary"), Some(Secret::from("canary"))).matches("canary").count(),
            0
        );
    }
}
