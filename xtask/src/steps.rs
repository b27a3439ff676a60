//! What is run, and in which order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::counts;
use crate::dependencies;
use crate::fuzz;
use crate::install;
use crate::libtest;
use crate::manifest;
use crate::options::Selection;
use crate::outcome::{Outcome, Verdict};
use crate::promises;
use crate::reliability;
use crate::report::{self, Row};
use crate::run::{Call, Failure, Runner};
use crate::supply_chain;

/// A build server gives up after 40 minutes. Ending before that is what makes the table come out.
const ALL_STEPS_MAX: Duration = Duration::from_secs(38 * 60);

/// The test target that needs more than Rust: run by the step of its name, and not counted by the step `test`.
const INTEROP: &str = "interop";
/// The test targets that need message brokers; each skips itself in the step `test`, and is run by the step `brokers`.
const BROKERS: &[&str] =
    &["brokers", "conformance", "examples_brokers", "nats", "nats_jetstream", "nats_service", "redis"];

struct Step {
    name: &'static str,
    about: &'static str,
    /// How long it may take, with nothing built yet on two cores.
    minutes: u64,
    run: fn(&Runner, install: bool) -> Outcome,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", about: "formatting", minutes: 2, run: fmt },
    Step { name: "clippy", about: "lints of all targets with all features", minutes: 15, run: clippy },
    Step { name: "features", about: "lints with no feature, each alone, and all", minutes: 15, run: features },
    Step { name: "test", about: "every test that needs nothing but Rust, and doctests", minutes: 20, run: test },
    Step {
        name: "promises",
        about: "a test for each promise of docs/reliability.md",
        minutes: 1,
        run: |it, _| promises::check(&it.root),
    },
    Step { name: "docs", about: "documentation without warnings", minutes: 10, run: docs },
    Step { name: "brokers", about: "against NATS and Redis servers", minutes: 12, run: brokers },
    Step { name: INTEROP, about: "against NestJS 11 and 12 on Node, by TCP and brokers", minutes: 12, run: interop },
    Step {
        name: "reliability",
        about: "a server under faults, kills, storms and load, for two minutes",
        minutes: 8,
        run: |it, _| reliability::check(it),
    },
    Step { name: "counts", about: "instructions and allocations, against limits", minutes: 12, run: counts::check },
    Step {
        name: "dependencies",
        about: "what the tree must not contain",
        minutes: 3,
        run: |it, _| dependencies::check(it),
    },
    Step {
        name: "supply-chain",
        about: "that every package of the lock files has been accepted",
        minutes: 1,
        run: |it, _| supply_chain::check(it),
    },
    Step {
        name: "fuzz",
        about: "hostile input, 30 seconds for each target",
        minutes: 20,
        run: |it, install| fuzz::run(it, install, fuzz::TARGETS, fuzz::SHORT),
    },
];

pub(crate) fn names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

pub(crate) fn list() -> String {
    STEPS.iter().map(|step| format!("{:13} {}\n", step.name, step.about)).collect()
}

/// Runs the steps that were asked for, each whether or not those before it passed.
pub(crate) fn run_all(selection: &Selection) -> ExitCode {
    let root = root();
    let end = Instant::now() + ALL_STEPS_MAX;
    let chosen = |step: &&Step| selection.only.is_empty() || selection.only.iter().any(|name| name == step.name);
    let mut rows = Vec::new();
    for step in STEPS.iter().filter(chosen) {
        println!("\n==== {}: {} ====", step.name, step.about);
        let started = Instant::now();
        let deadline = end.min(started + Duration::from_secs(step.minutes * 60));
        let outcome = if started < end {
            (step.run)(&Runner { root: root.clone(), deadline }, selection.install)
        } else {
            Outcome::could_not_run("the steps before it took all the time there is")
        };
        rows.push(Row { step: step.name, outcome, took: started.elapsed() });
    }
    if std::env::var("CI").is_ok_and(|value| !["", "0", "false"].contains(&value.as_str())) {
        report::be_strict(&mut rows);
    }
    print!("{}", report::render(&rows));
    let good = report::total(&rows).failed == 0;
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where the repository is now; built programs may have been moved with it.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&xtask).parent().expect("xtask is a directory of the repository").to_owned()
}

fn fmt(runner: &Runner, install: bool) -> Outcome {
    if let Err(reason) = install::component(runner, install, "rustfmt", "cargo fmt") {
        return Outcome::could_not_run(reason);
    }
    one(runner, &Call::new("cargo fmt --all --check -- --files-with-diff"))
}

