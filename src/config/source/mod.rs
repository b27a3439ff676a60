//! From options to one tree: defaults, files, `.env` files, the environment, overrides; each over those before it.

mod dotenv;
mod expand;
mod json;
mod read;
mod toml;
pub(super) mod variables;

use std::sync::Arc;

use super::error::{ConfigError, ConfigProblem};
use super::options::ConfigOptions;
use super::path::Path;
use super::tree::{Node, Origin, Table, Value};

/// A source, read and merged.
pub(super) type Problems = Vec<ConfigProblem>;

/// Reads every source.
///
/// # Errors
/// With every problem of every source: keys are only looked at once all sources can be read.
pub(super) fn load(options: &ConfigOptions) -> Result<Node, ConfigError> {
    let mut problems = Problems::new();
    let mut tree = Node { value: Value::Table(Table::new()), origin: Origin::Defaults };
    for defaults in &options.defaults {
        match defaults {
            Ok(defaults @ serde_json::Value::Object(_)) => {
                tree.overlay(Node::of_json(defaults.clone(), &Origin::Defaults));
            }
            Ok(_) => problems.push(ConfigProblem::of_source(Origin::Defaults, "are not a table")),
            Err(()) => problems.push(ConfigProblem::of_source(Origin::Defaults, "cannot be written as JSON")),
        }
    }
    for file in &options.files {
        let name: Arc<str> = file.path.display().to_string().into();
        let Some(text) = read::text(options, file, &name, &mut problems) else { continue };
        let parse = match file.path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => toml::parse,
            Some("json") => json::parse,
            _ => {
                let what = "is neither a `.toml` nor a `.json` file";
                problems.push(ConfigProblem::of_source(format_args!("`{name}`"), what));
                continue;
            }
        };
        match parse(&text, &name) {
            Ok(node) => tree.overlay(node),
            Err(problem) => problems.push(problem),
        }
    }
    variables::apply(options, &mut tree, &mut problems);
    for (key, value) in &options.overrides {
        let inserted = match value {
            Ok(value) => {
                insert(options, &mut tree, &Path::dotted(key), Node::of_json(value.clone(), &Origin::Override))
            }
            Err(()) => Err("cannot be written as JSON".to_owned()),
        };
        if let Err(what) = inserted {
            let origin = Some(Origin::Override.to_string());
            problems.push(ConfigProblem { key: key.clone(), what, origin, cure: None });
        }
    }
    if let Some((path, origin)) = tree.deeper_than(options.max_depth) {
        let what = too_deep(options);
        let origin = Some(origin.to_string());
        problems.push(ConfigProblem { key: path.to_string(), what, origin, cure: None });
    }
    if problems.is_empty() { Ok(tree) } else { Err(ConfigError::new(problems)) }
}

/// Puts a value at a path, if that is not too deep: nothing is to be made that cannot be walked through.
fn insert(options: &ConfigOptions, tree: &mut Node, path: &Path, node: Node) -> Result<(), String> {
    if path.steps().len() > options.max_depth { Err(too_deep(options)) } else { tree.insert(path, node) }
}

fn too_deep(options: &ConfigOptions) -> String {
    format!("lies deeper than {} levels", options.max_depth)
}
