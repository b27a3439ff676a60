//! Where arguments come from.

use super::*;

#[tokio::test]
async fn properties_are_read_side_by_side_with_the_whole() {
    let (app, client) = in_memory().await;
    let order = json!({ "id": 7, "lines": [{ "item": "tea", "price": 2 }, { "item": "milk", "price": 1 }] });
    let answer: Value = client.send("properties", &order).await.unwrap();
    let whole = order.to_string().len();
    assert_eq!(
        answer,
        json!({ "id": 7, "total": 3, "items": ["tea", "milk"], "note": null, "whole": whole, "peer": false })
    );
    let wrong = json!({ "id": 7, "lines": [{ "item": "tea", "price": 2 }, { "item": "milk", "price": "secret" }] });
    assert_refused(
        client.send("properties", &wrong).await,
        "invalid payload: expected u32, found string, at `lines[1].price`",
        &json!({ "path": "lines[1].price", "expected": "u32", "found": "string" }),
    );
    for nothing in [json!(null), json!([1]), json!({ "lines": [] })] {
        let outcome = client.send("properties", &nothing).await;
        assert_refused(outcome, "invalid payload: `id` is missing", &json!({ "path": "id", "found": "nothing" }));
    }
    app.close().await;
}

#[tokio::test]
async fn a_nestjs_caller_reads_where_a_payload_does_not_fit() {
    let app = serve::<AppModule>().await;
    let mut peer = RawPeer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"properties","data":{"id":"secret"},"id":"1"}"#]).await;
    let err = r#"{"status":"error","message":"invalid payload: expected u32, found string, at `id`","details":{"expected":"u32","found":"string","path":"id"}}"#;
    peer.expect(&support::raw::frame(&format!(r#"{{"err":{err},"isDisposed":true,"id":"1"}}"#))).await;
    app.close().await;
}

#[tokio::test]
async fn a_header_is_parsed_and_its_error_names_it_alone() {
    let (app, client) = in_memory().await;
    let limited = client.with_metadata("x-limit", "20");
    assert_eq!(limited.send::<_, Value>("headers", "n").await.unwrap(), json!([null, 20, 1, "n"]));
    let all = limited.with_metadata("x-version", "v2").with_metadata("x-page", "3");
    assert_eq!(all.send::<_, Value>("headers", "n").await.unwrap(), json!(["v2", 20, 3, "n"]));
    let details = |name: &str| json!({ "header": name });
    assert_refused(client.send("headers", "n").await, "the header `x-limit` is missing", &details("x-limit"));
    let wrong = client.with_metadata("x-limit", "secret").send("headers", "n").await;
    assert_refused(wrong, "the header `x-limit` does not hold u8", &details("x-limit"));
    let wrong = limited.with_metadata("x-page", "secret").send("headers", "n").await;
    assert_refused(wrong, "the header `x-page` does not hold u32 or its text", &details("x-page"));
    app.close().await;
}

#[tokio::test]
async fn a_provider_is_an_argument_as_it_is_a_field() {
    let (app, client) = in_memory().await;
    assert_eq!(client.send::<_, Value>("injected", "ada").await.unwrap(), json!([true, 2, true]));
    assert_eq!(client.send::<_, Value>("injected", "bob").await.unwrap(), json!([false, 2, true]));
    app.close().await;
}

#[tokio::test]
async fn what_a_guard_left_is_an_argument() {
    let (app, client) = in_memory().await;
    let tenant = client.with_metadata("tenant", "acme");
    assert_eq!(tenant.send::<_, String>("extension", &1).await.unwrap(), "acme 1");
    assert!(tenant.send::<_, bool>("extension.option", &()).await.unwrap());
    assert!(!client.send::<_, bool>("extension.option", &()).await.unwrap());
    let missing = client.send::<_, String>("extension", &1).await.unwrap_err();
    assert_eq!(missing.message, "Internal server error");
    app.close().await;
}

#[tokio::test]
async fn pipes_run_in_order_and_what_they_refuse_is_the_answer() {
    let (app, client) = in_memory().await;
    let send = |payload: Value| {
        let client = &client;
        async move { client.send::<_, String>("piped", &payload).await.map_err(|error| error.message) }
    };
    assert_eq!(send(json!({ "name": "ADA", "nick": "A" })).await.unwrap(), "ada a 1");
    assert_eq!(send(json!({ "name": "Ada", "nick": "AbC" })).await.unwrap(), "ada abc 2", "one pipe for all calls");
    // In lower case this is four bytes long, and too long only then.
    assert_eq!(send(json!({ "name": "ada", "nick": "İa" })).await.unwrap(), "ada i\u{307}a 3");
    assert_eq!(send(json!({ "name": "BOB", "nick": "A" })).await.unwrap_err(), "nobody of that name may call `piped`");
    assert_eq!(send(json!({ "name": "ada", "nick": "long" })).await.unwrap_err(), "too long");
    assert_eq!(send(json!({ "nick": "A" })).await.unwrap_err(), "invalid payload: `name` is missing");
    assert_eq!(client.send::<_, String>("piped.payload", "ADA").await.unwrap(), "ada");
    app.close().await;
}

#[tokio::test]
async fn the_arguments_of_a_stream_are_made_before_it_begins() {
    let (app, client) = in_memory().await;
    let mut items: ReplyItems<String> = client.send_stream("streamed", &json!({ "up_to": "2" })).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), "1 true streamed");
    assert_eq!(items.next().await.unwrap().unwrap(), "2 true streamed");
    assert!(items.next().await.is_none());
    assert_refused(
        client.send("streamed", &json!({ "up_to": "x" })).await,
        "invalid payload: expected u32 or its text, found string, at `up_to`",
        &json!({ "path": "up_to", "expected": "u32 or its text", "found": "string" }),
    );
    app.close().await;
}

#[tokio::test]
async fn the_parse_pipes_take_what_nestjs_peers_send() {
    let (app, client) = in_memory().await;
    let text =
        json!({ "int": "-42", "float": "0.5", "bool": "true", "list": "1, 2", "date": "1970-01-02", "before": "1" });
    let answer: Value = client.send("parsed", &text).await.unwrap();
    assert_eq!(answer, json!([-42, 0.5, true, [1, 2], 86400, 1, 8]));
    let values = json!({ "int": 42, "float": 1, "bool": false, "list": ["1", 2], "date": 1000, "after": 9 });
    let answer: Value = client.send("parsed", &values).await.unwrap();
    assert_eq!(answer, json!([42, 1.0, false, [1, 2], 1, 7, 9]));
    let nothing =
        json!({ "int": 1, "float": 1, "bool": true, "list": "", "date": null, "before": null, "after": null });
    let answer: Value = client.send("parsed", &nothing).await.unwrap();
    assert_eq!(answer, json!([1, 1.0, true, [], null, 7, 8]));
    assert_refused(
        client.send("parsed", &json!({ "int": "4.2" })).await,
        "invalid payload: expected i64 or its text, found string, at `int`",
        &json!({ "path": "int", "expected": "i64 or its text", "found": "string" }),
    );
    app.close().await;
}
