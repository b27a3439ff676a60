//! tarpc and tonic: their own wire, so a closed loop of their own clients, in a program of its own (`benches/peers`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::drive::{Load, Measured};
use crate::proc::Proc;
use crate::work::Work;

/// The program; `cargo xtask bench` builds it into a directory beside that of the workspace's profiles.
pub(crate) fn program() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = own.parent().and_then(|profile| profile.parent()).ok_or("the load program stands nowhere")?;
    Ok(target.join("bench-peers/release/peers"))
}

/// Whether it can do that work.
pub(crate) fn can(work: &Work) -> bool {
    matches!(work, Work::Sum | Work::Echo { .. })
}

/// The same as [`crate::drive::drive`], with the same checks of every answer.
///
/// # Errors
/// What the peer's client prints.
pub(crate) fn drive(
    name: &str,
    address: SocketAddr,
    server: Proc,
    load: &Load,
    warm_up: Duration,
    length: Duration,
) -> Result<Measured, String> {
    let work = match &load.work {
        Work::Echo { text } => text.len().to_string(),
        _ => "sum".to_owned(),
    };
    let words = [
        "drive".to_owned(),
        name.to_owned(),
        address.to_string(),
        load.connections.to_string(),
        load.in_flight.to_string(),
        work,
        server.0.to_string(),
        warm_up.as_secs_f64().to_string(),
        length.as_secs_f64().to_string(),
    ];
    let line = said(&words)?;
    measured(&line).ok_or_else(|| format!("the peer's client says `{line}`"))
}

/// As many sums as that, one connection.
///
/// # Errors
/// What the peer's client prints.
pub(crate) fn exactly(name: &str, address: SocketAddr, load: &Load, requests: u64) -> Result<u64, String> {
    asked(name, address, load.in_flight, requests).map(|(answered, _)| answered)
}

/// How long it takes to connect and to have one sum answered.
///
/// # Errors
/// What the peer's client prints.
pub(crate) fn first_answer(name: &str, address: SocketAddr) -> Result<Duration, String> {
    asked(name, address, 1, 1).map(|(_, took)| took)
}

fn asked(name: &str, address: SocketAddr, in_flight: u32, requests: u64) -> Result<(u64, Duration), String> {
    let words = ["ask", name, &address.to_string(), &in_flight.to_string(), &requests.to_string()];
    let line = said(&words.map(str::to_owned))?;
    answered(&line).ok_or_else(|| format!("the peer's client says `{line}`"))
}

/// `answered N nanos M`
pub(crate) fn answered(line: &str) -> Option<(u64, Duration)> {
    let (count, nanos) = line.trim().strip_prefix("answered ")?.split_once(" nanos ")?;
    Some((count.parse().ok()?, Duration::from_nanos(nanos.parse().ok()?)))
}

/// Has one sum answered on each of so many connections, and looks while all of them are open.
///
/// # Errors
/// What the peer's client prints.
pub(crate) fn held<T>(name: &str, address: SocketAddr, number: u32, look: impl FnOnce() -> T) -> Result<T, String> {
    let mut command = Command::new(program()?);
    command.args(["hold", name, &address.to_string(), &number.to_string()]);
    // It listens to nobody, but says so when all are held, and ends when its input does.
    let holding = crate::server::start(command)?;
    let seen = look();
    holding.end()?;
    Ok(seen)
}

fn said(words: &[String]) -> Result<String, String> {
    let output = Command::new(program()?).args(words).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("the peer's client failed: {}", String::from_utf8_lossy(&output.stderr)))
}

/// `units wall server_cpu client_cpu switches median p99`, times in nanoseconds.
fn measured(line: &str) -> Option<Measured> {
    let numbers: Option<Vec<u64>> = line.split_whitespace().map(|number| number.parse().ok()).collect();
    let [units, wall, server_cpu, client_cpu, switches, median, p99] = numbers?[..] else { return None };
    Some(Measured {
        units,
        wall: Duration::from_nanos(wall),
        server_cpu: Duration::from_nanos(server_cpu),
        client_cpu: Duration::from_nanos(client_cpu),
        switches,
        median,
        p99,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_peer_is_read() {
        let read = measured("10 2000 300 400 5 60 70").unwrap();
        assert_eq!((read.units, read.wall, read.p99), (10, Duration::from_nanos(2000), 70));
        assert_eq!(answered("answered 7 nanos 500\n"), Some((7, Duration::from_nanos(500))));
        assert!(answered("answered 7").is_none());
        assert!(measured("10 2000").is_none() && measured("a b c d e f g").is_none());
    }
}
