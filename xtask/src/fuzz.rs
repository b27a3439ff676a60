//! The fuzz targets in `fuzz/`: built once, then each run for a time or a number of inputs.
//!
//! Without a sanitizer, since no `unsafe` is ours: what is looked for are panics, hangs and wrong answers, at several
//! times the speed. New inputs go to `fuzz/corpus`, those that fail to `fuzz/artifacts`; neither is kept in git, and what
//! is worth keeping goes to `fuzz/seeds`.

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::install;
use crate::outcome::Outcome;
use crate::run::{Call, Finished, Runner};

pub(crate) const TARGETS: &[&str] = &["frames", "packets", "patterns", "connection", "responses"];

/// A single input that takes longer is a hang.
const INPUT_SECONDS_MAX: u32 = 20;
/// Longer inputs find nothing that these do not.
const INPUT_LEN_MAX: u32 = 1024;
/// Of frames each byte is decoded by itself, besides: a quarter is enough, and four times as many.
const FRAMES_LEN_MAX: u32 = 256;
/// For everything before the first input: tools, and a build of all targets on two cores.
const BUILD_MAX: Duration = Duration::from_secs(20 * 60);
/// A run of so many inputs ends when they are done; this only keeps a forgotten one from staying for ever.
const RUNS_MAX: Duration = Duration::from_secs(48 * 3600);

/// What `cargo xtask fuzz` was asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Fuzzing {
    /// All of them when empty.
    pub(crate) targets: Vec<&'static str>,
    pub(crate) length: Length,
    /// Whether what is missing may be installed.
    pub(crate) install: bool,
}

/// How long each target runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Length {
    Seconds(u64),
    Runs(u64),
}

/// What each target gets in `cargo xtask test`.
pub(crate) const SHORT: Length = Length::Seconds(30);

pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Fuzzing, String> {
    let mut fuzzing = Fuzzing { targets: Vec::new(), length: SHORT, install: true };
    while let Some(arg) = args.next() {
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        if name == "--skip-install" {
            fuzzing.install = false;
            continue;
        }
        if !["--target", "--seconds", "--runs"].contains(&name.as_str()) {
            return Err(format!("unknown option `{name}`"));
        }
        let value = value.or_else(|| args.next()).ok_or_else(|| format!("`{name}` needs a value"))?;
        let number = || value.replace('_', "").parse().map_err(|_| format!("`{name}` needs a number, not `{value}`"));
        match name.as_str() {
            "--target" => fuzzing.targets.push(
                TARGETS
                    .iter()
                    .find(|target| **target == value)
                    .ok_or_else(|| format!("no fuzz target is called `{value}`; there are {}", TARGETS.join(", ")))?,
            ),
            "--seconds" => fuzzing.length = Length::Seconds(number()?),
            _ => fuzzing.length = Length::Runs(number()?),
        }
    }
    Ok(fuzzing)
}

