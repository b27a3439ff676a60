//! What is told at the end: the failures once more, a table of the steps, and one line of totals.

use std::fmt::Write;
use std::time::Duration;

use crate::outcome::{Counts, Outcome, Verdict};

/// A row of the table.
pub(crate) struct Row {
    pub(crate) step: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

/// Turns what could not run into a failure, as a build server must see it.
pub(crate) fn be_strict(rows: &mut [Row]) {
    for outcome in rows.iter_mut().map(|row| &mut row.outcome).filter(|it| it.verdict == Verdict::CouldNotRun) {
        outcome.counts = Counts { failed: 1, ..Counts::default() };
    }
}

/// Everything failed counts, whatever the reason.
pub(crate) fn total(rows: &[Row]) -> Counts {
    let mut total = Counts::default();
    rows.iter().for_each(|row| total += row.outcome.counts);
    total
}

pub(crate) fn render(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| !row.outcome.details.is_empty()) {
        let _ = writeln!(text, "\n---- {} ----\n{}", row.step, row.outcome.details.join("\n"));
    }
    let heads = ["step", "result", "passed", "failed", "skipped", "seconds", "note"].map(str::to_owned);
    let table: Vec<_> = [heads].into_iter().chain(rows.iter().map(cells)).collect();
    let widths: Vec<_> = (0..6).map(|column| table.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    text.push('\n');
    for [step, result, passed, failed, skipped, seconds, note] in &table {
        let line = format!(
            "{step:0$}  {result:1$}  {passed:>2$}  {failed:>3$}  {skipped:>4$}  {seconds:>5$}  {note}",
            widths[0], widths[1], widths[2], widths[3], widths[4], widths[5],
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let Counts { passed, failed, skipped } = total(rows);
    let _ = write!(text, "\n{passed} passed, {failed} failed");
    if skipped > 0 {
        let _ = write!(text, ", {skipped} skipped");
    }
    text.push('\n');
    text
}

fn cells(row: &Row) -> [String; 7] {
    let Counts { passed, failed, skipped } = row.outcome.counts;
    let result = match row.outcome.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::CouldNotRun if failed > 0 => "failed, could not run",
        Verdict::CouldNotRun => "could not run",
    };
    let numbers = [passed, failed, skipped].map(|count| count.to_string());
    let [passed, failed, skipped] = numbers;
    let seconds = format!("{:.0}", row.took.as_secs_f64());
    [row.step.to_owned(), result.to_owned(), passed, failed, skipped, seconds, row.outcome.note.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [Row; 3] {
        let mut test = Outcome::begun();
        test.counts = Counts { passed: 120, failed: 0, skipped: 2 };
        test.fail("three", ["three said this".to_owned()]);
        let mut fmt = Outcome::begun();
        fmt.pass();
        [
            Row { step: "fmt", outcome: fmt, took: Duration::from_millis(1600) },
            Row { step: "test", outcome: test, took: Duration::from_secs(61) },
            Row { step: "interop", outcome: Outcome::could_not_run("no node"), took: Duration::ZERO },
        ]
    }

    #[test]
    fn the_table_lines_up_and_the_totals_come_last() {
        let expected = "
---- test ----
three said this

step     result         passed  failed  skipped  seconds  note
fmt      passed              1       0        0        2
test     failed            120       1        2       61  three
interop  could not run       0       0        1        0  no node

121 passed, 1 failed, 3 skipped
";
        assert_eq!(render(&rows()), expected);
    }

    #[test]
    fn to_a_build_server_what_could_not_run_has_failed() {
        let mut rows = rows();
        be_strict(&mut rows);
        let text = render(&rows);
        assert!(text.contains("interop  failed, could not run       0       1        0        0  no node\n"), "{text}");
        assert!(text.ends_with("\n121 passed, 2 failed, 2 skipped\n"), "{text}");
    }

    #[test]
    fn nothing_skipped_is_not_mentioned() {
        assert!(render(&rows()[..1]).ends_with("\n\n1 passed, 0 failed\n"));
    }
}
