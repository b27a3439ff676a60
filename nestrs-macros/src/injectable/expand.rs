//! `Injectable` for a struct: what it depends on, and how it is put together.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Expr;

use super::model::{Filled, Filling, Provided, Shape};
use crate::types::spot;

pub(crate) fn expand(provided: &Provided) -> TokenStream {
    let dependencies = provided.fields.iter().filter_map(dependency);
    let is_used = provided.fields.iter().any(|field| dependency(field).is_some());
    // Not even an `#[inject(value = …)]` can name it: local names of a macro are the macro's own.
    let resolver = Ident::new(if is_used { "resolver" } else { "_resolver" }, Span::mixed_site());
    let values = provided.fields.iter().map(|field| value(field, &resolver));
    let built = match provided.shape {
        Shape::Unit => quote!(Self),
        Shape::Tuple => quote!(Self(#(#values),*)),
        Shape::Named => quote!(Self { #(#values),* }),
    };
    let scope = provided.scope.as_ref().map(scope);
    let metadata = metadata(&provided.metadata);
    let hooks = hooks(provided);
    let body = quote! {
        fn dependencies() -> ::std::vec::Vec<__nest::Dependency> {
            ::core::convert::From::from([#(#dependencies),*])
        }

        fn construct(
            #resolver: &__nest::Resolver<'_>,
        ) -> ::core::result::Result<Self, __nest::ResolveError> {
            ::core::result::Result::Ok(#built)
        }

        #scope
        #metadata
        #hooks
    };
    implementation(provided, &body)
}

fn scope(scope: &Ident) -> TokenStream {
    quote! {
        fn scope() -> __nest::ProviderScope {
            __nest::ProviderScope::#scope
        }
    }
}

fn metadata(values: &[Expr]) -> TokenStream {
    if values.is_empty() {
        return TokenStream::new();
    }
    quote! {
        fn metadata() -> ::std::vec::Vec<__nest::ProviderMetadata> {
            ::core::convert::From::from([#(__nest::ProviderMetadata::new(#values)),*])
        }
    }
}

/// The hooks that the type implements. With type parameters that cannot be told here, and it has none.
fn hooks(provided: &Provided) -> TokenStream {
    if provided.generics.type_params().next().is_some() {
        return TokenStream::new();
    }
    quote! {
        fn hooks() -> __nest::HookList<Self> {
            use __nest::{
                HasApplicationBootstrap as _, HasApplicationShutdown as _, HasBeforeShutdown as _,
                HasModuleDestroy as _, HasModuleInit as _, NoApplicationBootstrap as _, NoApplicationShutdown as _,
                NoBeforeShutdown as _, NoModuleDestroy as _, NoModuleInit as _,
            };
            let of = &__nest::HooksOf::<Self>::new();
            __nest::HookList::of([
                (__nest::Phase::ModuleInit, (&of).module_init()),
                (__nest::Phase::ApplicationBootstrap, (&of).application_bootstrap()),
                (__nest::Phase::ModuleDestroy, (&of).module_destroy()),
                (__nest::Phase::BeforeApplicationShutdown, (&of).before_shutdown()),
                (__nest::Phase::ApplicationShutdown, (&of).application_shutdown()),
            ])
        }
    }
}

/// For a struct that has errors: enough to be named as a provider.
pub(crate) fn placeholder(provided: &Provided) -> TokenStream {
    if !provided.is_static() {
        return TokenStream::new();
    }
    let body = quote! {
        fn dependencies() -> ::std::vec::Vec<__nest::Dependency> {
            ::std::vec::Vec::new()
        }

        fn construct(_: &__nest::Resolver<'_>) -> ::core::result::Result<Self, __nest::ResolveError> {
            loop {}
        }
    };
    implementation(provided, &body)
}

fn implementation(provided: &Provided, body: &TokenStream) -> TokenStream {
    let ident = &provided.ident;
    let (parameters, arguments, where_clause) = provided.generics.split_for_impl();
    let item = quote! {
        #[automatically_derived]
        impl #parameters __nest::Injectable for #ident #arguments #where_clause {
            #body
        }
    };
    provided.nest.scope(&provided.cfgs, &item)
}

fn dependency(field: &Filled) -> Option<TokenStream> {
    let Filled { label, cfgs, .. } = field;
    let dependency = match &field.filling {
        Filling::Shared { ty, name, optional } => {
            let optional = optional.then(|| quote!(.optional()));
            let asked = match name {
                None => quote!(required::<#ty>(#label)),
                Some(name) => quote!(named::<#ty>(#label, #name)),
            };
            quote_spanned!(spot(ty)=> __nest::Dependency::#asked #optional)
        }
        Filling::Cloned { ty, name } => {
            quote_spanned!(spot(ty)=> __nest::Dependency::named::<#ty>(#label, #name))
        }
        Filling::Default(_) | Filling::Value(_) => return None,
    };
    Some(quote!(#(#cfgs)* #dependency))
}

fn value(field: &Filled, resolver: &Ident) -> TokenStream {
    let value = match &field.filling {
        Filling::Shared { ty, name, optional } => {
            let span = spot(ty);
            match (name, optional) {
                (None, false) => quote_spanned!(span=> #resolver.required::<#ty>()?),
                (None, true) => quote_spanned!(span=> #resolver.optional::<#ty>()),
                (Some(name), false) => quote_spanned!(span=> #resolver.named::<#ty>(#name)?),
                (Some(name), true) => quote_spanned!(span=> #resolver.optional_named::<#ty>(#name)),
            }
        }
        Filling::Cloned { ty, name } => {
            quote_spanned!(spot(ty)=> ::core::clone::Clone::clone(&*#resolver.named::<#ty>(#name)?))
        }
        Filling::Default(ty) => quote_spanned!(spot(ty)=> __nest::defaulted::<#ty>()),
        Filling::Value(value) => value.to_token_stream(),
    };
    let Filled { ident, cfgs, .. } = field;
    let label = ident.as_ref().map(|ident| quote!(#ident:));
    quote!(#(#cfgs)* #label #value)
}
