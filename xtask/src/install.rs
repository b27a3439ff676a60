//! What must be there before a step can run, and how it gets there.
//!
//! Each function makes sure of one thing, or says why the step that asked for it cannot run.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::run::{Call, Runner};

/// The oldest Node that both NestJS majors run on.
const NODE_MAJOR: u32 = 20;
/// What is taken from npm where the distribution's Node is older than that.
const NODE_FROM_NPM: &str = "20.19.6";
/// Where it goes.
const NODE_DIR: &str = "target/xtask/node";
/// The version of `cargo fuzz` that is installed when there is none.
const CARGO_FUZZ: &str = "0.13.2";
/// The version of gungraun's runner, which has to be that of the library: a test compares it with `Cargo.toml`.
const GUNGRAUN: &str = "0.20.0";
/// Programs of `tests/brokers`, each in the Debian package of its name.
const BROKERS: &[&str] = &["nats-server", "redis-server"];
/// Below it, every directory with a lock file has packages to install.
const PEERS: &str = "tests/interop";

/// Makes sure of a part of the Rust toolchain that small installations leave out.
pub(crate) fn component(runner: &Runner, install: bool, component: &str, command: &str) -> Result<(), String> {
    let there = || succeeds(runner, Call::new(command).arg("--version"));
    if there() || (install && succeeds(runner, Call::new("rustup component add").arg(component)) && there()) {
        return Ok(());
    }
    Err(format!("`{command}` is missing: `rustup component add {component}`"))
}

/// Makes sure of a nightly compiler, of `cargo fuzz` and of the C++ compiler its engine is built with; gives the name of
/// this machine's platform.
pub(crate) fn fuzzing(runner: &Runner, install: bool) -> Result<String, String> {
    let version = || runner.run(&Call::new("rustup run nightly rustc -vV").quiet());
    let host = || version().lines.iter().find_map(|line| line.strip_prefix("host: ").map(str::to_owned));
    if host().is_none() && install {
        runner.run(&Call::new("rustup toolchain install nightly --profile minimal"));
    }
    let host = host().ok_or("a nightly compiler is missing: `rustup toolchain install nightly --profile minimal`")?;

    let there = || succeeds(runner, Call::new("cargo fuzz --version"));
    if !there() && install {
        runner.run(&Call::new("cargo install --locked cargo-fuzz --version").arg(CARGO_FUZZ));
    }
    if !there() {
        return Err(format!("`cargo fuzz` is missing: `cargo install --locked cargo-fuzz --version {CARGO_FUZZ}`"));
    }

    let there = || succeeds(runner, Call::new("c++ --version"));
    if !there() && install {
        apt(runner, "g++").map_err(|why| format!("a C++ compiler is needed: {why}"))?;
    }
    if there() { Ok(host) } else { Err("a C++ compiler (`c++`) is missing".to_owned()) }
}

/// Makes sure of valgrind and of the runner that reads what it counts.
pub(crate) fn counting(runner: &Runner, install: bool) -> Result<(), String> {
    let there = || succeeds(runner, Call::new("valgrind --version"));
    if !there() && install {
        apt(runner, "valgrind").map_err(|why| format!("valgrind is needed: {why}"))?;
    }
    if !there() {
        return Err("`valgrind` is missing".to_owned());
    }
    // Without optimisation: it only starts valgrind, and is built in half the time.
    let cure = format!("cargo install --locked --debug gungraun-runner --version {GUNGRAUN}");
    let version = || runner.run(&Call::new("gungraun-runner --version").quiet()).lines;
    let there = || version().iter().any(|line| line.strip_prefix("gungraun-runner ") == Some(GUNGRAUN));
    if !there() && install {
        runner.run(&Call::new(&cure));
    }
    if there() { Ok(()) } else { Err(format!("`gungraun-runner` {GUNGRAUN} is missing: `{cure}`")) }
}

/// Makes sure of Node and of the packages of the NestJS peers; gives the `PATH` on which that Node is found.
pub(crate) fn nest_peers(runner: &Runner, install: bool) -> Result<String, String> {
    let path = node(runner, install)?;
    for directory in stale_peers(&runner.root.join(PEERS)) {
        let name = directory.strip_prefix(&runner.root).unwrap_or(&directory).display().to_string();
        if !install {
            return Err(format!("the node packages of {name} are not installed"));
        }
        npm_is_there(runner)?;
        let call = Call::new("npm ci --ignore-scripts --no-audit --no-fund --prefix").arg(&name);
        runner.run(&call).end.map_err(|failure| format!("npm ci in {name}: {failure}"))?;
    }
    Ok(path)
}

/// Makes sure of the message brokers that tests start.
pub(crate) fn brokers(runner: &Runner, install: bool) -> Result<(), String> {
    for &broker in BROKERS {
        let there = || broker_is_there(runner, broker);
        if !there() && install {
            apt(runner, broker).map_err(|why| format!("{broker} is needed: {why}"))?;
        }
        if !there() {
            return Err(format!("`{broker}` is missing: `apt-get install {broker}`"));
        }
    }
    Ok(())
}

