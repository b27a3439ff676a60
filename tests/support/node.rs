//! Real NestJS processes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The majors that are tested against.
pub const MAJORS: [&str; 2] = ["v11", "v12"];

/// A node process that reports in lines of JSON. Killed when dropped.
pub struct Node {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// Whether NestJS can be run here. Where it must be (`NESTRS_REQUIRE_NODE=1`), its absence is a failure; elsewhere the
/// test says that it did not run, on the real stderr, since a test's own is not shown when it passes. `cargo xtask test`
/// sets that variable once everything is installed, and `NESTRS_SKIP_NODE=1` in the step that runs everything else.
pub fn is_available(test: &str) -> bool {
    let Err(reason) = find() else { return true };
    assert!(std::env::var_os("NESTRS_REQUIRE_NODE").is_none(), "{reason}");
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
    false
}

fn find() -> Result<(), String> {
    if std::env::var_os("NESTRS_SKIP_NODE").is_some() {
        return Err("NESTRS_SKIP_NODE is set".to_owned());
    }
    let version = std::process::Command::new("node").arg("--version").output().map_err(|_| "there is no node")?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let major: u32 = version.trim().trim_start_matches('v').split('.').next().unwrap_or("").parse().unwrap_or(0);
    if major < 20 {
        return Err(format!("node {} is older than 20", version.trim()));
    }
    match MAJORS.iter().find(|major| !scripts().join(major).join("node_modules").is_dir()) {
        None => Ok(()),
        Some(major) => Err(format!("no node packages for NestJS {major}; `cargo xtask test` installs them")),
    }
}

impl Node {
    pub fn run(script: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new("node")
            .arg(script)
            .args(arguments)
            .current_dir(scripts())
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        Self { child, lines: BufReader::new(stdout).lines() }
    }

    /// The next report; `None` when the process has ended.
    pub async fn report(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(Duration::from_secs(90), self.lines.next_line()).await;
        let line = line.expect("node reports in time").expect("node's output is text")?;
        Some(serde_json::from_str(&line).expect("node reports JSON"))
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    pub async fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().await.ok()?.code()
    }
}

/// A NestJS server with the contract's handlers, and its address.
pub async fn nest_server(major: &str) -> (Node, String) {
    let mut node = Node::run("server.mjs", &[major]);
    let first = node.report().await.expect("the server says where it listens");
    let address = format!("127.0.0.1:{}", first["port"]);
    (node, address)
}
