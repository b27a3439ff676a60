//! Requests, events, streams and errors from a client of ours to a service of ours.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn requests_are_answered_and_errors_come_back() {
    let Some(broker) = broker().await else { return };
    let app = serve::<ContractModule>(server(&broker)).await;
    let client = client(to(&broker));
    assert_eq!(client.send::<_, i64>(pattern!({ cmd: "sum" }), &[1, 2, 3]).await.unwrap(), 6);
    assert_eq!(client.send::<_, Value>("echo", "é漢😀").await.unwrap(), json!("é漢😀"));
    assert_eq!(client.send::<_, Option<u32>>("null.value", &1).await.unwrap(), None);
    client.send::<_, ()>("none", &1).await.unwrap();
    let error = client.send::<_, u32>("fail.rpc", &1).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.kind()), ("boom", ErrorKind::Remote));
    let error = client.send::<_, u32>("fail.plain", &1).await.unwrap_err();
    assert_eq!(error.to_string(), "Internal server error");
    assert_eq!(client.send::<_, String>("fail.guard", &1).await.unwrap_err().to_string(), "Forbidden resource");
    assert_eq!(client.send::<_, u32>("panic", &1).await.unwrap_err().to_string(), "Internal server error");
    assert_eq!(client.send::<_, String>("alias.two", &1).await.unwrap(), "alias");
    app.close().await;
    client.close().await;
}

#[tokio::test]
async fn a_reply_is_a_stream_of_values_with_an_end_or_an_error() {
    let Some(broker) = broker().await else { return };
    let app = serve::<ContractModule>(server(&broker)).await;
    let client = client(to(&broker));
    let all = async |pattern: Pattern| {
        let items = client.send_stream::<_, u32>(pattern, &3).await.unwrap();
        items.map(|item| item.map_err(|error| error.to_string())).collect::<Vec<_>>().await
    };
    assert_eq!(all(pattern!({ cmd: "stream" })).await, [Ok(1), Ok(2), Ok(3)]);
    assert_eq!(all("stream.late".into()).await, [Ok(1), Ok(2)]);
    assert_eq!(all("empty".into()).await, []);
    assert_eq!(all("stream.error".into()).await, [Ok(1), Ok(2), Err("mid".to_owned())]);
    app.close().await;
}

#[tokio::test]
async fn events_reach_every_handler_and_metadata_travels_in_the_packet() {
    let Some(broker) = broker().await else { return };
    let app = serve::<ContractModule>(server(&broker)).await;
    let client = client(to(&broker));
    client.emit("user.created", &json!({ "id": 7 })).await.unwrap();
    client.emit(pattern!({ a: { c: 3, d: 2 }, b: 2 }), &json!({ "id": 7 })).await.unwrap();
    let contract = app.get::<Contract>().unwrap();
    until(|| ["user.created#1", "user.created#2", "object.event"].iter().all(|name| contract.runs(name) == 1)).await;
    let told = client.with_metadata("x-version", "2");
    assert_eq!(told.send::<_, Option<String>>("header", &1).await.unwrap().as_deref(), Some("2"));
    app.close().await;
}

#[tokio::test]
async fn a_call_that_nobody_listens_to_fails_at_once_and_surely_unsent() {
    let Some(broker) = broker().await else { return };
    let client = client(to(&broker));
    let error = client.send::<_, Value>("no.such.pattern", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::NotFound, Some(Sent::No)));
    assert!(error.to_string().contains("nobody listens to `no.such.pattern`"), "{error}");
    // An event is told to whoever is there.
    client.emit("no.such.pattern", &1).await.unwrap();
}

#[tokio::test]
async fn where_one_node_does_not_know_all_listeners_such_a_call_waits() {
    let Some(broker) = broker().await else { return };
    let options = to(&broker).fail_unheard(false).request_timeout(Some(Duration::from_millis(50)));
    let error = client(options).send::<_, Value>("no.such.pattern", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::Maybe)));
}

#[tokio::test]
async fn rq_6_a_deadline_travels_and_the_handler_is_dropped_at_it() {
    let Some(broker) = broker().await else { return };
    let app = serve::<CallsModule>(server(&broker)).await;
    let calls = app.get::<Calls>().unwrap();
    let client = client(to(&broker).request_timeout(Some(Duration::from_millis(60))));
    let error = client.send::<_, String>("hold", &1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    until(|| calls.dropped.load(std::sync::atomic::Ordering::Relaxed) == 1).await;
    app.close().await;
}

#[tokio::test]
async fn many_calls_at_once_over_one_session() {
    let Some(broker) = broker().await else { return };
    let app = serve::<ContractModule>(server(&broker)).await;
    let client = client(to(&broker));
    let calls = (0..500_i64).map(|number| {
        let client = client.clone();
        async move { assert_eq!(client.send::<_, i64>("echo", &number).await.unwrap(), number) }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!((client.stats().connections, client.stats().pending), (1, 0));
    app.close().await;
}
