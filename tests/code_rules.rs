//! What the compiler is told about code that handles peers' bytes; it then sees to the rest.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The entries of a table, one a line: good enough for the tables of lints.
fn table(manifest: &str, name: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
    lines.take_while(|line| !line.starts_with('[')).map(str::to_owned).collect()
}

/// Every manifest of the repository, whether its package is a member of the workspace or not.
fn manifests(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() {
            let skipped = ["target", "node_modules"].iter().any(|skipped| name == *skipped);
            if !skipped && !name.to_string_lossy().starts_with('.') {
                manifests(&entry.path(), found);
            }
        } else if name == "Cargo.toml" {
            found.push(entry.path());
        }
    }
}

/// `forbid` cannot be taken back by an attribute further in, unlike `deny`.
#[test]
fn se_7_unsafe_is_forbidden_in_every_crate() {
    let forbidden = "unsafe_code = \"forbid\"".to_owned();
    assert!(table(&read(&root().join("Cargo.toml")), "workspace.lints.rust").contains(&forbidden));
    let mut all = Vec::new();
    manifests(root(), &mut all);
    assert!(all.len() > 6, "{all:?}");
    for manifest in all {
        let text = read(&manifest);
        let inherited = table(&text, "lints").iter().any(|line| line == "workspace = true");
        assert!(inherited || table(&text, "lints.rust").contains(&forbidden), "{}", manifest.display());
    }
}

/// Each of these covers the modules below it.
#[test]
fn se_7_code_for_peers_bytes_may_not_index_unwrap_or_expect() {
    let lints = ["unwrap_used", "expect_used", "indexing_slicing", "string_slice"];
    for file in [
        "nestrs-core/src/pattern/mod.rs",
        "nestrs-core/src/payload.rs",
        "nestrs-microservices/src/net/mod.rs",
        "nestrs-microservices/src/packet.rs",
        "nestrs-microservices/src/tcp/mod.rs",
    ] {
        let text = read(&root().join(file));
        let denied = text.split_once("#![cfg_attr(not(test), deny(").and_then(|(_, rest)| rest.split_once(")]"));
        let denied = denied.unwrap_or_else(|| panic!("{file} denies nothing")).0;
        for lint in lints {
            assert!(denied.contains(&format!("clippy::{lint}")), "{file} does not deny {lint}");
        }
    }
}
