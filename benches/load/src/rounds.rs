//! Interleaved rounds: every server in turn, again and again, so that what disturbs the machine disturbs all alike.

use std::fmt;
use std::time::Duration;

use crate::drive::{Load, Manner, Measured};
use crate::peers;
use crate::server::{Kind, Server};
use crate::work::Work;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) rounds: usize,
    /// Of servers that are compared less closely.
    pub(crate) peer_rounds: usize,
    pub(crate) warm_up: Duration,
    pub(crate) length: Duration,
}

impl Pace {
    /// Of what is not compared by ratios of the same round.
    pub(crate) fn few(self) -> Self {
        Self { rounds: self.peer_rounds.min(self.rounds), ..self }
    }

    /// How often a server takes its turn.
    pub(crate) fn rounds_of(&self, kind: &Kind) -> usize {
        if kind.is_close() { self.rounds } else { self.peer_rounds.min(self.rounds) }
    }
}

/// A load with a name.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
}

const fn scenario(name: &'static str, connections: u32, in_flight: u32, work: Work) -> Scenario {
    Scenario { name, load: Load { connections, in_flight, work } }
}

/// Requests with one answer each.
pub(crate) fn calls() -> Vec<Scenario> {
    vec![
        scenario("sum, 1 in flight", 1, 1, Work::Sum),
        scenario("sum, 16 in flight", 1, 16, Work::Sum),
        scenario("sum, 256 in flight", 1, 256, Work::Sum),
        scenario("sum, 64 connections x 1", 64, 1, Work::Sum),
        scenario("sum, 64 connections x 16", 64, 16, Work::Sum),
        scenario("echo of 64 KiB, 1 in flight", 1, 1, Work::echo(64 * 1024)),
        scenario("echo of 1 MiB, 1 in flight", 1, 1, Work::echo(1024 * 1024)),
    ]
}

/// Events, and answers of many values.
pub(crate) fn streams() -> Vec<Scenario> {
    vec![
        scenario("events, bursts of 64", 1, 4, Work::Events),
        scenario("values of streams, 1 in flight", 1, 1, Work::Stream),
    ]
}

/// A number of several rounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut numbers: Vec<_> = numbers.into_iter().filter(|number| number.is_finite()).collect();
        numbers.sort_by(f64::total_cmp);
        Self(numbers)
    }

    pub(crate) fn median(&self) -> Option<f64> {
        let (middle, odd) = (self.0.len() / 2, self.0.len() % 2 == 1);
        if odd {
            self.0.get(middle).copied()
        } else {
            Some(f64::midpoint(*self.0.get(middle.wrapping_sub(1))?, self.0[middle]))
        }
    }

    fn ends(&self) -> Option<(f64, f64)> {
        Some((*self.0.first()?, *self.0.last()?))
    }
}

/// `0.93 (0.90-0.95)`
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        match (self.median(), self.ends()) {
            (Some(median), Some((least, most))) if self.0.len() > 1 => {
                write!(f, "{median:.digits$} ({least:.digits$}-{most:.digits$})")
            }
            (Some(median), _) => write!(f, "{median:.digits$}"),
            _ => f.write_str("-"),
        }
    }
}

/// What one server did under one load, a measurement a round; nothing where it cannot do that work.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) server: &'static str,
    pub(crate) scenario: &'static str,
    pub(crate) rounds: Vec<Measured>,
}

impl Measured {
    /// Units per second of the server's processor time.
    pub(crate) fn per_cpu_second(&self) -> f64 {
        self.units as f64 / self.server_cpu.as_secs_f64()
    }

    /// Units per second on the clock.
    pub(crate) fn per_second(&self) -> f64 {
        self.units as f64 / self.wall.as_secs_f64()
    }
}

/// Whether a server can do that work: the floor answers nothing that is not in the request, and peers speak of calls only.
pub(crate) fn can(kind: &Kind, work: &Work) -> bool {
    if kind.is_peer() {
        return peers::can(work);
    }
    kind.manner == Manner::Nest || matches!(work, Work::Sum | Work::Echo { .. })
}

/// Measures every server under every load.
///
/// # Errors
/// The first wrong answer.
pub(crate) fn measure(servers: &[(Kind, Server)], scenarios: &[Scenario], pace: Pace) -> Result<Vec<Cell>, String> {
    let mut cells = Vec::new();
    for scenario in scenarios {
        let able: Vec<_> = servers.iter().filter(|(kind, _)| can(kind, &scenario.load.work)).collect();
        let from = cells.len();
        let cell = |kind: &Kind| Cell { server: kind.name, scenario: scenario.name, rounds: Vec::new() };
        cells.extend(able.iter().map(|(kind, _)| cell(kind)));
        for round in 0..pace.rounds {
            // Those that have fewer rounds have the first.
            let turns = able.iter().enumerate().filter(|(_, (kind, _))| round < pace.rounds_of(kind));
            for (at, (kind, server)) in turns {
                let Pace { warm_up, length, .. } = pace;
                let measured = kind.drive(server, &scenario.load, warm_up, length);
                let measured = measured.map_err(|why| format!("{}, {}: {why}", kind.name, scenario.name))?;
                eprintln!(
                    "round {round}: {:30} {:13} {:9.0} /CPU-s {:9.0} /s  p50 {:7.1} us  p99 {:8.1} us",
                    scenario.name,
                    kind.name,
                    measured.per_cpu_second(),
                    measured.per_second(),
                    measured.median as f64 / 1e3,
                    measured.p99 as f64 / 1e3,
                );
                cells[from + at].rounds.push(measured);
            }
        }
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_a_middle_and_two_ends() {
        assert_eq!(Spread::of([0.9, 0.7, 0.8]).to_string(), "0.80 (0.70-0.90)");
        assert_eq!(Spread::of([1.0, 2.0]).median(), Some(1.5));
        assert_eq!(format!("{:.0}", Spread::of([4.0])), "4");
        assert_eq!(Spread::of([f64::NAN]).to_string(), "-");
        assert_eq!(Spread::default().median(), None);
    }
}
