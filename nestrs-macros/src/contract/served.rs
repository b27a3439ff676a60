//! The block's side of a contract: `#[micro_routes(contract = Orders)]`.
//!
//! The block implements the trait for its marker with the types of its handlers. What is missing, too much or of another
//! type is then an error of the compiler's own, in the words that people know from traits, on the token that is wrong.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, ItemImpl, Meta, Path, ReturnType, Signature, Token, Type};

use crate::attrs;
use crate::diag::Errors;
use crate::paths::{self, Nest, located};
use crate::types::{self, Returned, without_self};

/// The arguments of a block that may serve a contract.
pub(crate) fn block_arguments(attribute: &str, tokens: TokenStream, errors: &mut Errors) -> (Nest, Option<Path>) {
    let (nest, others) = paths::arguments(tokens, errors);
    let mut contract = None;
    for other in others {
        if !is_contract_argument(&other) {
            let message = "takes no argument but `crate = path::to::nestrs` and `contract = TheTrait`";
            errors.on(other, format_args!("`#[{attribute}]` {message}"));
            continue;
        }
        if contract.is_some() {
            errors.on(&other, "a block serves one contract: write a block for each");
        }
        let path = contract_path.parse2(other.clone()).unwrap_or_else(|_| {
            errors.on(other, "a contract is named by its path: `contract = api::Orders`");
            // Whatever it was meant to be, the methods of this block have no patterns of their own.
            Path::from(Ident::new("unknown", Span::call_site()))
        });
        contract.get_or_insert(path);
    }
    (nest, contract)
}

/// Whether one of these attributes serves a contract: then it reads every method, and no pattern says so.
pub(crate) fn is_served(attributes: &[Attribute]) -> bool {
    let serves = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) => paths::at_commas(list.tokens.clone()).iter().any(is_contract_argument),
        _ => false,
    };
    attributes.iter().any(|attribute| attrs::name(attribute) == "micro_routes" && serves(attribute))
}

fn is_contract_argument(argument: &TokenStream) -> bool {
    matches!(argument.clone().into_iter().next(), Some(TokenTree::Ident(name)) if name == "contract")
}

fn contract_path(input: ParseStream<'_>) -> syn::Result<Path> {
    input.parse::<Ident>()?;
    input.parse::<Token![=]>()?;
    input.call(Path::parse_mod_style)
}

/// A handler as its contract knows it.
pub(crate) struct Served<'a> {
    pub(crate) signature: &'a Signature,
    /// The attributes that stayed on the method.
    pub(crate) attributes: &'a [Attribute],
    /// `None` for a handler that takes nothing, or only from the context.
    pub(crate) payload: Option<&'a Type>,
}

/// The implementation that is there to be compared, and the contract's table under the name `__CONTRACT`.
pub(crate) fn conformance<'a>(
    contract: &Path,
    block: &ItemImpl,
    handlers: impl Iterator<Item = Served<'a>>,
) -> TokenStream {
    let methods = handlers.map(|handler| method(&handler, &block.self_ty));
    // What is said of the whole, for one, that a method is missing, is said of the contract's name.
    let span = contract.segments.last().map_or_else(Span::call_site, |segment| segment.ident.span());
    quote_spanned! {located(span)=>
        #[automatically_derived]
        impl __nest::ContractBlock for __Block {}

        #[automatically_derived]
        #[allow(refining_impl_trait, unused_variables, clippy::all, reason = "it is there to be compared")]
        impl #contract for __Block {
            #(#methods)*
        }

        const __CONTRACT: &'static [__nest::ContractMethod] = <__Block as #contract>::CONTRACT;
    }
}

/// A method as the contract has it. What is said of the whole is said of its name.
fn method(handler: &Served<'_>, service: &Type) -> TokenStream {
    let cfgs = attrs::cfgs(handler.attributes);
    let name = &handler.signature.ident;
    let span = located(name.span());
    let parameter = handler.payload.map(|ty| {
        let ty = without_self(ty, service);
        quote_spanned!(span=> , _: #ty)
    });
    let returned = Returned::of(&handler.signature.output);
    // A contract says `async` of everything but streams; whether a handler has to wait is its own business.
    let signature = match (returned.value.and_then(types::stream_item), &handler.signature.output) {
        (Some(item), _) if returned.is_stream => {
            let spot = types::spot(item);
            let item = without_self(item, service);
            let streamed = quote_spanned!(spot=> __nest::Streamed<#item>);
            quote_spanned!(span=> fn #name(&self #parameter) -> #streamed)
        }
        (_, ReturnType::Default) => quote_spanned!(span=> async fn #name(&self #parameter)),
        (_, ReturnType::Type(_, ty)) => {
            let ty = without_self(ty, service);
            quote_spanned!(span=> async fn #name(&self #parameter) -> #ty)
        }
    };
    quote_spanned! {span=>
        #(#cfgs)*
        #signature {
            __nest::unserved()
        }
    }
}

/// What keeps a block from being compared with its contract.
pub(crate) fn check_block<'a>(block: &ItemImpl, signatures: impl Iterator<Item = &'a Signature>, errors: &mut Errors) {
    if let Some(other) = block.attrs.iter().find(|attribute| attrs::is_one_of(attribute, attrs::BLOCKS)) {
        errors.on(other, "every method of this block is a handler of its contract: write another block for this");
    }
    for signature in signatures {
        let returned = Returned::of(&signature.output);
        let Some(ty) = returned.value else { continue };
        if returned.is_stream && types::stream_item(ty).is_none() {
            errors.on(ty, "a contract says what the items are: say it here too, with `Item = T`");
        } else if let (false, Type::ImplTrait(opaque)) = (returned.is_stream, types::peel(ty)) {
            errors.on(opaque, "a contract says which type this is: name it");
        }
    }
}
