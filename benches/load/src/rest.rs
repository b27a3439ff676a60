//! What a server costs beside its work: silent connections, its start, and system calls.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::drive::{Load, Manner, connect, drive, exactly};
use crate::proc::open_files_max;
use crate::rounds::Spread;
use crate::server::{KINDS, Kind, Server};
use crate::settings::Settings;
use crate::table::Table;
use crate::work::Work;

const IDLE_CONNECTIONS: usize = 10_000;
/// Files that a process has open beside its connections.
const OTHER_FILES: usize = 100;
/// After the last connection is made, until what that needed is let go of.
const SETTLES: Duration = Duration::from_millis(500);
/// Enough for a mean of system calls; a traced server is slow.
const TRACED_REQUESTS: u64 = 3_000;

fn rows(
    settings: &Settings,
    title: &str,
    columns: &[&str],
    row: impl Fn(&Kind) -> Result<Vec<String>, String>,
) -> Result<Vec<Table>, String> {
    let able = KINDS.iter().filter(|kind| settings.server(kind.name) && kind.lacks().is_none() && !kind.is_peer());
    let rows = able.map(|kind| {
        let cells = row(kind).map_err(|why| format!("{}: {why}", kind.name))?;
        eprintln!("{title}: {:10} {}", kind.name, cells.join(", "));
        Ok([kind.title.to_owned()].into_iter().chain(cells).collect())
    });
    let columns = [""].iter().chain(columns).map(|&name| name.to_owned()).collect();
    Ok(vec![Table { title: title.to_owned(), columns, rows: rows.collect::<Result<_, String>>()? }])
}

fn one(server: &Server, manner: Manner) -> Result<u64, String> {
    exactly(server.address, manner, &Load { connections: 1, in_flight: 1, work: Work::Sum }, 1)
}

/// Resident bytes of the server for each connection that has served a request and says nothing more.
pub(crate) fn idle(settings: &Settings) -> Result<Vec<Table>, String> {
    let wanted = if settings.quick { 1_000 } else { IDLE_CONNECTIONS };
    let connections = wanted.min(open_files_max().saturating_sub(OTHER_FILES));
    let title = format!("Resident memory of the server for each of {connections} silent connections, in bytes");
    rows(settings, &title, &["never used", "after a sum on each"], |kind| {
        let silent = {
            let server = kind.start()?;
            one(&server, kind.manner)?;
            let before = server.proc().rss();
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
            after.saturating_sub(before) / connections as u64
        };
        let used = {
            let server = kind.start()?;
            one(&server, kind.manner)?;
            let before = server.proc().rss();
            let number = u32::try_from(connections).map_err(|error| error.to_string())?;
            let load = Load { connections: number, in_flight: 1, work: Work::Sum };
            let held = crate::drive::served_and_silent(server.address, kind.manner, &load, || {
                thread::sleep(SETTLES);
                server.proc().rss()
            })?;
            held.saturating_sub(before) / connections as u64
        };
        Ok(vec![silent.to_string(), used.to_string()])
    })
}

/// From exec to the first right answer.
pub(crate) fn start(settings: &Settings) -> Result<Vec<Table>, String> {
    let times = if settings.quick { 3 } else { 15 };
    let columns = ["milliseconds", "resident KiB then", "binary KiB as built"];
    rows(settings, "Cold start: from exec to the first answer, median (least-most)", &columns, |kind| {
        let (mut took, mut rss) = (Vec::new(), 0);
        for _ in 0..times {
            let server = kind.start()?;
            let begun = server.started;
            one(&server, kind.manner)?;
            took.push(begun.elapsed().as_secs_f64() * 1e3);
            rss = server.proc().rss() / 1024;
        }
        let binary = kind.binary().and_then(|file| fs::metadata(file).ok()).map(|file| file.len() / 1024);
        let binary = binary.map_or_else(|| "-".to_owned(), |len| len.to_string());
        Ok(vec![format!("{:.1}", Spread::of(took)), rss.to_string(), binary])
    })
}

/// System calls for each request, as strace counts them in a round of its own.
pub(crate) fn syscalls(settings: &Settings) -> Result<Vec<Table>, String> {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: syscalls: there is no strace here (`apt-get install strace`)");
        return Ok(Vec::new());
    }
    rows(settings, "System calls of the server for each request (strace)", &["sum x1", "sum x16", "sum 64x1"], |kind| {
        let loads = [(1, 1), (1, 16), (64, 1)];
        let each = loads.map(|(connections, in_flight)| {
            let server = kind.start()?;
            let load = Load { connections, in_flight, work: Work::Sum };
            // Threads are made and code is compiled before.
            let warm = Duration::from_millis(200);
            drive(server.address, server.proc(), kind.manner, &load, warm, warm)?;
            traced(&server, kind.manner, &load).map(|each| format!("{each:.2}"))
        });
        each.into_iter().collect()
    })
}

fn traced(server: &Server, manner: Manner, load: &Load) -> Result<f64, String> {
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
    let requests = exactly(server.address, manner, load, TRACED_REQUESTS);
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
