//! The closed loop: so many connections, each with so many requests under way; an answer is what sends the next request.
//!
//! One thread, no task per request. What one read brings is answered by one write, as a busy client does it.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::{JoinError, JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use crate::proc::Proc;
use crate::wire::{Id, Reply, body};
use crate::work::{BURST, Work};

/// Nobody waits longer for what is under way when a run ends, or for connections to be made.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same where a server is traced or interpreted, which makes it slower by two orders of magnitude.
const PATIENCE_TRACED: Duration = Duration::from_secs(300);
/// Connections are closed in less.
const CLOSING: Duration = Duration::from_secs(2);
/// So many connections are made before the server is waited for: fewer than any of them lets wait for `accept`. One more
/// would be refused in silence, and made a second later.
const CONNECTING: usize = 64;
const READ_LEN: usize = 256 * 1024;
/// The longest latency that is told from longer ones.
const NANOS_MAX: u64 = 60_000_000_000;

/// What a server is put under.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    /// On each connection.
    pub(crate) in_flight: u32,
    pub(crate) work: Work,
}

/// How a server answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// As NestJS does.
    Nest,
    /// By returning the bytes it gets.
    Returns,
}

/// What came of one measurement.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Answers, events or values of streams.
    pub(crate) units: u64,
    pub(crate) wall: Duration,
    pub(crate) server_cpu: Duration,
    pub(crate) client_cpu: Duration,
    /// How often the server went to sleep.
    pub(crate) switches: u64,
    /// From a request to its last answer, in nanoseconds.
    pub(crate) median: u64,
    pub(crate) p99: u64,
}

/// What all connections of a run share. One thread: cells are enough.
struct Shared {
    work: Work,
    manner: Manner,
    units: Cell<u64>,
    requests: Cell<u64>,
    stopping: Cell<bool>,
    latencies: RefCell<Option<Histogram<u64>>>,
    scratch: RefCell<Vec<u8>>,
}

impl Shared {
    fn new(manner: Manner, load: &Load) -> Rc<Self> {
        Rc::new(Self {
            work: load.work.clone(),
            manner,
            units: Cell::new(0),
            requests: Cell::new(0),
            stopping: Cell::new(false),
            latencies: RefCell::new(None),
            scratch: RefCell::new(vec![0; READ_LEN]),
        })
    }
}

/// Puts a server under load, and measures it for `length` after `warm_up`.
///
/// # Errors
/// A wrong answer, a server that closes a connection or does not answer, events that did not arrive.
pub(crate) fn drive(
    address: SocketAddr,
    server: Proc,
    manner: Manner,
    load: &Load,
    warm_up: Duration,
    length: Duration,
) -> Result<Measured, String> {
    let shared = Shared::new(manner, load);
    block_on(async {
        let before = if load.work == Work::Events { seen(address).await? } else { 0 };
        let files = server.files();
        let mut running = begin(address, Some(server), load, &shared).await?;
        let measured = tokio::select! {
            measured = measure(&shared, server, load, warm_up, length) => measured?,
            Some(ended) = running.join_next() => return Err(flatten(ended).err().unwrap_or_default()),
        };
        end(running, &shared).await?;
        if load.connections as usize > CONNECTING {
            closed(server, files + CONNECTING).await;
        }
        if load.work == Work::Events {
            all_seen(address, before + shared.requests.get() * BURST).await?;
        }
        Ok(measured)
    })
}

