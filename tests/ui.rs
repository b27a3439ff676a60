//! Every mistake has an error of its own, on the token that made it.
//!
//! `TRYBUILD=overwrite cargo test --test ui` writes the expected errors anew; the diff is then what to review. They
//! include the compiler's own words, so another version of Rust may differ.

#[test]
fn mistakes_are_explained_where_they_are_made() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// Whether rustc shows lines of the standard library depends on a component of the toolchain, which machines have or
/// have not.
#[test]
fn no_expected_error_points_into_the_standard_library() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ui");
    let expected: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "stderr"))
        .collect();
    assert!(expected.len() > 100, "{directory} holds the expected errors");
    for path in expected {
        assert!(!std::fs::read_to_string(&path).unwrap().contains("$RUST"), "{}", path.display());
    }
}
