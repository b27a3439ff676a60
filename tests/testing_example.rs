//! The tests that `examples/testing.rs` ends with, so that they run with all others: `cargo test` builds examples, but does
//! not run what is in them.

#[path = "../examples/testing.rs"]
#[expect(dead_code, reason = "a test has a `main` of its own")]
mod testing;
