//! Rows of the one table that are measured in rounds: work per second of a server's processor time, and what it took.

use crate::cores;
use crate::rounds::{self, Cell, Spread};
use crate::server::{KINDS, YARDSTICK};
use crate::settings::Settings;
use crate::table::{Figures, short};

/// Loads whose latency is shown, too.
const WITH_LATENCY: [&str; 3] = ["sum, 1 in flight", "sum, 256 in flight", "sum, 64 connections x 16"];
/// The load in which the server and the load program are busiest.
const BUSIEST: &str = "sum, 256 in flight";

pub(crate) fn measure(settings: &Settings, figures: &mut Figures) -> Result<(), String> {
    let apart = cores::apart();
    let mut servers = Vec::new();
    for kind in KINDS.iter().filter(|kind| settings.server(kind.name)) {
        match kind.lacks() {
            None => servers.push((*kind, kind.start_apart(&apart)?)),
            Some(why) => eprintln!("skipped: {}: {why}", kind.name),
        }
    }
    let scenarios = rounds::scenarios();
    let cells = rounds::measure(&servers, &scenarios, settings.pace)?;
    for cell in &cells {
        let yardstick = cells.iter().find(|other| other.scenario == cell.scenario && other.server == YARDSTICK.name);
        if let Some(yardstick) = yardstick {
            let row = format!("{}: per server CPU-second", cell.scenario);
            figures.set(&row, cell.server, against(cell, yardstick));
        }
    }
    for cell in cells.iter().filter(|cell| WITH_LATENCY.contains(&cell.scenario)) {
        let middle = |of: fn(&crate::drive::Measured) -> u64| {
            Spread::of(cell.rounds.iter().map(|it| of(it) as f64 / 1e3)).median().unwrap_or_default()
        };
        let row = format!("{}: latency in microseconds, median / 99 of 100", cell.scenario);
        figures.set(&row, cell.server, format!("{:.0} / {:.0}", middle(|it| it.median), middle(|it| it.p99)));
    }
    for cell in cells.iter().filter(|cell| cell.scenario == BUSIEST) {
        let busy = |of: fn(&crate::drive::Measured) -> f64| {
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
    Ok(())
}

/// The ratio to the yardstick; of the yardstick, what it is a ratio to.
fn against(cell: &Cell, yardstick: &Cell) -> String {
    if cell.server == yardstick.server {
        let rate = Spread::of(cell.rounds.iter().map(|it| it.per_cpu_second())).median();
        return format!("1 = {}", short(rate.unwrap_or_default()));
    }
    // Of the same round, so that what disturbs both is no difference.
    let both = cell.rounds.iter().zip(&yardstick.rounds);
    format!("{:.2}", Spread::of(both.map(|(own, yardstick)| own.per_cpu_second() / yardstick.per_cpu_second())))
}
