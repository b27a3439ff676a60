use super::*;
use crate::diag::assert_errors;

/// Expands a block of messages and expects these errors.
#[track_caller]
fn check(block: &str, expected: &[(&str, &str)]) {
    check_as(Family::Micro, "", block, expected);
}

#[track_caller]
fn check_as(family: Family, args: &str, block: &str, expected: &[(&str, &str)]) {
    let (output, errors) = routes(family, args.parse().unwrap(), block.parse().unwrap());
    assert_errors(errors, expected);
    // With errors or without, the user's block is there, and nothing in it is left for others to trip over.
    let first = syn::parse2::<syn::File>(output).unwrap().items.into_iter().next().unwrap();
    let first = first.to_token_stream().to_string();
    assert!(!first.contains("_pattern"), "{first}");
}

/// Expands a block with one handler of this signature and body.
#[track_caller]
fn check_handler(method: &str, expected: &[(&str, &str)]) {
    check(&format!("impl Math {{ #[message_pattern(\"a\")] {method} {{}} }}"), expected);
}

#[test]
fn a_block_without_handlers_serves_nothing() {
    check("impl Math { fn helper(&self) {} }", &[("Math", "no method is marked `#[message_pattern")]);
    check_as(Family::Bus, "", "impl Math {}", &[("Math", "no method is marked `#[on_event")]);
}

#[test]
fn only_the_path_to_nestrs_is_an_argument() {
    let block = r#"impl Math { #[message_pattern("a")] fn a(&self) {} }"#;
    check_as(Family::Micro, "crate = frame", block, &[]);
    check_as(Family::Micro, "prefix = \"x\"", block, &[("prefix = \"x\"", "takes no argument but `crate")]);
}

#[test]
fn a_pattern_attribute_says_one_thing_once() {
    let twice = r#"impl Math { #[message_pattern("a")] #[message_pattern("b")] fn a(&self) {} }"#;
    check(twice, &[("#[message_pattern(\"b\")]", "in one list")]);
    let both = r#"impl Math { #[event_pattern("a")] #[message_pattern("a")] fn a(&self) {} }"#;
    check(both, &[("#[message_pattern(\"a\")]", "not both")]);
    check("impl Math { #[message_pattern] fn a(&self) {} }", &[("message_pattern", "expected `#[message_pattern(")]);
    check("impl Math { #[event_pattern()] fn a(&self) {} }", &[("event_pattern()", "expected `#[event_pattern(")]);
    check(
        r#"impl Math { #[message_pattern = "a"] fn a(&self) {} }"#,
        &[("message_pattern = \"a\"", "expected `#[message_pattern(")],
    );
}

#[test]
fn a_message_is_handled_once_and_an_event_as_often_as_one_likes() {
    check(
        r#"impl Math {
            #[message_pattern({ cmd: "sum", v: 1 })] fn add(&self) {}
            #[message_pattern(["b", { v: 1.0, cmd: "sum" }])] fn sum(&self) {}
        }"#,
        &[("{ v: 1.0, cmd: \"sum\" }", "handled twice in this block, first by `add`")],
    );
    check(
        r#"impl Math { #[message_pattern(["a", "a"])] fn add(&self) {} }"#,
        &[("\"a\"", "`a` is given twice for this handler")],
    );
    check(r#"impl Math { #[event_pattern("a")] fn one(&self) {} #[event_pattern("a")] fn two(&self) {} }"#, &[]);
    check(r#"impl Math { #[message_pattern("a")] fn one(&self) {} #[event_pattern("a")] fn two(&self) {} }"#, &[]);
    check(
        r#"impl Math {
            #[cfg(unix)] #[message_pattern("a")] fn one(&self) {}
            #[message_pattern("a")] fn two(&self) {}
            #[message_pattern("a")] fn three(&self) {}
        }"#,
        &[("\"a\"", "first by `two`")],
    );
}

