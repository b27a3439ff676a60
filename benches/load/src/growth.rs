//! How cost grows: with connections, and with the length of payloads.

use crate::drive::{Load, drive};
use crate::proc::open_files_max;
use crate::rounds::{Pace, Spread};
use crate::server::{BARE, YARDSTICK};
use crate::settings::Settings;
use crate::table::Table;
use crate::work::Work;

const CONNECTIONS: [u32; 5] = [1, 10, 100, 1_000, 10_000];
/// Up to 16 MiB, each four times the one before.
const PAYLOADS: usize = 10;
const PAYLOAD_MIN: usize = 64;

pub(crate) fn measure(settings: &Settings) -> Result<Vec<Table>, String> {
    let room = open_files_max().saturating_sub(100);
    let connections = CONNECTIONS.iter().filter(|&&connections| connections as usize <= room);
    let connections: Vec<_> = connections
        .map(|&connections| (count(connections), Load { connections, in_flight: 1, work: Work::Sum }))
        .collect();
    let payloads: Vec<_> = (0..PAYLOADS)
        .map(|power| PAYLOAD_MIN << (2 * power))
        .filter(|len| *len <= 16 * 1024 * 1024)
        .map(|len| (bytes(len), Load { connections: 1, in_flight: 1, work: Work::echo(len) }))
        .collect();
    Ok(vec![
        curve(settings, "One sum under way on each of so many connections", "connections", &connections)?,
        curve(settings, "An echo of so many bytes, one under way", "payload", &payloads)?,
    ])
}

/// A row for each load: microseconds of the server's processor time for one answer.
fn curve(settings: &Settings, title: &str, first: &str, loads: &[(String, Load)]) -> Result<Table, String> {
    let servers = [BARE.start()?, YARDSTICK.start()?];
    let Pace { rounds, warm_up, length } = settings.pace;
    let mut rows = Vec::new();
    for (name, load) in loads {
        let (mut ours, mut least) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            for (server, costs) in servers.iter().zip([&mut ours, &mut least]) {
                let measured = drive(server.address, server.proc(), BARE.manner, load, warm_up, length);
                let measured = measured.map_err(|why| format!("growth, {name}: {why}"))?;
                costs.push(1e6 / measured.per_cpu_second());
            }
        }
        let ratio = Spread::of(least.iter().zip(&ours).map(|(least, ours)| least / ours));
        let row = vec![
            name.clone(),
            format!("{:.2}", Spread::of(ours)),
            format!("{:.2}", Spread::of(least)),
            format!("{ratio:.2}"),
        ];
        eprintln!("growth: {}", row.join("  "));
        rows.push(row);
    }
    let columns = [first, "nestrs, us of CPU", "yardstick, us of CPU", "work per CPU-second against it"];
    Ok(Table { title: title.to_owned(), columns: columns.map(str::to_owned).to_vec(), rows })
}

fn count(number: u32) -> String {
    number.to_string()
}

fn bytes(len: usize) -> String {
    match len {
        _ if len >= 1 << 20 => format!("{} MiB", len >> 20),
        _ if len >= 1 << 10 => format!("{} KiB", len >> 10),
        _ => format!("{len} B"),
    }
}
