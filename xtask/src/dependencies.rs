//! What the dependency tree must not contain.

use std::collections::BTreeSet;
use std::fs;

use crate::manifest;
use crate::outcome::Outcome;
use crate::run::{Call, Runner};

/// Crates whose types or state meet in one program: a second incompatible version would split it.
const ONLY_ONCE: &[&str] = &["tokio", "http", "rustls"];
/// What macros are built with, and the first thing that a clean build waits for: a second one costs every user seconds.
const ONE_PARSER: &[&str] = &["syn"];
/// The features that may bring an older syn beside ours. async-nats' derives (pin-project, tracing-attributes) and those
/// of its signatures (curve25519-dalek-derive) are built with syn 2, in the newest versions that there are.
const OLDER_SYN_FEATURES: &[&str] = &["microservices-nats"];
/// Cryptography that is slow to build or linked from the system. One provider is enough, and it is ring.
const OTHER_TLS: &[&str] = &["aws-lc-rs", "aws-lc-sys", "openssl-sys"];
/// The features that ask for it by name.
const OTHER_TLS_FEATURES: &[&str] = &["kafka-tls", "tls-aws-lc"];

/// One rule: the tree that `cargo tree` prints for `args`, and what is wrong with it.
struct Rule {
    name: &'static str,
    args: String,
    wrong: fn(&BTreeSet<Crate>) -> Vec<String>,
}

/// A line of the tree.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Crate {
    name: String,
    version: String,
}

pub(crate) fn check(runner: &Runner) -> Outcome {
    let mut outcome = Outcome::begun();
    let mut features = manifest::features(&fs::read_to_string(runner.root.join("Cargo.toml")).unwrap_or_default());
    features.retain(|feature| !OTHER_TLS_FEATURES.contains(&feature.as_str()));
    for rule in rules(&features.join(",")) {
        let call = Call::new(&format!("cargo tree --prefix none {}", rule.args));
        let finished = runner.run(&call.quiet());
        if finished.end.is_err() {
            if !outcome.command(rule.name, &finished) {
                break;
            }
            continue;
        }
        let crates = crates(&finished.lines);
        println!("{}: of {} in `cargo tree {}`", rule.name, crates.len(), rule.args);
        match (rule.wrong)(&crates) {
            _ if crates.is_empty() => outcome.fail(&format!("{}: an empty tree", rule.name), []),
            wrong if wrong.is_empty() => outcome.pass(),
            wrong => outcome.fail(&format!("{}: {}", rule.name, wrong.join(", ")), []),
        }
        if rule.name == TCP_ONLY {
            outcome.say(&format!("{} crates in a TCP-only service", crates.len()));
        }
    }
    outcome
}

const TCP_ONLY: &str = "no HTTP and no TLS in a TCP-only service";

fn rules(features: &str) -> [Rule; 6] {
    let one_syn: Vec<_> = features.split(',').filter(|feature| !OLDER_SYN_FEATURES.contains(feature)).collect();
    [
        Rule {
            name: "one version each of tokio, http, rustls",
            // That package has the dependencies that the documentation gives to users, default features and all.
            args: "--workspace --exclude nestrs-documents --all-features --edges no-dev".to_owned(),
            wrong: |crates| repeated(crates, ONLY_ONCE),
        },
        Rule {
            name: "one version of syn, but for NATS",
            // Tests derive garde's rules, by the syn before ours; what users build has that only if they do the same.
            args: format!("--package nestrs --no-default-features --features {} --edges no-dev", one_syn.join(",")),
            wrong: |crates| repeated(crates, ONE_PARSER),
        },
        Rule {
            name: "no TLS provider but ring",
            args: format!("--package nestrs --no-default-features --features {features}"),
            wrong: |crates| among(crates, |name| OTHER_TLS.contains(&name)),
        },
        Rule {
            name: TCP_ONLY,
            args: "--package nestrs --no-default-features --features microservices --edges normal".to_owned(),
            wrong: |crates| {
                among(crates, |name| {
                    ["axum", "hyper", "tower", "rustls", "tokio-rustls", "ring"].iter().any(|it| is_of(name, it))
                })
            },
        },
        Rule {
            name: "no runtime and no HTTP in the core",
            args: "--package nestrs-core --all-features --edges normal".to_owned(),
            wrong: |crates| among(crates, |name| ["tokio", "axum"].iter().any(|it| is_of(name, it))),
        },
        Rule {
            name: "the macros depend on none of the other crates",
            args: "--package nestrs-macros --all-features --edges normal".to_owned(),
            wrong: |crates| among(crates, |name| is_of(name, "nestrs") && name != "nestrs-macros"),
        },
    ]
}

