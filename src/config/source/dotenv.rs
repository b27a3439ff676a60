//! `.env` files. We read them ourselves: the parsers there are either change the process environment, or look into it
//! for `${OTHER}`, and none of them says which line a value stands in.
//!
//! ```text
//! # a comment                     export NAME=value      NAME="two\nlines, \"quoted\""
//! NAME=value # a comment          NAME='as it stands'    NAME="a value over
//! NAME=                                                  several lines"
//! ```

use std::sync::Arc;

use super::Problems;
use crate::config::error::ConfigProblem;
use crate::config::tree::Origin;

/// One variable of a `.env` file.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) origin: Origin,
    /// In single quotes: nothing in it is expanded.
    pub(super) literal: bool,
}

/// Its variables, in order; what is no variable is a problem, and reading goes on in the next line.
pub(super) fn parse(text: &str, file: &Arc<str>, problems: &mut Problems) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let origin = Origin::EnvFile { name: Arc::clone(file), line };
        let (outcome, after) = statement(rest);
        match outcome {
            Ok(None) => {}
            Ok(Some((name, value, literal))) => match entries.iter().find(|entry| entry.name == name) {
                Some(first) => problems
                    .push(ConfigProblem::of_source(origin, format!("`{name}` has been set before ({})", first.origin))),
                None => entries.push(Entry { name: name.to_owned(), value, origin, literal }),
            },
            Err(what) => problems.push(ConfigProblem::of_source(origin, what)),
        }
        line += rest[..rest.len() - after.len()].matches('\n').count();
        rest = after;
    }
    entries
}

type Statement<'a> = Result<Option<(&'a str, String, bool)>, &'static str>;

/// One line, or several when a quoted value goes over them; and what follows.
fn statement(text: &str) -> (Statement<'_>, &str) {
    let (line, next) = text.split_once('\n').unwrap_or((text, ""));
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return (Ok(None), next);
    }
    let Some((name, _)) = line.split_once('=') else { return (Err("is not `NAME=value`"), next) };
    let value = &text[name.len() + 1..];
    let name = name.trim();
    let name = name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).map_or(name, str::trim);
    let part_of_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-');
    if name.is_empty() || !name.chars().all(part_of_name) {
        return (Err("is not `NAME=value`: a name is made of letters, digits, `_`, `-` and `.`"), next);
    }
    let value = value.trim_start_matches([' ', '\t']);
    let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'' | '`')) else {
        return (plain(value.split('\n').next().unwrap_or_default()).map(|value| Some((name, value, false))), next);
    };
    let Some((value, after)) = quoted(&value[1..], quote) else {
        return (Err("has a quote that is never closed"), next);
    };
    let (tail, next) = after.split_once('\n').unwrap_or((after, ""));
    let tail = tail.trim();
    if tail.is_empty() || tail.starts_with('#') {
        (Ok(Some((name, value, quote == '\''))), next)
    } else {
        (Err("has something behind the closing quote"), next)
    }
}

/// A value without quotes, up to a comment. NestJS's parser takes any `#` for a comment, others only one after a space:
/// where they differ we do not guess.
fn plain(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end();
    match text.find('#') {
        None => Ok(text.to_owned()),
        Some(at) if text[..at].ends_with([' ', '\t']) || at == 0 => Ok(text[..at].trim_end().to_owned()),
        Some(_) => Err("has a `#` in its value: put the value in quotes, or a space before the comment"),
    }
}

/// What stands before the closing quote, and what follows it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return Some((value, &text[at + 1..]));
        }
        let escaped = if character == '\\' && quote == '"' { text[at + 1..].chars().next() } else { None };
        let meant = match escaped {
            Some('n') => '\n',
            Some('r') => '\r',
            Some(escaped @ ('"' | '\\')) => escaped,
            // Any other backslash is one: `C:\temp`.
            _ => {
                // Files written on Windows end their lines in two characters.
                if !(character == '\r' && text[at + 1..].starts_with('\n')) {
                    value.push(character);
                }
                continue;
            }
        };
        value.push(meant);
        characters.next();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let mut problems = Problems::new();
        let entries = parse(text, &".env".into(), &mut problems);
        let pairs = entries.into_iter().map(|entry| (entry.name, entry.value)).collect();
        (pairs, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn values_are_read_as_they_are_meant() {
        for (text, value) in [
            ("A=b", "b"),
            ("  export A = b c  \r\n", "b c"),
            ("A=", ""),
            ("A=b # c", "b"),
            ("A=# c", ""),
            ("A='b # \\n $c'", "b # \\n $c"),
            (r#"A="b\n\"c\" \\ C:\temp" # d"#, "b\n\"c\" \\ C:\\temp"),
            ("A=\"b\r\nc\"\n", "b\nc"),
            ("A=`it's \"so\"`", "it's \"so\""),
            ("A=b=c", "b=c"),
        ] {
            let (pairs, problems) = read(text);
            assert_eq!((pairs, problems), (vec![("A".to_owned(), value.to_owned())], vec![]), "{text}");
        }
    }

    #[test]
    fn every_line_that_is_no_variable_is_a_problem_of_its_own() {
        let (pairs, problems) = read("# fine\nA=\"1\n2\"\nnonsense\nB C=1\nD=x#y\nA=3\nE=\"x\" y\nF=6\nG='7\n");
        assert_eq!(pairs, [("A".to_owned(), "1\n2".to_owned()), ("F".to_owned(), "6".to_owned())]);
        let lines: Vec<_> = problems.iter().map(|problem| problem.split(':').nth(1).unwrap().to_owned()).collect();
        assert_eq!(lines, ["4`", "5`", "6`", "7`", "8`", "10`"], "{problems:#?}");
    }

    #[test]
    fn no_text_is_too_strange_to_be_read_or_refused() {
        let alphabet = ["A", "=", "\"", "'", "\\", "#", "\n", " ", "$", "{", "}", "é"];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            texts = texts.iter().flat_map(|text| alphabet.map(|letter| format!("{text}{letter}"))).collect();
            for text in &texts {
                let mut problems = Problems::new();
                // With a name in front as well: most of these begin with none.
                for text in [text.clone(), format!("A={text}")] {
                    let mut entries = parse(&text, &".env".into(), &mut problems);
                    let environment = std::collections::HashMap::new();
                    crate::config::source::expand::expand(&mut entries, &environment, 100, &mut problems);
                    let last = text.matches('\n').count() + 1;
                    for entry in &entries {
                        let Origin::EnvFile { line, .. } = entry.origin else { panic!("not of a file") };
                        assert!(line <= last, "{text:?}");
                    }
                }
            }
        }
    }
}
