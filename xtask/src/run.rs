//! Running a command: its output is shown as it comes and kept, and it ends when its time is up.

use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Becomes the command, and leaves a watcher in its process group that ends the group when our end of the pipe on
/// standard input closes: when time is up, when the command is done but left something running, or when we are gone
/// ourselves (Ctrl-C). No process is ever named by a number that may have been given to another.
const LEASHED: &str =
    r#"exec 3<&0 </dev/null; { read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & exec 3<&-; exec "$@""#;

/// How long to wait for more output when the command has ended and something out of our reach still holds the pipe.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where commands run, and until when.
pub(crate) struct Runner {
    pub(crate) root: PathBuf,
    pub(crate) deadline: Instant,
}

/// A command to be run.
pub(crate) struct Call {
    words: Vec<String>,
    env: Vec<(&'static str, String)>,
    show: bool,
}

/// What came of a command: `Err` says how it failed.
pub(crate) struct Finished {
    pub(crate) end: Result<(), Failure>,
    pub(crate) lines: Vec<String>,
}

/// Why a command did not succeed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    Ended(String),
    TimedOut,
}

impl Call {
    /// A command of words without blanks in them.
    pub(crate) fn new(line: &str) -> Self {
        Self { words: line.split_whitespace().map(str::to_owned).collect(), env: Vec::new(), show: true }
    }

    pub(crate) fn arg(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// What it is for short: `cargo clippy`.
    pub(crate) fn name(&self) -> String {
        self.words[..self.words.len().min(2)].join(" ")
    }

    /// Keeps the output without showing it.
    pub(crate) fn quiet(mut self) -> Self {
        self.show = false;
        self
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.env.iter().filter(|(name, _)| *name != "PATH") {
            write!(f, "{name}={value:?} ")?;
        }
        f.write_str(&self.words.join(" "))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(how) => f.write_str(how),
            Self::TimedOut => f.write_str("out of time"),
        }
    }
}

impl Runner {
    pub(crate) fn run(&self, call: &Call) -> Finished {
        if call.show {
            println!("$ {call}");
        }
        let limit = self.deadline.saturating_duration_since(Instant::now());
        if limit.is_zero() {
            return Finished { end: Err(Failure::TimedOut), lines: Vec::new() };
        }
        self.supervise(call, limit).unwrap_or_else(|error| Finished {
            end: Err(Failure::Ended(format!("could not be started: {error}"))),
            lines: Vec::new(),
        })
    }

    fn supervise(&self, call: &Call, limit: Duration) -> io::Result<Finished> {
        // One pipe for both streams, so that lines stay in the order they were written in.
        let (output, input) = io::pipe()?;
        let mut child = Command::new("sh")
            .args(["-c", LEASHED, "sh"])
            .args(&call.words)
            // We read what cargo and the test harness print.
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TERM_QUIET", "false")
            .envs(call.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.root)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(input.try_clone()?)
            .stderr(input)
            .spawn()?;

        let show = call.show;
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                if show {
                    println!("{line}");
                }
                if tell.send(line).is_err() {
                    break;
                }
            }
        });

        let leash = child.stdin.take();
        let (done, ended) = mpsc::channel::<()>();
        let timer = thread::spawn(move || {
            let timed_out = ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            drop(leash);
            timed_out
        });
        let status = child.wait()?;
        drop(done);
        let timed_out = timer.join().expect("the timer only waits");

        let mut lines = Vec::new();
        while let Ok(line) = told.recv_timeout(LAST_WORDS) {
            lines.push(line);
        }
        let end = match (timed_out, status.success()) {
            (true, _) => Err(Failure::TimedOut),
            (false, true) => Ok(()),
            (false, false) => Err(Failure::Ended(status.to_string())),
        };
        Ok(Finished { end, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> (Finished, Duration) {
        let started = Instant::now();
        let runner = Runner { root: ".".into(), deadline: started + limit };
        (runner.run(&Call::new("sh -c").arg(script).quiet()), started.elapsed())
    }

    #[test]
    fn both_streams_are_kept_in_order() {
        let (finished, _) = shell("echo one; echo two >&2; printf 'three\\r\\n'; exit 3", Duration::from_secs(30));
        assert_eq!(finished.lines, ["one", "two", "three"]);
        assert_eq!(finished.end, Err(Failure::Ended("exit status: 3".into())));
    }

    #[test]
    fn time_is_up_for_grandchildren_too() {
        let (finished, took) = shell("echo begun; sleep 30 & sleep 30", Duration::from_millis(300));
        assert_eq!(finished.end, Err(Failure::TimedOut));
        assert_eq!(finished.lines, ["begun"]);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    /// A server left behind would hold the pipe and keep us reading.
    #[test]
    fn nothing_outlives_its_command() {
        let started = Instant::now();
        let (finished, took) = shell("sleep 30 & echo $!", Duration::from_secs(20));
        assert_eq!(finished.end, Ok(()));
        assert!(took < Duration::from_secs(10), "{took:?}");
        // Dead, though whoever inherits it may not have asked for its status yet.
        let stat = format!("/proc/{}/stat", finished.lines[0]);
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(started.elapsed() < Duration::from_secs(10), "it still runs");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn commands_read_nothing_from_us() {
        assert_eq!(shell("cat", Duration::from_secs(20)).0.end, Ok(()));
    }

    #[test]
    fn a_call_is_shown_as_it_could_be_typed() {
        let call = Call::new("cargo doc  --no-deps").env("RUSTDOCFLAGS", "-D warnings").env("PATH", "anything");
        assert_eq!(call.to_string(), r#"RUSTDOCFLAGS="-D warnings" cargo doc --no-deps"#);
    }
}
