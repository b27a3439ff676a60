//! How long calls under way, idle peers and subscribers are waited for, and what they are told.

use super::*;

#[tokio::test]
async fn sd_2_an_idle_application_closes_at_once() {
    let clean = Clean::begin().await;
    let app = hybrid(free_port()).start().await.unwrap();
    let client = client_of(&app);
    client.send::<_, u32>("echo", &1).await.unwrap();
    let started = Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
    client.close().await;
    clean.check().await;
}

#[tokio::test]
async fn sd_1_a_handler_is_told_at_the_end_of_the_grace_period_and_dropped() {
    let clean = Clean::begin().await;
    let app = hybrid(free_port().grace_period(Duration::from_millis(50))).start().await.unwrap();
    let service = app.get::<Service>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"watch","id":1}"#]).await;
    service.hung.notified().await;
    app.close().await;
    tokio::time::timeout(PATIENCE, service.told.notified()).await.expect("it is told");
    drop((peer, service));
    clean.check().await;
}

#[tokio::test]
async fn sd_1_a_handler_that_ends_with_its_caller_is_answered_for_as_the_others_are() {
    let clean = Clean::begin().await;
    let app = hybrid(free_port().grace_period(Duration::from_millis(50))).start().await.unwrap();
    let service = app.get::<Service>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    for pattern in ["hang", "hang.together"] {
        peer.send_frames(&[&format!(r#"{{"pattern":"{pattern}","id":1}}"#)]).await;
        service.hung.notified().await;
    }
    app.close().await;
    let rest = String::from_utf8(peer.expect_closed().await).unwrap();
    assert_eq!(rest.matches("Service is shutting down").count(), 2, "{rest}");
    drop((peer, service));
    clean.check().await;
}

#[tokio::test]
async fn sd_2_handlers_and_subscribers_that_hang_together_are_waited_for_once() {
    let clean = Clean::begin().await;
    let app = hybrid(free_port().grace_period(Duration::from_millis(50))).start().await.unwrap();
    let service = app.get::<Service>().unwrap();
    let bus = app.get::<EventBus>().unwrap();
    let hung = Arc::new(Notify::new());
    let told = Arc::clone(&hung);
    let subscription = bus.subscribe("hang", move |_| {
        told.notify_one();
        std::future::pending::<()>()
    });
    bus.emit("hang", 1);
    hung.notified().await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"hang","id":1}"#]).await;
    service.hung.notified().await;
    let started = Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_millis(1050), "{:?}", started.elapsed());
    drop((peer, service, subscription, bus));
    clean.check().await;
}
