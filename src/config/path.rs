//! Names of places in the configuration: `database.port`, `servers[0].host`.

use std::fmt;

/// From the root to one value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

impl Path {
    /// `database.port` as two keys. An empty text is the root; a number may mean an item of a list, which the list tells.
    pub(super) fn dotted(text: &str) -> Self {
        let keys = text.split('.').filter(|key| !key.is_empty());
        Self(keys.map(|key| Step::Key(key.to_owned())).collect())
    }

    pub(super) fn of_keys(keys: impl IntoIterator<Item = String>) -> Self {
        Self(keys.into_iter().map(Step::Key).collect())
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn item(&self, index: usize) -> Self {
        self.with(Step::Item(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut longer = self.clone();
        longer.0.push(step);
        longer
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(super) fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// Its last key, unless it is the root or an item of a list.
    pub(super) fn name(&self) -> Option<&str> {
        match self.0.last()? {
            Step::Key(key) => Some(key),
            Step::Item(_) => None,
        }
    }

    /// Whether it is `other` or a place inside it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Whether it is a place directly inside `other`.
    pub(super) fn is_child_of(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() + 1 && self.is_within(other)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A name without what the ways to write it differ in: `MAX_CONNECTIONS`, `maxConnections` and `max-connections` are one.
pub(super) fn loose(name: &str) -> String {
    name.chars().filter(|character| !matches!(character, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

/// The one that `wanted` is probably a misspelling of.
pub(super) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = loose(wanted);
    let far = |name: &str| distance(&wanted, &loose(name));
    let (best, name) = known.into_iter().map(|name| (far(name), name)).min_by_key(|(far, _)| *far)?;
    (best <= 3.min(wanted.chars().count() / 2)).then_some(name)
}

/// Damerau's, in its simple form: two letters swapped are one mistake.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(64).collect();
    let other: Vec<char> = other.chars().take(64).collect();
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for line in 0..=one.len() {
        for column in 0..=other.len() {
            rows[line][column] = if line == 0 || column == 0 {
                line + column
            } else {
                let substituted = rows[line - 1][column - 1] + usize::from(one[line - 1] != other[column - 1]);
                let mut best = substituted.min(rows[line - 1][column] + 1).min(rows[line][column - 1] + 1);
                if line > 1 && column > 1 && one[line - 1] == other[column - 2] && one[line - 2] == other[column - 1] {
                    best = best.min(rows[line - 2][column - 2] + 1);
                }
                best
            };
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        assert_eq!(Path::dotted("servers").item(0).key("host").to_string(), "servers[0].host");
        assert_eq!(Path::dotted("a.b"), Path::default().key("a").key("b"));
        assert!(Path::dotted("a.b").is_within(&Path::dotted("a")) && !Path::dotted("ab").is_within(&Path::dotted("a")));
    }

    #[test]
    fn a_misspelling_finds_its_word_and_another_word_does_not() {
        assert_eq!(nearest("prot", ["host", "port"]), Some("port"));
        assert_eq!(nearest("MAX_CONECTIONS", ["maxConnections", "host"]), Some("maxConnections"));
        assert_eq!(nearest("colour", ["port", "host"]), None);
    }
}
