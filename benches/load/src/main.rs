//! `cargo xtask bench`: a closed loop of requests against servers that do the same work, and the tables that come of it.
//!
//! Every answer is checked; a wrong one ends the run.

use std::path::Path;
use std::process::ExitCode;

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
mod counted;
mod growth;
mod instructions;
mod machine;
mod rest;
mod rounds;
mod settings;
mod table;

use server::KINDS;
use settings::Settings;
use table::Table;

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
    for (part, measure) in PARTS {
        if !settings.part(part) {
            continue;
        }
        let tables = measure(settings)?;
        let text: Vec<_> = tables.iter().map(Table::markdown).collect();
        let text = format!("{}\n\n{}", machine::shape(args), text.join("\n"));
        println!("\n{text}");
        if settings.record {
            table::record(Path::new(PAGE), part, &text)?;
        }
    }
    Ok(())
}

/// A part, and how its tables are made.
type Part = (&'static str, fn(&Settings) -> Result<Vec<Table>, String>);

const PARTS: &[Part] = &[
    ("load", load),
    ("client", client::measure),
    ("idle", rest::idle),
    ("start", rest::start),
    ("syscalls", rest::syscalls),
    ("counted", counted::measure),
    ("growth", growth::measure),
    ("profile", instructions::measure),
    ("build", build::measure),
];

fn load(settings: &Settings) -> Result<Vec<Table>, String> {
    let (mut kinds, mut servers) = (Vec::new(), Vec::new());
    for kind in KINDS.iter().filter(|kind| settings.server(kind.name)) {
        match kind.lacks() {
            None => {
                kinds.push(*kind);
                servers.push((*kind, kind.start()?));
            }
            Some(why) => eprintln!("skipped: {}: {why}", kind.name),
        }
    }
    let scenarios = rounds::scenarios();
    let cells = rounds::measure(&servers, &scenarios, settings.pace)?;
    Ok(table::of_rounds(&kinds, &scenarios, &cells))
}
