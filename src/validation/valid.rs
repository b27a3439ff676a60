//! A value that keeps the rules of its type.

use std::ops::Deref;

use garde::Validate;
use nestrs_core::__private::{HandlerPayload, PayloadPart};
use nestrs_core::TransportError;
use serde::de::DeserializeOwned;

use super::violations;

/// A payload, a property of one, or a JSON body of an HTTP request, decoded and then validated: NestJS's
/// `ValidationPipe` as an argument.
///
/// The rules are garde's, derived for the type. Its derive names `::garde`, so write that dependency beside nestrs:
///
/// ```toml
/// garde = { version = "0.23", features = ["derive"] }
/// ```
///
/// Members with rules that need `regex`, `url`, `email` and so on need the feature of that name too. What garde lets
/// write by hand is in [`nestrs::garde`](crate::garde) as well. The rules' context is its `Default`.
///
/// All violations are told at once, up to 100 of them; how many more there are is the member `leftOut` of `details`. On
/// messages:
///
/// ```json
/// { "status": "error", "message": "Validation failed",
///   "details": { "violations": [{ "path": "lines[1].quantity", "message": "lower than 1" }] } }
/// ```
///
/// On HTTP it is status 400, in NestJS's shape, the list beside it the same as above:
///
/// ```json
/// { "statusCode": 400, "message": ["lines[1].quantity: lower than 1"], "error": "Bad Request",
///   "details": { "violations": [{ "path": "lines[1].quantity", "message": "lower than 1" }] } }
/// ```
///
/// The words are those of the rules; nestrs adds nothing of the values. JSON that does not fit the type at all is told
/// before any rule is asked, on HTTP with status 400 too, and a body of another content type is 415. An optional one is
/// `Valid<Option<T>>`.
///
/// ```
/// use garde::Validate;
/// use nestrs::Valid;
/// use nestrs::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Debug, Deserialize, Validate)]
/// struct CreateCat {
///     #[garde(length(min = 1, max = 40))]
///     name: String,
///     #[garde(range(max = 30))]
///     age: u8,
/// }
///
/// #[injectable]
/// struct Cats;
///
/// #[micro_routes]
/// impl Cats {
///     #[message_pattern("cats.create")]
///     async fn create(&self, cat: Valid<CreateCat>) -> String {
///         format!("{} is {} years old", cat.name, cat.age)
///     }
/// }
///
/// let error = Valid::check(CreateCat { name: String::new(), age: 31 }).unwrap_err();
/// assert_eq!(error.message, "Validation failed");
/// let violations = &error.details.unwrap()["violations"];
/// assert_eq!(violations[0]["message"], "greater than 30");
/// assert_eq!(violations[1]["path"], "name");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Valid<T>(T);

impl<T> Valid<T> {
    /// The value.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Validate<Context: Default>> Valid<T> {
    /// Validates a value that comes from elsewhere, such as a query string.
    ///
    /// # Errors
    /// [`InvalidPayload`](crate::ErrorKind::InvalidPayload) with all that is wrong, as above.
    pub fn check(value: T) -> Result<Self, TransportError> {
        Self::check_at(value, "")
    }

    /// The same for a value that was found at `place`, with which all paths begin.
    fn check_at(value: T, place: &str) -> Result<Self, TransportError> {
        match value.validate() {
            Ok(()) => Ok(Self(value)),
            Err(report) => Err(violations::refuse(&report, place)),
        }
    }
}

impl<T> Deref for Valid<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> AsRef<T> for Valid<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + Validate<Context: Default>> HandlerPayload for Valid<T> {
    fn from_payload(part: PayloadPart<'_>) -> Result<Self, TransportError> {
        Self::check_at(part.decode()?, part.property().unwrap_or_default())
    }
}
