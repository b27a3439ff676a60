//! What a `Cargo.toml` says: the little that is needed here, read line by line.

/// The name of the package; empty if it has none.
pub(crate) fn package(manifest: &str) -> String {
    let name = entries(manifest, "package").into_iter().find(|(name, _)| name == "name");
    name.map(|(_, name)| name.trim_matches('"').to_owned()).unwrap_or_default()
}

/// The features of a package, in the order written, without `default`.
pub(crate) fn features(manifest: &str) -> Vec<String> {
    entries(manifest, "features").into_iter().map(|(name, _)| name).filter(|name| name != "default").collect()
}

/// The directories of the other packages of the workspace.
pub(crate) fn members(manifest: &str) -> Vec<String> {
    let lists = entries(manifest, "workspace").into_iter().filter(|(name, _)| name == "members");
    // Every second piece between quotes is a string.
    lists.flat_map(|(_, list)| list.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The entries of a table as `(name, value)`; a list may go over several lines.
fn entries(manifest: &str, table: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let (mut inside, mut depth) = (false, 0);
    for line in manifest.lines().map(|line| without_comment(line).trim()) {
        if depth == 0 && line.starts_with('[') {
            inside = line.trim_matches(['[', ']']).trim() == table;
            continue;
        }
        if !inside {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) if depth == 0 => {
                found.push((name.trim().trim_matches(['"', '\'']).to_owned(), value.trim().to_owned()));
            }
            _ => {
                if let Some((_, value)) = found.last_mut() {
                    value.push_str(line);
                }
            }
        }
        depth += unquoted(line).filter(|&c| c == '[').count();
        depth -= unquoted(line).filter(|&c| c == ']').count().min(depth);
    }
    found
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let end = line.find(|c| {
        quoted ^= c == '"';
        c == '#' && !quoted
    });
    &line[..end.unwrap_or(line.len())]
}

fn unquoted(line: &str) -> impl Iterator<Item = char> + '_ {
    line.split('"').step_by(2).flat_map(str::chars)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
[package]
name = "sample" # not a feature

[features]
default = ["http"]
# Messages.
microservices = []
http = ["dep:axum", "dep:tower"] # [HTTP
"quoted" = []
everything = [
    "http", # web = []
    "microservices",
]
last=[]

[dependencies]
axum = { version = "0.8", features = ["json"] }

[[bench]]
name = "features"

[workspace]
resolver = "3"
members = [
    "one",
    "two/three", # "four",
]
exclude = ["fuzz"]
"#;

    #[test]
    fn features_are_the_names_of_one_table() {
        assert_eq!(features(MANIFEST), ["microservices", "http", "quoted", "everything", "last"]);
        assert!(features("[package]\nname = \"plain\"\n").is_empty());
    }

    #[test]
    fn a_package_has_a_name() {
        assert_eq!(package(MANIFEST), "sample");
        assert_eq!(package("[workspace]"), "");
    }

    #[test]
    fn members_may_be_listed_on_one_line_or_many() {
        assert_eq!(members(MANIFEST), ["one", "two/three"]);
        assert_eq!(members("[workspace]\nmembers = [\"a\", \"b\"]"), ["a", "b"]);
    }

    #[test]
    fn our_own_manifest_is_understood() {
        let manifest = include_str!("../../Cargo.toml");
        assert!(members(manifest).contains(&"xtask".to_owned()));
        assert!(features(manifest).contains(&"microservices".to_owned()));
    }
}
