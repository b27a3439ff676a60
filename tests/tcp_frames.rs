//! Frames and ends of connections, as a server's peers and its log see them.

mod support;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use nestrs::{LogCapture, LogEvent, LogLevel};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;

use support::connection::{CallsModule, InMemory, capture, reasons, until};
use support::raw::{PATIENCE, Peer, frame};
use support::{free_port, serve_with};

const ECHO: &str = r#"{"pattern":"echo","data":1,"id":"1"}"#;

/// What connections complained of.
fn warnings(log: &LogCapture) -> Vec<LogEvent> {
    log.events().into_iter().filter(|event| event.level == LogLevel::Warn && event.target == "nestrs::tcp").collect()
}

#[tokio::test]
async fn fr_1_fr_2_a_frame_may_arrive_byte_by_byte_after_white_space() {
    let app = serve_with::<CallsModule>(free_port()).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    for byte in format!("\r\n {}", frame(r#"{"pattern":"echo","data":"é漢😀","id":1}"#)).into_bytes() {
        peer.send([byte]).await;
    }
    peer.expect(&frame(r#"{"response":"é漢😀","isDisposed":true,"id":1}"#)).await;
    peer.expect_alive().await;
    app.close().await;
}

#[tokio::test]
async fn fr_3_an_announced_length_above_the_limit_is_a_fault_before_the_body() {
    let log = capture();
    let app = serve_with::<CallsModule>(free_port().max_frame_bytes(1000)).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send("1001#").await;
    assert_eq!(peer.expect_closed().await, b"");
    drop(peer);
    until(|| reasons(&log) == ["fault-too-large"]).await;
    app.close().await;
}

/// Both are larger than 64 KiB, and one of them may come to as much as the whole budget.
#[tokio::test(start_paused = true)]
async fn fr_4_a_large_frame_waits_for_its_share_of_the_budget_all_or_nothing() {
    let server = InMemory::serve(free_port().recv_budget_bytes(256 * 1024)).await;
    let body = |id| format!(r#"{{"pattern":"hold","data":"{}","id":{id}}}"#, "x".repeat(200 * 1024));
    let (first, second) = (frame(&body(1)), frame(&body(2)));
    let mut one = server.dial().await;
    one.send(&first[..190 * 1024]).await;
    let mut other = server.dial().await;
    let sending = tokio::spawn(async move {
        other.send(&second).await;
        other
    });
    // Small ones pass.
    let mut small = server.dial().await;
    small.expect_alive().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!sending.is_finished(), "what the server has not room for stays with the peer");
    // The payload is held by its handler: the frame is complete, and still in memory.
    one.send(&first[190 * 1024..]).await;
    let calls = server.calls();
    until(|| calls.started.load(std::sync::atomic::Ordering::Relaxed) == 1).await;
    // What is known by now is that it was ASCII; so there is room for 56 KiB, and the other may come to more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!sending.is_finished());
    calls.release.notify_one();
    one.expect(r#"44#{"response":"held","isDisposed":true,"id":1}"#).await;
    let mut other = sending.await.unwrap();
    calls.release.notify_one();
    other.expect(r#"44#{"response":"held","isDisposed":true,"id":2}"#).await;
    server.app.close().await;
}

#[tokio::test(start_paused = true)]
async fn fr_4_a_frame_that_waits_for_the_budget_keeps_its_deadline_and_one_above_it_all_is_a_fault() {
    let log = capture();
    let server = InMemory::serve(free_port().recv_budget_bytes(256 * 1024)).await;
    let mut holds_all = server.dial().await;
    holds_all.send("200000#").await;
    holds_all.send(vec![b'x'; 50_000]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut waits = server.dial().await;
    waits.send("100000#").await;
    waits.send(vec![b'x'; 50_000]).await;
    until(|| reasons(&log) == ["slow-frame"]).await;
    drop(holds_all);
    let begun = Instant::now();
    until(|| reasons(&log).len() == 2).await;
    assert_eq!(reasons(&log)[1], "slow-frame");
    assert!(begun.elapsed() < Duration::from_secs(10), "counted from its first byte");
    let mut too_long = server.dial().await;
    too_long.send("300000#").await;
    assert_eq!(too_long.expect_closed().await, b"");
    until(|| reasons(&log).len() == 3).await;
    assert_eq!(reasons(&log)[2], "fault-too-large");
    // All of it is free again.
    let mut peer = server.dial().await;
    let text = "x".repeat(200_000);
    peer.send_frames(&[&format!(r#"{{"pattern":"echo","data":"{text}","id":1}}"#)]).await;
    peer.expect(&frame(&format!(r#"{{"response":"{text}","isDisposed":true,"id":1}}"#))).await;
    server.app.close().await;
}

/// Announcing is not sending: a few headers must not keep everybody else's frames out.
#[tokio::test(start_paused = true)]
async fn fr_4_what_is_only_announced_holds_nothing_of_the_budget() {
    let log = capture();
    let server = InMemory::serve(free_port().recv_budget_bytes(256 * 1024)).await;
    let mut announced = Vec::new();
    for _ in 0..50 {
        let mut peer = server.dial().await;
        peer.send("200000#").await;
        peer.send(vec![b'x'; 10_000]).await;
        announced.push(peer);
    }
    let text = "x".repeat(200_000);
    for _ in 0..3 {
        let mut peer = server.dial().await;
        peer.send_frames(&[&format!(r#"{{"pattern":"echo","data":"{text}","id":1}}"#)]).await;
        peer.expect(&frame(&format!(r#"{{"response":"{text}","isDisposed":true,"id":1}}"#))).await;
    }
    // Nobody had to be closed to make room.
    assert!(!reasons(&log).contains(&"slow-frame".to_owned()), "{:?}", reasons(&log));
    server.app.close().await;
}

/// Whoever sends a part of a long frame and then nothing has the time of that part, not of the whole.
#[tokio::test(start_paused = true)]
async fn fr_4_a_frame_with_a_share_of_the_budget_keeps_up_with_the_rate_or_is_closed() {
    let log = capture();
    let server = InMemory::serve(free_port().recv_budget_bytes(256 * 1024).min_frame_rate(1024)).await;
    let body = format!(r#"{{"pattern":"echo","data":"{}","id":1}}"#, "x".repeat(200_000));
    let whole = frame(&body).into_bytes();
    // Slower than that it may not be, and it takes three minutes: nobody is in a hurry who keeps up.
    let mut slow = server.dial().await;
    for piece in whole.chunks(10 * 1024) {
        slow.send(piece).await;
        tokio::time::sleep(Duration::from_secs(9)).await;
    }
    slow.expect(&frame(&format!(r#"{{"response":"{}","isDisposed":true,"id":1}}"#, "x".repeat(200_000)))).await;
    assert!(reasons(&log).is_empty());
    // The time of all of it would be 225 s.
    let begun = Instant::now();
    let mut stalled = server.dial().await;
    stalled.send(&whole[..50_000]).await;
    until(|| !reasons(&log).is_empty()).await;
    assert_eq!(reasons(&log), ["slow-frame"]);
    assert!((29..35).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    server.app.close().await;
}

#[tokio::test]
async fn fr_5_fr_6_what_is_no_text_or_no_json_is_a_fault() {
    let log = capture();
    let app = serve_with::<CallsModule>(free_port()).await;
    let nested = |depth: usize| {
        frame(&format!(r#"{{"pattern":"echo","data":{}{},"id":1}}"#, "[".repeat(depth), "]".repeat(depth)))
    };
    for (bytes, reason) in [
        (b"4#\"\xff\xfe\"".to_vec(), "fault-utf8"),
        ("2#\"😀\"".into(), "fault-inside-character"),
        ("0#".into(), "fault-json"),
        ("3#{,}".into(), "fault-json"),
        (nested(127).into(), "fault-json"),
        // Wherever it stands, and though there is no handler that would read it.
        (frame(r#"{"pattern":"echo","data":{"a":[1e400]},"id":1}"#).into(), "fault-json"),
        (frame(r#"{"pattern":"nobody","data":1,"id":1e400}"#).into(), "fault-json"),
        (frame(r#"{"pattern":"nobody","data":1,"extra":-1e400}"#).into(), "fault-json"),
        (frame("[1e400]").into(), "fault-json"),
        (frame(&format!(r#"{{"pattern":"echo","data":1,"id":"{}"}}"#, "x".repeat(1024))).into(), "fault-id-too-long"),
    ] {
        let before = reasons(&log).len();
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send(&bytes).await;
        assert_eq!(peer.expect_closed().await, b"", "{reason}");
        drop(peer);
        until(|| reasons(&log).len() > before).await;
        assert_eq!(reasons(&log)[before], reason);
    }
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send(nested(126)).await;
    peer.expect(&frame(&format!(r#"{{"response":{}{},"isDisposed":true,"id":1}}"#, "[".repeat(126), "]".repeat(126))))
        .await;
    app.close().await;
}

#[tokio::test]
async fn fr_8_fr_10_a_flood_of_frames_that_are_no_packets_costs_little_and_is_counted() {
    let log = capture();
    let app = serve_with::<CallsModule>(free_port()).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send("2#{}".repeat(100_000)).await;
    peer.expect_alive().await;
    let lines = warnings(&log);
    assert!(lines.len() < 20, "{} lines", lines.len());
    assert_eq!(lines[0].field("why"), Some("JSON that is no packet"));
    app.close().await;
}

#[tokio::test]
async fn fr_12_a_fault_has_one_line_in_the_log_with_the_header_and_without_the_body() {
    let log = capture();
    let app = serve_with::<CallsModule>(free_port()).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let from = peer.0.local_addr().unwrap().to_string();
    peer.send("12\x1b[31msecret secret secret secret secret").await;
    peer.expect_closed().await;
    let lines = warnings(&log);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0].field("peer_addr"), Some(from.as_str()));
    assert_eq!(lines[0].field("code"), Some("fault-header"));
    assert_eq!(lines[0].field("header"), Some("12\\u{1b}"));
    assert!(!format!("{lines:?}").contains("secret"));
    app.close().await;
}

/// The peer goes on sending; the answers it is owed must not be lost to a reset.
#[tokio::test]
async fn fr_12_answers_survive_a_fault_of_a_peer_that_goes_on_sending() {
    let app = serve_with::<CallsModule>(free_port()).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"slow","data":50,"id":1}"#]).await;
    peer.send("x").await;
    peer.send(vec![b'y'; 10_000]).await;
    assert_eq!(peer.expect_closed().await, frame(r#"{"response":50,"isDisposed":true,"id":1}"#).as_bytes());
    app.close().await;
}

#[tokio::test]
async fn fr_13_an_end_between_frames_is_normal_inside_one_a_fault_and_a_reset_is_worth_a_line() {
    let log = capture();
    let app = serve_with::<CallsModule>(free_port()).await;
    let address = app.address("tcp").unwrap();
    for (sent, reason) in [
        ("", "peer-closed"),
        (ECHO_FRAME, "peer-closed"),
        ("36#{\"pattern\":\"echo\",\"data\":1,\"id\":\"1\"}\r\n", "peer-closed"),
        ("3", "fault-truncated"),
        ("36#", "fault-truncated"),
        ("36#{\"pattern\"", "fault-truncated"),
    ] {
        let before = reasons(&log).len();
        let mut peer = Peer::connect(address).await;
        peer.send(sent).await;
        peer.0.shutdown().await.unwrap();
        peer.expect_closed().await;
        drop(peer);
        until(|| reasons(&log).len() > before).await;
        assert_eq!(reasons(&log)[before], reason, "{sent:?}");
    }
    assert_eq!(warnings(&log).len(), 3, "one for each fault");
    let before = reasons(&log).len();
    reset(Peer::connect(address).await).await;
    until(|| reasons(&log).len() > before).await;
    assert_eq!(reasons(&log)[before], "peer-reset");
    assert!(log.contains(LogLevel::Log, "disconnected reason=peer-reset"), "{:#?}", log.lines());
    app.close().await;
}

const ECHO_FRAME: &str = r#"36#{"pattern":"echo","data":1,"id":"1"}"#;

/// Closing with something unread is a reset.
async fn reset(mut peer: Peer) {
    peer.send_frames(&[ECHO]).await;
    peer.0.readable().await.unwrap();
}

#[tokio::test]
async fn fr_14_requests_before_a_fin_are_served_although_only_one_may_run_at_a_time() {
    let app = serve_with::<CallsModule>(free_port().max_in_flight_per_conn(1)).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let requests: Vec<_> = (0..5).map(|id| format!(r#"{{"pattern":"slow","data":5,"id":{id}}}"#)).collect();
    peer.send_frames(&requests.iter().map(String::as_str).collect::<Vec<_>>()).await;
    peer.0.shutdown().await.unwrap();
    let answers: String = (0..5).map(|id| frame(&format!(r#"{{"response":5,"isDisposed":true,"id":{id}}}"#))).collect();
    assert_eq!(String::from_utf8(peer.expect_closed().await).unwrap(), answers);
    app.close().await;
}

/// Gives `input`, takes output in small pieces at its own pace, and fails after so many bytes.
struct Stubborn {
    input: Vec<u8>,
    taken: Arc<Mutex<Vec<u8>>>,
    fails_at: usize,
    turn: bool,
    failure: io::ErrorKind,
}

impl AsyncRead for Stubborn {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, chunk: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            return match self.fails_at {
                0 => Poll::Ready(Err(self.failure.into())),
                _ => Poll::Pending,
            };
        }
        chunk.put_slice(&self.input);
        self.input.clear();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stubborn {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.turn = !self.turn;
        if self.turn {
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut taken = self.taken.lock().unwrap();
        let room = self.fails_at.saturating_sub(taken.len());
        if room == 0 {
            // Whoever goes on after this is told so again, and found out.
            taken.push(b'!');
            return Poll::Ready(Err(self.failure.into()));
        }
        let len = bytes.len().min(7).min(room);
        taken.extend_from_slice(&bytes[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn fr_16_frames_are_written_whole_one_after_another_and_nothing_after_a_failure() {
    let log = capture();
    let server = InMemory::serve(free_port()).await;
    let requests: String = (0..20)
        .map(|id| {
            let pattern = if id % 2 == 0 { "slow" } else { "echo" };
            frame(&format!(r#"{{"pattern":"{pattern}","data":{},"id":{id}}}"#, id % 3))
        })
        .collect();
    let answer_len = frame(r#"{"response":1,"isDisposed":true,"id":1}"#).len();
    for fails_at in [usize::MAX, 10 * answer_len + 13] {
        let taken = Arc::default();
        let before = reasons(&log).len();
        server
            .accept(Stubborn {
                input: requests.clone().into_bytes(),
                taken: Arc::clone(&taken),
                fails_at,
                turn: false,
                failure: io::ErrorKind::BrokenPipe,
            })
            .await;
        if fails_at == usize::MAX {
            until(|| taken.lock().unwrap().len() >= 20 * answer_len + 10).await;
        } else {
            until(|| reasons(&log).len() > before).await;
            assert_eq!(reasons(&log)[before], "peer-reset");
        }
        let taken = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
        let mut rest = taken.as_str();
        let mut whole = 0;
        while let Some((len, tail)) = rest.split_once('#') {
            let Some(body) = tail.get(..len.parse().unwrap()) else { break };
            serde_json::from_str::<serde_json::Value>(body).unwrap();
            rest = &tail[body.len()..];
            whole += 1;
        }
        if fails_at == usize::MAX {
            assert_eq!((whole, rest), (20, ""));
        } else {
            assert!(whole >= 9 && rest.ends_with('!') && rest.matches('!').count() == 1, "{whole} {rest:?}");
        }
    }
    server.app.close().await;
}

/// A stream that breaks in its own way.
struct Broken(Option<io::ErrorKind>);

impl AsyncRead for Broken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(self.0.expect("a stream that panics").into()))
    }
}

impl AsyncWrite for Broken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The faults are in the tests of their own promises, and so are the limits on what a peer may do.
#[tokio::test(start_paused = true)]
async fn fr_17_every_end_of_a_connection_has_one_reason() {
    let log = capture();
    let server = InMemory::serve(free_port().idle_timeout(Some(Duration::from_secs(60)))).await;
    for (failure, reason) in [
        (Some(io::ErrorKind::TimedOut), "dead"),
        (Some(io::ErrorKind::HostUnreachable), "dead"),
        (Some(io::ErrorKind::ConnectionReset), "peer-reset"),
        (Some(io::ErrorKind::OutOfMemory), "internal"),
        (None, "internal"),
    ] {
        let before = reasons(&log).len();
        server.accept(Broken(failure)).await;
        until(|| reasons(&log).len() > before).await;
        assert_eq!(reasons(&log)[before..], [reason], "{failure:?}");
    }
    let before = reasons(&log).len();
    drop(server.dial().await);
    until(|| reasons(&log).len() > before).await;
    let idle = server.dial().await;
    until(|| reasons(&log).len() > before + 1).await;
    let _open = server.dial().await;
    tokio::task::yield_now().await;
    drop(idle);
    server.app.close().await;
    assert_eq!(reasons(&log)[before..], ["peer-closed", "idle", "shutdown"]);
    // As many ends as beginnings.
    let begun = log.events().iter().filter(|event| event.message == "connected").count();
    assert_eq!(begun, reasons(&log).len());
}

#[tokio::test]
async fn fr_18_http_and_tls_on_the_plain_port_are_faults_at_once_and_called_so() {
    let log = capture();
    let app = serve_with::<CallsModule>(free_port()).await;
    for (bytes, hint) in [
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".as_slice(), "looks like HTTP"),
        (b"P", "looks like HTTP"),
        (&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01], "looks like TLS"),
    ] {
        let before = warnings(&log).len();
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send(bytes).await;
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, peer.0.read_to_end(&mut answer))
            .await
            .expect("without waiting for more")
            .unwrap();
        assert_eq!(answer, b"");
        let lines = warnings(&log);
        assert_eq!(lines.len(), before + 1);
        assert_eq!(lines[before].field("hint"), Some(hint));
    }
    until(|| reasons(&log).len() == 3).await;
    assert_eq!(reasons(&log), ["fault-looks-like-http", "fault-looks-like-http", "fault-looks-like-tls"]);
    app.close().await;
}
