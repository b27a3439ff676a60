//! Two instances behind a balancer, restarted in turn under load: what a deployment does on every release.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::Broken;
use super::faults::SLACK;
use crate::balancer::Balancer;
use crate::load::{
    Journal, Ledger, Shape, cl_3_what_was_not_sent_was_not_executed, cl_6_every_call_ends_once_and_in_time,
    cl_7_no_reply_goes_to_the_wrong_call, sd_3_what_was_acknowledged_was_executed,
};
use crate::probe;
use crate::process::{Launch, Workspace, free_port};
use crate::report::Report;
use crate::settings::Settings;

const CLIENTS: usize = 6;
/// Calls at a time on each client.
const CALLERS: usize = 6;
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn run(settings: Settings) -> Result<Report, Broken> {
    let workspace = Workspace::new("rolling")?;
    let restarts = settings.rounds(20, 200);
    let mut rng = settings.rng("rolling");
    let mut launches = Vec::new();
    let mut servers = Vec::new();
    for _ in 0..2 {
        let launch = Launch::inside_of(&workspace).with("bind", format!("127.0.0.1:{}", free_port()?));
        servers.push(Some(launch.start().await?));
        launches.push(launch);
    }
    let instances = servers.iter().flatten().map(crate::process::Server::address).collect();
    let balancer = Balancer::start(instances).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    let mut callers = JoinSet::new();
    for number in 0..CLIENTS {
        let client = probe::client(balancer.address(), TIMEOUT);
        clients.push(client.clone());
        for caller in 0..CALLERS {
            let (client, stop) = (client.clone(), Arc::clone(&stop));
            let mut rng = settings.rng(&format!("caller {number} {caller}"));
            callers.spawn(async move {
                let mut ledger = Ledger::default();
                while !stop.load(Ordering::Relaxed) {
                    let shape = Shape {
                        millis: if rng.u8(0..3) == 0 { rng.u64(0..50) } else { 0 },
                        pad: rng.usize(0..300),
                        timeout: TIMEOUT,
                        dropped_after: None,
                    };
                    if ledger.call(&client, rng.u64(..), shape).await.is_some() {
                        tokio::time::sleep(Duration::from_millis(rng.u64(1..20))).await;
                    }
                    tokio::time::sleep(Duration::from_micros(rng.u64(0..2000))).await;
                }
                ledger
            });
        }
    }

    let mut report = Report::default();
    let mut slowest = Duration::ZERO;
    for number in 0..restarts as usize {
        tokio::time::sleep(Duration::from_millis(rng.u64(100..400))).await;
        let instance = number % 2;
        let Some(server) = servers[instance].take() else { unreachable!("each is started again") };
        let asked = std::time::Instant::now();
        let status = server.terminate().await?;
        slowest = slowest.max(asked.elapsed());
        report.check("sd_4", status.success(), || format!("after SIGTERM an instance ends with {status}"));
        servers[instance] = Some(launches[instance].start().await?);
    }
    stop.store(true, Ordering::Relaxed);
    let mut ledger = Ledger::default();
    while let Some(caller) = callers.join_next().await {
        ledger.absorb(caller?);
    }
    for client in clients {
        client.close().await;
    }
    drop(servers);

    let journal = Journal::read(&workspace.file("journal"))?;
    report.figure("restarts", restarts);
    report.figure("calls", ledger.calls);
    report.figure("acknowledged", ledger.acknowledged.len());
    report.figure("failed", ledger.kinds());
    report.figure("p50/p99/max", &ledger.latencies);
    report.figure("slowest_shutdown", format!("{slowest:.1?}"));
    sd_3_no_caller_sees_a_restart(&mut report, &ledger);
    sd_3_what_was_acknowledged_was_executed(&mut report, &ledger, &journal);
    cl_6_every_call_ends_once_and_in_time(&mut report, &ledger, SLACK);
    cl_3_what_was_not_sent_was_not_executed(&mut report, &ledger, &journal);
    cl_7_no_reply_goes_to_the_wrong_call(&mut report, &ledger);
    Ok(report)
}

fn sd_3_no_caller_sees_a_restart(report: &mut Report, ledger: &Ledger) {
    report.check("sd_3", ledger.failed() == 0, || {
        format!("{} of {} calls failed: {}", ledger.failed(), ledger.calls, ledger.spelled_out())
    });
}
