//! A cable pulled between two hosts: two network namespaces, and an end of the link between them taken down.
//!
//! Neither side is told anything. Each must find out by itself, and let go of what it held.

use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nestrs::TransportError;
use nestrs::microservices::net::io::Keepalive;
use nestrs::microservices::{ClientStatus, TcpTransportOptions};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Broken;
use crate::probe;
use crate::process::{Launch, Proc, eventually};
use crate::report::Report;
use crate::settings::{Profile, Settings};

/// The addresses of the two ends.
const SERVER: &str = "10.213.77.1";
const CLIENT: &str = "10.213.77.2";
/// How many clients the cable is pulled on: half of them wait for an answer, half are idle.
const CLIENTS: usize = 6;

pub(super) async fn run(settings: Settings) -> Result<Report, Broken> {
    let net = match Namespaces::make().await {
        Ok(net) => net,
        Err(reason) => return Ok(Report::skipped(format!("needs root and network namespaces: {reason}"))),
    };
    // The contract's 30 s, or what a second's probes come to; and as much again for a busy machine.
    let (bound, slack) = settings
        .pick((Duration::from_secs(4), Duration::from_secs(4)), (Duration::from_secs(30), Duration::from_secs(5)));
    let mut launch = Launch { inside: net.inside(&net.server), ..Launch::default() };
    launch = launch.with("bind", format!("{SERVER}:0"));
    if settings.profile == Profile::Quick {
        launch = launch.with("keepalive-secs", 1);
    }
    let server = launch.start().await?;
    // What runs is `ip`, which becomes the server.
    let proc = server.proc();
    let mut report = Report::default();
    report.figure("clients", CLIENTS);
    let idle_fds = proc.fds();
    rq_8_a_server_finds_out_that_its_callers_are_gone(
        &settings,
        &net,
        &server,
        proc,
        idle_fds,
        bound + slack,
        &mut report,
    )
    .await?;
    cl_11_a_client_finds_out_that_its_server_is_gone(&settings, &net, &server, bound + slack, &mut report).await?;
    server.kill().await?;
    Ok(report)
}

async fn rq_8_a_server_finds_out_that_its_callers_are_gone(
    settings: &Settings,
    net: &Namespaces,
    server: &crate::process::Server,
    proc: Proc,
    idle_fds: usize,
    bound: Duration,
    report: &mut Report,
) -> Result<(), Broken> {
    let mut peers = Peers::start(settings, net, server).await?;
    let connected = eventually(Duration::from_secs(10), async || proc.fds() >= idle_fds + CLIENTS).await;
    report.check("harness", connected.is_ok(), || "the clients are not connected".to_owned());
    net.link(&net.client, "down").await?;
    let pulled = Instant::now();
    let gone = eventually(bound, async || proc.fds() <= idle_fds).await;
    report.figure("server_knows_after", format!("{:.1?}/{bound:?}", pulled.elapsed()));
    report
        .check("rq_8", gone.is_ok(), || format!("{} dead peers are still open after {bound:?}", proc.fds() - idle_fds));
    peers.end().await?;
    net.link(&net.client, "up").await?;
    Ok(())
}

async fn cl_11_a_client_finds_out_that_its_server_is_gone(
    settings: &Settings,
    net: &Namespaces,
    server: &crate::process::Server,
    bound: Duration,
    report: &mut Report,
) -> Result<(), Broken> {
    let mut peers = Peers::start(settings, net, server).await?;
    net.link(&net.server, "down").await?;
    let pulled = Instant::now();
    let mut lost = 0;
    for _ in 0..CLIENTS {
        let left = bound.saturating_sub(pulled.elapsed());
        match tokio::time::timeout(left, peers.lines.next_line()).await {
            Ok(Ok(Some(line))) if line == "lost" => lost += 1,
            _ => break,
        }
    }
    report.figure("client_knows_after", format!("{:.1?}/{bound:?}", pulled.elapsed()));
    report.check("cl_11", lost == CLIENTS, || format!("of {CLIENTS} clients {lost} know it after {bound:?}"));
    peers.end().await?;
    Ok(())
}

