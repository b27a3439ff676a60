//! `#[injectable]`: how the container builds a struct.

mod expand;
mod model;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::diag::Errors;
use model::Provided;

/// The user's struct without `#[inject]`, then its recipe.
///
/// With errors the recipe is an empty one: those who name the type as a provider have done nothing wrong.
pub(crate) fn injectable(args: TokenStream, item: TokenStream) -> (TokenStream, Errors) {
    let mut errors = Errors::default();
    let Some(provided) = Provided::parse(args, item.clone(), &mut errors) else { return (item, errors) };
    let mut output = provided.item.to_token_stream();
    output.extend(if errors.is_empty() { expand::expand(&provided) } else { expand::placeholder(&provided) });
    (output, errors)
}
