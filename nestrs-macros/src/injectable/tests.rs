use super::*;
use crate::diag::assert_errors;

#[track_caller]
fn check(item: &str, expected: &[(&str, &str)]) -> String {
    let (output, errors) = injectable(TokenStream::new(), item.parse().unwrap());
    assert_errors(errors, expected);
    output.to_string()
}

/// A struct with one field of this text.
#[track_caller]
fn check_field(field: &str, expected: &[(&str, &str)]) {
    let output = check(&format!("struct Service {{ {field} }}"), expected);
    assert!(!output.contains("# [inject"), "{output}");
    assert!(output.contains("__nest :: Injectable for Service"), "{output}");
}

#[test]
fn only_a_struct_that_borrows_nothing_can_be_built() {
    check("enum Either { A, B }", &[("enum", "which variant")]);
    check("union Bits { a: u8 }", &[("union", "stands on a struct")]);
    check("fn build() {}", &[("fn build() {}", "stands on a struct")]);
    let output = check("struct Borrowing<'a, T>(&'a T);", &[("'a", "hold an `Arc`")]);
    assert!(!output.contains("impl"), "{output}");
}

#[test]
fn what_others_need_of_a_broken_struct_is_there() {
    let output = check("enum Either<T: Clone> { A(T), B }", &[("enum", "which variant")]);
    assert!(output.contains("impl < T : Clone > __nest :: Injectable for Either < T >"), "{output}");
}

#[test]
fn inject_says_one_of_three_things() {
    check_field("#[inject(\"NAME\")] a: Arc<A>", &[]);
    check_field("#[inject(default)] a: A", &[]);
    check_field("#[inject(value = 1 + 1)] a: A", &[]);
    check_field("#[inject(\"NAME\",)] a: A", &[]);
    check_field("#[inject] a: Arc<A>", &[("inject", "expected `#[inject(\"NAME\")]`")]);
    check_field("#[inject()] a: Arc<A>", &[("inject()", "expected `#[inject(\"NAME\")]`")]);
    check_field("#[inject = \"NAME\"] a: Arc<A>", &[("inject = \"NAME\"", "expected `#[inject(\"NAME\")]`")]);
    check_field("#[inject(\"\")] a: Arc<A>", &[("\"\"", "cannot be empty")]);
    check_field("#[inject(name = \"A\")] a: Arc<A>", &[("name", "expected `#[inject(\"NAME\")]`")]);
    check_field("#[inject(optional)] a: Arc<A>", &[("optional", "expected `#[inject(\"NAME\")]`")]);
    check_field("#[inject(7)] a: Arc<A>", &[("7", "expected `#[inject(\"NAME\")]`")]);
    check_field("#[inject(\"A\", default)] a: Arc<A>", &[("default", "one argument")]);
    check_field("#[inject(\"A\")] #[inject(default)] a: A", &[("#[inject(default)]", "given twice")]);
}

#[test]
fn the_arguments_are_a_scope_metadata_and_the_path_to_nestrs() {
    let check = |arguments: &str, expected: &[(&str, &str)]| {
        let (output, errors) = injectable(arguments.parse().unwrap(), "struct A;".parse().unwrap());
        assert_errors(errors, expected);
        output.to_string()
    };
    assert!(check("scope = request, crate = a", &[]).contains("ProviderScope :: Request"));
    assert!(check("scope = transient,", &[]).contains("ProviderScope :: Transient"));
    assert!(check("scope = singleton", &[]).contains("ProviderScope :: Singleton"));
    check("scope = Request", &[("Request", "expected `scope = singleton`")]);
    check("scope", &[("scope", "expected `scope = singleton`")]);
    check("scope = \"request\"", &[("\"request\"", "expected `scope = singleton`")]);
    check("scope = request, scope = transient", &[("scope", "given twice")]);
    check("scope = request or_so", &[("request or_so", "expected `scope = singleton`")]);
    check("lifetime = request", &[("lifetime", "takes `scope = …`, `metadata = …`")]);
    let found = check("metadata = Every(60), metadata = \"a\"", &[]);
    assert!(
        found.contains("ProviderMetadata :: new (Every (60)) , __nest :: ProviderMetadata :: new (\"a\")"),
        "{found}"
    );
    check("metadata", &[("metadata", "expected `metadata = expression`")]);
    check("metadata = 1 2", &[("2", "unexpected token")]);
}
