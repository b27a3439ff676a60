//! What is sent once more by itself, what never is, and how every error says whether its request may have been sent.

mod support;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::join;
use nestrs::Sent;
use nestrs::microservices::net::io::Connector;
use nestrs::microservices::{PacketSerializer, TcpTransportOptions, with_deadline};
use nestrs::prelude::*;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use support::fake::{FakeServer, OVERLOADED, SHUTTING_DOWN, client, id_of_next_request, read_frame, reply};
use support::place::{Place, soon};
use support::raw::PATIENCE;

#[tokio::test]
async fn cl_4_a_call_that_an_overloaded_server_refused_is_sent_once_more_and_only_once() {
    let server = FakeServer::bind().await;
    let client = client(server.options().backoff(soon()));
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, u32>("busy", &1).await });
    let mut socket = server.accept().await;
    let first = id_of_next_request(&mut socket).await;
    reply(&mut socket, &first, OVERLOADED).await;
    let second = id_of_next_request(&mut socket).await;
    assert_ne!(first, second, "ids are not used twice");
    reply(&mut socket, &second, r#""response":5,"isDisposed":true"#).await;
    assert_eq!(call.await.unwrap().unwrap(), 5);

    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, u32>("busy", &2).await });
    for _ in 0..2 {
        let id = id_of_next_request(&mut socket).await;
        reply(&mut socket, &id, OVERLOADED).await;
    }
    let error = call.await.unwrap().unwrap_err();
    // It was sent, so `sent` does not say `No`; that it was not executed is the server's word.
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Overloaded, Some(Sent::Maybe)));
    assert!(error.was_not_executed());
    assert_eq!(error.message, "Service overloaded");
    // The handler that made the call did run: its own caller must not read that nothing was executed.
    assert_eq!(error.to_wire(), json!({"status": "error", "message": "Internal server error"}));
    assert_eq!((client.stats().resent, client.stats().pending), (2, 0));
    client.emit("last", &1).await.unwrap();
    assert_eq!(read_frame(&mut socket).await["pattern"], "last", "there was no third try");
}

#[tokio::test]
async fn cl_4_a_stream_is_begun_anew_only_while_nothing_of_it_has_come() {
    let server = FakeServer::bind().await;
    let client = client(server.options().backoff(soon()));
    let calling = client.clone();
    let call = tokio::spawn(async move {
        let mut items = calling.send_stream::<_, u32>("busy", &1).await.unwrap();
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            all.push(item);
        }
        all
    });
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    reply(&mut socket, &id, OVERLOADED).await;
    let id = id_of_next_request(&mut socket).await;
    reply(&mut socket, &id, r#""response":1"#).await;
    reply(&mut socket, &id, OVERLOADED).await;
    let items = call.await.unwrap();
    assert_eq!(items[0].as_ref().unwrap(), &1);
    assert_eq!(items[1].as_ref().unwrap_err().kind(), ErrorKind::Overloaded);
    assert_eq!((items.len(), client.stats().resent), (2, 1));
}

/// Lost on the way, timed out, or failed by its handler: whoever makes such a call again must know what it does.
#[tokio::test]
async fn cl_4_what_may_have_been_executed_is_never_sent_twice() {
    let server = FakeServer::bind().await;
    let client = client(server.options().backoff(soon()).request_timeout(Some(Duration::from_millis(100))));
    let mut sockets = Vec::new();
    for (case, kind) in [
        ("lost", ErrorKind::ConnectionClosed),
        ("late", ErrorKind::Timeout),
        ("failed", ErrorKind::Remote),
        ("executed", ErrorKind::Remote),
        ("unknown", ErrorKind::NotFound),
    ] {
        let calling = client.clone();
        let call = tokio::spawn(async move { calling.send::<_, u32>(case, &1).await });
        if sockets.is_empty() {
            sockets.push(server.accept().await);
        }
        let socket = sockets.last_mut().unwrap();
        let id = id_of_next_request(socket).await;
        match case {
            "lost" => sockets.clear(),
            "late" => {}
            "failed" => reply(socket, &id, r#""err":{"status":"error","message":"no"},"isDisposed":true"#).await,
            "executed" => reply(socket, &id, r#""err":{"message":"no","executed":true},"isDisposed":true"#).await,
            _ => {
                let nobody = "There is no matching message handler defined in the remote service.";
                reply(socket, &id, &format!(r#""status":"error","err":"{nobody}""#)).await;
            }
        }
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.sent()), (kind, Some(Sent::Maybe)), "{case}");
        assert!(!error.was_not_executed(), "{case}");
    }
    client.emit("last", &1).await.unwrap();
    assert_eq!(read_frame(&mut sockets[0]).await["pattern"], "last", "nothing was sent twice");
    assert_eq!(client.stats().resent, 0);
}

/// Resending ends with the call's own time; what was sent before is not forgotten in the error.
#[tokio::test]
async fn cl_4_resending_keeps_within_the_deadline_and_maybe_wins() {
    let server = FakeServer::bind().await;
    let client = client(server.options().connect_wait(PATIENCE).request_timeout(Some(Duration::from_millis(200))));
    let started = Instant::now();
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, u32>("echo", &1).await });
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    // There will be no other connection.
    drop(server);
    reply(&mut socket, &id, SHUTTING_DOWN).await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(error.sent(), Some(Sent::Maybe), "the first try was sent");
    let elapsed = started.elapsed();
    assert!((Duration::from_millis(190)..Duration::from_millis(1000)).contains(&elapsed), "{elapsed:?}");
}

