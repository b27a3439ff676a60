//! What a server costs beside its work: silent connections, its start, and system calls.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::drive::{Load, connect};
use crate::proc::open_files_max;
use crate::rounds::Spread;
use crate::server::{KINDS, Kind, Server};
use crate::settings::Settings;
use crate::table::Figures;
use crate::work::Work;

const IDLE_CONNECTIONS: usize = 10_000;
/// Files that a process has open beside its connections.
const OTHER_FILES: usize = 100;
/// After the last connection is made, until what that needed is let go of.
const SETTLES: Duration = Duration::from_millis(500);
/// Enough for a mean of system calls; a traced server is slow.
const TRACED_REQUESTS: u64 = 3_000;

fn kinds(settings: &Settings) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(|kind| settings.server(kind.name) && kind.lacks().is_none())
}

/// Does it for every server that is asked for.
fn each(settings: &Settings, mut work: impl FnMut(&'static Kind) -> Result<(), String>) -> Result<(), String> {
    kinds(settings).try_for_each(|kind| work(kind).map_err(|why| format!("{}: {why}", kind.name)))
}

fn one_sum(connections: u32, in_flight: u32) -> Load {
    Load { connections, in_flight, work: Work::Sum }
}

/// Resident bytes of the server for each connection that says nothing.
pub(crate) fn idle(settings: &Settings, figures: &mut Figures) -> Result<(), String> {
    let wanted = if settings.quick { 1_000 } else { IDLE_CONNECTIONS };
    let connections = wanted.min(open_files_max().saturating_sub(OTHER_FILES));
    let number = u32::try_from(connections).map_err(|error| error.to_string())?;
    let row = |what| format!("{connections} silent connections, {what}: bytes of the server for each");
    each(settings, |kind| {
        let each = |look: &dyn Fn(&Server) -> Result<u64, String>| {
            let server = kind.start()?;
            kind.exactly(&server, &one_sum(1, 1), 1)?;
            let before = server.proc().rss();
            Ok::<_, String>((look(&server)?.saturating_sub(before) / connections as u64).to_string())
        };
        let silent = each(&|server| {
            let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            let held = runtime.block_on(async {
                let mut held = Vec::with_capacity(connections);
                for _ in 0..connections {
                    held.push(connect(server.address).await?);
                }
                Ok::<_, String>(held)
            })?;
            thread::sleep(SETTLES);
            let after = server.proc().rss();
            // Those that the server did not let in would count for nothing.
            let mut byte = [0];
            if held.iter().any(|stream| matches!(stream.try_read(&mut byte), Ok(0))) {
                return Err("the server has closed silent connections".to_owned());
            }
            Ok(after)
        })?;
        figures.set(&row("never used"), kind.name, silent);
        let used = each(&|server| {
            kind.served_and_silent(server, &one_sum(number, 1), || {
                thread::sleep(SETTLES);
                server.proc().rss()
            })
        })?;
        figures.set(&row("after a sum on each"), kind.name, used);
        Ok(())
    })
}

/// From exec to the first right answer.
pub(crate) fn start(settings: &Settings, figures: &mut Figures) -> Result<(), String> {
    let times = if settings.quick { 3 } else { 15 };
    each(settings, |kind| {
        let (mut took, mut rss) = (Vec::new(), 0);
        for _ in 0..times {
            let server = kind.start()?;
            took.push(kind.first_answer(&server)?.as_secs_f64() * 1e3);
            rss = server.proc().rss() / 1024;
        }
        figures.set(
            "cold start: milliseconds from exec to the first answer",
            kind.name,
            format!("{:.1}", Spread::of(took)),
        );
        figures.set("cold start: resident KiB then", kind.name, rss.to_string());
        Ok(())
    })
}

/// System calls for each request, as strace counts them in a round of its own.
pub(crate) fn syscalls(settings: &Settings, figures: &mut Figures) -> Result<(), String> {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: syscalls: there is no strace here (`apt-get install strace`)");
        return Ok(());
    }
    each(settings, |kind| {
        for in_flight in [1, 16] {
            let server = kind.start()?;
            let load = one_sum(1, in_flight);
            // Threads are made and code is compiled before.
            let warm = Duration::from_millis(200);
            kind.drive(&server, &load, warm, warm)?;
            let each = traced(kind, &server, &load)?;
            let row = format!("sum, {in_flight} in flight: system calls of the server per request");
            figures.set(&row, kind.name, format!("{each:.2}"));
        }
        Ok(())
    })
}

fn traced(kind: &Kind, server: &Server, load: &Load) -> Result<f64, String> {
    let file = std::env::temp_dir().join(format!("nestrs-bench-strace-{}", std::process::id()));
    let pid = server.proc().0.to_string();
    let mut strace = Command::new("strace");
    strace.args(["-c", "-f", "-o"]).arg(&file).args(["-p", &pid]).stdin(Stdio::null()).stderr(Stdio::null());
    let mut strace = strace.spawn().map_err(|error| error.to_string())?;
    let until = Instant::now() + Duration::from_secs(10);
    while !server.proc().is_traced() {
        if Instant::now() > until {
            let _ = strace.kill();
            return Err("strace does not attach".to_owned());
        }
        thread::sleep(Duration::from_millis(10));
    }
    let requests = kind.exactly(server, load, TRACED_REQUESTS);
    // What it writes, it writes when it is interrupted.
    let _ = Command::new("kill").args(["-INT", &strace.id().to_string()]).status();
    let _ = strace.wait();
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let _ = fs::remove_file(&file);
    let total = calls(&text).ok_or("strace does not say how many")?;
    Ok(total as f64 / requests? as f64)
}

/// The calls in all, of the last line of strace's table.
fn calls(text: &str) -> Option<u64> {
    let total = text.lines().find(|line| line.trim_end().ends_with(" total"))?;
    // Between them may be nothing, or the number of errors.
    total.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_strace_is_read() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n \
            60.00    0.000600           1       600         5 read\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.001000           1       900         5 total\n";
        assert_eq!(calls(text), Some(900));
        assert_eq!(calls(""), None);
    }
}
