//! What was asked for on the command line.

use std::time::Duration;

use crate::rounds::Pace;

pub(crate) const USAGE: &str = "\
Usage: cargo xtask bench [--only NAME]... [--rounds N] [--seconds S] [--quick] [--record]

  --only NAME    a part or a server; may be repeated
                 parts: load, client, idle, start, syscalls, counted, growth, profile, build
                 (the last three only when named)
                 servers: nestrs, chain, yardstick, floor, nestjs, tarpc-bincode, tarpc-json, tonic
  --rounds N     how often each server takes its turn under each load; default 3
  --seconds S    how long each turn is measured; default 1.5
  --quick        one round of 0.3 seconds: whether everything works and answers rightly
  --record       write the tables into docs/performance.md
";

/// What is measured unless something is named.
const USUAL: &[&str] = &["load", "client", "idle", "start", "syscalls", "counted"];
/// What is measured only when it is named: it takes its time.
const NAMED: &[&str] = &["growth", "profile", "build"];

/// What this run is to do.
#[derive(Debug)]
pub(crate) struct Settings {
    parts: Vec<String>,
    servers: Vec<String>,
    pub(crate) pace: Pace,
    pub(crate) quick: bool,
    pub(crate) record: bool,
}

impl Settings {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>, servers: &[&str]) -> Result<Self, String> {
        let (mut only, mut rounds, mut seconds) = (Vec::new(), None, None);
        let (mut quick, mut record) = (false, false);
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
                "--record" => record = true,
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        let (mut parts, mut chosen) = (Vec::new(), Vec::new());
        for name in only {
            if USUAL.contains(&&*name) || NAMED.contains(&&*name) {
                parts.push(name);
            } else if servers.contains(&&*name) {
                chosen.push(name);
            } else {
                return Err(format!("`{name}` is no part and no server"));
            }
        }
        let seconds = seconds.unwrap_or(if quick { 0.3 } else { 1.5 });
        if !(0.05..=3600.0).contains(&seconds) {
            return Err("`--seconds` is between 0.05 and 3600".to_owned());
        }
        let length = Duration::from_secs_f64(seconds);
        let rounds = rounds.unwrap_or(if quick { 1 } else { 3 }).max(1);
        let pace = Pace { rounds, warm_up: length.div_f64(5.0).min(Duration::from_millis(500)), length };
        Ok(Self { parts, servers: chosen, pace, quick, record })
    }

    /// Whether a part is asked for.
    pub(crate) fn part(&self, name: &str) -> bool {
        if self.parts.is_empty() { USUAL.contains(&name) } else { self.parts.iter().any(|part| part == name) }
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
        assert!(settings.part("load") && settings.part("idle") && !settings.part("build"));
        assert!(settings.server("nestrs") && settings.server("floor"));
        assert_eq!(settings.pace.rounds, 3);
    }

    #[test]
    fn parts_and_servers_are_chosen_by_name() {
        let settings = parsed("--only load --only=floor --rounds 5 --seconds=0.5 --record").unwrap();
        assert!(settings.part("load") && !settings.part("idle"));
        assert!(settings.server("floor") && !settings.server("nestrs"));
        assert_eq!((settings.pace.rounds, settings.pace.length), (5, Duration::from_millis(500)));
        assert!(settings.record && !settings.quick);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parsed("--only lod").unwrap_err(), "`lod` is no part and no server");
        assert_eq!(parsed("--rounds many").unwrap_err(), "`--rounds` needs a number");
        assert_eq!(parsed("--rounds").unwrap_err(), "`--rounds` needs a value");
        assert_eq!(parsed("-x").unwrap_err(), "unknown option `-x`");
    }
}
