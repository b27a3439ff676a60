//! The process that suffers: an ordinary nestrs microservice, with a journal of what it has executed.
//!
//! It is made of the public API alone. The harness talks to it over standard input and output, so that asking how it is
//! changes nothing about its sockets.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::microservices::net::io::Keepalive;
use nestrs::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::settings::fingerprint;

/// A call whose execution leaves a trace.
#[derive(Debug, Serialize, Deserialize)]
pub struct Work {
    /// Unlike that of any other call.
    pub nonce: u64,
    /// How long it takes.
    pub millis: u64,
    /// Makes the request, and with it the reply, as long as wanted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pad: String,
}

/// What acknowledges a call.
#[derive(Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// That of the call.
    pub nonce: u64,
    /// Shows that neither number was changed on the way.
    pub seal: u64,
    /// That of the call.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pad: String,
}

/// What belongs to a nonce.
#[must_use]
pub fn seal(nonce: u64) -> u64 {
    fingerprint(&nonce.to_le_bytes())
}

/// How the process is, said in one line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Vitals {
    /// Tasks that the runtime has.
    pub tasks: usize,
    /// Handlers between their first and their last line.
    pub running: usize,
}

/// Opened before the first call can come: a call without it would leave no trace.
static JOURNAL: OnceLock<Mutex<File>> = OnceLock::new();

#[injectable]
struct Service {
    running: watch::Sender<usize>,
    gathered: watch::Sender<usize>,
}

/// Counts a handler for as long as it lives, however it ends.
struct Running<'a>(&'a watch::Sender<usize>);

impl<'a> Running<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Service {
    /// One write, so that a line is in the file whole, or not at all, whatever ends the process.
    fn write_down(nonce: u64) -> Result<(), TransportError> {
        let Some(journal) = JOURNAL.get() else { return Ok(()) };
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(journal.write_all(format!("{nonce:016x}\n").as_bytes())?)
    }
}

#[micro_routes]
impl Service {
    #[message_pattern("work")]
    async fn work(&self, work: Work) -> Result<Receipt, TransportError> {
        let _running = Running::new(&self.running);
        Self::write_down(work.nonce)?;
        if work.millis > 0 {
            tokio::time::sleep(Duration::from_millis(work.millis)).await;
        }
        Ok(Receipt { nonce: work.nonce, seal: seal(work.nonce), pad: work.pad })
    }

    #[message_pattern("echo")]
    async fn echo(&self, number: u64) -> u64 {
        number
    }

    #[message_pattern("length")]
    async fn length(&self, text: String) -> usize {
        text.len()
    }

    #[message_pattern("large")]
    async fn large(&self, len: usize) -> String {
        "x".repeat(len)
    }

    #[message_pattern("panic")]
    async fn panic(&self) -> u64 {
        panic!("a storm")
    }

    /// Answers when so many are here at the same time: they all have a permit.
    #[message_pattern("gather")]
    async fn gather(&self, wanted: usize) -> usize {
        let mut gathered = self.gathered.subscribe();
        self.gathered.send_modify(|count| *count += 1);
        // The sender lives as long as `self`.
        let _ = gathered.wait_for(|count| *count >= wanted).await;
        wanted
    }
}

#[module(providers = [Service], microservices = [Service])]
struct ReliabilityModule;

/// Serves until it is told to stop: by a signal, or by the end of its standard input.
///
/// # Errors
/// When it cannot listen, or an option makes no sense.
#[expect(clippy::print_stdout, reason = "this is how the harness hears of it")]
pub async fn serve(args: impl IntoIterator<Item = String>) -> Result<(), Box<dyn std::error::Error>> {
    // What Rust itself prints of a panic is the program's choice; ours counts what the framework says.
    std::panic::set_hook(Box::new(|_| {}));
    let mut options = TcpMicroserviceOptions::bind("127.0.0.1:0");
    for arg in args {
        let (name, value) = arg.split_once('=').ok_or("options are written name=value")?;
        match name {
            "bind" => {
                let (host, port) = value.rsplit_once(':').ok_or("an address is host:port")?;
                options = options.host(host).port(port.parse()?);
            }
            "journal" => {
                let file = File::options().append(true).create(true).open(value)?;
                JOURNAL.set(Mutex::new(file)).map_err(|_| "one journal is enough")?;
            }
            "max-connections" => options = options.max_connections(value.parse()?),
            "max-in-flight" => options = options.max_in_flight(value.parse()?),
            "recv-budget" => options = options.recv_budget_bytes(value.parse()?),
            "send-budget" => options = options.send_budget_bytes(value.parse()?),
            "keepalive-secs" => {
                let second = Duration::from_secs(value.parse()?);
                options = options.keepalive(Keepalive {
                    idle: second,
                    interval: second,
                    probes: 2,
                    user_timeout: second * 3,
                });
            }
            _ => return Err(format!("unknown option `{name}`").into()),
        }
    }
    Logger::from_env().writer(io::stderr()).init()?;
    let app = NestFactory::create_microservice::<ReliabilityModule>(options).enable_shutdown_hooks().start().await?;
    let service = app.get::<Service>().ok_or("the service is a provider")?;
    println!("listening {}", app.address("tcp").unwrap_or_default());

    // A thread, since the runtime would wait for a read of standard input that is under way.
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            match line.as_str() {
                "vitals" => {
                    let tasks = runtime.metrics().num_alive_tasks();
                    let vitals = Vitals { tasks, running: *service.running.borrow() };
                    println!("{}", serde_json::to_string(&vitals).unwrap_or_default());
                }
                "forget" => {
                    service.gathered.send_replace(0);
                    println!("forgotten");
                }
                _ => println!("what?"),
            }
        }
        // Whoever started it is gone.
        std::process::exit(0);
    });
    Ok(app.wait().await?)
}
