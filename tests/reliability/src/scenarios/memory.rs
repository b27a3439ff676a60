//! Peers that cost memory: that send only headers, that never read, that send byte by byte.
//!
//! Each story has a server of its own, whose memory is read from outside, and another client, whose times are compared
//! with those of a twin that nothing happens to.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::Broken;
use crate::probe::{Pair, sl_11_other_clients_feel_little_of_it};
use crate::process::{Launch, Server, eventually};
use crate::raw;
use crate::report::Report;
use crate::settings::Settings;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// What the contract grants a connection.
const PER_CONNECTION: u64 = 16 * KIB;
/// What handlers hold, two at a time, and what an allocator rounds up.
const HANDLERS: u64 = 16 * MIB;
/// Files that a process needs for other things.
const OTHER_FILES: usize = 200;

pub(super) async fn run(settings: Settings) -> Result<Report, Broken> {
    let mut report = Report::default();
    for part in [
        sl_11_memory_stays_bounded_under_headers_alone(&settings).await,
        sl_11_memory_stays_bounded_when_nobody_reads(&settings).await,
        fr_11_one_byte_at_a_time_costs_little(&settings).await,
    ] {
        match part {
            Ok(part) => report.absorb(part),
            Err(error) => report.broken(error),
        }
    }
    Ok(report)
}

/// A server, its twin, and what other clients feel of both.
struct Scene {
    server: Server,
    twin: Server,
    pair: Pair,
    budgets: u64,
    base: u64,
}

impl Scene {
    /// Small budgets in the quick profile, so that their bound is one; in release, the defaults.
    async fn set(settings: &Settings, connections: usize) -> Result<Self, Broken> {
        let (recv, send) = settings.pick((32 * MIB, 64 * MIB), (256 * MIB, 512 * MIB));
        let launch = Launch::default()
            .with("recv-budget", recv)
            .with("send-budget", send)
            .with("max-connections", connections + 100);
        let (server, twin) = (launch.start().await?, launch.start().await?);
        let pair = Pair::connect(server.address(), twin.address()).await?;
        // What is made once is made by now.
        pair.feel(Duration::from_millis(100)).await;
        let base = server.proc().rss();
        Ok(Self { server, twin, pair, budgets: recv + send, base })
    }

    fn peak_over_base(&self) -> u64 {
        self.server.proc().rss_peak().saturating_sub(self.base)
    }

    /// Waits until the server has little to do; gives how long that took.
    async fn settles(&self, limit: Duration) -> Duration {
        const LOOK: Duration = Duration::from_millis(200);
        let mut used = self.server.proc().cpu();
        let settled = eventually(limit, async || {
            tokio::time::sleep(LOOK).await;
            let now = self.server.proc().cpu();
            now.saturating_sub(std::mem::replace(&mut used, now)) <= LOOK / 10
        });
        settled.await.unwrap_or_else(|waited| waited)
    }

    async fn end(self) -> Result<(), Broken> {
        self.pair.close().await;
        self.server.kill().await?;
        Ok(self.twin.kill().await?)
    }
}

/// Connections that declare many MiB each and send nothing of it.
async fn sl_11_memory_stays_bounded_under_headers_alone(settings: &Settings) -> Result<Report, Broken> {
    let mut report = Report::default();
    // The contract's figure, or as many as this process may open.
    let count = 10_000.min(files_allowed().saturating_sub(OTHER_FILES));
    if count < 10_000 {
        report.figure("headers_limited_by_open_files", count);
    }
    let scene = Scene::set(settings, count).await?;
    let how_long = Duration::from_millis(settings.pick(2000, 10_000));
    let calm = scene.pair.feel(how_long).await;
    let before = scene.server.proc().fds();
    // More than the whole budget would be refused at once.
    let declared = settings.pick(16 * MIB, 64 * MIB);
    let peers = connect_all(scene.server.address(), count, async |stream: &mut tokio::net::TcpStream| {
        stream.write_all(format!("{declared}#").as_bytes()).await
    })
    .await?;
    let accepted = eventually(Duration::from_secs(10), async || scene.server.proc().fds() >= before + count).await;
    let fds = scene.server.proc().fds();
    report.check("harness", accepted.is_ok(), || format!("of {count} connections {} are open", fds - before));
    let used = scene.server.proc().cpu();
    let felt = scene.pair.feel(how_long).await;
    let used = scene.server.proc().cpu().saturating_sub(used);
    let grown = scene.peak_over_base();
    report.figure("headers", count);
    report.figure("headers_cpu_while_held", format!("{used:.1?}/{how_long:?}"));
    report.figure("headers_bytes_per_connection", grown / count as u64);
    bounded(&mut report, "headers", grown, count as u64 * PER_CONNECTION + scene.budgets + HANDLERS);
    // A declared length by itself allocates nothing, so the budgets are not even touched.
    let untouched = count as u64 * PER_CONNECTION + HANDLERS;
    report.check("fr_4", grown <= untouched, || format!("headers alone cost {} KiB", grown / KIB));
    sl_11_other_clients_feel_little_of_it(&mut report, "headers", &calm, &felt);
    drop(peers);
    let gone = eventually(Duration::from_secs(10), async || scene.server.proc().fds() <= before).await;
    report.check("sd_8", gone.is_ok(), || format!("{} connections are left", scene.server.proc().fds() - before));
    scene.end().await?;
    Ok(report)
}

