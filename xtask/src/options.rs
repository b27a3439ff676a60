//! What was asked for on the command line.

use crate::counts::{self, Counting};
use crate::fuzz::{self, Fuzzing};
use crate::supply_chain;

pub(crate) const USAGE: &str = "\
Usage: cargo xtask test [--only STEP]... [--skip-install]
       cargo xtask test --list
       cargo xtask fuzz [--target TARGET]... [--seconds N | --runs N] [--skip-install]
       cargo xtask counts [--accept | --profile]
       cargo xtask supply-chain [--accept]
       cargo xtask reliability [OPTION]...
       cargo xtask bench [OPTION]...

  test, ci         run every step, go on after a failure, end with a table of what ran and what could not
  --only STEP      run this step alone; may be repeated
  --skip-install   install nothing; a step that lacks something then says so
  --list           print the steps
  reliability      run scenarios of the reliability harness; an option it does not know makes it print those it does
  bench            measure servers side by side under load, in the same manner

  fuzz             run the fuzz targets in fuzz/, 30 seconds each or as long as told
  counts           compare instructions and allocations with benches/instructions/limits.toml
  --profile        print where the instructions of one request go instead, as Markdown
  supply-chain     compare the lock files with supply-chain/allowed.txt
  --accept         write those limits, or that list, anew

With CI=true in the environment, a step that could not run is a failure.
";

/// What this run is to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    Test(Selection),
    Fuzz(Fuzzing),
    Counts(Counting),
    /// With whether to accept what is there.
    SupplyChain(bool),
    /// With words that are the harness's to read.
    Reliability(Vec<String>),
    /// With words that are the load program's to read.
    Bench(Vec<String>),
    List,
    Help,
}

/// Which steps to run, and how.
#[derive(Debug, PartialEq)]
pub(crate) struct Selection {
    /// Names of steps; all of them when empty.
    pub(crate) only: Vec<String>,
    /// Whether what is missing may be installed.
    pub(crate) install: bool,
}

pub(crate) fn parse(args: impl IntoIterator<Item = String>, steps: &[&str]) -> Result<Task, String> {
    let mut args = args.into_iter();
    match args.next().as_deref() {
        Some("test" | "ci") => {}
        Some("fuzz") => return fuzz::parse(args).map(Task::Fuzz),
        Some("counts") => return counts::parse(args).map(Task::Counts),
        Some("supply-chain") => return supply_chain::parse(args).map(Task::SupplyChain),
        Some("reliability") => return Ok(Task::Reliability(args.collect())),
        Some("bench") => return Ok(Task::Bench(args.collect())),
        Some("help" | "--help" | "-h") => return Ok(Task::Help),
        Some(other) => return Err(format!("no task is called `{other}`")),
        None => return Err("which task?".to_owned()),
    }
    let mut selection = Selection { only: Vec::new(), install: true };
    while let Some(arg) = args.next() {
        let name = match arg.as_str() {
            "--list" => return Ok(Task::List),
            "--help" | "-h" => return Ok(Task::Help),
            "--skip-install" => {
                selection.install = false;
                continue;
            }
            "--only" => args.next().ok_or("`--only` needs the name of a step")?,
            _ => match arg.strip_prefix("--only=") {
                Some(name) => name.to_owned(),
                None => return Err(format!("unknown option `{arg}`")),
            },
        };
        if !steps.contains(&name.as_str()) {
            return Err(format!("no step is called `{name}`; there are {}", steps.join(", ")));
        }
        selection.only.push(name);
    }
    Ok(Task::Test(selection))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task, String> {
        parse(line.split_whitespace().map(str::to_owned), &["fmt", "docs"])
    }

    #[test]
    fn everything_is_run_unless_told_otherwise() {
        let all = Task::Test(Selection { only: vec![], install: true });
        assert_eq!(parsed("test"), Ok(all));
        assert_eq!(parsed("ci"), parsed("test"));
    }

    #[test]
    fn steps_are_chosen_by_name() {
        let two = Task::Test(Selection { only: vec!["docs".into(), "fmt".into()], install: false });
        assert_eq!(parsed("test --only docs --skip-install --only=fmt"), Ok(two));
        assert_eq!(parsed("test --list"), Ok(Task::List));
    }

    #[test]
    fn what_the_harness_is_to_do_is_not_read_here() {
        assert_eq!(parsed("reliability --seed 7"), Ok(Task::Reliability(vec!["--seed".into(), "7".into()])));
        assert_eq!(parsed("bench --quick"), Ok(Task::Bench(vec!["--quick".into()])));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parsed("tset"), Err("no task is called `tset`".into()));
        assert_eq!(parsed("test --only fnt"), Err("no step is called `fnt`; there are fmt, docs".into()));
        assert_eq!(parsed("test --only"), Err("`--only` needs the name of a step".into()));
        assert_eq!(parsed("test -x"), Err("unknown option `-x`".into()));
    }
}
