//! What a server takes beside its work: silent connections, and its start.

use std::thread;
use std::time::Duration;

use crate::musts;
use crate::proc::open_files_max;
use crate::rounds::Spread;
use crate::server::{Kind, Server};
use crate::settings::Settings;
use crate::table::{Figures, Table};

const IDLE_CONNECTIONS: usize = 10_000;
/// Files that a process has open beside its connections.
const OTHER_FILES: usize = 100;
/// After the last connection is made, until what that needed is let go of.
const SETTLES: Duration = Duration::from_millis(500);

pub(crate) fn measure(settings: &Settings) -> Result<Vec<Table>, String> {
    let mut figures = Figures::new("At rest, and at its start", musts::REST);
    for kind in settings.kinds() {
        idle(settings, kind, &mut figures).map_err(|why| format!("{}: {why}", kind.name))?;
    }
    for kind in settings.kinds() {
        start(settings, kind, &mut figures).map_err(|why| format!("{}: {why}", kind.name))?;
    }
    Ok(figures.table().into_iter().collect())
}

/// Resident bytes of the server for each connection that says nothing.
fn idle(settings: &Settings, kind: &'static Kind, figures: &mut Figures) -> Result<(), String> {
    let wanted = if settings.quick { 1_000 } else { IDLE_CONNECTIONS };
    let connections = wanted.min(open_files_max().saturating_sub(OTHER_FILES));
    let number = u32::try_from(connections).map_err(|error| error.to_string())?;
    let start = || {
        let server = kind.start()?;
        kind.first_answer(&server)?;
        let before = server.proc().rss();
        Ok((server, before))
    };
    let look = |server: &Server, before: u64| {
        thread::sleep(SETTLES);
        (server.proc().rss().saturating_sub(before) / connections as u64).to_string()
    };
    let (never_used, used) = kind.silent(number, start, look)?;
    let row = |what| format!("{connections} silent connections, {what}: bytes of the server for each");
    figures.set(&row("never used"), kind.name, never_used);
    figures.set(&row("after a sum on each"), kind.name, used);
    Ok(())
}

/// From exec to the first right answer.
fn start(settings: &Settings, kind: &'static Kind, figures: &mut Figures) -> Result<(), String> {
    let times = if settings.quick { 3 } else { 15 };
    let (mut took, mut rss) = (Vec::new(), 0);
    for _ in 0..times {
        let server = kind.start()?;
        took.push(kind.first_answer(&server)?.as_secs_f64() * 1e3);
        rss = server.proc().rss() / 1024;
    }
    let took = format!("{:.1}", Spread::of(took));
    figures.set("cold start: milliseconds from exec to the first answer", kind.name, took);
    figures.set("cold start: resident KiB then", kind.name, rss.to_string());
    Ok(())
}
