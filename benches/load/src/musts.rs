//! What nestrs has to reach, row for row of each table; `--check` makes the run fail where it does not.

use crate::server::{BARE, CHAIN};

/// Bounds on one row: of nestrs bare, and with a guard, a pipe and an interceptor.
#[derive(Debug)]
pub(crate) struct Must {
    /// The end of the row's name; its beginning may say how many connections there were.
    pub(crate) row: &'static str,
    bare: Bound,
    chain: Option<Bound>,
    /// Whether it is the same on a busy machine, so that a check of it is one.
    stable: bool,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

const fn timed(row: &'static str, bare: Bound, chain: Option<Bound>) -> Must {
    Must { row, bare, chain, stable: false }
}

const fn counted(row: &'static str, bare: Bound, chain: Option<Bound>) -> Must {
    Must { row, bare, chain, stable: true }
}

/// Ratios to the server that is written by hand as anybody would, with an envelope that serde reads.
pub(crate) const SERVERS: &[Must] = &[
    timed("sum, 1 in flight", AtLeast(0.9), Some(AtLeast(0.9))),
    timed("sum, 16 in flight", AtLeast(0.9), Some(AtLeast(0.75))),
    timed("sum, 256 in flight", AtLeast(0.9), Some(AtLeast(0.75))),
    timed("sum, 64 connections x 16", AtLeast(0.9), Some(AtLeast(0.75))),
    timed("echo of 64 KiB, 1 in flight", AtLeast(0.9), None),
    timed("echo of 1 MiB, 1 in flight", AtLeast(0.9), None),
];

pub(crate) const COUNTS: &[Must] = &[
    counted("16 in flight: instructions", AtMost(4_400.0), Some(AtMost(6_000.0))),
    // Two and five of the framework; the vector of five numbers needs two of its own, as it grows.
    counted("16 in flight: allocations", AtMost(4.0), Some(AtMost(7.0))),
    counted("1 in flight: system calls", AtMost(3.05), None),
    counted("16 in flight: system calls", AtMost(0.2), None),
];

pub(crate) const CLIENT_COUNTS: &[Must] = &[
    counted("16 in flight: instructions", AtMost(6_000.0), None),
    counted("16 in flight: allocations", AtMost(4.0), None),
];

pub(crate) const REST: &[Must] =
    &[counted("silent connections, after a sum on each: bytes of the server for each", AtMost(2_048.0), None)];

pub(crate) const BUILD: &[Must] = &[
    timed("CPU-seconds of a clean release build", AtMost(60.0), None),
    counted("crates, its own among them", AtMost(60.0), None),
    counted("stripped binary, MiB", AtMost(1.5), None),
];

impl Bound {
    fn is_met(self, figure: f64) -> bool {
        match self {
            AtLeast(least) => figure >= least,
            AtMost(most) => figure <= most,
        }
    }
}

/// What a row must be, and whether it is, as two cells; and how many figures that do not depend on the machine are not.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) must: String,
    pub(crate) met: String,
    pub(crate) missed: usize,
}

/// Judges the row of this name, whose cells say what `said` gives for a server; nothing where nothing is asked of it, or
/// where neither of the two was measured.
pub(crate) fn judge<'a>(musts: &[Must], row: &str, said: impl Fn(&str) -> Option<&'a str>) -> Option<Verdict> {
    let must = musts.iter().find(|must| row.ends_with(must.row))?;
    let bounds = [(BARE.name, Some(must.bare)), (CHAIN.name, must.chain)];
    let bounds = bounds.into_iter().filter_map(|(server, bound)| Some((bound?, said(server)?)));
    let (mut numbers, mut met, mut missed) = (Vec::new(), Vec::new(), 0);
    for (bound, text) in bounds {
        numbers.push(match bound {
            AtLeast(least) => format!("at least {least}"),
            AtMost(most) => format!("at most {most}"),
        });
        // What is shown is what is judged; a median stands before its least and most.
        let figure = text.split(' ').next().and_then(|figure| figure.parse().ok());
        met.push(match figure.map(|figure| bound.is_met(figure)) {
            Some(true) => "yes",
            Some(false) => {
                missed += usize::from(must.stable);
                "**no**"
            }
            None => "-",
        });
    }
    // Said once where it is the same.
    numbers.dedup();
    (!met.is_empty()).then(|| Verdict { must: numbers.join(" / "), met: met.join(" / "), missed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(musts: &[Must], row: &str, bare: Option<&str>, chain: Option<&str>) -> Option<Verdict> {
        judge(musts, row, |server| if server == BARE.name { bare } else { chain })
    }

    fn is(must: &str, met: &str, missed: usize) -> Option<Verdict> {
        Some(Verdict { must: must.to_owned(), met: met.to_owned(), missed })
    }

    #[test]
    fn a_bound_is_met_or_not_and_only_what_is_stable_counts() {
        let at_16 = |bare, chain| verdict(SERVERS, "sum, 16 in flight", bare, chain);
        assert_eq!(
            at_16(Some("0.90 (0.40-0.99)"), Some("0.74")),
            is("at least 0.9 / at least 0.75", "yes / **no**", 0)
        );
        assert_eq!(at_16(Some("0.89"), None), is("at least 0.9", "**no**", 0));
        assert_eq!(at_16(None, None), None);
        let instructions = verdict(COUNTS, "16 in flight: instructions", Some("4401"), Some("6000"));
        assert_eq!(instructions, is("at most 4400 / at most 6000", "**no** / yes", 1));
        let idle = "10000 silent connections, after a sum on each: bytes of the server for each";
        assert_eq!(verdict(REST, idle, Some("2049"), Some("2049")), is("at most 2048", "**no**", 1));
    }

    #[test]
    fn what_is_asked_of_both_is_said_once_and_what_is_no_number_is_not_judged() {
        let at_1 = verdict(SERVERS, "sum, 1 in flight", Some("-"), Some("0.95"));
        assert_eq!(at_1, is("at least 0.9", "- / yes", 0));
        assert_eq!(verdict(SERVERS, "sum, 64 connections x 1", Some("0.1"), None), None);
    }
}
