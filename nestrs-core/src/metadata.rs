//! What is said of handlers beside their code: `#[set_metadata]`, and the `Reflector` that guards read it by.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::context::ExecutionContext;
use crate::error::TransportError;

/// Metadata of one handler and of its impl block: values by type, and JSON by key.
///
/// `#[set_metadata(Roles(&["admin"]))]` adds a value that is found by its type, `#[set_metadata("roles", ["admin"])]`
/// JSON that is found by its key. It is made once, at boot.
///
/// ```
/// use nestrs_core::{ContextKind, ExecutionContext, HandlerMetadata, Payload, Reflector};
/// use std::sync::Arc;
///
/// #[derive(Debug, PartialEq)]
/// struct Roles(&'static [&'static str]);
///
/// let metadata = HandlerMetadata::none().on_block(Roles(&["user"])).on_method(Roles(&["admin"]));
/// let cx = ExecutionContext::new(ContextKind::Message, "math.add", Payload::absent())
///     .with_handler_metadata(Some(Arc::new(metadata)));
/// assert_eq!(Reflector.get_all_and_override::<Roles>(&cx), Some(&Roles(&["admin"])));
/// ```
#[derive(Clone, Default)]
pub struct HandlerMetadata {
    method: Vec<Entry>,
    block: Vec<Entry>,
}

#[derive(Clone)]
enum Entry {
    Typed(Arc<dyn Any + Send + Sync>),
    Keyed(&'static str, Value),
}

impl Entry {
    fn typed<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Typed(value) => value.downcast_ref(),
            Self::Keyed(..) => None,
        }
    }

    fn keyed(&self, wanted: &str) -> Option<&Value> {
        match self {
            Self::Keyed(key, value) if *key == wanted => Some(value),
            _ => None,
        }
    }
}

impl HandlerMetadata {
    pub(crate) const NONE: &Self = &Self::none();

    /// No metadata.
    #[must_use]
    pub const fn none() -> Self {
        Self { method: Vec::new(), block: Vec::new() }
    }

    /// Adds a value to the method, found by its type.
    #[must_use]
    pub fn on_method<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.method.push(Entry::Typed(Arc::new(value)));
        self
    }

    /// Adds a value to the block, found by its type.
    #[must_use]
    pub fn on_block<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.block.push(Entry::Typed(Arc::new(value)));
        self
    }

    /// Adds JSON to the method, found by its key.
    #[must_use]
    pub fn key_on_method(mut self, key: &'static str, value: Value) -> Self {
        self.method.push(Entry::Keyed(key, value));
        self
    }

    /// Adds JSON to the block, found by its key.
    #[must_use]
    pub fn key_on_block(mut self, key: &'static str, value: Value) -> Self {
        self.block.push(Entry::Keyed(key, value));
        self
    }

    /// The value of a type, the method's before the block's.
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.get_all().next()
    }

    /// Every value of a type, the method's before the block's.
    pub fn get_all<T: 'static>(&self) -> impl Iterator<Item = &T> {
        self.method.iter().chain(&self.block).filter_map(Entry::typed)
    }

    /// The JSON of a key, the method's before the block's.
    ///
    /// ```
    /// use nestrs_core::HandlerMetadata;
    /// use serde_json::json;
    ///
    /// let block = HandlerMetadata::none().key_on_block("roles", json!(["user"]));
    /// assert_eq!(block.value("roles"), Some(&json!(["user"])));
    /// assert_eq!(block.key_on_method("roles", json!(["admin"])).value("roles"), Some(&json!(["admin"])));
    /// ```
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.method.iter().chain(&self.block).find_map(|entry| entry.keyed(key))
    }
}

/// Names the keys; values may be anything.
impl fmt::Debug for HandlerMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = |entry: &Entry| match entry {
            Entry::Typed(_) => "(typed)",
            Entry::Keyed(key, _) => *key,
        };
        f.debug_struct("HandlerMetadata")
            .field("method", &self.method.iter().map(entry).collect::<Vec<_>>())
            .field("block", &self.block.iter().map(entry).collect::<Vec<_>>())
            .finish()
    }
}

