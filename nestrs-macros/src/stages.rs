//! How stages and metadata are written out, for messages and for HTTP routes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::attrs::{Metadatum, Stages};
use crate::paths::located;
use crate::types::{spot, without_self};

/// The types of one kind among stages.
type TypesOf = fn(&Stages) -> &Vec<Type>;

/// The kinds of stage, as the method that declares one and the list of their types.
pub(crate) const KINDS: [(&str, TypesOf); 4] = [
    ("interceptor", |stages| &stages.interceptors),
    ("guard", |stages| &stages.guards),
    ("pipe", |stages| &stages.pipes),
    ("filter", |stages| &stages.filters),
];

/// Imports the traits by which a type says what stage it is, for the kinds that are in use.
pub(crate) fn imports<'a>(all: impl Iterator<Item = &'a Stages> + Clone) -> TokenStream {
    let used = |of: TypesOf| all.clone().any(|stages| !of(stages).is_empty());
    KINDS.iter().filter(|(_, of)| used(*of)).map(|(kind, _)| import(kind)).collect()
}

/// Imports the traits of one kind.
pub(crate) fn import(kind: &str) -> TokenStream {
    let suffix = kind[..1].to_ascii_uppercase() + &kind[1..];
    // Filters have no form of their own for messages.
    let ways: &[_] = if kind == "filter" {
        &["Injectable", "Default", "No"]
    } else {
        &["Injectable", "Default", "Documented", "No"]
    };
    let traits = ways.iter().map(|way| format_ident!("{way}{suffix}"));
    quote!(use __nest::{#(#traits as _),*};)
}

/// A declared stage: which of the ways to obtain it fits is found by its type.
pub(crate) fn spec(kind: &str, ty: &Type, service: Option<&Type>) -> TokenStream {
    let method = Ident::new(kind, spot(ty));
    let ty = service.map_or_else(|| quote!(#ty), |service| without_self(ty, service));
    quote!((&&&&__nest::Stage::<#ty>::new()).#method())
}

/// The declared stages of one kind around a handler, from outside in.
pub(crate) fn specs(kind: &str, of: TypesOf, block: &Stages, own: &Stages, service: &Type) -> Vec<TokenStream> {
    let spec = |ty: &Type| spec(kind, ty, Some(service));
    let of_block = of(block).iter().map(|ty| {
        let spec = spec(ty);
        quote!(#spec.of_block())
    });
    of_block.chain(of(own).iter().map(spec)).collect()
}

/// `.metadata(…)` of a row, if anything is said.
pub(crate) fn metadata(block: &Stages, own: &Stages) -> Option<TokenStream> {
    if block.metadata.is_empty() && own.metadata.is_empty() {
        return None;
    }
    let calls =
        |list: &[Metadatum], level: &str| -> TokenStream { list.iter().map(|datum| said(datum, level)).collect() };
    let (of_block, of_method) = (calls(&block.metadata, "block"), calls(&own.metadata, "method"));
    Some(quote!(.metadata(|| __nest::HandlerMetadata::none() #of_block #of_method)))
}

fn said(datum: &Metadatum, level: &str) -> TokenStream {
    match datum {
        Metadatum::Typed(value) => {
            let method = format_ident!("on_{level}");
            quote_spanned!(located(value.span())=> .#method(#value))
        }
        Metadatum::Keyed(key, value) => {
            let method = Ident::new(&format!("key_on_{level}"), Span::call_site());
            quote!(.#method(#key, __nest::json!(#value)))
        }
    }
}
