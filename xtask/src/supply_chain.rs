//! Whether what is downloaded and built is what somebody has looked at.
//!
//! Every package of the lock files stands in `supply-chain/allowed.txt` with its version, checksum and licence: an update
//! or a new dependency is a line in a diff, and bytes that differ under a known version are found. This needs no network.
//! It is no search for published advisories, which needs a database; those that would concern us are in `REFUSED`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::manifest;
use crate::outcome::Outcome;
use crate::run::{Call, Runner};

const LIST: &str = "supply-chain/allowed.txt";
/// Where lock files are: the workspace, and the fuzz targets and what is measured beside us, which are none of its members.
const ROOTS: [&str; 3] = [".", "fuzz", "benches/peers"];
const CURE: &str = "`cargo xtask supply-chain --accept`, and look at what it adds";
/// How long the command may take, with an index to download.
const COMMAND_MAX: Duration = Duration::from_secs(5 * 60);

/// What may be built into anybody's program.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages that must not come back: the name, the beginning of the versions that are meant, and why.
const REFUSED: &[(&str, &str, &str)] = &[
    ("ansi_term", "", "unmaintained (RUSTSEC-2021-0139)"),
    ("async-std", "", "discontinued (RUSTSEC-2025-0052)"),
    ("atty", "", "unmaintained (RUSTSEC-2024-0375)"),
    ("aws-lc-rs", "", "ring is the only TLS provider"),
    ("aws-lc-sys", "", "ring is the only TLS provider"),
    ("derivative", "", "unmaintained (RUSTSEC-2024-0388)"),
    ("instant", "", "unmaintained (RUSTSEC-2024-0384)"),
    ("native-tls", "", "TLS is rustls"),
    ("openssl", "", "TLS is rustls"),
    ("openssl-sys", "", "TLS is rustls"),
    ("paste", "", "unmaintained (RUSTSEC-2024-0436)"),
    ("proc-macro-error", "", "unmaintained (RUSTSEC-2024-0370)"),
    ("rustls", "0.2", "only 0.23 is kept"),
    ("rustls-pemfile", "", "unmaintained (RUSTSEC-2025-0134)"),
    ("rustls-webpki", "0.102.", "four advisories, and not kept"),
    ("yaml-rust", "", "unmaintained (RUSTSEC-2024-0320)"),
];
/// What of them is meant not to be.
const KEPT: &[(&str, &str)] = &[("rustls", "0.23.")];

/// A package of a lock file.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
struct Package {
    name: String,
    version: String,
    source: String,
    checksum: String,
}

/// `(name, version)` to `(checksum, licence)`.
type Allowed = BTreeMap<(String, String), (String, String)>;

/// Whether `--accept` was given.
pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<bool, String> {
    let args: Vec<_> = args.collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(false),
        ["--accept"] => Ok(true),
        _ => Err(format!("`supply-chain` knows `--accept` alone, not `{}`", args.join(" "))),
    }
}

