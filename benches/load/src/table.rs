//! The figures as Markdown.

use crate::musts::{self, Must};
use crate::server::{KINDS, Kind};

/// A table: a title, the names of its columns, and rows whose first cell says what they are of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// How many figures that do not depend on the machine are not what they must be.
    pub(crate) missed: usize,
}

impl Table {
    /// One of which nothing is asked.
    pub(crate) fn new(title: &str, columns: Vec<String>, rows: Vec<Vec<String>>) -> Self {
        Self { title: title.to_owned(), columns, rows, missed: 0 }
    }

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

/// What servers are compared by: a row for each figure, a column for each server.
#[derive(Debug)]
pub(crate) struct Figures {
    title: String,
    musts: &'static [Must],
    rows: Vec<(String, Vec<(&'static str, String)>)>,
}

impl Figures {
    /// Nothing yet, under this title; some rows must be as these say.
    pub(crate) fn new(title: &str, musts: &'static [Must]) -> Self {
        Self { title: title.to_owned(), musts, rows: Vec::new() }
    }

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

    /// The table of those servers that have any figure; nothing where none has. Where something must be, two columns behind
    /// those of nestrs say what, and whether it is.
    pub(crate) fn table(&self) -> Option<Table> {
        let named = |kind: &&Kind| self.rows.iter().any(|(_, cells)| cells.iter().any(|(name, _)| *name == kind.name));
        let mut kinds: Vec<_> = KINDS.iter().filter(named).collect();
        kinds.sort_by_key(|kind| kind.column);
        let (ours, others): (Vec<&Kind>, Vec<_>) = kinds.iter().partition(|kind| kind.is_ours());
        let verdicts = self.rows.iter().map(|(figure, cells)| {
            musts::judge(self.musts, figure, |server| {
                cells.iter().find(|(name, _)| *name == server).map(|(_, text)| text.as_str())
            })
        });
        let verdicts: Vec<_> = verdicts.collect();
        let judged = verdicts.iter().any(Option::is_some);

        let titles = |kinds: &[&Kind]| kinds.iter().map(|kind| kind.title.to_owned()).collect::<Vec<_>>();
        let mut columns = vec![String::new()];
        columns.extend(titles(&ours));
        if judged {
            columns.extend(["must be", "is met"].map(str::to_owned));
        }
        columns.extend(titles(&others));
        let rows = self.rows.iter().zip(&verdicts).map(|((figure, cells), verdict)| {
            let text = |kind: &&Kind| {
                let found = cells.iter().find(|(name, _)| *name == kind.name);
                found.map_or_else(|| "-".to_owned(), |(_, text)| text.clone())
            };
            let mut row = vec![figure.clone()];
            row.extend(ours.iter().map(text));
            if judged {
                let (must, met) = verdict.as_ref().map_or(("", ""), |verdict| (&verdict.must, &verdict.met));
                row.extend([must, met].map(str::to_owned));
            }
            row.extend(others.iter().map(text));
            row
        });
        let missed = verdicts.iter().flatten().map(|verdict| verdict.missed).sum();
        (!kinds.is_empty()).then(|| Table { title: self.title.clone(), columns, rows: rows.collect(), missed })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let table = Table::new("t", row(["", "a"]), vec![row(["x", "1"])]);
        assert_eq!(table.markdown(), "**t**\n\n|  | a |\n| --- | --- |\n| x | 1 |\n");
    }

    #[test]
    fn a_row_for_each_figure_and_a_column_for_each_server_in_their_own_order() {
        let mut figures = Figures::new("speed and size", &[]);
        assert!(figures.table().is_none());
        figures.set("speed", "floor", "3");
        figures.set("speed", "yardstick", "1");
        figures.set("size", "nestrs", "2");
        let table = figures.table().unwrap();
        assert_eq!(table.columns, ["", "nestrs", "by hand, serde's envelope", "floor (raw echo)"]);
        assert_eq!(table.rows, [["speed", "-", "1", "3"], ["size", "2", "-", "-"]]);
    }

    #[test]
    fn what_must_be_stands_beside_what_is() {
        let mut figures = Figures::new("counts", musts::COUNTS);
        figures.set("16 in flight: instructions", "nestrs", "4401");
        figures.set("16 in flight: instructions", "chain", "5000");
        figures.set("16 in flight: instructions", "yardstick", "3000");
        figures.set("something else", "yardstick", "1");
        let table = figures.table().unwrap();
        assert_eq!(table.columns[3..5], ["must be", "is met"]);
        assert_eq!(table.rows[0][1..5], ["4401", "5000", "at most 4400 / at most 6000", "**no** / yes"]);
        assert_eq!((&table.rows[1][3..], table.missed), (&["", "", "1"].map(str::to_owned)[..], 1));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([short(1_234_567.0), short(345_678.0), short(12.3)], ["1.23M", "346k", "12"]);
    }
}
