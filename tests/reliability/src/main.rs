//! `nestrs-reliability run …` runs scenarios; `serve`, `peers` and `callers` are the processes they start.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use nestrs_reliability::report::Report;
use nestrs_reliability::scenarios::{self, SCENARIOS};
use nestrs_reliability::server;
use nestrs_reliability::settings::{Settings, USAGE};

/// Where results are kept; the command runs at the root of the repository.
const RESULTS: &str = "docs/reliability/RESULTS.md";

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let outcome = match args.next().as_deref() {
        Some("serve") => server::serve(args).await.map_err(|error| error.to_string()),
        Some("peers") => {
            let (address, profile) = (args.next().unwrap_or_default(), args.next().unwrap_or_default());
            scenarios::peers(&address, &profile).await.map_err(|error| error.to_string())
        }
        Some("callers") => {
            scenarios::callers(&args.next().unwrap_or_default()).await.map_err(|error| error.to_string())
        }
        Some("run") => return run(args.collect()).await,
        _ => Err(format!("which part?\n\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, reason = "the results are the product")]
async fn run(args: Vec<String>) -> ExitCode {
    if args.iter().any(|arg| arg == "--list") {
        for scenario in SCENARIOS {
            println!("{:13} {}", scenario.name, scenario.about);
        }
        return ExitCode::SUCCESS;
    }
    let settings = match Settings::parse(args, &scenarios::names()) {
        Ok(settings) => settings,
        Err(problem) => {
            eprintln!("error: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let chosen = |name: &str| settings.only.is_empty() || settings.only.iter().any(|only| only == name);
    let mut passed = true;
    for scenario in SCENARIOS.iter().filter(|scenario| chosen(scenario.name)) {
        println!("{}, seed {}: {}", scenario.name, settings.seed, scenario.about);
        let started = Instant::now();
        let report: Report = tokio::select! {
            report = (scenario.run)(settings.clone()) => report,
            // What it had started and made goes with it.
            _ = tokio::signal::ctrl_c() => return ExitCode::from(130),
        };
        print!("{}", report.render(scenario.name, &settings, started.elapsed()));
        passed &= report.passed();
        if settings.record
            && let Err(error) = report.record(Path::new(RESULTS), scenario.name, &settings, started.elapsed())
        {
            eprintln!("error: {RESULTS}: {error}");
            passed = false;
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
