//! What is wrong with a block that reads well.

use std::ptr;

use syn::Path;

use super::argument;
use super::model::{Family, Handler, Kind, Routes};
use crate::attrs;
use crate::contract;
use crate::diag::Errors;
use crate::pattern::{self, Member, Pattern, Value};
use crate::signature;
use crate::source::source;
use crate::topic;
use crate::types::Returned;

pub(crate) fn validate(routes: &Routes, errors: &mut Errors) {
    if routes.contract.is_some() {
        contract::check_block(&routes.item, routes.handlers.iter().map(|handler| &handler.signature), errors);
    } else if routes.handlers.is_empty() {
        let helper = match routes.family {
            Family::Micro => "`#[message_pattern(\"…\")]` or `#[event_pattern(\"…\")]`",
            Family::Bus => "`#[on_event]` or `#[on_event(\"…\")]`",
        };
        errors.on(&routes.item.self_ty, format_args!("this block has no handler: no method is marked {helper}"));
    }
    for handler in &routes.handlers {
        check_attributes(handler, errors);
        pattern::check_list(&handler.patterns, errors);
        check_options(handler, errors);
        if handler.kind == Kind::Bus {
            check_topics(&handler.patterns, errors);
            argument::check_no_header(&handler.signature, errors);
        }
        check_limits(handler, errors);
        signature::check(&handler.signature, errors);
        for argument in &handler.arguments {
            argument::check(argument, errors);
        }
    }
    check_routes(&routes.handlers, errors);
}

/// What ends a handler must be something that can.
fn check_limits(handler: &Handler, errors: &mut Errors) {
    if let (Kind::Event, Some(cancel)) = (handler.kind, handler.limits.cancel()) {
        let message = "nobody waits for the answer to an event: its emitter may be gone before the handler begins";
        errors.on(&cancel.meta, message);
    }
    if let (true, Some(complete)) = (Returned::of(&handler.signature.output).is_stream, handler.limits.complete()) {
        errors.on(&complete.meta, "a stream ends where nobody reads it: do what must be done in a task of its own");
    }
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

/// What only subscribers of the bus have: names in segments, wildcards, and types for names.
fn check_topics(patterns: &[Pattern], errors: &mut Errors) {
    for (index, pattern) in patterns.iter().enumerate() {
        match &pattern.value {
            Value::Text(text) if text.is_empty() => {}
            Value::Text(text) => {
                let earlier = patterns[..index].iter().chain(&patterns[index + 1..]);
                if let Some(problem) = topic::subscription_problem(text) {
                    errors.on(&pattern.tokens, problem);
                } else if let Some(wide) =
                    earlier.filter_map(Pattern::text).find(|wide| *wide != text && topic::covers(wide, text))
                {
                    errors.on(&pattern.tokens, format_args!("`{wide}` of this handler takes `{text}` already"));
                }
            }
            Value::Object(members) => check_no_wildcard(members, errors),
            Value::Topic(path) if looks_like_a_type(path) => {
                let name = source(path);
                errors.on(
                    path,
                    format_args!(
                        "an event type is named by the argument: write `#[on_event]` on a method that takes `{name}`, or \
                         `#[on_event({name}::NAME)]` on one that does not"
                    ),
                );
            }
            _ => {}
        }
    }
}

/// The route of an object is one segment, and a `*` in it would wait for a literal `*`.
fn check_no_wildcard(members: &[Member], errors: &mut Errors) {
    for member in members {
        match &member.value.value {
            Value::Text(text) if matches!(text.as_str(), "*" | "**") => {
                errors.on(
                    &member.value.tokens,
                    "a wildcard stands for segments of a string, not for a value in an object",
                );
            }
            Value::Object(members) => check_no_wildcard(members, errors),
            _ => {}
        }
    }
}

/// `OrderCreated`, where constants are `ORDER_CREATED`.
fn looks_like_a_type(path: &Path) -> bool {
    path.segments.last().is_some_and(|last| {
        let name = last.ident.to_string();
        name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase)
    })
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
