//! What is wrong with a block that reads well.

use std::ptr;

use super::argument;
use super::model::{Family, Handler, Kind, Routes};
use crate::attrs;
use crate::diag::Errors;
use crate::pattern;
use crate::signature;

pub(crate) fn validate(routes: &Routes, errors: &mut Errors) {
    if routes.handlers.is_empty() {
        let helper = match routes.family {
            Family::Micro => "`#[message_pattern(\"…\")]` or `#[event_pattern(\"…\")]`",
            Family::Bus => "`#[on_event(\"…\")]`",
        };
        errors.on(&routes.item.self_ty, format_args!("this block has no handler: no method is marked {helper}"));
    }
    for handler in &routes.handlers {
        check_attributes(handler, errors);
        pattern::check_list(&handler.patterns, errors);
        signature::check(&handler.signature, errors);
        for argument in &handler.arguments {
            argument::check(argument, errors);
        }
    }
    check_routes(&routes.handlers, errors);
    check_other_readers(routes, errors);
}

/// One attribute says everything about a handler's patterns.
fn check_attributes(handler: &Handler, errors: &mut Errors) {
    let Some((first, others)) = handler.attributes.split_first() else { return };
    for other in others {
        let (first, other_name) = (attrs::name(first), attrs::name(other));
        if first == other_name {
            errors.on(
                other,
                format_args!("`#[{first}]` is given twice: put several patterns in one list, `[\"a\", \"b\"]`"),
            );
        } else {
            let name = &handler.signature.ident;
            errors.on(
                other,
                format_args!("`{name}` answers messages or takes events, not both: write a method for each"),
            );
        }
    }
}

/// Two handlers cannot both answer a message. An event may have any number of handlers, and runs them all.
///
/// Which of several conditional methods exist is known later, to the compiler and at boot.
fn check_routes(handlers: &[Handler], errors: &mut Errors) {
    let mut seen: Vec<(String, &Handler)> = Vec::new();
    let unconditional = |handler: &&Handler| attrs::cfgs(&handler.others).is_empty();
    for handler in handlers.iter().filter(|handler| handler.kind == Kind::Message).filter(unconditional) {
        for pattern in &handler.patterns {
            let route = pattern.route();
            if let Some((_, first)) = seen.iter().find(|(known, first)| *known == route && !ptr::eq(*first, handler)) {
                let first = &first.signature.ident;
                let message = format!("`{route}` is handled twice in this block, first by `{first}`");
                errors.on(&pattern.tokens, message);
            }
            seen.push((route, handler));
        }
    }
}

/// Stages are taken off by the block that runs them. Where a controller shares the block or the method, it would run
/// without them and nobody would notice.
fn check_other_readers(routes: &Routes, errors: &mut Errors) {
    const NOT_READ: &str =
        "`#[use_micro_…]` is not read on HTTP routes yet: move the HTTP methods to a block of their own";
    let around_block = !routes.stages.is_empty();
    if around_block && let Some(other) = routes.item.attrs.iter().find(|other| attrs::name(other) == "controller") {
        errors.on(other, NOT_READ);
    }
    for handler in routes.handlers.iter().filter(|handler| !handler.stages.is_empty()) {
        if let Some(verb) = handler.others.iter().find(|other| attrs::is_one_of(other, attrs::VERBS)) {
            errors.on(verb, NOT_READ);
        }
    }
}
