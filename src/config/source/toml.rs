//! TOML files. Keys and values keep their lines.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::read::Lines;
use crate::config::error::ConfigProblem;
use crate::config::tree::{Node, Origin, Table, Value};

/// # Errors
/// The first thing in the file that is not TOML.
pub(super) fn parse(text: &str, name: &Arc<str>) -> Result<Node, ConfigProblem> {
    let file = TomlFile { lines: Lines::of(text), name };
    match DeTable::parse(text) {
        Ok(table) => Ok(file.table(table.get_ref(), 0)),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            // Its message says what was expected; only its `Display` shows the line itself.
            Err(ConfigProblem::of_source(file.origin(at), format!("is not TOML: {}", error.message())))
        }
    }
}

struct TomlFile<'a> {
    lines: Lines,
    name: &'a Arc<str>,
}

impl TomlFile<'_> {
    fn origin(&self, at: usize) -> Origin {
        Origin::File { name: Arc::clone(self.name), line: self.lines.line(at) }
    }

    fn table(&self, table: &DeTable<'_>, at: usize) -> Node {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let key: &std::borrow::Cow<'_, str> = key.get_ref();
            (key.to_string(), self.node(value))
        };
        Node { value: Value::Table(table.iter().map(entry).collect::<Table>()), origin: self.origin(at) }
    }

    fn node(&self, spanned: &Spanned<DeValue<'_>>) -> Node {
        let at = spanned.span().start;
        let value = match spanned.get_ref() {
            DeValue::Table(table) => return self.table(table, at),
            DeValue::String(text) => Value::String(text.to_string()),
            // The parser has checked that it is one; what is longer than 128 bits is as good as infinite.
            DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
                .map_or_else(|_| Value::Float(f64::INFINITY), Value::Integer),
            DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(boolean) => Value::Bool(*boolean),
            DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
        };
        Node { value, origin: self.origin(at) }
    }
}
