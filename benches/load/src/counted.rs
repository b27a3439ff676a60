//! What does not depend on how busy the machine is: instructions and allocations of a program, as valgrind counts them.
//!
//! A program runs twice, and is asked for more the second time: the difference is what the requests need, and what its
//! start needs is in both. Since it is slow under valgrind, all requests that may be under way lie ready when it reads.

use std::fs;
use std::io::ErrorKind;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::drive::Load;
use crate::server::{Kind, Program, Server};
use crate::settings::Settings;
use crate::table::{Figures, Table};
use crate::work::Work;
use crate::{client, musts, syscalls};

/// In the shorter run, and how many times as many in the longer.
const REQUESTS: u64 = 1_000;
const TIMES: u64 = 3;

/// What is counted, and by which of valgrind's tools.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Instructions,
    Allocations,
}

pub(crate) const COUNTS: [Count; 2] = [Count::Instructions, Count::Allocations];

/// Whether valgrind is here; it is said if not.
pub(crate) fn able() -> bool {
    let able = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    if !able {
        eprintln!("skipped: there is no valgrind here (`apt-get install valgrind`)");
    }
    able
}

pub(crate) fn measure(settings: &Settings) -> Result<Vec<Table>, String> {
    let mut servers = Figures::new("What one sum takes of the server", musts::COUNTS);
    let mut clients = Figures::new("What one sum takes of the client", musts::CLIENT_COUNTS);
    if able() {
        of_servers(settings, &mut servers)?;
        client::counted(settings, &mut clients)?;
    }
    syscalls::measure(settings, &mut servers)?;
    Ok([servers.table(), clients.table()].into_iter().flatten().collect())
}

/// Of every server but NestJS: what Node does under valgrind is not what it does elsewhere, since it compiles all the while.
fn of_servers(settings: &Settings, figures: &mut Figures) -> Result<(), String> {
    let kinds: Vec<_> = settings.kinds().filter(|kind| !matches!(kind.program, Program::Node(_))).collect();
    let jobs: Vec<_> = COUNTS.iter().flat_map(|count| kinds.iter().map(|kind| (*count, *kind))).collect();
    let load = Load { connections: 1, in_flight: 16, work: Work::Sum };
    let each = side_by_side(&jobs, |(count, kind)| of_server(kind, *count, &load))?;
    for ((count, kind), each) in jobs.iter().zip(each) {
        figures.set(&format!("16 in flight: {}", count.name()), kind.name, count.shown(each));
    }
    Ok(())
}

impl Count {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Allocations => "allocations",
        }
    }

    pub(crate) fn shown(self, each: f64) -> String {
        match self {
            Self::Instructions => format!("{each:.0}"),
            Self::Allocations => format!("{each:.1}"),
        }
    }
}

/// Does as many jobs at a time as there are cores: what is counted does not depend on who else runs.
pub(crate) fn side_by_side<J: Sync, T: Send>(
    jobs: &[J],
    work: impl Fn(&J) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let next = AtomicUsize::new(0);
    let done: Vec<_> = jobs.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((job, done)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(at).zip(done.get(at))
                } {
                    *done.lock().expect("nobody panics with it") = Some(work(job));
                }
            });
        }
    });
    let done = done.into_iter().map(|it| it.into_inner().ok().flatten().unwrap_or_else(|| Err("not done".to_owned())));
    done.collect()
}

/// What one request needs of a server.
pub(crate) fn of_server(kind: &Kind, count: Count, load: &Load) -> Result<f64, String> {
    let each = each(count, |valgrind, requests| {
        let server = kind.start_under(valgrind)?;
        let answered = kind.exactly(&server, load, requests)?;
        Server::end(server)?;
        Ok(answered)
    });
    each.map_err(|why| format!("{}, counted: {why}", kind.name))
}

/// What one more request needs. `run` starts what stands behind the words of valgrind, lets it have so many requests, waits
/// for its end, and says how many there were.
pub(crate) fn each(count: Count, run: impl Fn(Command, u64) -> Result<u64, String>) -> Result<f64, String> {
    let few = total(count, &run, REQUESTS)?;
    let many = total(count, &run, REQUESTS * TIMES)?;
    let (counted, requests) = (many.0.saturating_sub(few.0), many.1.saturating_sub(few.1).max(1));
    Ok(counted as f64 / requests as f64)
}

/// What is counted in a whole run, and how many requests there were in it.
fn total(count: Count, run: impl Fn(Command, u64) -> Result<u64, String>, requests: u64) -> Result<(u64, u64), String> {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("nestrs-bench-valgrind-{}-{number}", std::process::id()));
    let (tool, out) = match count {
        Count::Instructions => ("--tool=callgrind", "--callgrind-out-file="),
        Count::Allocations => ("--tool=memcheck", "--log-file="),
    };
    let mut valgrind = Command::new("valgrind");
    valgrind.args([tool, &format!("{out}{}", file.display())]);
    // Nothing else is asked of either tool, and nothing is printed; threads take turns that are fair.
    match count {
        Count::Instructions => valgrind.args(["-q", "--fair-sched=try"]),
        Count::Allocations => valgrind.args(["--leak-check=no", "--undef-value-errors=no", "--fair-sched=try"]),
    };
    let answered = run(valgrind, requests);
    let text = fs::read_to_string(&file);
    match fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(format!("{}: {error}", file.display())),
        _ => {}
    }
    let (answered, text) = (answered?, text.map_err(|error| format!("{}: {error}", file.display()))?);
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