fn clippy(runner: &Runner, install: bool) -> Outcome {
    if let Err(reason) = install::component(runner, install, "clippy", "cargo clippy") {
        return Outcome::could_not_run(reason);
    }
    one(runner, &Call::new("cargo clippy --workspace --all-targets --all-features -- -D warnings"))
}

/// `cargo clippy` and not `cargo check`, so that code left over without some feature is an error too.
fn features(runner: &Runner, install: bool) -> Outcome {
    if let Err(reason) = install::component(runner, install, "clippy", "cargo clippy") {
        return Outcome::could_not_run(reason);
    }
    let mut outcome = Outcome::begun();
    for (package, features) in packages_with_features(&runner.root) {
        let alone = features.iter().map(|feature| format!("--no-default-features --features {feature}"));
        let none_and_all = ["--no-default-features", "--all-features"].map(str::to_owned);
        for choice in none_and_all.into_iter().chain(alone) {
            let call = Call::new(&format!("cargo clippy --package {package} {choice} -- -D warnings"));
            if !outcome.command(&format!("{package} {choice}"), &runner.run(&call)) {
                return outcome;
            }
        }
    }
    outcome
}

fn test(runner: &Runner, _install: bool) -> Outcome {
    // All of it, as anyone would run it. The tests of other steps are built with the others, but skip themselves.
    let call = Call::new("cargo test --workspace --all-features --no-fail-fast").env("NESTRS_SKIP_NODE", "1");
    let elsewhere: Vec<_> = BROKERS.iter().copied().chain([INTEROP]).collect();
    tests(runner, &call.env("NESTRS_SKIP_BROKERS", "1"), &elsewhere)
}

fn brokers(runner: &Runner, install: bool) -> Outcome {
    if let Err(reason) = install::brokers(runner, install) {
        return Outcome::could_not_run(reason);
    }
    let targets: String = BROKERS.iter().map(|target| format!(" --test {target}")).collect();
    let call = Call::new(&format!("cargo test --workspace --all-features --no-fail-fast{targets}"));
    tests(runner, &call.env("NESTRS_REQUIRE_BROKERS", "1"), &[])
}

fn docs(runner: &Runner, _install: bool) -> Outcome {
    one(runner, &Call::new("cargo doc --workspace --no-deps --all-features").env("RUSTDOCFLAGS", "-D warnings"))
}

fn interop(runner: &Runner, install: bool) -> Outcome {
    let path = match install::nest_peers(runner, install) {
        Ok(path) => path,
        Err(reason) => return Outcome::could_not_run(reason),
    };
    if let Err(reason) = install::brokers(runner, install) {
        return Outcome::could_not_run(reason);
    }
    // The whole workspace, as in the step before: other features of the dependencies would be another build.
    let call = Call::new("cargo test --workspace --all-features --no-fail-fast --test").arg(INTEROP);
    let call = call.env("NESTRS_REQUIRE_NODE", "1").env("NESTRS_REQUIRE_BROKERS", "1");
    tests(runner, &call.env("PATH", path), &[])
}

/// A step that is one command.
fn one(runner: &Runner, call: &Call) -> Outcome {
    let mut outcome = Outcome::begun();
    outcome.command(&call.name(), &runner.run(call));
    outcome
}

/// A step that runs tests.
fn tests(runner: &Runner, call: &Call, elsewhere: &[&str]) -> Outcome {
    let finished = runner.run(call);
    let tests = libtest::read(&finished.lines, elsewhere);
    let mut outcome = Outcome::begun();
    outcome.counts = tests.counts;
    outcome.details = tests.failures;
    if tests.counts.failed > 0 {
        outcome.verdict = Verdict::Failed;
        outcome.say(&tests.failed.join(", "));
    }
    match &finished.end {
        // What does not build is no test's failure, but a failure it is.
        Err(_) if tests.counts.failed == 0 => _ = outcome.command(&call.name(), &finished),
        Err(Failure::TimedOut) => {
            outcome.say("out of time");
            outcome.details.extend(finished.tail());
        }
        Ok(()) if tests.counts.passed == 0 => outcome.fail("no test ran", []),
        _ => {}
    }
    for reason in &tests.reasons {
        outcome.say(&format!("skipped: {reason}"));
    }
    outcome
}

/// The packages of the workspace that have features to choose from.
fn packages_with_features(root: &Path) -> Vec<(String, Vec<String>)> {
    let read = |directory: &str| fs::read_to_string(root.join(directory).join("Cargo.toml")).unwrap_or_default();
    let members = manifest::members(&read("."));
    let all = [".".to_owned()].into_iter().chain(members).map(|directory| {
        let manifest = read(&directory);
        (manifest::package(&manifest), manifest::features(&manifest))
    });
    all.filter(|(_, features)| !features.is_empty()).collect()
}