/// What glibc keeps of blocks of a MiB that come and go, in parts of what is used: with blocks mapped one by one
/// (`MALLOC_MMAP_THRESHOLD_=131072`) the same run stays a third below the budgets.
const fn with_the_allocators_share(bytes: u64) -> u64 {
    bytes + bytes / 4
}

/// Connections that ask for 100 x 1 MiB each and never read.
async fn sl_11_memory_stays_bounded_when_nobody_reads(settings: &Settings) -> Result<Report, Broken> {
    let mut report = Report::default();
    let count = settings.pick(300, 1000);
    let scene = Scene::set(settings, count).await?;
    let how_long = Duration::from_millis(settings.pick(2000, 10_000));
    let calm = scene.pair.feel(how_long).await;
    let requests: String = (0..100).map(|id| raw::request("large", &MIB.to_string(), id)).collect();
    let peers = connect_all(scene.server.address(), count, async |stream: &mut tokio::net::TcpStream| {
        stream.write_all(requests.as_bytes()).await
    })
    .await?;
    // Making the replies is work that was asked for within all limits; who never reads them is a burden only after that.
    let busy = scene.settles(Duration::from_secs(20)).await;
    report.figure("unread_busy", format!("{busy:.1?}"));
    let felt = scene.pair.feel(how_long).await;
    let grown = scene.peak_over_base();
    report.figure("unread", format!("{count}x100x1MiB"));
    let budgets = with_the_allocators_share(scene.budgets);
    bounded(&mut report, "unread", grown, count as u64 * PER_CONNECTION + budgets + HANDLERS);
    sl_11_other_clients_feel_little_of_it(&mut report, "unread", &calm, &felt);
    drop(peers);
    scene.end().await?;
    Ok(report)
}

/// A frame whose every byte comes by itself, and one twice as long.
async fn fr_11_one_byte_at_a_time_costs_little(settings: &Settings) -> Result<Report, Broken> {
    let mut report = Report::default();
    let len = settings.pick(MIB, 8 * MIB);
    let scene = Scene::set(settings, 10).await?;
    let calm = scene.pair.feel(Duration::from_millis(1000)).await;
    let mut costs = Vec::new();
    for len in [len / 2, len] {
        let before = scene.server.proc().cpu();
        let address = scene.server.address();
        let sending = tokio::task::spawn_blocking(move || one_by_one(address, len));
        let felt = async {
            let mut felt = crate::probe::Felt::default();
            while !sending.is_finished() {
                felt.absorb(scene.pair.feel(Duration::from_millis(100)).await);
            }
            felt
        };
        let felt = felt.await;
        let answered = sending.await??;
        report.check("fr_11", answered, || format!("a frame of {len} bytes, one by one, was not answered"));
        costs.push(scene.server.proc().cpu().saturating_sub(before));
        if costs.len() == 2 {
            sl_11_other_clients_feel_little_of_it(&mut report, "fragments", &calm, &felt);
        }
    }
    report.figure("fragments_bytes", len);
    report.figure("fragments_cpu_half/whole", format!("{:.1?}/{:.1?}", costs[0], costs[1]));
    // Twice the bytes cost twice the time where the cost is linear, and four times where it is quadratic.
    let bound = costs[0] * 3 + Duration::from_millis(100);
    report
        .check("fr_11", costs[1] <= bound, || format!("twice the bytes cost {:.1?} after {:.1?}", costs[1], costs[0]));
    // Stored bytes, the text that the handler takes, and what growing by doubling leaves behind.
    bounded(&mut report, "fragments", scene.peak_over_base(), 4 * len + HANDLERS);
    scene.end().await?;
    Ok(report)
}

fn bounded(report: &mut Report, what: &str, grown: u64, bound: u64) {
    report.figure(&format!("{what}_rss_grown_kib/bound"), format!("{}/{}", grown / KIB, bound / KIB));
    report
        .check("sl_11", grown <= bound, || format!("{what}: memory grew by {} KiB, over {}", grown / KIB, bound / KIB));
}

/// Opens so many connections, sixteen at a time, and does the same on each.
async fn connect_all(
    address: SocketAddr,
    count: usize,
    then: impl AsyncFn(&mut tokio::net::TcpStream) -> std::io::Result<()>,
) -> Result<Vec<tokio::net::TcpStream>, Broken> {
    let mut open = Vec::with_capacity(count);
    let mut number = 0;
    while number < count {
        let mut connecting = JoinSet::new();
        for _ in 0..16.min(count - number) {
            connecting.spawn(raw::connect_from((number % 32) as u8, address));
            number += 1;
        }
        while let Some(stream) = connecting.join_next().await {
            let mut stream = stream??;
            then(&mut stream).await?;
            open.push(stream);
        }
    }
    Ok(open)
}

/// Sends a request to `length` byte by byte; true when it is answered.
fn one_by_one(address: SocketAddr, len: u64) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let request = raw::request("length", &format!("\"{}\"", "z".repeat(len as usize)), 1);
    for byte in request.as_bytes() {
        stream.write_all(std::slice::from_ref(byte))?;
    }
    let expected = raw::frame(&format!(r#"{{"response":{len},"isDisposed":true,"id":"1"}}"#));
    let mut reply = vec![0; expected.len()];
    std::io::Read::read_exact(&mut stream, &mut reply)?;
    Ok(reply == expected.as_bytes())
}

/// How many files this process may open.
fn files_allowed() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}
