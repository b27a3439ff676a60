//! Whether everything that is asked for is there, and what to do where it is not.

use super::Problem;
use super::graph::Graph;
use crate::container::Visible;
use crate::injectable::{Dependency, Key};
use crate::sorted::sorted;

impl Graph {
    /// Checks every dependency of every provider; returns an order in which they can be built.
    pub(super) fn check_dependencies(&self, problems: &mut Vec<Problem>) -> Vec<usize> {
        let mut needs: Vec<Vec<usize>> = Vec::new();
        for (module, provider) in &self.providers {
            let asker = provider.title();
            let check = |dependency| self.check(*module, &asker, dependency, problems);
            needs.push(provider.dependencies.iter().filter_map(check).collect());
        }
        let mut order = Vec::new();
        let mut state = vec![State::New; self.providers.len()];
        for start in 0..self.providers.len() {
            self.visit(start, &needs, &mut state, &mut order, problems);
        }
        order
    }

    /// Depth first, with a stack of our own: a long chain of providers must not end the process.
    fn visit(
        &self,
        start: usize,
        needs: &[Vec<usize>],
        state: &mut [State],
        order: &mut Vec<usize>,
        problems: &mut Vec<Problem>,
    ) {
        if state[start] != State::New {
            return;
        }
        state[start] = State::Open;
        let mut stack = vec![(start, 0)];
        while let Some((provider, next)) = stack.last_mut() {
            let provider = *provider;
            match needs[provider].get(*next).copied() {
                None => {
                    state[provider] = State::Done;
                    order.push(provider);
                    stack.pop();
                }
                Some(needed) => {
                    *next += 1;
                    match state[needed] {
                        State::Done => {}
                        State::New => {
                            state[needed] = State::Open;
                            stack.push((needed, 0));
                        }
                        State::Open => {
                            let from = stack.iter().position(|(open, _)| *open == needed).unwrap_or(0);
                            let circle: Vec<usize> = stack[from..].iter().map(|(open, _)| *open).collect();
                            problems.push(self.circle(&circle));
                        }
                    }
                }
            }
        }
    }

    fn circle(&self, members: &[usize]) -> Problem {
        let title = |index: &usize| self.providers[*index].1.title();
        let (what, cure) = match members {
            [alone] => (format!("the provider {} needs itself", title(alone)), "ask for another, by type or by name"),
            _ => {
                let names: Vec<String> = members.iter().chain(members.first()).map(title).collect();
                let what = format!("the providers {} need each other in a circle", names.join(" → "));
                (what, "let one of them publish an event, or move what both need into a third")
            }
        };
        Problem::new(what, &self.views[self.providers[members[0]].0].path, Some(cure.into()))
    }

    /// The provider that `dependency` means in `module`; a problem when there is none and it is not optional. `asker`
    /// is how messages call whoever needs it.
    pub(super) fn check(
        &self,
        module: usize,
        asker: &str,
        dependency: &Dependency,
        problems: &mut Vec<Problem>,
    ) -> Option<usize> {
        let view = &self.views[module];
        let key = &dependency.key;
        match view.visible.get(key) {
            Some(Visible::One(provider)) => return Some(*provider),
            Some(Visible::Several(modules)) => problems.push(Problem::new(
                format!(
                    "{asker} needs {key}{}, which several imported modules export: {}",
                    purpose(dependency),
                    list(modules)
                ),
                &view.path,
                Some("import only one of them, or provide each under a name".into()),
            )),
            None if dependency.optional => {}
            None => problems.push(Problem::new(
                format!("{asker} needs {key}{}, which no imported module exports", purpose(dependency)),
                &view.path,
                Some(self.cure(module, key)),
            )),
        }
        None
    }

