//! The yardstick: a server for the Nest wire with no framework at all, as good as we can write one.
//!
//! What a service would be if somebody wrote it by hand for its handlers alone: frames are cut out of a buffer of the
//! thread, the envelope and the payload are parsed by serde_json into types, replies are written into the output behind
//! a hole for their length, and whatever one read brought is answered by one write. An idle connection has no buffer. With
//! `--envelope one-pass` the envelope is read as fast as we know how, and all else is the same: see `envelope.rs`.
//!
//! It does all that the wire asks for: lengths in UTF-16 code units, a longest frame, members in any order, any JSON as
//! an id, patterns with escapes, a map of handlers, payloads checked by the types that they are read as, an error for
//! what fits none. It has no deadlines, no budgets and no limit but that of a frame, and patterns that are objects match
//! only as they were written; its handlers are plain functions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read as _};
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

mod envelope;
mod frames;

use envelope::{Envelope, Packet};
use frames::{Frames, Reply};

const READ_LEN: usize = 64 * 1024;
/// Output is written when it has become this long, even in the middle of a stream.
const WRITE_LEN: usize = 64 * 1024;

static SEEN: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Input and output of whichever connection this thread is serving.
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; READ_LEN], Vec::with_capacity(READ_LEN)));
}

/// What a handler gets. An event has no id, and nobody reads its answer.
struct Call<'a> {
    data: &'a str,
    id: &'a str,
    body_len: usize,
}

impl<'a> Call<'a> {
    fn read<T: Deserialize<'a>>(&self) -> Result<T, Problem> {
        serde_json::from_str(self.data).map_err(Problem::Payload)
    }
}