/// A value that serde refuses to write.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}

/// A serializer that refuses, and claims more than it can know.
struct Refuses;

impl PacketSerializer for Refuses {
    fn serialize(&self, _: Value) -> Result<Value, TransportError> {
        Err(TransportError::new("refused").with_sent(Sent::Maybe))
    }
}

/// How a call, an event and a stream fail.
async fn errors(client: &ClientProxy, payload: &(impl Serialize + Send + Sync)) -> Vec<TransportError> {
    vec![
        client.send::<_, Value>("x", payload).await.unwrap_err(),
        client.emit("x", payload).await.unwrap_err(),
        client.send_stream::<_, Value>("x", payload).await.unwrap_err(),
    ]
}

/// The ways to fail before anything is sent, of calls, events and streams alike.
#[tokio::test]
async fn cl_3_what_fails_on_this_side_was_not_sent() {
    let server = FakeServer::bind().await;
    let hanging = Connector::new(std::future::pending::<std::io::Result<TcpStream>>);
    let hanging = TcpTransportOptions::default().connector(hanging);
    let closed = client(server.options());
    closed.close().await;
    let short = Some(Duration::from_millis(20));
    let mut all = vec![
        ("unwritable", errors(&client(server.options()), &Unwritable).await),
        ("serializer", errors(&client(server.options().serializer(Refuses)), &1).await),
        ("too large", errors(&client(server.options().max_frame_bytes(100)), &"x".repeat(100)).await),
        ("closed", errors(&closed, &1).await),
        ("no connection", errors(&client(hanging.clone().connect_wait(Duration::from_millis(20))), &1).await),
        ("no connection in time", errors(&client(hanging.request_timeout(short)), &1).await),
    ];
    // A place that another call holds, until the client is closed.
    let busy = client(server.options().max_pending(1));
    let holder = busy.clone();
    let holder = tokio::spawn(async move { holder.send::<_, Value>("holds", &1).await });
    while busy.stats().pending == 0 {
        tokio::task::yield_now().await;
    }
    all.push(("no place in time", errors(&busy.with_timeout(Duration::from_millis(20)), &1).await));
    let waiting = busy.clone();
    let waiting = tokio::spawn(async move { errors(&waiting, &1).await });
    tokio::task::yield_now().await;
    busy.close().await;
    all.push(("closed while queued", waiting.await.unwrap()));
    for (case, errors) in &all {
        for error in errors {
            assert_eq!(error.sent(), Some(Sent::No), "{case}: {error:?}");
        }
    }
    let sent = holder.await.unwrap().unwrap_err();
    assert_eq!((sent.kind(), sent.sent()), (ErrorKind::Closed, Some(Sent::Maybe)));
}

/// What cannot go out, for its size or for want of time, needs no connection: nothing is dialled for it, nor waited for.
#[tokio::test(start_paused = true)]
async fn cl_3_what_cannot_be_sent_is_told_at_once_and_costs_no_dial() {
    let place = Place::default();
    let client = client(place.options().max_frame_bytes(100));
    let started = tokio::time::Instant::now();
    // By the clock that stands still: the wall's runs on, and is past this instant on a busy machine.
    let late = started.into_std() - Duration::from_millis(1);
    let overdue = with_deadline(late, errors(&client, &1)).await;
    let cases = [
        (ErrorKind::TooLarge, errors(&client, &"x".repeat(100)).await),
        (ErrorKind::Timeout, errors(&client.with_timeout(Duration::ZERO), &1).await),
        (ErrorKind::TooLarge, errors(&client.retry_idempotent(), &"x".repeat(100)).await),
        (ErrorKind::Timeout, errors(&client.retry_idempotent().with_timeout(Duration::ZERO), &1).await),
        (ErrorKind::Timeout, overdue),
    ];
    for (kind, errors) in &cases {
        for error in errors {
            assert_eq!((error.kind(), error.sent()), (*kind, Some(Sent::No)), "{error:?}");
        }
    }
    assert_eq!((place.dials(), started.elapsed()), (0, Duration::ZERO));
    assert_eq!((client.stats().failed_dials, client.stats().retries), (0, 0));

    // A dial that fails has sent nothing either, and each call that needs one makes one.
    place.leave();
    for error in errors(&client, &1).await {
        assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)), "{error:?}");
    }
    assert_eq!(place.dials(), 3);
}

