//! The yardstick: a server for the Nest wire with no framework at all, as good as we can write one.
//!
//! What a service would be if somebody wrote it by hand for its handlers alone: frames are cut out of a buffer of the
//! thread, the envelope and the payload are parsed by serde_json into types, replies are written into the output behind
//! a hole for their length, and whatever one read brought is answered by one write. An idle connection has no buffer.
//! It has no deadlines, no budgets and no limit but that of a frame; its handlers are plain functions.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read as _};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

mod frames;

use frames::{Frames, Reply};

const READ_LEN: usize = 64 * 1024;
/// Output is written when it has become this long, even in the middle of a stream.
const WRITE_LEN: usize = 64 * 1024;

static SEEN: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Input and output of whichever connection this thread is serving.
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; READ_LEN], Vec::with_capacity(READ_LEN)));
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    pattern: &'a RawValue,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

fn sum(numbers: &[i64]) -> i64 {
    numbers.iter().sum()
}

fn echo(text: String) -> String {
    text
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is how the load program learns the address")]
async fn main() -> io::Result<()> {
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
        tokio::spawn(Box::pin(connection(stream)));
    }
}

async fn connection(mut stream: TcpStream) {
    let mut frames = Frames::default();
    loop {
        let turn =
            poll_fn(|cx| BUFFERS.with_borrow_mut(|(input, output)| turn(cx, &mut stream, &mut frames, input, output)));
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
    Poll::Ready(answers(stream, frames, &input[..len.min(input.len())], output))
}

fn answers(stream: &TcpStream, frames: &mut Frames, input: &[u8], output: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    frames.each(input, |body| answer(body, output, |output| flush(stream, output, &mut rest)))?;
    if !output.is_empty() {
        flush(stream, output, &mut rest)?;
    }
    // One long reply must not be paid for by this thread for ever.
    output.shrink_to(4 * WRITE_LEN);
    Ok(rest)
}

/// Writes what there is; what the socket does not take is added to `rest`.
fn flush(stream: &TcpStream, output: &mut Vec<u8>, rest: &mut Vec<u8>) -> io::Result<()> {
    let mut written = 0;
    while rest.is_empty() && written < output.len() {
        match stream.try_write(&output[written..]) {
            Ok(len) => written += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    rest.extend_from_slice(&output[written..]);
    output.clear();
    Ok(())
}

fn answer(body: &str, output: &mut Vec<u8>, mut flush: impl FnMut(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    let request: Request<'_> = serde_json::from_str(body)?;
    let data = request.data.get();
    let Some(id) = request.id else {
        let _: u64 = serde_json::from_str(data)?;
        SEEN.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    };
    let id = id.get();
    match request.pattern.get() {
        "\"math.sum\"" => {
            let numbers: Vec<i64> = serde_json::from_str(data)?;
            Reply { value: &sum(&numbers), last: true, id }.write(output, id.len() + 48)?;
        }
        "\"echo\"" => {
            let text: String = serde_json::from_str(data)?;
            Reply { value: &echo(text), last: true, id }.write(output, body.len() + 8)?;
        }
        "\"event.seen\"" => {
            Reply { value: &SEEN.load(Ordering::Relaxed), last: true, id }.write(output, id.len() + 48)?;
        }
        "\"stream\"" => {
            let count: u64 = serde_json::from_str(data)?;
            for item in 1..=count {
                Reply { value: &item, last: item == count, id }.write(output, id.len() + 30)?;
                if output.len() >= WRITE_LEN {
                    flush(output)?;
                }
            }
        }
        _ => frames::not_found(output, id),
    }
    if output.len() >= WRITE_LEN { flush(output) } else { Ok(()) }
}
