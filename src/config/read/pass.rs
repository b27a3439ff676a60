//! One pass over the tree: what is patched for it, and what it has seen.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::cursor::{Cursor, Input};
use crate::config::path::{Path, loose};
use crate::config::service::Loaded;
use crate::config::tree::{Node, Table, Value};

/// What is done to a place for the sake of the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Patch {
    /// Something that the type takes stands there: the number tells which of the values to try.
    Neutral(u8),
    /// Its text is a string, however much it looks like a number.
    String,
    /// It is not there: nothing neutral was good enough.
    Skipped,
    /// It is not there: nobody knows it.
    Unknown,
}

pub(super) type Patches = BTreeMap<Path, Patch>;

pub(super) struct Pass<'r> {
    pub(super) loaded: &'r Loaded,
    pub(super) patches: &'r Patches,
    pub(super) seen: RefCell<Seen>,
}

/// What one pass came across.
#[derive(Default)]
pub(super) struct Seen {
    /// Keys that nothing reads.
    pub(super) ignored: BTreeSet<Path>,
    /// Values that were handed over before their type was known.
    pub(super) guessed: BTreeSet<Path>,
    /// The keys that structs know.
    pub(super) fields: BTreeMap<Path, &'static [&'static str]>,
}

impl<'r> Pass<'r> {
    /// A cursor on a place, as it is patched; `None` when it is taken away.
    pub(super) fn cursor(&'r self, path: Path, input: Input<'r>) -> Option<Cursor<'r>> {
        let (input, is_string) = match self.patches.get(&path) {
            None => (input, false),
            Some(Patch::String) => (input, true),
            Some(Patch::Neutral(shape)) => (Input::Neutral(*shape), false),
            Some(Patch::Skipped | Patch::Unknown) => return None,
        };
        Some(Cursor { pass: self, path, input, is_string })
    }

    /// The entries of a table, or what stands for one, each under the name that the reader knows it by.
    pub(super) fn entries(
        &'r self,
        path: &Path,
        table: Option<&'r Table>,
        fields: Option<&'static [&'static str]>,
    ) -> Vec<(String, Cursor<'r>)> {
        if let Some(fields) = fields {
            self.seen.borrow_mut().fields.insert(path.clone(), fields);
        }
        let is_root = path.steps().is_empty();
        let mut entries = Vec::new();
        let mut renamed = Vec::new();
        for (key, node) in table.into_iter().flatten() {
            let name = match fields.map(|fields| field_of(key, node, fields, table)) {
                // What belongs to others is none of a struct's business.
                Some(None) if is_root && self.belongs_to_others(key, node) => continue,
                Some(Some(name)) if name != key => {
                    if renamed.contains(&name) {
                        continue;
                    }
                    renamed.push(name);
                    name
                }
                _ => key,
            };
            if let Some(cursor) = self.cursor(path.key(name), Input::Node(node)) {
                entries.push((name.to_owned(), cursor));
            }
        }
        for (place, patch) in self.patches {
            let Some(name) = place.name().filter(|_| place.is_child_of(path)) else { continue };
            let is_there = renamed.contains(&name) || table.is_some_and(|table| table.contains_key(name));
            if matches!(patch, Patch::Neutral(_)) && !is_there {
                entries.extend(self.cursor(place.clone(), Input::Absent).map(|cursor| (name.to_owned(), cursor)));
            }
        }
        entries
    }

    /// Whether a key of the root is a feature's, or a variable that nobody says is ours.
    fn belongs_to_others(&self, key: &str, node: &Node) -> bool {
        let is_of = |namespace: &String| loose(namespace) == loose(key);
        node.origin.is_foreign() || self.loaded.options.namespaces.iter().any(is_of)
    }
}

/// The field that a key means: the one of that name, or for a variable the one that is written nearly so.
fn field_of<'a>(key: &'a str, node: &Node, fields: &[&'a str], table: Option<&Table>) -> Option<&'a str> {
    if fields.contains(&key) {
        return Some(key);
    }
    if !node.origin.is_variable() {
        return None;
    }
    let wanted = loose(key);
    let field = fields.iter().find(|field| loose(field) == wanted)?;
    // Another source has it under its very name; that would be one field twice.
    table.is_none_or(|table| !table.contains_key(*field)).then_some(field)
}

/// The items of a list: of one, of a table whose keys are 0, 1, 2 … (from variables), or of a text with commas.
pub(super) fn items<'r>(input: &Input<'r>) -> Option<Vec<Input<'r>>> {
    if let Some(text) = input.text() {
        let pieces = text.split(',').map(|piece| Input::Piece(piece.trim()));
        return Some(if text.trim().is_empty() { Vec::new() } else { pieces.collect() });
    }
    let Input::Node(node) = input else { return None };
    match &node.value {
        Value::List(items) => Some(items.iter().map(Input::Node).collect()),
        Value::Table(table) if node.origin.is_variable() && !table.is_empty() => {
            (0..table.len()).map(|index| table.get(&index.to_string()).map(Input::Node)).collect()
        }
        _ => None,
    }
}
