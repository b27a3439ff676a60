//! What goes over the wire, against what NestJS was recorded to send.

use serde_json::{Value, json};

use super::raw::{Onlooker, Raw};
use super::*;

/// A packet without its id, which is random.
fn without_id(packet: &str) -> String {
    let id = serde_json::from_str::<Value>(packet).unwrap()["id"].as_str().expect("an id").to_owned();
    assert_eq!(id.len(), 21, "{packet}");
    packet.replace(&id, "ID")
}

#[tokio::test]
async fn requests_and_responses_are_those_of_nestjs() {
    let Some(broker) = broker().await else { return };
    let app = serve::<ContractModule>(server(&broker)).await;
    // NestJS 11 sends no deadline.
    let client = client(to(&broker).send_deadline(false));
    let mut onlooker = Onlooker::of(&broker).await;
    let cases: &[(Pattern, Value, &str, &[&str])] = &[
        (
            pattern!({ cmd: "sum" }),
            json!([1, 2, 3]),
            r#"{"cmd":"sum"}|{"pattern":{"cmd":"sum"},"data":[1,2,3],"id":"ID"}"#,
            &[r#"{"response":6,"isDisposed":true,"id":"ID"}"#],
        ),
        (
            pattern!({ b: 1, a: { d: 2, c: 3 } }),
            json!("x"),
            r#"{"a":{"c":3,"d":2},"b":1}|{"pattern":{"b":1,"a":{"d":2,"c":3}},"data":"x","id":"ID"}"#,
            &[r#"{"response":{"matched":true,"data":"x"},"isDisposed":true,"id":"ID"}"#],
        ),
        (
            pattern!({ cmd: "stream" }),
            json!(3),
            r#"{"cmd":"stream"}|{"pattern":{"cmd":"stream"},"data":3,"id":"ID"}"#,
            &[
                r#"{"response":1,"id":"ID"}"#,
                r#"{"response":2,"id":"ID"}"#,
                r#"{"response":3,"isDisposed":true,"id":"ID"}"#,
            ],
        ),
        (
            "stream.late".into(),
            json!(1),
            r#"stream.late|{"pattern":"stream.late","data":1,"id":"ID"}"#,
            &[r#"{"response":1,"id":"ID"}"#, r#"{"response":2,"id":"ID"}"#, r#"{"isDisposed":true,"id":"ID"}"#],
        ),
        (
            "none".into(),
            json!(1),
            r#"none|{"pattern":"none","data":1,"id":"ID"}"#,
            &[r#"{"isDisposed":true,"id":"ID"}"#],
        ),
        (
            "null.value".into(),
            json!(1),
            r#"null.value|{"pattern":"null.value","data":1,"id":"ID"}"#,
            &[r#"{"response":null,"isDisposed":true,"id":"ID"}"#],
        ),
        (
            "fail.rpc".into(),
            json!(1),
            r#"fail.rpc|{"pattern":"fail.rpc","data":1,"id":"ID"}"#,
            &[r#"{"err":{"status":"error","message":"boom"},"isDisposed":true,"id":"ID"}"#],
        ),
        (
            "fail.rpc.object".into(),
            json!(1),
            r#"fail.rpc.object|{"pattern":"fail.rpc.object","data":1,"id":"ID"}"#,
            &[r#"{"err":{"code":42,"message":"boom"},"isDisposed":true,"id":"ID"}"#],
        ),
        (
            "fail.plain".into(),
            json!(1),
            r#"fail.plain|{"pattern":"fail.plain","data":1,"id":"ID"}"#,
            &[r#"{"err":{"status":"error","message":"Internal server error"},"isDisposed":true,"id":"ID"}"#],
        ),
    ];
    for (pattern, data, request, responses) in cases {
        let items = client.send_stream::<_, Value>(pattern.clone(), data).await.unwrap();
        items.collect::<Vec<_>>().await;
        let (channel, packet) = request.split_once('|').unwrap();
        let reply_channel = format!("{channel}.reply");
        assert_eq!(onlooker.next().await, ["SUBSCRIBE", &reply_channel]);
        let published = onlooker.next().await;
        assert_eq!((published[1].as_str(), without_id(&published[2]).as_str()), (channel, packet));
        for response in *responses {
            let published = onlooker.next().await;
            assert_eq!((published[1].as_str(), without_id(&published[2]).as_str()), (&*reply_channel, *response));
        }
    }
    client.emit("user.created", &json!({ "id": 7 })).await.unwrap();
    let event = r#"{"pattern":"user.created","data":{"id":7}}"#;
    assert_eq!(onlooker.next().await, ["PUBLISH", "user.created", event]);
    client.emit(pattern!({ b: 1, a: 2 }), &json!({ "id": 7 })).await.unwrap();
    let event = r#"{"pattern":{"b":1,"a":2},"data":{"id":7}}"#;
    assert_eq!(onlooker.next().await, ["PUBLISH", r#"{"a":2,"b":1}"#, event]);
    app.close().await;
}

/// The table of the fact sheet's section 1: what is no packet is an event, and what is no JSON a text.
#[tokio::test]
async fn br_5_what_is_no_packet_is_an_event_or_is_dropped_and_the_next_is_served() {
    #[injectable]
    struct Seen {
        payloads: std::sync::Mutex<Vec<Value>>,
    }

    #[micro_routes]
    impl Seen {
        #[event_pattern("any")]
        async fn any(&self, payload: Value) {
            self.payloads.lock().unwrap().push(payload);
        }

        #[message_pattern("ask")]
        async fn ask(&self, payload: Value) -> Value {
            payload
        }
    }

    #[module(providers = [Seen], microservices = [Seen])]
    struct SeenModule;

    let Some(broker) = broker().await else { return };
    let app = serve::<SeenModule>(server(&broker).max_message_bytes(100)).await;
    let mut raw = Raw::connect(&broker).await;
    for body in [r#"{"a":1}"#, r#"{"data":5}"#, "5", r#""s""#, "not json", "", r#"{"pattern":"other","data":6}"#] {
        assert_eq!(raw.publish("any", body).await, 1, "{body}");
    }
    raw.publish("any", &"x".repeat(101)).await;
    raw.publish("any", "7").await;
    let seen = app.get::<Seen>().unwrap();
    until(|| seen.payloads.lock().unwrap().last() == Some(&json!(7))).await;
    let expected = json!([{ "a": 1 }, 5, 5, "s", "not json", "", 6, 7]);
    assert_eq!(json!(*seen.payloads.lock().unwrap()), expected);
    let server = app.servers().get("redis").unwrap().clone();
    assert_eq!(server.stats().ignored_packets, 1);

    // A request that is hand-made, with an id of another type.
    let mut replies = Raw::connect(&broker).await;
    replies.command(&["SUBSCRIBE", "ask.reply"]).await;
    raw.publish("ask", r#"{"pattern":"whatever","data":1,"id":{"own":1}}"#).await;
    assert_eq!(replies.next().await[2], r#"{"response":1,"isDisposed":true,"id":{"own":1}}"#);
    app.close().await;
}
