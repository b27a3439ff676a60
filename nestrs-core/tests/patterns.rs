//! Routes, against 10,000 patterns that a real NestJS 12 has routed, and for patterns no one has thought of.

use nestrs_core::{Pattern, PatternError, Payload};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Made by `tests/interop/make-patterns.mjs`: `[JSON text of the pattern, its route]`.
fn fixture() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/patterns.json");
    let text = std::fs::read(path).expect("the fixture is part of the repository");
    // Some routes end in half an emoji, which a Rust string cannot hold: a payload replaces it by U+FFFD.
    let pairs: Vec<(String, String)> = Payload::from_json(text).decode().unwrap();
    assert_eq!(pairs.len(), 10_000);
    pairs
}

fn value(json: &str) -> Value {
    Payload::from_json(json.to_owned()).into_value().unwrap()
}

/// What NestJS's `JSON.parse` of a declared string gives, if it is JSON.
fn parsed(text: &str) -> Option<Value> {
    Payload::from_json(text.to_owned()).into_value().ok()
}

/// `None` where there is nothing to report.
fn mismatch(json: &str, theirs: Option<&str>, ours: Option<&str>) -> Option<String> {
    (theirs != ours).then(|| format!("{json}\n  NestJS {theirs:?}\n  ours   {ours:?}"))
}

fn none(mismatches: impl Iterator<Item = String>) {
    let mismatches: Vec<String> = mismatches.collect();
    assert!(mismatches.is_empty(), "{} mismatches:\n{}", mismatches.len(), mismatches.join("\n"));
}

#[test]
fn every_pattern_is_declared_under_the_route_nestjs_gives_it() {
    none(fixture().iter().filter_map(|(json, route)| match Pattern::from_value(&value(json)) {
        Ok(pattern) => mismatch(json, Some(route), Some(pattern.route())),
        // NestJS lets an empty string be declared; we say that it is a mistake.
        Err(error) => {
            assert_eq!((error, &**route), (PatternError::Empty, ""));
            None
        }
    }));
}

#[test]
fn every_pattern_is_looked_up_under_the_route_nestjs_gives_it() {
    none(fixture().iter().filter_map(|(json, route)| {
        // A string is read as JSON once more, where it is JSON: the route is that of what it says.
        let inner = value(json).as_str().and_then(parsed);
        let route = match &inner {
            None => Some(route.clone()),
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Pattern::from_value(other).ok().map(|pattern| pattern.route().to_owned()),
        };
        mismatch(json, route.as_deref(), Pattern::route_of(json).as_deref())
    }));
}

#[test]
fn what_a_client_sends_is_looked_up_under_the_route_it_was_declared_with() {
    let declared = |json: &str| Pattern::from_value(&value(json)).ok().filter(|_| !value(json).is_string());
    none(fixture().iter().filter_map(|(json, _)| {
        let pattern = declared(json)?;
        mismatch(json, Some(pattern.route()), Pattern::route_of(&pattern.json()).as_deref())
    }));
}

/// JSON texts whose route is JSON too: printable ASCII, not too deep and not too wide.
fn value_of_ascii() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec(("[ -~]{0,6}", inner), 0..6)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

fn object_of_ascii() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::vec(("[ -~]{0,6}", value_of_ascii()), 0..8).prop_map(|members| members.into_iter().collect())
}

/// The members of an object, shuffled, at every level.
fn shuffled(value: &Value, seed: &mut u64) -> String {
    match value {
        Value::Object(members) => {
            let mut texts: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}: {}", Value::from(&**key), shuffled(value, seed)))
                .collect();
            for index in (1..texts.len()).rev() {
                // Knuth's generator; any order will do.
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                texts.swap(index, usize::try_from(*seed >> 33).unwrap_or(0) % (index + 1));
            }
            format!("{{ {} }}", texts.join(" , "))
        }
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(|item| shuffled(item, seed)).collect();
            format!("[{}]", texts.join(","))
        }
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn rq_2_no_text_at_all_makes_the_lookup_panic(text in any::<String>(), nearly in r#"[\[\]{}":,\\0-9.eEtfnu -]{0,40}"#) {
        for text in [&text, &nearly] {
            let _ = Pattern::route_of(text);
            let _ = Pattern::route_of(&Value::from(&**text).to_string());
            let pattern = Pattern::from(text);
            prop_assert_eq!(pattern.route(), text);
        }
    }

    #[test]
    fn a_route_is_its_own_route(object in object_of_ascii()) {
        let route = Pattern::from_value(&Value::Object(object)).unwrap().route().to_owned();
        let looked_up = Pattern::route_of(&route);
        prop_assert_eq!(looked_up.as_deref(), Some(&*route), "as an object");
        let quoted = Value::from(&*route).to_string();
        let looked_up = Pattern::route_of(&quoted);
        prop_assert_eq!(looked_up.as_deref(), Some(&*route), "as the text of an object");
    }

    #[test]
    fn the_order_of_keys_is_of_no_importance(object in object_of_ascii(), mut seed in any::<u64>()) {
        let object = Value::Object(object);
        let pattern = Pattern::from_value(&object).unwrap();
        let text = shuffled(&object, &mut seed);
        let looked_up = Pattern::route_of(&text);
        prop_assert_eq!(looked_up.as_deref(), Some(pattern.route()));
        prop_assert_eq!(&Pattern::from_value(&value(&text)).unwrap(), &pattern);
    }
}
