//! What blocks of methods have in common, `#[micro_routes]` and `#[controller]` alike: the impl they stand on.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, Item, ItemImpl, PathArguments, Token, TraitItemFn, Type};

use crate::attrs;
use crate::diag::Errors;
use crate::limits;
use crate::source::source;
use crate::types;

/// Reads the item under a block attribute; `None`, and an error, if it is no impl block at all.
pub(crate) fn parse_impl(attribute: &str, item: TokenStream, errors: &mut Errors) -> Option<ItemImpl> {
    match errors.keep(syn::parse2::<Item>(item))? {
        Item::Impl(mut block) => {
            check_impl(attribute, &block, errors);
            limits::report_on_block(&mut block.attrs, errors);
            hand_over(attribute, &mut block.attrs, errors);
            Some(block)
        }
        other => {
            errors
                .on(keyword(&other), format_args!("`#[{attribute}]` stands on an impl block: `impl Service {{ … }}`"));
            None
        }
    }
}

/// Attributes that are no macros under any name, so that nothing of ours hides behind them.
const INERT: &[&str] = &["doc", "cfg", "allow", "expect", "warn", "deny", "forbid"];

/// Finds the note of the block attribute that read this item before, and leaves one for those that come next.
///
/// Names are all that an attribute knows of those below it. One that is imported under another name looks like a
/// stranger, and its stages would be taken away before it could read them. It knows its own name when it expands, though:
/// if the note does not have it, it was not seen. (The compiler decides every `#[cfg_attr]` of an item first.)
fn hand_over(attribute: &str, attributes: &mut Vec<Attribute>, errors: &mut Errors) {
    if let Some((earlier, known)) = note(attributes)
        && !known.contains(&attribute.to_owned())
    {
        errors.at(Span::call_site(), unseen(&earlier, attribute));
    }
    attributes.retain(|attribute| !is_note(attribute));
    let is_inert = |attribute: &Attribute| INERT.iter().any(|name| attribute.path().is_ident(name));
    let is_stranger = |attribute: &Attribute| !is_inert(attribute) && !attrs::is_one_of(attribute, attrs::STAGES);
    if attributes.iter().any(is_stranger) {
        let below = attributes.iter().filter(|attribute| attrs::is_one_of(attribute, attrs::BLOCKS)).map(attrs::name);
        let names = [attribute.to_owned()].into_iter().chain(below).map(|name| quote::format_ident!("{name}"));
        // Attributes of this tool mean nothing to the compiler, which hands them on to whatever expands next.
        attributes.push(syn::parse_quote!(#[rustfmt::nestrs_read(#(#names),*)]));
    }
}

fn is_note(attribute: &Attribute) -> bool {
    let mut segments = attribute.path().segments.iter();
    segments.next().is_some_and(|tool| tool.ident == "rustfmt")
        && segments.next().is_some_and(|name| name.ident == "nestrs_read")
}

/// The block attribute that read an item last, and those that it saw below itself.
fn note(attributes: &[Attribute]) -> Option<(String, Vec<String>)> {
    let note = attributes.iter().find(|attribute| is_note(attribute))?;
    let names = Punctuated::<Ident, Token![,]>::parse_terminated;
    let mut names = note.parse_args_with(names).ok()?.into_iter().map(|name| name.to_string());
    Some((names.next()?, names.collect()))
}

fn unseen(earlier: &str, attribute: &str) -> String {
    format!("`#[{earlier}]` above could not know this for `#[{attribute}]`: import it under its own name")
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
/// attribute trades places with them: it reads the stages once they stand below it. Not so below a block that has read
/// its stages already, and did not know this for one: it would run without it.
pub(crate) fn lone_helper(helper: &str, args: &TokenStream, item: TokenStream) -> (TokenStream, Errors) {
    let mut errors = Errors::default();
    if attrs::STAGES.contains(&helper)
        && let Ok(mut block) = syn::parse2::<ItemImpl>(item.clone())
    {
        if let Some((earlier, _)) = note(&block.attrs) {
            errors.at(Span::call_site(), unseen(&earlier, helper));
            return (item, errors);
        }
        if let Some(reader) = block.attrs.iter().position(|attribute| attrs::is_one_of(attribute, attrs::BLOCKS)) {
            let reader = block.attrs.remove(reader);
            let helper = quote::format_ident!("{helper}");
            // In this order, and before all others, so that stages keep the order in which they are written.
            return (quote!(#reader #[#helper(#args)] #block), errors);
        }
    }
    if limits::LIMITS.contains(&helper) && syn::parse2::<ItemImpl>(item.clone()).is_ok() {
        errors.at(Span::call_site(), limits::on_block(helper));
        return (item, errors);
    }
    let in_trait = matches!(syn::parse2::<TraitItemFn>(item.clone()), Ok(method) if method.semi_token.is_some());
    if in_trait && ["message_pattern", "event_pattern"].contains(&helper) {
        let message = format!("`#[{helper}]` is read by `#[contract]`: put that on the trait");
        errors.at(Span::call_site(), message);
        return (item, errors);
    }
    let reader = if attrs::VERBS.contains(&helper) {
        "`#[controller]`"
    } else if helper == "on_event" {
        "`#[event_routes]`"
    } else if attrs::MESSAGE_STAGES.contains(&helper) {
        "`#[micro_routes]` and `#[event_routes]`"
    } else if attrs::STAGES.contains(&helper) {
        "`#[micro_routes]`, `#[event_routes]` and `#[controller]`"
    } else if helper == "handler_timeout" {
        "`#[micro_routes]` and `#[controller]`"
    } else {
        "`#[micro_routes]`"
    };
    errors.at(Span::call_site(), format_args!("`#[{helper}]` is read by {reader}: put that on the impl block"));
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

    /// The outermost of these attributes expands as `first`; the next is `then`, whatever it is called.
    #[track_caller]
    fn check_stacked(first: &str, below: &str, then: &str, expected: Option<&str>) {
        let mut errors = Errors::default();
        let block = parse_impl(first, format!("{below} impl Math {{}}").parse().unwrap(), &mut errors);
        assert!(errors.is_empty());
        let mut block = block.unwrap();
        block.attrs.remove(0);
        let errors = if attrs::STAGES.contains(&then) {
            lone_helper(then, &quote!(A), quote!(#block)).1
        } else {
            parse_impl(then, quote!(#block), &mut errors);
            errors
        };
        let found: Vec<_> = errors.into_pairs().into_iter().map(|(_, message)| message).collect();
        assert_eq!(found, expected.map(|earlier| unseen(earlier, then)).into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_block_attribute_under_another_name_is_an_error_below_one_that_could_not_know_it() {
        check_stacked("micro_routes", "#[controller]", "controller", None);
        check_stacked("micro_routes", "#[nestrs::controller(\"/a\")] #[doc = \"a\"]", "controller", None);
        check_stacked("micro_routes", "#[ctl]", "controller", Some("micro_routes"));
        check_stacked("controller", "#[er]", "event_routes", Some("controller"));
        // It is not the one that was seen.
        check_stacked("controller", "#[mr] #[event_routes]", "micro_routes", Some("controller"));
        check_stacked("micro_routes", "#[controller] #[g(A)]", "controller", None);
    }

    #[test]
    fn the_note_is_of_the_block_that_read_last() {
        let mut errors = Errors::default();
        let item: TokenStream = "#[use_guards(A)] #[micro_routes] #[ctl] impl Math {}".parse().unwrap();
        let mut block = parse_impl("event_routes", item, &mut errors).unwrap();
        assert_eq!(note(&block.attrs), Some(("event_routes".to_owned(), vec!["micro_routes".to_owned()])));
        block.attrs.remove(1);
        let mut block = parse_impl("micro_routes", quote!(#block), &mut errors).unwrap();
        assert_eq!(note(&block.attrs), Some(("micro_routes".to_owned(), Vec::new())));
        block.attrs.remove(1);
        assert!(errors.is_empty());
        let block = parse_impl("controller", quote!(#block), &mut errors).unwrap();
        assert_eq!(note(&block.attrs), None);
        assert_eq!(errors.into_pairs()[0].1, unseen("micro_routes", "controller"));
    }

    #[test]
    fn a_stage_under_another_name_is_an_error_below_a_block_that_could_not_know_it() {
        check_stacked("micro_routes", "#[g(A)] #[controller]", "use_guards", Some("micro_routes"));
        check_stacked("micro_routes", "#[g(A)]", "use_guards", Some("micro_routes"));
        check_stacked("controller", "#[sm(A)] #[micro_routes]", "set_metadata", Some("controller"));
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
        check("use_micro_guards", "`#[micro_routes]` and `#[event_routes]`");
        check("use_guards", "`#[micro_routes]`, `#[event_routes]` and `#[controller]`");
        check("set_metadata", "`#[micro_routes]`, `#[event_routes]` and `#[controller]`");
        check("run_to_completion", "`#[micro_routes]`");
        check("handler_timeout", "`#[micro_routes]` and `#[controller]`");
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
