//! Programs of this package that tests start.

use std::path::PathBuf;

/// The program of an example: beside the test's own, where `cargo test` has put it, or built now.
pub fn program(example: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    let target = own.parent().and_then(|deps| deps.parent()).expect("tests are built into `deps`");
    let program = target.join("examples").join(example);
    if !program.exists() {
        let built = std::process::Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--all-features", "--example", example])
            .status();
        assert!(built.is_ok_and(|status| status.success()), "`{example}` does not build");
    }
    program
}