/// Everything that goes wrong once a request was queued, in a stream after its first item too.
#[tokio::test]
async fn cl_3_what_fails_later_may_have_been_sent() {
    let server = FakeServer::bind().await;
    let options = server.options().request_timeout(Some(Duration::from_millis(150))).stream_buffer(1);
    let client = client(options.backoff(soon()));
    client.connect().await.unwrap();
    let mut socket = server.accept().await;
    for (case, replies, kind) in [
        ("late", vec![r#""response":1"#], ErrorKind::Timeout),
        ("failed", vec![r#""response":1"#, r#""err":"no""#], ErrorKind::Remote),
        ("no number", vec![r#""response":"one""#], ErrorKind::InvalidReply),
        ("flooded", vec![r#""response":1"#, r#""response":2"#, r#""response":3"#], ErrorKind::Overloaded),
        ("lost", vec![r#""response":1"#, "lost"], ErrorKind::ConnectionClosed),
    ] {
        let mut items = client.send_stream::<_, u32>("x", &1).await.unwrap();
        let id = id_of_next_request(&mut socket).await;
        for members in replies {
            if members == "lost" {
                drop(socket);
                socket = server.accept().await;
                break;
            }
            reply(&mut socket, &id, members).await;
        }
        if case == "flooded" {
            // All three have arrived before the first is taken.
            client.emit("x", &1).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            read_frame(&mut socket).await;
        }
        let error = loop {
            match items.next().await.expect("it ends with an error") {
                Ok(value) => assert!(value < 3),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.sent()), (kind, Some(Sent::Maybe)), "{case}: {error}");
    }
}

/// A stream that is begun anew needs the place that it had, not one more.
#[tokio::test]
async fn cl_4_a_stream_is_begun_anew_when_it_takes_the_only_place() {
    let server = FakeServer::bind().await;
    let client = client(server.options().backoff(soon()).max_pending(1).request_timeout(None));
    let mut items = client.send_stream::<_, u32>("busy", &1).await.unwrap();
    let playing = async {
        let mut socket = server.accept().await;
        let id = id_of_next_request(&mut socket).await;
        reply(&mut socket, &id, OVERLOADED).await;
        let id = id_of_next_request(&mut socket).await;
        reply(&mut socket, &id, r#""response":1,"isDisposed":true"#).await;
    };
    let (item, ()) = tokio::join!(tokio::time::timeout(PATIENCE, items.next()), playing);
    assert_eq!(item.expect("it does not wait for itself").unwrap().unwrap(), 1);
}

/// What a stream does with what it is given to write.
#[derive(Clone, Copy)]
enum Writes {
    /// Takes all, and fails: TLS does when its second record cannot be sent.
    TakeAndFail,
    /// Takes a byte, is busy while the client is closed, and then takes the rest.
    LaterThanClose,
}

/// A stream over nothing that keeps what it was given.
struct Odd {
    writes: Writes,
    turn: Arc<AtomicU32>,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Odd {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Odd {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = Arc::clone(&self.taken);
        let take = |bytes: &[u8]| taken.lock().unwrap().extend_from_slice(bytes);
        match (self.writes, 1 + self.turn.fetch_add(1, Ordering::Relaxed)) {
            (Writes::TakeAndFail, _) => {
                take(bytes);
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            (Writes::LaterThanClose, 1) => {
                take(&bytes[..1]);
                Poll::Ready(Ok(1))
            }
            (Writes::LaterThanClose, 2) => Poll::Pending,
            (Writes::LaterThanClose, _) => {
                take(bytes);
                Poll::Ready(Ok(bytes.len()))
            }
        }
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn odd(writes: Writes) -> (ClientProxy, Arc<Mutex<Vec<u8>>>, Arc<AtomicU32>) {
    let (taken, turn) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU32::new(0)));
    let (kept, counted) = (Arc::clone(&taken), Arc::clone(&turn));
    let connector = Connector::new(move || {
        let odd = Odd { writes, turn: Arc::clone(&counted), taken: Arc::clone(&kept) };
        async move { Ok(odd) }
    });
    (client(TcpTransportOptions::default().connector(connector)), taken, turn)
}

#[tokio::test]
async fn cl_3_what_a_stream_took_before_it_failed_may_have_been_sent() {
    let (client, taken, _) = odd(Writes::TakeAndFail);
    let error = client.send::<_, u32>("pay", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)));
    let error = client.emit("pay", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)));
    let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
    assert_eq!((text.matches("pay").count(), client.stats().resent), (2, 0), "neither was sent again: {text}");
}

#[tokio::test]
async fn cl_3_what_is_still_written_when_the_client_closes_is_not_said_to_be_unsent() {
    let (client, taken, turn) = odd(Writes::LaterThanClose);
    client.connect().await.unwrap();
    let mut closing = Box::pin(client.close());
    // Polled before the emits, once the stream is busy.
    let closing = poll_fn(|task| match turn.load(Ordering::Relaxed) {
        0 | 1 => Poll::Pending,
        _ => closing.as_mut().poll(task),
    });
    let emits = join(client.emit("first", &1), client.emit("second", &2));
    let ((), (_, second)) = join(closing, emits).await;
    let went_out = String::from_utf8(taken.lock().unwrap().clone()).unwrap().contains("second");
    let unsent = second.err().is_some_and(|error| error.sent() == Some(Sent::No));
    assert!(went_out && !unsent, "it was sent after all");
}
