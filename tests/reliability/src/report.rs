//! What came of a scenario: figures, and what did not hold.

use std::fmt::{Display, Write as _};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::settings::Settings;

/// Misses of one promise that are spelled out; the rest are counted.
const MISSES_MAX: usize = 8;

/// What one scenario has found.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<(String, String)>,
    misses: Vec<String>,
    checks: usize,
    unspoken: usize,
    skipped: Option<String>,
}

impl Report {
    /// A scenario that cannot run here.
    #[must_use]
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self { skipped: Some(reason.into()), ..Self::default() }
    }

    /// Notes a figure.
    pub fn figure(&mut self, name: &str, value: impl Display) {
        self.figures.push((name.to_owned(), value.to_string()));
    }

    /// Checks one promise; `what` says what was seen in its place.
    pub fn check(&mut self, id: &str, holds: bool, what: impl FnOnce() -> String) {
        self.checks += 1;
        if holds {
            return;
        }
        if self.misses.len() < MISSES_MAX {
            self.misses.push(format!("{id}: {}", what()));
        } else {
            self.unspoken += 1;
        }
    }

    /// Checks that a duration is no longer than its bound, and notes both.
    pub fn within(&mut self, id: &str, name: &str, value: Duration, bound: Duration) {
        self.figure(name, format!("{value:.1?}/{bound:?}"));
        self.check(id, value <= bound, || format!("{name} is {value:.1?}, over {bound:?}"));
    }

    /// The scenario itself could not go on.
    pub fn broken(&mut self, error: impl Display) {
        self.check("harness", false, || error.to_string());
    }

    /// Takes over what another has found.
    pub fn absorb(&mut self, other: Self) {
        self.figures.extend(other.figures);
        self.checks += other.checks;
        self.unspoken += other.unspoken;
        for miss in other.misses {
            if self.misses.len() < MISSES_MAX {
                self.misses.push(miss);
            } else {
                self.unspoken += 1;
            }
        }
        self.skipped = self.skipped.take().or(other.skipped);
    }

    /// Takes over the checks of a part, whose misses say that it was this one.
    pub fn absorb_part(&mut self, part: &str, mut other: Self) {
        for miss in &mut other.misses {
            let (id, what) = miss.split_once(": ").unwrap_or(("", miss));
            *miss = format!("{id}: {part}: {what}");
        }
        self.absorb(other);
    }

    /// Whether every check held.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.misses.is_empty()
    }

    /// What did not hold.
    #[must_use]
    pub fn misses(&self) -> &[String] {
        &self.misses
    }

    /// The lines that a scenario ends in; the first says how.
    #[must_use]
    pub fn render(&self, scenario: &str, settings: &Settings, took: Duration) -> String {
        let seed = settings.seed;
        if let Some(reason) = &self.skipped {
            return format!("skipped: {scenario}: {reason}\n");
        }
        let verdict = if self.passed() { "pass" } else { "FAIL" };
        let mut text =
            format!("{verdict} {scenario} seed={seed} took={:.1}s checks={}", took.as_secs_f64(), self.checks);
        for (name, value) in &self.figures {
            let _ = write!(text, " {name}={value}");
        }
        text.push('\n');
        for miss in &self.misses {
            let _ = writeln!(text, "  miss: {miss}");
        }
        if self.unspoken > 0 {
            let _ = writeln!(text, "  miss: and {} more", self.unspoken);
        }
        if !self.passed() {
            let _ = writeln!(text, "  again: {}", again(scenario, settings));
        }
        text
    }

    /// Appends itself to the results that are kept.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn record(&self, file: &Path, scenario: &str, settings: &Settings, took: Duration) -> std::io::Result<()> {
        let mut text = format!(
            "\n### {scenario}, {}, commit {}\n\n`{}`, {:.0} s\n\n",
            said("date", &["-u", "+%F"]).unwrap_or_else(|| "date unknown".to_owned()),
            commit(),
            again(scenario, settings),
            took.as_secs_f64(),
        );
        for (name, value) in &self.figures {
            let _ = writeln!(text, "- {name}: {value}");
        }
        match (&self.skipped, self.misses.as_slice()) {
            (Some(reason), _) => _ = writeln!(text, "- did not run: {reason}"),
            (None, []) => _ = writeln!(text, "- misses: none, of {} checks", self.checks),
            (None, misses) => {
                let missed = misses.len() + self.unspoken;
                let _ = writeln!(text, "- misses: {missed} of {} checks", self.checks);
                for miss in misses {
                    let _ = writeln!(text, "  - {miss}");
                }
            }
        }
        fs::OpenOptions::new().append(true).create(true).open(file)?.write_all(text.as_bytes())
    }
}

/// The command that does the same once more.
fn again(scenario: &str, settings: &Settings) -> String {
    let mut line = format!(
        "cargo xtask reliability --profile {} --only {scenario} --seed {}",
        settings.profile.name(),
        settings.seed
    );
    if let Some(runs) = settings.runs {
        let _ = write!(line, " --runs {runs}");
    }
    if let Some(minutes) = settings.minutes {
        let _ = write!(line, " --minutes {minutes}");
    }
    line
}

fn commit() -> String {
    let Some(hash) = said("git", &["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let clean = said("git", &["status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs"]);
    if clean.is_none_or(|changes| changes.is_empty()) { hash } else { format!("{hash} and changes") }
}

/// The one line that a command says.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::parse(["--seed".to_owned(), "7".to_owned()], &[]).unwrap()
    }

    #[test]
    fn a_miss_fails_the_scenario_and_says_how_to_see_it_again() {
        let mut report = Report::default();
        report.figure("calls", 12);
        report.check("cl_2", true, || unreachable!("it holds"));
        report.within("cl_6", "overdue", Duration::from_millis(70), Duration::from_millis(50));
        let text = report.render("faults", &settings(), Duration::from_secs(2));
        let expected = "\
FAIL faults seed=7 took=2.0s checks=2 calls=12 overdue=70.0ms/50ms
  miss: cl_6: overdue is 70.0ms, over 50ms
  again: cargo xtask reliability --profile quick --only faults --seed 7
";
        assert_eq!(text, expected);
    }

    #[test]
    fn misses_beyond_what_can_be_read_are_counted() {
        let mut report = Report::default();
        for n in 0..MISSES_MAX + 3 {
            report.check("x", false, || n.to_string());
        }
        assert!(report.render("faults", &settings(), Duration::ZERO).contains("miss: and 3 more"));
    }
}
