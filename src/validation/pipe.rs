//! Validation as a pipe of an argument.

use garde::Validate;
use nestrs_core::{ArgumentPipe, ExecutionContext, TransportError};

use super::valid::Valid;

/// Validates an argument and hands it on as it is: `#[pipe(ValidationPipe)] cat: CreateCat`.
///
/// For arguments that go through other pipes before or after; [`Valid`] says the same in the argument's type, and what
/// the caller reads. The one difference: a pipe does not know which property it is for, so paths begin below it.
///
/// ```
/// use garde::Validate;
/// use nestrs::ValidationPipe;
/// use nestrs::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, Validate)]
/// struct CreateCat {
///     #[garde(length(min = 1, max = 40))]
///     name: String,
/// }
///
/// #[injectable]
/// struct Cats;
///
/// #[micro_routes]
/// impl Cats {
///     #[message_pattern("cats.create")]
///     async fn create(&self, #[pipe(ValidationPipe)] cat: CreateCat) -> String {
///         cat.name
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ValidationPipe;

impl<T: Validate<Context: Default> + Send> ArgumentPipe<T> for ValidationPipe {
    type Input = T;
    async fn transform(&self, _: &ExecutionContext, value: T) -> Result<T, TransportError> {
        Valid::check(value).map(Valid::into_inner)
    }
}
