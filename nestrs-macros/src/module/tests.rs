use super::*;
use crate::diag::assert_errors;

/// Expands `#[module(args)]` on a plain struct; the definition is there whatever the errors.
#[track_caller]
fn check(args: &str, expected: &[(&str, &str)]) {
    let (output, errors) = module(args.parse().unwrap(), "struct AppModule;".parse().unwrap());
    assert_errors(errors, expected);
    assert!(output.to_string().contains("__nest :: Module for AppModule"), "{output}");
}

#[track_caller]
fn check_item(item: &str, expected: &[(&str, &str)]) {
    let (_, errors) = module(TokenStream::new(), item.parse().unwrap());
    assert_errors(errors, expected);
}

#[test]
fn a_module_is_one_struct() {
    check_item("struct Empty {}", &[]);
    check_item("struct Tuple(u8);", &[]);
    check_item("enum Modules { A }", &[("enum", "stands on a struct")]);
    check_item("fn module() {}", &[("fn module() {}", "stands on a struct")]);
    check_item("struct Of<T>(T);", &[("T", "a module is one type")]);
}

#[test]
fn keys_are_known_and_given_once() {
    check("", &[]);
    check("import = [A]", &[("import", "expected `imports`")]);
    check("\"imports\"", &[("\"imports\"", "expected `imports`")]);
    check("exports = [A], imports = [B], exports = [C]", &[("exports", "given twice")]);
    check("global, global = true", &[("global", "given twice")]);
}

#[test]
fn a_list_is_in_brackets_and_global_is_a_flag() {
    check("imports", &[("imports", "expected a list: `imports = [First, Second]`")]);
    check("providers = MathService", &[("MathService", "expected a list: `providers")]);
    check("providers = (A, B)", &[("(A, B)", "expected a list")]);
    check("providers [A]", &[("[", "expected `=`")]);
    check("providers = [A B]", &[("B", "expected")]);
    check("global", &[]);
    check("global = false,", &[]);
    check("global = 1", &[("global", "write `global` alone")]);
}

#[test]
fn each_list_has_its_own_kind_of_entry() {
    check("imports = [A, b::B, A::register(&[1]), register(options)]", &[]);
    check("imports = [\"A\", dyn B]", &[("\"A\"", "a `DynamicModule`"), ("dyn B", "a `DynamicModule`")]);
    check("providers = [A, B<C>, D as dyn E, Provider::value(1), value(config), { F }, f!()]", &[]);
    check("providers = [dyn A, \"NAME\"]", &[("dyn A", "`Struct as dyn Trait`"), ("\"NAME\"", ".named(\"NAME\")")]);
    check("controllers = [A, make()]", &[("make()", "the type that has the handlers")]);
    check("microservices = [A as dyn B, \"C\"]", &[("A as dyn B", "has the handlers"), ("\"C\"", "has the handlers")]);
    check("exports = [A, dyn B, dyn B + Send, \"NAME\", A<B>]", &[]);
    check(
        "exports = [A as dyn B, make()]",
        &[("A as dyn B", "a type, or the name"), ("make()", "a type, or the name")],
    );
}

#[test]
fn an_entry_is_listed_once() {
    check("providers = [A, b::A, A,]", &[("A", "`A` is listed twice")]);
    check("exports = [\"N\", \"N\", dyn A, dyn A]", &[("\"N\"", "listed twice"), ("dyn A", "listed twice")]);
    check("providers = [A, A as dyn B, A as dyn C]", &[]);
    check("providers = [Provider::value(1), Provider::value(1)]", &[]);
}
