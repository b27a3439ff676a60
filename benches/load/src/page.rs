//! The page that keeps the figures: each part has a place of its own, between two markers.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Puts `text` between the markers of `part`, or at the end with markers of its own; everything else stays. A run that is
/// interrupted leaves the page as it was before or as it is after.
///
/// # Errors
/// When the page cannot be read or written.
pub(crate) fn record(page: &Path, part: &str, text: &str) -> Result<(), String> {
    let said = |error| format!("{}: {error}", page.display());
    let old = match fs::read_to_string(page) {
        Err(error) if error.kind() == ErrorKind::NotFound => "# Performance\n".to_owned(),
        old => old.map_err(said)?,
    };
    let mut new = PathBuf::from(page);
    new.set_extension("new");
    fs::write(&new, placed(&old, part, text)).and_then(|()| fs::rename(&new, page)).map_err(said)
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
    fn what_is_recorded_takes_the_place_of_what_was() {
        let first = placed("# Performance\n", "load", "one");
        assert!(first.starts_with("# Performance\n\n<!-- bench load: begin -->\n\none\n\n<!--"), "{first}");
        let other = placed(&first, "growth", "more");
        let again = placed(&other, "load", "two");
        assert!(again.contains("two") && !again.contains("one") && again.contains("more"), "{again}");
        assert_eq!(placed(&again, "load", "one"), other);
    }

    #[test]
    fn the_page_of_this_repository_has_a_place_for_every_part() {
        let page = include_str!("../../../docs/performance.md");
        let at = |part: &crate::parts::Part| {
            let markers = ["begin", "end"].map(|which| format!("<!-- bench {}: {which} -->\n", part.name));
            let [begin, end] = markers.map(|marker| page.split(&marker).count() == 2);
            begin && end
        };
        for part in crate::parts::PARTS {
            assert!(at(part), "{}", part.name);
        }
        assert_eq!(page.matches(": begin -->").count(), crate::parts::PARTS.len(), "a place that is nobody's");
    }

    #[test]
    fn a_page_that_cannot_be_read_is_not_overwritten() {
        let directory = std::env::temp_dir().join(format!("nestrs-bench-page-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let page = directory.join("page.md");
        fs::write(&page, b"\xff").unwrap();
        assert!(record(&page, "load", "one").unwrap_err().contains("page.md"));
        assert_eq!(fs::read(&page).unwrap(), b"\xff");
        fs::remove_file(&page).unwrap();
        record(&page, "load", "one").unwrap();
        assert!(fs::read_to_string(&page).unwrap().contains("one"));
        fs::remove_dir_all(&directory).unwrap();
    }
}
