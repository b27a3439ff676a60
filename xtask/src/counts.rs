//! Instructions and allocations of `benches/instructions`, against the limits that are kept beside it.
//!
//! Both are counted by valgrind, which runs the program on a processor of its own making: it shows every program the
//! same Haswell wherever the real one has AVX2, so that the C library and whoever else asks for features choose the same
//! code everywhere. What is left to differ are the compiler and the C library; a twentieth has room for those.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::install;
use crate::outcome::Outcome;
use crate::profile;
use crate::run::{Call, Finished, Runner};

const LIMITS: &str = "benches/instructions/limits.toml";
const BENCH: &str = "cargo bench --package nestrs-instructions --bench counts";
/// How often each thing is done in one count, and what is long: as in `benches/instructions/src/lib.rs`.
const OPERATIONS: f64 = 256.0;
const LONG_OPERATIONS: f64 = 16.0;
/// By how much instructions may grow.
const GROWTH_MAX: f64 = 0.05;
/// By how much allocations may: less than one for sixteen requests that come together.
const ALLOCATIONS_MORE: f64 = 0.05;
/// A build with a fat link, and the counts.
const COMMAND_MAX: Duration = Duration::from_secs(30 * 60);

/// What `cargo xtask counts` was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Counting {
    Compare,
    Accept,
    Profile,
}

/// Of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    instructions: f64,
    allocations: f64,
}

type Counts = BTreeMap<String, Count>;

pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Counting, String> {
    let args: Vec<_> = args.collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(Counting::Compare),
        ["--accept"] => Ok(Counting::Accept),
        ["--profile"] => Ok(Counting::Profile),
        _ => Err(format!("`counts` knows `--accept` and `--profile`, not `{}`", args.join(" "))),
    }
}

