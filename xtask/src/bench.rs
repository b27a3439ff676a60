//! The timed benchmark: programs built as they are released, and the one among them that measures the others.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::install;
use crate::run::Runner;
use crate::steps;

/// How long what NestJS needs may take to install.
const INSTALL_MAX: Duration = Duration::from_secs(10 * 60);
/// As many open files as this process may ask for: the rows of 10,000 connections need them.
const WITH_FILES: &str = r#"ulimit -n "$(ulimit -H -n)"; exec "$@""#;

/// Builds everything and measures what is asked for.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let root = steps::root();
    let cargo = |words: &str| {
        let status = Command::new("cargo").args(words.split_whitespace()).current_dir(&root).status();
        status.is_ok_and(|status| status.success())
    };
    if !cargo("build --release --package nestrs-load") {
        return ExitCode::FAILURE;
    }
    let path = match install::nest_peers(&Runner { root: root.clone(), deadline: Instant::now() + INSTALL_MAX }, true) {
        Ok(path) => path,
        Err(why) => {
            eprintln!("NestJS is left out: {why}");
            std::env::var("PATH").unwrap_or_default()
        }
    };
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let mut bench = Command::new("sh");
    bench.args(["-c", WITH_FILES, "sh"]).arg(target.join("release/bench")).args(args);
    match bench.env("PATH", path).current_dir(&root).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: the load program could not be started: {error}");
            ExitCode::FAILURE
        }
    }
}