#[test]
fn a_message_is_handled_once_on_each_transport() {
    let two = |one: &str, other: &str, expected: &[(&str, &str)]| {
        let block = format!(
            "impl Math {{ #[message_pattern(\"a\"{one})] fn one(&self) {{}} #[message_pattern(\"a\"{other})] fn two(&self) {{}} }}"
        );
        check(&block, expected);
    };
    let twice = &[("\"a\"", "handled twice in this block, first by `one`")];
    two(", transport = tcp", ", transport = nats", &[]);
    two(", transport = [tcp, redis]", ", transport = [nats, \"own\"]", &[]);
    two(", transport = [tcp, redis]", ", transport = [nats, redis]", twice);
    two(", transport = tcp", ", transport = \"tcp\"", twice);
    two(", transport = tcp", "", twice);
    two(", transport = tpc", ", transport = nats", &[("tpc", "expected `tcp`")]);
    two("", ", extras = { queue: \"q\" }", twice);
}

#[test]
fn the_bus_is_no_transport() {
    let block = r#"impl Audit { #[on_event("a", transport = tcp)] fn a(&self) {} }"#;
    check_as(Family::Bus, "", block, &[("on_event(\"a\", transport = tcp)", "takes patterns alone")]);
    let block = r#"impl Audit { #[on_event("a", extras = { q: 1 })] fn a(&self) {} }"#;
    check_as(Family::Bus, "", block, &[("on_event(\"a\", extras = { q: 1 })", "takes patterns alone")]);
}

#[test]
fn a_stage_runs_around_a_handler_or_not_at_all() {
    check(
        r#"impl Math { #[use_micro_guards(A)] fn helper(&self) {} #[message_pattern("a")] fn a(&self) {} }"#,
        &[("#[use_micro_guards(A)]", "`helper` is no handler")],
    );
    check_as(
        Family::Bus,
        "",
        r#"impl Math { #[use_micro_pipes(A)] fn helper(&self) {} #[on_event("a")] fn a(&self) {} }"#,
        &[("#[use_micro_pipes(A)]", "add `#[on_event(")],
    );
}

#[test]
fn stages_stay_for_the_controller_that_shares_the_block() {
    let block = "#[use_guards(A)] #[controller] impl Math { #[message_pattern(\"a\")] #[use_filters(B)] #[get] fn a(&self) {} }";
    let (output, errors) = routes(Family::Micro, TokenStream::new(), block.parse().unwrap());
    assert!(errors.is_empty());
    let output = output.to_string();
    assert!(
        output.starts_with("# [controller] # [rustfmt :: nestrs_read (micro_routes , controller)] # [use_guards (A)]"),
        "{output}"
    );
    assert!(output.contains("# [get] # [use_filters (B)]"), "{output}");
}

#[test]
fn metadata_is_a_value_of_some_type_or_json_under_a_key() {
    let check_one = |metadata: &str, expected: &[(&str, &str)]| {
        check_handler(&format!("#[set_metadata({metadata})] fn a(&self)"), expected);
    };
    check_one("Roles(&[\"admin\"])", &[]);
    check_one("\"roles\", [\"admin\", 1]", &[]);
    check_one("\"roles\"", &[("\"roles\"", "a value is found by its type")]);
    check_one("7", &[("7", "a value is found by its type")]);
    check_one("A, B", &[(",", "one value")]);
    check_one("\"roles\",", &[("\"roles\"", "expected the value of this key")]);
}

