//! What blocks of methods have in common, `#[micro_routes]` and `#[controller]` alike: the impl they stand on.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Ident, Item, ItemImpl, PathArguments, TraitItemFn, Type};

use crate::attrs;
use crate::diag::Errors;
use crate::source::source;
use crate::types;

/// Reads the item under a block attribute; `None`, and an error, if it is no impl block at all.
pub(crate) fn parse_impl(attribute: &str, item: TokenStream, errors: &mut Errors) -> Option<ItemImpl> {
    match errors.keep(syn::parse2::<Item>(item))? {
        Item::Impl(block) => {
            check_impl(attribute, &block, errors);
            Some(block)
        }
        other => {
            errors
                .on(keyword(&other), format_args!("`#[{attribute}]` stands on an impl block: `impl Service {{ … }}`"));
            None
        }
    }
}

fn check_impl(attribute: &str, block: &ItemImpl, errors: &mut Errors) {
    if let Some((path, _)) = &block.trait_ {
        let message = "stands on the methods of a type itself, not on those of a trait";
        let trait_name = path.segments.last().map(|segment| source(&segment.ident)).unwrap_or_default();
        let contract = match attribute {
            "micro_routes" => {
                format!(": if this one is a contract, write `#[micro_routes(contract = {trait_name})]` there")
            }
            _ => String::new(),
        };
        errors.on(path, format_args!("`#[{attribute}]` {message}{contract}"));
    }
    if !block.generics.params.is_empty() {
        let message = format!("`#[{attribute}]` needs one concrete service: a generic impl block stands for many");
        errors.on(&block.generics.params, message);
    }
    if types::last_segment(&block.self_ty).is_none() {
        errors.on(&block.self_ty, format_args!("`#[{attribute}]` needs a service that is a struct"));
    }
}

/// The first tokens of an item that say what it is, for an error to point at.
pub(crate) fn keyword(item: &Item) -> TokenStream {
    let tokens = |keyword: &dyn quote::ToTokens| keyword.to_token_stream();
    match item {
        Item::Struct(item) => tokens(&item.struct_token),
        Item::Enum(item) => tokens(&item.enum_token),
        Item::Union(item) => tokens(&item.union_token),
        Item::Fn(item) => tokens(&item.sig.fn_token),
        Item::Trait(item) => tokens(&item.trait_token),
        Item::Mod(item) => tokens(&item.mod_token),
        other => quote!(#other),
    }
}

/// `Math` of `impl crate::services::Math`, as it stands in handler names.
fn service_name(service: &Type) -> String {
    match types::last_segment(service) {
        Some(segment) if matches!(segment.arguments, PathArguments::None) => source(&segment.ident),
        Some(segment) => source(quote!(#segment)),
        None => source(service),
    }
}

/// `Math::add`, as logs and problems name a handler.
pub(crate) fn handler_name(service: &Type, method: &Ident) -> String {
    format!("{}::{}", service_name(service), method.unraw())
}

/// What a helper attribute says where no block reads it.
///
/// Stage attributes may stand above the attribute of their block, which makes them expand first. Then the block's
/// attribute trades places with them: it reads the stages once they stand below it.
pub(crate) fn lone_helper(helper: &str, args: &TokenStream, item: TokenStream) -> (TokenStream, Errors) {
    let mut errors = Errors::default();
    if attrs::STAGES.contains(&helper)
        && let Ok(mut block) = syn::parse2::<ItemImpl>(item.clone())
        && let Some(reader) = block.attrs.iter().position(|attribute| attrs::is_one_of(attribute, attrs::BLOCKS))
    {
        let reader = block.attrs.remove(reader);
        let helper = quote::format_ident!("{helper}");
        // In this order, and before all others, so that stages keep the order in which they are written.
        return (quote!(#reader #[#helper(#args)] #block), errors);
    }
    let in_trait = matches!(syn::parse2::<TraitItemFn>(item.clone()), Ok(method) if method.semi_token.is_some());
    if in_trait && ["message_pattern", "event_pattern"].contains(&helper) {
        let message = format!("`#[{helper}]` is read by `#[contract]`: put that on the trait");
        errors.at(proc_macro2::Span::call_site(), message);
        return (item, errors);
    }
    let reader = if attrs::VERBS.contains(&helper) {
        "`#[controller]`"
    } else if helper == "on_event" {
        "`#[event_routes]`"
    } else if attrs::STAGES.contains(&helper) && !attrs::MESSAGE_STAGES.contains(&helper) {
        "`#[micro_routes]` and `#[controller]`"
    } else {
        "`#[micro_routes]`"
    };
    errors.at(
        proc_macro2::Span::call_site(),
        format_args!("`#[{helper}]` is read by {reader}: put that on the impl block"),
    );
    (item, errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::assert_errors;

    #[test]
    fn a_stage_above_its_block_trades_places_with_it() {
        let item = "#[use_micro_pipes(B)] #[allow(x)] #[micro_routes(crate = y)] #[use_micro_guards(C)] impl Math {}";
        let (output, errors) = lone_helper("use_micro_guards", &quote!(A), item.parse().unwrap());
        assert!(errors.is_empty());
        let expected = "#[micro_routes(crate = y)] #[use_micro_guards(A)] #[use_micro_pipes(B)] #[allow(x)] \
                        #[use_micro_guards(C)] impl Math {}";
        assert_eq!(output.to_string(), expected.parse::<TokenStream>().unwrap().to_string());
    }

    #[test]
    fn a_helper_that_nobody_reads_says_who_would() {
        let check = |helper: &str, reader: &str| {
            let item = quote!(
                fn add(&self) {}
            );
            let (output, errors) = lone_helper(helper, &quote!("x"), item.clone());
            assert_eq!(output.to_string(), item.to_string());
            let expected = format!("`#[{helper}]` is read by {reader}: put that on the impl block");
            assert_eq!(errors.into_pairs()[0].1, expected);
        };
        check("message_pattern", "`#[micro_routes]`");
        check("event_pattern", "`#[micro_routes]`");
        check("use_micro_guards", "`#[micro_routes]`");
        check("use_guards", "`#[micro_routes]` and `#[controller]`");
        check("on_event", "`#[event_routes]`");
        check("get", "`#[controller]`");
    }

    #[test]
    fn only_a_concrete_inherent_impl_is_a_block() {
        let check = |item: &str, culprit: &str, message: &str| {
            let mut errors = Errors::default();
            parse_impl("micro_routes", item.parse().unwrap(), &mut errors);
            assert_errors(errors, &[(culprit, message)]);
        };
        check("impl Adds for Math {}", "Adds", "not on those of a trait");
        check("impl<T> Math<T> {}", "T", "concrete");
        check("impl [u8] {}", "[u8]", "a struct");
        check("struct Math;", "struct", "stands on an impl block");
        check("trait Math {}", "trait", "stands on an impl block");
        check("fn math() {}", "fn", "stands on an impl block");
    }

    #[test]
    fn a_handler_is_named_by_the_last_segment_of_its_service() {
        let check = |ty: &str, method: &str, name: &str| {
            let method: Ident = syn::parse_str(method).unwrap();
            assert_eq!(handler_name(&syn::parse_str(ty).unwrap(), &method), name);
        };
        check("Math", "add", "Math::add");
        check("crate::services::Math", "r#where", "Math::where");
        check("a::Of<b::C>", "add", "Of<b::C>::add");
    }
}
