//! What came of it.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use super::promise::Promise;

/// What one transport was found to keep. Prints as a table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// [`ConformanceTarget::name`](super::ConformanceTarget::name).
    pub transport: String,
    /// One for each promise that was asked for.
    pub rows: Vec<Row>,
}

/// One promise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row {
    /// Which.
    pub promise: Promise,
    /// What was found.
    pub outcome: Outcome,
    /// How long that took.
    pub took: Duration,
}

/// What was found of one promise.
///
/// ```
/// use nestrs_microservices::conformance::{ConformanceTarget, Outcome, Promise, run_only};
///
/// /// Until it has streams, this transport may do without.
/// async fn all_but_streams(target: &dyn ConformanceTarget) -> bool {
///     let report = run_only(target, &Promise::ALL).await;
///     report.rows.iter().all(|row| row.promise == Promise::Stream || !matches!(row.outcome, Outcome::Broken(_)))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is kept.
    Kept,
    /// The transport does not offer it, for this reason. Nothing was checked.
    NotOffered(String),
    /// It is not kept: this is what happened.
    Broken(String),
}

impl Report {
    /// What was found of one promise; `None` where it was not asked for.
    #[must_use]
    pub fn outcome(&self, promise: Promise) -> Option<&Outcome> {
        self.rows.iter().find(|row| row.promise == promise).map(|row| &row.outcome)
    }

    /// Whether nothing is broken.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.rows.iter().any(|row| matches!(row.outcome, Outcome::Broken(_)))
    }

    /// Fails a test with the whole table when a promise is broken.
    ///
    /// # Panics
    /// When so.
    #[track_caller]
    pub fn assert_kept(&self) {
        assert!(self.is_kept(), "{self}");
    }

    fn count(&self, of: impl Fn(&Outcome) -> bool) -> usize {
        self.rows.iter().filter(|row| of(&row.outcome)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.count(|outcome| *outcome == Outcome::Kept);
        let without = self.count(|outcome| matches!(outcome, Outcome::NotOffered(_)));
        let broken = self.rows.len() - kept - without;
        writeln!(f, "{}: {kept} kept, {without} not offered, {broken} broken", self.transport)?;
        for Row { promise, outcome, took } in &self.rows {
            let millis = took.as_millis();
            match outcome {
                Outcome::Kept => writeln!(f, "  {promise:<16} kept         {millis:>5} ms  {}", promise.about()),
                Outcome::NotOffered(why) => writeln!(f, "  {promise:<16} not offered           {why}"),
                Outcome::Broken(what) => writeln!(f, "  {promise:<16} BROKEN       {millis:>5} ms  {what}"),
            }?;
        }
        Ok(())
    }
}

/// Several transports side by side, as a table in Markdown: a line for each promise, a column for each transport, and the
/// reasons below.
///
/// ```
/// use nestrs_microservices::conformance::table;
///
/// assert!(table(&[]).starts_with("| promise |"));
/// ```
#[must_use]
pub fn table(reports: &[Report]) -> String {
    let mut text = String::from("| promise |");
    for report in reports {
        let _ = write!(text, " {} |", report.transport);
    }
    let _ = write!(text, " what is promised |\n|---|{}---|\n", "---|".repeat(reports.len()));
    for promise in Promise::ALL {
        let _ = write!(text, "| {promise} |");
        for report in reports {
            let cell = match report.outcome(promise) {
                Some(Outcome::Kept) => "kept",
                Some(Outcome::NotOffered(_)) => "not offered",
                Some(Outcome::Broken(_)) => "**broken**",
                None => "not asked",
            };
            let _ = write!(text, " {cell} |");
        }
        let _ = writeln!(text, " {} |", promise.about());
    }
    let reasons = reports.iter().flat_map(|report| {
        report.rows.iter().filter_map(|row| match &row.outcome {
            Outcome::Kept => None,
            Outcome::NotOffered(why) | Outcome::Broken(why) => {
                Some(format!("- {}, {}: {why}\n", report.transport, row.promise))
            }
        })
    });
    let reasons: String = reasons.collect();
    if !reasons.is_empty() {
        let _ = write!(text, "\n{reasons}");
    }
    text
}
