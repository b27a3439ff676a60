//! `#[controller]`: from an impl block to a table of HTTP routes.

mod expand;
mod model;
mod path;
#[cfg(test)]
mod tests;
mod validate;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::diag::Errors;
use model::Controller;

/// The user's block without the helper attributes, then the table, unless there are errors.
pub(crate) fn controller(args: TokenStream, item: TokenStream) -> (TokenStream, Errors) {
    let mut errors = Errors::default();
    let Some(controller) = Controller::parse(args, item.clone(), &mut errors) else { return (item, errors) };
    validate::validate(&controller, &mut errors);
    let mut output = controller.item.to_token_stream();
    if errors.is_empty() {
        output.extend(expand::expand(&controller));
    }
    (output, errors)
}
