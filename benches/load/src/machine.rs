//! Where and when figures were measured.

use std::fs;
use std::process::Command;

/// `` `cargo xtask bench` on 2026-11-21, commit 1a2b3c4, 2 cores of AMD EPYC, Linux 6.18 ``
pub(crate) fn shape(args: &[String]) -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let args: String = args.iter().map(|arg| format!(" {arg}")).collect();
    format!(
        "`cargo xtask bench{args}` on {}, commit {}, {cores} cores of {model}, Linux {}, {}.",
        said("date", &["-u", "+%Y-%m-%d"]),
        commit(),
        said("uname", &["-r"]).split('-').next().unwrap_or_default(),
        said("rustc", &["--version"]).split(" (").next().unwrap_or_default(),
    )
}

fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let clean = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    if clean { commit } else { format!("{commit} and changes") }
}

/// The first line that a command prints; nothing if it does not run.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or_default().to_owned()
}
