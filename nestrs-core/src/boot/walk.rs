//! The walk through the imports: every module once, circles named.

use std::any::TypeId;
use std::collections::HashMap;

use super::Problem;
use crate::module::{DynamicModule, Import, ModuleDef};

/// One module and those it imports, by index.
pub(super) struct Node {
    pub(super) def: ModuleDef,
    /// From the root module to this one, by the way it was met first.
    pub(super) path: String,
    pub(super) imports: Vec<usize>,
}

/// A module is known by its type, one made at run time by its number.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Identity {
    Static(TypeId),
    Dynamic(u64),
}

/// Depth first, from the root and then from each global module. Gives the modules in the order they are met, and their
/// indices in an order that has every module after those it imports.
pub(super) fn walk(root: ModuleDef, globals: &[DynamicModule], problems: &mut Vec<Problem>) -> (Vec<Node>, Vec<usize>) {
    let mut walk = Walk::default();
    walk.enter(Identity::Static(root.type_id), root, problems);
    for module in globals {
        let index = walk.import(Import::Dynamic(module.clone()), problems);
        walk.nodes[index].def.global = true;
    }
    (walk.nodes, walk.finished)
}

#[derive(Default)]
struct Walk {
    known: HashMap<Identity, usize>,
    /// From the root to the module being read.
    trail: Vec<usize>,
    nodes: Vec<Node>,
    finished: Vec<usize>,
}

impl Walk {
    fn enter(&mut self, identity: Identity, mut def: ModuleDef, problems: &mut Vec<Problem>) -> usize {
        let index = self.nodes.len();
        self.known.insert(identity, index);
        let path = match self.trail.last() {
            Some(importer) => format!("{} → {}", self.nodes[*importer].path, def.name),
            None => def.name.clone(),
        };
        let imports = std::mem::take(&mut def.imports);
        self.nodes.push(Node { def, path, imports: Vec::new() });
        self.trail.push(index);
        for import in imports {
            let imported = self.import(import, problems);
            if imported != index {
                self.nodes[index].imports.push(imported);
            }
        }
        self.trail.pop();
        self.finished.push(index);
        index
    }

    fn import(&mut self, import: Import, problems: &mut Vec<Problem>) -> usize {
        let identity = match &import {
            Import::Static { type_id, .. } => Identity::Static(*type_id),
            Import::Dynamic(module) => Identity::Dynamic(module.id),
        };
        if let Some(&known) = self.known.get(&identity) {
            // Linked all the same, so that nothing else is reported for want of it.
            problems.extend(self.circle(known));
            return known;
        }
        let def = match import {
            Import::Static { define, .. } => define(),
            Import::Dynamic(module) => module.def,
        };
        self.enter(identity, def, problems)
    }

    /// The problem with importing `known` here, if it is one of those that brought us here.
    fn circle(&self, known: usize) -> Option<Problem> {
        let start = self.trail.iter().position(|entered| *entered == known)?;
        let name = |index: &usize| format!("`{}`", self.nodes[*index].def.name);
        let (what, cure) = match &self.trail[start..] {
            [alone] => (format!("the module {} imports itself", name(alone)), "leave out that import"),
            circle => {
                let names: Vec<String> = circle.iter().chain([&known]).map(name).collect();
                let what = format!("the modules {} import each other in a circle", names.join(" → "));
                (what, "move what both need into a module that imports neither")
            }
        };
        Some(Problem::new(what, &self.nodes[*self.trail.last()?].path, Some(cure.into())))
    }
}
