use super::*;
use crate::diag::assert_errors;

#[track_caller]
fn check(args: &str, block: &str, expected: &[(&str, &str)]) {
    let (output, errors) = controller(args.parse().unwrap(), block.parse().unwrap());
    assert_errors(errors, expected);
    let first = syn::parse2::<syn::File>(output).unwrap().items.into_iter().next().unwrap();
    let first = first.to_token_stream().to_string();
    assert!(!first.contains("# [get") && !first.contains("# [use_micro"), "{first}");
}

/// A block with these methods.
#[track_caller]
fn check_methods(methods: &str, expected: &[(&str, &str)]) {
    check("", &format!("impl Gateway {{ {methods} }}"), expected);
}

#[test]
fn a_controller_has_one_prefix() {
    let block = "impl Gateway { #[get] fn a(&self) {} }";
    check("\"/math\", crate = frame", block, &[]);
    check("math", block, &[("math", "takes one path")]);
    check("\"/a\", \"/b\"", block, &[("\"/b\"", "takes one path")]);
    check("\"math\"", block, &[("\"math\"", "write `/math`")]);
}

#[test]
fn a_block_without_routes_serves_nothing() {
    check_methods("fn helper(&self) {}", &[("Gateway", "no method is marked `#[get]`")]);
}

#[test]
fn a_path_is_a_string_in_axums_way() {
    check_methods("#[get(\"/{id}\")] fn a(&self, id: Path<u8>) {}", &[]);
    check_methods("#[get()] fn a(&self) {}", &[]);
    check_methods("#[get(\"/:id\")] fn a(&self) {}", &[("\"/:id\"", "write `/{id}`")]);
    check_methods("#[get(sum)] fn a(&self) {}", &[("sum", "expected a path: `#[get(\"/sum\")]`")]);
    check_methods("#[get(\"/a\", \"/b\")] fn a(&self) {}", &[(",", "expected a path")]);
    check_methods("#[get = \"/a\"] fn a(&self) {}", &[("get = \"/a\"", "expected a path")]);
}

#[test]
fn a_request_is_answered_by_one_method() {
    check_methods("#[get(\"/a\")] #[get(\"/b\")] fn a(&self) {}", &[("#[get(\"/b\")]", "given twice")]);
    check_methods("#[get(\"/a\")] #[post(\"/a\")] fn a(&self) {} #[put(\"/a\")] fn b(&self) {}", &[]);
    check_methods(
        "#[get(\"/{id}\")] fn a(&self) {} #[get(\"/{name}\")] fn b(&self) {}",
        &[("#[get(\"/{name}\")]", "`GET /{name}` is handled twice in this block, first by `a`")],
    );
    check_methods("#[cfg(unix)] #[get] fn a(&self) {} #[cfg(not(unix))] #[get] fn a(&self) {}", &[]);
}

#[test]
fn arguments_are_extracted_and_owned() {
    check_methods("#[get] fn a(self) {}", &[("self", "`fn a(&self)`")]);
    check_methods("#[get] fn a(&self, id: &str) {}", &[("&str", "take `String`")]);
    let many = |count: u8| (0..count).map(|index| format!(", a{index}: A")).collect::<String>();
    check_methods(&format!("#[get] fn a(&self{}) {{}}", many(8)), &[]);
    check_methods(&format!("#[get] fn a(&self{}) {{}}", many(9)), &[("a8: A", "up to 8 arguments")]);
}

#[test]
fn a_stage_that_http_routes_do_not_read_is_an_error() {
    check(
        "",
        "#[use_micro_guards(A)] impl Gateway { #[get] #[use_pipes(B)] #[use_filters(C)] fn a(&self) {} }",
        &[
            ("#[use_micro_guards(A)]", "write `#[use_guards]`, which HTTP routes read too"),
            ("#[use_pipes(B)]", "on HTTP routes extractors do that"),
        ],
    );
    check("", "#[use_guards(A)] impl Gateway { #[get] #[set_metadata(B)] #[use_interceptors(C)] fn a(&self) {} }", &[]);
}

#[test]
fn a_stage_runs_around_a_route_or_not_at_all() {
    check(
        "",
        "impl Gateway { #[get] fn a(&self) {} #[use_guards(A)] fn b(&self) {} }",
        &[("#[use_guards(A)]", "`b` is no route, so nothing would run this")],
    );
}

#[test]
fn stages_stay_for_the_contract_below() {
    let block = "#[micro_routes(contract = Api)] impl W { #[get] #[use_guards(A)] fn a(&self) {} #[use_guards(B)] fn b(&self) {} }";
    let (output, errors) = controller(TokenStream::new(), block.parse().unwrap());
    assert_errors(errors, &[]);
    let kept = quote::quote!(impl W { #[use_guards(A)] fn a(&self) {} #[use_guards(B)] fn b(&self) {} });
    assert!(output.to_string().contains(&kept.to_string()), "{output}");
    // A block without a contract has no handlers but those that say so.
    check(
        "",
        "#[micro_routes] impl W { #[get] fn a(&self) {} #[use_guards(B)] fn b(&self) {} }",
        &[("#[use_guards(B)]", "`b` is no route")],
    );
}

#[test]
fn markers_of_arguments_are_for_messages() {
    let each = "without it: write a method for each";
    check(
        "",
        "#[micro_routes] impl W { #[get] #[message_pattern(\"a\")] fn a(&self, #[ctx] a: A, #[pipe(B)] #[payload] b: B) {} }",
        &[("#[pipe(B)]", each)],
    );
    check(
        "",
        "#[micro_routes(contract = Api)] impl W { #[get] fn a(&self, #[payload(\"a\")] a: A) {} }",
        &[("#[payload(\"a\")]", each)],
    );
    check_methods("#[get] fn a(&self, #[ctx] a: A) {}", &[("#[ctx]", "there extractors do that")]);
}
