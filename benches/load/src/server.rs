//! The servers that are compared, each a process of its own.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::cores::Apart;
use crate::drive::{self, Load, Manner, Measured};
use crate::peers;
use crate::proc::Proc;
use crate::work::Work;

/// No server needs longer to begin to listen.
const START_MAX: Duration = Duration::from_secs(30);

/// Where NestJS is; `cargo xtask bench` installs it.
const NODE_PACKAGES: &str = "tests/interop/v12/node_modules";

/// A server that can be started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What it is called in the table.
    pub(crate) title: &'static str,
    /// Where it stands there.
    pub(crate) column: u8,
    pub(crate) program: Program,
    pub(crate) manner: Manner,
}

/// What is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// A program of this package, with words.
    Ours(&'static str, &'static [&'static str]),
    /// A script below this package's directory.
    Node(&'static str),
    /// A server of `benches/peers`, which speaks a wire of its own.
    Peer(&'static str),
}

/// What ratios are to: what anybody would write first.
pub(crate) const YARDSTICK: Kind = Kind {
    name: "yardstick",
    title: "by hand, serde's envelope",
    column: 2,
    program: Program::Ours("yardstick", &["--envelope", "serde"]),
    manner: Manner::Nest,
};

/// The fastest that we can write.
pub(crate) const FASTEST: Kind = Kind {
    name: "one-pass",
    title: "by hand, one pass",
    column: 3,
    program: Program::Ours("yardstick", &["--envelope", "one-pass"]),
    manner: Manner::Nest,
};

/// nestrs without a stage.
pub(crate) const BARE: Kind = Kind {
    name: "nestrs",
    title: "nestrs",
    column: 0,
    program: Program::Ours("nestrs-server", &[]),
    manner: Manner::Nest,
};

/// nestrs with three stages.
pub(crate) const CHAIN: Kind = Kind {
    name: "chain",
    title: "nestrs, guard + pipe + interceptor",
    column: 1,
    program: Program::Ours("nestrs-server", &["chain"]),
    manner: Manner::Nest,
};

/// All of them, in the order of a round. Those that are compared most closely stand together.
pub(crate) const KINDS: &[Kind] = &[
    BARE,
    YARDSTICK,
    CHAIN,
    FASTEST,
    Kind {
        name: "floor",
        title: "floor (raw echo)",
        column: 4,
        program: Program::Ours("floor", &[]),
        manner: Manner::Returns,
    },
    Kind {
        name: "nestjs",
        title: "NestJS 12",
        column: 5,
        program: Program::Node("nest/server.mjs"),
        manner: Manner::Nest,
    },
    peer("tarpc-bincode", "tarpc 0.38, bincode", 6),
    peer("tarpc-json", "tarpc 0.38, JSON", 7),
    peer("tonic", "tonic 0.14, gRPC", 8),
];

const fn peer(name: &'static str, title: &'static str, column: u8) -> Kind {
    Kind { name, title, column, program: Program::Peer(name), manner: Manner::Nest }
}

/// A server that runs. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Just before it was started.
    pub(crate) started: Instant,
    /// After how long it said that it listens.
    pub(crate) listened: Duration,
}

impl Kind {
    /// What it lacks here, if anything.
    pub(crate) fn lacks(&self) -> Option<String> {
        match self.program {
            Program::Node(_) if !Path::new(NODE_PACKAGES).exists() => Some(format!("{NODE_PACKAGES} is not installed")),
            Program::Peer(_) if !peers::program().is_ok_and(|file| file.exists()) => {
                Some("benches/peers is not built".to_owned())
            }
            _ => None,
        }
    }

    /// Whether it is nestrs.
    pub(crate) fn is_ours(&self) -> bool {
        [BARE.name, CHAIN.name].contains(&self.name)
    }

    /// Whether it is nestrs or what nestrs is compared with most closely: those are measured more often.
    pub(crate) fn is_close(&self) -> bool {
        self.is_ours() || [YARDSTICK.name, FASTEST.name].contains(&self.name)
    }

    /// Whether it speaks a wire of its own, which this load program does not.
    pub(crate) fn is_peer(&self) -> bool {
        matches!(self.program, Program::Peer(_))
    }

    /// Puts it under load; see [`drive::drive`].
    pub(crate) fn drive(
        &self,
        server: &Server,
        load: &Load,
        warm_up: Duration,
        length: Duration,
    ) -> Result<Measured, String> {
        match self.program {
            Program::Peer(name) => peers::drive(name, server.address, server.proc(), load, warm_up, length),
            _ => drive::drive(server.address, server.proc(), self.manner, load, warm_up, length),
        }
    }

    /// Asks it so many times at least, and gives how often; see [`drive::exactly`].
    pub(crate) fn exactly(&self, server: &Server, load: &Load, requests: u64) -> Result<u64, String> {
        match self.program {
            Program::Peer(name) => peers::exactly(name, server.address, load, requests),
            _ => drive::exactly(server.address, self.manner, load, requests),
        }
    }

    /// Looks while so many connections are open that have never said anything, and once more after a sum was answered on
    /// each. A peer needs a server for either, which `start` starts; it also gives what `look` gets, such as the memory before.
    pub(crate) fn silent<T>(
        &self,
        connections: u32,
        start: impl Fn() -> Result<(Server, u64), String>,
        look: impl Fn(&Server, u64) -> T,
    ) -> Result<(T, T), String> {
        let (server, before) = start()?;
        let load = Load { connections, in_flight: 1, work: Work::Sum };
        let asked = (!self.is_peer()).then_some((self.manner, &load));
        let (never_used, used) =
            drive::silent(server.address, server.proc(), connections, asked, || look(&server, before))?;
        let used = match (used, self.program) {
            (None, Program::Peer(name)) => {
                drop(server);
                let (server, before) = start()?;
                peers::held(name, server.address, connections, || look(&server, before))?
            }
            (used, _) => used.ok_or("nothing was asked")?,
        };
        Ok((never_used, used))
    }

    /// How long it took from its start to its first answer, which is asked for here.
    pub(crate) fn first_answer(&self, server: &Server) -> Result<Duration, String> {
        match self.program {
            // Its client is a process of its own, whose start is not the server's.
            Program::Peer(name) => Ok(server.listened + peers::first_answer(name, server.address)?),
            _ => {
                let load = Load { connections: 1, in_flight: 1, work: Work::Sum };
                self.exactly(server, &load, 1).map(|_| server.started.elapsed())
            }
        }
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(&self) -> Result<Server, String> {
        let mut words = self.words()?.into_iter();
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(program);
        command.args(words);
        start(command).map_err(|why| format!("{}: {why}", self.name))
    }

    /// Starts it on its half of the cores.
    pub(crate) fn start_apart(&self, apart: &Apart) -> Result<Server, String> {
        let Some(words) = apart.words() else { return self.start() };
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        self.start_under(command)
    }

    /// The same under another program, which runs what stands at the end of its own words.
    pub(crate) fn start_under(&self, mut command: Command) -> Result<Server, String> {
        command.args(self.words()?);
        start(command).map_err(|why| format!("{}: {why}", self.name))
    }

    fn words(&self) -> Result<Vec<OsString>, String> {
        let (program, words): (PathBuf, Vec<OsString>) = match self.program {
            Program::Ours(program, words) => (beside(program)?, words.iter().map(Into::into).collect()),
            Program::Node(script) => ("node".into(), vec![here().join(script).into()]),
            Program::Peer(name) => (peers::program()?, vec!["serve".into(), name.into()]),
        };
        Ok([program.into()].into_iter().chain(words).collect())
    }
}

/// Starts any program that prints `listening ADDRESS`.
pub(crate) fn start(mut command: Command) -> Result<Server, String> {
    let started = Instant::now();
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("{command:?} does not start: {error}"))?;
    let output = child.stdout.take().ok_or("no output")?;
    // A thread, since nothing else can wait for a line and for a time.
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let first = BufReader::new(output).lines().next();
        let _ = tell.send(first);
    });
    let mut server =
        Server { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), started, listened: Duration::ZERO };
    let Ok(Some(Ok(line))) = told.recv_timeout(START_MAX) else {
        return Err("does not say that it listens".to_owned());
    };
    server.listened = started.elapsed();
    let address = line.strip_prefix("listening ").and_then(|address| address.parse().ok());
    server.address = address.ok_or_else(|| format!("says `{line}`"))?;
    Ok(server)
}

impl Server {
    pub(crate) fn proc(&self) -> Proc {
        Proc(self.child.id())
    }

    /// Tells it to end, by the end of its input, and waits until it has.
    pub(crate) fn end(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        let until = Instant::now() + START_MAX;
        while self.child.try_wait().map_err(|error| error.to_string())?.is_none() {
            if Instant::now() > until {
                return Err("does not end when its input does".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that is built together with this one.
pub(crate) fn beside(program: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(own.with_file_name(program))
}

/// The directory of this package; the command runs at the root of the repository.
pub(crate) fn here() -> &'static Path {
    Path::new("benches/load")
}