/// `cargo xtask counts`.
pub(crate) fn command(counting: Counting, root: PathBuf) -> ExitCode {
    let runner = Runner { root, deadline: Instant::now() + COMMAND_MAX };
    let outcome = match counting {
        Counting::Compare => check(&runner, true),
        Counting::Accept => accept(&runner),
        Counting::Profile => print_profile(&runner),
    };
    println!("{}", outcome.note);
    outcome.details.iter().for_each(|line| println!("{line}"));
    if outcome.counts.failed + outcome.counts.skipped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Counts, and compares with the limits; each thing counted is one check.
pub(crate) fn check(runner: &Runner, install: bool) -> Outcome {
    if let Err(reason) = install::counting(runner, install) {
        return Outcome::could_not_run(reason);
    }
    let limits = match fs::read_to_string(runner.root.join(LIMITS)) {
        Ok(text) => read_limits(&text),
        Err(error) => Err(error.to_string()),
    };
    let mut outcome = Outcome::begun();
    match limits {
        Err(problem) => outcome.fail(&format!("{LIMITS}: {problem}"), []),
        Ok(limits) => {
            let finished = count(runner);
            let measured = read_counts(&finished.lines);
            if finished.end.is_err() || measured.is_empty() {
                outcome.command(BENCH, &finished);
            } else {
                compare(&measured, &limits, &mut outcome);
            }
        }
    }
    outcome
}

fn accept(runner: &Runner) -> Outcome {
    if let Err(reason) = install::counting(runner, true) {
        return Outcome::could_not_run(reason);
    }
    let mut outcome = Outcome::begun();
    let finished = count(runner);
    let measured = read_counts(&finished.lines);
    if !outcome.command(BENCH, &finished) || measured.is_empty() {
        return outcome;
    }
    match fs::write(runner.root.join(LIMITS), written(&measured)) {
        Ok(()) => outcome.say(&format!("{} counts are in {LIMITS}", measured.len())),
        Err(error) => outcome.fail(&format!("{LIMITS}: {error}"), []),
    }
    outcome
}

fn print_profile(runner: &Runner) -> Outcome {
    if let Err(reason) = install::counting(runner, true) {
        return Outcome::could_not_run(reason);
    }
    let mut outcome = Outcome::begun();
    let finished = runner.run(&Call::new(BENCH).arg("--").arg("*request_at_16*").quiet());
    if finished.end.is_err() {
        outcome.command(BENCH, &finished);
        return outcome;
    }
    let profiles = ["bare", "stages"].map(|name| profile::read(runner, &format!("request_at_16.{name}"), OPERATIONS));
    match profiles {
        [Ok(bare), Ok(stages)] => match profile::table(&bare, &stages) {
            Ok(table) => println!("{table}"),
            Err(problem) => outcome.fail(&problem, []),
        },
        [bare, stages] => {
            for problem in [bare.err(), stages.err()].into_iter().flatten() {
                outcome.fail(&problem, []);
            }
        }
    }
    outcome
}

fn count(runner: &Runner) -> Finished {
    let finished = runner.run(&Call::new(BENCH).quiet());
    if let Err(failure) = &finished.end {
        println!("{BENCH}: {failure}");
    }
    finished
}

/// Reads what gungraun prints: a line that names a benchmark, and the lines with its counts.
fn read_counts(lines: &[String]) -> Counts {
    let mut counts = Counts::new();
    let mut name = String::new();
    let mut count = Count::default();
    for line in lines {
        if let Some(path) = line.strip_prefix("counts::") {
            // `counts::parts::frame small:(Frames::new(…))`
            let path = path.split_once("::").map_or(path, |(_, path)| path);
            let (function, id) = path.split_once(' ').unwrap_or((path, ""));
            name = format!("{function}.{}", id.split(':').next().unwrap_or_default());
            count = Count::default();
            continue;
        }
        let Some((what, rest)) = line.trim_start().split_once(':') else { continue };
        let number = || rest.split('|').next()?.trim().parse::<f64>().ok();
        let operations = if name.ends_with(".long") { LONG_OPERATIONS } else { OPERATIONS };
        match what {
            "Instructions" => count.instructions = number().unwrap_or_default() / operations,
            "Total blocks" => count.allocations = number().unwrap_or_default() / operations,
            _ => continue,
        }
        counts.insert(name.clone(), count);
    }
    counts
}

/// Prints the table; what has grown too much fails.
fn compare(measured: &Counts, limits: &Counts, outcome: &mut Outcome) {
    let mut table =
        String::from("| | instructions | limit | change | allocations | limit |\n|---|--:|--:|--:|--:|--:|\n");
    let mut problems = Vec::new();
    let mut better = 0;
    for (name, now) in measured {
        let Some(limit) = limits.get(name) else {
            problems.push(format!("{name}: no limit"));
            continue;
        };
        let change = now.instructions / limit.instructions - 1.0;
        let allocates_more = now.allocations > limit.allocations + ALLOCATIONS_MORE;
        // Writing to a string does not fail.
        _ = writeln!(
            table,
            "| {name} | {:.0} | {:.0} | {:+.1} % | {:.2} | {:.2} |",
            now.instructions,
            limit.instructions,
            100.0 * change,
            now.allocations,
            limit.allocations
        );
        if change > GROWTH_MAX {
            problems.push(format!("{name}: {:+.1} % instructions", 100.0 * change));
        }
        if allocates_more {
            problems.push(format!("{name}: {:.2} allocations, not {:.2}", now.allocations, limit.allocations));
        }
        if change <= GROWTH_MAX && !allocates_more {
            outcome.pass();
        }
        if change < -GROWTH_MAX || now.allocations < limit.allocations - ALLOCATIONS_MORE {
            better += 1;
        }
    }
    for name in limits.keys().filter(|name| !measured.contains_key(*name)) {
        problems.push(format!("{name}: was not counted"));
    }
    print!("{table}");
    for problem in &problems {
        outcome.fail(problem, []);
    }
    if !problems.is_empty() {
        outcome.say("where that is meant: `cargo xtask counts --accept`");
    } else if better > 0 {
        outcome.say(&format!("{better} are better than their limits: `cargo xtask counts --accept` keeps it so"));
    }
}

fn written(counts: &Counts) -> String {
    let mut text = String::from(
        "# Instructions and allocations of one operation. `cargo xtask test` fails where the former grow by more than 5 %, or\n\
         # the latter by one for a batch of sixteen requests. `cargo xtask counts --accept` writes this file.\n",
    );
    for (name, Count { instructions, allocations }) in counts {
        _ = writeln!(text, "\"{name}\" = {{ instructions = {instructions:.0}, allocations = {allocations:.3} }}");
    }
    text
}

fn read_limits(text: &str) -> Result<Counts, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| read_limit(line).ok_or_else(|| format!("cannot be read: {line}"))).collect()
}