/// `cargo xtask supply-chain`.
pub(crate) fn command(accept: bool, root: PathBuf) -> ExitCode {
    let runner = Runner { root, deadline: Instant::now() + COMMAND_MAX };
    if accept && let Err(problem) = self::accept(&runner) {
        eprintln!("error: {problem}");
        return ExitCode::FAILURE;
    }
    let outcome = check(&runner);
    println!("{}", outcome.note);
    outcome.details.iter().for_each(|line| println!("{line}"));
    if outcome.counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One check a package.
pub(crate) fn check(runner: &Runner) -> Outcome {
    let list = fs::read_to_string(runner.root.join(LIST)).unwrap_or_default();
    match (locked(runner), allowed(&list)) {
        (Ok((packages, ours)), Ok(allowed)) => compare(&packages, &ours, &allowed),
        (Err(problem), _) | (_, Err(problem)) => {
            let mut outcome = Outcome::begun();
            outcome.fail(&problem, []);
            outcome
        }
    }
}

fn compare(packages: &BTreeSet<Package>, ours: &BTreeSet<String>, allowed: &Allowed) -> Outcome {
    let mut outcome = Outcome::begun();
    let mut problems = Vec::new();
    let sources: BTreeSet<_> = packages.iter().map(|it| &*it.source).filter(|it| !it.is_empty()).collect();
    for package in packages {
        match problem(package, ours, allowed) {
            None => outcome.pass(),
            Some(problem) => problems.push(format!("{} {}: {problem}", package.name, package.version)),
        }
    }
    if sources.len() > 1 {
        problems.push(format!("packages come from {} places, where one is enough", sources.len()));
    }
    let locked: BTreeSet<_> = packages.iter().map(|it| (it.name.clone(), it.version.clone())).collect();
    for (name, version) in allowed.keys().filter(|it| !locked.contains(it)) {
        problems.push(format!("{name} {version}: is listed, and no longer there"));
    }
    outcome.say(&format!("{} packages", packages.len()));
    if !problems.is_empty() {
        let count = problems.len();
        outcome.fail(&format!("{count} problems; if all is well: {CURE}"), problems);
        outcome.counts.failed = count;
    }
    outcome
}

fn problem(package: &Package, ours: &BTreeSet<String>, allowed: &Allowed) -> Option<String> {
    let Package { name, version, source, checksum } = package;
    if source.is_empty() {
        return (!ours.contains(name)).then(|| "comes from a path outside the repository".to_owned());
    }
    if !source.starts_with("registry+") {
        return Some(format!("comes from `{source}`, and not from a registry"));
    }
    let is = |(known, versions): (&str, &str)| known == name && version.starts_with(versions);
    if !KEPT.iter().any(|it| is(*it))
        && let Some((_, _, why)) = REFUSED.iter().find(|it| is((it.0, it.1)))
    {
        return Some((*why).to_owned());
    }
    let Some((known, licence)) = allowed.get(&(name.clone(), version.clone())) else {
        return Some(format!("is not in {LIST}"));
    };
    if known != checksum || checksum.is_empty() {
        return Some("has another checksum than the one that was accepted".to_owned());
    }
    (!is_free(licence)).then(|| format!("has the licence `{licence}`"))
}

/// Whether a licence expression (SPDX, or with the slash or the small letters of old manifests) lets us choose something from `LICENCES`.
fn is_free(expression: &str) -> bool {
    let text = expression.replace('/', " OR ").replace(" or ", " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = text.split_whitespace().peekable();
    any_of(&mut words) && words.next().is_none()
}

type Words<'a, 'b> = &'b mut std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: Words<'_, '_>) -> bool {
    let mut free = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        free |= all_of(words);
    }
    free
}

fn all_of(words: Words<'_, '_>) -> bool {
    let mut free = one(words);
    while words.next_if_eq(&"AND").is_some() {
        free &= one(words);
    }
    free
}

fn one(words: Words<'_, '_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        return any_of(words) & words.next_if_eq(&")").is_some();
    }
    let free = words.next().is_some_and(|name| LICENCES.contains(&name));
    // An exception only ever permits more.
    if words.next_if_eq(&"WITH").is_some() {
        words.next();
    }
    free
}

/// Every package of the lock files, and the names of those that are ours.
fn locked(runner: &Runner) -> Result<(BTreeSet<Package>, BTreeSet<String>), String> {
    let read = |file: &str| fs::read_to_string(runner.root.join(file)).map_err(|error| format!("{file}: {error}"));
    let (mut packages, mut ours) = (BTreeSet::new(), BTreeSet::new());
    for root in ROOTS {
        let found = lock(&read(&format!("{root}/Cargo.lock"))?);
        if found.is_empty() {
            return Err(format!("{root}/Cargo.lock: no package is found"));
        }
        packages.extend(found);
        let manifest = read(&format!("{root}/Cargo.toml"))?;
        ours.insert(manifest::package(&manifest));
        for member in manifest::members(&manifest) {
            ours.insert(manifest::package(&read(&format!("{root}/{member}/Cargo.toml"))?));
        }
    }
    Ok((packages, ours))
}

