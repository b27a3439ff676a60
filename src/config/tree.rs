//! Everything the sources say, merged: a tree whose every value knows where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::path::{Path, Step, loose};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `ConfigOptions::defaults`.
    Defaults,
    /// A TOML or JSON file.
    File { name: Arc<str>, line: usize },
    /// A line of a `.env` file.
    EnvFile { name: Arc<str>, line: usize },
    /// A variable of the process environment, and whether it bears the prefix that makes it ours.
    Environment { name: String, ours: bool },
    /// `ConfigOptions::set`.
    Override,
}

impl Origin {
    /// Whether keys there are variables, written in capitals whatever the field is called.
    pub(super) fn is_variable(&self) -> bool {
        matches!(self, Self::EnvFile { .. } | Self::Environment { .. })
    }

    /// Whether nobody says that it is meant for this application: the environment holds what is set for others too.
    pub(super) fn is_foreign(&self) -> bool {
        matches!(self, Self::Environment { ours: false, .. })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("the defaults"),
            Self::File { name, line } | Self::EnvFile { name, line } => write!(f, "`{name}:{line}`"),
            Self::Environment { name, .. } => write!(f, "environment `{name}`"),
            Self::Override => f.write_str("set by the program"),
        }
    }
}

#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// Without `Debug`, on purpose: values may be secrets.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    /// A string that its source calls a string.
    String(String),
    /// What stands in a variable: a number, a list or a string, as the reader wants it.
    Text(String),
    List(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Node>;

impl Node {
    pub(super) fn table(origin: Origin) -> Self {
        Self { value: Value::Table(Table::new()), origin }
    }

    /// Values of JSON from the program's own hand, all of one origin.
    pub(super) fn of_json(json: serde_json::Value, origin: &Origin) -> Self {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(bool) => Value::Bool(bool),
            serde_json::Value::Number(number) => number_value(&number),
            serde_json::Value::String(string) => Value::String(string),
            serde_json::Value::Array(items) => {
                Value::List(items.into_iter().map(|item| Self::of_json(item, origin)).collect())
            }
            serde_json::Value::Object(members) => {
                Value::Table(members.into_iter().map(|(key, value)| (key, Self::of_json(value, origin))).collect())
            }
        };
        Self { value, origin: origin.clone() }
    }

    /// Puts a later source over this one: tables are joined key by key, anything else is replaced.
    pub(super) fn overlay(&mut self, later: Self) {
        match (&mut self.value, later.value) {
            (Value::Table(mine), Value::Table(theirs)) => {
                for (key, node) in theirs {
                    match mine.get_mut(&key) {
                        Some(known) => known.overlay(node),
                        None => {
                            mine.insert(key, node);
                        }
                    }
                }
            }
            (_, value) => *self = Self { value, origin: later.origin },
        }
    }

    /// Puts one value at a path, making tables on the way.
    ///
    /// # Errors
    /// What is in the way: a list that has no such item, or a variable that says something else of the same place.
    pub(super) fn insert(&mut self, path: &Path, node: Self) -> Result<(), String> {
        let mut place = self;
        for step in path.steps() {
            let Step::Key(key) = step else { unreachable!("paths to insert at are made of keys") };
            place = place.enter(key, &node.origin)?;
        }
        // A variable that nobody called ours does not take the place of a whole section: `USER` is everywhere.
        if node.origin.is_foreign() && matches!(&place.value, Value::Table(table) if !table.is_empty()) {
            return Ok(());
        }
        *place = node;
        Ok(())
    }

    /// The place of one key, made if need be.
    fn enter(&mut self, key: &str, origin: &Origin) -> Result<&mut Self, String> {
        if !matches!(self.value, Value::List(_) | Value::Table(_)) {
            if self.origin.is_variable() && std::mem::discriminant(&self.origin) == std::mem::discriminant(origin) {
                return Err(format!("is set as a whole too ({}): unset one of them", self.origin));
            }
            *self = Self::table(origin.clone());
        }
        match &mut self.value {
            Value::List(items) => {
                let length = items.len();
                let Some(index) = key.parse::<usize>().ok().filter(|index| *index <= length) else {
                    return Err(format!("`{key}` is not an item of the list, which has {length} ({})", self.origin));
                };
                if index == length {
                    items.push(Self::table(origin.clone()));
                }
                Ok(&mut items[index])
            }
            Value::Table(table) => {
                let known = if origin.is_variable() { loosely(table, key) } else { None };
                Ok(table.entry(known.unwrap_or_else(|| key.to_owned())).or_insert_with(|| Self::table(origin.clone())))
            }
            _ => unreachable!("made a table just now"),
        }
    }

    /// What stands at a path, its keys as written or, for variables, nearly so.
    pub(super) fn at(&self, path: &Path) -> Option<&Self> {
        path.steps().iter().try_fold(self, |node, step| match (&node.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get(key).or_else(|| table.get(&loosely(table, key)?)),
            (Value::Table(table), Step::Item(index)) => table.get(&index.to_string()),
            (Value::List(items), Step::Item(index)) => items.get(*index),
            (Value::List(items), Step::Key(key)) => items.get(key.parse::<usize>().ok()?),
            // An item of a text with commas comes from where the text does.
            (Value::Text(_), Step::Item(_)) => Some(node),
            _ => None,
        })
    }

    /// Calls `with` for every scalar in it, as text.
    pub(super) fn each_text(&self, with: &mut dyn FnMut(&str)) {
        match &self.value {
            Value::Null | Value::Bool(_) => {}
            Value::Integer(number) => with(&number.to_string()),
            Value::Float(number) => with(&number.to_string()),
            Value::String(text) | Value::Text(text) => with(text),
            Value::List(items) => items.iter().for_each(|item| item.each_text(with)),
            Value::Table(table) => table.values().for_each(|node| node.each_text(with)),
        }
    }

    /// The first place that lies deeper than `max` levels.
    pub(super) fn deeper_than(&self, max: usize) -> Option<(Path, &Origin)> {
        fn search<'a>(node: &'a Node, path: &Path, left: usize) -> Option<(Path, &'a Origin)> {
            let Some(left) = left.checked_sub(1) else { return Some((path.clone(), &node.origin)) };
            match &node.value {
                Value::List(items) => {
                    items.iter().enumerate().find_map(|(index, item)| search(item, &path.item(index), left))
                }
                Value::Table(table) => table.iter().find_map(|(key, node)| search(node, &path.key(key), left)),
                _ => None,
            }
        }
        search(self, &Path::default(), max.saturating_add(1))
    }
}

pub(super) fn number_value(number: &serde_json::Number) -> Value {
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    integer.map_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Integer)
}

/// The key of the table that differs from `key` in nothing but case and separators.
fn loosely(table: &Table, key: &str) -> Option<String> {
    if table.contains_key(key) {
        return Some(key.to_owned());
    }
    let wanted = loose(key);
    table.keys().find(|known| loose(known) == wanted).cloned()
}