enum Problem {
    Payload(serde_json::Error),
    Socket(io::Error),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

type Handler = fn(&Call<'_>, &mut Out<'_>) -> Result<(), Problem>;

static MESSAGES: LazyLock<HashMap<&str, Handler>> = LazyLock::new(|| {
    HashMap::from([("math.sum", sum as Handler), ("echo", echo), ("event.seen", seen), ("stream", stream)])
});
static EVENTS: LazyLock<HashMap<&str, Handler>> = LazyLock::new(|| HashMap::from([("event.note", note as Handler)]));

fn sum(call: &Call<'_>, out: &mut Out<'_>) -> Result<(), Problem> {
    let numbers: Vec<i64> = call.read()?;
    Ok(Reply { value: &numbers.iter().sum::<i64>(), last: true, id: call.id }.write(out.bytes, call.id.len() + 48)?)
}

fn echo(call: &Call<'_>, out: &mut Out<'_>) -> Result<(), Problem> {
    let text: String = call.read()?;
    Ok(Reply { value: &text, last: true, id: call.id }.write(out.bytes, call.body_len + 8)?)
}

fn seen(call: &Call<'_>, out: &mut Out<'_>) -> Result<(), Problem> {
    let _: IgnoredAny = call.read()?;
    let seen = SEEN.load(Ordering::Relaxed);
    Ok(Reply { value: &seen, last: true, id: call.id }.write(out.bytes, call.id.len() + 48)?)
}

fn stream(call: &Call<'_>, out: &mut Out<'_>) -> Result<(), Problem> {
    let count: u64 = call.read()?;
    for item in 1..=count {
        Reply { value: &item, last: item == count, id: call.id }.write(out.bytes, call.id.len() + 30)?;
        if out.bytes.len() >= WRITE_LEN {
            out.flush()?;
        }
    }
    Ok(())
}

fn note(call: &Call<'_>, _out: &mut Out<'_>) -> Result<(), Problem> {
    let _: u64 = call.read()?;
    SEEN.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is how the load program learns the address")]
async fn main() -> io::Result<()> {
    let envelope = Envelope::from_args(std::env::args().skip(1)).map_err(io::Error::other)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // In a box: a task has the size of its future.
        tokio::spawn(Box::pin(connection(stream, envelope)));
    }
}

async fn connection(mut stream: TcpStream, envelope: Envelope) {
    let mut frames = Frames::default();
    loop {
        let turn = poll_fn(|cx| {
            BUFFERS.with_borrow_mut(|(input, output)| turn(cx, &mut stream, &mut frames, input, output, envelope))
        });
        match turn.await {
            Ok(rest) if rest.is_empty() => {}
            // The peer is slow to read; until it has, nothing more is read from it.
            Ok(rest) => {
                if stream.write_all(&rest).await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// One read, its answers, and one write; gives what could not be written.
fn turn(
    cx: &mut Context<'_>,
    stream: &mut TcpStream,
    frames: &mut Frames,
    input: &mut [u8],
    output: &mut Vec<u8>,
    envelope: Envelope,
) -> Poll<io::Result<Vec<u8>>> {
    output.clear();
    let len = if let Some(partial) = frames.partial() {
        // A long frame grows where it is.
        let reading = pin!(stream.read_buf(partial));
        ready!(reading.poll(cx))?
    } else {
        // After a short read this waits for the next event, and does not ask in vain.
        let mut buffer = ReadBuf::new(input);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
        buffer.filled().len()
    };
    if len == 0 {
        return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
    }
    let mut out = Out { bytes: output, stream, rest: Vec::new() };
    frames.each(&input[..len.min(input.len())], |body| answer(body, &mut out, envelope))?;
    if !out.bytes.is_empty() {
        out.flush()?;
    }
    // One long reply must not be paid for by this thread for ever.
    out.bytes.shrink_to(4 * WRITE_LEN);
    Poll::Ready(Ok(out.rest))
}

/// Where answers go.
struct Out<'a> {
    bytes: &'a mut Vec<u8>,
    stream: &'a TcpStream,
    /// What the socket did not take.
    rest: Vec<u8>,
}

impl Out<'_> {
    /// Writes what there is; what the socket does not take is kept.
    fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        while self.rest.is_empty() && written < self.bytes.len() {
            match self.stream.try_write(&self.bytes[written..]) {
                Ok(len) => written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.rest.extend_from_slice(&self.bytes[written..]);
        self.bytes.clear();
        Ok(())
    }
}

fn answer(body: &str, out: &mut Out<'_>, envelope: Envelope) -> io::Result<()> {
    let usual = if envelope == Envelope::OnePass { Packet::in_one_pass(body) } else { None };
    let answered = usual.map(|packet| handle(&packet, body.len(), out));
    match answered {
        Some(Some(Ok(()))) => {}
        Some(Some(Err(Problem::Socket(error)))) => return Err(error),
        // What a handler cannot read may also be an envelope that was taken for the usual one.
        _ => answer_any(body, out)?,
    }
    if out.bytes.len() >= WRITE_LEN { out.flush() } else { Ok(()) }
}

fn answer_any(body: &str, out: &mut Out<'_>) -> io::Result<()> {
    let packet = Packet::by_serde(body)?;
    match (handle(&packet, body.len(), out), packet.id) {
        (Some(Err(Problem::Socket(error))), _) => return Err(error),
        // Nobody is told of an event that nobody takes, or that nobody can read.
        (Some(Ok(())), _) | (_, None) => {}
        (Some(Err(Problem::Payload(error))), Some(id)) => frames::unreadable(out.bytes, &error, id),
        (None, Some(id)) => frames::not_found(out.bytes, id),
    }
    Ok(())
}

/// Calls the handler of a packet, which writes its answer if it can read the payload; `None` where there is no handler.
fn handle(packet: &Packet<'_>, body_len: usize, out: &mut Out<'_>) -> Option<Result<(), Problem>> {
    let handlers = if packet.id.is_some() { &MESSAGES } else { &EVENTS };
    let handler = handlers.get(&*packet.pattern)?;
    Some(handler(&Call { data: packet.data, id: packet.id.unwrap_or_default(), body_len }, out))
}
