//! What is wrong with a module that reads well.

use quote::ToTokens;
use syn::Type;

use super::model::{Entry, Module};
use crate::diag::Errors;
use crate::source::source;

pub(crate) fn validate(module: &Module, errors: &mut Errors) {
    if !module.is_concrete() {
        let message = "a module is one type: what differs from one use to the next belongs in a `DynamicModule`";
        errors.on(&module.generics.params, message);
    }
    for list in &module.lists {
        for (index, entry) in list.entries.iter().enumerate() {
            if let Some(message) = misplaced(list.key, entry) {
                errors.on(entry, message);
            }
            let text = source(entry);
            // Two calls may well mean two things.
            let comparable = !matches!(entry, Entry::Value(_));
            if comparable && list.entries[..index].iter().any(|earlier| source(earlier) == text) {
                errors.on(entry, format_args!("`{text}` is listed twice"));
            }
        }
    }
}

/// Why an entry cannot stand in its list.
pub(super) fn misplaced(key: &str, entry: &Entry) -> Option<String> {
    let is_dyn = matches!(entry, Entry::Type(ty) if matches!(**ty, Type::TraitObject(_)));
    let expected = match (key, entry) {
        ("imports", Entry::Type(_)) if is_dyn => "a module, or an expression that makes a `DynamicModule`",
        ("imports", Entry::Cast(..) | Entry::Name(_)) => "a module, or an expression that makes a `DynamicModule`",
        ("providers", Entry::Type(_)) if is_dyn => "a struct; for a trait object write `Struct as dyn Trait`",
        ("providers", Entry::Name(_)) => {
            "a type or a `Provider`; to provide something by name write `Provider::value(…).named(\"NAME\")`"
        }
        ("controllers" | "microservices", Entry::Type(_)) if is_dyn => "the type that has the handlers",
        ("controllers" | "microservices", Entry::Cast(..) | Entry::Name(_) | Entry::Value(_)) => {
            "the type that has the handlers; how it is built is said in `providers`"
        }
        ("interceptors" | "guards" | "pipes" | "filters", entry) if is_dyn || !matches!(entry, Entry::Type(_)) => {
            "types; the container builds them"
        }
        ("exports", Entry::Cast(..) | Entry::Value(_)) => "a type, or the name of a provider as a string",
        _ => return None,
    };
    Some(format!("`{key}` lists {expected}"))
}

impl ToTokens for Entry {
    fn to_tokens(&self, tokens: &mut proc_macro2::TokenStream) {
        match self {
            Self::Type(ty) => ty.to_tokens(tokens),
            Self::Cast(ty, to) => tokens.extend(quote::quote!(#ty as #to)),
            Self::Name(name) => name.to_tokens(tokens),
            Self::Value(value) => value.to_tokens(tokens),
        }
    }
}
