//! Where and when figures were measured.

use std::fs;
use std::process::Command;

use crate::PAGE;

/// `` `cargo xtask bench --record` on 2026-11-21, commit 1a2b3c4, 2 cores of AMD EPYC, 8 GiB, Linux 6.18, rustc 1.95.0 ``
pub(crate) fn shape(args: &[String]) -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default());
    let args: String = args.iter().map(|arg| format!(" {arg}")).collect();
    format!(
        "`cargo xtask bench{args}` on {}, commit {}, {cores} cores of {model}, {}, Linux {}, {}",
        said("date", &["-u", "+%Y-%m-%d"]),
        commit(),
        memory.map_or_else(|| "unknown memory".to_owned(), |gib| format!("{gib} GiB")),
        said("uname", &["-r"]).split('-').next().unwrap_or_default(),
        said("rustc", &["--version"]).split(" (").next().unwrap_or_default(),
    )
}

fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    // What is recorded changes the page, and nothing that is measured.
    let page = format!(":!{PAGE}");
    let clean = said("git", &["status", "--porcelain", "--untracked-files=no", "--", ".", &page]).is_empty();
    if clean { commit } else { format!("{commit} and changes") }
}

/// What `/proc/meminfo` says, in whole GiB: the kernel keeps a little for itself.
fn memory(text: &str) -> Option<u64> {
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(kib.div_ceil(1 << 20))
}

/// The first line that a command prints; nothing if it does not run.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_whole_gib() {
        assert_eq!(memory("MemFree: 1 kB\nMemTotal:        8119512 kB\n"), Some(8));
        assert_eq!(memory("MemTotal: much kB\n"), None);
    }

    #[test]
    fn the_shape_says_the_command_and_all_that_a_reader_needs() {
        let shape = shape(&["--record".to_owned()]);
        assert!(shape.starts_with("`cargo xtask bench --record` on 20"), "{shape}");
        for part in ["commit ", " cores of ", " GiB, ", "Linux ", "rustc 1."] {
            assert!(shape.contains(part), "{part}: {shape}");
        }
    }
}
