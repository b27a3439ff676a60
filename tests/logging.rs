//! What the logger writes, what calls leave in the log, and what must never be there.

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::{Stream, stream};
use nestrs::prelude::*;
use nestrs::{LogCapture, LogSpan, LoggerError};
use serde_json::{Value, json};

use support::raw::Peer;
use support::{client_of, serve};

/// 2026-11-21, 08:14:07.042 UTC.
const NOW: u64 = 1_795_248_847_042;

/// What a logger has written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The text that `logger` writes while `say` runs, at a time that moves on by 3 ms with each line.
fn written(logger: Logger, say: impl FnOnce()) -> String {
    let written = Written::default();
    let lines = Mutex::new(0);
    let clock = move || {
        let mut lines = lines.lock().unwrap();
        *lines += 1;
        SystemTime::UNIX_EPOCH + Duration::from_millis(NOW + 3 * (*lines - 1))
    };
    let guard = logger.writer(written.clone()).stamped(12345, clock).init_thread().unwrap();
    say();
    drop(guard);
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn console() -> Logger {
    Logger::console().level(LogLevel::Verbose)
}

fn json_lines() -> Logger {
    Logger::json().level(LogLevel::Verbose)
}

#[test]
fn console_lines_are_those_of_nestjs() {
    let text = written(console(), || {
        tracing::info!(target: "RoutesResolver", "CatsController {{/cats}}:");
        tracing::trace!(context = "CatsService", n = 3, ok = true, "details");
        tracing::error!(fatal = true, "no more disk");
        let outer = tracing::info_span!("connection", transport = "tcp", connection = 7_u64);
        let inner = tracing::info_span!(parent: &outer, "call", pattern = "a b", outcome = tracing::field::Empty);
        inner.record("outcome", "ok");
        inner.in_scope(|| tracing::warn!(target: "x", error = %"it broke", pattern = "a b", ratio = 0.5, "odd"));
    });
    assert_eq!(
        text,
        "\
[Nest] 12345  - 11/21/2026, 8:14:07 AM     LOG [RoutesResolver] CatsController {/cats}:
[Nest] 12345  - 11/21/2026, 8:14:07 AM VERBOSE [CatsService] details n=3 ok=true +3ms
[Nest] 12345  - 11/21/2026, 8:14:07 AM   FATAL [logging] no more disk +3ms
[Nest] 12345  - 11/21/2026, 8:14:07 AM    WARN [x] odd error=\"it broke\" pattern=\"a b\" ratio=0.5 \
connection{transport=tcp connection=7} call{outcome=ok} +3ms
"
    );
}

#[test]
fn colours_are_those_of_nestjs() {
    let text = written(console().color(true).prefix("Shop").timestamp(false), || {
        tracing::debug!(target: "Cats", id = 7, "found");
        tracing::error!(target: "Cats", fatal = true, "gone");
    });
    assert_eq!(
        text,
        "\
\x1b[95m[Shop] 12345  - \x1b[39m11/21/2026, 8:14:07 AM \x1b[95m  DEBUG\x1b[39m \x1b[38;5;3m[Cats] \x1b[39m\
\x1b[95mfound\x1b[39m id=7
\x1b[1m[Shop] 12345  - \x1b[0m11/21/2026, 8:14:07 AM \x1b[1m  FATAL\x1b[0m \x1b[38;5;3m[Cats] \x1b[39m\
\x1b[1mgone\x1b[0m
"
    );
}

#[test]
fn json_lines_are_those_of_nestjs_with_fields_and_spans() {
    let say = || {
        tracing::info!(target: "AppController", "Starting");
        let span = tracing::info_span!("call", pattern = "math.add", name = "it");
        span.in_scope(|| {
            tracing::warn!(
                context = "Math",
                n = -3,
                big = u64::MAX,
                odd = f64::NAN,
                ok = true,
                level = "x",
                r#type = "t",
                "m"
            )
        });
    };
    assert_eq!(
        written(json_lines(), say),
        r#"{"level":"log","pid":12345,"timestamp":1795248847042,"message":"Starting","context":"AppController"}
{"level":"warn","pid":12345,"timestamp":1795248847045,"message":"m","context":"Math","n":-3,"big":18446744073709551615,"odd":"NaN","ok":true,"level_":"x","type":"t","spans":[{"name":"call","pattern":"math.add","name_":"it"}]}
"#
    );
    let iso = written(json_lines().iso_timestamps(), say);
    assert!(iso.contains(r#""timestamp":"2026-11-21T08:14:07.042Z","message":"Starting""#), "{iso}");
}

#[test]
fn se_6_no_value_can_forge_a_line() {
    let forged = "x\r\n[Nest] 1  - 01/01/1970, 1:00:00 AM   FATAL [y] \u{1b}[2Jforged\u{85}\u{2028}\u{202e}\" id=7";
    let say = || {
        let span = tracing::info_span!("call", pattern = forged);
        span.in_scope(|| tracing::warn!(context = forged, value = forged, debugged = ?forged, "{forged}"));
        tracing::info!(target: "next", "line");
    };
    let text = written(console(), say);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        !text.chars().any(|it| (it.is_control() && it != '\n') || it == '\u{202e}' || it == '\u{2028}'),
        "{text:?}"
    );
    assert!(text.contains(r#" value="x\r\n[Nest]"#) && text.contains(r#"\" id=7" debugged="#), "{text}");

    let text = written(json_lines(), say);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["message"], forged, "JSON gives it back whole");
    assert_eq!(lines[0]["spans"][0]["pattern"], forged);
    assert!(
        !text.chars().any(|it| (it.is_control() && it != '\n') || it == '\u{202e}' || it == '\u{2028}'),
        "{text:?}"
    );
}

#[test]
fn a_value_of_any_size_makes_a_line_of_bounded_size() {
    let text = written(json_lines(), || tracing::info!(value = "x".repeat(10_000_000), "{}", "y".repeat(10_000_000)));
    assert!(text.len() < 20_000, "{}", text.len());
    assert!(text.contains("(9991808 bytes more)"), "it says that it was cut");
}

#[test]
fn a_logger_writes_what_its_level_and_its_filter_let_through() {
    let say = || {
        tracing::debug!(target: "app", "one");
        tracing::info!(target: "app", "two");
        tracing::debug!(target: "nestrs::call", "three");
        tracing::error!(target: "app", "four");
    };
    let messages = |logger: Logger| -> Vec<String> {
        let text = written(logger, say);
        let message = |line: &str| serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().to_owned();
        text.lines().map(message).collect()
    };
    assert_eq!(messages(Logger::json()), ["two", "four"]);
    assert_eq!(messages(Logger::json().level(LogLevel::Fatal)), ["four"]);
    assert_eq!(messages(Logger::json().filter("nestrs::call=debug")), ["two", "three", "four"]);
    assert_eq!(messages(Logger::json().filter("off,app=verbose")), ["one", "two", "four"]);
    let error = Logger::json().filter("app=loud").init_thread().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the log's filter cannot be read: `app=loud`: `loud` is no log level; there are fatal, error, warn, log, debug \
         and verbose"
    );
}

#[test]
fn a_value_that_logs_while_it_is_formatted_holds_nothing_up() {
    struct Chatty;
    impl std::fmt::Display for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            tracing::info!(target: "inner", "asked");
            f.write_str("chatty")
        }
    }
    let text = written(console().timestamp(false), || {
        let span = tracing::info_span!("call", who = tracing::field::Empty);
        let _entered = span.enter();
        span.record("who", tracing::field::display(Chatty));
        tracing::info!(target: "outer", who = %Chatty, "asks");
    });
    let ends: Vec<_> = text.lines().map(|line| line.split_once("LOG ").unwrap().1).collect();
    // What is said while an event is under way, `tracing` itself drops.
    assert_eq!(ends, ["[inner] asked call", "[outer] asks who=chatty call"]);
}

#[test]
fn a_second_logger_is_an_error_value_and_the_first_goes_on() {
    // Of the process, so no other test of this file may set one.
    let written = Written::default();
    assert_eq!(Logger::json().writer(written.clone()).filter("off,logging=log").init(), Ok(()));
    let refused = Logger::console().init().unwrap_err();
    assert_eq!(refused, LoggerError::AlreadySet);
    assert_eq!(
        ListenError::from(refused).to_string(),
        "this process has a logger, or another `tracing` subscriber, already"
    );
    std::thread::spawn(|| tracing::info!(target: "logging::second", "still here")).join().unwrap();
    assert!(String::from_utf8(written.0.lock().unwrap().clone()).unwrap().contains("still here"));
}

// Calls.

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

// The capture.

#[test]
fn a_capture_is_bounded_and_says_what_it_did_not_keep() {
    let logs = LogCapture::start_at(LogLevel::Log);
    for n in 0..10_003 {
        tracing::info!(n, "line");
        tracing::debug!(n, "not heard");
    }
    for _ in 0..10_002 {
        let _ = tracing::info_span!("span", late = tracing::field::Empty).record("late", 1);
    }
    assert_eq!((logs.events().len(), logs.spans().len(), logs.cut()), (10_000, 10_000, 5));
    assert_eq!(logs.lines().last().unwrap(), "… and 3 more, which were not kept");
    assert!(logs.contains(LogLevel::Log, "n=9999") && !logs.contains(LogLevel::Log, "n=10000"));
    assert!(!logs.contains(LogLevel::Warn, "n=1"), "of exactly that level");
}

#[test]
fn a_capture_hears_its_own_thread_and_ends_with_its_guard() {
    let logs = LogCapture::start();
    std::thread::spawn(|| tracing::info!("elsewhere")).join().unwrap();
    tracing::info!("here");
    let inner = LogCapture::start();
    tracing::info!("further in");
    assert!(inner.contains(LogLevel::Log, "further in"));
    drop(inner);
    tracing::info!("here again");
    let messages: Vec<_> = logs.events().into_iter().map(|event| event.message).collect();
    assert_eq!(messages, ["here", "here again"]);
}