/// The packages of one lock file.
fn lock(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = Vec::new();
    for line in text.lines() {
        if line.trim() == "[[package]]" {
            packages.push(Package::default());
        }
        let (Some(package), Some((key, value))) = (packages.last_mut(), line.split_once(" = ")) else { continue };
        let value = value.trim_matches('"').to_owned();
        match key {
            "name" => package.name = value,
            "version" => package.version = value,
            "source" => package.source = value,
            "checksum" => package.checksum = value,
            _ => {}
        }
    }
    packages
}

/// The list: a package a line, `name version checksum licence`.
fn allowed(list: &str) -> Result<Allowed, String> {
    let mut allowed = Allowed::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.splitn(4, ' ').map(str::to_owned);
        let (Some(name), Some(version), Some(checksum), Some(licence)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(format!("{LIST}: `{line}` is not `name version checksum licence`"));
        };
        allowed.insert((name, version), (checksum, licence));
    }
    Ok(allowed)
}

/// Writes the list anew, after what the lock files say now, and tells what is new in it.
fn accept(runner: &Runner) -> Result<(), String> {
    // Of the fuzz targets nothing changes but what they depend on through us.
    let update = Call::new("cargo update --quiet --workspace --manifest-path fuzz/Cargo.toml");
    runner.run(&update).end.map_err(|failure| format!("cargo update: {failure}"))?;

    let licences = licences(runner)?;
    let (packages, _) = locked(runner)?;
    let file = runner.root.join(LIST);
    let before = allowed(&fs::read_to_string(&file).unwrap_or_default())?;
    let mut list = String::from(
        "# Every package that is built, with its version, checksum and licence. `cargo xtask supply-chain` compares this with\n\
         # the lock files; `cargo xtask supply-chain --accept` writes it. A line that is new here is code that is new to us.\n",
    );
    for package in packages.iter().filter(|it| !it.source.is_empty()) {
        let Package { name, version, checksum, .. } = package;
        let licence = licences.get(&(name.clone(), version.clone())).map_or("unknown", String::as_str);
        let _ = writeln!(list, "{name} {version} {checksum} {licence}");
        match before.get(&(name.clone(), version.clone())) {
            None => println!("new: {name} {version} ({licence})"),
            Some((known, _)) if known != checksum => println!("other bytes: {name} {version}"),
            Some(_) => {}
        }
    }
    fs::write(&file, list).map_err(|error| format!("{LIST}: {error}"))
}

