//! How a step ends: what it checked, and what there is to say about it.

use std::ops::AddAssign;

use crate::run::{Failure, Finished};

/// Lines shown again of a command that failed.
const TAIL: usize = 40;

/// Tests, or checks of a step that runs no tests. What is ignored or did not run is never counted as passed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    CouldNotRun,
}

/// The end of a step.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) counts: Counts,
    /// What goes into the table.
    pub(crate) note: String,
    /// Output worth showing again.
    pub(crate) details: Vec<String>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Outcome {
    /// Nothing was checked, for a reason outside of the project.
    pub(crate) fn could_not_run(reason: impl Into<String>) -> Self {
        let counts = Counts { skipped: 1, ..Counts::default() };
        Self { verdict: Verdict::CouldNotRun, counts, note: reason.into(), details: Vec::new() }
    }

    /// No check yet: passed until one fails.
    pub(crate) fn begun() -> Self {
        Self { verdict: Verdict::Passed, counts: Counts::default(), note: String::new(), details: Vec::new() }
    }

    /// One check that held.
    pub(crate) fn pass(&mut self) {
        self.counts.passed += 1;
    }

    /// One check that did not hold.
    pub(crate) fn fail(&mut self, note: &str, details: impl IntoIterator<Item = String>) {
        self.verdict = Verdict::Failed;
        self.counts.failed += 1;
        self.say(note);
        self.details.extend(details);
    }

    /// One check that is a command. `false` if the time is up and no other need be tried.
    pub(crate) fn command(&mut self, name: &str, finished: &Finished) -> bool {
        match &finished.end {
            Ok(()) => self.pass(),
            Err(failure) => self.fail(&format!("{name}: {failure}"), finished.tail()),
        }
        finished.end != Err(Failure::TimedOut)
    }

    /// Adds to the note.
    pub(crate) fn say(&mut self, note: &str) {
        if !self.note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(note);
    }
}

impl Finished {
    /// The last lines, where the reason usually stands.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.lines[self.lines.len().saturating_sub(TAIL)..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_command_fails_the_step_and_the_others_still_count() {
        let mut outcome = Outcome::begun();
        let lines = (1..=100).map(|n| n.to_string()).collect();
        assert!(outcome.command("none", &Finished { end: Ok(()), lines: vec![] }));
        assert!(outcome.command("http", &Finished { end: Err(Failure::Ended("exit status: 1".into())), lines }));
        assert!(!outcome.command("all", &Finished { end: Err(Failure::TimedOut), lines: vec![] }));
        assert_eq!(outcome.verdict, Verdict::Failed);
        assert_eq!(outcome.counts, Counts { passed: 1, failed: 2, skipped: 0 });
        assert_eq!(outcome.note, "http: exit status: 1; all: out of time");
        assert_eq!((outcome.details.len(), outcome.details[0].as_str()), (TAIL, "61"));
    }
}
