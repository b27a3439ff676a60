//! What calls leave in the log, and what must never be there.

use super::*;

/// What a peer sends, and no log may have above `verbose`.
const SECRET: &str = "hunter2";

#[injectable]
struct Service;

#[derive(Default)]
struct Never;

impl CanActivate for Never {
    async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
        Err(forbidden())
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    #[serde(rename = "n")]
    _n: u8,
}

#[micro_routes]
impl Service {
    #[message_pattern("said")]
    async fn said(&self, _data: Value) -> u32 {
        tracing::info!("in the handler");
        1
    }

    #[message_pattern("echo")]
    async fn echo(&self, data: Value) -> Value {
        data
    }

    #[message_pattern("guarded")]
    #[use_micro_guards(Never)]
    async fn guarded(&self, _data: Value) {}

    #[message_pattern("number")]
    async fn number(&self, _n: u8) {}

    #[message_pattern("strict")]
    async fn strict(&self, _strict: Strict) {}

    #[message_pattern("panic")]
    async fn panic(&self, _data: Value) -> u32 {
        panic!("at the disco")
    }

    #[message_pattern("parse")]
    async fn parse(&self, text: String) -> Result<u8, TransportError> {
        Ok(serde_json::from_str(&text)?)
    }

    #[message_pattern("boxed")]
    async fn boxed(&self, text: String) -> Result<u8, TransportError> {
        let parsed: Result<u8, Box<dyn std::error::Error + Send + Sync>> =
            serde_json::from_str(&text).map_err(Into::into);
        Ok(parsed?)
    }

    #[message_pattern("invalid")]
    async fn invalid(&self, data: Value) -> Result<u8, TransportError> {
        Err(TransportError::new("no").with_kind(ErrorKind::InvalidPayload).with_source(data.to_string()))
    }

    #[message_pattern("exact")]
    async fn exact(&self, data: Value) -> Result<u8, TransportError> {
        Err(TransportError::exact(json!({ "code": 42, "about": data })))
    }

    #[message_pattern("counting")]
    fn counting(&self) -> impl Stream<Item = u32> {
        stream::iter(0..3).map(|n| {
            tracing::info!(n, "counted");
            n
        })
    }

    #[event_pattern("event")]
    async fn event(&self, _n: u8) {}

    #[event_pattern("event")]
    async fn other_event(&self, _data: Value) {}

    #[message_pattern("hang")]
    async fn hang(&self) {
        std::future::pending().await
    }
}

use futures_util::StreamExt;

#[module(providers = [Service], microservices = [Service])]
struct AppModule;

fn named<'a>(spans: &'a [LogSpan], name: &str) -> Vec<&'a LogSpan> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn a_line_of_a_handler_carries_its_call_and_its_connection() {
    let logs = LogCapture::start_at(LogLevel::Debug);
    let app = serve::<AppModule>().await;
    let client = client_of(&app);
    assert_eq!(client.send::<_, u32>("said", &1).await, Ok(1));
    let events = logs.events();
    let line = events.iter().find(|event| event.message == "in the handler").expect("it was logged");
    let [connection, call] = line.spans.as_slice() else { panic!("{:?}", line.spans) };
    assert_eq!((connection.name.as_str(), call.name.as_str()), ("connection", "call"));
    assert_eq!(connection.field("transport"), Some("tcp"));
    assert!(connection.field("peer_addr").is_some_and(|it| it.starts_with("127.0.0.1:")), "{connection:?}");
    assert!(connection.field("connection").is_some_and(|it| it.parse::<u64>().is_ok()), "{connection:?}");
    for (field, value) in [("pattern", "said"), ("handler", "Service::said"), ("kind", "request")] {
        assert_eq!(call.field(field), Some(value));
    }
    assert!(call.field("id").is_some_and(|id| !id.is_empty()));
    app.close().await;

    let spans = logs.spans();
    let [call] = named(&spans, "call")[..] else { panic!("{spans:?}") };
    assert_eq!(call.field("outcome"), Some("ok"));
    assert!(call.field("elapsed_us").is_some_and(|it| it.parse::<u64>().is_ok()), "{call:?}");
    let [client_call] = named(&spans, "client_call")[..] else { panic!("{spans:?}") };
    assert_eq!((client_call.field("pattern"), client_call.field("outcome")), (Some("said"), Some("ok")));
    assert!(logs.contains(LogLevel::Debug, "[nestrs::tcp] connected connection{transport=tcp"), "{logs:#?}");
    assert!(logs.contains(LogLevel::Debug, "disconnected reason="), "{logs:#?}");
}

