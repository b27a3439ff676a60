//! What a pattern may be, and when two are one.

use std::collections::BTreeMap;

use quote::ToTokens;

use super::{Member, Pattern, Value};
use crate::diag::Errors;
use crate::source::source;

/// NestJS cuts objects nested deeper than this below the top, so that different patterns would become one route.
const DEPTH_MAX: usize = 5;
/// NestJS cuts objects with more members than this.
const KEYS_MAX: usize = 20;

/// Reports whatever keeps `pattern` from naming a route.
pub(crate) fn check(pattern: &Pattern, errors: &mut Errors) {
    match &pattern.value {
        Value::Text(text) if text.is_empty() => errors.on(&pattern.tokens, "a pattern cannot be empty"),
        Value::Null => errors.on(&pattern.tokens, "`null` is no pattern: write a string, a number or an object"),
        Value::Bool(truth) => {
            errors.on(&pattern.tokens, format_args!("`{truth}` is no pattern: write a string, a number or an object"));
        }
        Value::Array(_) => errors.on(&pattern.tokens, "a list is no pattern: write a string, a number or an object"),
        Value::Object(members) => check_object(pattern, members, 0, errors),
        Value::Text(_) | Value::Number(_) | Value::Constant(_) | Value::Topic(_) | Value::NameOf(_) => {}
    }
}

/// Reports what is wrong with the patterns of one handler, and those that are given twice.
pub(crate) fn check_list(patterns: &[Pattern], errors: &mut Errors) {
    let mut routes = Vec::new();
    for pattern in patterns {
        check(pattern, errors);
        let route = pattern.route();
        if routes.contains(&route) {
            errors.on(&pattern.tokens, format_args!("`{route}` is given twice for this handler"));
        }
        routes.push(route);
    }
}

fn check_value(pattern: &Pattern, depth: usize, errors: &mut Errors) {
    match &pattern.value {
        Value::Object(members) => check_object(pattern, members, depth, errors),
        Value::Array(items) => {
            check_size(pattern, items.len(), depth, errors);
            items.iter().for_each(|item| check_value(item, depth + 1, errors));
        }
        Value::Constant(path) => errors.on(path, "a constant stands alone; inside an object, write the value itself"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Topic(_) | Value::NameOf(_) => {}
    }
}

fn check_object(pattern: &Pattern, members: &[Member], depth: usize, errors: &mut Errors) {
    check_size(pattern, members.len(), depth, errors);
    for (index, member) in members.iter().enumerate() {
        let key = &member.key;
        if members[..index].iter().any(|earlier| earlier.key == *key) {
            errors.at(member.key_span, format_args!("key `{key}` is given twice"));
        }
        if members.len() > 1 && !key.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            errors.at(
                member.key_span,
                format_args!(
                    "key `{}` has a character outside printable ASCII: NestJS sorts the keys of a pattern, and where \
                     this one comes depends on the locale of the other side",
                    key.escape_debug()
                ),
            );
        }
        check_value(&member.value, depth + 1, errors);
    }
}

fn check_size(pattern: &Pattern, len: usize, depth: usize, errors: &mut Errors) {
    if len > KEYS_MAX {
        errors.on(&pattern.tokens, format_args!("NestJS reads up to {KEYS_MAX} keys in a pattern; here are {len}"));
    }
    // Reported where the limit is first crossed, not again for each level below.
    if depth == DEPTH_MAX + 1 {
        errors.on(&pattern.tokens, format_args!("NestJS reads {DEPTH_MAX} levels below the top of a pattern, no more"));
    }
}

impl Pattern {
    /// Equal for patterns that are one route, whatever the order of their members; shown in messages.
    ///
    /// Close to the canonical route and not the same: members are sorted by their bytes, since only equality counts.
    pub(crate) fn route(&self) -> String {
        match &self.value {
            // The top-level number `5` and the string "5" are one route.
            Value::Text(text) => text.clone(),
            _ => self.json(),
        }
    }

    fn json(&self) -> String {
        match &self.value {
            Value::Null => "null".into(),
            Value::Bool(truth) => truth.to_string(),
            // `0` and `-0` are one number.
            Value::Number(number) => (number + 0.0).to_string(),
            Value::Text(text) => quoted(text),
            // An array is an object whose keys are its indices.
            Value::Array(items) => object(items.iter().enumerate().map(|(index, item)| (index.to_string(), item))),
            Value::Object(members) => object(members.iter().map(|member| (member.key.clone(), &member.value))),
            Value::Constant(path) | Value::Topic(path) => source(path.to_token_stream()),
            Value::NameOf(ty) => source(ty),
        }
    }
}

fn object<'a>(members: impl Iterator<Item = (String, &'a Pattern)>) -> String {
    let sorted: BTreeMap<_, _> = members.collect();
    let members: Vec<_> = sorted.iter().map(|(key, value)| format!("{}:{}", quoted(key), value.json())).collect();
    format!("{{{}}}", members.join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}
