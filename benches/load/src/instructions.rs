//! Where the instructions of one request go: what `cargo xtask counts --profile` prints, as a table of ours.

use std::process::Command;

use crate::settings::Settings;
use crate::table::Table;

pub(crate) fn measure(_settings: &Settings) -> Result<Vec<Table>, String> {
    let output = Command::new("cargo").args(["xtask", "counts", "--profile"]).output();
    let output = output.map_err(|error| format!("cargo xtask counts: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo xtask counts: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let table = table(&text).ok_or("`cargo xtask counts --profile` prints no table")?;
    // A step that was renamed or inlined is not found, and its cost stands elsewhere: such a table would mislead.
    if table.rows.iter().any(|row| row[1..].iter().any(|cell| cell.starts_with('-'))) {
        eprintln!("skipped: profile: a step is not found, and another is less than nothing");
        return Ok(Vec::new());
    }
    Ok(vec![table])
}

/// The first table in a text of Markdown.
fn table(text: &str) -> Option<Table> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with('|')).map_while(|line| line.strip_prefix('|'));
    let cells = |line: &str| line.trim_end().trim_end_matches('|').split('|').map(|it| it.trim().to_owned()).collect();
    let columns: Vec<_> = cells(lines.next()?);
    let rows: Vec<Vec<_>> = lines.skip(1).map(cells).collect();
    let title = "Instructions of one request in the steps of the server (`cargo xtask counts --profile`)";
    rows.iter().all(|row| row.len() == columns.len()).then(|| Table::new(title, columns, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_taken_out_of_a_text() {
        let text = "running\n| what | bare |\n|---|--:|\n| all | 1 |\n| some | 0 |\nended\n";
        let table = table(text).unwrap();
        assert_eq!(table.columns, ["what", "bare"]);
        assert_eq!(table.rows, [["all", "1"], ["some", "0"]]);
        assert!(super::table("nothing").is_none());
    }
}