#[tokio::test]
async fn a_call_says_how_it_ended() {
    let logs = LogCapture::start_at(LogLevel::Debug);
    let app = serve::<AppModule>().await;
    let client = client_of(&app);
    for pattern in ["guarded", "number", "panic"] {
        client.send::<_, ()>(pattern, &"x").await.unwrap_err();
    }
    let mut items = client.send_stream::<_, u32>("counting", &()).await.unwrap();
    while items.next().await.is_some() {}
    client.with_timeout(Duration::from_millis(20)).send::<_, ()>("hang", &()).await.unwrap_err();
    app.close().await;
    drop(client);
    let spans = logs.spans();
    let ends: Vec<_> =
        named(&spans, "call").iter().map(|call| (call.field("pattern"), call.field("outcome"))).map(both).collect();
    assert_eq!(
        ends,
        [
            ("guarded", "Forbidden"),
            ("number", "InvalidPayload"),
            ("panic", "Internal"),
            ("counting", "ok"),
            ("hang", "dropped")
        ]
    );
    let events = logs.events();
    let counted: Vec<_> = events.iter().filter(|event| event.message == "counted").collect();
    assert_eq!(counted.len(), 3);
    assert!(counted.iter().all(|it| it.spans.last().is_some_and(|call| call.field("pattern") == Some("counting"))));
}

fn both<'a>((one, other): (Option<&'a str>, Option<&'a str>)) -> (&'a str, &'a str) {
    (one.expect("a pattern"), other.expect("an outcome"))
}

#[tokio::test]
async fn se_6_no_payload_is_in_the_log_above_verbose() {
    let logs = LogCapture::start_at(LogLevel::Debug);
    let app = serve::<AppModule>().await;
    let client = client_of(&app);
    let payloads =
        [json!(SECRET), json!({ SECRET: 1 }), json!([SECRET, ", expected ", SECRET]), json!({ "n": SECRET })];
    for pattern in ["said", "guarded", "number", "strict", "panic", "parse", "boxed", "exact", "invalid", "unknown"] {
        for payload in &payloads {
            let _ = client.send::<_, Value>(pattern, payload).await;
            // A JSON text inside the payload, which a handler parses itself.
            let _ = client.send::<_, Value>(pattern, &payload.to_string()).await;
            client.emit(pattern, payload).await.unwrap();
        }
    }
    for payload in &payloads {
        client.emit("event", payload).await.unwrap();
        // The reply has it, and does not fit what was asked for.
        let misfit = client.send::<_, u8>("echo", payload).await.unwrap_err();
        assert!(!misfit.to_string().contains(SECRET), "{misfit}");
        tracing::error!(error = %misfit, cause = ?misfit, "as a handler that passes it on would have it");
    }
    let address = app.address("tcp").unwrap();
    for bytes in [
        format!(r#"{{"pattern":"said","data":"{SECRET}"}}"#),
        format!("7#{SECRET}"),
        format!("{SECRET}#"),
        format!("GET /{SECRET} HTTP/1.1\r\n\r\n"),
        format!("99999999999#{SECRET}"),
        format!(r#"900#{{"data":"{SECRET}""#),
    ] {
        let mut peer = Peer::connect(address).await;
        peer.send(bytes).await;
        drop(peer);
    }
    app.close().await;
    let lines = logs.lines();
    for expected in ["Service::guarded", "reason=", "at the disco", "no handler for this event", "protocol fault"] {
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "`{expected}` is not in the log:\n{}",
            lines.join("\n")
        );
    }
    let leaks: Vec<_> = lines.iter().filter(|line| line.contains(SECRET)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(logs.contains(LogLevel::Debug, "error=\"an error without a message\""));
    let spans = format!("{:?}", logs.spans());
    assert!(!spans.contains(SECRET), "{spans}");
}

#[tokio::test]
async fn rq_1_what_a_peer_names_is_escaped_and_cut() {
    let logs = LogCapture::start();
    let app = serve::<AppModule>().await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let pattern = format!("a\\n[Nest] \\u001b[2J{}", "é".repeat(200));
    peer.send_frames(&[
        &format!(r#"{{"pattern":"{pattern}","data":1}}"#),
        &format!(r#"{{"pattern":"said","data":1,"id":"{pattern}"}}"#),
    ])
    .await;
    let answer = format!(r#"{{"response":1,"isDisposed":true,"id":"{pattern}"}}"#);
    peer.expect(&support::raw::frame(&answer)).await;
    app.close().await;
    let events = logs.events();
    let unhandled = events.iter().find(|event| event.message.contains("no handler")).expect("it was logged");
    let call = &events.iter().find(|event| event.message == "in the handler").expect("it was logged").spans[1];
    for named in [unhandled.field("pattern"), call.field("id")] {
        let named = named.expect("it is named");
        assert!(named.chars().count() <= 129 && named.ends_with('…'), "{named}");
        assert!(!named.chars().any(char::is_control), "{named:?}");
    }
}

#[tokio::test]
async fn an_http_request_has_a_span_with_its_path_and_its_status() {
    let logs = LogCapture::start_at(LogLevel::Debug);
    let mut span = nestrs_core::spans::Timed::request("GET", "/cats/\n7", None);
    span.around(async { tracing::info!("in the controller") }).await;
    span.end_as(&200);
    assert!(logs.contains(LogLevel::Log, r#"in the controller request{method=GET path="/cats/\\n7"}"#), "{logs:?}");
    assert_eq!(logs.spans()[0].field("outcome"), Some("200"));
}
