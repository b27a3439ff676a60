use super::*;
use crate::diag::assert_errors;
use crate::routes::{Family, routes};

/// Expands a contract and expects these errors.
#[track_caller]
fn check_as(args: &str, item: &str, expected: &[(&str, &str)]) {
    let (output, errors) = contract(args.parse().unwrap(), item.parse().unwrap());
    assert_errors(errors, expected);
    // With errors or without, the trait can be named, and nothing in it is left for others to trip over.
    let first = syn::parse2::<syn::File>(output).unwrap().items.into_iter().next().unwrap();
    let first = first.to_token_stream().to_string();
    assert!(first.contains("trait Orders") && !first.contains("_pattern"), "{first}");
}

#[track_caller]
fn check(methods: &str, expected: &[(&str, &str)]) {
    check_as("", &format!("pub trait Orders {{ {methods} }}"), expected);
}

/// Expands a contract with one method.
#[track_caller]
fn check_method(method: &str, expected: &[(&str, &str)]) {
    check(&format!("#[message_pattern(\"a\")] {method};"), expected);
}

#[test]
fn the_right_ones_pass() {
    check_method("async fn a(&self)", &[]);
    check_method("async fn a(&self, order: Order) -> Result<Order, OrderError>", &[]);
    check_method("fn a(&self, _: u64) -> impl Stream<Item = Result<u8, E>> + Send", &[]);
    check_as(
        "client = \"ORDERS\", crate = frame",
        "trait Orders { #[event_pattern(A)] async fn a(&self, b: B); }",
        &[],
    );
}

#[test]
fn its_arguments_are_a_client_and_a_path() {
    let item = r#"trait Orders { #[message_pattern("a")] async fn a(&self); }"#;
    let takes = "takes `client = \"NAME\"`";
    check_as("\"ORDERS\"", item, &[("\"ORDERS\"", takes)]);
    check_as("client = ORDERS", item, &[("client = ORDERS", takes)]);
    check_as("client = \"\"", item, &[("client = \"\"", takes)]);
    check_as("client = \"A\", client = \"B\"", item, &[("client = \"B\"", "given twice")]);
}

