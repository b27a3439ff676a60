//! How cost grows: with connections, with the length of payloads, with routes, and with stages.

use crate::cores;
use crate::counted::{self, COUNTS};
use crate::drive::{Load, Manner};
use crate::proc::open_files_max;
use crate::rounds::{Pace, Spread};
use crate::server::{BARE, FASTEST, Kind, Program, YARDSTICK};
use crate::settings::Settings;
use crate::table::Table;
use crate::work::Work;

const CONNECTIONS: [u32; 5] = [1, 10, 100, 1_000, 10_000];
/// Up to 16 MiB, each four times the one before.
const PAYLOADS: usize = 10;
const PAYLOAD_MIN: usize = 64;
/// How many there are of `grown`.
const ROUTES: [(u32, &[&str]); 5] = [
    (1, &["routes", "1"]),
    (10, &["routes", "10"]),
    (100, &["routes", "100"]),
    (1_000, &["routes", "1000"]),
    (10_000, &["routes", "10000"]),
];
const STAGES: [(u32, &[&str]); 6] = [
    (0, &["stages", "0"]),
    (1, &["stages", "1"]),
    (2, &["stages", "2"]),
    (3, &["stages", "3"]),
    (6, &["stages", "6"]),
    (10, &["stages", "10"]),
];
/// Under way on one connection while routes and stages are counted.
const IN_FLIGHT: u32 = 16;

pub(crate) fn measure(settings: &Settings) -> Result<Vec<Table>, String> {
    let room = open_files_max().saturating_sub(100);
    let connections = CONNECTIONS.iter().filter(|&&connections| connections as usize <= room);
    let connections: Vec<_> = connections
        .map(|&connections| (connections.to_string(), Load { connections, in_flight: 1, work: Work::Sum }))
        .collect();
    let payloads: Vec<_> = (0..PAYLOADS)
        .map(|power| PAYLOAD_MIN << (2 * power))
        .map(|len| (bytes(len), Load { connections: 1, in_flight: 1, work: Work::echo(len) }))
        .collect();
    let one = |work| Load { connections: 1, in_flight: IN_FLIGHT, work };
    let routes = ROUTES.map(|(routes, words)| (routes, words, one(Work::Routed { routes })));
    let stages = STAGES.map(|(stages, words)| (stages, words, one(Work::Sum)));
    Ok(vec![
        // Of very many connections each has but few turns in half a second.
        against(settings.pace, "One sum under way on each of so many connections", "connections", &connections)?,
        against(pace(settings), "An echo of so many bytes, one under way", "payload", &payloads)?,
        alone(settings, "So many routes, asked in turn, 16 under way", "routes", &routes)?,
        alone(settings, "So many guards, interceptors and pipes around a sum, 16 under way", "stages", &stages)?,
    ])
}

/// A row for each load: microseconds of the server's processor time for one answer.
fn against(pace: Pace, title: &str, first: &str, loads: &[(String, Load)]) -> Result<Table, String> {
    let apart = cores::apart();
    let servers = [BARE, YARDSTICK, FASTEST];
    let servers: Vec<_> =
        servers.into_iter().map(|it| Ok((it, it.start_apart(&apart)?))).collect::<Result<_, String>>()?;
    let Pace { rounds, warm_up, length, .. } = pace;
    let mut rows = Vec::new();
    for (name, load) in loads {
        let mut costs = [(); 3].map(|()| Vec::new());
        for _ in 0..rounds {
            for ((kind, server), costs) in servers.iter().zip(&mut costs) {
                let measured = kind.drive(server, load, warm_up, length);
                let measured = measured.map_err(|why| format!("{}, {name}: {why}", kind.name))?;
                costs.push(1e6 / measured.per_cpu_second());
            }
        }
        let [ours, usual, fastest] = &costs;
        let mut row = vec![name.clone()];
        row.extend(costs.iter().map(|costs| format!("{:.2}", Spread::of(costs.iter().copied()))));
        for by_hand in [usual, fastest] {
            row.push(format!("{:.2}", Spread::of(by_hand.iter().zip(ours).map(|(by_hand, ours)| by_hand / ours))));
        }
        eprintln!("growth: {first} {}", row.join("  "));
        rows.push(row);
    }
    let micros = |kind: &Kind| format!("{}, us of CPU", kind.title);
    let ratio = |kind: &Kind| format!("nestrs per CPU-second against {}", kind.title);
    let columns = [micros(&BARE), micros(&YARDSTICK), micros(&FASTEST), ratio(&YARDSTICK), ratio(&FASTEST)];
    Ok(Table::new(title, [first.to_owned()].into_iter().chain(columns).collect(), rows))
}

/// A row for each server: the same, and what valgrind counts, which is no noise. They take turns, all of them a round.
fn alone(
    settings: &Settings,
    title: &str,
    first: &str,
    servers: &[(u32, &'static [&'static str], Load)],
) -> Result<Table, String> {
    let Pace { rounds, warm_up, length, .. } = pace(settings).few();
    let apart = cores::apart();
    let kind = |words| Kind {
        name: "grown",
        title: "",
        column: 0,
        program: Program::Ours("grown", words),
        manner: Manner::Nest,
    };
    let started = servers.iter().map(|(_, words, _)| kind(words).start_apart(&apart)).collect::<Result<Vec<_>, _>>()?;
    let mut costs = vec![Vec::new(); servers.len()];
    for _ in 0..rounds {
        for (at, (number, words, load)) in servers.iter().enumerate() {
            let measured = kind(words).drive(&started[at], load, warm_up, length);
            let measured = measured.map_err(|why| format!("{number} {first}: {why}"))?;
            costs[at].push(1e6 / measured.per_cpu_second());
        }
    }
    let resident: Vec<_> = started.iter().map(|server| server.proc().rss() / 1024).collect();
    drop((started, apart));
    let counted = if counted::able() {
        let jobs: Vec<_> = servers.iter().flat_map(|server| COUNTS.map(|count| (server, count))).collect();
        counted::side_by_side(&jobs, |((_, words, load), count)| {
            counted::of_server(&kind(words), *count, load).map(|each| count.shown(each))
        })?
    } else {
        vec!["-".to_owned(); servers.len() * COUNTS.len()]
    };
    let rows = servers.iter().zip(costs).zip(counted.chunks(COUNTS.len())).zip(resident);
    let rows = rows.map(|((((number, ..), costs), counted), resident)| {
        let mut row = vec![number.to_string(), format!("{:.2}", Spread::of(costs))];
        row.extend(counted.iter().cloned());
        row.push(resident.to_string());
        eprintln!("growth: {first} {}", row.join("  "));
        row
    });
    let rows = rows.collect();
    let columns = [first, "us of CPU", "instructions", "allocations", "resident KiB"];
    Ok(Table::new(title, columns.map(str::to_owned).to_vec(), rows))
}

/// Half as long as elsewhere: there are many points, and a curve shows by itself what is noise.
fn pace(settings: &Settings) -> Pace {
    let pace = settings.pace;
    Pace { warm_up: pace.warm_up / 2, length: pace.length / 2, ..pace }
}

fn bytes(len: usize) -> String {
    match len {
        _ if len >= 1 << 20 => format!("{} MiB", len >> 20),
        _ if len >= 1 << 10 => format!("{} KiB", len >> 10),
        _ => format!("{len} B"),
    }
}
