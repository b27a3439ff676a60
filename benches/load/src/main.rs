//! `cargo xtask bench`: a closed loop of requests against servers that do the same work, and the tables that come of it.
//!
//! Every answer is checked; a wrong one ends the run.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

// The load program: the wire, what is asked for, and the loop.
mod drive;
mod peers;
mod wire;
mod work;

// What is under load, and how it is seen.
mod proc;
mod server;

// What is measured, and what is made of it.
mod build;
mod client;
mod cores;
mod counted;
mod growth;
mod instructions;
mod load;
mod machine;
mod musts;
mod rest;
mod rounds;
mod settings;
mod table;
mod workers;

use server::KINDS;
use settings::Settings;
use table::{Figures, Table};

/// Where tables are kept; the command runs at the root of the repository.
const PAGE: &str = "docs/performance.md";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    let settings = match Settings::parse(args.clone(), &names) {
        Ok(settings) => settings,
        Err(problem) => {
            eprintln!("error: {problem}\n\n{}", settings::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&settings, &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the tables are the product")]
fn run(settings: &Settings, args: &[String]) -> Result<(), String> {
    let show = |name: &str, tables: &[Table]| {
        if tables.is_empty() {
            return Ok(());
        }
        let text: Vec<_> = tables.iter().map(Table::markdown).collect();
        let text = format!("{}\n\n{}", machine::shape(args), text.join("\n"));
        println!("\n{text}");
        if settings.record { table::record(Path::new(PAGE), name, &text) } else { Ok(()) }
    };
    let mut figures = Figures::default();
    for part in PARTS.iter().filter(|part| settings.part(part.name)) {
        let begun = Instant::now();
        match part.measure {
            Measure::Figures(measure) => measure(settings, &mut figures)?,
            Measure::Tables(measure) => show(part.name, &measure(settings)?)?,
        }
        eprintln!("{}: {:.0} s", part.name, begun.elapsed().as_secs_f64());
    }
    // The one table comes last on the screen, where it is seen.
    let (musts, missed) = musts::table(&figures);
    let tables: Vec<_> = figures.table().into_iter().chain(musts).collect();
    if !tables.is_empty() {
        show(THE_TABLE, &tables)?;
    }
    match missed {
        1.. if settings.check => {
            Err(format!("{missed} figures that do not depend on the machine are not what they must be"))
        }
        _ => Ok(()),
    }
}

/// What the markers around the table of all figures are called.
const THE_TABLE: &str = "figures";

/// Something that is measured.
struct Part {
    name: &'static str,
    measure: Measure,
}

enum Measure {
    /// Rows of the one table.
    Figures(fn(&Settings, &mut Figures) -> Result<(), String>),
    /// Tables of its own.
    Tables(fn(&Settings) -> Result<Vec<Table>, String>),
}

const fn figures(name: &'static str, measure: fn(&Settings, &mut Figures) -> Result<(), String>) -> Part {
    Part { name, measure: Measure::Figures(measure) }
}

const fn tables(name: &'static str, measure: fn(&Settings) -> Result<Vec<Table>, String>) -> Part {
    Part { name, measure: Measure::Tables(measure) }
}

const PARTS: &[Part] = &[
    figures("load", load::measure),
    figures("syscalls", rest::syscalls),
    figures("counted", counted::measure),
    figures("idle", rest::idle),
    figures("start", rest::start),
    figures("build", build::measure),
    figures("client", client::measure),
    tables("growth", growth::measure),
    tables("workers", workers::measure),
    tables("profile", instructions::measure),
];
