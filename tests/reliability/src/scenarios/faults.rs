//! A network that cuts, delays, loses and changes bytes.
//!
//! Each round has a seed of its own: a proxy with that seed's weather, a client behind it, and some calls. Rounds run a few
//! at a time against one server; then everything must be as it was.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nestrs::microservices::{ClientProxy, TcpTransportOptions};
use nestrs::{ErrorKind, TransportError};
use tokio::task::JoinSet;

use super::Broken;
use crate::load::{
    Journal, Ledger, Shape, cl_3_what_was_not_sent_was_not_executed, cl_4_nothing_is_executed_twice,
    cl_6_every_call_ends_once_and_in_time, cl_7_no_reply_goes_to_the_wrong_call,
    sd_3_what_was_acknowledged_was_executed,
};
use crate::probe;
use crate::process::{Footprint, Launch, Server, Workspace};
use crate::proxy::{Proxy, Weather};
use crate::raw;
use crate::report::Report;
use crate::settings::{Settings, rng};

/// Rounds at a time.
const BATCH: u64 = 10;
/// What a late timer is forgiven; the contract says 20 ms on an idle machine.
pub(super) const SLACK: Duration = Duration::from_millis(500);
/// Handlers, farewells and discarded input may take a second each.
pub(super) const COMES_BACK: Duration = Duration::from_secs(8);
/// The server's limit on calls, all of which must be free again.
const PERMITS: usize = 256;

pub(super) async fn run(settings: Settings) -> Result<Report, Broken> {
    let workspace = Workspace::new("faults")?;
    let launch = Launch::inside_of(&workspace).with("max-in-flight", PERMITS);
    let mut report = Report::default();
    let mut server = launch.start().await?;
    let mut totals = Totals::default();
    let rounds = u64::from(settings.rounds(60, 3000));
    // The first connection of a process opens what later ones share.
    sd_8_every_permit_is_back(&mut server, &mut report).await?;
    let before = Footprint::settled(&mut server).await?;
    let mut first = settings.seed;
    let end = settings.seed.saturating_add(rounds);
    while first < end {
        let batch = first..end.min(first + BATCH);
        let again = format!("`--only faults --seed {first} --runs {}`", batch.end - first);
        weather_of(batch.clone(), server.address(), &workspace, &mut report, &mut totals).await?;
        let mut own = Report::default();
        let back = before.comes_back(&mut server, COMES_BACK).await;
        totals.slowest_return = totals.slowest_return.max(*back.as_ref().unwrap_or(&COMES_BACK));
        own.check("sd_8", back.is_ok(), || back.unwrap_err());
        sd_8_every_permit_is_back(&mut server, &mut own).await?;
        report.absorb_part(&again, own);
        first = batch.end;
    }
    let ledger = &totals.ledger;
    report.figure("rounds", rounds);
    report.figure("connections", totals.connections);
    report.figure("calls", ledger.calls);
    report.figure("acknowledged", ledger.acknowledged.len());
    report.figure("failed", ledger.kinds());
    report.figure("dropped", ledger.dropped);
    report.figure("raw_calls", totals.raw_calls);
    report.figure("garbled_where_bytes_change", totals.garbled);
    report.figure("overdue_max", format!("{:.1?}", ledger.overdue));
    report.figure("all_released_within", format!("{:.1?}", totals.slowest_return));
    report.figure("p50/p99/max", &ledger.latencies);
    report.check("harness", !ledger.acknowledged.is_empty(), || "no call was answered".to_owned());
    Ok(report)
}

/// What all rounds have come to.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) ledger: Ledger,
    pub(super) connections: u64,
    raw_calls: usize,
    garbled: u64,
    slowest_return: Duration,
    /// How far the journal was read: what a round has executed, it has written after it began.
    journal_read: u64,
}

