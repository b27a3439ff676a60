//! Handlers that run to their end, whoever waits for them.

use super::*;

#[tokio::test]
async fn rq_6_a_handler_that_runs_to_its_end_is_answered_for_in_time_and_keeps_its_permit() {
    let app = serve_with::<WorkModule>(free_port().max_in_flight(1)).await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"work.to.the.end","id":1,"metadata":{"nestrs-timeout-ms":"30"}}"#]).await;
    peer.expect(&frame(TIMED_OUT)).await;
    assert_eq!(marks.get(), (1, 0, 0), "it is still there");
    // No permit is left, so nothing is read.
    peer.send_frames(&[r#"{"pattern":"echo","data":1,"id":1}"#]).await;
    let answered = tokio::time::timeout(Duration::from_millis(50), peer.0.peek(&mut [0])).await;
    assert!(answered.is_err(), "the permit is held");
    marks.open();
    peer.expect(r#"39#{"response":1,"isDisposed":true,"id":1}"#).await;
    assert_eq!(marks.get(), (1, 1, 0));
    app.close().await;
}

#[tokio::test]
async fn rq_6_a_handler_that_runs_to_its_end_outlives_its_caller_before_and_after_the_deadline() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let request = r#"{"pattern":"work.to.the.end","id":1,"metadata":{"nestrs-timeout-ms":"30"}}"#;
    let mut before = Peer::connect(app.address("tcp").unwrap()).await;
    before.send_frames(&[request]).await;
    marks.until(|(started, ..)| started == 1).await;
    // A reset, so that nobody drains.
    before.0.set_zero_linger().unwrap();
    drop(before);
    let mut after = Peer::connect(app.address("tcp").unwrap()).await;
    after.send_frames(&[request]).await;
    after.expect(&frame(TIMED_OUT)).await;
    after.0.set_zero_linger().unwrap();
    drop(after);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(marks.get(), (2, 0, 0));
    marks.open();
    marks.open();
    marks.until(|marks| marks == (2, 2, 0)).await;
    app.close().await;
}

#[tokio::test]
async fn rq_6_what_a_handler_that_runs_to_its_end_calls_is_not_cut_off() {
    let (work, gateway) = both().await;
    let marks = work.get::<Marks>().unwrap();
    marks.open();
    let client = client_of(&gateway).with_timeout(Duration::from_millis(20));
    client.send::<_, ()>("gateway.to.the.end", &()).await.unwrap_err();
    marks.until(|marks| marks == (1, 1, 0)).await;
    gateway.close().await;
    work.close().await;
}

/// One that has used up its time goes on while the others run, and does not keep from them what it holds.
#[tokio::test]
async fn rq_6_a_handler_that_runs_to_its_end_does_so_beside_the_other_handlers_of_its_event() {
    let app = serve::<WorkModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let logs = LogCapture::start();
    let event = (r#"{"pattern":"locked.event"}"#, LogLevel::Warn, "event handler takes too long; it runs on");
    let request =
        (r#"{"pattern":"locked.event","id":1}"#, LogLevel::Debug, "the deadline has passed; the handler runs on");
    for ((frame, level, told), finished) in [(event, 2), (request, 4)] {
        peer.send_frames(&[frame]).await;
        let late = async {
            while !logs.contains(level, told) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, late).await.expect("its time is over while it holds the lock");
        marks.open();
        marks.until(|marks| marks == (finished / 2, finished, 0)).await;
    }
    peer.expect(&frame(TIMED_OUT)).await;
    app.close().await;
}
