//! Values that must not be seen.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// A value that logs and errors do not show: its `Debug` is `***`, and it has no `Display` and no `Serialize`.
///
/// It is read from the configuration as `T` is. When that fails, the boot error says so without the words of `T`'s own
/// error. Memory is not wiped when it is dropped.
///
/// ```
/// use nestrs::config::Secret;
///
/// #[derive(Debug, serde::Deserialize)]
/// struct DatabaseConfig {
///     user: String,
///     password: Secret<String>,
/// }
///
/// let config: DatabaseConfig = serde_json::from_str(r#"{"user":"app","password":"hunter2"}"#).unwrap();
/// assert_eq!(format!("{config:?}"), r#"DatabaseConfig { user: "app", password: *** }"#);
/// assert_eq!(config.password.expose(), "hunter2");
/// ```
#[derive(Clone, Default)]
pub struct Secret<T>(T);

/// By this name [`Secret`] tells the configuration's deserializer that it is one.
pub(super) const NAME: &str = "$nestrs::Secret";

impl<T> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value. Mind where it goes.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value, taken out.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Inner<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Inner<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
                T::deserialize(deserializer)
            }
        }

        deserializer.deserialize_newtype_struct(NAME, Inner(std::marker::PhantomData)).map(Self)
    }
}
