//! The arguments of a call: `let arg0 = …;`, and what they need from the container.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, LitStr, Type};

use super::argument::{Argument, Pipe, Source};
use super::model::Handler;
use crate::paths::located;
use crate::types::{self, spot, without_self};

/// `let arg0 = …;` for the arguments whose source is `wanted`.
pub(crate) fn bindings(
    handler: &Handler,
    service: &Type,
    wanted: impl Fn(&Source) -> bool,
    cx: &TokenStream,
) -> TokenStream {
    let mut bound = 0;
    let mut bindings = TokenStream::new();
    for (index, argument) in handler.arguments.iter().enumerate() {
        let first = bound;
        bound += needs(argument);
        if !wanted(&argument.source) {
            continue;
        }
        let name = format_ident!("arg{index}");
        let ty = without_self(&argument.ty, service);
        let value = match &argument.source {
            Source::RawPayload => quote!(::core::clone::Clone::clone(payload)),
            Source::Inject(_) => {
                let needed = needed(first);
                quote!(::core::clone::Clone::clone(&#needed))
            }
            _ if argument.pipes.is_empty() => read(argument, service, cx),
            _ => piped(argument, service, first, cx),
        };
        bindings.extend(match &argument.source {
            Source::RawPayload | Source::Inject(_) => quote!(let #name: #ty = #value;),
            _ if !argument.pipes.is_empty() => quote!(let #name = #value;),
            _ => quote_spanned!(spot(&argument.ty)=> let #name = #value;),
        });
    }
    bindings
}

/// An argument that goes through no pipe.
fn read(argument: &Argument, service: &Type, cx: &TokenStream) -> TokenStream {
    let span = spot(&argument.ty);
    let ty = without_self(&argument.ty, service);
    match &argument.source {
        Source::Property(name) => quote_spanned!(span=> __nest::property::<#ty>(payload, #name)?),
        Source::Header(name) => match types::only_argument(&argument.ty, "Option") {
            Some(inner) => {
                let inner = without_self(inner, service);
                quote_spanned!(span=> __nest::header_optional::<#inner>(#cx, #name)?)
            }
            None => quote_spanned!(span=> __nest::header::<#ty>(#cx, #name)?),
        },
        Source::Context => quote_spanned!(span=> <#ty as __nest::FromContext<'_>>::from_context(#cx)?),
        Source::SharedPayload => {
            let event = types::only_argument(&argument.ty, "Arc").map(|event| without_self(event, service));
            quote_spanned!(span=> __nest::decode_shared::<#event>(payload)?)
        }
        _ => quote_spanned!(span=> __nest::decode::<#ty>(payload)?),
    }
}

/// One that does: what the last of them makes is the argument's type, and decides what all before it take.
fn piped(argument: &Argument, service: &Type, mut bound: usize, cx: &TokenStream) -> TokenStream {
    // What the first pipe takes is its own business: if nothing can read that, the mistake is there.
    let span = argument.pipes.first().map_or_else(
        || spot(&argument.ty),
        |pipe| match pipe {
            Pipe::Type(ty) => spot(ty),
            Pipe::Value(value) => located(value.span()),
        },
    );
    let mut value = match &argument.source {
        Source::Property(name) => quote_spanned!(span=> __nest::property(payload, #name)?),
        Source::Header(name) => quote_spanned!(span=> __nest::header_input(#cx, #name)?),
        Source::Context => quote_spanned!(span=> __nest::FromContext::from_context(#cx)?),
        _ => quote_spanned!(span=> __nest::decode(payload)?),
    };
    for (index, pipe) in argument.pipes.iter().enumerate() {
        let (pipe, span) = match pipe {
            Pipe::Type(ty) => {
                let built = needed(bound);
                bound += 1;
                (quote!(&*#built), spot(ty))
            }
            Pipe::Value(value) => {
                let tokens = without_self(value, service);
                let is_simple =
                    matches!(**value, Expr::Call(_) | Expr::MethodCall(_) | Expr::Struct(_) | Expr::Path(_));
                let tokens = if is_simple { tokens } else { quote!((#tokens)) };
                (quote!(&#tokens), located(value.span()))
            }
        };
        let made = if index + 1 == argument.pipes.len() { without_self(&argument.ty, service) } else { quote!(_) };
        value = quote_spanned!(span=> __nest::piped::<_, #made>(#pipe, #cx, #value).await?);
    }
    value
}

/// How many things an argument needs from the container.
fn needs(argument: &Argument) -> usize {
    usize::from(matches!(argument.source, Source::Inject(_))) + argument.built_pipes().count()
}

pub(crate) fn builds_pipes(handler: &Handler) -> bool {
    handler.arguments.iter().any(|argument| argument.built_pipes().next().is_some())
}

pub(crate) fn uses_context(handler: &Handler) -> bool {
    let uses = |argument: &Argument| {
        matches!(argument.source, Source::Context | Source::Header(_)) || !argument.pipes.is_empty()
    };
    handler.arguments.iter().any(uses)
}

fn is_bound(handler: &Handler) -> bool {
    handler.arguments.iter().any(|argument| needs(argument) > 0)
}

/// Where a thunk finds what an argument needs: third in `(first, (second, (third, ())))` is `.1.1.0`.
fn needed(index: usize) -> TokenStream {
    let (rest, first) = (Literal::usize_unsuffixed(1), Literal::usize_unsuffixed(0));
    let rests = std::iter::repeat_n(quote!(.#rest), index);
    quote!(svc.arguments #(#rests)* .#first)
}

/// The service that a thunk is called on.
pub(crate) fn service(handler: &Handler, svc: &TokenStream) -> TokenStream {
    if is_bound(handler) { quote!(&svc.service) } else { svc.clone() }
}

/// What a thunk is called on.
pub(crate) fn target(handler: &Handler, service: &Type) -> TokenStream {
    if !is_bound(handler) {
        return service.to_token_stream();
    }
    let types = handler.arguments.iter().flat_map(|argument| {
        let injected = matches!(argument.source, Source::Inject(_)).then(|| without_self(&argument.ty, service));
        let pipes = argument.built_pipes().map(|ty| without_self(ty, service));
        injected.into_iter().chain(pipes.map(|ty| quote!(::std::sync::Arc<#ty>)))
    });
    let list = list(types.collect());
    quote!(__nest::Bound<#service, #list>)
}

/// The function that mounts a handler, and what it is given beside the stages.
pub(crate) fn mount(handler: &Handler, service: &Type) -> (Ident, TokenStream) {
    if !is_bound(handler) {
        return (Ident::new("mount", Span::call_site()), TokenStream::new());
    }
    let mut declared = Vec::new();
    for argument in &handler.arguments {
        if let Source::Inject(name) = &argument.source {
            declared.push(inject(argument, name.as_ref(), service));
        }
        declared.extend(argument.built_pipes().map(|ty| {
            let method = Ident::new("argument_pipe", spot(ty));
            let ty = without_self(ty, service);
            quote!((&&__nest::Stage::<#ty>::new()).#method())
        }));
    }
    let list = list(declared);
    (Ident::new("mount_with", Span::call_site()), quote!(#list,))
}

/// A provider, declared as a field would be.
fn inject(argument: &Argument, name: Option<&LitStr>, service: &Type) -> TokenStream {
    let label = format!("its argument `{}`", argument.label);
    let optional = types::only_argument(&argument.ty, "Option").and_then(|ty| types::only_argument(ty, "Arc"));
    let shared = types::only_argument(&argument.ty, "Arc").or(optional);
    let ty = shared.unwrap_or(&argument.ty);
    let span = spot(ty);
    let ty = without_self(ty, service);
    let dependency = match name {
        None => quote_spanned!(span=> __nest::Dependency::required::<#ty>(#label)),
        Some(name) => quote_spanned!(span=> __nest::Dependency::named::<#ty>(#label, #name)),
    };
    let (dependency, value) = match (name, optional, shared) {
        (None, Some(_), _) => (
            quote!(#dependency.optional()),
            quote_spanned!(span=> ::core::result::Result::Ok(resolver.optional::<#ty>())),
        ),
        (Some(name), Some(_), _) => (
            quote!(#dependency.optional()),
            quote_spanned!(span=> ::core::result::Result::Ok(resolver.optional_named::<#ty>(#name))),
        ),
        (None, None, _) => (dependency, quote_spanned!(span=> resolver.required::<#ty>())),
        (Some(name), None, Some(_)) => (dependency, quote_spanned!(span=> resolver.named::<#ty>(#name))),
        (Some(name), None, None) => (
            dependency,
            quote_spanned!(span=> {
                let shared = resolver.named::<#ty>(#name)?;
                ::core::result::Result::Ok(::core::clone::Clone::clone(&*shared))
            }),
        ),
    };
    quote!(__nest::Inject::new(|| #dependency, |resolver| #value))
}

/// `(first, (second, ()))`
fn list(items: Vec<TokenStream>) -> TokenStream {
    items.into_iter().rev().fold(quote!(()), |list, item| quote!((#item, #list)))
}
