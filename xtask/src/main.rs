//! Tasks of this repository: `cargo xtask test` checks everything that can be checked; `cargo xtask reliability` goes
//! further, for as long as it is told.
//!
//! Nothing but `std`, so that it builds in seconds on a machine that has only Rust. Needs a Unix shell.

#![expect(clippy::print_stdout, reason = "a command's output is its product")]

use std::process::ExitCode;

// What is asked for, and what is run.
mod bench;
mod options;
mod reliability;
mod steps;

// What steps are made of: a command under a time limit, and what must be there before it.
mod install;
mod run;

// What is read: a manifest, the output of tests, the dependency tree, what is promised.
mod dependencies;
mod libtest;
mod manifest;
mod promises;

// What is a step and a command of its own.
mod counts;
mod fuzz;
mod profile;
mod supply_chain;

// What came of it.
mod outcome;
mod report;

fn main() -> ExitCode {
    match options::parse(std::env::args().skip(1), &steps::names()) {
        Ok(options::Task::Test(selection)) => steps::run_all(&selection),
        Ok(options::Task::Fuzz(fuzzing)) => fuzz::command(&fuzzing, steps::root()),
        Ok(options::Task::Counts(counting)) => counts::command(counting, steps::root()),
        Ok(options::Task::SupplyChain(accept)) => supply_chain::command(accept, steps::root()),
        Ok(options::Task::Reliability(args)) => reliability::run(&args),
        Ok(options::Task::Bench(args)) => bench::run(&args),
        Ok(options::Task::List) => {
            print!("{}", steps::list());
            ExitCode::SUCCESS
        }
        Ok(options::Task::Help) => {
            print!("{}", options::USAGE);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("error: {problem}\n\n{}", options::USAGE);
            ExitCode::from(2)
        }
    }
}
