//! Slow, silent and flooding peers: what each may cost, and when it is over.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use nestrs::microservices::{Overflow, TcpMicroserviceOptions};
use nestrs::{LogCapture, LogLevel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use support::connection::{Calls, CallsModule, InMemory, capture, reasons, until};
use support::raw::{PATIENCE, Peer, frame};
use support::{free_port, serve_with};

const SECOND: Duration = Duration::from_secs(1);

fn options() -> TcpMicroserviceOptions {
    free_port().grace_period(Duration::from_millis(100))
}

fn call(pattern: &str, data: impl std::fmt::Display, id: u32) -> String {
    frame(&format!(r#"{{"pattern":"{pattern}","data":{data},"id":{id}}}"#))
}

fn answer(value: impl std::fmt::Display, id: u32) -> String {
    frame(&format!(r#"{{"response":{value},"isDisposed":true,"id":{id}}}"#))
}

/// How long the server keeps a connection to which `bytes` come, one every `pause`.
async fn kept(server: &InMemory, log: &LogCapture, bytes: &[u8], pause: Duration) -> u64 {
    let before = reasons(log).len();
    let mut peer = server.dial().await;
    let begun = Instant::now();
    for byte in bytes {
        // It may be over by now.
        let _ = peer.0.write_all(&[*byte]).await;
        sleep(pause).await;
    }
    until(|| reasons(log).len() > before).await;
    assert_eq!(reasons(log)[before], "slow-frame");
    let end = log.events().iter().filter(|event| event.message.contains("a frame took too long")).count();
    assert_eq!(end, before + 1);
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn sl_1_a_frame_that_is_late_closes_its_connection_however_steadily_it_comes() {
    let log = capture();
    let server = InMemory::serve(options()).await;
    // A header that never ends, a body that never comes, and as many bytes as there may be in the time there is.
    assert_eq!(kept(&server, &log, b"4", Duration::ZERO).await, 30);
    assert_eq!(kept(&server, &log, b"41#", Duration::ZERO).await, 30);
    assert_eq!(kept(&server, &log, b"655360#{\"a\":", Duration::ZERO).await, 40);
    // The second byte comes in time and the third does not; one byte every 29 s does not keep a connection.
    assert_eq!(kept(&server, &log, b"41#", 29 * SECOND).await, 87, "ended at 30 s, seen when the third was sent");
    let ends: Vec<_> = log.events().into_iter().filter(|event| event.message == "disconnected").collect();
    assert_eq!(ends.len(), 4);
    server.app.close().await;
}

#[tokio::test(start_paused = true)]
async fn sl_1_a_frame_that_keeps_up_is_served_and_silence_between_frames_is_free() {
    let server = InMemory::serve(options()).await;
    let mut peer = server.dial().await;
    let text = "x".repeat(640 * 1024);
    let request = call("echo", format!("\"{text}\""), 1);
    let reading = answer(format!("\"{text}\""), 1);
    for chunk in request.as_bytes().chunks(request.len() / 38) {
        peer.send(chunk).await;
        sleep(SECOND).await;
    }
    peer.expect(&reading).await;
    sleep(3600 * SECOND).await;
    peer.expect_alive().await;
    // White space after a frame is not the beginning of one.
    peer.send("\r\n").await;
    sleep(3600 * SECOND).await;
    peer.expect_alive().await;
    server.app.close().await;
}

#[tokio::test(start_paused = true)]
async fn sl_1_without_a_rate_every_byte_gives_a_frame_its_time_again() {
    let log = capture();
    let server = InMemory::serve(options().min_frame_rate(0)).await;
    let mut peer = server.dial().await;
    for byte in call("echo", 1, 1).into_bytes() {
        peer.send([byte]).await;
        sleep(29 * SECOND).await;
    }
    peer.expect(&answer(1, 1)).await;
    peer.send("4").await;
    let begun = Instant::now();
    until(|| reasons(&log).len() == 1).await;
    assert_eq!(begun.elapsed().as_secs(), 30);
    server.app.close().await;
}

/// The time in which the server does not read is the server's.
#[tokio::test(start_paused = true)]
async fn sl_1_what_is_not_read_is_not_late() {
    let server = InMemory::serve(options().max_in_flight_per_conn(1)).await;
    let mut peer = server.dial().await;
    let second = call("echo", 2, 2);
    let (head, tail) = second.split_at(10);
    peer.send(head).await;
    sleep(SECOND).await;
    let mut other = server.dial().await;
    other.send(call("slow", 100_000, 1)).await;
    other.send(head).await;
    sleep(60 * SECOND).await;
    other.send(tail).await;
    let mut received = String::new();
    while received.len() < answer(100_000, 1).len() + answer(2, 2).len() {
        let mut chunk = [0; 256];
        let read = other.0.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0, "{received}");
        received.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
    }
    assert_eq!(received, answer(100_000, 1) + &answer(2, 2));
    server.app.close().await;
}

#[tokio::test(start_paused = true)]
async fn sl_3_above_the_high_mark_nothing_is_read_until_half_of_it_is_taken() {
    let server = InMemory::serve(options().send_queue_high(200_000)).await;
    let mut peer = server.dial().await;
    // 300 KB are queued, of which the pipe holds 64 KiB.
    peer.send(call("blob", 300_000, 1)).await;
    sleep(SECOND).await;
    peer.send(call("hold", 1, 2)).await;
    let started = || server.calls().started.load(Ordering::Relaxed);
    sleep(SECOND).await;
    assert_eq!(started(), 0);
    // Below the mark, and above half of it.
    let mut taken = vec![0; 100_000];
    peer.0.read_exact(&mut taken).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(started(), 0);
    peer.0.read_exact(&mut taken[..60_000]).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(started(), 1, "read again before all is taken");
    server.app.close().await;
}

#[tokio::test(start_paused = true)]
async fn sl_3_a_peer_that_takes_nothing_is_closed_and_one_that_takes_a_little_is_not() {
    let log = capture();
    let server = InMemory::serve(options().send_queue_max(2_000_000)).await;
    let mut slow = server.dial().await;
    slow.send(call("blob", 1_000_000, 1)).await;
    let mut deaf = server.dial().await;
    deaf.send(call("blob", 1_000_000, 1)).await;
    let begun = Instant::now();
    let mut taken = Vec::new();
    while taken.len() < answer(format!("\"{}\"", "x".repeat(1_000_000)), 1).len() {
        sleep(9 * SECOND).await;
        let mut chunk = vec![0; 100_000];
        let read = slow.0.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0);
        taken.extend_from_slice(&chunk[..read]);
    }
    slow.expect_alive().await;
    assert!(begun.elapsed() > 60 * SECOND);
    assert_eq!(reasons(&log), ["slow-consumer"]);
    // More than may be queued at all.
    let mut greedy = server.dial().await;
    greedy.send(call("blob", 2_100_000, 1)).await;
    until(|| reasons(&log).len() == 2).await;
    assert_eq!(reasons(&log)[1], "slow-consumer");
    server.app.close().await;
}

/// A handler that stood still for a peer that does not read would keep what it has locked from all the others.
#[tokio::test(start_paused = true)]
async fn sl_3_handlers_go_on_while_their_peer_does_not_read() {
    let server = InMemory::serve(options()).await;
    let calls = server.calls();
    let mut peer = server.dial().await;
    let len = 3 * 1024 * 1024;
    peer.send(call("hold", 1, 1) + &call("blob", len, 2)).await;
    sleep(SECOND).await;
    calls.release.notify_one();
    sleep(SECOND).await;
    assert_eq!(calls.dropped.load(Ordering::Relaxed), 1, "it has ended");
    peer.expect(&answer(format!("\"{}\"", "x".repeat(len)), 2)).await;
    peer.expect(&answer("\"held\"", 1)).await;
    server.app.close().await;
}

#[tokio::test(start_paused = true)]
async fn sl_4_when_the_queues_of_all_are_too_long_the_longest_is_closed_and_no_other() {
    let log = capture();
    let server = InMemory::serve(options().send_budget_bytes(1_000_000)).await;
    let mut first = server.dial().await;
    first.send(call("blob", 400_000, 1)).await;
    let mut longest = server.dial().await;
    longest.send(call("blob", 500_000, 1)).await;
    sleep(SECOND).await;
    assert!(reasons(&log).is_empty());
    let mut last = server.dial().await;
    last.send(call("blob", 300_000, 1)).await;
    until(|| !reasons(&log).is_empty()).await;
    assert!(log.contains(LogLevel::Warn, "the most; closed"), "{:#?}", log.lines());
    // A quick reader is nobody's burden.
    let mut quick = server.dial().await;
    quick.send(call("blob", 200_000, 1)).await;
    quick.expect(&answer(format!("\"{}\"", "x".repeat(200_000)), 1)).await;
    for (mut peer, len) in [(first, 400_000), (last, 300_000)] {
        peer.expect(&answer(format!("\"{}\"", "x".repeat(len)), 1)).await;
        peer.expect_alive().await;
    }
    assert!(longest.expect_closed().await.len() < 100_000);
    assert_eq!(reasons(&log).iter().filter(|reason| *reason == "budget").count(), 1);
    server.app.close().await;
}

const OVERLOADED: &str =
    r#"{"err":{"status":"error","message":"Service overloaded","executed":false},"isDisposed":true,"id":3}"#;

#[tokio::test]
async fn sl_5_above_the_limit_calls_are_refused_in_words_where_that_is_wanted() {
    for limited in [options().max_in_flight_per_conn(2), options().max_in_flight(2)] {
        let log = capture();
        let app = serve_with::<CallsModule>(limited.overflow(Overflow::Reject)).await;
        let calls = app.get::<Calls>().unwrap();
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send(call("hold", 1, 1) + &call("hold", 1, 2) + &call("echo", 1, 3)).await;
        peer.expect(&frame(OVERLOADED)).await;
        // Events are dropped, however many, with a line now and then.
        peer.send(frame(r#"{"pattern":"seen","data":1}"#).repeat(1000)).await;
        peer.send(call("echo", 1, 3)).await;
        peer.expect(&frame(OVERLOADED)).await;
        calls.release.notify_one();
        calls.release.notify_one();
        peer.expect(&(answer("\"held\"", 1) + &answer("\"held\"", 2))).await;
        peer.expect_alive().await;
        assert!(calls.seen.lock().unwrap().is_empty());
        let lines = log.events().into_iter().filter(|event| event.field("why").is_some()).collect::<Vec<_>>();
        assert!((1..5).contains(&lines.len()), "{lines:#?}");
        app.close().await;
    }
}

/// Calling and hanging up does not multiply work.
#[tokio::test]
async fn sl_5_a_place_belongs_to_the_handler_and_not_to_its_connection() {
    let app = serve_with::<CallsModule>(options().max_in_flight(2)).await;
    let calls = app.get::<Calls>().unwrap();
    let address = app.address("tcp").unwrap();
    for round in 0..20 {
        let mut peer = Peer::connect(address).await;
        peer.send(call("hold", round, 1)).await;
        if round < 2 {
            until(|| calls.started.load(Ordering::Relaxed) > round).await;
        }
    }
    let mut peer = Peer::connect(address).await;
    peer.send(call("echo", 1, 1)).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(calls.started.load(Ordering::Relaxed), 2);
    // One at a time, all of them run; whoever asked for them is gone.
    while calls.dropped.load(Ordering::Relaxed) < 20 {
        calls.release.notify_one();
        sleep(Duration::from_millis(1)).await;
        let (started, ended) = (calls.started.load(Ordering::Relaxed), calls.dropped.load(Ordering::Relaxed));
        assert!(started - ended <= 2);
    }
    peer.expect(&answer(1, 1)).await;
    app.close().await;
}

#[tokio::test(start_paused = true)]
async fn sl_5_a_stream_that_goes_on_holds_a_place_although_it_began_at_once() {
    let server = InMemory::serve(options().max_in_flight(1).overflow(Overflow::Reject)).await;
    let mut stream = server.dial().await;
    stream.send(call("ticks", 1, 1)).await;
    stream.expect(&frame(r#"{"response":0,"id":1}"#)).await;
    let mut peer = server.dial().await;
    peer.send(call("echo", 1, 3)).await;
    peer.expect(&frame(OVERLOADED)).await;
    drop(stream);
    sleep(2 * SECOND).await;
    peer.expect_alive().await;
    server.app.close().await;
}

/// Reading is paused by the first call, and there is something to read; then the peer goes, in one way or another.
#[tokio::test]
async fn sl_6_rq_8_a_caller_that_goes_while_it_is_not_read_is_missed_within_a_second() {
    for reset in [false, true] {
        let log = capture();
        let app = serve_with::<CallsModule>(options().max_in_flight_per_conn(1)).await;
        let calls = app.get::<Calls>().unwrap();
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        if reset {
            // Closing with something unread is a reset.
            peer.send(call("echo", 1, 1)).await;
            peer.0.readable().await.unwrap();
        }
        peer.send(call("watch", 1, 2) + &call("slow", 30_000, 3)).await;
        sleep(Duration::from_millis(100)).await;
        peer.send(call("echo", 1, 4)).await;
        sleep(Duration::from_millis(100)).await;
        assert!(!calls.told.load(Ordering::Relaxed));
        let gone = std::time::Instant::now();
        drop(peer);
        until(|| calls.told.load(Ordering::Relaxed)).await;
        assert!(gone.elapsed() < SECOND, "{:?}", gone.elapsed());
        if reset {
            assert_eq!(reasons(&log), ["peer-reset"]);
        }
        app.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_after_its_idle_timeout_and_a_busy_one_is_not() {
    let log = capture();
    let server = InMemory::serve(options().idle_timeout(Some(60 * SECOND))).await;
    let mut peer = server.dial().await;
    let begun = Instant::now();
    sleep(50 * SECOND).await;
    peer.expect_alive().await;
    sleep(50 * SECOND).await;
    // A call under way is no silence.
    peer.send(call("slow", 200_000, 1)).await;
    sleep(200 * SECOND).await;
    peer.expect(&answer(200_000, 1)).await;
    assert!(reasons(&log).is_empty());
    assert_eq!(peer.0.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), 50 + 50 + 200 + 60);
    until(|| reasons(&log) == ["idle"]).await;
    server.app.close().await;
}

/// Of a stream that has no end, no more is taken than the pipe holds and 16 items.
#[tokio::test(start_paused = true)]
async fn rq_9_no_more_than_sixteen_items_are_taken_ahead_of_the_socket() {
    let server = InMemory::serve(options()).await;
    let mut peer = server.dial().await;
    peer.send(call("endless", 1, 1)).await;
    sleep(5 * SECOND).await;
    let taken = server.calls().items.load(Ordering::Relaxed);
    let mut held = 0;
    let mut room = 64 * 1024;
    while let Some(rest) = usize::checked_sub(room, frame(&format!(r#"{{"response":{held},"id":1}}"#)).len()) {
        room = rest;
        held += 1;
    }
    assert!(taken > held, "{taken} of {held}");
    assert!(taken <= held + 16, "{taken} of {held}");
    // It goes on where it was, and ends with its caller.
    for item in 0..10_000 {
        peer.expect(&frame(&format!(r#"{{"response":{item},"id":1}}"#))).await;
    }
    drop(peer);
    sleep(SECOND).await;
    let end = server.calls().items.load(Ordering::Relaxed);
    sleep(5 * SECOND).await;
    assert_eq!(server.calls().items.load(Ordering::Relaxed), end);
    server.app.close().await;
}

#[tokio::test]
async fn rq_9_the_last_item_says_so_and_an_error_is_the_last() {
    let app = serve_with::<CallsModule>(options()).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send(call("finite", 40, 1)).await;
    let items: String = (1..40).map(|item| frame(&format!(r#"{{"response":{item},"id":1}}"#))).collect();
    peer.expect(&(items + &answer(40, 1))).await;
    peer.send(call("finite", 200, 1)).await;
    let items: String = (1..99).map(|item| frame(&format!(r#"{{"response":{item},"id":1}}"#))).collect();
    peer.expect(&(items + &frame(r#"{"err":{"status":"error","message":"mid"},"isDisposed":true,"id":1}"#))).await;
    peer.expect_alive().await;
    app.close().await;
}

/// Its peer takes all that comes, so the socket is never full.
#[tokio::test]
async fn rq_9_a_call_behind_a_stream_that_never_ends_is_answered() {
    let app = serve_with::<CallsModule>(options()).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send(call("endless", 1, 1)).await;
    let mut received = vec![0; 256 * 1024];
    let mut seen = 0;
    while seen < 1024 * 1024 {
        seen += peer.0.read(&mut received).await.unwrap();
    }
    peer.send(call("echo", 7, 2)).await;
    let reading = async {
        let wanted = answer(7, 2);
        let mut kept = Vec::new();
        loop {
            let read = peer.0.read(&mut received).await.unwrap();
            kept.extend_from_slice(&received[..read]);
            if kept.windows(wanted.len()).any(|text| text == wanted.as_bytes()) {
                return;
            }
            kept.drain(..kept.len().saturating_sub(wanted.len()));
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it is answered in time");
    app.close().await;
}

/// The kernel would send what it gathers after 200 ms.
#[tokio::test]
async fn rq_9_the_end_of_a_fast_stream_does_not_wait_for_more() {
    let app = serve_with::<CallsModule>(options()).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let items: String = (1..90).map(|item| frame(&format!(r#"{{"response":{item},"id":1}}"#))).collect();
    let items = items + &answer(90, 1);
    let begun = Instant::now();
    for _ in 0..50 {
        peer.send(call("finite", 90, 1)).await;
        peer.expect(&items).await;
    }
    assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
    app.close().await;
}

#[tokio::test]
async fn rq_10_events_of_one_connection_start_in_order_and_calls_with_one_id_are_both_answered() {
    let app = serve_with::<CallsModule>(options().max_in_flight_per_conn(7)).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    for n in 0..200 {
        peer.send(frame(&format!(r#"{{"pattern":"seen","data":{n}}}"#))).await;
    }
    peer.expect_alive().await;
    assert_eq!(*app.get::<Calls>().unwrap().seen.lock().unwrap(), (0..200).collect::<Vec<u64>>());
    peer.send(call("slow", 40, 1) + &call("slow", 5, 1)).await;
    peer.expect(&(answer(5, 1) + &answer(40, 1))).await;
    app.close().await;
}

/// One peer uses all it may; another is served as if it were alone.
#[tokio::test]
async fn sl_5_a_flood_on_one_connection_leaves_the_others_their_turn() {
    let app = serve_with::<CallsModule>(options().max_in_flight_per_conn(4)).await;
    let address = app.address("tcp").unwrap();
    let mut flood = Peer::connect(address).await;
    let flooding = tokio::spawn(async move {
        loop {
            if flood.0.write_all(call("slow", 20, 1).repeat(100).as_bytes()).await.is_err() {
                break;
            }
        }
    });
    let mut peer = Peer::connect(address).await;
    for _ in 0..20 {
        tokio::time::timeout(PATIENCE, peer.expect_alive()).await.unwrap();
    }
    flooding.abort();
    app.close().await;
}
