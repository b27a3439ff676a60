//! Connections that come and go, politely and otherwise.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::Broken;
use super::faults::COMES_BACK;
use crate::probe::{self, sl_11_calls_of_other_clients_succeed};
use crate::process::{Footprint, Launch, Workspace};
use crate::raw;
use crate::report::Report;
use crate::settings::Settings;

/// Connections at a time.
const AT_A_TIME: u8 = 64;
/// What so many connections may hold, and what an allocator may keep of them.
const GROWTH_MAX: u64 = 64 * 16 * 1024 + 16 * 1024 * 1024;

pub(super) async fn run(settings: Settings) -> Result<Report, Broken> {
    let workspace = Workspace::new("connections")?;
    let count = settings.rounds(20_000, 200_000);
    let mut server = Launch::inside_of(&workspace).start().await?;
    let twin = Launch::default().start().await?;
    let address = server.address();
    let pair = probe::Pair::connect(address, twin.address()).await?;
    let mut report = Report::default();
    let calm = pair.feel(Duration::from_millis(settings.pick(1000, 5000))).await;
    storm(&settings, address, 1000).await?;
    let before = Footprint::settled(&mut server).await?;
    let rss = server.proc().rss();

    let started = Instant::now();
    let storming = {
        let settings = settings.clone();
        tokio::spawn(async move { storm(&settings, address, count).await })
    };
    let mut felt = probe::Felt::default();
    while !storming.is_finished() {
        felt.absorb(pair.feel(Duration::from_millis(100)).await);
    }
    let Tally { refused, answered, asked } = storming.await??;
    let took = started.elapsed();
    let grown = server.proc().rss_peak().saturating_sub(rss);

    report.figure("connections", count);
    report.figure("per_second", format!("{:.0}", f64::from(count) / took.as_secs_f64()));
    report.figure("asked/answered", format!("{asked}/{answered}"));
    report.figure("rss_kib_before/grown", format!("{}/{}", rss / 1024, grown / 1024));
    report.check("sl_7", refused == 0, || format!("{refused} connections below every limit were refused"));
    report.check("sl_8", asked == answered, || format!("of {asked} requests {answered} were answered"));
    report.check("sl_11", grown <= GROWTH_MAX, || format!("memory has grown by {} KiB", grown / 1024));
    sl_11_calls_of_other_clients_succeed(&mut report, "storm", &calm, &felt);
    sd_8_a_storm_leaves_nothing_behind(&mut report, before.comes_back(&mut server, COMES_BACK).await);
    pair.close().await;
    Ok(report)
}

fn sd_8_a_storm_leaves_nothing_behind(report: &mut Report, back: Result<Duration, String>) {
    match back {
        Ok(took) => report.within("sd_8", "all_released_within", took, COMES_BACK),
        Err(left) => report.check("sd_8", false, || left),
    }
}

/// What the peers of a storm have seen.
#[derive(Default)]
pub(super) struct Tally {
    refused: u32,
    asked: u32,
    answered: u32,
}

/// Opens so many connections, some at a time, each with the manners that chance gives it.
pub(super) async fn storm(settings: &Settings, address: SocketAddr, count: u32) -> Result<Tally, Broken> {
    let next = Arc::new(AtomicU32::new(0));
    let mut peers = JoinSet::new();
    for peer in 0..AT_A_TIME {
        let next = Arc::clone(&next);
        let mut rng = settings.rng(&format!("peer {peer}"));
        peers.spawn(async move {
            let mut tally = Tally::default();
            while next.fetch_add(1, Ordering::Relaxed) < count {
                one(&mut rng, peer, address, &mut tally).await;
            }
            tally
        });
    }
    let mut all = Tally::default();
    while let Some(peer) = peers.join_next().await {
        let tally = peer?;
        all.refused += tally.refused;
        all.asked += tally.asked;
        all.answered += tally.answered;
    }
    Ok(all)
}

/// One connection, with the manners that chance gives it.
async fn one(rng: &mut fastrand::Rng, peer: u8, address: SocketAddr, tally: &mut Tally) {
    let Ok(mut stream) = raw::connect_from(peer, address).await else {
        tally.refused += 1;
        return;
    };
    let number = rng.u64(0..1000);
    match rng.u8(0..6) {
        0 => {}
        1 => _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
        2 => _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await,
        3 => _ = stream.write_all(b"1000#{\"pattern\"").await,
        4 => {
            // Asks, and does not wait.
            _ = stream.write_all(raw::request("echo", &number.to_string(), number).as_bytes()).await;
        }
        _ => {
            tally.asked += 1;
            let expected = raw::frame(&format!(r#"{{"response":{number},"isDisposed":true,"id":"{number}"}}"#));
            let mut reply = vec![0; expected.len()];
            let asking = async {
                stream.write_all(raw::request("echo", &number.to_string(), number).as_bytes()).await?;
                stream.read_exact(&mut reply).await
            };
            if matches!(tokio::time::timeout(Duration::from_secs(10), asking).await, Ok(Ok(_))) {
                tally.answered += u32::from(reply == expected.as_bytes());
            }
        }
    }
}