/// The distinct crates in the output of `cargo tree --prefix none`.
fn crates(lines: &[String]) -> BTreeSet<Crate> {
    let read = |line: &String| {
        let (name, rest) = line.split_once(" v")?;
        let version = rest.split(' ').next()?;
        let plain = !name.contains([' ', ':']) && version.starts_with(|c: char| c.is_ascii_digit());
        plain.then(|| Crate { name: name.to_owned(), version: version.to_owned() })
    };
    lines.iter().filter_map(read).collect()
}

fn among(crates: &BTreeSet<Crate>, unwanted: impl Fn(&str) -> bool) -> Vec<String> {
    let found = crates.iter().filter(|it| unwanted(&it.name));
    found.map(|it| format!("{} {}", it.name, it.version)).collect()
}

/// Whether a crate is the project of that name, or one of its parts: `tower-http` is of `tower`.
fn is_of(name: &str, project: &str) -> bool {
    name.strip_prefix(project).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn repeated(crates: &BTreeSet<Crate>, only_once: &[&str]) -> Vec<String> {
    let twice = |name: &&&str| {
        let versions = crates.iter().filter(|it| it.name == **name).map(|it| compatible(&it.version));
        versions.collect::<BTreeSet<_>>().len() > 1
    };
    let names: Vec<_> = only_once.iter().filter(twice).collect();
    among(crates, |name| names.iter().any(|it| **it == name))
}

/// The part of a version that Cargo never has twice: `1` of `1.2.3`, `0.23` of `0.23.4`.
fn compatible(version: &str) -> &str {
    let mut dots = version.match_indices('.').map(|(at, _)| at);
    let end = if version.starts_with("0.") { dots.nth(1) } else { dots.next() };
    &version[..end.unwrap_or(version.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> BTreeSet<Crate> {
        crates(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    const TREE: &str = "\
 Downloading crates ...
  Downloaded axum v0.8.9
nestrs v0.1.0 (/some/where)
async-trait v0.1.92 (proc-macro)
syn v3.0.9
syn v3.0.9 (*)

syn v2.0.100
tower-http v0.7.1
towering v1.0.0
http v1.5.0
rustls v0.23.1
";

    #[test]
    fn a_tree_is_a_set_of_crates() {
        let named: Vec<_> = tree(TREE).into_iter().map(|it| format!("{} {}", it.name, it.version)).collect();
        let expected = ["async-trait 0.1.92", "http 1.5.0", "nestrs 0.1.0", "rustls 0.23.1", "syn 2.0.100"];
        assert_eq!(named[..5], expected);
        assert_eq!(named.len(), 8);
    }

    #[test]
    fn a_second_incompatible_version_is_found() {
        assert_eq!(repeated(&tree(TREE), ONE_PARSER), ["syn 2.0.100", "syn 3.0.9"]);
        assert!(repeated(&tree(TREE), ONLY_ONCE).is_empty());
        assert_eq!(repeated(&tree("rustls v0.22.0\nrustls v0.23.9"), ONLY_ONCE).len(), 2);
        let compatible = tree("http v1.0.0\nhttp v1.5.0\nrustls v0.23.1\nrustls v0.23.9");
        assert!(repeated(&compatible, ONLY_ONCE).is_empty());
    }

    #[test]
    fn an_older_syn_is_let_in_by_nothing_but_nats() {
        let rules = rules("http,microservices-nats,tls");
        let args: Vec<_> = rules.iter().filter(|rule| rule.name.contains("syn")).map(|rule| &rule.args).collect();
        assert_eq!(args.len(), 1);
        assert!(args[0].contains("--features http,tls "), "{}", args[0]);
    }

    #[test]
    fn every_rule_finds_what_it_forbids() {
        let forbidden = [
            "rustls v0.1.0",
            "syn v1.0.0",
            "aws-lc-rs v1.0.0",
            "tower-http v0.7.1",
            "tokio-util v0.7.0",
            "nestrs-core v0.1.0",
        ];
        for (rule, bad) in rules("http").iter().zip(forbidden) {
            let good = match rule.name {
                TCP_ONLY => "nestrs-macros v0.1.0\nsyn v3.0.9\ntowering v1.0.0",
                _ => "nestrs-macros v0.1.0\nsyn v3.0.9\ntowering v1.0.0\nrustls v0.23.9",
            };
            assert!((rule.wrong)(&tree(good)).is_empty(), "{}", rule.name);
            assert!(!(rule.wrong)(&tree(&format!("{good}\n{bad}"))).is_empty(), "{}", rule.name);
        }
    }
}
