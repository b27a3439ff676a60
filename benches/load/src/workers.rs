//! More than one core for a server: workers of one runtime, and listeners of one address with a runtime each.

use crate::drive::Load;
use crate::rounds::{Pace, Spread};
use crate::server::{Kind, Program, YARDSTICK};
use crate::settings::Settings;
use crate::table::{Table, short};
use crate::work::Work;

/// What tokio takes for its number of workers.
const WORKERS: &str = "TOKIO_WORKER_THREADS";

/// A server, and how it is spread.
struct Way {
    title: &'static str,
    program: Program,
    workers: &'static str,
}

const WAYS: &[Way] = &[
    Way { title: "nestrs, 1 worker", program: Program::Ours("nestrs-server", &[]), workers: "1" },
    Way { title: "nestrs, 2 workers", program: Program::Ours("nestrs-server", &[]), workers: "2" },
    Way {
        title: "nestrs, 2 listeners of 1 worker (`SO_REUSEPORT`)",
        program: Program::Ours("nestrs-server", &["listeners"]),
        workers: "1",
    },
    Way { title: "yardstick, 1 worker", program: YARDSTICK.program, workers: "1" },
    Way { title: "yardstick, 2 workers", program: YARDSTICK.program, workers: "2" },
];

/// Cores are not halved here: how a server uses all of them is what is asked.
pub(crate) fn measure(settings: &Settings) -> Result<Vec<Table>, String> {
    let loads = [
        ("64 connections x 1", Load { connections: 64, in_flight: 1, work: Work::Sum }),
        ("64 connections x 16", Load { connections: 64, in_flight: 16, work: Work::Sum }),
    ];
    let Pace { rounds, warm_up, length, .. } = settings.pace.few();
    let started = WAYS.iter().map(|way| {
        let kind = Kind { name: "workers", program: way.program, ..YARDSTICK };
        let mut env = std::process::Command::new("env");
        env.arg(format!("{WORKERS}={}", way.workers));
        Ok((way, kind, kind.start_under(env)?))
    });
    let started: Vec<_> = started.collect::<Result<_, String>>()?;
    let mut rows: Vec<_> = WAYS.iter().map(|way| vec![way.title.to_owned()]).collect();
    let mut columns = vec![String::new()];
    for (name, load) in loads {
        let mut measured = vec![Vec::new(); started.len()];
        for _ in 0..rounds {
            for ((way, kind, server), measured) in started.iter().zip(&mut measured) {
                let one = kind.drive(server, &load, warm_up, length);
                measured.push(one.map_err(|why| format!("workers, {}, {name}: {why}", way.title))?);
            }
        }
        columns.push(format!("{name}: requests per second on the clock"));
        columns.push(format!("{name}: per server CPU-second"));
        columns.push(format!("{name}: cores used, server + who asks"));
        for (row, measured) in rows.iter_mut().zip(&measured) {
            let middle = |of: fn(&crate::drive::Measured) -> f64| {
                Spread::of(measured.iter().map(of)).median().unwrap_or_default()
            };
            let cores = (
                middle(|it| it.server_cpu.as_secs_f64() / it.wall.as_secs_f64()),
                middle(|it| it.client_cpu.as_secs_f64() / it.wall.as_secs_f64()),
            );
            row.push(short(middle(|it| it.per_second())));
            row.push(short(middle(|it| it.per_cpu_second())));
            row.push(format!("{:.2} + {:.2}", cores.0, cores.1));
            eprintln!("workers: {}", row.join("  "));
        }
    }
    Ok(vec![Table::new("More than one core: sums", columns, rows)])
}
