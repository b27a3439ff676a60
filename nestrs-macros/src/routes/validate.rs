//! What is wrong with a block that reads well.

use std::ptr;

use super::argument;
use super::model::{Family, Handler, Kind, Routes};
use crate::attrs;
use crate::contract;
use crate::diag::Errors;
use crate::pattern;
use crate::signature;

pub(crate) fn validate(routes: &Routes, errors: &mut Errors) {
    if routes.contract.is_some() {
        contract::check_block(&routes.item, routes.handlers.iter().map(|handler| &handler.signature), errors);
    } else if routes.handlers.is_empty() {
        let helper = match routes.family {
            Family::Micro => "`#[message_pattern(\"…\")]` or `#[event_pattern(\"…\")]`",
            Family::Bus => "`#[on_event(\"…\")]`",
        };
        errors.on(&routes.item.self_ty, format_args!("this block has no handler: no method is marked {helper}"));
    }
    for handler in &routes.handlers {
        check_attributes(handler, errors);
        pattern::check_list(&handler.patterns, errors);
        check_options(handler, errors);
        signature::check(&handler.signature, errors);
        for argument in &handler.arguments {
            argument::check(argument, errors);
        }
    }
    check_routes(&routes.handlers, errors);
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

/// The bus is no transport, and reads nothing but patterns.
fn check_options(handler: &Handler, errors: &mut Errors) {
    let options = &handler.options;
    if handler.kind == Kind::Bus
        && !options.is_empty()
        && let Some(attribute) = handler.attributes.first()
    {
        errors.on(&attribute.meta, "no transport serves the event bus: `#[on_event]` takes patterns alone");
    }
    options.check(errors);
}

/// Two handlers cannot both answer a message that came by one transport. An event may have any number of handlers, and runs them all.
///
/// Which of several conditional methods exist is known later, to the compiler and at boot.
fn check_routes(handlers: &[Handler], errors: &mut Errors) {
    let mut seen: Vec<(String, &Handler)> = Vec::new();
    let unconditional = |handler: &&Handler| attrs::cfgs(&handler.others).is_empty();
    for handler in handlers.iter().filter(|handler| handler.kind == Kind::Message).filter(unconditional) {
        for pattern in &handler.patterns {
            let route = pattern.route();
            let rivals =
                |first: &Handler| !ptr::eq(first, handler) && first.options.shares_a_transport(&handler.options);
            if let Some((_, first)) = seen.iter().find(|(known, first)| *known == route && rivals(first)) {
                let first = &first.signature.ident;
                let message = format!("`{route}` is handled twice in this block, first by `{first}`");
                errors.on(&pattern.tokens, message);
            }
            seen.push((route, handler));
        }
    }
}
