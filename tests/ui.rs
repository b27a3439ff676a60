//! Every mistake has an error of its own, on the token that made it.
//!
//! `TRYBUILD=overwrite cargo test --test ui` writes the expected errors anew; the diff is then what to review. They
//! include the compiler's own words, so another version of Rust may differ.

#[test]
fn mistakes_are_explained_where_they_are_made() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
