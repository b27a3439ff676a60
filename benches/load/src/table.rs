//! The figures as Markdown, and their place in the page that keeps them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::rounds::{Cell, Scenario, Spread};
use crate::server::{Kind, YARDSTICK};

/// A table: a title, the names of its columns, and rows whose first cell says what they are of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("**{}**\n\n", self.title);
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        text += &line(&self.columns);
        text += &line(&self.columns.iter().map(|_| "---".to_owned()).collect::<Vec<_>>());
        for row in &self.rows {
            text += &line(row);
        }
        text
    }
}

fn find<'a>(cells: &'a [Cell], server: &str, scenario: &str) -> Option<&'a Cell> {
    cells.iter().find(|cell| cell.server == server && cell.scenario == scenario)
}

/// Rows of servers, columns of loads.
fn grid(
    title: &str,
    kinds: &[Kind],
    scenarios: &[Scenario],
    text: impl Fn(&Kind, &Scenario) -> Option<String>,
) -> Table {
    let columns = [String::new()].into_iter().chain(scenarios.iter().map(|it| it.name.to_owned())).collect();
    let rows = kinds.iter().map(|kind| {
        let cells = scenarios.iter().map(|scenario| text(kind, scenario).unwrap_or_else(|| "-".to_owned()));
        [kind.title.to_owned()].into_iter().chain(cells).collect()
    });
    Table { title: title.to_owned(), columns, rows: rows.collect() }
}

/// Everything that rounds have measured.
pub(crate) fn of_rounds(kinds: &[Kind], scenarios: &[Scenario], cells: &[Cell]) -> Vec<Table> {
    let ratio = |kind: &Kind, scenario: &Scenario| {
        let (own, yardstick) = (find(cells, kind.name, scenario.name)?, find(cells, YARDSTICK.name, scenario.name)?);
        // Of the same round, so that what disturbs both is no difference.
        let both = own.rounds.iter().zip(&yardstick.rounds);
        let spread = Spread::of(both.map(|(own, yardstick)| own.per_cpu_second() / yardstick.per_cpu_second()));
        Some(format!("{spread:.2}"))
    };
    let rate = |kind: &Kind, scenario: &Scenario| {
        let cell = find(cells, kind.name, scenario.name)?;
        let cpu = Spread::of(cell.rounds.iter().map(|it| it.per_cpu_second())).median()?;
        let wall = Spread::of(cell.rounds.iter().map(|it| it.per_second())).median()?;
        Some(format!("{} / {}", short(cpu), short(wall)))
    };
    let latency = |kind: &Kind, scenario: &Scenario| {
        let cell = find(cells, kind.name, scenario.name)?;
        let median = Spread::of(cell.rounds.iter().map(|it| it.median as f64 / 1e3)).median()?;
        let p99 = Spread::of(cell.rounds.iter().map(|it| it.p99 as f64 / 1e3)).median()?;
        Some(format!("{median:.0} / {p99:.0}"))
    };
    let switches = |kind: &Kind, scenario: &Scenario| {
        let cell = find(cells, kind.name, scenario.name)?;
        let each = cell.rounds.iter().map(|it| it.switches as f64 / it.units as f64);
        Some(format!("{:.3}", Spread::of(each).median()?))
    };
    let mut tables = Vec::new();
    if kinds.iter().any(|kind| kind.name == YARDSTICK.name) {
        tables.push(grid(
            "Work per second of server CPU, against the yardstick: median (least-most) of the rounds",
            kinds,
            scenarios,
            ratio,
        ));
    }
    tables.push(grid("Units per second of server CPU / per second on the clock", kinds, scenarios, rate));
    tables.push(grid("Latency of a request in microseconds, median / 99 of 100", kinds, scenarios, latency));
    tables.push(grid("Voluntary context switches of the server per unit", kinds, scenarios, switches));
    tables
}

/// `1.2M`, `345k`, `678`
fn short(number: f64) -> String {
    match number {
        _ if number >= 1e6 => format!("{:.2}M", number / 1e6),
        _ if number >= 1e3 => format!("{:.0}k", number / 1e3),
        _ => format!("{number:.0}"),
    }
}

/// Puts `text` between the markers of `part`, or at the end with markers of its own.
///
/// # Errors
/// When the page cannot be read or written.
pub(crate) fn record(page: &Path, part: &str, text: &str) -> Result<(), String> {
    let old = fs::read_to_string(page).unwrap_or_else(|_| "# Performance\n".to_owned());
    fs::write(page, placed(&old, part, text)).map_err(|error| format!("{}: {error}", page.display()))
}

fn placed(page: &str, part: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- bench {part}: begin -->\n"), format!("<!-- bench {part}: end -->\n"));
    let found = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = found.unwrap_or((page, ""));
    let mut new = before.to_owned();
    if found.is_none() {
        new.push('\n');
    }
    let _ = write!(new, "{begin}\n{}\n\n{end}{after}", text.trim());
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let table = Table { title: "t".to_owned(), columns: row(["", "a"]), rows: vec![row(["x", "1"])] };
        assert_eq!(table.markdown(), "**t**\n\n|  | a |\n| --- | --- |\n| x | 1 |\n");
    }

    #[test]
    fn what_is_recorded_takes_the_place_of_what_was() {
        let first = placed("# Performance\n", "load", "one");
        assert!(first.starts_with("# Performance\n\n<!-- bench load: begin -->\n\none\n\n<!--"), "{first}");
        let other = placed(&first, "growth", "more");
        let again = placed(&other, "load", "two");
        assert!(again.contains("two") && !again.contains("one") && again.contains("more"), "{again}");
        assert_eq!(placed(&again, "load", "one"), other);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([short(1_234_567.0), short(345_678.0), short(12.3)], ["1.23M", "346k", "12"]);
    }
}
