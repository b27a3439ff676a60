//! What every method that the outside world calls must look like, whatever calls it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{FnArg, GenericParam, Pat, PatType, ReceiverKind, ReturnType, Safety, Signature, Type, TypeReference};

use crate::diag::Errors;
use crate::source::source;
use crate::types;

/// The arguments after `self`.
pub(crate) fn arguments(signature: &Signature) -> impl Iterator<Item = &PatType> {
    signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    })
}

/// Reports what keeps a shared service's method from being called with arguments made by nestrs.
pub(crate) fn check(signature: &Signature, errors: &mut Errors) {
    check_receiver(signature, errors);
    let name = &signature.ident;
    let expected = || right(signature);
    let parameters = &signature.generics.params;
    if parameters.iter().all(|parameter| matches!(parameter, GenericParam::Lifetime(_))) && !parameters.is_empty() {
        errors.on(parameters, "a handler has no lifetimes of its own: leave them out, or write `'_`");
    } else if !parameters.is_empty() {
        let message = format!("nobody could say what the parameters of `{name}` are: a handler is not generic");
        errors.on(parameters, message);
    }
    if let Some(constness) = signature.constness {
        errors.on(constness, format_args!("a handler is not `const`: write `{}`", expected()));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.on(token, format_args!("a handler is not `unsafe`: write `{}`", expected()));
    }
    if let Some(abi) = &signature.abi {
        errors.on(abi, format_args!("a handler has no ABI of its own: write `{}`", expected()));
    }
    for argument in arguments(signature) {
        if let Type::ImplTrait(opaque) = types::peel(&argument.ty) {
            errors.on(opaque, "nobody could say which type this is: name it");
        }
        // Attributes of arguments reach us before conditions are decided, so we would call with the wrong number.
        if let Some(attribute) = argument.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
            errors.on(attribute, "`#[cfg]` is not read on arguments: put it on the method");
        }
    }
    if let ReturnType::Type(_, ty) = &signature.output
        && let Type::ImplTrait(opaque) = types::peel(ty)
        && types::has_bound(&opaque.bounds, "Future")
    {
        errors.on(opaque, format_args!("write the method itself as `async`: `async fn {name}(&self, …)`"));
    }
}

fn check_receiver(signature: &Signature, errors: &mut Errors) {
    let name = &signature.ident;
    let expected = right(signature);
    match signature.receiver() {
        None => errors.on(name, format_args!("`{name}` is called on the service: write `{expected}`")),
        Some(receiver) => match &receiver.kind {
            ReceiverKind::Reference(_, _, None) => {}
            ReceiverKind::Reference(_, _, Some(_)) => errors.on(
                receiver,
                format_args!(
                    "a service is shared by all calls: write `{expected}`, and keep what changes in an atomic or behind \
                     a lock"
                ),
            ),
            _ => errors.on(receiver, format_args!("a service is shared by all calls: write `{expected}`")),
        },
    }
}

/// The method's signature as it should be.
pub(crate) fn right(signature: &Signature) -> String {
    let Signature { asyncness, ident, output, .. } = signature;
    let arguments = arguments(signature).map(|argument| {
        let ty = match types::peel(&argument.ty) {
            Type::ImplTrait(_) => quote!(Payload),
            _ => argument.ty.to_token_stream(),
        };
        let name = match &*argument.pat {
            Pat::Ident(name) => name.ident.to_token_stream(),
            // Its shape does not matter here.
            _ => quote!(payload),
        };
        quote!(#name: #ty)
    });
    source(quote!(#asyncness fn #ident(&self #(, #arguments)*) #output))
}

/// The type to take instead of a reference to it.
pub(crate) fn owned(reference: &TypeReference) -> TokenStream {
    match types::peel(&reference.elem) {
        Type::Slice(slice) => {
            let item = &slice.elem;
            quote!(Vec<#item>)
        }
        ty if types::is_named(ty, "str") => quote!(String),
        ty => ty.to_token_stream(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::assert_errors;

    #[track_caller]
    fn check_signature(text: &str, expected: &[(&str, &str)]) {
        let mut errors = Errors::default();
        let item: syn::ImplItemFn = syn::parse_str(&format!("{text} {{}}")).unwrap();
        check(&item.sig, &mut errors);
        assert_errors(errors, expected);
    }

    #[test]
    fn the_right_ones_pass() {
        check_signature("async fn add(&self, payload: Value) -> Result<Value, E>", &[]);
        check_signature("pub fn add(&self)", &[]);
        check_signature(
            "async fn add(&self, Pair { a, b }: Pair, cx: &ExecutionContext) -> impl Stream<Item = u8>",
            &[],
        );
    }

    #[test]
    fn a_wrong_receiver_is_told_the_right_signature() {
        let right = "write `async fn add(&self, payload: Value) -> u8`";
        check_signature("async fn add(payload: Value) -> u8", &[("add", right)]);
        check_signature("async fn add(self, payload: Value) -> u8", &[("self", right)]);
        check_signature("async fn add(&mut self, payload: Value) -> u8", &[("&mut self", right)]);
        check_signature("async fn add(&mut self, payload: Value) -> u8", &[("&mut self", "behind a lock")]);
        check_signature("async fn add(self: Arc<Self>, payload: Value) -> u8", &[("self: Arc<Self>", right)]);
    }

    #[test]
    fn what_a_caller_could_not_supply_is_an_error_where_it_stands() {
        check_signature("fn add<T: Clone>(&self, payload: T)", &[("T: Clone", "not generic")]);
        check_signature("fn add<'a>(&'a self, cx: &'a ExecutionContext)", &[("'a", "leave them out")]);
        check_signature("fn add(&self, payload: impl Clone)", &[("impl Clone", "name it")]);
        check_signature("const fn add(&self)", &[("const", "write `fn add(&self)`")]);
        check_signature("unsafe fn add(&self)", &[("unsafe", "write `fn add(&self)`")]);
        check_signature("extern \"C\" fn add(&self)", &[("extern \"C\"", "write `fn add(&self)`")]);
        check_signature("fn add(&self, #[cfg(a)] payload: u8)", &[("#[cfg(a)]", "put it on the method")]);
        check_signature("fn add(&self) -> impl Future<Output = u8>", &[("impl Future<Output = u8>", "`async fn add")]);
        check_signature("fn add<T>(x: impl Clone)", &[("add", "x: Payload"), ("T", "generic"), ("impl Clone", "name")]);
    }
}
