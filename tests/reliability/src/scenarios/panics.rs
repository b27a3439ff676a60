//! Handlers that panic, all of them, many times.

use std::fs;
use std::time::{Duration, Instant};

use nestrs::{ErrorKind, TransportError};
use tokio::task::JoinSet;

use super::Broken;
use super::faults::COMES_BACK;
use crate::probe;
use crate::process::{Footprint, Launch, Workspace};
use crate::report::Report;
use crate::settings::Settings;

const CALLERS: u64 = 64;
/// What an allocator may take for itself in the meantime.
const FLAT: u64 = 8 * 1024 * 1024;

pub(super) async fn run(settings: Settings) -> Result<Report, Broken> {
    let workspace = Workspace::new("panics")?;
    let calls = u64::from(settings.rounds(100_000, 100_000));
    let mut server = Launch::inside_of(&workspace).start().await?;
    let mut report = Report::default();
    // The first tenth makes everything that is made once.
    let mut wrong = storm(&server, calls / 10).await?;
    let before = Footprint::settled(&mut server).await?;
    let rss = server.proc().rss();
    let lines = lines_about_panics(&workspace)?;
    let started = Instant::now();
    wrong += storm(&server, calls - calls / 10).await?;
    let took = started.elapsed();
    let grown = server.proc().rss().saturating_sub(rss);
    let lines = lines_about_panics(&workspace)? - lines;
    let limit = 10 * (took.as_secs() + 2);

    report.figure("panics", calls);
    report.figure("per_second", format!("{:.0}", (calls - calls / 10) as f64 / took.as_secs_f64()));
    report.figure("rss_kib_before/grown", format!("{}/{}", rss / 1024, grown / 1024));
    report.figure("log_lines/limit", format!("{lines}/{limit}"));
    report.check("rq_5", wrong == 0, || format!("{wrong} panics were not answered with an internal error"));
    rq_5_a_storm_leaves_no_growth(&mut report, grown);
    report.check("rq_5", lines <= limit, || format!("{lines} log lines in {took:.1?}, over {limit}"));
    match before.comes_back(&mut server, COMES_BACK).await {
        Ok(_) => report.check("rq_5", true, String::new),
        Err(left) => report.check("rq_5", false, || left),
    }
    let client = probe::client(server.address(), Duration::from_secs(5));
    let echo: Result<u64, TransportError> = client.send("echo", &7).await;
    report.check("rq_5", matches!(echo, Ok(7)), || format!("a later call came to {echo:?}"));
    client.close().await;
    Ok(report)
}

fn rq_5_a_storm_leaves_no_growth(report: &mut Report, grown: u64) {
    report.check("rq_5", grown <= FLAT, || format!("memory has grown by {} KiB", grown / 1024));
}

/// Gives how many calls came to anything else than they should.
async fn storm(server: &crate::process::Server, calls: u64) -> Result<u64, Broken> {
    let client = probe::client(server.address(), Duration::from_secs(30));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let client = client.clone();
        let own = calls / CALLERS + u64::from(caller < calls % CALLERS);
        callers.spawn(async move {
            let mut wrong = 0;
            for _ in 0..own {
                let outcome: Result<u64, TransportError> = client.send("panic", &()).await;
                let expected = |error: &TransportError| {
                    error.kind() == ErrorKind::Remote && error.message == "Internal server error"
                };
                wrong += u64::from(!outcome.is_err_and(|error| expected(&error)));
            }
            wrong
        });
    }
    let mut wrong = 0;
    while let Some(caller) = callers.join_next().await {
        wrong += caller?;
    }
    client.close().await;
    Ok(wrong)
}

fn lines_about_panics(workspace: &Workspace) -> Result<u64, Broken> {
    let log = fs::read(workspace.file("log"))?;
    Ok(String::from_utf8_lossy(&log).lines().filter(|line| line.contains("panic")).count() as u64)
}
