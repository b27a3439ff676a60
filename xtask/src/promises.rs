//! Whether each promise of `docs/reliability.md` has a test.
//!
//! A promise is a list item that begins with its id, `- **FR-1** …`. Its tests are those whose names begin with the id in
//! lower case, `fr_1_…`, and so are the scenarios in `tests/reliability`, which are no functions of a test harness.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Outcome;

const PAGE: &str = "docs/reliability.md";
/// Where functions are scenarios, with no attribute that says so.
const SCENARIOS: &str = "tests/reliability";
/// Directories that hold no source of ours.
const SKIPPED: &[&str] = &["target", "node_modules"];

/// `FR-1` is `("fr", 1)`.
type Id = (String, u32);

/// A test that is named after a promise.
#[derive(Debug, PartialEq)]
struct Named {
    id: Id,
    name: String,
}

pub(crate) fn check(root: &Path) -> Outcome {
    let page = match fs::read_to_string(root.join(PAGE)) {
        Ok(page) => page,
        Err(error) => {
            let mut outcome = Outcome::begun();
            outcome.fail(&format!("{PAGE}: {error}"), []);
            return outcome;
        }
    };
    let mut tests = Vec::new();
    for file in sources(root) {
        let scenarios = file.starts_with(root.join(SCENARIOS));
        tests.extend(named(&fs::read_to_string(&file).unwrap_or_default(), scenarios));
    }
    compare(&page, &tests)
}

/// One check a promise.
fn compare(page: &str, tests: &[Named]) -> Outcome {
    let mut outcome = Outcome::begun();
    let promises = match promises(page) {
        Ok(promises) => promises,
        Err(problem) => {
            outcome.fail(&problem, []);
            return outcome;
        }
    };
    let mut untested = Vec::new();
    for (id, text) in &promises {
        let count = tests.iter().filter(|test| test.id == *id).count();
        if count > 0 {
            outcome.pass();
        } else {
            untested.push(written(id));
            outcome.fail("", [format!("no test begins with `{}_{}_`: {text}", id.0, id.1)]);
        }
    }
    outcome.say(&format!("{} promises, {} tests", promises.len(), tests.len()));
    if !untested.is_empty() {
        outcome.say(&format!("without a test: {}", untested.join(", ")));
    }
    for test in tests.iter().filter(|test| !promises.contains_key(&test.id)) {
        outcome
            .fail(&format!("`{}` is named after {}, which {PAGE} does not promise", test.name, written(&test.id)), []);
    }
    outcome
}

fn written((kind, number): &Id) -> String {
    format!("{}-{number}", kind.to_uppercase())
}

/// The promises of the page with the first line of each; those of one kind are numbered without a gap, so that none can
/// be lost unnoticed.
fn promises(page: &str) -> Result<BTreeMap<Id, &str>, String> {
    let mut promises = BTreeMap::new();
    for line in page.lines() {
        let Some((id, text)) = line.trim_start().strip_prefix("- **").and_then(|rest| rest.split_once("**")) else {
            continue;
        };
        let id = id.split_once('-').and_then(|(kind, number)| {
            let kind_is_right = kind.len() == 2 && kind.bytes().all(|byte| byte.is_ascii_uppercase());
            Some((kind.to_lowercase(), number.parse().ok().filter(|_| kind_is_right)?))
        });
        let id: Id = id.ok_or_else(|| format!("{PAGE}: no id begins `{line}`"))?;
        if promises.insert(id.clone(), text.trim()).is_some() {
            return Err(format!("{PAGE}: {} is promised twice", written(&id)));
        }
    }
    for (kind, number) in promises.keys().filter(|(_, number)| *number > 1) {
        if !promises.contains_key(&(kind.clone(), number - 1)) {
            return Err(format!("{PAGE}: {} is missing", written(&(kind.clone(), number - 1))));
        }
    }
    if promises.is_empty() { Err(format!("{PAGE}: no promise is found")) } else { Ok(promises) }
}

/// The tests in a source file that are named after promises.
fn named(source: &str, scenarios: bool) -> Vec<Named> {
    let mut found = Vec::new();
    let (mut is_test, mut ignored, mut open) = (false, false, 0_usize);
    for line in source.lines().map(str::trim) {
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        // An attribute may go over several lines, and stand before another.
        if open > 0 || line.starts_with("#[") {
            let (attribute, more) = (line.trim_start_matches("#["), line.matches('[').count());
            if open == 0 {
                let path = attribute.split(['(', ']', ' ', '=']).next().unwrap_or_default();
                is_test |= path.rsplit("::").next() == Some("test");
                ignored |= path == "ignore";
            }
            open = (open + more).saturating_sub(line.matches(']').count());
            if open > 0 || !line.contains("fn ") {
                continue;
            }
        }
        if let Some((name, id)) = function(line).and_then(|name| Some((name, id_of(name)?)))
            && (is_test || scenarios)
            && !ignored
        {
            found.push(Named { id, name: name.to_owned() });
        }
        (is_test, ignored) = (false, false);
    }
    found
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let words = ["pub", "pub(crate)", "pub(super)", "async", "const", "#[test]"];
    let name = after.split(['(', '<', ' ']).next()?;
    before.split_whitespace().all(|word| words.contains(&word)).then_some(name)
}