fn read_limit(line: &str) -> Option<(String, Count)> {
    let (name, count) = line.split_once(" = ")?;
    let count = count.strip_prefix("{ instructions = ")?.strip_suffix(" }")?;
    let (instructions, allocations) = count.split_once(", allocations = ")?;
    let count = Count { instructions: instructions.parse().ok()?, allocations: allocations.parse().ok()? };
    Some((name.trim_matches('"').to_owned(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
     Running counts.rs (target/release/deps/counts-0f)
counts::parts::frame small:(Frames :: new(wire :: SUM, 1, OPERATIONS))
  ======= CALLGRIND ====
  Instructions:                                     460800|460800               (No change)
  ======= DHAT ====
  Total bytes:                                       20480|N/A                  (*********)
  Total blocks:                                        512|N/A                  (*********)
counts::whole::request_at_1 long:(Server :: start(& wire ...
  Instructions:                                      16000|N/A                  (*********)
  Total blocks:                                         16|N/A                  (*********)
";

    fn counts() -> Counts {
        read_counts(&OUTPUT.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    fn compared(limits: &Counts) -> Outcome {
        let mut outcome = Outcome::begun();
        compare(&counts(), limits, &mut outcome);
        outcome
    }

    #[test]
    fn counts_are_read_and_divided() {
        let expected = [("frame.small", 1800.0, 2.0), ("request_at_1.long", 1000.0, 1.0)];
        let expected = expected.map(|(name, instructions, allocations)| (name, Count { instructions, allocations }));
        assert_eq!(counts().iter().map(|(name, count)| (&**name, *count)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn limits_are_read_as_they_are_written() {
        assert_eq!(read_limits(&written(&counts())), Ok(counts()));
        assert!(read_limits("\"a\" = { instructions = many, allocations = 1 }").is_err());
    }

    #[test]
    fn what_grows_fails_and_what_shrinks_is_said() {
        assert_eq!((compared(&counts()).counts.passed, compared(&counts()).note.as_str()), (2, ""));
        let with = |instructions, allocations| {
            let mut limits = counts();
            limits.insert("frame.small".to_owned(), Count { instructions, allocations });
            compared(&limits)
        };
        assert_eq!(with(1715.0, 2.0).counts.failed, 0);
        assert!(with(1714.0, 2.0).note.starts_with("frame.small: +5.0 % instructions"));
        assert!(with(1800.0, 1.9375).note.starts_with("frame.small: 2.00 allocations, not 1.94"));
        assert!(with(1900.0, 2.0).note.starts_with("1 are better"));
    }

    #[test]
    fn nothing_is_left_uncounted() {
        let mut limits = counts();
        limits.insert("gone.bare".to_owned(), Count::default());
        assert!(compared(&limits).note.starts_with("gone.bare: was not counted"));
        assert_eq!(compared(&Counts::new()).counts.failed, 2);
    }

    #[test]
    fn operations_are_those_of_the_benchmarks() {
        let source = include_str!("../../benches/instructions/src/lib.rs");
        assert!(source.contains(&format!("const OPERATIONS: usize = {OPERATIONS};")));
        assert!(source.contains(&format!("const LONG_OPERATIONS: usize = {LONG_OPERATIONS};")));
    }
}
