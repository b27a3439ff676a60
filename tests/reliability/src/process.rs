//! The server as a process: started, watched and ended from outside.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::server::Vitals;

/// No answer of a process is waited for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory for the files of one scenario; it goes when the scenario has passed.
#[derive(Debug)]
pub struct Workspace(PathBuf);

impl Workspace {
    /// An empty one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(scenario: &str) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("nestrs-{scenario}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How to start a server.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// What stands before the program: `ip netns exec NAME`.
    pub inside: Vec<String>,
    /// Options of [`serve`](crate::server::serve).
    pub options: Vec<String>,
    /// Where its log goes; nowhere if `None`.
    pub log: Option<PathBuf>,
}

impl Launch {
    /// One more option.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.options.push(format!("{name}={value}"));
        self
    }

    /// One with a journal and a log in this place.
    #[must_use]
    pub fn inside_of(workspace: &Workspace) -> Self {
        let journal = workspace.file("journal");
        Self { log: Some(workspace.file("log")), ..Self::default() }.with("journal", journal.display())
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// When it does not start or does not listen.
    pub async fn start(&self) -> io::Result<Server> {
        let program = std::env::current_exe()?;
        let mut words: Vec<OsString> = self.inside.iter().map(OsString::from).collect();
        words.push(program.into());
        words.push("serve".into());
        words.extend(self.options.iter().map(OsString::from));
        let log = match &self.log {
            Some(file) => fs::OpenOptions::new().append(true).create(true).open(file)?.into(),
            None => Stdio::null(),
        };
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for")
        };
        let mut lines = BufReader::new(stdout).lines();
        let first = timeout(PATIENCE, lines.next_line()).await.map_err(|_| late("the server to listen"))??;
        let address = first.as_deref().and_then(|line| line.strip_prefix("listening "));
        let address = address.and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| io::Error::other(format!("the server does not listen: {first:?}")))?;
        Ok(Server { child, stdin, lines, address, listening: Instant::now() })
    }
}

/// A server that runs. Dropping it is `kill -9`.
#[derive(Debug)]
pub struct Server {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
    /// When it said that it listens.
    pub listening: Instant,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// What the system knows of it.
    #[must_use]
    pub fn proc(&self) -> Proc {
        Proc(self.pid())
    }

    /// Asks it how it is.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn vitals(&mut self) -> io::Result<Vitals> {
        serde_json::from_str(&self.ask("vitals").await?).map_err(io::Error::other)
    }

    /// Lets the next `gather` begin at none.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn forget_gathered(&mut self) -> io::Result<()> {
        self.ask("forget").await.map(drop)
    }

    async fn ask(&mut self, question: &str) -> io::Result<String> {
        self.stdin.write_all(format!("{question}\n").as_bytes()).await?;
        self.stdin.flush().await?;
        let line = timeout(PATIENCE, self.lines.next_line()).await.map_err(|_| late("an answer of the server"))??;
        line.ok_or_else(|| io::Error::other("the server has ended"))
    }

    /// Ends it without a word.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn terminate(mut self) -> io::Result<ExitStatus> {
        let pid = self.pid().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        timeout(PATIENCE, self.child.wait()).await.map_err(|_| late("the server to end"))?
    }
}

fn late(what: &str) -> io::Error {
    io::Error::other(format!("waited {PATIENCE:?} in vain for {what}"))
}

/// A process, as `/proc` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Proc(u32);

impl Proc {
    /// This one.
    #[must_use]
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// Memory it has now, in bytes.
    #[must_use]
    pub fn rss(self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory it has had, in bytes.
    #[must_use]
    pub fn rss_peak(self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(self, name: &str) -> u64 {
        let text = fs::read_to_string(self.path("status")).unwrap_or_default();
        let kib =
            text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or_default() * 1024
    }

    /// Open files.
    #[must_use]
    pub fn fds(self) -> usize {
        fs::read_dir(self.path("fd")).map_or(0, Iterator::count)
    }

    /// Processor time it has used; a tick is 10 ms.
    #[must_use]
    pub fn cpu(self) -> Duration {
        let text = fs::read_to_string(self.path("stat")).unwrap_or_default();
        // The name, in parentheses, may hold anything.
        let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    fn path(self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.0.to_string()).join(file)
    }
}

/// A port that nobody listens on just now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Asks until it holds or the time is up; gives how long it took.
pub async fn eventually(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> Result<Duration, Duration> {
    let started = Instant::now();
    loop {
        if holds().await {
            return Ok(started.elapsed());
        }
        if started.elapsed() >= limit {
            return Err(started.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a process has open and running, to be compared with later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Open files of the server.
    pub server_fds: usize,
    /// Tasks of the server.
    pub server_tasks: usize,
    /// Handlers of the server that run.
    pub server_handlers: usize,
    /// Open files of the harness.
    pub own_fds: usize,
    /// Tasks of the harness.
    pub own_tasks: usize,
}

impl Footprint {
    /// As it is now.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn of(server: &mut Server) -> io::Result<Self> {
        let vitals = server.vitals().await?;
        Ok(Self {
            server_fds: server.proc().fds(),
            server_tasks: vitals.tasks,
            server_handlers: vitals.running,
            own_fds: Proc::own().fds(),
            own_tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        })
    }

    /// As it is once nothing changes any more: what came before may still be letting go of what it had.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn settled(server: &mut Server) -> io::Result<Self> {
        const QUIET: Duration = Duration::from_millis(400);
        let (mut last, mut since) = (Self::of(server).await?, Instant::now());
        let limit = Instant::now() + PATIENCE;
        while since.elapsed() < QUIET && Instant::now() < limit {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = Self::of(server).await?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(last)
    }

    fn is_no_more_than(self, before: Self) -> bool {
        self.server_fds <= before.server_fds
            && self.server_tasks <= before.server_tasks
            && self.server_handlers <= before.server_handlers
            && self.own_fds <= before.own_fds
            && self.own_tasks <= before.own_tasks
    }

    /// Waits until nothing is left of what came after this; `Err` says what is.
    ///
    /// # Errors
    /// The two footprints, as text.
    pub async fn comes_back(self, server: &mut Server, limit: Duration) -> Result<Duration, String> {
        let mut last = self;
        let back = eventually(limit, async || match Self::of(server).await {
            Ok(now) => {
                last = now;
                now.is_no_more_than(self)
            }
            Err(_) => false,
        });
        back.await.map_err(|waited| format!("after {waited:.1?} there is {last:?}, before there was {self:?}"))
    }
}