/// Runs the rounds of these seeds side by side, and judges each.
pub(super) async fn weather_of(
    seeds: std::ops::Range<u64>,
    server: SocketAddr,
    workspace: &Workspace,
    report: &mut Report,
    totals: &mut Totals,
) -> Result<(), Broken> {
    let mut rounds = JoinSet::new();
    for seed in seeds {
        rounds.spawn(round(seed, server));
    }
    let mut finished = Vec::new();
    while let Some(round) = rounds.join_next().await {
        finished.push(round?.map_err(|error| -> Broken { error })?);
    }
    // Handlers of calls that were given up may still be about to write.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let journal = Journal::read_on(&workspace.file("journal"), &mut totals.journal_read)?;
    for round in finished {
        judge(&round, &journal, report);
        totals.connections += round.connections;
        totals.raw_calls += round.raw_calls;
        totals.garbled += round.ledger.garbled + round.ledger.wrong;
        totals.ledger.absorb(round.ledger);
    }
    Ok(())
}

/// What one seed has come to.
struct Round {
    seed: u64,
    weather: Weather,
    ledger: Ledger,
    connections: u64,
    nonces: HashSet<u64>,
    raw_calls: usize,
    /// What else was tried, and what did not hold.
    others: [(&'static str, Result<(), String>); 2],
}

async fn round(seed: u64, server: SocketAddr) -> Result<Round, Broken> {
    let mut rng = rng(seed, "round");
    let weather = Weather::of(seed);
    let proxy = Proxy::start(server, weather).await?;
    let timeout = Duration::from_millis(rng.u64(150..700));
    let options = TcpTransportOptions::to(&proxy.address().to_string())
        .request_timeout(Some(timeout))
        .max_pending([4096, 8][usize::from(rng.u8(0..4) == 0)]);
    let client = probe::client_with(options);
    let mut callers = JoinSet::new();
    let mut nonces = HashSet::new();
    for _ in 0..rng.u8(1..12) {
        let calls: Vec<_> = (0..rng.u8(1..10)).map(|_| (rng.u64(..), shape(&mut rng, timeout))).collect();
        nonces.extend(calls.iter().map(|(nonce, _)| *nonce));
        let client = client.clone();
        callers.spawn(async move {
            let mut ledger = Ledger::default();
            for (nonce, shape) in calls {
                ledger.call(&client, nonce, shape).await;
            }
            ledger
        });
    }
    let mut ledger = Ledger::default();
    while let Some(caller) = callers.join_next().await {
        ledger.absorb(caller?);
    }
    let closed = cl_12_a_closed_client_stays_closed(&client).await;
    let connections = proxy.stop().await;
    let half_closed = fr_14_a_half_closed_peer_gets_its_replies(seed, server).await?;
    let raw_calls = *half_closed.as_ref().unwrap_or(&0);
    let others = [("cl_12", closed), ("fr_14", half_closed.map(drop))];
    Ok(Round { seed, weather, ledger, connections, nonces, raw_calls, others })
}

fn shape(rng: &mut fastrand::Rng, timeout: Duration) -> Shape {
    let longest = timeout.as_millis() as u64;
    Shape {
        millis: match rng.u8(0..10) {
            // Some take longer than anyone waits.
            0 => longest + rng.u64(0..100),
            1..4 => rng.u64(0..60),
            _ => 0,
        },
        pad: match rng.u8(0..10) {
            0 => rng.usize(60_000..200_000),
            1..4 => rng.usize(0..10_000),
            _ => 0,
        },
        timeout,
        dropped_after: (rng.u8(0..20) == 0).then(|| Duration::from_millis(rng.u64(0..30))),
    }
}

fn judge(round: &Round, journal: &Journal, report: &mut Report) {
    let mut own = Report::default();
    cl_6_every_call_ends_once_and_in_time(&mut own, &round.ledger, SLACK);
    cl_3_what_was_not_sent_was_not_executed(&mut own, &round.ledger, journal);
    sd_3_what_was_acknowledged_was_executed(&mut own, &round.ledger, journal);
    // Bytes that are changed on the way may change an id or a nonce: without TLS nobody can tell.
    if !round.weather.corrupts() {
        cl_7_no_reply_goes_to_the_wrong_call(&mut own, &round.ledger);
        cl_4_nothing_is_executed_twice(&mut own, &journal.only(&round.nonces));
    }
    for (id, outcome) in &round.others {
        own.check(id, outcome.is_ok(), || outcome.clone().unwrap_err());
    }
    report.absorb_part(&format!("`--only faults --seed {} --runs 1`", round.seed), own);
}

/// A peer whose bytes come slowly but all, and which says FIN after its last request, gets every reply, each once.
async fn fr_14_a_half_closed_peer_gets_its_replies(
    seed: u64,
    server: SocketAddr,
) -> Result<Result<usize, String>, Broken> {
    let mut rng = rng(seed, "raw");
    let proxy = Proxy::start(server, Weather::slow(seed)).await?;
    let count = rng.u64(1..60);
    let requests: String = (0..count)
        .map(|id| match rng.u8(0..4) {
            0 => {
                let data = format!(r#"{{"nonce":{},"millis":{}}}"#, rng.u64(..), rng.u64(0..40));
                raw::request("work", &data, id)
            }
            1 => raw::request("nobody", "1", id),
            2 => raw::request("length", &format!("\"{}\"", "y".repeat(rng.usize(0..3000))), id),
            _ => raw::request("echo", "7", id),
        })
        .collect();
    let outcome = raw::ask_and_half_close(proxy.address(), &requests, Duration::from_secs(20)).await;
    proxy.stop().await;
    let replies = match outcome {
        Ok(replies) => replies,
        Err(error) => return Ok(Err(format!("{count} requests and a FIN: {error}"))),
    };
    let bodies = match raw::bodies(&replies) {
        Ok(bodies) => bodies,
        Err(torn) => return Ok(Err(format!("a torn reply: {torn}"))),
    };
    let mut ids = HashSet::new();
    for body in &bodies {
        let packet: serde_json::Value = serde_json::from_slice(body)?;
        if let Some(id) = packet["id"].as_str() {
            ids.insert(id.to_owned());
        }
    }
    if bodies.len() as u64 != count || ids.len() as u64 != count {
        return Ok(Err(format!("{count} requests, {} replies to {} ids", bodies.len(), ids.len())));
    }
    Ok(Ok(bodies.len()))
}

/// Closing ends in its time, twice over, and later calls say so at once.
async fn cl_12_a_closed_client_stays_closed(client: &ClientProxy) -> Result<(), String> {
    let limit = Duration::from_secs(3);
    for _ in 0..2 {
        tokio::time::timeout(limit, client.close()).await.map_err(|_| format!("`close` takes over {limit:?}"))?;
    }
    let started = Instant::now();
    let outcome: Result<u64, TransportError> = client.send("echo", &1).await;
    match outcome {
        Err(error) if error.kind() == ErrorKind::Closed && started.elapsed() < SLACK => Ok(()),
        other => Err(format!("a call after `close` came to {other:?} after {:.1?}", started.elapsed())),
    }
}

/// As many calls as there are permits can be under way together.
async fn sd_8_every_permit_is_back(server: &mut Server, report: &mut Report) -> Result<(), Broken> {
    server.forget_gathered().await?;
    let client = probe::client(server.address(), Duration::from_secs(10));
    let mut calls = JoinSet::new();
    for _ in 0..PERMITS {
        let client = client.clone();
        calls.spawn(async move { client.send::<_, usize>("gather", &PERMITS).await });
    }
    let mut missing = 0;
    while let Some(call) = calls.join_next().await {
        missing += usize::from(call?.is_err());
    }
    report.check("sd_8", missing == 0, || format!("{missing} of {PERMITS} calls found no permit"));
    client.close().await;
    Ok(())
}
