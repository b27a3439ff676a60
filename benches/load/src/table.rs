//! The figures as Markdown, and their place in the page that keeps them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::server::{KINDS, Kind};

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

/// The one table of all servers: a row for each figure, a column for each server.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: Vec<(String, Vec<(&'static str, String)>)>,
}

impl Figures {
    /// Says what a server's figure is. Rows stand in the order in which they are first spoken of.
    pub(crate) fn set(&mut self, figure: &str, server: &'static str, text: impl Into<String>) {
        let at = self.rows.iter().position(|(name, _)| name == figure).unwrap_or_else(|| {
            self.rows.push((figure.to_owned(), Vec::new()));
            self.rows.len() - 1
        });
        let text = text.into();
        eprintln!("{figure}: {server} {text}");
        self.rows[at].1.push((server, text));
    }

    /// The row whose name ends so, and what it says of a server.
    pub(crate) fn found(&self, figure: &str, server: &str) -> Option<(&str, &str)> {
        let (name, cells) = self.rows.iter().find(|(name, _)| name.ends_with(figure))?;
        let (_, text) = cells.iter().find(|(name, _)| *name == server)?;
        Some((name, text))
    }

    /// The table of those servers that have any figure; nothing where none has.
    pub(crate) fn table(&self) -> Option<Table> {
        let named = |kind: &&Kind| self.rows.iter().any(|(_, cells)| cells.iter().any(|(name, _)| *name == kind.name));
        let mut kinds: Vec<_> = KINDS.iter().filter(named).collect();
        kinds.sort_by_key(|kind| kind.column);
        let columns = [String::new()].into_iter().chain(kinds.iter().map(|kind| kind.title.to_owned())).collect();
        let rows = self.rows.iter().map(|(figure, cells)| {
            let text = |kind: &&Kind| cells.iter().find(|(name, _)| *name == kind.name).map(|(_, text)| text.clone());
            let cells = kinds.iter().map(|kind| text(kind).unwrap_or_else(|| "-".to_owned()));
            [figure.clone()].into_iter().chain(cells).collect()
        });
        let title = "What each does, and what that costs: medians of interleaved rounds (least-most)".to_owned();
        (!kinds.is_empty()).then(|| Table { title, columns, rows: rows.collect() })
    }
}

/// `1.2M`, `345k`, `678`
pub(crate) fn short(number: f64) -> String {
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
    fn a_row_for_each_figure_and_a_column_for_each_server_in_their_own_order() {
        let mut figures = Figures::default();
        assert!(figures.table().is_none());
        figures.set("speed", "floor", "3");
        figures.set("speed", "yardstick", "1");
        figures.set("size", "nestrs", "2");
        let table = figures.table().unwrap();
        assert_eq!(table.columns.len(), 4);
        assert!(table.columns[1].starts_with("nestrs") && table.columns[2].starts_with("yardstick"), "{table:?}");
        assert_eq!(table.rows, [["speed", "-", "1", "3"], ["size", "2", "-", "-"]]);
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