/// The id that a name begins with: `fr_12_faults_are_silent`.
fn id_of(name: &str) -> Option<Id> {
    let mut parts = name.splitn(3, '_');
    let (kind, number, story) = (parts.next()?, parts.next()?, parts.next()?);
    let named = kind.len() == 2 && kind.bytes().all(|byte| byte.is_ascii_lowercase()) && !story.is_empty();
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    Some((kind.to_owned(), number.parse().ok().filter(|_| named && digits)?))
}

/// Every Rust file of the repository.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                files.extend(sources(&path));
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Counts, Verdict};

    const SAMPLE: &str = "
# A page

- **FR-1** The first,
  which goes on.
- **FR-2** The second.
- Nothing promised, not even **here**.
  - **SL-1** Another kind.
";

    /// With a mark before each line, or else these would be tests themselves.
    fn tests(marked: &str, scenarios: bool) -> Vec<String> {
        let source: Vec<_> = marked.lines().map(|line| line.trim_start().trim_start_matches('|')).collect();
        named(&source.join("\n"), scenarios).into_iter().map(|test| test.name).collect()
    }

    #[test]
    fn promises_are_list_items_that_begin_with_an_id() {
        let promises = promises(SAMPLE).unwrap();
        let ids: Vec<_> = promises.keys().map(written).collect();
        assert_eq!(ids, ["FR-1", "FR-2", "SL-1"]);
        assert_eq!(promises[&("fr".to_owned(), 1)], "The first,");
    }

    #[test]
    fn a_page_that_cannot_be_read_is_no_page_without_promises() {
        let problem = |page: &str| promises(page).unwrap_err();
        assert_eq!(problem("# Nothing"), "docs/reliability.md: no promise is found");
        assert_eq!(problem("- **FR-1** a\n- **FR-1** b"), "docs/reliability.md: FR-1 is promised twice");
        assert_eq!(problem("- **FR-1** a\n- **FR-3** b"), "docs/reliability.md: FR-2 is missing");
        assert_eq!(problem("- **FR1** a"), "docs/reliability.md: no id begins `- **FR1** a`");
        assert_eq!(problem("- **fr-1** a"), "docs/reliability.md: no id begins `- **fr-1** a`");
    }

    #[test]
    fn tests_are_functions_with_an_attribute_of_any_harness() {
        let found = tests(
            "|#[test]
             |fn fr_1_is_tested() {
             |    #[tokio::test(start_paused = true)]
             |    #[cfg(unix)]
             |    /// With a story.
             |    async fn fr_2_is_tested() {}
             |#[tokio::test(
             |    flavor = \"current_thread\",
             |)]
             |pub(crate) async fn fr_3_is_tested<T>() {}
             |#[test] fn fr_4_is_tested() {}
             |proptest! {
             |    #[test]
             |    fn rq_2_holds_for(any in 0..9) {}
             |}",
            false,
        );
        assert_eq!(found, ["fr_1_is_tested", "fr_2_is_tested", "fr_3_is_tested", "fr_4_is_tested", "rq_2_holds_for"]);
    }

    #[test]
    fn what_never_runs_is_no_test() {
        let never = "|fn fr_1_helper() {}
             |// #[test]
             |fn fr_2_commented() {}
             |#[test]
             |#[ignore]
             |fn fr_3_ignored() {}
             |#[test]
             |fn fr_x_has_no_number() {}
             |#[test]
             |fn fr_4() {}
             |#[test]
             |fn plain() {}
             |let fr_5_text = \"fn fr_5_text\";";
        assert!(tests(never, false).is_empty());
        assert_eq!(tests(never, true), ["fr_1_helper", "fr_2_commented"]);
    }

    #[test]
    fn a_promise_without_a_test_fails_and_so_does_a_test_without_a_promise() {
        let test = |kind: &str, number| Named { id: (kind.into(), number), name: format!("{kind}_{number}_works") };
        let all = [test("fr", 1), test("fr", 2), test("sl", 1), test("sl", 1)];
        let outcome = compare(SAMPLE, &all);
        assert_eq!((outcome.verdict, outcome.counts.passed), (Verdict::Passed, 3));
        assert_eq!(outcome.note, "3 promises, 4 tests");

        let outcome = compare(SAMPLE, &[test("fr", 2), test("sl", 1), test("br", 9)]);
        assert_eq!(outcome.counts, Counts { passed: 2, failed: 2, skipped: 0 });
        assert_eq!(
            outcome.note,
            "3 promises, 3 tests; without a test: FR-1; \
            `br_9_works` is named after BR-9, which docs/reliability.md does not promise"
        );
        assert_eq!(outcome.details, ["no test begins with `fr_1_`: The first,"]);
    }

    #[test]
    fn the_page_itself_is_understood() {
        let promises = promises(include_str!("../../docs/reliability.md")).unwrap();
        let count = |kind: &str| promises.keys().filter(|id| id.0 == kind).count();
        assert_eq!(["fr", "sl", "rq", "cl", "sd", "se"].map(count), [18, 11, 13, 14, 9, 7]);
    }
}