/// Reads the metadata of the handler that a call is for; NestJS's `Reflector`.
///
/// Every application provides one: a guard injects it as `Arc<Reflector>`, or writes `Reflector` where it stands.
///
/// ```
/// use nestrs_core::{CanActivate, ExecutionContext, Reflector, TransportError, forbidden};
///
/// struct Roles(&'static [&'static str]);
///
/// struct RolesGuard;
/// impl CanActivate for RolesGuard {
///     async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
///         let Some(Roles(wanted)) = Reflector.get_all_and_override(cx) else { return Ok(()) };
///         let role = cx.metadata().get("x-role").unwrap_or_default();
///         if wanted.contains(&role) { Ok(()) } else { Err(forbidden()) }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Reflector;

impl Reflector {
    /// The value of a type that stands on the method; the block is not asked.
    ///
    /// ```
    /// use nestrs_core::{ContextKind, ExecutionContext, HandlerMetadata, Payload, Reflector};
    /// use std::sync::Arc;
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct Public;
    ///
    /// let metadata = HandlerMetadata::none().on_block(Public);
    /// let cx = ExecutionContext::new(ContextKind::Message, "x", Payload::absent())
    ///     .with_handler_metadata(Some(Arc::new(metadata)));
    /// assert_eq!(Reflector.get::<Public>(&cx), None);
    /// assert_eq!(Reflector.get_all_and_override(&cx), Some(&Public));
    /// ```
    #[must_use]
    pub fn get<T: 'static>(self, cx: &ExecutionContext) -> Option<&T> {
        cx.handler_metadata().method.iter().find_map(Entry::typed)
    }

    /// The value of a type that stands on the method, or else the one on the block.
    #[must_use]
    pub fn get_all_and_override<T: 'static>(self, cx: &ExecutionContext) -> Option<&T> {
        cx.handler_metadata().get()
    }

    /// Every value of a type, the method's before the block's.
    pub fn get_all<T: 'static>(self, cx: &ExecutionContext) -> impl Iterator<Item = &T> {
        cx.handler_metadata().get_all()
    }

    /// All lists of a type as one, the block's items after the method's.
    ///
    /// ```
    /// use nestrs_core::{ContextKind, ExecutionContext, HandlerMetadata, Payload, Reflector};
    /// use std::sync::Arc;
    ///
    /// let metadata = HandlerMetadata::none().on_block(vec!["user"]).on_method(vec!["admin"]);
    /// let cx = ExecutionContext::new(ContextKind::Message, "x", Payload::absent())
    ///     .with_handler_metadata(Some(Arc::new(metadata)));
    /// assert_eq!(Reflector.get_all_and_merge::<Vec<&str>>(&cx), ["admin", "user"]);
    /// ```
    #[must_use]
    pub fn get_all_and_merge<T>(self, cx: &ExecutionContext) -> T
    where
        T: Clone + IntoIterator + FromIterator<T::Item> + 'static,
    {
        cx.handler_metadata().get_all::<T>().cloned().flatten().collect()
    }

    /// The JSON of a key, the method's before the block's.
    #[must_use]
    pub fn value<'a>(self, key: &str, cx: &'a ExecutionContext) -> Option<&'a Value> {
        cx.handler_metadata().value(key)
    }

    /// The JSON of a key as a Rust type, the method's before the block's; `None` when there is none.
    ///
    /// ```
    /// use nestrs_core::{ContextKind, ExecutionContext, HandlerMetadata, Payload, Reflector};
    /// use std::sync::Arc;
    ///
    /// // `#[set_metadata("limit", 20)]`
    /// let metadata = HandlerMetadata::none().key_on_method("limit", 20.into());
    /// let cx = ExecutionContext::new(ContextKind::Message, "x", Payload::absent())
    ///     .with_handler_metadata(Some(Arc::new(metadata)));
    /// assert_eq!(Reflector.decode::<u8>("limit", &cx).unwrap(), Some(20));
    /// assert_eq!(Reflector.decode::<u8>("depth", &cx).unwrap(), None);
    /// assert!(Reflector.decode::<bool>("limit", &cx).unwrap_err().is_withheld());
    /// ```
    ///
    /// # Errors
    /// When the JSON is of another shape: a mistake of the attribute, so callers read "Internal server error".
    pub fn decode<T: serde::de::DeserializeOwned>(
        self,
        key: &str,
        cx: &ExecutionContext,
    ) -> Result<Option<T>, TransportError> {
        self.value(key, cx)
            .map(T::deserialize)
            .transpose()
            .map_err(|error| TransportError::internal(format!("metadata `{key}` of `{}`: {error}", cx.handler())))
    }
}
