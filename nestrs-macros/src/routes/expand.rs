//! A thunk and a row per handler, one table per block.
//!
//! Behaviour lives in nestrs-core; what is written here only calls it, as a person would by hand. The one thing that
//! cannot be a function is choosing an implementation by the type of an expression: that takes a method call, and as
//! many `&` as there are choices (`Stage` and `ReplyOf` in nestrs-core say which).

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;

use super::argument::Source;
use super::bind;
use super::model::{Handler, Kind, Routes};
use crate::attrs;
use crate::block::handler_name;
use crate::contract;
use crate::paths::located;
use crate::stages::{self, KINDS};
use crate::types::{Returned, spot, without_self};

pub(crate) fn expand(routes: &Routes) -> TokenStream {
    let service = &*routes.item.self_ty;
    let thunks = routes.handlers.iter().map(|handler| thunk(handler, service));
    let rows = routes.handlers.iter().map(|handler| row(handler, routes));
    let around = routes.handlers.iter().map(|handler| &handler.stages).chain([&routes.stages]);
    let mut traits = stages::imports(around);
    if routes.handlers.iter().any(bind::builds_pipes) {
        traits.extend(quote!(
            use __nest::{DefaultArgumentPipe as _, InjectableArgumentPipe as _};
        ));
    }
    let conformance = conformance(routes);
    let items = quote! {
        use __nest::{
            EmptyReply as _, FallibleOutcome as _, PlainOutcome as _, StreamReply as _, TryStreamReply as _,
            ValueReply as _,
        };
        #traits

        #(#thunks)*

        struct __Block;

        #conformance

        #[automatically_derived]
        impl __nest::MicroRoutes for __Block {
            type Service = #service;
            const HANDLERS: &'static [__nest::HandlerDef] = &[#(#rows),*];
        }

        #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
        #[linkme(crate = __nest::linkme)]
        static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
    };
    routes.nest.scope(&routes.item.attrs, &items)
}

/// What shows the compiler that the block and its contract agree.
fn conformance(routes: &Routes) -> Option<TokenStream> {
    let contract = routes.contract.as_ref()?;
    let served = routes.handlers.iter().map(|handler| contract::Served {
        signature: &handler.signature,
        attributes: &handler.others,
        payload: handler.payload(),
    });
    Some(contract::conformance(contract, &routes.item, served))
}

