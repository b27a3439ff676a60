//! A thunk and a row per handler, one table per block.
//!
//! Behaviour lives in nestrs-core; what is written here only calls it, as a person would by hand. The one thing that
//! cannot be a function is choosing an implementation by the type of an expression: that takes a method call, and as
//! many `&` as there are choices (`Stage` and `ReplyOf` in nestrs-core say which).

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;

use super::model::{Argument, Handler, Kind, Routes, Source};
use crate::attrs::{self, Stages};
use crate::block::handler_name;
use crate::paths::located;
use crate::types::{self, Returned, spot, without_self};

pub(crate) fn expand(routes: &Routes) -> TokenStream {
    let service = &*routes.item.self_ty;
    let thunks = routes.handlers.iter().map(|handler| thunk(handler, service));
    let rows = routes.handlers.iter().map(|handler| row(handler, routes));
    let traits = stage_traits(routes);
    let items = quote! {
        use __nest::{
            EmptyReply as _, FallibleOutcome as _, PlainOutcome as _, StreamReply as _, TryStreamReply as _,
            ValueReply as _,
        };
        #traits

        #(#thunks)*

        struct __Block;

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

/// The ways to obtain the kinds of stage that the block uses.
fn stage_traits(routes: &Routes) -> TokenStream {
    let all = || routes.handlers.iter().map(|handler| &handler.stages).chain([&routes.stages]);
    let traits = |kind: &str| {
        let [injectable, default, documented, other] =
            ["Injectable", "Default", "Documented", "No"].map(|way| format_ident!("{way}{kind}"));
        quote!(use __nest::{#injectable as _, #default as _, #documented as _, #other as _};)
    };
    let mut uses = TokenStream::new();
    if all().any(|stages| !stages.interceptors.is_empty()) {
        uses.extend(traits("Interceptor"));
    }
    if all().any(|stages| !stages.guards.is_empty()) {
        uses.extend(traits("Guard"));
    }
    if all().any(|stages| !stages.pipes.is_empty()) {
        uses.extend(traits("Pipe"));
    }
    uses
}

/// The handler's row in the table.
fn row(handler: &Handler, routes: &Routes) -> TokenStream {
    let cfgs = attrs::cfgs(&handler.others);
    let constructor = match handler.kind {
        Kind::Message => quote!(message),
        Kind::Event => quote!(event),
        Kind::Bus => quote!(bus),
    };
    let method = &handler.signature.ident;
    let service = &*routes.item.self_ty;
    let name = handler_name(service, method);
    let patterns = handler.patterns.iter().map(|pattern| without_self(pattern, service));
    let list = |kind: &str, of: fn(&Stages) -> &Vec<Type>| {
        let types = of(&routes.stages).iter().chain(of(&handler.stages));
        stages(kind, types.rev(), service)
    };
    let interceptors = list("interceptor", |stages| &stages.interceptors);
    let guards = list("guard", |stages| &stages.guards);
    let pipes = list("pipe", |stages| &stages.pipes);
    quote! {
        #(#cfgs)*
        __nest::HandlerDef::#constructor(&[#(#patterns),*], #name, |mounting| {
            __nest::mount(mounting, #interceptors, #guards, #pipes, #method)
        })
    }
}

/// `(first, (second, ()))` of stages that come last first.
fn stages<'a>(kind: &str, types: impl Iterator<Item = &'a Type>, service: &Type) -> TokenStream {
    types.fold(quote!(()), |list, ty| {
        let method = Ident::new(kind, spot(ty));
        let ty = without_self(ty, service);
        quote!(((&&&&__nest::Stage::<#ty>::new()).#method(), #list))
    })
}

/// The method behind the signature that all thunks share.
fn thunk(handler: &Handler, service: &Type) -> TokenStream {
    let returned = Returned::of(&handler.signature.output);
    let cfgs = attrs::cfgs(&handler.others);
    let method = &handler.signature.ident;
    let arguments_from_payload = handler.arguments.iter().any(|argument| argument.source != Source::Context);
    let uses = |source| handler.arguments.iter().any(|argument| argument.source == source);
    let used_or_not = |name: &str, is_used| if is_used { format_ident!("{name}") } else { format_ident!("_{name}") };
    let cx = used_or_not("cx", uses(Source::Context));
    let payload = used_or_not("payload", arguments_from_payload);
    let body =
        if returned.is_stream { stream_body(handler, service, &returned) } else { body(handler, service, &returned) };
    // A method whose future is not `Send` is an error on its name.
    let boxed = quote_spanned!(located(method.span())=> ::std::boxed::Box::pin(async move { #body }));
    quote! {
        #(#cfgs)*
        fn #method<'a>(
            svc: &'a ::std::sync::Arc<#service>,
            #cx: &'a __nest::ExecutionContext,
            #payload: __nest::Payload,
        ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
            #boxed
        }
    }
}

/// Arguments, the call, and its value as a reply.
fn body(handler: &Handler, service: &Type, returned: &Returned<'_>) -> TokenStream {
    let arguments = bindings(handler, service, |_| true, &quote!(cx));
    let call = call(handler, service, &quote!(svc));
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
/// The payload is decoded before, so that one that does not fit is a plain error and no stream.
fn stream_body(handler: &Handler, service: &Type, returned: &Returned<'_>) -> TokenStream {
    let is_context = |source| source == Source::Context;
    let payload = bindings(handler, service, |source| !is_context(source), &TokenStream::new());
    let context = bindings(handler, service, is_context, &quote!(&cx));
    let owned_context = (!context.is_empty()).then(|| quote!(let cx = ::core::clone::Clone::clone(cx);));
    let mut stream = call(handler, service, &quote!(&svc));
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

/// `let arg0 = …;` for the arguments whose source is `wanted`.
fn bindings(handler: &Handler, service: &Type, wanted: impl Fn(Source) -> bool, cx: &TokenStream) -> TokenStream {
    let bind = |(index, argument): (usize, &Argument)| {
        let name = format_ident!("arg{index}");
        let span = spot(&argument.ty);
        let ty = without_self(&argument.ty, service);
        match argument.source {
            Source::RawPayload => quote!(let #name: #ty = payload;),
            Source::Payload => quote_spanned!(span=> let #name = __nest::decode::<#ty>(&payload)?;),
            Source::SharedPayload => {
                let event = types::only_argument(&argument.ty, "Arc").map(|event| without_self(event, service));
                quote_spanned!(span=> let #name = __nest::decode_shared::<#event>(&payload)?;)
            }
            Source::Context => {
                quote_spanned!(span=> let #name = <#ty as __nest::FromContext<'_>>::from_context(#cx)?;)
            }
        }
    };
    let arguments = handler.arguments.iter().enumerate();
    arguments.filter(|(_, argument)| wanted(argument.source)).map(bind).collect()
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
