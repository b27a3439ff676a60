//! One process group, ended with this process whatever becomes of it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::recipe::Start;

/// No process is waited for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A broker that runs, with whatever it has started. Dropping it is `kill -9`.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// The number of its group.
    group: u32,
    /// Waits for the end of this process, which may itself be killed, to end the group then. `None` once the group is
    /// gone, whose number is anybody's from then on.
    guard: Option<std::process::Child>,
}

impl Process {
    pub(crate) fn start(program: &Path, start: &Start, directory: &Path, log: File) -> io::Result<Self> {
        let child = Command::new(program)
            .args(&start.arguments)
            .envs(start.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().ok_or_else(|| io::Error::other("the broker has no number"))?;
        let mut process = Self { child, group, guard: None };
        process.guard = Some(guard(group, directory)?);
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.group
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends the whole group a signal, as `kill` calls it.
    pub(crate) async fn signal(&self, signal: &str) -> io::Result<()> {
        let sent = Command::new("kill").args(["-s", signal, "--", &format!("-{}", self.group)]).status().await?;
        if sent.success() { Ok(()) } else { Err(io::Error::other(format!("`kill -s {signal}` of the broker: {sent}"))) }
    }

    /// Sends a signal and waits for the end.
    pub(crate) async fn end(mut self, signal: &str) -> io::Result<ExitStatus> {
        self.signal(signal).await?;
        let late = |_| io::Error::other(format!("the broker has not ended {PATIENCE:?} after {signal}"));
        timeout(PATIENCE, self.child.wait()).await.map_err(late)?
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The members of the group that outlive the broker too, RabbitMQ's helpers for example.
        let group = format!("-{}", self.group);
        let _ = std::process::Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        let killed = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && killed.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.kill();
            let _ = guard.wait();
        }
    }
}

/// A shell that ends a group, and removes its files, as soon as its standard input ends, and so when this process does.
fn guard(group: u32, directory: &Path) -> io::Result<std::process::Child> {
    use std::os::unix::process::CommandExt;
    std::process::Command::new("sh")
        .args(["-c", "read _; kill -s KILL -- -$0; rm -rf \"$1\"", &group.to_string()])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}
