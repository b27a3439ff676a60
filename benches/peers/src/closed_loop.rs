//! So many connections, each with so many calls under way, and what that cost the server.

use std::cell::{Cell, RefCell};
use std::io::Read as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::str::FromStr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::Failure;
use crate::proc::Proc;

const NANOS_MAX: u64 = 60_000_000_000;

/// A client; its clones share one connection.
pub(crate) trait Caller: Clone + 'static {
    async fn sum(&mut self, numbers: Vec<i64>) -> Result<i64, Failure>;
    async fn echo(&mut self, text: String) -> Result<String, Failure>;
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Sum,
    Echo(usize),
}

impl FromStr for Work {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "sum" { Ok(Self::Sum) } else { text.parse().map(Self::Echo) }
    }
}

pub(crate) struct Load {
    pub(crate) connections: u32,
    pub(crate) in_flight: u32,
    pub(crate) work: Work,
}

/// How long it goes on.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    Timed { server: Proc, warm_up: Duration, length: Duration },
    Requests(u64),
}

impl Asked {
    pub(crate) fn timed(pid: &str, warm_up: &str, seconds: &str) -> Result<Self, Failure> {
        let duration = |text: &str| Ok::<_, Failure>(Duration::try_from_secs_f64(text.parse()?)?);
        Ok(Self::Timed { server: Proc(pid.parse()?), warm_up: duration(warm_up)?, length: duration(seconds)? })
    }
}

struct Shared {
    work: Work,
    /// No call begins when as many have.
    begun_max: u64,
    begun: Cell<u64>,
    answered: Cell<u64>,
    latencies: RefCell<Histogram<u64>>,
    measuring: Cell<bool>,
}

/// Gives the line that is printed: `units wall server_cpu client_cpu switches median p99`, times in nanoseconds.
pub(crate) async fn run<C: Caller, F: Future<Output = Result<C, Failure>>>(
    load: Load,
    asked: Asked,
    connect: impl Fn() -> F,
) -> Result<String, Failure> {
    let shared = Rc::new(Shared {
        work: load.work,
        begun_max: if let Asked::Requests(requests) = asked { requests } else { u64::MAX },
        begun: Cell::new(0),
        answered: Cell::new(0),
        latencies: RefCell::new(Histogram::new_with_bounds(1, NANOS_MAX, 3)?),
        measuring: Cell::new(false),
    });
    let begun = Instant::now();
    let local = LocalSet::new();
    let everything = async {
        let mut calls = Vec::new();
        for connection in 0..load.connections {
            let client = connect().await?;
            for slot in 0..load.in_flight {
                let turn = i64::from(connection) * 7 + i64::from(slot) * 13;
                calls.push(tokio::task::spawn_local(calls_of(client.clone(), shared.clone(), turn)));
            }
        }
        let all = futures::future::try_join_all(calls);
        match asked {
            Asked::Requests(_) => {
                all.await?.into_iter().collect::<Result<Vec<()>, _>>()?;
                Ok(format!("answered {} nanos {}", shared.answered.get(), begun.elapsed().as_nanos()))
            }
            Asked::Timed { server, warm_up, length } => tokio::select! {
                measured = measure(&shared, server, warm_up, length) => Ok(measured),
                // They end only with an error.
                ended = all => Err(ended.map(|all| all.into_iter().find_map(Result::err)).map_or_else(
                    Failure::from,
                    |first| first.unwrap_or_else(|| "nothing is under way".into()),
                )),
            },
        }
    };
    local.run_until(everything).await
}

/// Has one sum answered on each connection, and keeps all of them until there is no more input.
pub(crate) async fn hold<C: Caller, F: Future<Output = Result<C, Failure>>>(
    address: SocketAddr,
    connections: u32,
    connect: impl Fn() -> F,
) -> Result<(), Failure> {
    let mut held = Vec::new();
    for _ in 0..connections {
        let mut client = connect().await?;
        if client.sum(vec![1, 2, 3, 4, 5]).await? != 15 {
            return Err("a wrong answer".into());
        }
        held.push(client);
    }
    println!("listening {address}");
    // Connections are still looked after meanwhile.
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    drop(held);
    Ok(())
}

async fn calls_of<C: Caller>(mut client: C, shared: Rc<Shared>, mut turn: i64) -> Result<(), Failure> {
    while shared.begun.get() < shared.begun_max {
        shared.begun.set(shared.begun.get() + 1);
        let sent = Instant::now();
        let first = 100 + turn % 800;
        let right = match shared.work {
            Work::Sum => client.sum((first..first + 5).collect()).await? == 5 * first + 10,
            Work::Echo(len) => {
                let mut text = format!("{turn:016} ");
                text.extend("the quick brown fox jumps over the lazy dog, and back again; ".chars().cycle().take(len));
                text.truncate(len);
                client.echo(text.clone()).await? == text
            }
        };
        if !right {
            return Err("a wrong answer".into());
        }
        turn += 1;
        shared.answered.set(shared.answered.get() + 1);
        if shared.measuring.get() {
            let nanos = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(NANOS_MAX);
            shared.latencies.borrow_mut().saturating_record(nanos);
        }
    }
    Ok(())
}

async fn measure(shared: &Shared, server: Proc, warm_up: Duration, length: Duration) -> String {
    sleep(warm_up).await;
    shared.measuring.set(true);
    let look = || (shared.answered.get(), Instant::now(), server.cpu(), Proc::own().cpu(), server.switches());
    let before = look();
    sleep(length).await;
    let after = look();
    let latencies = shared.latencies.borrow();
    let numbers = [
        u128::from(after.0 - before.0),
        (after.1 - before.1).as_nanos(),
        after.2.saturating_sub(before.2).as_nanos(),
        after.3.saturating_sub(before.3).as_nanos(),
        u128::from(after.4.saturating_sub(before.4)),
        u128::from(latencies.value_at_quantile(0.5)),
        u128::from(latencies.value_at_quantile(0.99)),
    ];
    numbers.map(|number| number.to_string()).join(" ")
}
