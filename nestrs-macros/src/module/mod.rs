//! `#[module]`: what belongs to a module, as a chain of builder calls.

mod expand;
mod model;
#[cfg(test)]
mod tests;
mod validate;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::diag::Errors;
use model::Module;

/// The user's struct, then its definition.
///
/// Errors do not keep the definition from being written with what could be read: those who import the module have done
/// nothing wrong.
pub(crate) fn module(args: TokenStream, item: TokenStream) -> (TokenStream, Errors) {
    let mut errors = Errors::default();
    let Some(module) = Module::parse(args, item.clone(), &mut errors) else { return (item, errors) };
    validate::validate(&module, &mut errors);
    let mut output = module.item.to_token_stream();
    if module.is_concrete() {
        output.extend(expand::expand(&module));
    }
    (output, errors)
}
