//! JSON files. The parser does not say in which line a value stands, so its reader counts along.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::read::Lines;
use crate::config::error::ConfigProblem;
use crate::config::tree::{Node, Origin, Table, Value, number_value};

/// # Errors
/// The first thing in the file that is not JSON, or a key that an object has twice.
pub(super) fn parse(text: &str, name: &Arc<str>) -> Result<Node, ConfigProblem> {
    let taken = Cell::new(0);
    let place = Place { name, lines: &Lines::of(text), taken: &taken };
    let mut deserializer = serde_json::Deserializer::from_reader(Counting { rest: text.as_bytes(), taken: &taken });
    let parsed = place.deserialize(&mut deserializer).and_then(|node| deserializer.end().map(|()| node));
    let refuse = |line, what: String| {
        let origin = Origin::File { name: Arc::clone(name), line };
        ConfigProblem::of_source(origin, what)
    };
    match parsed {
        Ok(node) if matches!(node.value, Value::Table(_)) => Ok(node),
        Ok(_) => Err(refuse(1, "is not a JSON object".to_owned())),
        Err(error) => {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or_default();
            Err(refuse(error.line().max(1), format!("is not JSON: {what}")))
        }
    }
}

/// Gives one byte at a time, which is all that serde_json asks for, so that the count is that of bytes parsed.
struct Counting<'a> {
    rest: &'a [u8],
    taken: &'a Cell<usize>,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(&mut buffer[..1])?;
        self.taken.set(self.taken.get() + read);
        Ok(read)
    }
}

#[derive(Clone, Copy)]
struct Place<'a> {
    name: &'a Arc<str>,
    lines: &'a Lines,
    taken: &'a Cell<usize>,
}

impl Place<'_> {
    /// A node whose text ends, or whose contents begin, where the parser is now: one byte before the last taken, since a
    /// number ends with what follows it.
    fn node(&self, value: Value) -> Node {
        let line = self.lines.line(self.taken.get().saturating_sub(1));
        Node { value, origin: Origin::File { name: Arc::clone(self.name), line } }
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Node;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(self.node(Value::Null))
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(self.node(Value::Bool(value)))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(self.node(number_value(&value.into())))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(self.node(number_value(&value.into())))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(self.node(Value::Float(value)))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(self.node(Value::String(value.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut node = self.node(Value::Null);
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        node.value = Value::List(list);
        Ok(node)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut node = self.node(Value::Null);
        let mut table = Table::new();
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            if table.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key `{key}` stands there twice")));
            }
            table.insert(key, value);
        }
        node.value = Value::Table(table);
        Ok(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::path::Path;

    #[test]
    fn every_value_knows_its_line() {
        let text =
            "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": true\n  },\n  \"d\": [\n    \"x\",\n    2\n  ]\n, \"e\": null}\n";
        let tree = parse(text, &"x.json".into()).unwrap_or_else(|problem| panic!("{problem}"));
        for (path, line) in [("a", 2), ("b", 3), ("b.c", 4), ("d", 6), ("d.0", 7), ("d.1", 8), ("e", 10)] {
            let origin = &tree.at(&Path::dotted(path)).expect("it is there").origin;
            assert_eq!(origin.to_string(), format!("`x.json:{line}`"), "{path}");
        }
    }
}
