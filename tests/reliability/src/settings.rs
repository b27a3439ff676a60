//! What was asked for on the command line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Minutes, for every `cargo xtask test`.
    Quick,
    /// The figures of the failure contract, for a release.
    Release,
}

impl Profile {
    /// As it is written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Release => "release",
        }
    }
}

/// What this run is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How far to go.
    pub profile: Profile,
    /// Names of scenarios; all of them when empty.
    pub only: Vec<String>,
    /// What everything is derived from.
    pub seed: u64,
    /// How many rounds, where a scenario has rounds; `None` is the profile's figure.
    pub runs: Option<u32>,
    /// How long the soak lasts; `None` is the profile's figure.
    pub minutes: Option<f64>,
    /// Whether to append the results to `docs/reliability/RESULTS.md`.
    pub record: bool,
}

/// How it is called.
pub const USAGE: &str = "\
Usage: cargo xtask reliability [--profile quick|release] [--only NAME]... [--seed N] [--runs N] [--minutes M] [--record]

  --profile P   quick, some two minutes in all (the default), or release, the figures of the failure contract
  --only NAME   run this scenario alone; may be repeated
  --seed N      what everything is derived from; without it the quick profile takes 1, release the clock
  --runs N      rounds of a scenario that has rounds: seeds, kills, restarts, storms
  --minutes M   how long the soak lasts; fractions are fine
  --record      append the results to docs/reliability/RESULTS.md
  --list        print the scenarios
";

impl Settings {
    /// Reads the words of a command line.
    ///
    /// # Errors
    /// A word that means nothing, or a number that is none.
    pub fn parse(args: impl IntoIterator<Item = String>, scenarios: &[&str]) -> Result<Self, String> {
        let (mut profile, mut seed, mut runs, mut minutes) = (Profile::Quick, None, None, None);
        let (mut only, mut record) = (Vec::new(), false);
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, attached) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            if name == "--record" {
                record = true;
                continue;
            }
            let mut value = || attached.clone().or_else(|| args.next()).ok_or(format!("`{name}` needs a value"));
            match name.as_str() {
                "--profile" => {
                    profile = match value()?.as_str() {
                        "quick" => Profile::Quick,
                        "release" => Profile::Release,
                        other => return Err(format!("no profile is called `{other}`; there are quick, release")),
                    }
                }
                "--only" => {
                    let scenario = value()?;
                    if !scenarios.contains(&scenario.as_str()) {
                        let known = scenarios.join(", ");
                        return Err(format!("no scenario is called `{scenario}`; there are {known}"));
                    }
                    only.push(scenario);
                }
                "--seed" => seed = Some(number(&name, &value()?)?),
                "--runs" => runs = Some(number(&name, &value()?)?),
                "--minutes" => minutes = Some(number(&name, &value()?)?),
                _ => return Err(format!("unknown option `{name}`")),
            }
        }
        // The same every day where a failure must mean a change; another every time where it may mean a find.
        let seed = seed.unwrap_or_else(|| match profile {
            Profile::Quick => 1,
            Profile::Release => SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs()),
        });
        Ok(Self { profile, only, seed, runs, minutes, record })
    }

    /// The figure of this profile.
    #[must_use]
    pub fn pick<T>(&self, quick: T, release: T) -> T {
        match self.profile {
            Profile::Quick => quick,
            Profile::Release => release,
        }
    }

    /// How many rounds: as asked, or this profile's figure.
    #[must_use]
    pub fn rounds(&self, quick: u32, release: u32) -> u32 {
        self.runs.unwrap_or_else(|| self.pick(quick, release)).max(1)
    }

    /// How long a soak lasts.
    #[must_use]
    pub fn soak(&self) -> Duration {
        let minutes = self.minutes.unwrap_or_else(|| self.pick(0.2, 60.0));
        Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(Duration::from_secs(1))
    }

    /// Random numbers for one purpose; those of another purpose are others.
    #[must_use]
    pub fn rng(&self, purpose: &str) -> fastrand::Rng {
        rng(self.seed, purpose)
    }
}

/// Random numbers out of a seed, for one purpose.
#[must_use]
pub fn rng(seed: u64, purpose: &str) -> fastrand::Rng {
    fastrand::Rng::with_seed(seed ^ fingerprint(purpose.as_bytes()))
}

/// FNV-1a: short, and the same for ever.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{name}` needs a number, and `{text}` is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Settings, String> {
        Settings::parse(line.split_whitespace().map(str::to_owned), &["faults", "soak"])
    }

    #[test]
    fn a_quick_run_of_everything_is_what_nothing_asks_for() {
        let settings = parsed("").unwrap();
        assert_eq!((settings.profile, settings.seed, settings.record), (Profile::Quick, 1, false));
        assert!(settings.only.is_empty());
    }

    #[test]
    fn everything_can_be_chosen() {
        let settings = parsed("--profile release --only faults --only=soak --seed 7 --runs=3 --minutes 0.5 --record");
        let settings = settings.unwrap();
        assert_eq!(settings.only, ["faults", "soak"]);
        assert_eq!((settings.seed, settings.rounds(1, 2), settings.record), (7, 3, true));
        assert_eq!(settings.soak(), Duration::from_secs(30));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parsed("--only soap"), Err("no scenario is called `soap`; there are faults, soak".into()));
        assert_eq!(parsed("--seed x"), Err("`--seed` needs a number, and `x` is none".into()));
        assert_eq!(parsed("--sed 1"), Err("unknown option `--sed`".into()));
        assert_eq!(parsed("--seed"), Err("`--seed` needs a value".into()));
    }

    #[test]
    fn a_seed_means_the_same_every_time_and_other_things_for_other_purposes() {
        let settings = parsed("--seed 9").unwrap();
        assert_eq!(settings.rng("a").u64(..), settings.rng("a").u64(..));
        assert_ne!(settings.rng("a").u64(..), settings.rng("b").u64(..));
    }
}
