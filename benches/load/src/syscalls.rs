//! System calls for each request, as strace counts them in a round of its own.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::drive::Load;
use crate::server::{Kind, Server};
use crate::settings::Settings;
use crate::table::Figures;
use crate::work::Work;

/// Enough for a mean of system calls; a traced server is slow.
const TRACED_REQUESTS: u64 = 3_000;
/// Threads are made and code is compiled before.
const WARM_UP: Duration = Duration::from_millis(200);

pub(crate) fn measure(settings: &Settings, figures: &mut Figures) -> Result<(), String> {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: system calls: there is no strace here (`apt-get install strace`)");
        return Ok(());
    }
    for in_flight in [1, 16] {
        for kind in settings.kinds() {
            let each = of_server(kind, in_flight).map_err(|why| format!("{}: {why}", kind.name))?;
            figures.set(&format!("{in_flight} in flight: system calls"), kind.name, format!("{each:.2}"));
        }
    }
    Ok(())
}

fn of_server(kind: &Kind, in_flight: u32) -> Result<f64, String> {
    let server = kind.start()?;
    let load = Load { connections: 1, in_flight, work: Work::Sum };
    kind.drive(&server, &load, WARM_UP, WARM_UP)?;
    traced(kind, &server, &load)
}

/// System calls of a server for each request.
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
