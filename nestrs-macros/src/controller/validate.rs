//! What is wrong with a block that reads well.

use syn::{LitStr, Type};

use super::model::{Controller, Method, Route};
use super::path;
use crate::attrs;
use crate::diag::Errors;
use crate::signature;
use crate::source::source;
use crate::types;

/// The most arguments a method may have.
const ARGUMENTS_MAX: usize = 8;

pub(crate) fn validate(controller: &Controller, errors: &mut Errors) {
    check_path(controller.prefix.as_ref(), errors);
    for attribute in &controller.unread {
        let name = attrs::name(attribute);
        let message = match name.as_str() {
            "use_pipes" | "use_micro_pipes" => {
                format!("`#[{name}]` transforms the payload of messages; on HTTP routes extractors do that")
            }
            name => {
                let neutral = name.replace("micro_", "");
                format!("`#[{name}]` is for messages only: write `#[{neutral}]`, which HTTP routes read too")
            }
        };
        errors.on(attribute, message);
    }
    if controller.methods.is_empty() {
        let message = "this block has no route: no method is marked `#[get]`, `#[post]`, …";
        errors.on(&controller.item.self_ty, message);
    }
    for method in &controller.methods {
        signature::check(&method.signature, errors);
        check_arguments(method, errors);
        for (index, route) in method.routes.iter().enumerate() {
            check_path(route.path.as_ref(), errors);
            let verb = &route.verb;
            if method.routes[..index].iter().any(|earlier| earlier.verb == *verb) {
                errors.on(&route.attribute, format_args!("`#[{verb}]` is given twice: write a method for each path"));
            }
        }
    }
    check_routes(&controller.methods, errors);
}

fn check_path(path: Option<&LitStr>, errors: &mut Errors) {
    if let Some(path) = path
        && let Some(message) = path::mistake(&path.value())
    {
        errors.on(path, message);
    }
}

/// One method of the block answers a verb and a path.
///
/// Which of several conditional methods exist is known later, to the compiler and at boot.
fn check_routes(methods: &[Method], errors: &mut Errors) {
    let mut seen: Vec<(&str, String, &Method)> = Vec::new();
    for method in methods.iter().filter(|method| attrs::cfgs(&method.others).is_empty()) {
        for Route { attribute, verb, path } in &method.routes {
            let path = path.as_ref().map(LitStr::value).unwrap_or_default();
            let shape = path::shape(&path);
            let is_same = |(known, other, first): &&(&str, String, &Method)| {
                known == verb && *other == shape && !std::ptr::eq(*first, method)
            };
            if let Some((.., first)) = seen.iter().find(is_same) {
                let (verb, first) = (verb.to_uppercase(), &first.signature.ident);
                errors
                    .on(attribute, format_args!("`{verb} {path}` is handled twice in this block, first by `{first}`"));
            }
            seen.push((verb, shape, method));
        }
    }
}

fn check_arguments(method: &Method, errors: &mut Errors) {
    for (index, argument) in signature::arguments(&method.signature).enumerate() {
        if index == ARGUMENTS_MAX {
            errors.on(argument, format_args!("a route takes up to {ARGUMENTS_MAX} arguments"));
        }
        if let Type::Reference(reference) = types::peel(&argument.ty) {
            let owned = source(signature::owned(reference));
            errors.on(
                reference,
                format_args!(
                    "what is extracted from a request belongs to the method: take `{owned}` instead of a reference"
                ),
            );
        }
    }
}
