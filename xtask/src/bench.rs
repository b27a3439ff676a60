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

/// What one run in a hurry is built with: optimised, without the minutes that a fat link takes.
const QUICK_PROFILE: &str = "reliability";
/// Names after `--only` for which NestJS is needed, and for which the servers of `benches/peers` are.
const WITH_NODE: &[&str] = &["servers", "streams", "clients", "counts", "rest", "nestjs"];
const WITH_PEERS: &[&str] = &["servers", "clients", "counts", "rest", "build", "tarpc-bincode", "tarpc-json", "tonic"];

/// Builds everything and measures what is asked for.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let root = steps::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let cargo = |words: &str| {
        let status = Command::new("cargo").args(words.split_whitespace()).current_dir(&root).status();
        status.is_ok_and(|status| status.success())
    };
    let profile = if args.iter().any(|arg| arg == "--quick") { QUICK_PROFILE } else { "release" };
    if !cargo(&format!("build --profile {profile} --package nestrs-load")) {
        return ExitCode::FAILURE;
    }
    if needs(args, WITH_PEERS) {
        let mut build = Command::new("cargo");
        build.args(["build", "--release", "--locked", "--manifest-path", "benches/peers/Cargo.toml"]);
        build.arg("--target-dir").arg(target.join("bench-peers")).current_dir(&root);
        if !build.status().is_ok_and(|status| status.success()) {
            eprintln!("tarpc and tonic are left out: benches/peers does not build");
        }
    }
    let path = || std::env::var("PATH").unwrap_or_default();
    let path = if needs(args, WITH_NODE) {
        let runner = Runner { root: root.clone(), deadline: Instant::now() + INSTALL_MAX };
        install::nest_peers(&runner, true).unwrap_or_else(|why| {
            eprintln!("NestJS is left out: {why}");
            path()
        })
    } else {
        path()
    };
    let mut bench = Command::new("sh");
    bench.args(["-c", WITH_FILES, "sh"]).arg(target.join(profile).join("bench")).args(args);
    match bench.env("PATH", path).current_dir(&root).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: the load program could not be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether anything is measured that needs one of these: if it is named, or if nothing is. Where servers are named beside a
/// part, it must be one of them; to know that is left to the load program, and something may be built in vain.
fn needs(args: &[String], one_of: &[&str]) -> bool {
    let pairs = args.windows(2).filter(|pair| pair[0] == "--only");
    let mut named: Vec<_> = pairs.map(|pair| &*pair[1]).collect();
    named.extend(args.iter().filter_map(|arg| arg.strip_prefix("--only=")));
    named.is_empty() || named.iter().any(|name| one_of.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_measured_is_not_built() {
        let needs = |line: &str| {
            let args: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            (super::needs(&args, WITH_NODE), super::needs(&args, WITH_PEERS))
        };
        assert_eq!(needs("--quick"), (true, true));
        assert_eq!(needs("--only build"), (false, true));
        assert_eq!(needs("--only growth --only workers"), (false, false));
        assert_eq!(needs("--only=streams --record"), (true, false));
        assert_eq!(needs("--only growth --only rest"), (true, true));
    }
}
