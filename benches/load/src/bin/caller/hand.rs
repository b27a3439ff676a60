//! The yardstick of clients: one connection of the Nest wire shared by any number of callers, with no framework at all.
//!
//! What a service would be given if somebody wrote its client by hand: it can be cloned and used from any thread; requests
//! are serialized where they are written from, into one buffer that is sent as a whole; a reply is put into the place of its
//! call, whose storage is used again and again. A call can be dropped at any time. It does not connect anew, and it knows no
//! deadlines, no streams and no limits.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};
use serde_json::value::RawValue;
use tokio::net::TcpStream;

#[path = "../yardstick/frames.rs"]
#[expect(dead_code, reason = "replies are not written here")]
mod frames;

use frames::Frames;

type Failure = Box<dyn std::error::Error>;

const READ_LEN: usize = 64 * 1024;
/// As many characters as NestJS's ids have: eight for the place, the rest for how many had it before.
const ID_LEN: usize = 21;
const PLACE_LEN: usize = 8;

#[derive(Clone)]
pub(crate) struct Hand {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    places: Vec<Place>,
    free: Vec<u32>,
    /// Not sent yet.
    output: Vec<u8>,
    /// Who sends it.
    writer: Option<Waker>,
    closed: bool,
}

/// Where one call waits after the other.
#[derive(Default)]
struct Place {
    turn: u32,
    waiting: Option<Waker>,
    reply: Option<Outcome>,
    /// The JSON of the reply.
    json: String,
}

#[derive(Clone, Copy)]
enum Outcome {
    Value,
    Error,
}

#[derive(serde::Deserialize)]
struct Reply<'a> {
    id: &'a str,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    err: Option<&'a RawValue>,
}

impl Hand {
    pub(crate) async fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        tokio::spawn(connection(stream, shared.clone()));
        Ok(Self { shared })
    }

    /// Sends a request, and reads its answer.
    pub(crate) async fn call<T: DeserializeOwned>(&self, pattern: &str, data: &impl Serialize) -> Result<T, Failure> {
        let call = Call::begin(&self.shared, pattern, data)?;
        poll_fn(|cx| call.poll(cx)).await
    }
}