#[test]
fn two_blocks_in_one_both_get_the_stages() {
    let block = r#"#[use_micro_guards(A)] #[event_routes] impl Math {
        #[message_pattern("a")] #[on_event("b")] #[use_micro_pipes(B)] fn a(&self, #[ctx] a: A) {}
    }"#;
    let (output, errors) = routes(Family::Micro, TokenStream::new(), block.parse().unwrap());
    assert!(errors.is_empty());
    let output = output.to_string();
    assert!(output.starts_with("# [event_routes] # [rustfmt :: nestrs_read (micro_routes , event_routes)] # [use_micro_guards (A)] impl Math"), "{output}");
    assert!(output.contains(r#"# [on_event ("b")] # [use_micro_pipes (B)] fn a (& self , # [ctx] a : A)"#), "{output}");
}

#[test]
fn a_payload_is_owned() {
    check_handler("fn a(&self, name: &str)", &[("&str", "take `String`")]);
    check_handler("fn a(&self, names: &[Name])", &[("&[Name]", "take `Vec<Name>`")]);
    check_handler("fn a(&self, cx: &ExecutionContext, order: &Order)", &[("&Order", "take `Order`")]);
    check_handler("fn a(&self, #[payload] cx: &ExecutionContext)", &[("&ExecutionContext", "belongs to the handler")]);
    check_handler("fn a(&self, order: Order, tenant: &Tenant)", &[]);
}

#[test]
fn an_argument_has_one_source() {
    check_handler("fn a(&self, #[payload] a: A, #[payload] b: B)", &[("#[payload]", "one payload")]);
    check_handler("fn a(&self, #[payload] #[ctx] a: A)", &[("#[ctx]", "it is `#[payload]` already")]);
    check_handler("fn a(&self, #[inject] #[header(\"x\")] a: Arc<A>)", &[("#[header(\"x\")]", "`#[inject]` already")]);
    check_handler("fn a(&self, #[ctx] #[ctx] a: A)", &[("#[ctx]", "one source")]);
    check_handler("fn a(&self, #[ctx(user)] a: A)", &[("ctx(user)", "takes no arguments")]);
    check_handler("fn a(&self, #[ctx] a: A, #[ctx] b: B)", &[]);
    check_handler("fn a(&self, #[payload(\"a\")] a: A, #[payload(\"a\")] b: B, #[payload] c: C, d: D)", &[]);
}

#[test]
fn a_source_is_named_by_text() {
    check_handler("fn a(&self, #[payload(id)] a: A)", &[("payload(id)", "expected `#[payload]` or `#[payload(")]);
    check_handler("fn a(&self, #[payload(\"\")] a: A)", &[("\"\"", "cannot be empty")]);
    check_handler("fn a(&self, #[header] a: A)", &[("header", "expected `#[header(\"x-version\")]`")]);
    check_handler("fn a(&self, #[header = \"x\"] a: A)", &[("header = \"x\"", "expected `#[header(")]);
    check_handler("fn a(&self, #[inject(default)] a: A)", &[("inject(default)", "expected `#[inject]` or")]);
}

#[test]
fn the_type_of_an_argument_fits_its_source() {
    check_handler(
        "fn a(&self, #[payload(\"name\")] a: &str)",
        &[("&str", "a payload belongs to the handler: take `String`")],
    );
    check_handler(
        "fn a(&self, #[header(\"x\")] a: &str)",
        &[("&str", "a header belongs to the handler: take `String`")],
    );
    check_handler("fn a(&self, #[payload(\"name\")] a: Payload)", &[("Payload", "`serde_json::Value`")]);
    check_handler("fn a(&self, #[inject] a: Repo)", &[("Repo", "take `Arc<Repo>`, `Option<Arc<Repo>>`")]);
    check_handler("fn a(&self, #[inject] a: Option<Repo>)", &[("Option<Repo>", "a provider is shared")]);
    check_handler("fn a(&self, #[inject(\"N\")] a: usize, #[inject] b: std::sync::Arc<dyn Repo>)", &[]);
    check_handler("fn a(&self, Extension(user): Extension<User>, user: Option<Extension<&A>>, order: Order)", &[]);
}

#[test]
fn a_pipe_is_a_type_or_an_expression() {
    check_handler("fn a(&self, #[pipe(A, b::C<D>, E(F), G { h: 1 }, I::new(), 1 + 2,)] #[pipe(J)] a: A)", &[]);
    check_handler("fn a(&self, #[pipe] a: A)", &[("pipe", "expected `#[pipe(Lowercase)]`")]);
    check_handler("fn a(&self, #[pipe()] a: A)", &[("pipe()", "expected `#[pipe(Lowercase)]`")]);
    check_handler("fn a(&self, #[pipe(A B)] a: A)", &[("B", "expected `,`")]);
    check_handler("fn a(&self, #[inject] #[pipe(A)] a: Arc<A>)", &[("#[pipe(A)]", "no pipe changes it")]);
}

#[test]
fn every_mistake_of_a_block_is_reported_at_once() {
    check(
        r#"impl<T> Math<T> {
            #[message_pattern("")] #[use_micro_guards()] fn a(self, payload: &str) {}
            #[message_pattern(true)] fn b<U>(&self) {}
        }"#,
        &[
            ("T", "generic impl block"),
            ("use_micro_guards()", "expected"),
            ("\"\"", "empty"),
            ("self", "`fn a(&self, payload: &str)`"),
            ("&str", "take `String`"),
            ("true", "no pattern"),
            ("U", "not generic"),
        ],
    );
}