fn licences(runner: &Runner) -> Result<BTreeMap<(String, String), String>, String> {
    let mut licences = BTreeMap::new();
    for root in ROOTS {
        let call = format!("cargo metadata --format-version 1 --all-features --manifest-path {root}/Cargo.toml");
        let finished = runner.run(&Call::new(&call).quiet());
        finished.end.map_err(|failure| format!("cargo metadata: {failure}"))?;
        licences.extend(finished.lines.iter().flat_map(|line| line.split(r#"{"name":""#)).filter_map(licence));
    }
    Ok(licences)
}

/// The package and the licence in `serde","version":"1.0.229","id":"…","license":"MIT OR Apache-2.0",…`: the beginning
/// of a package in the JSON text of `cargo metadata`, after its first quote.
fn licence(package: &str) -> Option<((String, String), String)> {
    let (name, rest) = package.split_once(r#"","version":""#)?;
    let (version, rest) = rest.split_once(r#"","id":""#)?;
    let licence = rest.split_once(r#"","license":""#)?.1.split('"').next()?;
    Some(((name.to_owned(), version.to_owned()), licence.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "ours"
version = "0.1.0"
dependencies = [
 "theirs",
]

[[package]]
name = "theirs"
version = "1.2.3"
source = "registry+somewhere"
checksum = "abc"
"#;
    const ALLOWED: &str = "# A comment.\ntheirs 1.2.3 abc MIT OR Apache-2.0\n";

    /// The note and the details of a comparison.
    fn compared(lock_file: &str, list: &str) -> (Verdict, Vec<String>) {
        let packages = lock(lock_file).into_iter().collect();
        let outcome = compare(&packages, &BTreeSet::from(["ours".to_owned()]), &allowed(list).unwrap());
        (outcome.verdict, outcome.details)
    }

    #[track_caller]
    fn check_problem(lock_file: &str, list: &str, problem: &str) {
        assert_eq!(compared(lock_file, list), (Verdict::Failed, vec![problem.to_owned()]));
    }

    #[test]
    fn what_is_listed_passes() {
        assert_eq!(compared(LOCK, ALLOWED), (Verdict::Passed, vec![]));
    }

    #[test]
    fn what_is_new_changed_or_gone_is_found() {
        check_problem(LOCK, "", "theirs 1.2.3: is not in supply-chain/allowed.txt");
        let other = ALLOWED.replace("abc", "abd");
        check_problem(LOCK, &other, "theirs 1.2.3: has another checksum than the one that was accepted");
        let gone = format!("{ALLOWED}gone 1.0.0 abc MIT\n");
        check_problem(LOCK, &gone, "gone 1.0.0: is listed, and no longer there");
        assert!(allowed("theirs 1.2.3 abc").is_err());
    }

    #[test]
    fn what_comes_from_elsewhere_is_refused() {
        let git = LOCK.replace("registry+somewhere", "git+elsewhere");
        check_problem(&git, ALLOWED, "theirs 1.2.3: comes from `git+elsewhere`, and not from a registry");
        let path = LOCK.replace("name = \"ours\"", "name = \"nobodys\"");
        check_problem(&path, ALLOWED, "nobodys 0.1.0: comes from a path outside the repository");
        let second = LOCK.to_owned()
            + "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+b\"\nchecksum = \"c\"\n";
        let list = format!("{ALLOWED}a 1.0.0 c MIT\n");
        check_problem(&second, &list, "packages come from 2 places, where one is enough");
    }

    #[test]
    fn what_must_not_come_back_is_refused_by_name_and_version() {
        let lock_of = |name: &str, version: &str| {
            LOCK.replace("name = \"theirs\"", &format!("name = \"{name}\"")).replace("1.2.3", version)
        };
        let list_of = |name: &str, version: &str| format!("{name} {version} abc MIT\n");
        for (name, version) in [("rustls-pemfile", "2.2.0"), ("rustls-webpki", "0.102.8"), ("rustls", "0.22.1")] {
            assert_eq!(compared(&lock_of(name, version), &list_of(name, version)).0, Verdict::Failed, "{name}");
        }
        for (name, version) in [("rustls-webpki", "0.103.4"), ("rustls", "0.23.31")] {
            assert_eq!(compared(&lock_of(name, version), &list_of(name, version)).0, Verdict::Passed, "{name}");
        }
    }

    #[test]
    fn a_licence_must_leave_us_a_choice() {
        for free in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT or Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
        ] {
            assert!(is_free(free), "{free}");
        }
        for other in ["", "unknown", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND MPL-2.0", "(MIT", "MIT MIT"] {
            assert!(!is_free(other), "{other}");
        }
    }

    #[test]
    fn licences_are_read_from_the_metadata() {
        let read = licence(r#"serde","version":"1.0.229","id":"x","license":"MIT OR Apache-2.0","license_file":null"#);
        assert_eq!(read, Some((("serde".into(), "1.0.229".into()), "MIT OR Apache-2.0".into())));
        assert_eq!(licence(r#"std","source":null,"req":"*""#), None);
    }

    #[test]
    fn the_command_is_understood() {
        let parsed = |line: &str| parse(line.split_whitespace().map(str::to_owned));
        assert_eq!((parsed(""), parsed("--accept")), (Ok(false), Ok(true)));
        assert_eq!(parsed("--all"), Err("`supply-chain` knows `--accept` alone, not `--all`".into()));
    }
}
