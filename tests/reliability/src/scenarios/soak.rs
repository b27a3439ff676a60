//! All of it for a long time: steady load, a network with faults, storms of connections. What is used at the end is what
//! was used at the beginning.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Broken;
use super::connections::storm;
use super::faults::{COMES_BACK, SLACK, Totals, weather_of};
use crate::load::{
    Journal, Ledger, Shape, cl_6_every_call_ends_once_and_in_time, cl_7_no_reply_goes_to_the_wrong_call,
    sd_3_what_was_acknowledged_was_executed,
};
use crate::probe;
use crate::process::{Footprint, Launch, Server, Workspace};
use crate::report::Report;
use crate::settings::Settings;

const CALLERS: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(10);
/// Rounds of the faulty network between two looks at the process.
const SEEDS: u64 = 8;
/// Connections that come and go in between.
const STORM: u32 = 500;
/// What an allocator may take for itself after the first fifth.
const FLAT: u64 = 12 * 1024 * 1024;

pub(super) async fn run(settings: Settings) -> Result<Report, Broken> {
    let workspace = Workspace::new("soak")?;
    let how_long = settings.soak();
    let mut server = Launch::inside_of(&workspace).start().await?;
    let warm = probe::client(server.address(), TIMEOUT);
    let _: u64 = warm.send("echo", &1).await?;
    warm.close().await;
    let before = Footprint::settled(&mut server).await?;
    let own_rss = crate::process::Proc::own().rss();

    let mut report = Report::default();
    let stop = Arc::new(AtomicBool::new(false));
    let steady = steady_load(&settings, &server, &stop);
    let started = Instant::now();
    let mut totals = Totals::default();
    let mut samples = Vec::new();
    // Others than those of `faults`, which the same run may have had.
    let mut seed = settings.seed.wrapping_add(1_000_000);
    while started.elapsed() < how_long || samples.len() < 5 {
        weather_of(seed..seed.saturating_add(SEEDS), server.address(), &workspace, &mut report, &mut totals).await?;
        seed = seed.wrapping_add(SEEDS);
        storm(&settings, server.address(), STORM).await?;
        // They are judged; over an hour they would be all that grows.
        totals.ledger.acknowledged.clear();
        totals.ledger.not_sent.clear();
        samples.push(server.proc().rss());
    }
    stop.store(true, Ordering::Relaxed);
    let mut ledger = Ledger::default();
    for caller in steady.join_all().await {
        ledger.absorb(caller);
    }
    // Early samples are those of a process that still grows into its load.
    let early = median(&samples[samples.len() / 5..(samples.len() / 2).max(samples.len() / 5 + 1)]);
    let late = median(&samples[samples.len() * 4 / 5..]);
    report.figure("minutes", format!("{:.1}", started.elapsed().as_secs_f64() / 60.0));
    report.figure("steady_calls", ledger.calls);
    report.figure("steady_failed", ledger.kinds());
    report.figure("steady_p50/p99/max", &ledger.latencies);
    report.figure("faulty_calls", totals.ledger.calls);
    report.figure("faulty_connections", totals.connections);
    report.figure("storm_connections", samples.len() as u64 * u64::from(STORM));
    report.figure("rss_kib_early/late", format!("{}/{}", early / 1024, late / 1024));
    report.figure("harness_rss_kib_grown", crate::process::Proc::own().rss().saturating_sub(own_rss) / 1024);
    report.check("sl_11", late <= early + FLAT, || {
        format!("memory goes from {} KiB to {} KiB", early / 1024, late / 1024)
    });
    report.check("sd_3", ledger.failed() == 0, || format!("on a network without faults {}", ledger.spelled_out()));
    cl_6_every_call_ends_once_and_in_time(&mut report, &ledger, SLACK);
    cl_7_no_reply_goes_to_the_wrong_call(&mut report, &ledger);
    let journal = Journal::read(&workspace.file("journal"))?;
    sd_3_what_was_acknowledged_was_executed(&mut report, &ledger, &journal);
    sd_8_the_process_is_as_it_was(&mut report, before.comes_back(&mut server, COMES_BACK).await);
    Ok(report)
}

fn sd_8_the_process_is_as_it_was(report: &mut Report, back: Result<Duration, String>) {
    match back {
        Ok(took) => report.within("sd_8", "all_released_within", took, COMES_BACK),
        Err(left) => report.check("sd_8", false, || left),
    }
}

/// Clients on a good network, whose calls never fail.
fn steady_load(settings: &Settings, server: &Server, stop: &Arc<AtomicBool>) -> JoinSet<Ledger> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let client = probe::client(server.address(), TIMEOUT);
        let stop = Arc::clone(stop);
        let mut rng = settings.rng(&format!("steady {caller}"));
        callers.spawn(async move {
            let mut ledger = Ledger::default();
            while !stop.load(Ordering::Relaxed) {
                let shape = Shape {
                    millis: if rng.u8(0..10) == 0 { rng.u64(0..50) } else { 0 },
                    pad: rng.usize(0..2000),
                    timeout: TIMEOUT,
                    dropped_after: None,
                };
                ledger.call(&client, rng.u64(..), shape).await;
                tokio::time::sleep(Duration::from_millis(rng.u64(1..10))).await;
            }
            client.close().await;
            ledger
        });
    }
    callers
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
