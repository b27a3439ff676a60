//! Handlers that are dropped: by their own limit, by their caller, in a panic.

use super::*;

#[tokio::test]
async fn rq_7_a_server_ends_handlers_that_take_too_long_unless_they_may() {
    let app = serve_with::<WorkModule>(free_port().handler_timeout(Some(Duration::from_millis(40)))).await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let started = Instant::now();
    peer.send_frames(&[r#"{"pattern":"work","id":1}"#]).await;
    peer.expect(&frame(TIMED_OUT)).await;
    assert!(started.elapsed() >= Duration::from_millis(40));
    assert_eq!(marks.get(), (1, 0, 1));
    // Its handlers see it as their deadline.
    peer.send_frames(&[r#"{"pattern":"left","id":1}"#]).await;
    let mut reply = [0; 64];
    let len = peer.0.read(&mut reply).await.unwrap();
    assert!(String::from_utf8_lossy(&reply[..len]).contains(r#"{"response":3"#), "thirty-odd milliseconds");
    // What a handler says itself comes first.
    peer.send_frames(&[r#"{"pattern":"work.long","id":3}"#, r#"{"pattern":"work.short","id":1}"#]).await;
    peer.expect(&frame(TIMED_OUT)).await;
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(marks.get(), (3, 0, 2), "the long one runs on");
    marks.open();
    peer.expect(r#"44#{"response":"done","isDisposed":true,"id":3}"#).await;
    app.close().await;
}

#[tokio::test]
async fn rq_7_an_event_handler_that_takes_too_long_has_failed_and_the_others_run() {
    let logs = LogCapture::start();
    let app = serve_with::<WorkModule>(free_port().handler_timeout(Some(Duration::from_millis(80)))).await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"work.event"}"#]).await;
    marks.until(|marks| marks == (1, 1, 1)).await;
    peer.expect_alive().await;
    let failed: Vec<_> = logs
        .events()
        .into_iter()
        .filter(|event| event.message == "event handler took too long and was dropped")
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].level, failed[0].field("handler")), (LogLevel::Warn, Some("Work::event")));
    // One that runs to its end has failed as well, and does.
    peer.send_frames(&[r#"{"pattern":"complete.event"}"#]).await;
    let told = async {
        while !logs.contains(LogLevel::Warn, "event handler takes too long; it runs on") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("it is logged");
    marks.open();
    marks.until(|marks| marks == (2, 2, 1)).await;
    app.close().await;
}

#[tokio::test]
async fn rq_8_a_handler_runs_on_when_its_caller_is_gone_and_one_that_is_cancelled_does_not() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"work","id":1}"#, r#"{"pattern":"work.together","id":2}"#]).await;
    marks.until(|(started, ..)| started == 2).await;
    let gone = Instant::now();
    drop(peer);
    marks.until(|(_, _, dropped)| dropped == 1).await;
    assert!(gone.elapsed() < Duration::from_secs(1), "{:?}", gone.elapsed());
    marks.open();
    marks.until(|marks| marks == (2, 1, 1)).await;

    // A caller that stays is answered, by whichever way its time is told.
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    marks.open();
    peer.send_frames(&[r#"{"pattern":"work.together","id":3}"#]).await;
    peer.expect(r#"44#{"response":"done","isDisposed":true,"id":3}"#).await;
    peer.send_frames(&[r#"{"pattern":"work.together","id":1,"metadata":{"nestrs-timeout-ms":"20"}}"#]).await;
    peer.expect(&frame(TIMED_OUT)).await;
    app.close().await;
}

/// As an event it has no caller that could be gone.
#[tokio::test]
async fn rq_8_a_cancelled_handler_that_is_sent_an_event_runs_on() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"work.together"}"#]).await;
    marks.until(|(started, ..)| started == 1).await;
    drop(peer);
    tokio::time::sleep(Duration::from_millis(50)).await;
    marks.open();
    marks.until(|marks| marks == (1, 1, 0)).await;
    app.close().await;
}

#[tokio::test]
async fn rq_5_a_handler_that_panics_when_it_is_dropped_costs_its_own_call() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let request = r#"{"pattern":"panics.when.dropped","id":1,"metadata":{"nestrs-timeout-ms":"20"}}"#;
    peer.send_frames(&[r#"{"pattern":"work","id":2}"#, request]).await;
    let failed = r#"{"err":{"status":"error","message":"Internal server error"},"isDisposed":true,"id":1}"#;
    peer.expect(&frame(failed)).await;
    marks.open();
    peer.expect(r#"44#{"response":"done","isDisposed":true,"id":2}"#).await;
    app.close().await;
}

/// Its caller's impatience is no failure of a handler.
#[tokio::test]
async fn rq_6_what_ran_out_of_its_callers_time_is_no_error_in_the_log() {
    let logs = LogCapture::start();
    let (work, gateway) = both().await;
    let mut peer = Peer::connect(gateway.address("tcp").unwrap()).await;
    for _ in 0..5 {
        peer.send_frames(&[r#"{"pattern":"gateway.work","id":1,"metadata":{"nestrs-timeout-ms":"20"}}"#]).await;
        peer.expect(&frame(TIMED_OUT)).await;
    }
    let errors: Vec<_> = logs.events().into_iter().filter(|event| event.level == LogLevel::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    // Its own is: a client that it let wait too long.
    gateway.close().await;
    work.close().await;
}