/// Clients in a process of their own, inside the other namespace.
struct Peers {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Peers {
    async fn start(settings: &Settings, net: &Namespaces, server: &crate::process::Server) -> Result<Self, Broken> {
        let words = net.inside(&net.client);
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .arg(std::env::current_exe()?)
            .args(["peers", &server.address().to_string(), settings.profile.name()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let Some(stdout) = child.stdout.take() else { unreachable!("it was asked for") };
        let mut lines = BufReader::new(stdout).lines();
        let first = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await??;
        if first.as_deref() != Some("connected") {
            return Err(format!("the clients do not connect: {first:?}").into());
        }
        Ok(Self { child, lines })
    }

    async fn end(&mut self) -> Result<(), Broken> {
        Ok(self.child.kill().await?)
    }
}

/// The clients: connect, then say of each when it knows that its server is gone. Runs as `peers ADDRESS PROFILE`.
///
/// # Errors
/// When they cannot connect.
#[expect(clippy::print_stdout, reason = "this is how the harness hears of it")]
pub async fn peers(address: &str, profile: &str) -> Result<(), TransportError> {
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let mut options = TcpTransportOptions::to(address).request_timeout(Some(Duration::from_secs(120)));
        if profile == Profile::Quick.name() {
            let second = Duration::from_secs(1);
            options =
                options.keepalive(Keepalive { idle: second, interval: second, probes: 2, user_timeout: second * 3 });
        }
        let client = probe::client_with(options);
        client.connect().await?;
        client.send::<_, u64>("echo", &1).await?;
        if number % 2 == 0 {
            let busy = client.clone();
            tokio::spawn(async move { busy.send::<_, usize>("gather", &1_000_000).await });
        }
        waiting.spawn(async move {
            let mut status = client.status();
            while let Some(status) = status.next().await {
                if matches!(status, ClientStatus::Disconnected(_)) {
                    break;
                }
            }
        });
    }
    // The last of the calls is on its way.
    tokio::time::sleep(Duration::from_millis(200)).await;
    println!("connected");
    while waiting.join_next().await.is_some() {
        println!("lost");
    }
    Ok(())
}

/// Two hosts and the cable between them; gone when dropped.
struct Namespaces {
    server: String,
    client: String,
}

impl Namespaces {
    async fn make() -> Result<Self, String> {
        forget_the_dead();
        let id = std::process::id();
        let net = Self { server: format!("nestrs-s{id}"), client: format!("nestrs-c{id}") };
        let Self { server, client } = &net;
        for line in [
            format!("netns add {server}"),
            format!("netns add {client}"),
            format!("-n {server} link add cable type veth peer name cable netns {client}"),
            format!("-n {server} address add {SERVER}/24 dev cable"),
            format!("-n {client} address add {CLIENT}/24 dev cable"),
            format!("-n {server} link set cable up"),
            format!("-n {client} link set cable up"),
        ] {
            ip(&line).await?;
        }
        Ok(net)
    }

    fn inside(&self, namespace: &str) -> Vec<String> {
        ["ip", "netns", "exec", namespace].map(str::to_owned).to_vec()
    }

    /// Takes one end of the cable down or up. The other end is not told more than that the line is dead.
    async fn link(&self, namespace: &str, state: &str) -> Result<(), String> {
        ip(&format!("-n {namespace} link set cable {state}")).await
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for namespace in [&self.server, &self.client] {
            let _ = std::process::Command::new("ip").args(["netns", "del", namespace]).stderr(Stdio::null()).status();
        }
    }
}

/// Deletes namespaces of processes that were ended before they could.
fn forget_the_dead() {
    for entry in std::fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix("nestrs-").and_then(|rest| rest.strip_prefix(['s', 'c'])?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !std::path::Path::new("/proc").join(pid.to_string()).exists()) {
            let _ = std::process::Command::new("ip").args(["netns", "del", &name]).stderr(Stdio::null()).status();
        }
    }
}

async fn ip(line: &str) -> Result<(), String> {
    let output = Command::new("ip").args(line.split(' ')).output().await;
    let output = output.map_err(|error| format!("`ip`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`ip {line}`: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
