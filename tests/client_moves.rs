//! How a client leaves a connection that is about to end, or has ended, for the next.

mod support;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use nestrs::Sent;
use nestrs::microservices::net::io::Connector;
use nestrs::microservices::{ClientStatus, TcpTransportOptions};
use nestrs::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use support::fake::{FakeServer, SHUTTING_DOWN, client, id_of_next_request, read_frame, reply};
use support::place::{Place, soon};

/// The server says that it is about to end: new calls go to a new connection, those under way end on the old one.
#[tokio::test]
async fn sd_2_a_client_leaves_a_server_that_is_shutting_down_and_lets_it_finish() {
    let server = FakeServer::bind().await;
    let client = client(server.options().backoff(soon()));
    let slow = client.clone();
    let slow = tokio::spawn(async move { slow.send::<_, u32>("slow", &1).await });
    let mut old = server.accept().await;
    let slow_id = id_of_next_request(&mut old).await;
    let streaming = client.clone();
    let streaming = tokio::spawn(async move { streaming.send_stream::<_, u32>("stream", &1).await.unwrap() });
    let stream_id = id_of_next_request(&mut old).await;
    let mut items = streaming.await.unwrap();

    // Refused there, it is made again on the next connection by itself.
    let refused = client.clone();
    let refused = tokio::spawn(async move { refused.send::<_, u32>("refused", &2).await });
    let refused_id = id_of_next_request(&mut old).await;
    reply(&mut old, &refused_id, SHUTTING_DOWN).await;
    let mut new = server.accept().await;
    let again = read_frame(&mut new).await;
    assert_eq!((&again["pattern"], &again["data"]), (&"refused".into(), &2.into()));
    assert_ne!(again["id"], refused_id, "ids are not used twice");
    reply(&mut new, again["id"].as_str().unwrap(), r#""response":2,"isDisposed":true"#).await;
    assert_eq!(refused.await.unwrap().unwrap(), 2);

    // New calls find the new connection; the old ones are answered late, and over the old one.
    let fresh = client.clone();
    let fresh = tokio::spawn(async move { fresh.send::<_, u32>("fresh", &3).await });
    let fresh_id = id_of_next_request(&mut new).await;
    reply(&mut old, &stream_id, r#""response":10"#).await;
    assert_eq!(items.next().await.unwrap().unwrap(), 10);
    reply(&mut old, &slow_id, r#""response":1,"isDisposed":true"#).await;
    assert_eq!(slow.await.unwrap().unwrap(), 1);
    reply(&mut old, &stream_id, r#""response":11,"isDisposed":true"#).await;
    assert_eq!(items.next().await.unwrap().unwrap(), 11);
    assert!(items.next().await.is_none());
    // With nothing left to wait for, the client itself closes it.
    assert_eq!(support::raw::Peer(old).expect_closed().await, b"");
    reply(&mut new, &fresh_id, r#""response":3,"isDisposed":true"#).await;
    assert_eq!(fresh.await.unwrap().unwrap(), 3);
    let stats = client.stats();
    assert_eq!((stats.connections, stats.resent, stats.pending), (2, 1, 0));
}

/// A call that is dropped or late does not keep the old connection.
#[tokio::test]
async fn sd_2_a_connection_that_is_left_ends_with_the_last_call_that_still_waits() {
    let server = FakeServer::bind().await;
    let client = client(server.options().backoff(soon()));
    let hasty = client.with_timeout(Duration::from_millis(100));
    let hasty = tokio::spawn(async move { hasty.send::<_, u32>("slow", &1).await });
    let mut old = server.accept().await;
    read_frame(&mut old).await;
    let refused = client.clone();
    let refused = tokio::spawn(async move { refused.send::<_, u32>("refused", &2).await });
    let id = id_of_next_request(&mut old).await;
    reply(&mut old, &id, SHUTTING_DOWN).await;
    let mut new = server.accept().await;
    let id = id_of_next_request(&mut new).await;
    reply(&mut new, &id, r#""response":2,"isDisposed":true"#).await;
    refused.await.unwrap().unwrap();
    assert_eq!(hasty.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(support::raw::Peer(old).expect_closed().await, b"");
}

#[tokio::test]
async fn sd_2_fin_with_nothing_pending_is_a_move_that_no_call_feels() {
    let server = FakeServer::bind().await;
    let client = client(server.options().backoff(soon()));
    client.connect().await.unwrap();
    let mut socket = server.accept().await;
    for call in 0..20 {
        let mut status = client.status();
        assert_eq!(status.next().await, Some(ClientStatus::Connected));
        drop(socket);
        // Now it knows.
        assert_ne!(status.next().await, Some(ClientStatus::Closed));
        let calling = client.clone();
        let calling = tokio::spawn(async move { calling.send::<_, u32>("echo", &call).await });
        socket = server.accept().await;
        let id = id_of_next_request(&mut socket).await;
        reply(&mut socket, &id, r#""response":1,"isDisposed":true"#).await;
        assert_eq!(calling.await.unwrap().unwrap(), 1, "call {call}");
    }
}

/// The server has closed an idle connection, and the client finds out as it is about to write.
#[tokio::test(start_paused = true)]
async fn cl_4_what_was_queued_on_a_connection_that_is_gone_is_sent_on_the_next() {
    let place = Place::default();
    let client = client(place.options());
    client.connect().await.unwrap();
    let closed: Vec<_> = place.0.open.lock().unwrap().drain(..).collect();
    drop(closed);
    client.emit("x", &1).await.unwrap();
    assert_eq!((client.stats().resent, client.stats().connections), (1, 2));
}

/// A stream that does as it is told, and wakes nobody: the news of what it does has not come through yet.
#[derive(Clone, Default)]
struct Wire(Arc<WireState>);

#[derive(Default)]
struct WireState {
    /// What can be read.
    input: Mutex<Vec<u8>>,
    /// What was written.
    taken: Mutex<Vec<u8>>,
    /// Reading finds the end; what is written is taken all the same, as a kernel does.
    fin: AtomicBool,
    /// Writing fails.
    broken: AtomicBool,
    /// What was written stays in a buffer of its own, as in TLS.
    held: AtomicBool,
}

impl Wire {
    fn taken(&self) -> String {
        String::from_utf8(self.0.taken.lock().unwrap().clone()).unwrap()
    }

    /// A client whose first connection this is; later ones take what they are given.
    fn client(&self) -> ClientProxy {
        let wire = Mutex::new(Some(self.clone()));
        client(TcpTransportOptions::default().connector(Connector::new(move || {
            let next = wire.lock().unwrap().take().unwrap_or_default();
            async move { Ok(next) }
        })))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, chunk: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let input = std::mem::take(&mut *self.0.input.lock().unwrap());
        if input.is_empty() && !self.0.fin.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        chunk.put_slice(&input);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        if self.0.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        }
        self.0.taken.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.0.held.load(Ordering::Relaxed) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Where nothing was under way the client looks for a good-bye before it writes, so that it knows what was not sent.
#[tokio::test(start_paused = true)]
async fn cl_4_an_idle_connection_is_looked_at_before_it_is_written_to() {
    let wire = Wire::default();
    let client = wire.client();
    client.emit("x", &1).await.unwrap();
    let before = wire.taken();
    wire.0.fin.store(true, Ordering::Relaxed);
    client.emit("x", &2).await.unwrap();
    assert_eq!(wire.taken(), before, "not a byte was given to the old one");
    assert_eq!((client.stats().resent, client.stats().connections), (1, 2));
}

/// A server that answered and then broke has answered.
#[tokio::test(start_paused = true)]
async fn sd_3_a_reply_that_has_arrived_is_not_lost_with_the_connection() {
    let wire = Wire::default();
    let client = wire.client();
    let answered = client.clone();
    let answered = tokio::spawn(async move { answered.send::<_, u32>("x", &1).await });
    while wire.taken().is_empty() {
        tokio::task::yield_now().await;
    }
    let taken = wire.taken();
    let id = &taken[taken.len() - 23..taken.len() - 2];
    let bytes = support::raw::frame(&format!(r#"{{"response":5,"isDisposed":true,"id":"{id}"}}"#));
    wire.0.input.lock().unwrap().extend_from_slice(bytes.as_bytes());
    wire.0.broken.store(true, Ordering::Relaxed);
    // What cannot be written shows that it is broken. How much of it a foreign stream took, nobody knows.
    let error = client.emit("x", &2).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(nestrs::Sent::Maybe)));
    assert_eq!(answered.await.unwrap().unwrap(), 5);
}

/// A stream with a buffer of its own has not given the kernel what it has taken.
#[tokio::test(start_paused = true)]
async fn cl_8_emit_waits_for_a_stream_that_holds_back_what_it_was_given() {
    let wire = Wire::default();
    wire.0.held.store(true, Ordering::Relaxed);
    let client = wire.client();
    let short = client.with_timeout(Duration::from_secs(1));
    let error = short.emit("x", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::Maybe)));
    assert!(wire.taken().contains(r#""pattern":"x""#), "{}", wire.taken());
    wire.0.held.store(false, Ordering::Relaxed);
    client.emit("x", &2).await.unwrap();
}