#[test]
fn an_item_that_is_no_block_stays_as_it_is() {
    let item = "struct Math ;";
    let (output, errors) = routes(Family::Micro, TokenStream::new(), item.parse().unwrap());
    assert_eq!(output.to_string(), item);
    assert_errors(errors, &[("struct", "stands on an impl block")]);
}

#[test]
fn stages_and_markers_stay_for_the_contract_below() {
    let check = |family: Family, args: &str, block: &str, kept: &str| {
        let (output, errors) = routes(family, args.parse().unwrap(), block.parse().unwrap());
        assert_errors(errors, &[]);
        assert!(output.to_string().contains(&kept.parse::<TokenStream>().unwrap().to_string()), "{output}");
    };
    let block = r#"#[micro_routes(crate = frame, contract = Api)] impl Math {
        #[on_event("b")] #[use_guards(B)] fn a(&self, #[pipe(A)] a: A) {} #[use_guards(C)] fn c(&self) {}
    }"#;
    check(Family::Bus, "", block, "#[use_guards(B)] fn a(&self, #[pipe(A)] a: A) {} #[use_guards(C)] fn c(&self) {}");
    // And they go where nobody reads them any more.
    let block = "impl Math { #[use_guards(B)] fn a(&self, #[pipe(A)] a: A) {} }";
    check(Family::Micro, "contract = Api", block, "impl Math { fn a(&self, a: A) {} }");
}

#[test]
fn a_marker_on_a_method_that_is_a_route_too_is_an_error() {
    let check_shared = |family: Family, method: &str, expected: &[(&str, &str)]| {
        let block = format!("#[controller] impl Math {{ #[post] {method} {{}} }}");
        let (_, errors) = routes(family, TokenStream::new(), block.parse().unwrap());
        assert_errors(errors, expected);
    };
    let each = "without it: write a method for each";
    check_shared(
        Family::Micro,
        "#[message_pattern(\"a\")] fn a(&self, #[payload(\"a\")] a: A, #[header(\"b\")] b: B, #[pipe(C)] c: C, #[inject] d: Arc<D>)",
        &[("#[payload(\"a\")]", each), ("#[header(\"b\")]", each), ("#[pipe(C)]", each), ("#[inject]", each)],
    );
    check_shared(Family::Bus, "#[on_event(\"a\")] fn a(&self, #[pipe(A)] a: A)", &[("#[pipe(A)]", each)]);
    check_shared(Family::Micro, "#[message_pattern(\"a\")] fn a(&self, #[ctx] b: B, #[payload] a: A)", &[]);
}

#[test]
fn an_event_of_the_bus_has_no_headers() {
    let check_bus = |method: &str, expected: &[(&str, &str)]| {
        check_as(Family::Bus, "", &format!("impl Math {{ #[on_event(\"a\")] {method} {{}} }}"), expected);
    };
    check_bus("fn a(&self, #[header(\"x\")] a: Option<A>, b: B)", &[("#[header(\"x\")]", "has no headers")]);
    check_bus("fn a(&self, #[payload(\"x\")] a: A, #[pipe(B)] #[ctx] b: B)", &[]);
}
