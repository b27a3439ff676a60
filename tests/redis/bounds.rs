//! What is bounded, and what happens there.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::raw::Raw;
use super::*;

#[tokio::test]
async fn br_4_what_is_under_way_is_bounded_and_what_has_no_room_is_refused_and_counted() {
    let Some(broker) = broker().await else { return };
    let app = serve::<CallsModule>(server(&broker).prefetch(2).queue(3)).await;
    let calls = app.get::<Calls>().unwrap();
    let client = client(to(&broker));
    let pending: Vec<_> = (0..2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.send::<_, String>("hold", &1).await })
        })
        .collect();
    until(|| calls.started.load(Ordering::Relaxed) == 2).await;
    // Three wait in the queue; nobody else begins, and nobody else waits.
    let (mut raw, mut replies) = (Raw::connect(&broker).await, Raw::connect(&broker).await);
    replies.command(&["SUBSCRIBE", "hold.reply"]).await;
    for id in 0..4 {
        raw.publish("hold", &format!(r#"{{"pattern":"hold","data":1,"id":{id}}}"#)).await;
    }
    let err = r#"{"status":"error","message":"Service overloaded","executed":false}"#;
    assert_eq!(replies.next().await[2], format!(r#"{{"err":{err},"isDisposed":true,"id":3}}"#));
    raw.publish("hold", r#"{"pattern":"hold","data":1}"#).await;
    let service = app.servers().get("redis").unwrap().clone();
    until(|| service.stats().dropped_events == 1).await;
    assert_eq!((service.stats().refused_calls, calls.started.load(Ordering::Relaxed)), (1, 2));
    // Another pattern has room of its own.
    assert_eq!(client.send::<_, Value>("echo", &1).await.unwrap(), 1);

    for started in 3..=5 {
        calls.release.notify_one();
        until(|| calls.started.load(Ordering::Relaxed) == started).await;
    }
    calls.release.notify_one();
    calls.release.notify_waiters();
    for call in pending {
        assert_eq!(call.await.unwrap().unwrap(), "held");
    }
    app.close().await;
}

#[tokio::test]
async fn bytes_that_wait_are_bounded_too() {
    let Some(broker) = broker().await else { return };
    let app = serve::<CallsModule>(server(&broker).prefetch(1).queue_bytes(1_000)).await;
    let calls = app.get::<Calls>().unwrap();
    let mut raw = Raw::connect(&broker).await;
    raw.publish("hold", r#"{"pattern":"hold","data":1}"#).await;
    until(|| calls.started.load(Ordering::Relaxed) == 1).await;
    let packet = json!({ "pattern": "hold", "data": "x".repeat(600) }).to_string();
    for _ in 0..3 {
        raw.publish("hold", &packet).await;
    }
    let service = app.servers().get("redis").unwrap().clone();
    until(|| service.stats().dropped_events == 2).await;
    app.close().await;
}

#[tokio::test]
async fn fr_15_a_message_above_the_limit_is_refused_before_it_is_sent() {
    let Some(broker) = broker().await else { return };
    let app = serve::<ContractModule>(server(&broker)).await;
    let client = client(to(&broker).max_message_bytes(1_000));
    let error = client.send::<_, Value>("echo", &"x".repeat(1_000)).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::TooLarge, Some(Sent::No)));
    assert!(error.to_string().contains("1000 bytes"), "{error}");
    assert_eq!(client.send::<_, Value>("echo", &1).await.unwrap(), 1);
    app.close().await;
}

#[tokio::test]
async fn cl_9_calls_beyond_the_limit_are_refused_or_wait() {
    let Some(broker) = broker().await else { return };
    let app = serve::<CallsModule>(server(&broker)).await;
    let calls = app.get::<Calls>().unwrap();
    let client = client(to(&broker).max_pending(1).overflow(nestrs::microservices::Overflow::Reject));
    let held = tokio::spawn({
        let client = client.clone();
        async move { client.send::<_, String>("hold", &1).await }
    });
    until(|| calls.started.load(Ordering::Relaxed) == 1).await;
    let error = client.send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Overloaded, Some(Sent::No)));
    calls.release.notify_one();
    held.await.unwrap().unwrap();
    app.close().await;
}

/// Its caller has the same limit, as likely as not, and would wait for what it drops.
#[tokio::test]
async fn fr_15_a_reply_that_is_too_long_is_an_error_at_once() {
    let Some(broker) = broker().await else { return };
    let app = serve::<CallsModule>(server(&broker).max_message_bytes(1_000)).await;
    let client = client(to(&broker).max_message_bytes(1_000));
    let error = client.send::<_, String>("blob", &1_000).await.unwrap_err();
    assert_eq!(error.to_string(), "Internal server error");
    assert_eq!(client.send::<_, String>("blob", &100).await.unwrap().len(), 100);
    app.close().await;
}