    /// The nearest remedy for a key that is not visible.
    pub(super) fn cure(&self, module: usize, key: &Key) -> String {
        let name = |module: usize| &self.views[module].name;
        let here = name(module);
        let may_be_imported = |other: &usize| !self.imports(*other, module);
        let mut exporters = (0..self.views.len()).filter(|other| self.exports[*other].contains_key(key));
        if let Some(exporter) = exporters.find(may_be_imported) {
            return format!("`{}` exports it: import that in `{here}`", name(exporter));
        }
        let owners: Vec<usize> =
            self.providers.iter().filter(|(_, provider)| provider.key == *key).map(|(owner, _)| *owner).collect();
        if let Some(owner) = owners.iter().find(|owner| self.nodes[module].imports.contains(owner)) {
            let owner = name(*owner);
            return format!("`{owner}` provides it without exporting it: add it to `exports` of `{owner}`");
        }
        if let Some(owner) = owners.iter().copied().find(may_be_imported) {
            let owner = name(owner);
            return format!("`{owner}` provides it: add it to `exports` of `{owner}` and import that in `{here}`");
        }
        if let Some(owner) = owners.first() {
            let owner = name(*owner);
            return format!("`{owner}` provides it but imports `{here}`: move it into a module that both can import");
        }
        self.resembling(key).unwrap_or_else(|| match key.name() {
            Some(_) => format!("provide it in `{here}` or in a module that it imports"),
            None => format!("add it to `providers` of `{here}`, or import a module that exports it"),
        })
    }

    /// What was probably meant by a key that nothing provides: nearly the same type, the same type under another name, or
    /// another type under the same name.
    fn resembling(&self, key: &Key) -> Option<String> {
        let keys = || self.providers.iter().map(|(_, provider)| &provider.key);
        let same_type = || keys().filter(|other| other.type_id() == key.type_id());
        let mut names = sorted(same_type().filter_map(Key::name), |one, other| one <= other);
        names.dedup();
        // `dyn Audit` is not `dyn Audit + Send`, and the `Config` of one crate is not that of another.
        let head = |key: &Key| key.short_type().split(" + ").next().map(str::to_owned);
        let same_head = keys().find(|other| other.name() == key.name() && head(other) == head(key));
        if let Some(other) = same_head {
            return Some(if other.short_type() == key.short_type() {
                format!("another type of that name is provided: `{}`, not `{}`", other.type_name(), key.type_name())
            } else {
                format!("`{}` is provided: ask for exactly that type", other.short_type())
            });
        }
        let Some(wanted) = key.name() else {
            let names = (!names.is_empty()).then(|| list(&names))?;
            return Some(format!("it is provided by name only: write `#[inject(\"…\")]` with {names}"));
        };
        if let Some(nearest) = names.iter().min_by_key(|name| distance(wanted, name)) {
            let close = distance(wanted, nearest) <= 3.min(wanted.len() / 2);
            return Some(if close {
                format!("did you mean `{nearest}`?")
            } else {
                format!("the names known for it are {}", list(&names))
            });
        }
        if same_type().next().is_some() {
            return Some("it is provided without a name: leave out the name".to_owned());
        }
        let other = keys().find(|other| other.name() == Some(wanted))?;
        Some(format!("what is provided as `{wanted}` is a `{}`", other.short_type()))
    }

    /// Whether `module` is `other` or imports it, itself or through others.
    fn imports(&self, module: usize, other: usize) -> bool {
        let mut seen = vec![false; self.nodes.len()];
        let mut open = vec![module];
        while let Some(module) = open.pop() {
            if module == other {
                return true;
            }
            if !std::mem::replace(&mut seen[module], true) {
                open.extend(&self.nodes[module].imports);
            }
        }
        false
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

/// What the dependency is for: a field, or what `asked_by` says in words.
pub(super) fn purpose(dependency: &Dependency) -> String {
    match dependency.asked_by {
        "self" => String::new(),
        words if words.contains(' ') => format!(" for {words}"),
        field => format!(" for its field `{field}`"),
    }
}

fn list(names: impl IntoIterator<Item: std::fmt::Display>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Levenshtein's, for "did you mean".
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, character) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for column in 0..other.len() {
            let substituted = diagonal + usize::from(character != other[column]);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
