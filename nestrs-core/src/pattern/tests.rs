use serde_json::json;

use super::*;

fn check(pattern: Value, route: &str) {
    assert_eq!(Pattern::from_value(&pattern).unwrap().route(), route, "declared {pattern}");
    assert_eq!(Pattern::route_of(&pattern.to_string()).as_deref(), Some(route), "received {pattern}");
}

#[test]
fn routes_are_those_of_the_fact_sheet() {
    check(json!({"b": 1, "a": {"d": 2, "c": 3}}), r#"{"a":{"c":3,"d":2},"b":1}"#);
    check(json!({"a": [1, "x"]}), r#"{"a":{"0":1,"1":"x"}}"#);
    check(json!(["a", "b"]), r#"{"0":"a","1":"b"}"#);
    check(json!({}), "{}");
    check(json!([]), "{}");
    check(json!({"a": null, "b": true}), r#"{"a":null,"b":true}"#);
    check(json!(5), "5");
    check(json!(1e21), "1e+21");
    check(json!({"a": "q\"\\\n"}), "{\"a\":\"q\\\"\\\\\n\"}");
    check(json!({"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}), r#"{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}"#);
    check(
        json!({"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}),
        r#"{"a":{"a":{"a":{"a":{"a":{"a":[MAX_DEPTH_REACHED]}}}}}}"#,
    );
    let many: Value = (0..21).map(|key| (format!("k{key}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    check(many.clone(), "[TOO_MANY_KEYS]");
    check(json!({ "a": many }), r#"{"a":[TOO_MANY_KEYS]}"#);
}

#[test]
fn declared_strings_that_are_json_are_looked_up_as_nestjs_looks_them_up() {
    let looked_up = |declared: &str| {
        assert_eq!(Pattern::from(declared).route(), declared);
        Pattern::route_of(&Value::from(declared).to_string()).map(Cow::into_owned)
    };
    for same in ["5", "007", r#"{"cmd":"x"}"#, "math.add", "true story", " x", "nothing", ""] {
        assert_eq!(looked_up(same).as_deref(), Some(same));
    }
    assert_eq!(looked_up("true"), None);
    assert_eq!(looked_up("null"), None);
    assert_eq!(looked_up("1.0").as_deref(), Some("1"));
    assert_eq!(looked_up("1e3").as_deref(), Some("1000"));
    assert_eq!(looked_up("12345678901234567890").as_deref(), Some("12345678901234567000"));
    assert_eq!(looked_up(r#""q""#).as_deref(), Some("q"));
    assert_eq!(looked_up("[1]").as_deref(), Some(r#"{"0":1}"#));
    assert_eq!(looked_up(r#"{ "b":1, "a":2 }"#).as_deref(), Some(r#"{"a":2,"b":1}"#));
}

#[test]
fn keys_whose_order_depends_on_a_locale_are_refused_where_order_matters() {
    let refused = Pattern::from_value(&json!({"ä": 1, "z": 2})).unwrap_err();
    assert_eq!(refused, PatternError::KeyOrder("ä".into()));
    check(json!({"ä": 1}), r#"{"ä":1}"#);
    assert_eq!(Pattern::route_of(r#"{"ä":1,"z":2}"#), None);
}

#[test]
fn literals_keep_their_order_on_the_wire_and_sort_in_the_route() {
    use PatternLiteral::{Array, Bool, Null, Number, Object, Text};
    let literal = Object(&[("b", Number(1.0)), ("a", Array(&[Null, Bool(true), Text("x")]))]);
    let pattern = Pattern::from_literal(&literal).unwrap();
    assert_eq!(pattern.json(), r#"{"b":1,"a":[null,true,"x"]}"#);
    assert_eq!(pattern.route(), r#"{"a":{"0":null,"1":true,"2":"x"},"b":1}"#);
    assert_eq!(Pattern::from_literal(&Text("")).unwrap_err(), PatternError::Empty);
    assert_eq!(Pattern::from_literal(&Number(1.5)).unwrap().route(), "1.5");
}

#[test]
fn rq_2_a_hostile_pattern_is_an_unknown_one() {
    assert_eq!(Pattern::route_of(&"[".repeat(60_000)), None);
    assert_eq!(Pattern::route_of(&format!("\"{}\"", "x".repeat(WIRE_LEN_MAX))), None);
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    assert!(Pattern::route_of(&deep).unwrap().contains("[MAX_DEPTH_REACHED]"));
}

#[test]
fn whatever_names_a_pattern_becomes_one() {
    let text = String::from("math.add");
    for pattern in [Pattern::from("math.add"), Pattern::from(&text), text.clone().into(), json!("math.add").into()] {
        assert_eq!((pattern.route(), &*pattern.json()), ("math.add", r#""math.add""#));
        assert_eq!(pattern.to_string(), "math.add");
        assert_eq!(format!("{pattern:?}"), "Pattern(math.add)");
    }
    let object = Pattern::from(json!({"b": 1, "a": 2}));
    assert_eq!(object, Pattern::from(&object));
    assert_eq!(object, Pattern::from(r#"{"a":2,"b":1}"#), "the route is what counts");
    assert_ne!(object, Pattern::from("other"));
    assert_eq!(Pattern::from("say \"hi\"\n").json(), r#""say \"hi\"\n""#);
}

#[test]
fn a_value_that_is_no_pattern_becomes_one_that_no_server_has_a_handler_for() {
    for value in [json!(null), json!(true)] {
        let pattern = Pattern::from(&value);
        assert_eq!(pattern.json(), value.to_string());
        assert_eq!(Pattern::route_of(&pattern.json()), None);
        let PatternError::NotAPattern(text) = Pattern::from_value(&value).unwrap_err() else { panic!("{value}") };
        assert_eq!(text, value.to_string());
    }
    assert_eq!(Pattern::from_value(&json!("")).unwrap_err().to_string(), "a pattern cannot be empty");
}

#[test]
fn the_literal_of_a_macro_is_its_pattern() {
    static OBJECT: LiteralPattern = LiteralPattern::new(PatternLiteral::Object(&[
        ("v", PatternLiteral::Number(1.0)),
        ("cmd", PatternLiteral::Text("sum")),
    ]));
    static TEXT: LiteralPattern = LiteralPattern::new(PatternLiteral::Text("say 'hi'\n"));
    assert_eq!(OBJECT.pattern().route(), r#"{"cmd":"sum","v":1}"#);
    assert_eq!(OBJECT.pattern().json(), r#"{"v":1,"cmd":"sum"}"#);
    assert_eq!(TEXT.pattern().route(), "say 'hi'\n");
    assert_eq!(TEXT.pattern().json(), r#""say 'hi'\n""#);
    // The second time it is the same text, and no other copy of it.
    assert_eq!(OBJECT.pattern().route().as_ptr(), OBJECT.pattern().route().as_ptr());
    assert!(Pattern::from_literal(&PatternLiteral::Number(f64::NAN)).is_err());
}