#[test]
fn a_contract_is_a_plain_trait_of_methods() {
    let method = r#"#[message_pattern("a")] async fn a(&self);"#;
    check_as("", &format!("trait Orders<T> {{ {method} }}"), &[("T", "not generic")]);
    check_as("", &format!("trait Orders where Self: Sized {{ {method} }}"), &[("where Self: Sized", "no conditions")]);
    check_as("", &format!("trait Orders: Send {{ {method} }}"), &[("Send", "stands alone")]);
    check_as("", &format!("unsafe trait Orders {{ {method} }}"), &[("unsafe", "not `unsafe`")]);
    check_as("", "trait Orders {}", &[("Orders", "no method")]);
    check(&format!("type Order; const N: u8; {method}"), &[("type", "consists of"), ("const", "consists of")]);
    check(r#"#[message_pattern("a")] async fn a(&self) { 1 }"#, &[("{ 1 }", "`;` in place of the body")]);
}

#[test]
fn a_method_is_called_by_one_pattern_attribute() {
    check("async fn a(&self);", &[("a", "`a` has no pattern")]);
    check(
        r#"#[message_pattern("a")] #[message_pattern("b")] async fn a(&self);"#,
        &[("#[message_pattern(\"b\")]", "in one list")],
    );
    check(
        r#"#[event_pattern("a")] #[message_pattern("b")] async fn a(&self);"#,
        &[("#[message_pattern(\"b\")]", "not both")],
    );
    check("#[message_pattern(true)] async fn a(&self);", &[("true", "no pattern")]);
    check("#[message_pattern(Self::A)] async fn a(&self);", &[("Self::A", "no `Self`")]);
    check(
        r#"#[message_pattern(["a", { b: 1, c: 2 }])] async fn a(&self); #[event_pattern({ c: 2, b: 1 })] async fn b(&self);"#,
        &[("{ c: 2, b: 1 }", "sent by two methods, first by `a`")],
    );
    check(r#"#[cfg(unix)] #[message_pattern("a")] async fn a(&self); #[message_pattern("a")] async fn b(&self);"#, &[]);
}

#[test]
fn what_is_sent_is_one_owned_value() {
    check_method("async fn a(&self, b: B, c: C)", &[("c: C", "one payload")]);
    check_method("async fn a(&self, b: &str)", &[("&str", "take `String`")]);
    check_method("async fn a(&self, #[payload] b: B)", &[("#[payload]", "nothing is marked")]);
    check_method("async fn a(&self, b: impl Serialize)", &[("impl Serialize", "name it")]);
    check_method("async fn a(&self, b: Vec<Self>)", &[("Vec<Self>", "no `Self`")]);
    check_method("async fn a(&mut self)", &[("&mut self", "`async fn a(&self)`")]);
    check_method("async fn a<T>(&self, b: T)", &[("T", "not generic")]);
    check_method("async fn new(&self)", &[("new", "of its own")]);
}

#[test]
fn what_comes_back_is_named_and_waited_for() {
    check_method("fn a(&self)", &[("fn", "write `async fn a(&self)`")]);
    check_method("fn a(&self) -> u8", &[("fn", "write `async fn a(&self) -> u8`")]);
    check_method("fn a(&self) -> impl Future<Output = u8>", &[("impl Future<Output = u8>", "`async fn a")]);
    check_method("async fn a(&self) -> impl Serialize", &[("impl Serialize", "name it")]);
    check_method("async fn a(&self) -> Result<impl Serialize, E>", &[("impl Serialize", "name it")]);
    check_method("async fn a(&self) -> Self", &[("Self", "no `Self`")]);
    check_method("async fn a(&self) -> impl Stream<Item = u8>", &[("async", "write `fn a` without")]);
    check_method("fn a(&self) -> impl Stream", &[("impl Stream", "`impl Stream<Item = T>`")]);
    check_method("fn a(&self) -> BoxStream<'_, u8>", &[("BoxStream<'_, u8>", "`impl Stream<Item = T>`")]);
    check("#[event_pattern(\"a\")] async fn a(&self) -> u8;", &[("u8", "leave the return type of `a` out")]);
    check("#[event_pattern(\"a\")] fn a(&self);", &[("fn", "write `async fn a(&self)`")]);
}

#[test]
fn an_item_that_is_no_trait_stays_as_it_is() {
    let item = "struct Orders ;";
    let (output, errors) = contract(TokenStream::new(), item.parse().unwrap());
    assert_eq!(output.to_string(), item);
    assert_errors(errors, &[("struct", "stands on a trait")]);
}

/// Expands a block with these arguments.
#[track_caller]
fn check_block(args: &str, block: &str, expected: &[(&str, &str)]) {
    let (_, errors) = routes(Family::Micro, args.parse().unwrap(), block.parse().unwrap());
    assert_errors(errors, expected);
}

#[test]
fn a_block_serves_one_contract_and_nothing_else() {
    let block = "impl Service { async fn a(&self) {} }";
    check_block("contract = api::Orders, crate = frame", block, &[]);
    check_block("contract = ::api::Orders", "impl Service {}", &[]);
    check_block("contract = A, contract = B", block, &[("contract = B", "one contract")]);
    check_block("contract = A<B>", block, &[("contract = A<B>", "by its path")]);
    check_block("contract", block, &[("contract", "by its path")]);
    let stacked = "#[event_routes] impl Service { #[on_event(\"b\")] #[message_pattern(\"a\")] async fn a(&self) {} }";
    let expected = [
        ("#[on_event(\"b\")]", "leave this out"),
        ("#[message_pattern(\"a\")]", "leave this out"),
        ("#[event_routes]", "another block"),
    ];
    check_block("contract = A", stacked, &expected);
    check_block("contract = A", "impl Service { fn new() -> Self {} }", &[("new", "called on the service")]);
    let opaque = "impl Service { fn a(&self) -> impl Stream {} fn b(&self) -> impl Serialize {} }";
    check_block("contract = A", opaque, &[("impl Stream", "`Item = T`"), ("impl Serialize", "name it")]);
}
