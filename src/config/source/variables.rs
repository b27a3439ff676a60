//! Variables, of `.env` files and of the process: which of them are ours, and which key each means.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{Problems, dotenv, expand, read};
use crate::config::error::ConfigProblem;
use crate::config::options::{ConfigFile, ConfigOptions, Environment};
use crate::config::path::{Path, Step};
use crate::config::tree::{Node, Origin, Value};

/// Puts the variables over what is there: `.env` files first, then the environment.
pub(super) fn apply(options: &ConfigOptions, tree: &mut Node, problems: &mut Problems) {
    let environment = environment(options, problems);
    let mut entries: Vec<dotenv::Entry> = Vec::new();
    let mut known = HashSet::new();
    for file in options.env_files.as_deref().unwrap_or(&[ConfigFile::optional(".env")]) {
        let name: Arc<str> = file.path.display().to_string().into();
        let Some(text) = read::text(options, file, &name, problems) else { continue };
        for entry in dotenv::parse(&text, &name, problems) {
            // Of several files the first one wins, as in NestJS.
            if known.insert(entry.name.clone()) {
                entries.push(entry);
            }
        }
    }
    if options.expand_variables {
        let environment = environment.iter().map(|(name, value)| (&**name, &**value)).collect::<HashMap<_, _>>();
        expand::expand(&mut entries, &environment, options.max_file_bytes, problems);
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    for entry in entries {
        insert(options, tree, &entry.name, entry.value, entry.origin, problems);
    }
    for (name, value) in environment {
        let origin = Origin::Environment { name: name.clone(), ours: !options.env_prefix.is_empty() };
        insert(options, tree, &name, value, origin, problems);
    }
}

/// The environment as text, sorted by name: a whole (`APP_DATABASE`) comes before its parts (`APP_DATABASE__PORT`).
fn environment(options: &ConfigOptions, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    match &options.environment {
        Environment::Ignored => {}
        Environment::Given(given) => variables.clone_from(given),
        Environment::Process => {
            for (name, value) in std::env::vars_os() {
                let Some(name) = name.to_str() else { continue };
                match value.into_string() {
                    Ok(value) => {
                        variables.insert(name.to_owned(), value);
                    }
                    Err(_) if options.env_prefix.is_empty() || !name.starts_with(&options.env_prefix) => {}
                    Err(_) => {
                        let what = "is not UTF-8";
                        problems.push(ConfigProblem::of_source(format_args!("environment `{name}`"), what));
                    }
                }
            }
        }
    }
    variables
}

fn insert(
    options: &ConfigOptions,
    tree: &mut Node,
    name: &str,
    value: String,
    origin: Origin,
    problems: &mut Problems,
) {
    let Some(path) = path_of(options, name) else { return };
    let foreign = origin.is_foreign();
    let described = origin.to_string();
    match super::insert(options, tree, &path, Node { value: Value::Text(value), origin }) {
        Ok(()) => {}
        // What is not ours cannot be wrong.
        Err(_) if foreign => {}
        Err(what) => problems.push(ConfigProblem { key: path.to_string(), what, origin: Some(described), cure: None }),
    }
}

/// The key that a variable means: `APP_DATABASE__PORT` is `database.port`. `None` for one without the prefix.
fn path_of(options: &ConfigOptions, name: &str) -> Option<Path> {
    let name = name.strip_prefix(&options.env_prefix).filter(|name| !name.is_empty())?.to_lowercase();
    let separator = options.env_separator.to_lowercase();
    let parts: Vec<String> =
        if separator.is_empty() { vec![name.clone()] } else { name.split(&separator).map(str::to_owned).collect() };
    // `__CF_USER_TEXT_ENCODING` is one name.
    Some(Path::of_keys(if parts.iter().any(String::is_empty) { vec![name] } else { parts }))
}

/// The variable that would set a key, as far as one can; `None` when the environment is not looked at.
pub(in crate::config) fn variable_for(options: &ConfigOptions, path: &Path) -> Option<String> {
    if matches!(options.environment, Environment::Ignored) {
        return None;
    }
    let mut parts = Vec::new();
    for step in path.steps() {
        parts.push(match step {
            Step::Item(index) => index.to_string(),
            Step::Key(key) => shouted(key),
        });
    }
    Some(format!("{}{}", options.env_prefix, parts.join(&options.env_separator)))
}

/// `maxConnections` as `MAX_CONNECTIONS`.
fn shouted(key: &str) -> String {
    let mut shouted = String::new();
    let mut was_lower = false;
    for character in key.chars() {
        if character.is_uppercase() && was_lower {
            shouted.push('_');
        }
        was_lower = character.is_lowercase() || character.is_ascii_digit();
        shouted.extend(if character == '-' { '_' } else { character }.to_uppercase());
    }
    shouted
}
