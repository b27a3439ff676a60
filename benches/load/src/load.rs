//! What is measured in rounds: work per second of a server's processor time against servers written by hand, and what it
//! took.

use crate::cores;
use crate::drive::Measured;
use crate::musts::{self, Must};
use crate::rounds::{self, Cell, Scenario, Spread};
use crate::server::{FASTEST, KINDS, Kind, YARDSTICK};
use crate::settings::Settings;
use crate::table::{Figures, Table, short};

/// Loads whose latency is shown, too.
const WITH_LATENCY: [&str; 3] = ["sum, 1 in flight", "sum, 256 in flight", "sum, 64 connections x 16"];
/// The load in which the server and the load program are busiest.
const BUSIEST: &str = "sum, 256 in flight";

/// Requests with one answer.
pub(crate) fn servers(settings: &Settings) -> Result<Vec<Table>, String> {
    let cells = measured(settings, &rounds::calls())?;
    let mut tables = ratios(&cells, "Requests", musts::SERVERS);
    tables.extend(beside(&cells));
    Ok(tables)
}

/// Events, and streams of values.
pub(crate) fn streams(settings: &Settings) -> Result<Vec<Table>, String> {
    Ok(ratios(&measured(settings, &rounds::streams())?, "Events and values", &[]))
}

fn measured(settings: &Settings, scenarios: &[Scenario]) -> Result<Vec<Cell>, String> {
    let apart = cores::apart();
    let mut servers = Vec::new();
    let able = |kind: &Kind| scenarios.iter().any(|scenario| rounds::can(kind, &scenario.load.work));
    for kind in KINDS.iter().filter(|kind| settings.server(kind.name) && able(kind)) {
        match kind.lacks() {
            None => servers.push((*kind, kind.start_apart(&apart)?)),
            Some(why) => eprintln!("skipped: {}: {why}", kind.name),
        }
    }
    rounds::measure(&servers, scenarios, settings.pace)
}

/// A table against either of the servers that are written by hand. What must be is a ratio to the usual one.
fn ratios(cells: &[Cell], units: &str, musts: &'static [Must]) -> Vec<Table> {
    let against = |base: &Kind, musts| {
        let title = format!("{units} per server CPU-second, against a server written {}", base.title);
        let mut figures = Figures::new(&format!("{title}: medians of interleaved rounds (least-most)"), musts);
        for cell in cells {
            let base = cells.iter().find(|other| other.scenario == cell.scenario && other.server == base.name);
            if let Some(base) = base {
                figures.set(cell.scenario, cell.server, ratio(cell, base));
            }
        }
        figures.table()
    };
    [against(&YARDSTICK, musts), against(&FASTEST, &[])].into_iter().flatten().collect()
}

/// What else was seen in the same rounds.
fn beside(cells: &[Cell]) -> Option<Table> {
    let mut figures = Figures::new("Latency, and how busy both sides were, in the same rounds", &[]);
    for cell in cells.iter().filter(|cell| WITH_LATENCY.contains(&cell.scenario)) {
        let middle = |of: fn(&Measured) -> u64| {
            Spread::of(cell.rounds.iter().map(|it| of(it) as f64 / 1e3)).median().unwrap_or_default()
        };
        let row = format!("{}: latency in microseconds, median / 99 of 100", cell.scenario);
        figures.set(&row, cell.server, format!("{:.0} / {:.0}", middle(|it| it.median), middle(|it| it.p99)));
    }
    for cell in cells.iter().filter(|cell| cell.scenario == BUSIEST) {
        let busy = |of: fn(&Measured) -> f64| {
            let share = cell.rounds.iter().map(|it| 100.0 * of(it) / it.wall.as_secs_f64());
            Spread::of(share).median().unwrap_or_default()
        };
        let (server, load) = (busy(|it| it.server_cpu.as_secs_f64()), busy(|it| it.client_cpu.as_secs_f64()));
        let row = format!("{BUSIEST}: per cent of a core, server / who asks");
        figures.set(&row, cell.server, format!("{server:.0} / {load:.0}"));
        let slept = Spread::of(cell.rounds.iter().map(|it| it.switches as f64 / it.units as f64));
        let row = format!("{BUSIEST}: how often the server goes to sleep, per request");
        figures.set(&row, cell.server, format!("{:.4}", slept.median().unwrap_or_default()));
    }
    figures.table()
}

/// The ratio to a server written by hand; of that itself, what it is a ratio to.
fn ratio(cell: &Cell, base: &Cell) -> String {
    if cell.server == base.server {
        let rate = Spread::of(cell.rounds.iter().map(|it| it.per_cpu_second())).median();
        return format!("1 = {}", short(rate.unwrap_or_default()));
    }
    // Of the same round, so that what disturbs both is no difference.
    let both = cell.rounds.iter().zip(&base.rounds);
    format!("{:.2}", Spread::of(both.map(|(own, base)| own.per_cpu_second() / base.per_cpu_second())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::server::{BARE, CHAIN};

    fn cell(server: &'static str, costs: &[u64]) -> Cell {
        let of = |micros: &u64| Measured {
            units: 1_000,
            wall: Duration::from_secs(1),
            server_cpu: Duration::from_micros(*micros),
            client_cpu: Duration::from_secs(1),
            switches: 0,
            median: 0,
            p99: 0,
        };
        Cell { server, scenario: "sum, 16 in flight", rounds: costs.iter().map(of).collect() }
    }

    #[test]
    fn what_must_be_is_a_ratio_to_the_usual_server_and_both_are_shown() {
        let cells = [
            cell(BARE.name, &[1_000, 2_000, 1_000]),
            cell(YARDSTICK.name, &[1_000, 1_600, 1_000]),
            cell(CHAIN.name, &[1_250, 2_000, 1_250]),
            cell(FASTEST.name, &[500, 1_000, 500]),
            cell("floor", &[100]),
        ];
        let tables = ratios(&cells, "Requests", musts::SERVERS);
        let [usual, fastest] = &tables[..] else { panic!("{tables:?}") };
        let row = &usual.rows[0];
        assert_eq!(row[1..3], ["1.00 (0.80-1.00)", "0.80 (0.80-0.80)"]);
        assert_eq!(row[3..5], ["at least 0.9 / at least 0.75", "yes / yes"]);
        assert_eq!(row[5..], ["1 = 1.00M", "2.00 (1.60-2.00)", "10.00"]);
        assert_eq!(fastest.rows[0][1..4], ["0.50 (0.50-0.50)", "0.40 (0.40-0.50)", "0.50 (0.50-0.62)"]);
        assert!(!fastest.columns.contains(&"is met".to_owned()));
    }

    #[test]
    fn every_bound_is_on_a_load_that_there_is() {
        let calls = rounds::calls();
        assert!(musts::SERVERS.iter().all(|must| calls.iter().any(|call| call.name == must.row)));
    }
}
