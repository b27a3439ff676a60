//! A broker, from its start to its end.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::missing;
use crate::place::Place;
use crate::port::free_port;
use crate::process::Process;
use crate::recipe::Recipe;

/// No broker takes longer to start, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ports that are tried, since somebody else can take one between our look and the broker's start.
const TRIES: u32 = 10;
/// Lines of its log that a failing test shows.
const SHOWN: usize = 40;

/// A broker of one's own, on one port for all its life. Dropping it is `kill -9`, and its files are gone.
#[derive(Debug)]
pub struct Broker {
    recipe: Box<dyn Recipe>,
    program: PathBuf,
    port: u16,
    // Before its files: it ends first.
    process: Option<Process>,
    place: Place,
    /// How long its log was when it was last started.
    logged: usize,
}

impl Broker {
    /// Starts one and waits until it serves. A test that cannot have it says so and is to return: `None`.
    ///
    /// # Panics
    /// When it is there and does not start; when it is not there and has to be (see the crate's page).
    #[track_caller]
    pub fn start_or_skip(recipe: impl Recipe) -> impl Future<Output = Option<Self>> {
        let caller = std::panic::Location::caller();
        async move {
            if !missing::wanted() || missing::find(recipe.program()).is_none() {
                missing::skip(&recipe);
                return None;
            }
            match Self::start(recipe).await {
                Ok(broker) => Some(broker),
                Err(error) => panic!("{caller}: {error}"),
            }
        }
    }

    /// Starts one and waits until it serves.
    ///
    /// # Errors
    /// When it is not installed or does not start; the error has the end of its log.
    pub async fn start(recipe: impl Recipe) -> io::Result<Self> {
        let program = missing::find(recipe.program()).ok_or(io::ErrorKind::NotFound)?;
        let place = Place::new(recipe.program())?;
        let mut broker = Self { recipe: Box::new(recipe), program, place, port: 0, process: None, logged: 0 };
        let mut tries = 0;
        loop {
            broker.port = free_port()?;
            tries += 1;
            match broker.launch().await {
                Ok(()) => return Ok(broker),
                Err(error) if tries == TRIES || !error.to_string().contains("ddress already in use") => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
    }

    /// One that is not running yet, on a port that is already known: `restart` starts it.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn absent(recipe: impl Recipe) -> io::Result<Self> {
        let program = missing::find(recipe.program()).ok_or(io::ErrorKind::NotFound)?;
        let place = Place::new(recipe.program())?;
        Ok(Self { recipe: Box::new(recipe), program, place, port: free_port()?, process: None, logged: 0 })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens: `127.0.0.1:26379`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its number, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Where its files are.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// All it has logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.place.file("log")).unwrap_or_default()).into_owned()
    }

    /// Ends it as an operator does, by SIGTERM, and waits until it has ended. One that is not running stays so.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self) -> io::Result<()> {
        self.end("TERM").await
    }

    /// Ends it without a word, by SIGKILL, and waits until it has ended. One that is not running stays so.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.end("KILL").await
    }

    /// Freezes it, by SIGSTOP: its connections stay open, the system takes what is sent, and nothing is answered.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn pause(&self) -> io::Result<()> {
        self.running()?.signal("STOP").await
    }

    /// Lets it go on after [`pause`](Self::pause), by SIGCONT.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn resume(&self) -> io::Result<()> {
        self.running()?.signal("CONT").await
    }

    /// Starts it anew on the same port with the same files, after `stop` if it runs, and waits until it serves.
    ///
    /// # Errors
    /// When it does not start; the error has the end of its log.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop().await?;
        self.launch().await
    }

    fn running(&self) -> io::Result<&Process> {
        self.process.as_ref().ok_or_else(|| io::Error::other(format!("`{}` is not running", self.recipe.program())))
    }

    async fn end(&mut self, signal: &str) -> io::Result<()> {
        match self.process.take() {
            Some(process) => process.end(signal).await.map(drop),
            None => Ok(()),
        }
    }

    async fn launch(&mut self) -> io::Result<()> {
        let start = self.recipe.prepare(&self.place, self.port)?;
        self.logged = self.log().len();
        let log = OpenOptions::new().append(true).create(true).open(self.place.file("log"))?;
        let mut process = Process::start(&self.program, &start, self.place.path(), log)?;
        let begun = Instant::now();
        loop {
            if self.serves().await {
                break;
            }
            let ended = process.ended()?;
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let program = self.recipe.program();
                let what =
                    ended.map_or_else(|| "does not come up".to_owned(), |status| format!("has ended ({status})"));
                return Err(io::Error::other(format!("`{program}` {what}:\n{}", self.tail())));
            }
            sleep(Duration::from_millis(2)).await;
        }
        self.process = Some(process);
        Ok(())
    }

    /// Whether it has said so since it was last started, and is there.
    async fn serves(&self) -> bool {
        let said = |line| self.log().get(self.logged..).is_some_and(|log| log.contains(line));
        self.recipe.ready().is_none_or(said) && TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN)..].join("\n")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Beside the message of the test that fails, where the harness shows it.
            #[expect(clippy::print_stderr, reason = "for whoever reads why the test failed")]
            {
                eprintln!("---- the log of `{}`, its last {SHOWN} lines:\n{}", self.recipe.program(), self.tail());
            }
        }
    }
}
