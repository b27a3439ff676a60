//! `cargo xtask bench`: a closed loop of requests against servers that do the same work, and the tables that come of it.
//!
//! Every answer is checked; a wrong one ends the part that it is in, and the run with an error.

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

// What is measured: a table or two each.
mod build;
mod client;
mod counted;
mod growth;
mod instructions;
mod load;
mod rest;
mod workers;

// How it is measured.
mod cores;
mod rounds;
mod syscalls;

// What is asked for, and what is made of it.
mod machine;
mod musts;
mod page;
mod parts;
mod settings;
mod table;

use settings::Settings;

/// Where tables are kept; the command runs at the root of the repository.
const PAGE: &str = "docs/performance.md";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let settings = match Settings::parse(args.clone()) {
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
    // Of the beginning: what is measured is what was built before.
    let shape = machine::shape(args);
    let parts = parts::PARTS.iter().filter(|part| settings.part(part));
    let outcome = parts::in_turn(
        parts.clone().map(|part| part.name),
        |name| parts.clone().find(|part| part.name == name).map_or(Ok(Vec::new()), |part| part.measure(settings)),
        |name, seconds, tables| {
            let text = format!("{shape}, in {seconds:.0} s.\n\n{tables}");
            println!("\n{text}");
            if settings.record { page::record(Path::new(PAGE), name, &text) } else { Ok(()) }
        },
    )?;
    eprintln!("{}", outcome.took.join(", "));
    if !outcome.failed.is_empty() {
        return Err(format!("not everything was measured: {}", outcome.failed.join("; ")));
    }
    match outcome.missed {
        missed @ 1.. if settings.check => {
            Err(format!("{missed} figures that do not depend on the machine are not what they must be"))
        }
        _ => Ok(()),
    }
}
