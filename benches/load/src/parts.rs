//! What is measured, part by part: each part is shown, and kept, as soon as it is complete.

use std::time::Instant;

use crate::settings::Settings;
use crate::table::Table;
use crate::{build, client, counted, growth, instructions, load, rest, workers};

/// Something that is measured.
#[derive(Debug)]
pub(crate) struct Part {
    /// What it is called on the command line, and in the markers around its place in the page.
    pub(crate) name: &'static str,
    /// Whether it takes its time, so that it is left out in a hurry.
    pub(crate) slow: bool,
    measure: fn(&Settings) -> Result<Vec<Table>, String>,
}

const fn part(name: &'static str, measure: fn(&Settings) -> Result<Vec<Table>, String>) -> Part {
    Part { name, slow: false, measure }
}

const fn slow(name: &'static str, measure: fn(&Settings) -> Result<Vec<Table>, String>) -> Part {
    Part { name, slow: true, measure }
}

/// All of them; what matters most comes first.
pub(crate) const PARTS: &[Part] = &[
    part("servers", load::servers),
    part("streams", load::streams),
    part("clients", client::measure),
    slow("counts", counted::measure),
    part("rest", rest::measure),
    slow("build", build::measure),
    slow("growth", growth::measure),
    part("workers", workers::measure),
    slow("profile", instructions::measure),
];

impl Part {
    pub(crate) fn measure(&self, settings: &Settings) -> Result<Vec<Table>, String> {
        (self.measure)(settings)
    }
}

/// What came of a run.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Figures that do not depend on the machine and are not what they must be.
    pub(crate) missed: usize,
    /// Parts that could not be measured, and why.
    pub(crate) failed: Vec<String>,
    /// How many seconds each part took.
    pub(crate) took: Vec<String>,
}

/// Measures one part after the other. What each gives is shown before the next begins, so that whatever happens then it is
/// kept; and a part that fails keeps no other from being measured.
///
/// # Errors
/// Those of `show`.
pub(crate) fn in_turn<'a>(
    names: impl IntoIterator<Item = &'a str>,
    mut measure: impl FnMut(&str) -> Result<Vec<Table>, String>,
    mut show: impl FnMut(&str, f64, &str) -> Result<(), String>,
) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    for name in names {
        let begun = Instant::now();
        let measured = measure(name);
        let took = begun.elapsed().as_secs_f64();
        outcome.took.push(format!("{name} {took:.0} s"));
        match measured {
            Ok(tables) if tables.is_empty() => eprintln!("{name}: nothing was measured"),
            Ok(tables) => {
                outcome.missed += tables.iter().map(|table| table.missed).sum::<usize>();
                let text: Vec<_> = tables.iter().map(Table::markdown).collect();
                show(name, took, &text.join("\n"))?;
            }
            Err(why) => {
                eprintln!("error: {name}: {why}");
                outcome.failed.push(format!("{name}: {why}"));
            }
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::page;

    struct Page(PathBuf);

    impl Page {
        fn new(name: &str) -> Self {
            let page = Self(std::env::temp_dir().join(format!("nestrs-bench-{name}-{}.md", std::process::id())));
            for part in ["first", "second", "third"] {
                page::record(&page.0, part, &format!("{part} of yesterday")).unwrap();
            }
            page
        }

        fn text(&self) -> String {
            fs::read_to_string(&self.0).unwrap()
        }
    }

    impl Drop for Page {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn tables(name: &str) -> Vec<Table> {
        vec![Table { title: format!("{name} of today"), missed: 1, ..Table::default() }]
    }

    #[test]
    fn what_is_complete_is_in_the_page_before_the_next_part_begins() {
        let page = Page::new("complete");
        let measure = |name: &str| {
            // If the run ended here, this is what would be left.
            let text = page.text();
            assert!(text.contains(&format!("{name} of yesterday")), "{name} is still the old one: {text}");
            if name == "second" {
                assert!(text.contains("first of today") && text.contains("third of yesterday"), "{text}");
            }
            Ok(tables(name))
        };
        let outcome = in_turn(["first", "second"], measure, |part, _, text| page::record(&page.0, part, text)).unwrap();
        assert_eq!((outcome.missed, outcome.failed.len(), outcome.took.len()), (2, 0, 2));
        assert!(page.text().contains("second of today") && page.text().contains("third of yesterday"));
    }

    #[test]
    fn a_part_that_fails_leaves_what_was_and_keeps_no_other() {
        let page = Page::new("fails");
        let measure = |name: &str| if name == "second" { Err("no".to_owned()) } else { Ok(tables(name)) };
        let names = ["first", "second", "third"];
        let outcome = in_turn(names, measure, |part, _, text| page::record(&page.0, part, text)).unwrap();
        assert_eq!(outcome.failed, ["second: no"]);
        let text = page.text();
        assert!(text.contains("first of today") && text.contains("third of today"), "{text}");
        assert!(text.contains("second of yesterday"), "{text}");
    }

    #[test]
    fn what_could_not_be_measured_here_leaves_what_was() {
        let page = Page::new("nothing");
        in_turn(["first"], |_| Ok(Vec::new()), |part, _, text| page::record(&page.0, part, text)).unwrap();
        assert!(page.text().contains("first of yesterday"));
    }

    #[test]
    fn names_of_parts_are_no_names_of_servers() {
        let servers: Vec<_> = crate::server::KINDS.iter().map(|kind| kind.name).collect();
        assert!(PARTS.iter().all(|part| !servers.contains(&part.name)));
    }
}
