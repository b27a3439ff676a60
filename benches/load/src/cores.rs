//! Who runs where: while the time of servers is taken they have one half of the cores, and the load program the other.
//!
//! Otherwise the two would push each other aside, a server that needs little time most of all, and what is measured would be
//! caches that have to be filled again.

use std::ffi::OsString;
use std::fs;
use std::process::{Command, Stdio};

/// The two halves, as `taskset` takes them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Halves {
    server: String,
    load: String,
}

/// Dropping it gives the load program all cores again. By default nobody is put anywhere.
#[derive(Debug, Default)]
pub(crate) struct Apart {
    halves: Option<Halves>,
    all: String,
}

/// Puts the load program on its half, with all that it starts from now on.
pub(crate) fn apart() -> Apart {
    let all = allowed();
    let halves = halves(&cores(&all)).filter(|halves| move_to(&halves.load));
    if halves.is_none() {
        eprintln!("servers and the load program share cores: there is but one, or no `taskset`");
    }
    Apart { halves, all }
}

impl Apart {
    /// What stands before the words of a server, so that it runs on its half.
    pub(crate) fn words(&self) -> Option<Vec<OsString>> {
        let halves = self.halves.as_ref()?;
        Some(["taskset", "-c", &halves.server].map(Into::into).to_vec())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if self.halves.is_some() {
            move_to(&self.all);
        }
    }
}

fn move_to(cores: &str) -> bool {
    let mut taskset = Command::new("taskset");
    taskset.args(["-a", "-p", "-c", cores, &std::process::id().to_string()]).stdout(Stdio::null());
    taskset.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Where this process may run, as in `0-3,5`.
fn allowed() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.unwrap_or_default().trim().to_owned()
}

fn cores(list: &str) -> Vec<u32> {
    let ranges = list.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.trim().parse::<u32>().ok()?..=last.trim().parse().ok()?)
    });
    ranges.flatten().collect()
}

fn halves(cores: &[u32]) -> Option<Halves> {
    let (server, load) = cores.split_at(cores.len() / 2);
    let list = |cores: &[u32]| cores.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    (!server.is_empty()).then(|| Halves { server: list(server), load: list(load) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cores_are_halved() {
        let halved = |list| halves(&cores(list)).map(|halves| (halves.server, halves.load));
        assert_eq!(halved("0-1"), Some(("0".to_owned(), "1".to_owned())));
        assert_eq!(halved("1-3,7"), Some(("1,2".to_owned(), "3,7".to_owned())));
        assert_eq!(halved("0"), None);
        assert_eq!(halved(""), None);
    }
}
