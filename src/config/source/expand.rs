//! `${OTHER}` in the values of `.env` files.

use std::collections::HashMap;

use super::Problems;
use super::dotenv::Entry;
use crate::config::error::ConfigProblem;

/// Expands every value in place: `${NAME}`, `$NAME`, and `${NAME:-default}` for one that is not set or empty. `\$` is a
/// dollar. The environment goes before the files, as it does everywhere.
pub(super) fn expand(
    entries: &mut [Entry],
    environment: &HashMap<&str, &str>,
    max_bytes: usize,
    problems: &mut Problems,
) {
    let names = entries.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index)).collect();
    let mut expansion = Expansion { entries, names, environment, max_bytes, open: Vec::new(), done: HashMap::new() };
    let values: Vec<_> = (0..expansion.entries.len()).map(|index| expansion.value(index)).collect();
    for (entry, value) in entries.iter_mut().zip(values) {
        match value {
            Ok(value) => entry.value = value,
            Err(what) => {
                problems.push(ConfigProblem::of_source(&entry.origin, format!("`{}` {what}", entry.name)));
            }
        }
    }
}

struct Expansion<'a> {
    entries: &'a [Entry],
    names: HashMap<String, usize>,
    environment: &'a HashMap<&'a str, &'a str>,
    max_bytes: usize,
    /// Being expanded now: what one of them leads back to is a circle.
    open: Vec<usize>,
    done: HashMap<usize, Result<String, String>>,
}

/// How many variables may lead to one another.
const CHAIN_MAX: usize = 64;

impl Expansion<'_> {
    fn value(&mut self, index: usize) -> Result<String, String> {
        if let Some(done) = self.done.get(&index) {
            return done.clone();
        }
        if self.open.contains(&index) {
            return Err("is expanded from itself".to_owned());
        }
        if self.open.len() == CHAIN_MAX {
            return Err(format!("is expanded over more than {CHAIN_MAX} variables"));
        }
        self.open.push(index);
        let entry = &self.entries[index];
        let value = if entry.literal { Ok(entry.value.clone()) } else { self.text(&entry.value) };
        self.open.pop();
        self.done.insert(index, value.clone());
        value
    }

    fn text(&mut self, text: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            if let Some(before) = before.strip_suffix('\\') {
                expanded.push_str(before);
                expanded.push('$');
                rest = after;
                continue;
            }
            expanded.push_str(before);
            let (name, default, after) = match after.strip_prefix('{') {
                Some(inner) => {
                    let (inner, after) = inner.split_once('}').ok_or("has a `${` that is never closed")?;
                    let (name, default) = match inner.split_once(":-") {
                        Some((name, default)) => (name, Some(default)),
                        None => (inner, None),
                    };
                    (name, default, after)
                }
                None => {
                    let part = |character: char| character.is_ascii_alphanumeric() || character == '_';
                    let end = after.find(|character| !part(character)).unwrap_or(after.len());
                    let (name, after) = after.split_at(end);
                    // `$5` and a lone `$` are what they are.
                    if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
                        expanded.push('$');
                        expanded.push_str(name);
                        rest = after;
                        continue;
                    }
                    (name, None, after)
                }
            };
            let value = match self.environment.get(name) {
                Some(value) => Some((*value).to_owned()),
                None => self.names.get(name).copied().map(|index| self.value(index)).transpose()?,
            };
            match (value.filter(|value| default.is_none() || !value.is_empty()), default) {
                (Some(value), _) => expanded.push_str(&value),
                (None, Some(default)) => expanded.push_str(default),
                (None, None) => return Err(format!("asks for `{name}`, which is not set; a dollar sign is `\\$`")),
            }
            if expanded.len() > self.max_bytes {
                return Err(format!("is longer than {} bytes when it is expanded", self.max_bytes));
            }
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}
