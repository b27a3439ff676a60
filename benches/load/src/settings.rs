//! What was asked for on the command line.

use std::time::Duration;

use crate::rounds::Pace;

pub(crate) const USAGE: &str = "\
Usage: cargo xtask bench [--only NAME]... [--rounds N] [--seconds S] [--quick] [--check] [--record]

  --only NAME    a part or a server; may be repeated
                 parts of the one table: load, syscalls, counted, idle, start, build, client
                 tables of their own: growth, workers, profile
                 servers: nestrs, chain, yardstick, floor, nestjs, tarpc-bincode, tarpc-json, tonic
  --rounds N     how often each server takes its turn under each load; default 3
  --seconds S    how long each turn is measured; default 0.8
  --quick        one round of 0.1 seconds, fewer connections, nothing that is counted or built unless it is named:
                 whether everything works and answers rightly
  --check        fail where a figure that does not depend on the machine is not what it must be
  --record       write the tables into docs/performance.md; the one table only as a whole, and nothing that was --quick
";

/// Parts of the one table.
const FIGURES: &[&str] = &["load", "syscalls", "counted", "idle", "start", "build", "client"];
/// Parts that are tables of their own.
const TABLES: &[&str] = &["growth", "workers", "profile"];
/// What takes its time, and is left out in a hurry.
const SLOW: &[&str] = &["counted", "build", "growth", "profile"];

/// What this run is to do.
#[derive(Debug)]
pub(crate) struct Settings {
    parts: Vec<String>,
    servers: Vec<String>,
    pub(crate) pace: Pace,
    pub(crate) quick: bool,
    pub(crate) check: bool,
    pub(crate) record: bool,
}

impl Settings {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>, servers: &[&str]) -> Result<Self, String> {
        let (mut only, mut rounds, mut seconds) = (Vec::new(), None, None);
        let (mut quick, mut check, mut record) = (false, false, false);
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            let mut value = || value.clone().or_else(|| args.next()).ok_or(format!("`{name}` needs a value"));
            match name.as_str() {
                "--only" => only.push(value()?),
                "--rounds" => rounds = Some(value()?.parse::<usize>().map_err(|_| "`--rounds` needs a number")?),
                "--seconds" => seconds = Some(value()?.parse::<f64>().map_err(|_| "`--seconds` needs a number")?),
                "--quick" => quick = true,
                "--check" => check = true,
                "--record" => record = true,
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        let (mut parts, mut chosen) = (Vec::new(), Vec::new());
        for name in only {
            if FIGURES.contains(&&*name) || TABLES.contains(&&*name) {
                parts.push(name);
            } else if servers.contains(&&*name) {
                chosen.push(name);
            } else {
                return Err(format!("`{name}` is no part and no server"));
            }
        }
        let seconds = seconds.unwrap_or(if quick { 0.1 } else { 0.8 });
        if !(0.05..=3600.0).contains(&seconds) {
            return Err("`--seconds` is between 0.05 and 3600".to_owned());
        }
        let some_figures = parts.iter().any(|part| FIGURES.contains(&&**part));
        if record && (quick || !chosen.is_empty() || some_figures) {
            return Err("`--record` takes no `--quick`, no server, and no part of the one table".to_owned());
        }
        let length = Duration::from_secs_f64(seconds);
        let rounds = rounds.unwrap_or(if quick { 1 } else { 3 }).max(1);
        let pace = Pace { rounds, warm_up: length.div_f64(5.0).min(Duration::from_millis(500)), length };
        Ok(Self { parts, servers: chosen, pace, quick, check, record })
    }

    /// Whether a part is asked for.
    pub(crate) fn part(&self, name: &str) -> bool {
        if self.parts.is_empty() {
            !(self.quick && SLOW.contains(&name))
        } else {
            self.parts.iter().any(|part| part == name)
        }
    }

    /// Whether a server is asked for.
    pub(crate) fn server(&self, name: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|server| server == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Settings, String> {
        Settings::parse(line.split_whitespace().map(str::to_owned), &["nestrs", "floor"])
    }

    #[test]
    fn everything_usual_is_measured_unless_told_otherwise() {
        let settings = parsed("").unwrap();
        assert!(settings.part("load") && settings.part("growth") && settings.part("build"));
        let settings = parsed("--quick").unwrap();
        assert!(settings.part("load") && settings.part("workers") && !settings.part("build"));
        let settings = parsed("").unwrap();
        assert!(settings.server("nestrs") && settings.server("floor"));
        assert_eq!(settings.pace.rounds, 3);
    }

    #[test]
    fn parts_and_servers_are_chosen_by_name() {
        let settings = parsed("--only load --only=floor --rounds 5 --seconds=0.5").unwrap();
        assert!(settings.part("load") && !settings.part("idle"));
        assert!(settings.server("floor") && !settings.server("nestrs"));
        assert_eq!((settings.pace.rounds, settings.pace.length), (5, Duration::from_millis(500)));
        assert!(!settings.record && !settings.quick);
    }

    #[test]
    fn what_is_recorded_is_whole() {
        assert!(parsed("--record").unwrap().record);
        assert!(parsed("--only growth --only profile --record").unwrap().record);
        for line in ["--quick --record", "--only load --record", "--only floor --record"] {
            assert!(parsed(line).unwrap_err().starts_with("`--record` takes no"), "{line}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parsed("--only lod").unwrap_err(), "`lod` is no part and no server");
        assert_eq!(parsed("--rounds many").unwrap_err(), "`--rounds` needs a number");
        assert_eq!(parsed("--rounds").unwrap_err(), "`--rounds` needs a value");
        assert_eq!(parsed("-x").unwrap_err(), "unknown option `-x`");
    }
}