/// `cargo xtask fuzz`.
pub(crate) fn command(fuzzing: &Fuzzing, root: std::path::PathBuf) -> ExitCode {
    let targets = if fuzzing.targets.is_empty() { TARGETS } else { &fuzzing.targets };
    let runs_max = match fuzzing.length {
        Length::Seconds(seconds) => Duration::from_secs(2 * seconds + 60) * targets.len() as u32,
        Length::Runs(_) => RUNS_MAX,
    };
    let runner = Runner { root, deadline: Instant::now() + BUILD_MAX + runs_max };
    let outcome = run(&runner, fuzzing.install, targets, fuzzing.length);
    println!("\n{}", outcome.note);
    outcome.details.iter().for_each(|line| println!("{line}"));
    let good = outcome.counts.failed == 0 && outcome.counts.passed == targets.len();
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Builds the targets and runs each of `targets` for `length`; each is one check.
pub(crate) fn run(runner: &Runner, install: bool, targets: &[&str], length: Length) -> Outcome {
    let host = match install::fuzzing(runner, install) {
        Ok(host) => host,
        Err(reason) => return Outcome::could_not_run(reason),
    };
    let mut outcome = Outcome::begun();
    // Or else the build would resolve what is missing by itself, to versions that nobody has looked at.
    let locked = runner.run(&Call::new("cargo fetch --locked --manifest-path fuzz/Cargo.toml").quiet());
    if locked.end.is_err() {
        let cure = "`fuzz/Cargo.lock` does not fit: `cargo xtask supply-chain --accept` brings it up to date";
        outcome.fail(cure, locked.tail());
        return outcome;
    }
    let build =
        "rustup run nightly cargo fuzz build --fuzz-dir fuzz --sanitizer none --target-dir target/fuzz --target";
    let built = runner.run(&Call::new(build).arg(&host).env("RUST_BACKTRACE", "0"));
    if built.end.is_err() {
        outcome.command("cargo fuzz build", &built);
        return outcome;
    }
    for target in targets {
        let [corpus, artifacts] = ["corpus", "artifacts"].map(|kind| format!("fuzz/{kind}/{target}"));
        for directory in [&corpus, &artifacts] {
            if let Err(error) = fs::create_dir_all(runner.root.join(directory)) {
                outcome.fail(&format!("{directory}: {error}"), []);
                return outcome;
            }
        }
        let len_max = if *target == "frames" { FRAMES_LEN_MAX } else { INPUT_LEN_MAX };
        let finished = runner.run(
            &Call::new(&format!("target/fuzz/{host}/release/{target} -max_len={len_max}"))
                .arg(length.option())
                .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
                .arg("-dict=fuzz/json.dict")
                .arg(format!("-artifact_prefix={artifacts}/"))
                .arg(corpus)
                .arg(format!("fuzz/seeds/{target}"))
                .env("RUST_BACKTRACE", "0")
                .quiet(),
        );
        let runs = runs(&finished.lines);
        println!("{target}: {} runs", runs.unwrap_or_default());
        match (&finished.end, runs) {
            (Ok(()), Some(1..)) => {
                outcome.pass();
                outcome.say(&format!("{target} {}", runs.unwrap_or_default()));
            }
            (Ok(()), _) => outcome.fail(&format!("{target}: no input was run"), finished.tail()),
            (Err(failure), _) => outcome.fail(&format!("{target}: {failure}"), what_failed(target, &finished)),
        }
    }
    outcome
}

impl Length {
    fn option(self) -> String {
        match self {
            Self::Seconds(seconds) => format!("-max_total_time={seconds}"),
            Self::Runs(runs) => format!("-runs={runs}"),
        }
    }
}

/// The number in `Done 484012 runs in 21 second(s)`.
fn runs(lines: &[String]) -> Option<u64> {
    let done = lines.iter().rev().find_map(|line| line.strip_prefix("Done "))?;
    done.split(' ').next()?.parse().ok()
}

/// What the target said, without the fuzzer's account of how it got there, and how to see it again.
fn what_failed(target: &str, finished: &Finished) -> Vec<String> {
    let chatter =
        |line: &&String| ["#", "INFO:", "WARNING:", "\tNEW", "Dictionary:"].iter().any(|it| line.starts_with(it));
    let mut said: Vec<_> = finished.lines.iter().filter(|line| !chatter(line)).cloned().collect();
    said.drain(..said.len().saturating_sub(30));
    if let Some(input) = said.iter().find_map(|line| line.rsplit_once("Test unit written to ")).map(|(_, input)| input)
    {
        said.push(format!("again: target/fuzz/*/release/{target} {input}"));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Failure;

    fn parsed(line: &str) -> Result<Fuzzing, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_run_has_targets_and_a_length() {
        assert_eq!(parsed(""), Ok(Fuzzing { targets: vec![], length: SHORT, install: true }));
        let long = Fuzzing { targets: vec!["frames"], length: Length::Runs(100_000_000), install: false };
        assert_eq!(parsed("--target frames --runs=100_000_000 --skip-install"), Ok(long));
        assert_eq!(parsed("--seconds 300").map(|it| it.length), Ok(Length::Seconds(300)));
        assert!(
            parsed("--target frame").unwrap_err().starts_with("no fuzz target is called `frame`; there are frames,")
        );
        assert_eq!(parsed("--runs many"), Err("`--runs` needs a number, not `many`".into()));
        assert_eq!(parsed("--runs"), Err("`--runs` needs a value".into()));
        assert_eq!(parsed("--fast 1"), Err("unknown option `--fast`".into()));
    }

    #[test]
    fn what_the_fuzzer_says_is_understood() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(runs(&lines("INFO: Seed: 7\n#2\tINITED\nDone 484012 runs in 21 second(s)")), Some(484_012));
        assert_eq!(runs(&lines("INFO: Seed: 7")), None);

        let crash = "INFO: Seed: 7\n#5 NEW\nthread '<unnamed>' panicked at a.rs:1:1:\nno\n\
            artifact_prefix='a/'; Test unit written to a/crash-0f";
        let finished = Finished { end: Err(Failure::Ended("exit status: 77".into())), lines: lines(crash) };
        let said = what_failed("frames", &finished);
        assert_eq!(said[..2], ["thread '<unnamed>' panicked at a.rs:1:1:", "no"]);
        assert_eq!(said.last().unwrap(), "again: target/fuzz/*/release/frames a/crash-0f");
    }

    /// A target that nobody runs finds nothing.
    #[test]
    fn every_target_is_known_and_has_seeds() {
        let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let mut files: Vec<_> = fs::read_dir(fuzz.join("fuzz_targets"))
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let mut known = TARGETS.to_vec();
        known.sort_unstable();
        assert_eq!(files, known);
        for target in TARGETS {
            assert!(fs::read_dir(fuzz.join("seeds").join(target)).unwrap().count() > 5, "{target}");
        }
    }
}