/// A call under way. Dropping it gives its place back.
struct Call<'a> {
    shared: &'a Mutex<Shared>,
    place: u32,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Call<'a> {
    fn begin(shared: &'a Mutex<Shared>, pattern: &str, data: &impl Serialize) -> Result<Self, Failure> {
        let mut state = lock(shared);
        if state.closed {
            return Err("the connection is closed".into());
        }
        let place = state.free.pop().unwrap_or_else(|| {
            state.places.push(Place::default());
            (state.places.len() - 1) as u32
        });
        let id = id(place, state.places[place as usize].turn);
        let call = Call { shared, place };
        let at = state.output.len();
        let written = write(&mut state.output, pattern, data, &id);
        if let Err(error) = written {
            state.output.truncate(at);
            drop(state);
            return Err(error.into());
        }
        if let (0, Some(writer)) = (at, &state.writer) {
            writer.wake_by_ref();
        }
        Ok(call)
    }

    fn poll<T: DeserializeOwned>(&self, cx: &Context<'_>) -> Poll<Result<T, Failure>> {
        let mut state = lock(self.shared);
        let closed = state.closed;
        let place = &mut state.places[self.place as usize];
        match place.reply.take() {
            Some(Outcome::Value) => Poll::Ready(serde_json::from_str(&place.json).map_err(Into::into)),
            Some(Outcome::Error) => Poll::Ready(Err(place.json.clone().into())),
            None if closed => Poll::Ready(Err("the connection is closed".into())),
            None => {
                if !place.waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    place.waiting = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut state = lock(self.shared);
        let place = &mut state.places[self.place as usize];
        // A reply that comes too late finds nobody.
        place.turn = place.turn.wrapping_add(1);
        place.reply = None;
        state.free.push(self.place);
    }
}

fn write(output: &mut Vec<u8>, pattern: &str, data: &impl Serialize, id: &[u8]) -> serde_json::Result<()> {
    const HOLE: usize = 3;
    let at = output.len();
    output.extend_from_slice(b"####");
    output.extend_from_slice(br#"{"pattern":"#);
    serde_json::to_writer(&mut *output, pattern)?;
    output.extend_from_slice(br#","data":"#);
    serde_json::to_writer(&mut *output, data)?;
    output.extend_from_slice(br#","id":""#);
    output.extend_from_slice(id);
    output.extend_from_slice(br#""}"#);
    frames::close(output, at, HOLE);
    Ok(())
}

fn id(place: u32, turn: u32) -> [u8; ID_LEN] {
    let mut text = [b'0'; ID_LEN];
    let (of_place, of_turn) = text.split_at_mut(PLACE_LEN);
    for (mut number, digits) in [(place, of_place), (turn, of_turn)] {
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"[(number % 16) as usize];
            number /= 16;
        }
    }
    text
}

/// Reads and writes until the connection ends.
async fn connection(stream: TcpStream, shared: Arc<Mutex<Shared>>) {
    let (mut frames, mut input) = (Frames::default(), vec![0; READ_LEN]);
    // What the socket did not take; while it is not empty nothing else is sent.
    let mut sending = Vec::new();
    let mut sent = 0;
    let ended = poll_fn(|cx| turn(cx, &stream, &shared, &mut frames, &mut input, &mut sending, &mut sent)).await;
    let mut state = lock(&shared);
    state.closed = true;
    state.places.iter_mut().filter_map(|place| place.waiting.take()).for_each(Waker::wake);
    drop((state, ended));
}

fn turn(
    cx: &mut Context<'_>,
    stream: &TcpStream,
    shared: &Mutex<Shared>,
    frames: &mut Frames,
    input: &mut [u8],
    sending: &mut Vec<u8>,
    sent: &mut usize,
) -> Poll<io::Result<()>> {
    while stream.poll_read_ready(cx)?.is_ready() {
        let len = match frames.partial() {
            Some(partial) => stream.try_read_buf(partial),
            None => stream.try_read(input),
        };
        match len {
            Ok(0) => return Poll::Ready(Ok(())),
            Ok(len) => {
                let mut state = lock(shared);
                frames.each(&input[..len.min(input.len())], |body| answered(&mut state, body))?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
    loop {
        if *sent == sending.len() {
            sending.clear();
            *sent = 0;
            let mut state = lock(shared);
            std::mem::swap(sending, &mut state.output);
            if sending.is_empty() {
                if !state.writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
                    state.writer = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
        }
        match stream.try_write(&sending[*sent..]) {
            Ok(len) => *sent += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if stream.poll_write_ready(cx)?.is_pending() {
                    return Poll::Pending;
                }
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

fn answered(state: &mut Shared, body: &str) -> io::Result<()> {
    let mut read = serde_json::Deserializer::from_str(body);
    let reply = Reply::deserialize(&mut read)?;
    let number = |digits: &str| u32::from_str_radix(digits, 16).ok();
    let id = reply.id.split_at_checked(PLACE_LEN).and_then(|(place, turn)| Some((number(place)?, number(turn)?)));
    let (place, turn) = id.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "an id of nobody's"))?;
    let place = state.places.get_mut(place as usize).filter(|place| place.turn == turn && place.reply.is_none());
    let Some(place) = place else { return Ok(()) };
    let (outcome, json) = match (reply.err, reply.response) {
        (Some(error), _) => (Outcome::Error, error.get()),
        (None, value) => (Outcome::Value, value.map_or("null", RawValue::get)),
    };
    place.json.clear();
    place.json.push_str(json);
    place.reply = Some(outcome);
    if let Some(waiting) = place.waiting.take() {
        waiting.wake();
    }
    Ok(())
}
