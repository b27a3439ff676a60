//! The words for what is wrong.

use std::collections::BTreeMap;

use super::fault::{Fault, Kind};
use super::pass::Seen;
use crate::config::error::{ConfigError, ConfigProblem};
use crate::config::options::{ConfigOptions, UnknownKeys};
use crate::config::path::{Path, nearest};
use crate::config::service::Loaded;
use crate::config::source::variables::variable_for;
use crate::config::tree::Node;

/// How the search ended.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum End {
    /// A pass got through: there is nothing else.
    Through,
    /// Nothing was left to try, or a limit was reached.
    GaveUp,
}

/// What was found, by place.
#[derive(Default)]
pub(super) struct Report {
    faults: BTreeMap<Path, Fault>,
}

impl Report {
    /// Adds one, unless that place has one already: what is found later may come of a patch.
    pub(super) fn add(&mut self, place: Path, fault: Fault) {
        self.faults.entry(place).or_insert(fault);
    }

    pub(super) fn len(&self) -> usize {
        self.faults.len()
    }

    /// # Errors
    /// With all of it; `seen` is what the last pass came across.
    pub(super) fn finish(mut self, loaded: &Loaded, root: &Path, seen: &Seen, end: End) -> Result<(), ConfigError> {
        if loaded.options.unknown_keys == UnknownKeys::Refuse {
            for place in &seen.ignored {
                let refused = loaded.tree.at(place).is_some_and(|node| !node.origin.is_foreign());
                if let (true, Some(key)) = (refused, place.name()) {
                    let known = place.parent().and_then(|table| seen.fields.get(&table).copied()).unwrap_or_default();
                    self.add(place.clone(), Kind::UnknownKey { key: key.to_owned(), known }.into());
                }
            }
        }
        if self.faults.is_empty() && end == End::Through {
            return Ok(());
        }
        // What is wrong as a whole has nothing beside it.
        let may_be_more = end == End::GaveUp && !(self.faults.len() == 1 && self.faults.contains_key(root));
        let mut problems: Vec<ConfigProblem> =
            self.faults.iter().map(|(place, fault)| self.problem(place, fault, loaded, seen)).collect();
        if may_be_more {
            let what = "there may be more problems: no further ones were looked for".to_owned();
            problems.push(ConfigProblem { key: String::new(), what, origin: None, cure: None });
        }
        Err(ConfigError::new(problems))
    }

    fn problem(&self, place: &Path, fault: &Fault, loaded: &Loaded, seen: &Seen) -> ConfigProblem {
        let node = loaded.tree.at(place);
        let what = match &fault.kind {
            Kind::Absent | Kind::Missing(_) => "missing".to_owned(),
            Kind::UnknownKey { .. } => "unknown key".to_owned(),
            Kind::Duplicate(field) => format!("sets `{field}` twice, by two of its names"),
            Kind::Misfit { found, expected } => format!("expected {expected}, found {found}"),
            Kind::OutOfRange { expected } => format!("out of range: expected {expected}"),
            Kind::Invalid { expected } => format!("not accepted: expected {expected}"),
            Kind::Length { found, expected } => format!("has a length of {found}: expected {expected}"),
            Kind::NoVariant { known } => format!("expected {}", one_of(known)),
            Kind::Other(_) if fault.is_secret => "not accepted".to_owned(),
            Kind::Other(words) => node.map_or_else(|| words.clone(), |node| masked(words, node)),
        };
        let cure = match &fault.kind {
            Kind::Absent | Kind::Missing(_) => {
                let misspelt = place.parent().and_then(|table| {
                    let unread = seen.ignored.iter().filter(|other| other.is_child_of(&table));
                    let name = nearest(place.name()?, unread.filter_map(Path::name))?;
                    let node = loaded.tree.at(&table.key(name)).filter(|node| !node.origin.is_foreign())?;
                    Some(format!("did you mean it by `{}` ({})?", table.key(name), node.origin))
                });
                Some(misspelt.unwrap_or_else(|| cure_of_missing(&loaded.options, place)))
            }
            Kind::UnknownKey { key, known } => match nearest(key, known.iter().copied()) {
                Some(name) => Some(format!("did you mean `{name}`?")),
                None if known.is_empty() => None,
                None => Some(format!("known there: {}", list(known))),
            },
            _ => None,
        };
        let origin = node.map(|node| node.origin.to_string());
        ConfigProblem { key: place.to_string(), what, origin, cure }
    }
}

/// How to set a key that is not there.
pub(in crate::config) fn cure_of_missing(options: &ConfigOptions, place: &Path) -> String {
    match variable_for(options, place) {
        Some(variable) => format!("set it in a file or as `{variable}`"),
        None => "set it in a file".to_owned(),
    }
}

fn one_of(known: &[&str]) -> String {
    match known {
        [] => "something that does not exist".to_owned(),
        [one] => format!("`{one}`"),
        several => format!("one of {}", list(several)),
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The shortest part of a value that is masked wherever it stands.
const PART_MIN: usize = 3;

/// What a type says about a value, without what it repeats of the value.
fn masked(words: &str, node: &Node) -> String {
    let words: Vec<char> = words.chars().collect();
    let mut hidden = vec![false; words.len()];
    node.each_text(&mut |text| {
        let text: Vec<char> = text.trim().chars().take(4096).collect();
        let part = PART_MIN.min(text.len());
        if part == 0 {
            return;
        }
        for start in 0..words.len().saturating_sub(part - 1) {
            let window = &words[start..start + part];
            if text.windows(part).any(|here| here == window) {
                hidden[start..start + part].fill(true);
            }
        }
    });
    let mut masked = String::new();
    for (index, character) in words.iter().enumerate() {
        if !hidden[index] {
            masked.push(*character);
        } else if index == 0 || !hidden[index - 1] {
            masked.push_str("***");
        }
    }
    masked
}
