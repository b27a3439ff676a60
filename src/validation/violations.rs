//! What a caller reads of a broken rule.

use garde::Report;
use nestrs_core::{ErrorKind, TransportError};
use serde_json::{Value, json};

/// So many violations are told; of more, the number of those left out.
const VIOLATIONS_MAX: usize = 100;
/// A path holds keys of the payload: it and a message are cut after this many characters.
const TEXT_MAX: usize = 240;

/// The error that tells all of them, below `place`.
pub(super) fn refuse(report: &Report, place: &str) -> TransportError {
    let told = report.iter().take(VIOLATIONS_MAX).map(|(path, error)| {
        let path = path.to_string();
        let dot = if place.is_empty() || path.is_empty() || path.starts_with('[') { "" } else { "." };
        json!({ "path": shown(&format!("{place}{dot}{path}")), "message": shown(error.message()) })
    });
    let mut details = json!({ "violations": told.collect::<Vec<_>>() });
    let left_out = report.iter().count().saturating_sub(VIOLATIONS_MAX);
    if left_out > 0 {
        details["leftOut"] = Value::from(left_out);
    }
    TransportError::new("Validation failed").with_details(details).with_kind(ErrorKind::InvalidPayload)
}

/// Text that may hold anything, fit for one line.
fn shown(text: &str) -> String {
    let mut characters = text.chars().map(|character| if character.is_control() { '?' } else { character });
    let mut shown: String = characters.by_ref().take(TEXT_MAX).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use garde::{Error, Path};

    use super::*;

    fn report(violations: impl IntoIterator<Item = (Path, &'static str)>) -> Report {
        let mut report = Report::new();
        for (path, message) in violations {
            report.append(path, Error::new(message));
        }
        report
    }

    #[test]
    fn paths_begin_where_the_value_was_found() {
        let check = |place: &str, path: Path, expected: &str| {
            let error = refuse(&report([(path, "wrong")]), place);
            assert_eq!(error.details.unwrap(), json!({ "violations": [{ "path": expected, "message": "wrong" }] }));
        };
        check("", Path::new("name"), "name");
        check("", Path::empty(), "");
        check("cat", Path::empty(), "cat");
        check("cat", Path::new("names").join(2_usize), "cat.names[2]");
        check("cats", Path::new(2_usize).join("name"), "cats[2].name");
        check("", Path::new("a\nb"), "a?b");
    }

    #[test]
    fn what_a_payload_may_do_to_an_answer_has_limits() {
        let many = || report((0..VIOLATIONS_MAX + 5).map(|index| (Path::new(index), "wrong")));
        let error = refuse(&many(), "");
        let details = error.details.as_ref().unwrap();
        assert_eq!(details["violations"].as_array().unwrap().len(), VIOLATIONS_MAX);
        assert_eq!(details["leftOut"], 5);
        let long = refuse(&report([(Path::new("k".repeat(100_000)), "wrong")]), "");
        assert!(long.to_wire_json().len() < 1000);
    }
}
