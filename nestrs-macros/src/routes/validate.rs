//! What is wrong with a block that reads well.

use std::ptr;

use syn::{Attribute, PatType, Path, Type};

use super::model::{Family, Handler, Kind, Routes, Source, has_marker};
use crate::attrs;
use crate::diag::Errors;
use crate::pattern::{self, Member, Pattern, Value};
use crate::signature;
use crate::source::source;
use crate::topic;
use crate::types;

pub(crate) fn validate(routes: &Routes, errors: &mut Errors) {
    if routes.handlers.is_empty() {
        let helper = match routes.family {
            Family::Micro => "`#[message_pattern(\"…\")]` or `#[event_pattern(\"…\")]`",
            Family::Bus => "`#[on_event]` or `#[on_event(\"…\")]`",
        };
        errors.on(&routes.item.self_ty, format_args!("this block has no handler: no method is marked {helper}"));
    }
    for handler in &routes.handlers {
        check_attributes(handler, errors);
        pattern::check_list(&handler.patterns, errors);
        if handler.kind == Kind::Bus {
            check_topics(&handler.patterns, errors);
        }
        signature::check(&handler.signature, errors);
        check_markers(handler, errors);
        check_payload(handler, errors);
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

fn check_markers(handler: &Handler, errors: &mut Errors) {
    let mut payload_seen = false;
    for input in signature::arguments(&handler.signature) {
        for marker in input.attrs.iter().filter(|attribute| attrs::is_one_of(attribute, &["payload", "ctx"])) {
            attrs::expect_bare(marker, errors);
            if attrs::name(marker) == "payload" {
                check_payload_marker(input, marker, payload_seen, errors);
                payload_seen = true;
            }
        }
    }
}

fn check_payload_marker(input: &PatType, marker: &Attribute, payload_seen: bool, errors: &mut Errors) {
    if has_marker(&input.attrs, "ctx") {
        errors.on(marker, "an argument is the payload or comes from the context, not both");
    } else if payload_seen {
        errors.on(marker, "a message has one payload: take one struct that derives `Deserialize`");
    }
}

/// A payload is decoded for this one call and given away; nobody keeps it for a reference to point at.
fn check_payload(handler: &Handler, errors: &mut Errors) {
    let payload = handler.arguments.iter().find(|argument| argument.source == Source::Payload);
    if let Some(argument) = payload
        && let Type::Reference(reference) = types::peel(&argument.ty)
    {
        let owned = source(signature::owned(reference));
        errors.on(reference, format_args!("a payload belongs to the handler: take `{owned}` instead of a reference"));
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
