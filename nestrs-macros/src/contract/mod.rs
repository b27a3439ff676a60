//! `#[contract]`: a trait that says what is sent where, and what two sides make of it.
//!
//! The trait stays as it is written. It gains the table of its patterns, for the blocks that serve it (`served`), and
//! a client that calls it stands beside it.

mod expand;
mod model;
mod served;
#[cfg(test)]
mod tests;
mod validate;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::diag::Errors;
use model::Contract;

pub(crate) use served::{Served, block_arguments, check_block, conformance, is_served};

/// The trait and its client; with errors, the trait as it was written, without the attributes that were read.
pub(crate) fn contract(args: TokenStream, item: TokenStream) -> (TokenStream, Errors) {
    let mut errors = Errors::default();
    let Some(contract) = Contract::parse(args, item.clone(), &mut errors) else { return (item, errors) };
    validate::validate(&contract, &mut errors);
    let output = if errors.is_empty() { expand::expand(&contract) } else { contract.item.to_token_stream() };
    (output, errors)
}
