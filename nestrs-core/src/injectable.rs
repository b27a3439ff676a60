//! How a provider is built: what it needs, and the way from there to a value.

use std::any::{TypeId, type_name};
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::discovery::ProviderMetadata;
use crate::lifecycle::HookList;
use crate::provider_scope::ProviderScope;
use crate::resolver::{ResolveError, Resolver};

/// A type the container can build; what `#[injectable]` implements.
///
/// An instance is a singleton of the module that provides it, unless [`Injectable::scope`] says otherwise. Written by
/// hand, it looks like this:
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{Dependency, Injectable, ResolveError, Resolver};
///
/// struct Clock;
/// struct Greeter { clock: Arc<Clock> }
///
/// impl Injectable for Greeter {
///     fn dependencies() -> Vec<Dependency> {
///         vec![Dependency::required::<Clock>("clock")]
///     }
///     fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
///         Ok(Self { clock: resolver.required()? })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the container cannot build `{Self}`",
    label = "not `#[injectable]`",
    note = "write `#[injectable]` on the struct, or provide it with `Provider::value` or `Provider::factory`"
)]
pub trait Injectable: Sized + Send + Sync + 'static {
    /// What must exist before this can be built. Boot checks all of it before it builds anything.
    fn dependencies() -> Vec<Dependency>;

    /// Builds one instance.
    ///
    /// # Errors
    /// [`ResolveError`] when something is asked for that `dependencies` did not name.
    fn construct(resolver: &Resolver<'_>) -> Result<Self, ResolveError>;

    /// How many instances there are; `#[injectable(scope = request)]`.
    fn scope() -> ProviderScope {
        ProviderScope::Singleton
    }

    /// What others find it by; `#[injectable(metadata = …)]`.
    fn metadata() -> Vec<ProviderMetadata> {
        Vec::new()
    }

    /// The life-cycle hooks of the type; `#[injectable]` finds those that it implements. They run on singletons only.
    fn hooks() -> HookList<Self> {
        HookList::default()
    }
}

/// What a provider is asked for by: a type, and a name where several of a type exist.
///
/// ```
/// use nestrs_core::{Key, Provider};
///
/// assert_eq!(*Provider::value(8_u32).key(), Key::of::<u32>());
/// assert_eq!(*Provider::value(8_u32).named("WORKERS").key(), Key::named::<u32>("WORKERS"));
/// assert_eq!(Key::named::<u32>("WORKERS").to_string(), "`u32` named `WORKERS`");
/// ```
#[derive(Clone)]
pub struct Key {
    type_id: TypeId,
    type_name: &'static str,
    name: Option<Cow<'static, str>>,
}

impl Key {
    /// By type alone. `T` may be a trait object: `Key::of::<dyn Repository>()`.
    #[must_use]
    pub fn of<T: ?Sized + 'static>() -> Self {
        Self { type_id: TypeId::of::<T>(), type_name: type_name::<T>(), name: None }
    }

    /// By type and name, as `#[inject("NAME")]` asks.
    #[must_use]
    pub fn named<T: ?Sized + 'static>(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: Some(name.into()), ..Self::of::<T>() }
    }

    pub(crate) fn with_name(mut self, name: Cow<'static, str>) -> Self {
        self.name = Some(name);
        self
    }

    pub(crate) fn type_id(&self) -> TypeId {
        self.type_id
    }

    /// The name of [`Key::named`]; `None` for what is asked for by type alone.
    ///
    /// ```
    /// use nestrs_core::Key;
    ///
    /// assert_eq!(Key::named::<u32>("WORKERS").name(), Some("WORKERS"));
    /// assert_eq!(Key::of::<u32>().name(), None);
    /// ```
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The type with its module paths.
    pub(crate) fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// The type without its module paths: `Arc<dyn Repository>` rather than three crates' worth of colons.
    pub(crate) fn short_type(&self) -> String {
        short_type_name(self.type_name)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.type_id == other.type_id && self.name == other.name
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.type_id.hash(state);
        self.name.hash(state);
    }
}

/// As messages call it: `Arc<ClientProxy>`, or `ClientProxy` named `MATH_SERVICE`, quotes included.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            None => write!(f, "`Arc<{}>`", self.short_type()),
            Some(name) => write!(f, "`{}` named `{name}`", self.short_type()),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `a::b::C<d::E>` as `C<E>`.
pub(crate) fn short_type_name(full: &str) -> String {
    let mut short = String::with_capacity(full.len());
    let mut segment_start = 0;
    let mut rest = full.chars().peekable();
    while let Some(character) = rest.next() {
        if character == ':' && rest.peek() == Some(&':') {
            rest.next();
            short.truncate(segment_start);
        } else {
            short.push(character);
            // Braces stand in what the compiler names itself: `{{closure}}`.
            if !(character.is_alphanumeric() || "_{}#".contains(character)) {
                segment_start = short.len();
            }
        }
    }
    short
}

/// One thing a provider needs.
///
/// ```
/// use nestrs_core::Dependency;
///
/// struct Clock;
/// trait Audit {}
///
/// let needs = [
///     Dependency::required::<Clock>("clock"),
///     Dependency::named::<u32>("workers", "WORKERS"),
///     Dependency::required::<dyn Audit>("audit").optional(),
/// ];
/// # let _ = needs;
/// ```
#[derive(Clone, Debug)]
pub struct Dependency {
    pub(crate) key: Key,
    /// The field or argument that asks, for messages.
    pub(crate) asked_by: &'static str,
    pub(crate) optional: bool,
}

impl Dependency {
    /// `Arc<T>`, asked for by the field `field`; words with a space in them stand in messages as they are.
    #[must_use]
    pub fn required<T: ?Sized + 'static>(field: &'static str) -> Self {
        Self { key: Key::of::<T>(), asked_by: field, optional: false }
    }

    /// `Arc<T>` under a name.
    #[must_use]
    pub fn named<T: ?Sized + 'static>(field: &'static str, name: &'static str) -> Self {
        Self { key: Key::named::<T>(name), asked_by: field, optional: false }
    }

    /// Makes it optional: absent, it is `None` rather than a problem at boot.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// A field that is not injected: its type's `Default`.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` can be neither injected nor defaulted",
    label = "neither `Arc<..>` nor `Default`",
    note = "write `Arc<{Self}>` to inject a provider of it, `#[inject(\"NAME\")]` to inject one by name, or implement `Default` for it"
)]
pub trait DefaultField: Sized {
    /// The field's first value.
    fn default_field() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> DefaultField for T {
    fn default_field() -> Self {
        T::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_lose_their_paths_only() {
        let check = |full: &str, short: &str| assert_eq!(short_type_name(full), short);
        check("a::b::C", "C");
        check("alloc::vec::Vec<a::B>", "Vec<B>");
        check("dyn a::Repo", "dyn Repo");
        check("(a::B, &c::D)", "(B, &D)");
        check("u8", "u8");
        check("a::main::{{closure}}::B<c::D>", "B<D>");
    }

    #[test]
    fn a_field_that_is_not_injected_starts_as_its_default() {
        assert!(crate::__private::defaulted::<String>().is_empty());
        assert_eq!(<u8 as DefaultField>::default_field(), 0);
    }
}
