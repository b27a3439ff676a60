//! `#[micro_routes]` and `#[event_routes]`: from an impl block to a table of handlers.

mod argument;
mod bind;
mod expand;
mod model;
#[cfg(test)]
mod tests;
mod validate;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::diag::Errors;
use model::Routes;

pub(crate) use argument::{check_route, strip_markers};
pub(crate) use model::Family;

/// The user's block without the helper attributes, then the table, unless there are errors.
pub(crate) fn routes(family: Family, args: TokenStream, item: TokenStream) -> (TokenStream, Errors) {
    let mut errors = Errors::default();
    let Some(routes) = Routes::parse(family, args, item.clone(), &mut errors) else { return (item, errors) };
    validate::validate(&routes, &mut errors);
    let mut output = routes.item.to_token_stream();
    if errors.is_empty() {
        output.extend(expand::expand(&routes));
    }
    (output, errors)
}
