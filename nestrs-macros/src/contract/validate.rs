//! What is wrong with a trait that reads well.

use quote::ToTokens;
use syn::{Pat, ReturnType, Signature, TraitItem, Type};

use super::model::{Contract, Kind, Method};
use crate::attrs;
use crate::diag::Errors;
use crate::pattern;
use crate::signature::{self, right};
use crate::source::source;
use crate::types;

pub(crate) fn validate(contract: &Contract, errors: &mut Errors) {
    check_trait(contract, errors);
    for method in &contract.methods {
        check_attributes(method, errors);
        pattern::check_list(&method.patterns, errors);
        signature::check(&method.signature, errors);
        check_arguments(method, errors);
        check_return(method, errors);
    }
    check_patterns(&contract.methods, errors);
}

fn check_trait(contract: &Contract, errors: &mut Errors) {
    let item = &contract.item;
    if contract.methods.is_empty() {
        errors.on(&item.ident, "this contract has no method: nothing could be called");
    }
    if let Some(token) = &item.unsafety {
        errors.on(token, "a contract is not `unsafe`");
    }
    if !item.generics.params.is_empty() {
        let message = "a contract is not generic: both sides of the wire must know its types";
        errors.on(&item.generics.params, message);
    } else if let Some(clause) = &item.generics.where_clause {
        errors.on(clause, "a contract has no conditions: it is one list of methods for everybody");
    }
    if !item.supertraits.is_empty() {
        let message = "a contract stands alone: a service may serve several, a block for each";
        errors.on(&item.supertraits, message);
    }
    for part in &item.items {
        match part {
            TraitItem::Fn(method) => {
                if let Some(body) = &method.default {
                    let message =
                        "a contract says what is sent, and its servers what is done: put `;` in place of the body";
                    errors.on(body, message);
                }
            }
            TraitItem::Type(part) => errors.on(part.type_token, ONLY_METHODS),
            TraitItem::Const(part) => errors.on(part.const_token, ONLY_METHODS),
            other => errors.on(other, ONLY_METHODS),
        }
    }
}

const ONLY_METHODS: &str = "a contract consists of methods, each with a `#[message_pattern]` or an `#[event_pattern]`";

/// One attribute says where a method's calls are sent.
fn check_attributes(method: &Method, errors: &mut Errors) {
    let name = method.name();
    if name == "new" {
        errors.on(name, "the client is made by a `new` of its own: call this something else");
    }
    match method.attributes.as_slice() {
        [] => {
            let message =
                "has no pattern to be called by: add `#[message_pattern(\"…\")]` or `#[event_pattern(\"…\")]`";
            errors.on(name, format_args!("`{name}` {message}"));
        }
        [_] => {}
        [first, others @ ..] => {
            for other in others {
                let message = if attrs::name(first) == attrs::name(other) {
                    format!("`#[{}]` is given twice: put several patterns in one list", attrs::name(first))
                } else {
                    format!("`{name}` is a message or an event, not both: write a method for each")
                };
                errors.on(other, message);
            }
        }
    }
    for marker in &method.markers {
        errors.on(marker, "the argument of a contract is what is sent: nothing is marked");
    }
    for pattern in &method.patterns {
        check_self(&pattern.tokens, errors);
    }
}

/// A message has one payload, and whatever else a handler wants to know is between it and its server.
fn check_arguments(method: &Method, errors: &mut Errors) {
    let mut arguments = signature::arguments(&method.signature);
    let payload = arguments.next();
    for other in arguments {
        errors.on(
            other,
            "a message has one payload: send one struct. What comes from the context is an argument of the handler's \
             own, not of the contract",
        );
    }
    let Some(payload) = payload else { return };
    if let Type::Reference(reference) = types::peel(&payload.ty) {
        let owned = source(signature::owned(reference));
        errors.on(reference, format_args!("a payload is sent away: take `{owned}` instead of a reference"));
    }
    if !matches!(&*payload.pat, Pat::Ident(_) | Pat::Wild(_)) {
        errors.on(&payload.pat, "an argument of a trait's method is a name");
    }
    check_self(&payload.ty, errors);
}

fn check_return(method: &Method, errors: &mut Errors) {
    let Signature { asyncness, fn_token, output, ident, .. } = &method.signature;
    let returned = types::Returned::of(output);
    let ReturnType::Type(_, ty) = output else {
        return if asyncness.is_none() {
            errors.on(fn_token, not_async(&method.signature))
        };
    };
    check_self(ty, errors);
    if method.kind == Kind::Event {
        errors.on(ty, format_args!("nobody answers an event: leave the return type of `{ident}` out"));
        return;
    }
    if returned.is_stream {
        let is_opaque = matches!(types::peel(ty), Type::ImplTrait(_));
        if !is_opaque || returned.value.and_then(types::stream_item).is_none() {
            errors.on(ty, "the stream of a contract is `impl Stream<Item = T>`, whatever the handler makes it of");
        } else if let Some(token) = asyncness {
            errors.on(token, format_args!("a stream begins at once: write `fn {ident}` without `async`"));
        }
        return;
    }
    if let Some(Type::ImplTrait(opaque)) = returned.value.map(types::peel)
        // This one has been told to be `async`.
        && !types::has_bound(&opaque.bounds, "Future")
    {
        errors.on(opaque, "both sides must know this type: name it");
    } else if asyncness.is_none() && !is_future(ty) {
        errors.on(fn_token, not_async(&method.signature));
    }
}

fn is_future(ty: &Type) -> bool {
    matches!(types::peel(ty), Type::ImplTrait(opaque) if types::has_bound(&opaque.bounds, "Future"))
}

fn not_async(signature: &Signature) -> String {
    format!("a call takes its time: write `async {}`", right(signature))
}

/// Nobody knows which type `Self` would be.
fn check_self(tokens: impl ToTokens, errors: &mut Errors) {
    if types::mentions_self(tokens.to_token_stream()) {
        errors.on(tokens, "a contract has no `Self` on either side of the wire: name the type");
    }
}

/// Two methods on one pattern could not be told apart by who receives them; NestJS keeps messages and events in one
/// table, so neither can one of each.
fn check_patterns(methods: &[Method], errors: &mut Errors) {
    let mut seen: Vec<(String, &Method)> = Vec::new();
    for method in methods.iter().filter(|method| attrs::cfgs(&method.others).is_empty()) {
        for pattern in &method.patterns {
            let route = pattern.route();
            if let Some((_, first)) =
                seen.iter().find(|(known, first)| *known == route && !std::ptr::eq(*first, method))
            {
                let first = first.name();
                errors.on(&pattern.tokens, format_args!("`{route}` is sent by two methods, first by `{first}`"));
            }
            seen.push((route, method));
        }
    }
}