/// The handler's row in the table.
fn row(handler: &Handler, routes: &Routes) -> TokenStream {
    let cfgs = attrs::cfgs(&handler.others);
    let constructor = match handler.kind {
        Kind::Message => quote!(message),
        Kind::Event => quote!(event),
        Kind::Bus => quote!(bus),
        Kind::Contract => quote!(contracted),
    };
    let method = &handler.signature.ident;
    let service = &*routes.item.self_ty;
    let name = handler_name(service, method);
    let setters = without_self(handler.options.setters(), service);
    let patterns = match &routes.contract {
        None => {
            let patterns = handler.patterns.iter().map(|pattern| without_self(pattern, service));
            quote!(&[#(#patterns),*])
        }
        Some(_) => {
            let name = method.unraw().to_string();
            quote!(__nest::ContractMethod::find(__CONTRACT, #name))
        }
    };
    // `(first, (second, ()))`
    let lists = KINDS.map(|(kind, of)| {
        let specs = stages::specs(kind, of, &routes.stages, &handler.stages, service);
        specs.into_iter().rev().fold(quote!(()), |list, spec| quote!((#spec, #list)))
    });
    let (mount, arguments) = bind::mount(handler, service);
    let metadata = stages::metadata(&routes.stages, &handler.stages);
    let limits = handler.limits.setters(service);
    quote! {
        #(#cfgs)*
        __nest::HandlerDef::#constructor(#patterns, #name, |mounting| {
            __nest::#mount(mounting, #arguments #(#lists),*, #method)
        }) #setters #metadata #limits
    }
}

/// The method behind the signature that all thunks share.
fn thunk(handler: &Handler, service: &Type) -> TokenStream {
    let returned = Returned::of(&handler.signature.output);
    let cfgs = attrs::cfgs(&handler.others);
    let method = &handler.signature.ident;
    let uses = |sources: fn(&Source) -> bool| handler.arguments.iter().any(|argument| sources(&argument.source));
    let used_or_not = |name: &str, is_used| if is_used { format_ident!("{name}") } else { format_ident!("_{name}") };
    let cx = used_or_not("cx", bind::uses_context(handler));
    let payload = used_or_not(
        "payload",
        uses(|it| matches!(it, Source::Payload | Source::RawPayload | Source::SharedPayload | Source::Property(_))),
    );
    let target = bind::target(handler, service);
    let body =
        if returned.is_stream { stream_body(handler, service, &returned) } else { body(handler, service, &returned) };
    // A method whose future is not `Send` is an error on its name.
    let boxed = quote_spanned!(located(method.span())=> ::std::boxed::Box::pin(async move { #body }));
    quote! {
        #(#cfgs)*
        fn #method<'a>(
            svc: &'a ::std::sync::Arc<#target>,
            #cx: &'a __nest::ExecutionContext,
            #payload: &'a __nest::Payload,
        ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
            #boxed
        }
    }
}

/// Arguments, the call, and its value as a reply.
fn body(handler: &Handler, service: &Type, returned: &Returned<'_>) -> TokenStream {
    let arguments = bind::bindings(handler, service, |_| true, &quote!(cx));
    let call = call(handler, service, &bind::service(handler, &quote!(svc)));
    let span = value_span(returned);
    let reply = quote_spanned! {span=>
        let kind = (&&&&__nest::ReplyOf(&value)).kind();
        kind.reply(value)
    };
    let Some(error) = returned.error else {
        // The type may be an alias of a `Result`, which its values know.
        let split = quote_spanned! {span=>
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
        };
        return quote! { #arguments let outcome = #call; #split #reply };
    };
    let error = convert_error(error);
    quote! {
        #arguments
        match #call {
            ::core::result::Result::Ok(value) => { #reply }
            ::core::result::Result::Err(error) => ::core::result::Result::Err(#error),
        }
    }
}

/// The same for a stream, which may borrow from the service and from the context: a block that owns both drives it.
///
/// All but those from the context are made before, so that a payload that does not fit is a plain error and no stream.
fn stream_body(handler: &Handler, service: &Type, returned: &Returned<'_>) -> TokenStream {
    let is_context = |source: &Source| matches!(source, Source::Context);
    let payload = bind::bindings(handler, service, |source| !is_context(source), &quote!(cx));
    let context = bind::bindings(handler, service, is_context, &quote!(&cx));
    let owned_context = (!context.is_empty()).then(|| quote!(let cx = ::core::clone::Clone::clone(cx);));
    let mut stream = call(handler, service, &bind::service(handler, &quote!(&svc)));
    if let Some(error) = returned.error {
        let error = convert_error(error);
        stream = quote! {
            match #stream {
                ::core::result::Result::Ok(stream) => stream,
                ::core::result::Result::Err(error) => return ::core::result::Result::Err(#error),
            }
        };
    }
    let span = value_span(returned);
    // `driven` is bound first: as a last expression its temporaries would outlive the service they borrow from.
    let drive = quote_spanned! {span=>
        let kind = (&&&&__nest::ReplyOf(&stream)).kind();
        let driven = kind.drive(stream, &emitter).await;
        driven
    };
    quote! {
        #payload
        let svc = ::core::clone::Clone::clone(svc);
        #owned_context
        ::core::result::Result::Ok(__nest::Reply::Stream(__nest::generate(move |emitter| async move {
            #context
            let stream = #stream;
            #drive
        })))
    }
}

fn call(handler: &Handler, service: &Type, svc: &TokenStream) -> TokenStream {
    let method = &handler.signature.ident;
    let arguments = (0..handler.arguments.len()).map(|index| format_ident!("arg{index}"));
    let dot_await = handler.signature.asyncness.map(|_| quote!(.await));
    quote!(<#service>::#method(#svc #(, #arguments)*) #dot_await)
}

/// An error type that does not convert is an error on that type.
fn convert_error(ty: &Type) -> TokenStream {
    quote_spanned!(spot(ty)=> __nest::error(error))
}

fn value_span(returned: &Returned<'_>) -> Span {
    returned.value.map_or_else(Span::call_site, spot)
}
