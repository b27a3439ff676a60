//! Errors are collected, not thrown: a user sees every mistake of an item at once, each on the token that made it.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

/// What is wrong with one item, in the order it was found.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<Error>);

impl Errors {
    /// Reports a mistake made by `tokens`, all of them underlined.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.0.push(Error::new_spanned(tokens, message));
    }

    /// Reports a mistake at a place that has no tokens of its own.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.0.push(Error::new(span, message));
    }

    /// The value of a parse, or its error kept for later.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One `compile_error!` each, fit to follow an item.
    pub(crate) fn into_items(self) -> TokenStream {
        self.0.iter().map(Error::to_compile_error).collect()
    }

    /// The same as an expression: it has no type, so nothing is said about the type it should have had.
    pub(crate) fn into_expression(self) -> TokenStream {
        let errors = self.into_items();
        quote::quote!({ #errors })
    }

    /// Each error as the source text it points at and what it says there.
    #[cfg(test)]
    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        let source = |error: &Error| error.span().source_text().unwrap_or_default();
        self.0.into_iter().flatten().map(|error| (source(&error), error.to_string())).collect()
    }
}

/// Compares errors with what was expected: the source text each points at, and part of what it says there.
#[cfg(test)]
#[track_caller]
pub(crate) fn assert_errors(errors: Errors, expected: &[(&str, &str)]) {
    let found = errors.into_pairs();
    let matches = found.len() == expected.len()
        && found.iter().zip(expected).all(|((culprit, message), (at, part))| culprit == at && message.contains(part));
    assert!(matches, "found {found:#?}\nexpected {expected:#?}");
}
