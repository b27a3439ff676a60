//! A function that makes an axum route, and a row, per route; one table per block.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{LitStr, Type};

use super::model::{Controller, Method, Route};
use crate::attrs;
use crate::block::handler_name;
use crate::paths::located;
use crate::signature;
use crate::stages::{self, KINDS};
use crate::types::{Returned, spot, without_self};

pub(crate) fn expand(controller: &Controller) -> TokenStream {
    let service = &*controller.item.self_ty;
    let prefix = text(controller.prefix.as_ref());
    let routes = || controller.methods.iter().flat_map(|method| method.routes.iter().map(move |route| (method, route)));
    let makers = routes().map(|(method, route)| maker(method, route, service));
    let rows = routes().map(|(method, route)| row(controller, method, route));
    let around = controller.methods.iter().map(|method| &method.stages).chain([&controller.stages]);
    let traits = stages::imports(around);
    let items = quote! {
        use __nest::http::{
            AxumError as _, AxumResponse as _, CallError as _, EmptyResponse as _, FallibleResponse as _,
            JsonResponse as _, PlainResponse as _,
        };
        #traits

        #(#makers)*

        struct __Block;

        #[automatically_derived]
        impl __nest::http::HttpRoutes for __Block {
            type Service = #service;
            const PREFIX: &'static str = #prefix;
            const ROUTES: &'static [__nest::http::RouteDef<#service>] = &[#(#rows),*];
        }

        #[__nest::linkme::distributed_slice(__nest::http::ROUTES)]
        #[linkme(crate = __nest::linkme)]
        static __SET: __nest::http::RouteSet = __nest::http::RouteSet::of::<__Block>();
    };
    controller.nest.scope(&controller.item.attrs, &items)
}

fn text(path: Option<&LitStr>) -> String {
    path.map(LitStr::value).unwrap_or_default()
}

/// `Method::Get` of `get`.
fn variant(verb: &str) -> Ident {
    let mut name = verb.to_owned();
    name[..1].make_ascii_uppercase();
    Ident::new(&name, Span::call_site())
}

/// A method may answer several verbs, so its name alone does not name its route.
fn maker_name(method: &Method, route: &Route) -> Ident {
    format_ident!("{}_{}", route.verb, method.signature.ident.unraw())
}

fn row(controller: &Controller, method: &Method, route: &Route) -> TokenStream {
    let service = &*controller.item.self_ty;
    let cfgs = attrs::cfgs(&method.others);
    let verb = variant(&route.verb);
    let path = text(route.path.as_ref());
    let name = handler_name(service, &method.signature.ident);
    let maker = maker_name(method, route);
    let mut specs = TokenStream::new();
    for (kind, of) in KINDS {
        let add = Ident::new(kind, Span::call_site());
        for spec in stages::specs(kind, of, &controller.stages, &method.stages, service) {
            specs.extend(quote!(.#add(#spec)));
        }
    }
    let enhanced = (!specs.is_empty()).then(|| quote!(.enhanced(|| __nest::EnhancerSpecs::default() #specs)));
    let metadata = stages::metadata(&controller.stages, &method.stages);
    let timeout = method.limits.timeout(service);
    quote! {
        #(#cfgs)*
        __nest::http::RouteDef::new(__nest::http::Method::#verb, #path, #name, #maker) #enhanced #metadata #timeout
    }
}

/// The method as an axum handler: its arguments are extractors, its value becomes a response.
fn maker(method: &Method, route: &Route, service: &Type) -> TokenStream {
    let cfgs = attrs::cfgs(&method.others);
    let name = maker_name(method, route);
    let verb = variant(&route.verb);
    let ident = &method.signature.ident;
    let arguments = || signature::arguments(&method.signature).enumerate();
    let names: Vec<_> = arguments().map(|(index, _)| format_ident!("arg{index}")).collect();
    // Only the last one may take the body.
    let extracted = arguments().map(|(index, argument)| {
        let name = &names[index];
        let ty = without_self(&argument.ty, service);
        let span = spot(&argument.ty);
        let extracted = if index + 1 == names.len() {
            quote_spanned!(span=> __nest::http::extract::<#ty, _>(request))
        } else {
            quote_spanned!(span=> __nest::http::extract_part::<#ty>(&mut request))
        };
        quote! {
            let #name = match #extracted.await {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(refusal) => return refusal,
            };
        }
    });
    let dot_await = method.signature.asyncness.map(|_| quote!(.await));
    let call = quote!(<#service>::#ident(&svc #(, #names)*) #dot_await);
    let body = response(&Returned::of(&method.signature.output), &call);
    // A method whose future is not `Send`, or an argument that is no extractor, is an error on its name.
    let made = quote_spanned! {located(ident.span())=>
        __nest::http::route(__nest::http::Method::#verb, move |mut request: __nest::http::Request| {
            let svc = ::core::clone::Clone::clone(&svc);
            async move {
                // A request-scoped service lives on the context, which is held until the call ends.
                let (svc, _cx) = match __nest::http::service(&svc, &mut request) {
                    ::core::result::Result::Ok(service) => service,
                    ::core::result::Result::Err(refusal) => return refusal,
                };
                #(#extracted)*
                #body
            }
        })
    };
    quote! {
        #(#cfgs)*
        fn #name(svc: __nest::http::ServiceSource<#service>) -> __nest::http::MethodRouter {
            #made
        }
    }
}

fn response(returned: &Returned<'_>, call: &TokenStream) -> TokenStream {
    let span = returned.value.map_or_else(Span::call_site, spot);
    let respond = quote_spanned! {span=>
        let kind = (&&&&__nest::http::ResponseOf(&value)).kind();
        kind.respond(value)
    };
    let error_span = returned.error.map_or(span, spot);
    let respond_error = quote_spanned! {error_span=>
        let kind = (&&__nest::http::ErrorOf(&error)).kind();
        kind.respond(error)
    };
    let outcome = match returned.error {
        Some(_) => call.clone(),
        // The type may be an alias of a `Result`, which its values know.
        None => quote_spanned! {span=> {
            let outcome = #call;
            let kind = (&&__nest::http::ResponseOutcomeOf(&outcome)).kind();
            kind.split(outcome)
        }},
    };
    quote! {
        match #outcome {
            ::core::result::Result::Ok(value) => { #respond }
            ::core::result::Result::Err(error) => { #respond_error }
        }
    }
}
