//! The trait with its table, and a client whose methods send what the table says.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, Pat, TraitItem};

use super::model::{Contract, Kind, Method, Reply, Value};
use crate::attrs;
use crate::paths::located;
use crate::source::source;
use crate::types::spot;

pub(crate) fn expand(contract: &Contract) -> TokenStream {
    let declared = declared(contract);
    let client = client(contract);
    quote!(#declared #client)
}

/// The trait: as it is written, with a table that has a row per method.
fn declared(contract: &Contract) -> TokenStream {
    let mut item = contract.item.clone();
    let private = contract.nest.private();
    let client = client_name(contract);
    let rows = contract.methods.iter().map(row);
    let import = contract.nest.import();
    item.colon_token = Some(Default::default());
    item.supertraits.push(syn::parse_quote!(#private::ContractBlock));
    item.attrs.push(syn::parse_quote!(#[doc = ""]));
    let served = format!(
        "A contract: `#[micro_routes(contract = {})]` serves it, [`{client}`] calls it. Its methods are not called \
         themselves.",
        item.ident
    );
    item.attrs.push(syn::parse_quote!(#[doc = #served]));
    // The futures of these methods do not exist, so it does not matter whether they could be sent between threads.
    item.attrs.push(syn::parse_quote!(
        #[allow(async_fn_in_trait, dead_code, reason = "nobody calls the methods of a contract")]
    ));
    let declarations = item.items.iter_mut().filter_map(|part| match part {
        TraitItem::Fn(declared) => Some(declared),
        _ => None,
    });
    for (declared, method) in declarations.zip(&contract.methods) {
        // The attribute is gone, and what it said is what other services want to read.
        let patterns = method.patterns.iter().map(|pattern| format!("`{}`", source(&pattern.tokens)));
        let patterns = patterns.collect::<Vec<_>>().join(", ");
        let pattern = match method.kind {
            Kind::Message => format!("Message {patterns}."),
            Kind::Event => format!("Event {patterns}. A handler returns what it likes."),
        };
        declared.attrs.push(syn::parse_quote!(#[doc = ""]));
        declared.attrs.push(syn::parse_quote!(#[doc = #pattern]));
        if method.kind == Kind::Event {
            declared.sig.output = syn::parse_quote!(-> impl ::core::marker::Sized);
        }
    }
    item.items.push(syn::parse_quote! {
        #[doc(hidden)]
        const CONTRACT: &'static [#private::ContractMethod] = {
            #import
            &[#(#rows),*]
        };
    });
    item.into_token_stream()
}

fn row(method: &Method) -> TokenStream {
    let cfgs = attrs::cfgs(&method.others);
    let kind = match method.kind {
        Kind::Message => quote!(Message),
        Kind::Event => quote!(Event),
    };
    let name = method.name().unraw().to_string();
    let patterns = &method.patterns;
    quote! {
        #(#cfgs)*
        __nest::ContractMethod { name: #name, kind: __nest::HandlerKind::#kind, patterns: &[#(#patterns),*] }
    }
}

/// `OrdersClient` of `Orders`.
fn client_name(contract: &Contract) -> Ident {
    let name = &contract.item.ident;
    Ident::new(&format!("{}Client", name.unraw()), name.span())
}

fn client(contract: &Contract) -> TokenStream {
    let (name, trait_name, visibility) = (client_name(contract), &contract.item.ident, &contract.item.vis);
    let private = contract.nest.private();
    let cfgs = attrs::cfgs(&contract.item.attrs);
    let about = format!("Calls the contract [`{trait_name}`] over a `ClientProxy`. Clones share its connection.");
    let registered = match &contract.client {
        Some(client) => format!("As a provider it takes the client registered as `{}`.", client.value()),
        None => "As a provider it takes the only client in sight.".to_owned(),
    };
    let is_named = match &contract.client {
        Some(client) => quote!(::core::option::Option::Some(#client)),
        None => quote!(::core::option::Option::None),
    };
    let methods = contract.methods.iter().map(|method| client_method(contract, method));
    let checks = contract.methods.iter().filter_map(check_aliases);
    let items = quote! {
        impl #name {
            /// A client whose calls go over `proxy`.
            #[must_use]
            #[allow(dead_code, reason = "most clients are made by the container")]
            #visibility fn new(proxy: __nest::client::ClientProxy) -> Self {
                Self { proxy }
            }

            #(#methods)*
        }

        #[automatically_derived]
        impl __nest::client::ContractClient for #name {
            const CLIENT: ::core::option::Option<&'static str> = #is_named;
            fn proxy(&self) -> &__nest::client::ClientProxy {
                &self.proxy
            }
        }

        #[automatically_derived]
        impl ::core::convert::From<__nest::client::ClientProxy> for #name {
            fn from(proxy: __nest::client::ClientProxy) -> Self {
                Self { proxy }
            }
        }

        #[automatically_derived]
        impl __nest::Injectable for #name {
            fn dependencies() -> ::std::vec::Vec<__nest::Dependency> {
                __nest::client::dependencies::<Self>()
            }
            fn construct(resolver: &__nest::Resolver<'_>) -> ::core::result::Result<Self, __nest::ResolveError> {
                __nest::client::construct(resolver)
            }
        }

        #(#checks)*
    };
    let scope = contract.nest.scope(&contract.item.attrs, &items);
    quote! {
        #(#cfgs)*
        #[doc = #about]
        #[doc = ""]
        #[doc = #registered]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #[allow(dead_code, reason = "a server has no use for it")]
        #visibility struct #name {
            proxy: #private::client::ClientProxy,
        }

        #scope
    }
}

/// The attributes that hold for a call as well.
fn passed_on(method: &Method) -> impl Iterator<Item = &Attribute> {
    method.others.iter().filter(|attribute| attrs::is_one_of(attribute, &["doc", "cfg", "deprecated"]))
}

fn client_method(contract: &Contract, method: &Method) -> TokenStream {
    let attributes = passed_on(method);
    let visibility = &contract.item.vis;
    let name = method.name();
    let about = about(method);
    let docs = quote!(#(#[doc = #about])*);
    let argument = method.signature.inputs.iter().find_map(|input| match input {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    });
    let payload = match argument.map(|argument| &*argument.pat) {
        None => quote!(()),
        Some(Pat::Ident(name)) => name.ident.to_token_stream(),
        Some(_) => quote!(payload),
    };
    let parameter = method.payload.as_ref().map(|ty| quote!(, #payload: #ty));
    let payload_type = match &method.payload {
        Some(ty) => ty.to_token_stream(),
        None => quote!(()),
    };
    let literal = method.patterns.first();
    let (verb, returned) = match (method.kind, &method.reply) {
        (Kind::Event, _) => (quote!(emit::<#payload_type>), quote!(())),
        (Kind::Message, Reply::Nothing) => (quote!(send::<#payload_type, ()>), quote!(())),
        (Kind::Message, Reply::One(Value { ty, .. })) => (quote!(send::<#payload_type, #ty>), quote!(#ty)),
        (Kind::Message, Reply::Many(Value { ty, .. })) => {
            (quote!(send_stream::<#payload_type, #ty>), quote!(__nest::client::ReplyItems<#ty>))
        }
    };
    let span = located(name.span());
    quote_spanned! {span=>
        #(#attributes)*
        #docs
        #[allow(dead_code, reason = "a contract has what any of its clients calls")]
        #visibility async fn #name(&self #parameter) -> ::core::result::Result<#returned, __nest::TransportError> {
            static __PATTERN: __nest::LiteralPattern = __nest::LiteralPattern::new(#literal);
            __nest::client::#verb(self, &__PATTERN, #payload).await
        }
    }
}

/// The lines that follow the user's own.
fn about(method: &Method) -> Vec<String> {
    let pattern = method.patterns.first().map(|pattern| source(&pattern.tokens)).unwrap_or_default();
    let (call, errors) = match (method.kind, &method.reply) {
        (Kind::Event, _) => (format!("Emits the event `{pattern}`."), "As `ClientProxy::emit`."),
        (Kind::Message, Reply::Many(_)) => {
            (format!("Sends `{pattern}`; answered by any number of values."), "As `ClientProxy::send_stream`.")
        }
        (Kind::Message, _) => (format!("Sends `{pattern}` and waits for the answer."), "As `ClientProxy::send`."),
    };
    let docs = method.others.iter().filter(|attribute| attrs::is_one_of(attribute, &["doc"]));
    let docs: Vec<String> = docs.map(|attribute| source(&attribute.meta)).collect();
    let mut lines = Vec::new();
    if !docs.is_empty() {
        lines.push(String::new());
    }
    lines.push(call);
    if !docs.iter().any(|line| line.contains("# Errors")) {
        lines.extend(["".to_owned(), "# Errors".to_owned(), errors.to_owned()]);
    }
    lines
}

/// An alias of a `Result` would be read as one from the reply, where there is but its value.
fn check_aliases(method: &Method) -> Option<TokenStream> {
    let (Reply::One(value) | Reply::Many(value)) = &method.reply else { return None };
    let ty = value.is_plain.then_some(&value.ty)?;
    let cfgs = attrs::cfgs(&method.others);
    let message = format!("write the result out: `Result<T, E>` in place of `{}`", source(ty));
    let is_result = quote_spanned!(spot(ty)=> __nest::IsResult::<#ty>::YES);
    let check = quote_spanned!(spot(ty)=> ::core::assert!(!#is_result, #message));
    Some(quote! {
        #(#cfgs)*
        const _: () = {
            #[allow(unused_imports, reason = "it is used where the type is no `Result`")]
            use __nest::NoResult as _;
            #check
        };
    })
}
