//! What nestrs has to reach, row for row of the one table; `--check` makes the run fail where it does not.

use crate::table::{Figures, Table};

/// A bound on one figure of one server.
struct Must {
    /// The end of the row's name; its beginning may say how many connections there were.
    figure: &'static str,
    server: &'static str,
    bound: Bound,
    /// Whether it is the same on a busy machine, so that a check of it is one.
    stable: bool,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

const fn timed(figure: &'static str, server: &'static str, bound: Bound) -> Must {
    Must { figure, server, bound, stable: false }
}

const fn counted(figure: &'static str, server: &'static str, bound: Bound) -> Must {
    Must { figure, server, bound, stable: true }
}

const MUSTS: &[Must] = &[
    timed("sum, 1 in flight: per server CPU-second", "nestrs", AtLeast(0.9)),
    timed("sum, 1 in flight: per server CPU-second", "chain", AtLeast(0.9)),
    timed("sum, 16 in flight: per server CPU-second", "nestrs", AtLeast(0.9)),
    timed("sum, 16 in flight: per server CPU-second", "chain", AtLeast(0.75)),
    timed("sum, 256 in flight: per server CPU-second", "nestrs", AtLeast(0.9)),
    timed("sum, 256 in flight: per server CPU-second", "chain", AtLeast(0.75)),
    timed("sum, 64 connections x 16: per server CPU-second", "nestrs", AtLeast(0.9)),
    timed("sum, 64 connections x 16: per server CPU-second", "chain", AtLeast(0.75)),
    timed("echo of 64 KiB, 1 in flight: per server CPU-second", "nestrs", AtLeast(0.9)),
    timed("echo of 1 MiB, 1 in flight: per server CPU-second", "nestrs", AtLeast(0.9)),
    counted("sum, 1 in flight: system calls of the server per request", "nestrs", AtMost(3.05)),
    counted("sum, 16 in flight: system calls of the server per request", "nestrs", AtMost(0.2)),
    counted("sum, 16 in flight: instructions per request", "nestrs", AtMost(4_400.0)),
    counted("sum, 16 in flight: instructions per request", "chain", AtMost(6_000.0)),
    // Two and five of the framework; the vector of five numbers needs two of its own, as it grows.
    counted("sum, 16 in flight: allocations per request", "nestrs", AtMost(4.0)),
    counted("sum, 16 in flight: allocations per request", "chain", AtMost(7.0)),
    counted("silent connections, after a sum on each: bytes of the server for each", "nestrs", AtMost(2_048.0)),
    counted("client, 16 in flight: instructions per call", "nestrs", AtMost(6_000.0)),
    counted("client, 16 in flight: allocations per call", "nestrs", AtMost(4.0)),
    timed("least service: CPU-seconds of a clean release build", "nestrs", AtMost(60.0)),
    counted("least service: crates, its own among them", "nestrs", AtMost(60.0)),
    counted("least service: stripped binary, MiB", "nestrs", AtMost(1.5)),
];

impl Must {
    fn is_met(&self, figure: f64) -> bool {
        match self.bound {
            AtLeast(least) => figure >= least,
            AtMost(most) => figure <= most,
        }
    }
}

/// Every bound on what was measured, and whether it is kept; and how many are not, of those that do not depend on the machine.
pub(crate) fn table(figures: &Figures) -> (Option<Table>, usize) {
    let (mut rows, mut missed) = (Vec::new(), 0);
    for must in MUSTS {
        let Some((figure, text)) = figures.found(must.figure, must.server) else { continue };
        // A median stands before its least and most.
        let Some(number) = text.split(' ').next().and_then(|number| number.parse().ok()) else { continue };
        let met = must.is_met(number);
        if !met && must.stable {
            missed += 1;
        }
        let bound = match must.bound {
            AtLeast(least) => format!("at least {least}"),
            AtMost(most) => format!("at most {most}"),
        };
        let what = if must.server == "chain" { format!("{figure}, with three stages") } else { figure.to_owned() };
        rows.push(vec![what, bound, text.to_owned(), if met { "yes" } else { "**no**" }.to_owned()]);
    }
    let columns = ["", "must be", "is", "kept"].map(str::to_owned).to_vec();
    let title = "What nestrs has to reach".to_owned();
    ((!rows.is_empty()).then_some(Table { title, columns, rows }), missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_kept_or_not_and_only_what_is_stable_counts() {
        let mut figures = Figures::default();
        assert!(table(&figures).0.is_none());
        figures.set("sum, 1 in flight: per server CPU-second", "nestrs", "0.50 (0.40-0.99)");
        figures.set("sum, 16 in flight: instructions per request", "nestrs", "4400");
        figures.set("10000 silent connections, after a sum on each: bytes of the server for each", "nestrs", "2049");
        let (shown, missed) = table(&figures);
        let kept: Vec<_> = shown.unwrap().rows.into_iter().map(|row| row[3].clone()).collect();
        assert_eq!((&kept[..], missed), (&["**no**", "yes", "**no**"].map(str::to_owned)[..], 1));
    }

    #[test]
    fn every_bound_is_on_a_row_of_a_load_that_there_is() {
        let scenarios = crate::rounds::scenarios();
        for must in MUSTS.iter().filter(|must| must.figure.ends_with("per server CPU-second")) {
            let load = must.figure.trim_end_matches(": per server CPU-second");
            assert!(scenarios.iter().any(|scenario| scenario.name == load), "{load}");
        }
    }
}
