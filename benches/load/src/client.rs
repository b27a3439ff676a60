//! The client side: what a call costs whoever makes it, against a client that is written by hand.
//!
//! Those that speak the Nest wire all call the yardstick, so that nothing differs but they; tarpc and tonic call their own.

use std::ffi::OsString;
use std::process::Command;

use crate::cores::{self, Apart};
use crate::counted::{self, COUNTS};
use crate::drive::Load;
use crate::peers;
use crate::rounds::{Pace, Spread};
use crate::server::{CHAIN, FASTEST, Kind, Program, Server, YARDSTICK, beside, here};
use crate::settings::Settings;
use crate::table::{Figures, Table, short};
use crate::work::Work;

const DEPTHS: [u32; 3] = [1, 16, 256];
const COUNTED_DEPTH: u32 = 16;

/// Servers in whose columns there is no client: one of nestrs is enough, and one that is written by hand.
const WITHOUT: [&str; 3] = [CHAIN.name, FASTEST.name, "floor"];

/// A client, named after the server in whose column it stands, and the server that it calls.
struct Clients {
    all: Vec<(&'static Kind, Option<Server>)>,
    yardstick: Server,
}

impl Clients {
    fn start(settings: &Settings, apart: &Apart) -> Result<Self, String> {
        let kinds = settings.kinds().filter(|kind| !WITHOUT.contains(&kind.name));
        let own = |kind: &'static Kind| {
            let own = if kind.is_peer() { Some(kind.start_apart(apart)?) } else { None };
            Ok((kind, own))
        };
        let all = kinds.map(own).collect::<Result<_, String>>()?;
        Ok(Self { all, yardstick: YARDSTICK.start_apart(apart)? })
    }

    fn each(&self) -> impl Iterator<Item = (&'static Kind, &Server)> {
        self.all.iter().map(|(kind, own)| (*kind, own.as_ref().unwrap_or(&self.yardstick)))
    }
}

pub(crate) fn measure(settings: &Settings) -> Result<Vec<Table>, String> {
    let apart = cores::apart();
    let started = Clients::start(settings, &apart)?;
    let title =
        "Calls per client CPU-second, against a client written by hand: medians of interleaved rounds (least-most)";
    let mut figures = Figures::new(title, &[]);
    let clients: Vec<_> = started.each().collect();
    for depth in DEPTHS {
        let mut rates = vec![Vec::new(); clients.len()];
        for round in 0..settings.pace.rounds {
            for ((kind, server), rates) in clients.iter().zip(&mut rates) {
                if round < settings.pace.rounds_of(kind) {
                    let rate = per_cpu_second(kind, server, depth, settings.pace);
                    rates.push(rate.map_err(|why| format!("client of {}: {why}", kind.name))?);
                }
            }
        }
        let by_hand = clients.iter().position(|(kind, _)| kind.name == YARDSTICK.name);
        for (at, (kind, _)) in clients.iter().enumerate() {
            let own = Spread::of(rates[at].iter().copied());
            let text = match by_hand {
                Some(by_hand) if by_hand != at => {
                    let both = rates[at].iter().zip(&rates[by_hand]);
                    format!("{:.2}", Spread::of(both.map(|(own, by_hand)| own / by_hand)))
                }
                _ => format!("1 = {}", short(own.median().unwrap_or_default())),
            };
            figures.set(&format!("sum, {depth} in flight"), kind.name, text);
        }
    }
    Ok(figures.table().into_iter().collect())
}

/// Instructions and allocations of clients, as those of servers are counted.
pub(crate) fn counted(settings: &Settings, figures: &mut Figures) -> Result<(), String> {
    let clients = Clients::start(settings, &Apart::default())?;
    let addresses = clients.each().filter(|(kind, _)| !matches!(kind.program, Program::Node(_)));
    let addresses: Vec<_> = addresses.map(|(kind, server)| (kind, server.address.to_string())).collect();
    let jobs: Vec<_> = COUNTS.iter().flat_map(|count| addresses.iter().map(move |it| (*count, it))).collect();
    let each = counted::side_by_side(&jobs, |(count, (kind, address))| {
        let each = counted::each(*count, |mut valgrind, requests| {
            valgrind.args(words(kind, address, COUNTED_DEPTH, "calls", &requests.to_string())?);
            said(kind, valgrind).map(|(calls, _)| calls)
        });
        each.map_err(|why| format!("client of {}, counted: {why}", kind.name))
    })?;
    for ((count, (kind, _)), each) in jobs.iter().zip(each) {
        figures.set(&format!("{COUNTED_DEPTH} in flight: {}", count.name()), kind.name, count.shown(each));
    }
    Ok(())
}

fn per_cpu_second(kind: &Kind, server: &Server, depth: u32, pace: Pace) -> Result<f64, String> {
    let Pace { warm_up, length, .. } = pace;
    if kind.is_peer() {
        let load = Load { connections: 1, in_flight: depth, work: Work::Sum };
        let measured = kind.drive(server, &load, warm_up, length)?;
        return Ok(measured.units as f64 / measured.client_cpu.as_secs_f64());
    }
    let words = words(kind, &server.address.to_string(), depth, "for", &length.as_secs_f64().to_string())?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    let (calls, nanos) = said(kind, command)?;
    Ok(calls as f64 / (nanos as f64 / 1e9))
}

/// The command line of a client.
fn words(kind: &Kind, address: &str, depth: u32, manner: &str, number: &str) -> Result<Vec<OsString>, String> {
    let depth = depth.to_string();
    let (program, own): (OsString, Vec<OsString>) = match kind.program {
        Program::Node(_) => ("node".into(), vec![here().join("nest/client.mjs").into()]),
        Program::Peer(name) => {
            let words = ["ask", name, address, &depth, number];
            return Ok([peers::program()?.into()].into_iter().chain(words.map(Into::into)).collect());
        }
        Program::Ours(..) => {
            let which = if kind.name == YARDSTICK.name { "hand" } else { "proxy" };
            (beside("caller")?.into(), vec![which.into()])
        }
    };
    let words = [address, &depth, manner, number].map(Into::into);
    Ok([program].into_iter().chain(own).chain(words).collect())
}

/// Runs a client, and gives its calls and the nanoseconds it tells.
fn said(kind: &Kind, mut command: Command) -> Result<(u64, u64), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let read = if kind.is_peer() {
        peers::answered(&text).map(|(calls, took)| (calls, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)))
    } else {
        calls(&text)
    };
    read.ok_or_else(|| format!("it says `{text}`"))
}

/// `calls N nanos M`
fn calls(text: &str) -> Option<(u64, u64)> {
    let (calls, nanos) = text.trim().strip_prefix("calls ")?.split_once(" nanos ")?;
    Some((calls.parse().ok()?, nanos.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_client_is_read() {
        assert_eq!(calls("calls 10 nanos 2000\n"), Some((10, 2000)));
        assert_eq!(calls("calls ten nanos 2000"), None);
    }
}
