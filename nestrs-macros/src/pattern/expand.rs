//! From a checked pattern to a constant expression.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{Pattern, Value};
use crate::paths::located;
use crate::types::spot;

/// `PatternLiteral::…`, fit for a constant.
impl ToTokens for Pattern {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match &self.value {
            Value::Null => quote!(__nest::PatternLiteral::Null),
            Value::Bool(truth) => quote!(__nest::PatternLiteral::Bool(#truth)),
            Value::Number(number) => {
                // A literal has no sign of its own.
                let sign = number.is_sign_negative().then(|| quote!(-));
                let digits = Literal::f64_unsuffixed(number.abs());
                quote!(__nest::PatternLiteral::Number(#sign #digits))
            }
            Value::Text(text) => quote!(__nest::PatternLiteral::Text(#text)),
            Value::Array(items) => quote!(__nest::PatternLiteral::Array(&[#(#items),*])),
            Value::Object(members) => {
                let members = members.iter().map(|member| {
                    let (key, value) = (&member.key, &member.value);
                    quote!((#key, #value))
                });
                quote!(__nest::PatternLiteral::Object(&[#(#members),*]))
            }
            // A constant of another type is an error on its name.
            Value::Constant(path) => quote_spanned!(located(self.tokens.span())=> __nest::PatternLiteral::Text(#path)),
            Value::Topic(path) => {
                let span = located(self.tokens.span());
                quote_spanned!(span=> __nest::PatternLiteral::Text(__nest::topic(#path)))
            }
            // A type that is no event is an error on its name.
            Value::NameOf(ty) => {
                quote_spanned!(spot(ty)=> __nest::PatternLiteral::Text(__nest::event_name::<#ty>()))
            }
        });
    }
}
