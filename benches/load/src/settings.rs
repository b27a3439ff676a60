//! What was asked for on the command line.

use std::time::Duration;

use crate::parts::{PARTS, Part};
use crate::rounds::Pace;
use crate::server::{KINDS, Kind};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask bench [--only NAME]... [--rounds N] [--seconds S] [--quick] [--check] [--record]

  --only NAME    a part or a server; may be repeated
                 parts, in their order: servers, streams, clients, counts, rest, build, growth, workers, profile
                 servers: nestrs, chain, yardstick, one-pass, floor, nestjs, tarpc-bincode, tarpc-json, tonic
  --rounds N     how often nestrs and what is written by hand take their turns under each load; default 5, and 3 for
                 all others
  --seconds S    how long each turn is measured; default 0.5
  --quick        one round of 0.1 seconds, fewer connections, and neither counts, build, growth nor profile unless they
                 are named: whether everything works and answers rightly
  --check        fail where a figure that does not depend on the machine is not what it must be
  --record       write the tables of each part into docs/performance.md as soon as they are complete; takes neither
                 --quick nor a server
";

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
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
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
        let (mut parts, mut servers) = (Vec::new(), Vec::new());
        for name in only {
            if PARTS.iter().any(|part| part.name == name) {
                parts.push(name);
            } else if KINDS.iter().any(|kind| kind.name == name) {
                servers.push(name);
            } else {
                return Err(format!("`{name}` is no part and no server"));
            }
        }
        let seconds = seconds.unwrap_or(if quick { 0.1 } else { 0.5 });
        if !(0.05..=3600.0).contains(&seconds) {
            return Err("`--seconds` is between 0.05 and 3600".to_owned());
        }
        if record && (quick || !servers.is_empty()) {
            return Err("`--record` takes neither `--quick` nor a server: a table is kept as a whole".to_owned());
        }
        let length = Duration::from_secs_f64(seconds);
        let rounds = rounds.unwrap_or(if quick { 1 } else { 5 }).max(1);
        let warm_up = length.div_f64(5.0).min(Duration::from_millis(500));
        let pace = Pace { rounds, peer_rounds: 3, warm_up, length };
        Ok(Self { parts, servers, pace, quick, check, record })
    }

    /// Whether a part is asked for.
    pub(crate) fn part(&self, part: &Part) -> bool {
        if self.parts.is_empty() { !(self.quick && part.slow) } else { self.parts.iter().any(|name| name == part.name) }
    }

    /// Whether a server is asked for.
    pub(crate) fn server(&self, name: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|server| server == name)
    }

    /// The servers that are asked for and can be started here.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static Kind> {
        KINDS.iter().filter(|kind| self.server(kind.name) && kind.lacks().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Settings, String> {
        Settings::parse(line.split_whitespace().map(str::to_owned))
    }

    fn parts(line: &str) -> Vec<&'static str> {
        let settings = parsed(line).unwrap();
        PARTS.iter().filter(|part| settings.part(part)).map(|part| part.name).collect()
    }

    #[test]
    fn everything_is_measured_unless_told_otherwise() {
        assert_eq!(parts("").len(), PARTS.len());
        assert_eq!(parts("")[0], "servers");
        assert_eq!(parts("--quick"), ["servers", "streams", "clients", "rest", "workers"]);
        let settings = parsed("").unwrap();
        assert!(settings.server("nestrs") && settings.server("floor"));
        let Pace { rounds, peer_rounds, length, .. } = settings.pace;
        assert_eq!((rounds, peer_rounds, length), (5, 3, Duration::from_millis(500)));
    }

    #[test]
    fn parts_and_servers_are_chosen_by_name() {
        let line = "--only servers --only=floor --rounds 7 --seconds=0.5";
        assert_eq!(parts(line), ["servers"]);
        let settings = parsed(line).unwrap();
        assert!(settings.server("floor") && !settings.server("nestrs"));
        assert_eq!((settings.pace.rounds, settings.pace.length), (7, Duration::from_millis(500)));
        assert!(!settings.record && !settings.quick);
        assert_eq!(parts("--quick --only counts"), ["counts"]);
    }

    #[test]
    fn any_part_can_be_recorded_and_only_as_a_whole() {
        assert!(parsed("--record").unwrap().record);
        assert!(parsed("--only servers --only profile --record").unwrap().record);
        for line in ["--quick --record", "--only servers --only floor --record"] {
            assert!(parsed(line).unwrap_err().starts_with("`--record` takes neither"), "{line}");
        }
    }

    #[test]
    fn those_that_are_compared_closely_have_more_rounds() {
        let rounds = |line| KINDS.iter().map(|kind| parsed(line).unwrap().pace.rounds_of(kind)).collect::<Vec<_>>();
        assert_eq!(rounds(""), [5, 5, 5, 5, 3, 3, 3, 3, 3]);
        assert_eq!(rounds("--rounds 2"), [2; 9]);
    }

    #[test]
    fn the_usage_names_every_part_and_every_server() {
        let named = |names: &[&str]| USAGE.contains(&format!(": {}\n", names.join(", ")));
        assert!(named(&PARTS.iter().map(|part| part.name).collect::<Vec<_>>()), "{USAGE}");
        let mut kinds: Vec<_> = KINDS.iter().collect();
        kinds.sort_by_key(|kind| kind.column);
        assert!(named(&kinds.iter().map(|kind| kind.name).collect::<Vec<_>>()), "{USAGE}");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parsed("--only lod").unwrap_err(), "`lod` is no part and no server");
        assert_eq!(parsed("--rounds many").unwrap_err(), "`--rounds` needs a number");
        assert_eq!(parsed("--rounds").unwrap_err(), "`--rounds` needs a value");
        assert_eq!(parsed("-x").unwrap_err(), "unknown option `-x`");
    }
}
