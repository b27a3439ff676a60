//! What does not depend on how busy the machine is: instructions and allocations of a server, as valgrind counts them.
//!
//! A server runs twice, and is asked for more the second time: the difference is what the requests need, and what its
//! start needs is in both. Since it is slow under valgrind, all requests that may be under way lie ready when it reads.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::drive::Load;
use crate::server::{KINDS, Kind, Program, Server};
use crate::settings::Settings;
use crate::table::Table;
use crate::work::Work;

/// In the shorter run, and how many times as many in the longer.
const REQUESTS: u64 = 1_000;
const TIMES: u64 = 3;

/// What is counted, and by which of valgrind's tools.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Instructions,
    Allocations,
}

/// Whether valgrind is here; it is said once if not.
pub(crate) fn able() -> bool {
    let able = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    if !able {
        eprintln!("skipped: there is no valgrind here (`apt-get install valgrind`)");
    }
    able
}

/// A row for each server.
pub(crate) fn measure(settings: &Settings) -> Result<Vec<Table>, String> {
    if !able() {
        return Ok(Vec::new());
    }
    let loads = [
        ("instructions, sum x1", Count::Instructions, 1),
        ("instructions, sum x16", Count::Instructions, 16),
        ("allocations, sum x16", Count::Allocations, 16),
    ];
    let mut rows = Vec::new();
    // What Node does under valgrind is not what it does elsewhere: it compiles all the while.
    let able = |kind: &&Kind| !matches!(kind.program, Program::Node(_)) && kind.lacks().is_none();
    for kind in KINDS.iter().filter(|kind| settings.server(kind.name)).filter(able) {
        let mut row = vec![kind.title.to_owned()];
        for (_, count, in_flight) in loads {
            let each = each(kind, count, &Load { connections: 1, in_flight, work: Work::Sum })?;
            row.push(count.shown(each));
        }
        eprintln!("counted: {}", row.join("  "));
        rows.push(row);
    }
    let columns = [""].into_iter().chain(loads.map(|(name, ..)| name)).map(str::to_owned).collect();
    let title = "Instructions and allocations of the whole server for one request (valgrind)".to_owned();
    Ok(vec![Table { title, columns, rows }])
}

impl Count {
    pub(crate) fn shown(self, each: f64) -> String {
        match self {
            Self::Instructions => format!("{each:.0}"),
            Self::Allocations => format!("{each:.1}"),
        }
    }
}

/// What one request needs.
pub(crate) fn each(kind: &Kind, count: Count, load: &Load) -> Result<f64, String> {
    let few = total(kind, count, load, REQUESTS)?;
    let many = total(kind, count, load, REQUESTS * TIMES)?;
    let (counted, requests) = (many.0.saturating_sub(few.0), many.1.saturating_sub(few.1).max(1));
    Ok(counted as f64 / requests as f64)
}

/// What it counts in a whole run, and how many requests were answered in it.
fn total(kind: &Kind, count: Count, load: &Load, requests: u64) -> Result<(u64, u64), String> {
    let file = std::env::temp_dir().join(format!("nestrs-bench-valgrind-{}", std::process::id()));
    let counted = run(kind, count, load, requests, &file);
    match fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("{}: {error}", file.display())),
        _ => counted.map_err(|why| format!("{}, counted: {why}", kind.name)),
    }
}

fn run(kind: &Kind, count: Count, load: &Load, requests: u64, file: &Path) -> Result<(u64, u64), String> {
    let (tool, out) = match count {
        Count::Instructions => ("--tool=callgrind", "--callgrind-out-file="),
        Count::Allocations => ("--tool=memcheck", "--log-file="),
    };
    let mut command = Command::new("valgrind");
    command.args([tool, &format!("{out}{}", file.display())]);
    // Nothing else is asked of either tool, and nothing is printed; threads take turns that are fair.
    match count {
        Count::Instructions => command.args(["-q", "--fair-sched=try"]),
        Count::Allocations => command.args(["--leak-check=no", "--undef-value-errors=no", "--fair-sched=try"]),
    };
    let server = kind.start_under(command)?;
    let answered = kind.exactly(&server, load, requests)?;
    Server::end(server)?;
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let counted = match count {
        Count::Instructions => instructions(&text),
        Count::Allocations => allocations(&text),
    };
    Ok((counted.ok_or("valgrind does not say how many")?, answered))
}

/// `totals: 123456`, once for each part of a profile.
fn instructions(text: &str) -> Option<u64> {
    let parts = text.lines().filter_map(|line| line.strip_prefix("totals: "));
    parts.map(|count| count.trim().parse::<u64>().ok()).sum::<Option<u64>>().filter(|total| *total > 0)
}

/// `==1==   total heap usage: 1,234 allocs, 1,230 frees, 56,789 bytes allocated`
fn allocations(text: &str) -> Option<u64> {
    let (_, usage) = text.split_once("total heap usage: ")?;
    usage.split_once(" allocs")?.0.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_valgrind_writes_is_read() {
        assert_eq!(instructions("version: 1\nsummary: 15\ntotals: 15\n"), Some(15));
        assert_eq!(instructions("version: 1\n"), None);
        let log = "==9==     in use at exit: 1 bytes in 1 blocks\n\
            ==9==   total heap usage: 1,234 allocs, 1,233 frees, 5,678 bytes allocated\n";
        assert_eq!(allocations(log), Some(1234));
        assert_eq!(allocations(""), None);
    }
}
