//! `Module` for a struct: one builder call per entry, each where the entry stands.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::model::{Entry, List, Module, STAGES};
use super::validate::misplaced;
use crate::paths::located;
use crate::stages;
use crate::types::spot;

pub(crate) fn expand(module: &Module) -> TokenStream {
    let ident = &module.ident;
    let calls = module.lists.iter().flat_map(|list| list.entries.iter().map(|entry| call(list, entry)));
    let global = module.global.then(|| quote!(.global()));
    let used = module.lists.iter().map(|list| list.key).filter(|key| STAGES.contains(key));
    let traits = used.map(|key| stages::import(singular(key)));
    let item = quote! {
        #(#traits)*
        #[automatically_derived]
        impl __nest::Module for #ident {
            fn define() -> __nest::ModuleDef {
                __nest::ModuleDef::new::<Self>() #(#calls)* #global
            }
        }
    };
    module.nest.scope(&module.cfgs, &item)
}

/// The builder call for one entry; none for one that is in the wrong list, which has its error already.
fn call(list: &List, entry: &Entry) -> TokenStream {
    if misplaced(list.key, entry).is_some() {
        return TokenStream::new();
    }
    let span = match entry {
        Entry::Type(ty) | Entry::Cast(ty, _) => spot(ty),
        Entry::Name(_) | Entry::Value(_) => located(entry.span()),
    };
    match (list.key, entry) {
        ("imports", Entry::Type(ty)) => quote_spanned!(span=> .import::<#ty>()),
        ("imports", Entry::Value(value)) => quote_spanned!(span=> .import_dynamic(#value)),
        ("providers", Entry::Type(ty)) => quote_spanned!(span=> .provide(__nest::Provider::class::<#ty>())),
        ("providers", Entry::Cast(ty, to)) => {
            quote_spanned!(span=> .provide(__nest::Provider::class_as::<#ty, #to>(|it| it)))
        }
        ("providers", Entry::Value(value)) => quote_spanned!(span=> .provide(#value)),
        ("controllers", Entry::Type(ty)) => quote_spanned!(span=> .controller::<#ty>()),
        ("microservices", Entry::Type(ty)) => quote_spanned!(span=> .microservice::<#ty>()),
        ("exports", Entry::Type(ty)) => quote_spanned!(span=> .export::<#ty>()),
        ("exports", Entry::Name(name)) => quote_spanned!(span=> .export_named(#name)),
        (key, Entry::Type(ty)) if STAGES.contains(&key) => {
            let add = Ident::new(singular(key), Span::call_site());
            let spec = stages::spec(singular(key), ty, None);
            quote_spanned!(span=> .#add(#spec))
        }
        _ => TokenStream::new(),
    }
}

/// `guard` of `guards`
fn singular(list: &str) -> &str {
    list.trim_end_matches('s')
}
