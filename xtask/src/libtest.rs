//! What test harnesses say: their result lines added up, and what their failures were.
//!
//! A test that finds its surroundings missing passes, since plain `cargo test` has to pass with nothing but Rust; but
//! it first writes a line `skipped: REASON` to `std::io::stderr()` itself, which the harness does not capture as it
//! does `eprintln!`. Here it then counts as skipped.

use crate::outcome::Counts;

/// Lines kept of the failures of one test binary.
const FAILURE_LINES_MAX: usize = 80;

/// What all test binaries of one `cargo test` said.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tests {
    pub(crate) counts: Counts,
    /// Names of failed tests.
    pub(crate) failed: Vec<String>,
    /// Why tests skipped themselves, each reason once.
    pub(crate) reasons: Vec<String>,
    /// What the harness printed about failed tests.
    pub(crate) failures: Vec<String>,
}

/// Reads the output of `cargo test`. Of the targets named in `elsewhere`, which another step runs, only failures count.
pub(crate) fn read(lines: &[String], elsewhere: &[&str]) -> Tests {
    let mut tests = Tests::default();
    let mut count_it = true;
    let mut skipped_here = 0;
    let mut failures = None;
    let mut current = "";
    let mut unfinished = None;
    for line in lines {
        if let Some(target) = target(line) {
            tests.ended_early(unfinished.take());
            current = target;
            count_it = !elsewhere.contains(&target);
        } else if line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test")) {
            unfinished = Some(current);
        } else if let Some(reason) = skipped(line).filter(|_| count_it) {
            skipped_here += 1;
            if !tests.reasons.iter().any(|known| known == reason) {
                tests.reasons.push(reason.to_owned());
            }
        } else if let Some(found) = result(line) {
            tests.counts.failed += found.failed;
            if count_it {
                tests.counts.passed += found.passed.saturating_sub(skipped_here);
                tests.counts.skipped += found.skipped + skipped_here;
            }
            skipped_here = 0;
            failures = None;
            unfinished = None;
        } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            tests.failed.push(name.to_owned());
        } else if line == "failures:" && failures.is_none() {
            failures = Some(FAILURE_LINES_MAX);
        } else if let Some(left @ 1..) = failures {
            failures = Some(left - 1);
            tests.failures.push(line.clone());
        }
    }
    tests.ended_early(unfinished);
    tests
}

impl Tests {
    /// A test binary without a result line has crashed, or its time was up: at least one test failed.
    fn ended_early(&mut self, target: Option<&str>) {
        if let Some(target) = target {
            self.counts.failed += 1;
            self.failed.push(format!("{target} ended early"));
        }
    }
}

/// The name in `Running tests/interop.rs (target/debug/deps/interop-0123456789abcdef)`, or of a crate with doctests.
fn target(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(name);
    }
    let program = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once(" (")?.1;
    let file = program.rsplit_once('/').map_or(program, |(_, file)| file);
    Some(file.rsplit_once('-')?.0)
}

/// The reason in `skipped: REASON`; a harness with one thread has written the test's name before it.
fn skipped(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
        Some((_, said)) => said,
        None => line,
    };
    line.strip_prefix("skipped: ")
}

/// The counts in `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`.
fn result(line: &str) -> Option<Counts> {
    let (_, parts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        let number = parts.split("; ").find_map(|part| part.strip_suffix(what))?;
        number.trim().parse().ok()
    };
    Some(Counts { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
   Compiling nestrs v0.1.0 (/repository)
     Running unittests src/lib.rs (target/debug/deps/nestrs-22a53954e4e0ec25)

running 3 tests
test one ... ok
test two ... ignored, too slow
test three ... FAILED

failures:

---- three stdout ----
thread 'three' panicked at src/lib.rs:1:1:
four

failures:
    three

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

error: test failed, to rerun pass `--lib`
     Running tests/brokers.rs (target/debug/deps/brokers-1836efb2eb779966)

running 3 tests
skipped: no nats-server
test nats ... ok
test redis ... skipped: no redis-server
ok
skipped: no nats-server
test nats_twice ... ok

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s

     Running tests/interop/main.rs (target/debug/deps/interop-0123456789abcdef)

running 2 tests
skipped: told to
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s

   Doc-tests nestrs_core

running 2 tests
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.02s
";

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn results_are_added_up_and_neither_ignored_nor_skipped_is_passed() {
        let tests = read(&lines(OUTPUT), &["interop"]);
        assert_eq!(tests.counts, Counts { passed: 3, failed: 1, skipped: 4 });
        assert_eq!(tests.failed, ["three"]);
        assert_eq!(tests.reasons, ["no nats-server", "no redis-server"]);
    }

    #[test]
    fn failures_are_kept_with_what_they_said() {
        let tests = read(&lines(OUTPUT), &[]);
        let said = ["---- three stdout ----", "thread 'three' panicked at src/lib.rs:1:1:", "four"];
        assert_eq!(tests.failures.iter().filter(|line| said.contains(&line.as_str())).count(), said.len());
        assert!(!tests.failures.iter().any(|line| line.contains("Running")));
    }

    #[test]
    fn a_target_that_another_step_runs_can_still_fail() {
        let output = OUTPUT.replace("ok. 2 passed; 0 failed", "FAILED. 1 passed; 1 failed");
        assert_eq!(read(&lines(&output), &["interop"]).counts.failed, 3);
    }

    #[test]
    fn a_crash_is_a_failure() {
        let crash = "     Running tests/a.rs (target/debug/deps/a-1)\n\nrunning 1 test\ntest boom ... ";
        for output in [format!("{crash}\n{OUTPUT}"), format!("{OUTPUT}\n{crash}")] {
            let tests = read(&lines(&output), &[]);
            assert_eq!(tests.counts.failed, 2);
            assert!(tests.failed.contains(&"a ended early".to_owned()));
        }
    }

    #[test]
    fn targets_are_named_by_their_programs() {
        assert_eq!(target("     Running tests/a/main.rs (target/debug/deps/tcp_wire-00ff)"), Some("tcp_wire"));
        assert_eq!(target("     Running `target/debug/xtask test`"), None);
        assert_eq!(target("Running out of time (soon)"), None);
    }

    #[test]
    fn half_a_result_is_none() {
        assert_eq!(result("test result: ok. many passed; 0 failed; 0 ignored"), None);
        assert_eq!(result("test result: ok. 1 passed"), None);
    }
}
