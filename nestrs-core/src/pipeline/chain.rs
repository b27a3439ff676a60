//! What stands around a handler, to be read by people.

use std::fmt;

use crate::injectable::short_type_name;
use crate::sorted::sorted;

/// The kinds of stage, in the order in which a call meets them on its way in; filters stand outside all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StageKind {
    /// Around the call.
    Interceptor,
    /// Decides whether it may go on.
    Guard,
    /// Transforms its payload.
    Pipe,
    /// Answers when it fails.
    Filter,
}

/// Where a stage was declared, from outside in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// For the whole application: given to the factory, or provided for it by a module.
    Global,
    /// For all handlers of a module.
    Module,
    /// On the impl block.
    Block,
    /// On the method.
    Method,
}

/// One stage around a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainEntry {
    /// What it is.
    pub kind: StageKind,
    /// Where it was declared.
    pub level: Level,
    /// The name of its type, without the path.
    pub name: String,
}

impl ChainEntry {
    pub(crate) fn new(kind: StageKind, level: Level, name: &str) -> Self {
        Self { kind, level, name: short_type_name(name) }
    }
}

impl fmt::Display for StageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interceptor => "interceptor",
            Self::Guard => "guard",
            Self::Pipe => "pipe",
            Self::Filter => "filter",
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "global",
            Self::Module => "module",
            Self::Block => "block",
            Self::Method => "method",
        })
    }
}

/// `guard RolesGuard (global)`
impl fmt::Display for ChainEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.kind, self.name, self.level)
    }
}

/// Everything around one handler, in the order in which a call meets it: interceptors, guards, pipes, and then the
/// filters in the order in which they are asked should it fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain(Vec<ChainEntry>);

impl Chain {
    /// Sorts stages that come from outside in, each kind by itself.
    #[must_use]
    pub fn new(from_outside_in: impl IntoIterator<Item = ChainEntry>) -> Self {
        let mut entries = sorted(from_outside_in, |one, other| one.kind <= other.kind);
        let filters = entries.partition_point(|entry| entry.kind < StageKind::Filter);
        entries[filters..].reverse();
        Self(entries)
    }

    /// The stages.
    #[must_use]
    pub fn entries(&self) -> &[ChainEntry] {
        &self.0
    }

    /// True when the handler runs by itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `interceptor Timing (global) → guard RolesGuard (method) → handler; filter Teapot (block) on errors`
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in self.0.iter().filter(|entry| entry.kind != StageKind::Filter) {
            write!(f, "{entry} → ")?;
        }
        f.write_str("handler")?;
        let mut filters = self.0.iter().filter(|entry| entry.kind == StageKind::Filter).peekable();
        if filters.peek().is_some() {
            f.write_str("; on errors ")?;
        }
        while let Some(filter) = filters.next() {
            write!(f, "{filter}{}", if filters.peek().is_some() { ", then " } else { "" })?;
        }
        Ok(())
    }
}