/// Sends at least so many requests in all and waits for their answers; gives how many there were.
///
/// # Errors
/// Those of [`drive`].
pub(crate) fn exactly(address: SocketAddr, manner: Manner, load: &Load, requests: u64) -> Result<u64, String> {
    let shared = Shared::new(manner, load);
    block_on(async {
        let mut running = begin(address, None, load, &shared).await?;
        let enough = async {
            while shared.requests.get() < requests {
                sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            enough = timeout(PATIENCE_TRACED, enough) => enough.map_err(|_| "requests are not answered".to_owned())?,
            Some(ended) = running.join_next() => return Err(flatten(ended).err().unwrap_or_default()),
        }
        end(running, &shared).await?;
        Ok(shared.requests.get())
    })
}

/// Looks while so many connections are open and have never said anything, and, if there is `asked` for, once more after
/// that was answered on each of them.
///
/// # Errors
/// Those of [`drive`].
pub(crate) fn silent<T>(
    address: SocketAddr,
    server: Proc,
    connections: u32,
    asked: Option<(Manner, &Load)>,
    mut look: impl FnMut() -> T,
) -> Result<(T, Option<T>), String> {
    block_on(async {
        let streams = connect_all(address, Some(server), connections).await?;
        let never_used = look();
        // Those that the server did not let in would count for nothing.
        if streams.iter().any(|stream| matches!(stream.try_read(&mut [0]), Ok(0))) {
            return Err("the server has closed silent connections".to_owned());
        }
        let Some((manner, load)) = asked else { return Ok((never_used, None)) };
        let shared = Shared::new(manner, load);
        shared.stopping.set(true);
        let mut held = Vec::with_capacity(streams.len());
        for stream in streams {
            let mut connection = Connection::new(stream, load.in_flight, shared.clone());
            connection.serve().await?;
            held.push(connection);
        }
        Ok((never_used, Some(look())))
    })
}

type Running = JoinSet<Result<(), String>>;

async fn begin(address: SocketAddr, server: Option<Proc>, load: &Load, shared: &Rc<Shared>) -> Result<Running, String> {
    let mut running = JoinSet::new();
    // All of them before the first asks: a server at work accepts slowly.
    for stream in connect_all(address, server, load.connections).await? {
        running.spawn_local(Connection::new(stream, load.in_flight, shared.clone()).run());
    }
    Ok(running)
}

/// Makes so many connections, no faster than the server accepts them, if it is known.
async fn connect_all(address: SocketAddr, server: Option<Proc>, number: u32) -> Result<Vec<TcpStream>, String> {
    let number = number as usize;
    let before = server.map_or(0, Proc::files);
    let mut streams = Vec::with_capacity(number);
    while streams.len() < number {
        for _ in 0..CONNECTING.min(number - streams.len()) {
            streams.push(connect(address).await?);
        }
        let Some(server) = server.filter(|_| number > CONNECTING) else { continue };
        let until = Instant::now() + PATIENCE;
        // Of those before, a few may be closed meanwhile.
        while server.files() < (before + streams.len()).saturating_sub(CONNECTING) {
            if Instant::now() > until {
                return Err("the server does not accept".to_owned());
            }
            sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(streams)
}

/// Waits until the server has closed so many connections that it has no more open files than that; whoever counts them next
/// would take them for its own. Not for ever: it may need some of them for something else.
async fn closed(server: Proc, files: usize) {
    let until = Instant::now() + CLOSING;
    while server.files() > files && Instant::now() < until {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Lets nothing new begin, and waits for what is under way.
async fn end(mut running: Running, shared: &Shared) -> Result<(), String> {
    shared.stopping.set(true);
    let all = async {
        while let Some(ended) = running.join_next().await {
            flatten(ended)?;
        }
        Ok(())
    };
    timeout(PATIENCE, all).await.map_err(|_| "requests under way are not answered".to_owned())?
}

/// Waits until a server has counted so many events, and fails if it does not, or counts more.
async fn all_seen(address: SocketAddr, expected: u64) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match seen(address).await? {
            count if count == expected => return Ok(()),
            count if count > expected || Instant::now() > until => {
                return Err(format!("{expected} events were sent, and {count} have come"));
            }
            _ => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// How many events a server has counted since it was started.
async fn seen(address: SocketAddr) -> Result<u64, String> {
    let stream = connect(address).await?;
    let mut request = Vec::new();
    let id = Id { slot: 0, turn: 0 };
    crate::work::request(&mut request, b"event.seen", b"0", &id.text());
    stream.try_write(&request).map_err(text)?;
    let mut reply = Vec::new();
    let count = async {
        loop {
            if let Some((begin, end)) = body(&reply)? {
                let value = Reply::read(&reply[begin..end])?.value;
                return crate::work::number(value).ok_or_else(|| "the server does not say how many".to_owned());
            }
            stream.readable().await.map_err(text)?;
            match stream.try_read_buf(&mut reply) {
                Ok(0) => return Err("the server has closed the connection".to_owned()),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(text(error)),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, count).await.map_err(|_| "the server does not answer".to_owned())?
}

fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
    LocalSet::new().block_on(&runtime, work)
}

fn flatten(ended: Result<Result<(), String>, JoinError>) -> Result<(), String> {
    ended.unwrap_or_else(|panicked| Err(panicked.to_string()))
}

fn text(error: io::Error) -> String {
    error.to_string()
}

pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let connecting = timeout(PATIENCE, TcpStream::connect(address)).await;
    let stream = connecting.map_err(|_| "the server does not accept".to_owned())?.map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    Ok(stream)
}

async fn measure(
    shared: &Shared,
    server: Proc,
    load: &Load,
    warm_up: Duration,
    length: Duration,
) -> Result<Measured, String> {
    sleep(warm_up).await;
    // Where there are many connections, that is not until all of them have asked.
    let until = Instant::now() + PATIENCE;
    while shared.requests.get() < u64::from(load.connections) {
        if Instant::now() > until {
            return Err("the server does not answer".to_owned());
        }
        sleep(Duration::from_millis(1)).await;
    }
    *shared.latencies.borrow_mut() =
        Some(Histogram::new_with_bounds(1, NANOS_MAX, 3).expect("the bounds are constants"));
    let look = || (shared.units.get(), Instant::now(), server.cpu(), Proc::own().cpu(), server.switches());
    let before = look();
    sleep(length).await;
    let after = look();
    let latencies = shared.latencies.borrow_mut().take().expect("it was put there");
    Ok(Measured {
        units: after.0 - before.0,
        wall: after.1 - before.1,
        server_cpu: after.2.saturating_sub(before.2),
        client_cpu: after.3.saturating_sub(before.3),
        switches: after.4.saturating_sub(before.4),
        median: latencies.value_at_quantile(0.5),
        p99: latencies.value_at_quantile(0.99),
    })
}

/// A request under way.
struct Slot {
    turn: u32,
    sent: Instant,
    /// Values that have come.
    seen: u64,
}

struct Connection {
    stream: TcpStream,
    shared: Rc<Shared>,
    slots: Vec<Slot>,
    waiting: u32,
    /// Received, and not a whole frame yet.
    partial: Vec<u8>,
    out: Vec<u8>,
    /// How much of `out` is written.
    written: usize,
}

impl Connection {
    fn new(stream: TcpStream, in_flight: u32, shared: Rc<Shared>) -> Self {
        let now = Instant::now();
        let slots = (0..in_flight).map(|_| Slot { turn: 0, sent: now, seen: 0 }).collect();
        Self { stream, shared, slots, waiting: in_flight, partial: Vec::new(), out: Vec::new(), written: 0 }
    }

    async fn run(mut self) -> Result<(), String> {
        self.serve().await
    }

    /// Goes on until it is told to stop and nothing is under way.
    async fn serve(&mut self) -> Result<(), String> {
        for slot in 0..self.waiting {
            self.shared.work.ask(&mut self.out, Id { slot, turn: 0 });
        }
        while self.waiting > 0 {
            self.write()?;
            let unwritten = self.written < self.out.len();
            let interest = if unwritten { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            let ready = self.stream.ready(interest).await.map_err(text)?;
            if ready.is_readable() {
                self.read()?;
            }
        }
        Ok(())
    }

    /// As much as the socket takes.
    fn write(&mut self) -> Result<(), String> {
        while self.written < self.out.len() {
            match self.stream.try_write(&self.out[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(text(error)),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// One read, and what it brought.
    fn read(&mut self) -> Result<(), String> {
        let shared = self.shared.clone();
        let mut scratch = shared.scratch.borrow_mut();
        let len = match self.stream.try_read(&mut scratch) {
            Ok(0) => return Err("the server has closed the connection".to_owned()),
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(text(error)),
        };
        if self.partial.is_empty() {
            let taken = self.take(&scratch[..len])?;
            self.partial.extend_from_slice(&scratch[taken..len]);
        } else {
            let mut partial = std::mem::take(&mut self.partial);
            partial.extend_from_slice(&scratch[..len]);
            let taken = self.take(&partial)?;
            partial.drain(..taken);
            self.partial = partial;
        }
        Ok(())
    }

    /// Takes in every whole frame, and says how many bytes they were.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let now = Instant::now();
        let mut taken = 0;
        while let Some((begin, end)) = body(&bytes[taken..])? {
            self.answered(&bytes[taken + begin..taken + end], now)?;
            taken += end;
        }
        Ok(taken)
    }

    fn answered(&mut self, body: &[u8], now: Instant) -> Result<(), String> {
        let shared = &*self.shared;
        let reply = match shared.manner {
            Manner::Nest => Reply::read(body)?,
            Manner::Returns => Reply::returned(body)?,
        };
        let slot = self.slots.get_mut(reply.id.slot as usize).filter(|slot| slot.turn == reply.id.turn);
        let slot = slot.ok_or("a reply to a request that is not under way")?;
        let right = match shared.manner {
            Manner::Nest => shared.work.is_right(&reply, slot.seen),
            Manner::Returns => shared.work.is_returned(&reply),
        };
        if !right {
            let shown = &body[..body.len().min(200)];
            return Err(format!("a wrong answer: {}", String::from_utf8_lossy(shown)));
        }
        if shared.work == Work::Stream && reply.value.is_some() {
            slot.seen += 1;
            shared.units.set(shared.units.get() + 1);
        }
        if !reply.last {
            return Ok(());
        }
        shared.units.set(shared.units.get() + shared.work.units());
        shared.requests.set(shared.requests.get() + 1);
        if let Some(latencies) = &mut *shared.latencies.borrow_mut() {
            let nanos = u64::try_from((now - slot.sent).as_nanos()).unwrap_or(u64::MAX);
            latencies.saturating_record(nanos);
        }
        if shared.stopping.get() {
            self.waiting -= 1;
            // Nothing is under way here any more: one more reply with this id is a wrong one.
            slot.turn = u32::MAX;
            return Ok(());
        }
        *slot = Slot { turn: slot.turn.wrapping_add(1), sent: now, seen: 0 };
        let id = Id { slot: reply.id.slot, turn: slot.turn };
        self.shared.work.ask(&mut self.out, id);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
