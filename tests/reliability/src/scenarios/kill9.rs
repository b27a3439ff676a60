//! A server killed with -9 under load, and restarted, again and again.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nestrs::microservices::TcpTransportOptions;
use nestrs::{Sent, TransportError};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::Broken;
use super::faults::{COMES_BACK, SLACK};
use crate::latency::Latencies;
use crate::load::{
    Journal, Ledger, Shape, cl_3_what_was_not_sent_was_not_executed, cl_4_nothing_is_executed_twice,
    cl_6_every_call_ends_once_and_in_time, cl_7_no_reply_goes_to_the_wrong_call,
    sd_3_what_was_acknowledged_was_executed,
};
use crate::probe;
use crate::process::{Footprint, Launch, Server, Workspace, free_port};
use crate::report::Report;
use crate::server::{Receipt, Work};
use crate::settings::Settings;

const CLIENTS: usize = 8;
/// Calls at a time on each client.
const CALLERS: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(3);
/// The contract's second, after which a client of a server that listens has had a reply.
const BACK_AFTER: Duration = Duration::from_secs(1);
/// The contract says 100 ms on an idle machine.
const FAILED_AFTER: Duration = Duration::from_millis(500);

pub(super) async fn run(settings: Settings) -> Result<Report, Broken> {
    let workspace = Workspace::new("kill9")?;
    let port = free_port()?;
    let launch = Launch::inside_of(&workspace).with("bind", format!("127.0.0.1:{port}"));
    let kills = settings.rounds(20, 500);
    let mut rng = settings.rng("kill9");
    let mut server = launch.start().await?;
    let address = server.address();

    let stop = Arc::new(AtomicBool::new(false));
    let killed = watch::Sender::new(None::<Instant>);
    // When each client had its replies: all of them, so that the first after a restart is found however late it is looked
    // for.
    let mut replied = Vec::new();
    let mut clients = Vec::new();
    let mut callers = JoinSet::new();
    for number in 0..CLIENTS {
        let client = probe::client(address, TIMEOUT);
        clients.push(client.clone());
        let (replies, instants) = mpsc::unbounded_channel();
        replied.push(instants);
        for caller in 0..CALLERS {
            let (client, replies, stop) = (client.clone(), replies.clone(), Arc::clone(&stop));
            let killed = killed.subscribe();
            let mut rng = settings.rng(&format!("caller {number} {caller}"));
            callers.spawn(async move {
                let mut ledger = Ledger::default();
                let mut slowest = Duration::ZERO;
                while !stop.load(Ordering::Relaxed) {
                    let shape = Shape {
                        millis: if rng.u8(0..4) == 0 { rng.u64(0..20) } else { 0 },
                        pad: rng.usize(0..300),
                        timeout: TIMEOUT,
                        dropped_after: None,
                    };
                    let began = Instant::now();
                    let answered = ledger.acknowledged.len();
                    let error = ledger.call(&client, rng.u64(..), shape).await;
                    if ledger.acknowledged.len() > answered {
                        let _ = replies.send(Instant::now());
                    }
                    let Some(error) = error else { continue };
                    // Of a call that was under way when the server died, however it ended.
                    let died = killed.borrow().filter(|died| *died >= began && error.sent() == Some(Sent::Maybe));
                    slowest = slowest.max(died.map_or(Duration::ZERO, |died| died.elapsed()));
                    tokio::time::sleep(Duration::from_millis(rng.u64(1..20))).await;
                }
                (ledger, slowest)
            });
        }
    }

    let mut report = Report::default();
    let mut back = Latencies::default();
    let mut late = 0;
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(rng.u64(60..250))).await;
        killed.send_replace(Some(Instant::now()));
        server.kill().await?;
        tokio::time::sleep(Duration::from_millis(rng.u64(0..200))).await;
        server = launch.start().await?;
        let listening = server.listening;
        for instants in &mut replied {
            match tokio::time::timeout(BACK_AFTER * 10, first_since(listening, instants)).await {
                Ok(Some(reply)) => back.add(reply.duration_since(listening)),
                Ok(None) | Err(_) => late += 1,
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut ledger = Ledger::default();
    let mut slowest = Duration::ZERO;
    while let Some(caller) = callers.join_next().await {
        let (calls, failed_after) = caller?;
        ledger.absorb(calls);
        slowest = slowest.max(failed_after);
    }
    for client in clients {
        client.close().await;
    }
    sd_9_a_killed_client_leaves_nothing(&settings, &mut server, &mut report).await?;
    server.kill().await?;

    let journal = Journal::read(&workspace.file("journal"))?;
    report.figure("kills", kills);
    report.figure("calls", ledger.calls);
    report.figure("acknowledged", ledger.acknowledged.len());
    report.figure("failed", ledger.kinds());
    report.figure("executed", journal.len());
    report.figure("first_reply_p50/p99/max", &back);
    sd_9_what_was_acknowledged_survives(&mut report, &ledger, &journal);
    sd_9_clients_are_back(&mut report, &back, late);
    cl_2_calls_under_way_fail_at_once(&mut report, slowest);
    cl_6_every_call_ends_once_and_in_time(&mut report, &ledger, SLACK);
    cl_3_what_was_not_sent_was_not_executed(&mut report, &ledger, &journal);
    cl_7_no_reply_goes_to_the_wrong_call(&mut report, &ledger);
    cl_4_nothing_is_executed_twice(&mut report, &journal);
    Ok(report)
}

/// When a client had its first reply from the server that listens since then; earlier ones are those of its predecessor.
async fn first_since(listening: Instant, instants: &mut mpsc::UnboundedReceiver<Instant>) -> Option<Instant> {
    loop {
        let reply = instants.recv().await?;
        if reply >= listening {
            return Some(reply);
        }
    }
}

fn sd_9_what_was_acknowledged_survives(report: &mut Report, ledger: &Ledger, journal: &Journal) {
    sd_3_what_was_acknowledged_was_executed(report, ledger, journal);
    report.check("sd_9", !ledger.acknowledged.is_empty(), || "no call was answered at all".to_owned());
}

fn sd_9_clients_are_back(report: &mut Report, back: &Latencies, late: u32) {
    report.check("sd_9", late == 0, || format!("{late} times a client had no reply within {:?}", BACK_AFTER * 10));
    let p99 = back.p99();
    report.check("sd_9", p99 < BACK_AFTER, || format!("first reply after `listen`: p99 is {p99:.1?}"));
}

fn cl_2_calls_under_way_fail_at_once(report: &mut Report, slowest: Duration) {
    report.within("cl_2", "pending_failed_after", slowest, FAILED_AFTER);
}

/// Clients in a process of their own, killed in the middle of it.
async fn sd_9_a_killed_client_leaves_nothing(
    settings: &Settings,
    server: &mut Server,
    report: &mut Report,
) -> Result<(), Broken> {
    let mut rng = settings.rng("killed clients");
    let before = Footprint::settled(server).await?;
    let kills = settings.pick(5, 50);
    for _ in 0..kills {
        let mut client = Command::new(std::env::current_exe()?)
            .args(["callers", &server.address().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let Some(stdout) = client.stdout.take() else { unreachable!("it was asked for") };
        let mut lines = BufReader::new(stdout).lines();
        tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await??;
        tokio::time::sleep(Duration::from_millis(rng.u64(0..100))).await;
        client.kill().await?;
    }
    report.figure("killed_clients", kills);
    let back = before.comes_back(server, COMES_BACK).await;
    report.check("sd_9", back.is_ok(), || format!("killed clients: {}", back.unwrap_err()));
    Ok(())
}

/// The clients: calls of every kind, until the end. Runs as `callers ADDRESS`.
///
/// # Errors
/// When they cannot connect.
#[expect(clippy::print_stdout, reason = "this is how the harness hears of it")]
pub async fn callers(address: &str) -> Result<(), TransportError> {
    let client = probe::client_with(TcpTransportOptions::to(address));
    client.connect().await?;
    println!("connected");
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let client = client.clone();
        // Unlike those of any other process.
        let mut nonce = u64::from(std::process::id()) << 32 | (caller as u64) << 24;
        callers.spawn(async move {
            loop {
                nonce += 1;
                // Some are under way when the end comes, and some replies are longer than a socket holds.
                match caller % 3 {
                    0 => _ = client.send::<_, String>("large", &4_000_000).await,
                    1 => _ = client.send::<_, Receipt>("work", &Work { nonce, millis: 50, pad: String::new() }).await,
                    _ => _ = client.send::<_, u64>("echo", &7).await,
                }
            }
        });
    }
    callers.join_next().await;
    Ok(())
}