/// Whether it can be called, also from where Debian keeps what is for an administrator.
fn broker_is_there(runner: &Runner, broker: &str) -> bool {
    let places = ["", "/usr/local/sbin/", "/usr/sbin/"];
    places.iter().any(|place| succeeds(runner, Call::new(&format!("{place}{broker} --version"))))
}

/// The Node that is there, or Debian's, or, where Debian's is too old, one from npm.
fn node(runner: &Runner, install: bool) -> Result<String, String> {
    let plain = std::env::var("PATH").unwrap_or_default();
    // Processors are named differently by Rust and by Node.
    let arch = match ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = format!("node-linux-{arch}");
    let bin = runner.root.join(NODE_DIR).join("node_modules").join(&package).join("bin");
    let paths = [plain.clone(), format!("{}:{plain}", bin.display())];
    let found = || paths.iter().find(|path| node_major(runner, path) >= Some(NODE_MAJOR)).cloned();

    let missing = format!("node {NODE_MAJOR} or newer is needed");
    if found().is_none() && install {
        if node_major(runner, &plain).is_none() {
            apt(runner, "nodejs").map_err(|why| format!("{missing}: {why}"))?;
        }
        if found().is_none() {
            npm_is_there(runner)?;
            let call = Call::new("npm install --no-save --ignore-scripts --no-audit --no-fund --prefix").arg(NODE_DIR);
            let finished = runner.run(&call.arg(format!("{package}@{NODE_FROM_NPM}")));
            finished.end.map_err(|failure| format!("{missing}: npm install of {package}: {failure}"))?;
        }
    }
    found().ok_or(missing)
}

/// Makes sure of npm, which may come with a Node older than the one the tests use.
fn npm_is_there(runner: &Runner) -> Result<(), String> {
    if succeeds(runner, Call::new("npm --version")) {
        return Ok(());
    }
    apt(runner, "npm").map_err(|why| format!("npm is needed: {why}"))
}

/// Installs a Debian package.
fn apt(runner: &Runner, package: &str) -> Result<(), String> {
    if !succeeds(runner, Call::new("apt-get --version")) {
        return Err("there is no apt-get here".to_owned());
    }
    if runner.run(&Call::new("id -u").quiet()).lines != ["0"] {
        return Err(format!("only root can install it: `apt-get install {package}`"));
    }
    for task in ["update".to_owned(), format!("install --yes --no-install-recommends {package}")] {
        let call = Call::new(&format!("apt-get --quiet {task}")).env("DEBIAN_FRONTEND", "noninteractive");
        // A server that comes with a package is not started: the tests have their own.
        let call = call.env("RUNLEVEL", "1");
        runner.run(&call).end.map_err(|failure| format!("apt-get {task}: {failure}"))?;
    }
    Ok(())
}

fn node_major(runner: &Runner, path: &str) -> Option<u32> {
    let finished = runner.run(&Call::new("node --version").env("PATH", path).quiet());
    finished.end.ok()?;
    major(finished.lines.last()?)
}

/// The 20 in `v20.19.6`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn succeeds(runner: &Runner, call: Call) -> bool {
    runner.run(&call.quiet()).end.is_ok()
}

/// The directories whose packages are not installed, or were before their lock file changed.
fn stale_peers(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut stale: Vec<_> = entries
        .filter(|peer| {
            let lock = written(&peer.join("package-lock.json"));
            // npm writes this file last, so that an installation cut short has none.
            lock.is_some() && written(&peer.join("node_modules/.package-lock.json")) < lock
        })
        .collect();
    stale.sort();
    stale
}

fn written(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|file| file.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_major_version_of_node() {
        assert_eq!(major("v20.19.6"), Some(20));
        assert_eq!(major("v9.0.0\n"), Some(9));
        assert_eq!(major("sh: exec: node: not found"), None);
    }

    #[test]
    fn the_runner_is_of_the_version_of_the_library() {
        let manifest = include_str!("../../Cargo.toml");
        assert!(manifest.contains(&format!("gungraun = \"={GUNGRAUN}\"")));
    }

    #[test]
    fn packages_are_stale_when_absent_cut_short_or_older_than_the_lock() {
        let directory = std::env::temp_dir().join(format!("xtask-stale-{}", std::process::id()));
        let at = |peer: &str, file: &str, age: u64| {
            let file = directory.join(peer).join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let written = SystemTime::now() - Duration::from_secs(age);
            fs::File::create(file).unwrap().set_modified(written).unwrap();
        };
        for peer in ["absent", "cut-short", "fresh", "old"] {
            at(peer, "package-lock.json", 100);
        }
        at("cut-short", "node_modules/some/package.json", 50);
        at("fresh", "node_modules/.package-lock.json", 50);
        at("old", "node_modules/.package-lock.json", 200);
        at("not-a-package", "README.md", 0);

        let expected = ["absent", "cut-short", "old"].map(|peer| directory.join(peer));
        assert_eq!(stale_peers(&directory), expected);
        fs::remove_dir_all(&directory).unwrap();
    }
}
