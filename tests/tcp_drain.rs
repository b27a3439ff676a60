//! What a server that is told to stop does with the connections it has.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use nestrs::LogLevel;
use nestrs::microservices::TcpMicroserviceOptions;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

use support::connection::{Calls, CallsModule, InMemory, capture, reasons, until};
use support::raw::{Peer, frame};
use support::{free_port, serve_with};

const SECOND: Duration = Duration::from_secs(1);

fn options() -> TcpMicroserviceOptions {
    free_port().grace_period(10 * SECOND)
}

fn call(pattern: &str, data: impl std::fmt::Display, id: u32) -> String {
    frame(&format!(r#"{{"pattern":"{pattern}","data":{data},"id":{id}}}"#))
}

fn answer(value: impl std::fmt::Display, id: u32) -> String {
    frame(&format!(r#"{{"response":{value},"isDisposed":true,"id":{id}}}"#))
}

fn refusal(id: u32) -> String {
    let err = r#"{"status":"error","message":"Service is shutting down","executed":false}"#;
    frame(&format!(r#"{{"err":{err},"isDisposed":true,"id":{id}}}"#))
}

#[tokio::test]
async fn sd_1_sd_3_running_calls_end_new_ones_are_refused_and_then_it_closes() {
    let log = capture();
    let app = serve_with::<CallsModule>(options()).await;
    let calls = app.get::<Calls>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send(call("hold", 1, 1)).await;
    until(|| calls.started.load(Ordering::Relaxed) == 1).await;
    let closing = tokio::spawn(app.close());
    tokio::task::yield_now().await;
    for id in 2..5 {
        peer.send(call("hold", 1, id)).await;
        peer.expect(&refusal(id)).await;
    }
    peer.send(frame(r#"{"pattern":"seen","data":1}"#)).await;
    peer.send(call("nobody", 1, 5)).await;
    peer.expect(&refusal(5)).await;
    calls.release.notify_one();
    peer.expect(&answer("\"held\"", 1)).await;
    assert_eq!(peer.expect_closed().await, b"");
    closing.await.unwrap();
    assert_eq!(calls.started.load(Ordering::Relaxed), 1);
    assert!(calls.seen.lock().unwrap().is_empty());
    assert!(log.contains(LogLevel::Warn, "why=\"Service is shutting down\""), "{:#?}", log.lines());
    assert_eq!(reasons(&log), ["shutdown"]);
}

/// Neither limit stands in the way of a refusal, which costs next to nothing.
#[tokio::test]
async fn sd_1_calls_are_refused_at_the_limit_of_calls_too() {
    for options in [options().max_in_flight_per_conn(1), options().max_in_flight(1)] {
        let app = serve_with::<CallsModule>(options).await;
        let calls = app.get::<Calls>().unwrap();
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send(call("hold", 1, 1) + &call("hold", 1, 2)).await;
        until(|| calls.started.load(Ordering::Relaxed) == 1).await;
        let closing = tokio::spawn(app.close());
        peer.expect(&refusal(2)).await;
        calls.release.notify_one();
        peer.expect(&answer("\"held\"", 1)).await;
        peer.0.shutdown().await.unwrap();
        closing.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn sd_1_a_frame_that_has_begun_is_read_on_until_it_is_whole_or_late() {
    let log = capture();
    let server = InMemory::serve(options().frame_idle_timeout(5 * SECOND)).await;
    let request = call("echo", 1, 1);
    let mut whole = server.dial().await;
    whole.send(&request[..20]).await;
    let mut late = server.dial().await;
    late.send(&request[..1]).await;
    sleep(SECOND).await;
    let begun = Instant::now();
    let closing = tokio::spawn(server.app.close());
    sleep(2 * SECOND).await;
    whole.send(&request[20..]).await;
    whole.expect(&refusal(1)).await;
    assert_eq!(whole.expect_closed().await, b"");
    drop(whole);
    closing.await.unwrap();
    assert_eq!(reasons(&log), ["shutdown", "slow-frame"]);
    assert_eq!(begun.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn sd_1_at_the_end_of_the_grace_period_handlers_are_told_and_dropped_and_their_callers_too() {
    let log = capture();
    let server = InMemory::serve(options()).await;
    let calls = server.calls();
    let mut peer = server.dial().await;
    peer.send(call("hold", 1, 1) + &call("watch", 1, 2)).await;
    let mut stream = server.dial().await;
    stream.send(call("ticks", 1, 3)).await;
    let mut half = server.dial().await;
    half.send("4").await;
    sleep(SECOND).await;
    let begun = Instant::now();
    let closing = tokio::spawn(server.app.close());
    let taking = tokio::spawn(async move {
        sleep(9 * SECOND).await;
        stream.expect_closed().await
    });
    sleep(9 * SECOND).await;
    // Who heeds the token answers for himself; the other had begun, and nothing is said of its not executing.
    peer.expect(&answer("\"cancelled\"", 2)).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    let dropped = |id| {
        let err = r#"{"status":"error","message":"Service is shutting down"}"#;
        frame(&format!(r#"{{"err":{err},"isDisposed":true,"id":{id}}}"#))
    };
    peer.expect(&dropped(1)).await;
    assert_eq!(peer.expect_closed().await, b"");
    drop(peer);
    assert_eq!(calls.dropped.load(Ordering::Relaxed), 1);
    assert!(taking.await.unwrap().ends_with(dropped(3).as_bytes()));
    closing.await.unwrap();
    assert!(begun.elapsed() < 11 * SECOND);
    assert_eq!(reasons(&log), ["shutdown"; 3]);
}

#[tokio::test]
async fn sd_2_idle_connections_close_at_once_whether_or_not_their_peers_do() {
    let app = serve_with::<CallsModule>(options()).await;
    let address = app.address("tcp").unwrap();
    let mut peers = Vec::new();
    for _ in 0..10 {
        peers.push(Peer::connect(address).await);
    }
    // Accepted, all of them.
    sleep(Duration::from_millis(50)).await;
    let begun = std::time::Instant::now();
    app.close().await;
    assert!(begun.elapsed() < Duration::from_millis(200), "{:?}", begun.elapsed());
    for mut peer in peers {
        assert_eq!(peer.expect_closed().await, b"");
    }
}

/// Whoever has just been answered is likely to call again; that call must not meet a closed door.
#[tokio::test(start_paused = true)]
async fn sd_3_a_call_on_its_way_when_the_server_is_told_to_stop_is_refused_and_not_lost() {
    let server = InMemory::serve(options()).await;
    let mut busy = server.dial().await;
    busy.expect_alive().await;
    let mut idle = server.dial().await;
    idle.expect_alive().await;
    sleep(5 * SECOND).await;
    busy.expect_alive().await;
    let begun = Instant::now();
    let closing = tokio::spawn(server.app.close());
    assert_eq!(idle.expect_closed().await, b"");
    assert!(begun.elapsed() < Duration::from_millis(10), "it had nothing to lose");
    sleep(Duration::from_millis(20)).await;
    busy.send(call("echo", 1, 1)).await;
    busy.expect(&refusal(1)).await;
    assert_eq!(busy.expect_closed().await, b"");
    assert!(begun.elapsed() < Duration::from_millis(100));
    drop((busy, idle));
    closing.await.unwrap();
}

/// The pause before the end runs from the last answer: who has just been given one calls again.
#[tokio::test(start_paused = true)]
async fn sd_3_whoever_is_answered_while_the_server_stops_may_call_once_more_and_is_refused() {
    let server = InMemory::serve(options()).await;
    let calls = server.app.get::<Calls>().unwrap();
    let mut peer = server.dial().await;
    peer.send(call("hold", 1, 1)).await;
    until(|| calls.started.load(Ordering::Relaxed) == 1).await;
    let closing = tokio::spawn(server.app.close());
    sleep(5 * SECOND).await;
    calls.release.notify_one();
    peer.expect(&answer("\"held\"", 1)).await;
    let begun = Instant::now();
    for id in 2..4 {
        sleep(Duration::from_millis(30)).await;
        peer.send(call("echo", 1, id)).await;
        peer.expect(&refusal(id)).await;
    }
    assert_eq!(peer.expect_closed().await, b"");
    assert!(begun.elapsed() < Duration::from_millis(150), "{:?}", begun.elapsed());
    drop(peer);
    closing.await.unwrap();
}

/// A connection that nobody has accepted yet when the server is told to stop may carry a call already.
#[tokio::test]
async fn sd_3_a_connection_just_made_is_refused_its_first_call_and_not_reset() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let app = serve_with::<CallsModule>(options().listener(socket.listen(512).unwrap())).await;
    let address = app.address("tcp").unwrap().to_owned();
    // On one thread, and without a pause, so that the server has not seen them; and more than a task may do in one turn.
    let mut peers = Vec::new();
    for id in 0..300 {
        let peer = std::net::TcpStream::connect(&address).unwrap();
        std::io::Write::write_all(&mut &peer, call("echo", 1, id).as_bytes()).unwrap();
        peer.set_nonblocking(true).unwrap();
        peers.push(peer);
    }
    let closing = app.close();
    let reading = async {
        for (id, peer) in peers.into_iter().enumerate() {
            let mut peer = Peer(tokio::net::TcpStream::from_std(peer).unwrap());
            peer.expect(&refusal(id as u32)).await;
            assert_eq!(peer.expect_closed().await, b"");
        }
    };
    tokio::join!(closing, reading);
}

/// Also when it has to prove who it is first.
#[tokio::test]
async fn sd_3_a_call_sent_with_credentials_as_the_server_stops_is_refused_and_not_reset() {
    let app = serve_with::<CallsModule>(options().authenticate_by_credentials(|_| async { Ok(()) })).await;
    let peer = std::net::TcpStream::connect(app.address("tcp").unwrap()).unwrap();
    std::io::Write::write_all(&mut &peer, (frame("\"token\"") + &call("echo", 1, 1)).as_bytes()).unwrap();
    // It proves nothing, and is not waited for.
    let silent = std::net::TcpStream::connect(app.address("tcp").unwrap()).unwrap();
    peer.set_nonblocking(true).unwrap();
    let mut peer = Peer(tokio::net::TcpStream::from_std(peer).unwrap());
    let begun = Instant::now();
    let reading = async {
        peer.expect(&refusal(1)).await;
        assert_eq!(peer.expect_closed().await, b"");
        drop(peer);
    };
    tokio::join!(app.close(), reading);
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    drop(silent);
}
