use proc_macro2::TokenStream;
use quote::ToTokens;

use super::*;
use crate::diag::assert_errors;

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap()
}

fn parsed(text: &str) -> Vec<Pattern> {
    of_handler.parse2(tokens(text)).unwrap()
}

/// The generated constant, without the parts that are the same for all.
fn constant(text: &str) -> String {
    let pattern = &parsed(text)[0];
    pattern.to_token_stream().to_string().replace("__nest :: PatternLiteral :: ", "").replace(' ', "")
}

#[test]
fn every_form_becomes_its_constant() {
    let check = |text: &str, expected: &str| assert_eq!(constant(text), expected);
    check(r#""math.add""#, r#"Text("math.add")"#);
    check("5", "Number(5.0)");
    check("-0x10", "Number(-16.0)");
    check("1_000.5e3", "Number(1000500.0)");
    check("patterns::SUM", "Text(patterns::SUM)");
    check("SUM", "Text(SUM)");
    check("::a::SUM", "Text(::a::SUM)");
    check(r#"{ cmd: "sum" }"#, r#"Object(&[("cmd",Text("sum"))])"#);
    check(
        r#"{ "quoted-key": 1, type: true, r#fn: null }"#,
        r#"Object(&[("quoted-key",Number(1.0)),("type",Bool(true)),("fn",Null)])"#,
    );
    check(
        r#"{ nested: { a: [1, "x", true, null], }, }"#,
        r#"Object(&[("nested",Object(&[("a",Array(&[Number(1.0),Text("x"),Bool(true),Null]))]))])"#,
    );
    check("{}", "Object(&[])");
}

#[test]
fn a_list_is_several_patterns() {
    assert_eq!(parsed(r#"["a", { cmd: "b" }, 3, SUM]"#).len(), 4);
    assert_eq!(parsed(r#"["a"]"#).len(), 1);
}

#[test]
fn members_in_any_order_are_one_route() {
    let same = |one: &str, other: &str| assert_eq!(parsed(one)[0].route(), parsed(other)[0].route());
    same(r#"{ a: 1, b: { c: 2, d: 3 } }"#, r#"{ b: { d: 3, c: 2 }, a: 1 }"#);
    same("5", r#""5""#);
    same("1.0", "1");
    same("-0", "0");
    same(
        r#"{ a: ["x", "y"] }"#,
        r#"{ a: { 1: "y", 0: "x" } }"#.replace("1:", "\"1\":").replace("0:", "\"0\":").as_str(),
    );
    let differ = |one: &str, other: &str| assert_ne!(parsed(one)[0].route(), parsed(other)[0].route());
    differ(r#"{ a: 5 }"#, r#"{ a: "5" }"#);
    differ(r#"{ a: "\"b\"" }"#, r#"{ a: "b" }"#);
    differ("a::SUM", "b::SUM");
}

#[test]
fn what_cannot_be_read_is_an_error_where_it_stands() {
    let check = |text: &str, culprit: &str, message: &str| {
        let error = of_handler.parse2(tokens(text)).map(|_| ()).unwrap_err();
        assert_eq!(error.span().source_text().unwrap_or_default(), culprit, "{text}: {error}");
        assert!(error.to_string().contains(message), "{text}: {error}");
    };
    check("[]", "[]", "empty list");
    check(r#""a", "b""#, ",", "stand in a list");
    check("1 + 1", "+", "nothing comes after");
    check("'c'", "'c'", "expected a string");
    check(r#"-"a""#, r#""a""#, "expected a string");
    check("+", "+", "expected a string");
    check("1u8", "1u8", "drop `u8`");
    check("1e999", "1e999", "out of the range");
    check("{ 1: 2 }", "1", "expected a key");
    check("{ a = 2 }", "=", "expected `:`");
}

#[test]
fn what_names_no_route_is_an_error_where_it_stands() {
    let check = |text: &str, expected: &[(&str, &str)]| {
        let mut errors = Errors::default();
        check_list(&parsed(text), &mut errors);
        assert_errors(errors, expected);
    };
    check(r#""a""#, &[]);
    check(r#""""#, &[("\"\"", "empty")]);
    check("true", &[("true", "`true` is no pattern")]);
    check("null", &[("null", "`null` is no pattern")]);
    check(r#"["a", ["b"]]"#, &[(r#"["b"]"#, "a list is no pattern")]);
    check(r#"["a", 5, "5", "a"]"#, &[("\"5\"", "`5` is given twice"), ("\"a\"", "`a` is given twice")]);
    check("{ a: 1, b: 2, a: 3 }", &[("a", "given twice")]);
    check("{ a: [{ x: 1, x: 2 }] }", &[("x", "given twice")]);
    check(r#"{ "é": 1 }"#, &[]);
    check(r#"{ "é": 1, a: 2 }"#, &[("\"é\"", "locale")]);
    check(r#"{ "a\n": 1, a: 2 }"#, &[(r#""a\n""#, "`a\\n`")]);
    check("{ a: SUM }", &[("SUM", "stands alone")]);

    let wide =
        |keys: usize| format!("{{ {} }}", (0..keys).map(|key| format!("k{key}: 1")).collect::<Vec<_>>().join(", "));
    check(&wide(20), &[]);
    check(&wide(21), &[(&wide(21), "up to 20 keys")]);
    check(&format!("{{ a: [{}] }}", "1,".repeat(21)), &[(&format!("[{}]", "1,".repeat(21)), "here are 21")]);

    let deep = |levels: usize| format!("{}1{}", "{ a: ".repeat(levels + 1), " }".repeat(levels + 1));
    check(&deep(5), &[]);
    check(&deep(6), &[("{ a: 1 }", "5 levels")]);
    check(&deep(8), &[("{ a: { a: { a: 1 } } }", "5 levels")]);
}

#[test]
fn the_macro_is_an_expression_and_takes_a_path_to_nestrs() {
    let call = |text: &str| {
        let (output, errors) = macro_call(tokens(text));
        assert!(errors.is_empty(), "{errors:?}");
        syn::parse2::<syn::ExprBlock>(output).unwrap().to_token_stream().to_string().replace(' ', "")
    };
    let ordinary = call(r#"{ cmd: "sum" }"#);
    assert!(ordinary.starts_with("{use::nestrs::__privateas__nest;"), "{ordinary}");
    assert!(ordinary.contains(r#"=__nest::LiteralPattern::new(__nest::PatternLiteral::Object(&[("cmd",__nest::PatternLiteral::Text("sum"))]));"#));
    assert!(call(r#"crate = frame; "x""#).starts_with("{use::frame::__privateas__nest;"));
    let (_, errors) = macro_call(tokens(r#"["a", "b"]"#));
    assert_errors(errors, &[(r#"["a", "b"]"#, "a list is no pattern")]);
    let (_, errors) = macro_call(tokens("crate = ; \"x\""));
    assert_errors(errors, &[(";", "expected identifier")]);
}

/// The setters behind a handler's row.
fn setters(text: &str) -> String {
    let mut errors = Errors::default();
    let (patterns, options) = declaration(tokens(text), &mut errors);
    options.check(&mut errors);
    assert!(errors.is_empty() && !patterns.is_empty(), "{errors:?}");
    options.setters().to_string().replace("__nest :: PatternLiteral :: ", "").replace(' ', "")
}

#[test]
fn options_follow_the_patterns() {
    let check = |text: &str, expected: &str| assert_eq!(setters(text), expected, "{text}");
    check(r#""a""#, "");
    check(r#""a", transport = tcp"#, ".transports(&[__nest::TransportId::TCP])");
    check(r#""a", transport = "tcp","#, ".transports(&[__nest::TransportId::TCP])");
    check(
        r#"["a", "b"], transport = [nats, "pigeon",]"#,
        r#".transports(&[__nest::TransportId::NATS,__nest::TransportId::custom("pigeon")])"#,
    );
    check(
        r#"SUM, extras = { queue: "q", qos: -1, "x-y": { a: [true, null] } }, transport = rmq"#,
        r#".transports(&[__nest::TransportId::RMQ]).extras(&[("queue",Text("q")),("qos",Number(-1.0)),("x-y",Object(&[("a",Array(&[Bool(true),Null]))]))])"#,
    );
    check(r#"{ a: 1 }, extras = { queue: names::QUEUE }"#, r#".extras(&[("queue",Text(names::QUEUE))])"#);
}

#[test]
fn every_mistake_in_options_is_an_error_where_it_stands() {
    let check = |text: &str, expected: &[(&str, &str)]| {
        let mut errors = Errors::default();
        let (_, options) = declaration(tokens(text), &mut errors);
        options.check(&mut errors);
        assert_errors(errors, expected);
    };
    check("transport = tcp", &[("transport", "the pattern comes first")]);
    check(r#""a", transport"#, &[(",", "stand in a list")]);
    check(r#""a", transport = tcp, extras"#, &[("", "expected `=`")]);
    check(r#""a", queue = "q""#, &[("queue", "`queue` is no option: there are `transport` and `extras`")]);
    check(r#""a", transport = tcp, transport = nats"#, &[("transport", "`transport` is given twice")]);
    check(r#""a", transport = [nats, tcp, "nats"]"#, &[("\"nats\"", "`nats` is given twice")]);
    check(r#""a", transport = []"#, &[("[]", "names no transport")]);
    check(r#""a", transport = """#, &[("\"\"", "cannot be empty")]);
    check(r#""a", transport = tpc"#, &[("tpc", "expected `tcp`, `redis`")]);
    check(r#""a", transport = Transport::TCP"#, &[("Transport::TCP", "write `tcp`")]);
    check(r#""a", transport = TCP"#, &[("TCP", "write `tcp`")]);
    check(r#""a", transport = 1"#, &[("1", "expected `tcp`")]);
    check(r#""a", transport = tcp nats"#, &[("nats", "unexpected token")]);
    check(r#""a", extras = "queue""#, &[("\"queue\"", "expected an object")]);
    check(r#""a", extras = {}"#, &[("{}", "no extras in here")]);
    check(r#""a", extras = { q: 1, q: 2 }"#, &[("q", "`q` is given twice")]);
    check(r#""a", extras = { q: [{ x: 1, x: 2 }] }"#, &[("x", "`x` is given twice")]);
    check(
        r#""a", topic = 1, transport = Tcp, extras = 5"#,
        &[("topic", "no option"), ("Tcp", "write `tcp`"), ("5", "expected an object")],
    );
}
