//! The reliability harness: a program of its own, built with optimisation and run.

use std::process::{Command, ExitCode};

use crate::outcome::Outcome;
use crate::run::{Call, Runner};

/// Runs it as asked for on the command line, for as long as it takes.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let status = Command::new("cargo").args(cargo_run(args).split_whitespace()).args(args).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: cargo could not be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The quick profile, as a step: each scenario counts as one check.
pub(crate) fn check(runner: &Runner) -> Outcome {
    let finished = runner.run(&Call::new(&format!("cargo {}", cargo_run(&[]))));
    let mut outcome = read(&finished.lines);
    if finished.end.is_err() && outcome.counts.failed == 0 {
        outcome.command("reliability", &finished);
    }
    outcome
}

/// A release is measured as it is released; every other time, a build without the long link will do.
fn cargo_run(args: &[String]) -> String {
    let asks_for = |pair: &[String]| pair[0] == "--profile" && pair[1] == "release";
    let release = args.windows(2).any(asks_for) || args.iter().any(|arg| arg == "--profile=release");
    let profile = if release { "release" } else { "reliability" };
    format!("run --profile {profile} --package nestrs-reliability -- run")
}

/// What the scenarios' last lines say.
fn read(lines: &[String]) -> Outcome {
    let mut outcome = Outcome::begun();
    let mut lines = lines.iter().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("pass ") {
            outcome.pass();
        } else if let Some(rest) = line.strip_prefix("FAIL ") {
            let mut details = vec![line.clone()];
            while let Some(detail) = lines.next_if(|line| line.starts_with("  ")) {
                details.push(detail.clone());
            }
            outcome.fail(rest.split(' ').next().unwrap_or(rest), details);
        } else if line.starts_with("skipped: ") {
            outcome.counts.skipped += 1;
            outcome.say(line);
        }
    }
    if outcome.counts.passed + outcome.counts.failed == 0 {
        outcome.fail("no scenario ran", []);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Counts;

    #[test]
    fn every_scenario_counts_and_a_failure_brings_its_lines() {
        let output = "\
faults, seed 1: a network that cuts
pass faults seed=1 took=2.0s checks=5
kill9, seed 1: a server killed
FAIL kill9 seed=1 took=2.0s checks=5
  miss: sd_9: 3 acknowledged calls are lost
  again: cargo xtask reliability --only kill9 --seed 1
skipped: halfopen: needs root
";
        let outcome = read(&output.lines().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(outcome.counts, Counts { passed: 1, failed: 1, skipped: 1 });
        assert_eq!(outcome.note, "kill9; skipped: halfopen: needs root");
        assert_eq!(outcome.details.len(), 3);
    }

    #[test]
    fn a_run_without_results_has_failed() {
        assert_eq!(read(&[]).counts.failed, 1);
    }

    #[test]
    fn only_a_release_is_built_as_one() {
        let built = |line: &str| cargo_run(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert!(built("--only faults").contains("--profile reliability"));
        assert!(built("--only faults --profile release").contains("--profile release"));
        assert!(built("--profile=release").contains("--profile release"));
    }
}
