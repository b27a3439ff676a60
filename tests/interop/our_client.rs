//! We call NestJS, and ourselves in the same way.

use super::*;

/// Counts cases and keeps the failures, so that one wrong answer does not hide the others.
#[derive(Default)]
pub(super) struct Cases {
    pub(super) run: usize,
    pub(super) failures: Vec<String>,
}

impl Cases {
    pub(super) fn check(&mut self, case: &str, got: impl Into<Value>, expected: impl Into<Value>) {
        let (got, expected) = (got.into(), expected.into());
        self.run += 1;
        if got != expected {
            self.failures.push(format!("{case}: expected {expected}, got {got}"));
        }
    }
}

/// What a call came to, as one value: `{"ok":…}`, or `{"err":…}` as it was on the wire.
pub(super) async fn outcome(client: &ClientProxy, pattern: impl Into<Pattern>, payload: &Value) -> Value {
    match client.send::<Value, Value>(pattern.into(), payload).await {
        Ok(value) => json!({ "ok": value }),
        Err(error) if error.kind() == ErrorKind::Remote || error.kind() == ErrorKind::NotFound => {
            json!({ "err": error.details })
        }
        Err(error) => json!({ "failed": error.to_string() }),
    }
}

/// What a stream came to: its values, and its error if it had one.
pub(super) async fn collected(client: &ClientProxy, pattern: impl Into<Pattern>, payload: &Value) -> Value {
    let mut items: ReplyItems<Value> = client.send_stream(pattern.into(), payload).await.unwrap();
    let mut values = Vec::new();
    while let Some(item) = items.next().await {
        match item {
            Ok(value) => values.push(value),
            Err(error) => return json!({ "values": values, "err": error.details }),
        }
    }
    json!({ "values": values })
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!("bottom"), |inner, level| json!({ "level": level, "inner": inner, "list": [level] }))
}

async fn our_client_against_nest_server(major: &str) {
    let (mut server, address) = nest_server(major).await;
    let client = client_to(&address);
    client.connect().await.unwrap();
    let mut cases = Cases::default();

    values(&client, &mut cases).await;
    patterns(&client, &mut cases).await;
    patterns_as_text(&client, &mut cases).await;
    streams(&client, &mut cases).await;
    errors(&client, &mut cases).await;
    slow_calls(&client, &mut cases).await;
    events(&client, &mut server, &mut cases).await;

    cases.check("no metadata", outcome(&client, "header", &json!(1)).await, json!({ "ok": null }));

    // Two clients at once share nothing.
    let other = client_to(&address);
    let delays = [json!(30), json!(20)];
    let (one, two) = tokio::join!(outcome(&client, "slow", &delays[0]), outcome(&other, "slow", &delays[1]));
    cases.check("two clients, first", one, json!({"ok": 30}));
    cases.check("two clients, second", two, json!({"ok": 20}));

    if major == "v12" {
        let versioned = client.with_metadata("x-version", "1.0.0");
        cases.check("metadata", outcome(&versioned, "header", &json!(1)).await, json!({"ok": "1.0.0"}));
    }

    // A server killed while calls are pending: each fails at once, and says that it may have been executed.
    let pending: Vec<_> = (0..5).map(|_| client.send::<_, Value>("hang", &1)).collect();
    let kill = async {
        // A call answered after them shows that the five have been sent.
        let after: u32 = client.send("slow", &20).await.unwrap();
        server.kill().await;
        (after, Instant::now())
    };
    let (outcomes, (_, killed)) = tokio::join!(join_all(pending), kill);
    let took = killed.elapsed();
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        cases.check("pending when killed", error.kind() == ErrorKind::ConnectionClosed, true);
        cases.check("pending when killed, sent", error.sent() == Some(Sent::Maybe), true);
    }
    cases.check("pending calls fail at once", took < Duration::from_secs(1), true);
    let refused = client.send::<_, Value>("echo", &1).await.unwrap_err();
    cases.check("the next call dials anew", refused.kind() == ErrorKind::Unavailable, true);
    cases.check("a refused call was not sent", refused.sent() == Some(Sent::No), true);

    assert_eq!(cases.failures, Vec::<String>::new());
    eprintln!("nestrs client, NestJS {major} server: {} cases", cases.run);
}

pub(super) async fn values(client: &ClientProxy, cases: &mut Cases) {
    let sum: i64 = client.send(json!({ "cmd": "sum" }), &[1, 2, 3, 4, 5]).await.unwrap();
    cases.check("sum", sum, 15);
    let sum: i64 = client.send(json!({ "cmd": "sum" }), &[0; 0]).await.unwrap();
    cases.check("sum of nothing", sum, 0);
    let long = "x".repeat(1_000_000);
    let wide = "😀".repeat(250_000);
    let mixed = "aé漢😀".repeat(250_000);
    for (case, value) in [
        ("null", json!(null)),
        ("zero", json!(0)),
        ("negative", json!(-1)),
        ("fraction", json!(1.5)),
        ("large", json!(1e21)),
        ("inexact", json!(0.1 + 0.2)),
        ("largest safe integer", json!(9_007_199_254_740_991_u64)),
        ("true", json!(true)),
        ("false", json!(false)),
        ("empty text", json!("")),
        ("text", json!("hello")),
        ("control characters", json!("\u{0}\t\r\n\u{1f}\u{7f}\u{2028}")),
        ("quotes", json!("\"\\/#")),
        ("accents", json!("é à ü")),
        ("CJK", json!("漢字かな한국어")),
        ("emoji", json!("😀👩‍👩‍👧‍👦")),
        ("empty array", json!([])),
        ("array", json!([1, "two", null, [3]])),
        ("empty object", json!({})),
        ("nested null", json!({ "a": null, "b": [null, { "c": null }] })),
        ("numbers at the edges", json!([-9_007_199_254_740_991_i64, f64::MAX, f64::MIN, 5e-324, f64::EPSILON, 1e-7])),
        ("keys beyond ASCII", json!({ "é": 1, "漢": 2, "😀": 3 })),
        ("lookalike of a frame", json!("5#{\"a\":1}#12#")),
        ("lookalike of a packet", json!({ "err": "x", "response": 1, "isDisposed": true, "id": "y", "status": "s" })),
        ("deep object", deep(30)),
        ("long text", json!(long)),
        ("long text of emoji", json!(wide)),
        ("long mixed text", json!(mixed)),
    ] {
        cases.check(&format!("echo {case}"), outcome(client, "echo", &value).await, json!({ "ok": value }));
    }
    // A text cut inside an emoji, which only JavaScript can hold: as an escape it goes there and comes back, and to Rust it
    // is U+FFFD.
    for (json, text) in [(r#""\ud83d""#, "\u{fffd}"), (r#""é\ud83d-😀-\ude00漢""#, "é\u{fffd}-😀-\u{fffd}漢")] {
        let cut = nestrs::Payload::from_json(json);
        let answer: Result<Value, _> = client.send("echo", &cut).await;
        cases.check(&format!("echo a cut emoji, {json}"), json!(answer.ok()), text);
    }
    cases.check("no value", outcome(client, "none", &json!(1)).await, json!({ "ok": null }));
    let nothing = client.send::<_, ()>("none", &1).await;
    cases.check("no value as unit", nothing.is_ok(), true);
    let missing = client.send::<_, u32>("none", &1).await.unwrap_err();
    cases.check("no value as number", missing.kind() == ErrorKind::InvalidReply, true);
    cases.check("null", outcome(client, "null.value", &json!(1)).await, json!({ "ok": null }));
}

pub(super) async fn patterns(client: &ClientProxy, cases: &mut Cases) {
    let matched = json!({ "ok": { "matched": true, "data": "x" } });
    for pattern in [json!({ "a": { "c": 3, "d": 2 }, "b": 1 }), json!({ "b": 1, "a": { "d": 2, "c": 3 } })] {
        cases.check(&format!("pattern {pattern}"), outcome(client, &pattern, &json!("x")).await, matched.clone());
    }
    let literal = nestrs::pattern!({ b: 1, a: { d: 2, c: 3 } });
    cases.check("pattern literal", outcome(client, literal, &json!("x")).await, matched);
    for alias in ["alias.one", "alias.two"] {
        cases.check(alias, outcome(client, alias, &json!(1)).await, json!({ "ok": "alias" }));
    }
}

/// A text in the packet is looked up as the JSON that it is, and there is an answer where there is no handler. Neither is
/// so over a broker, where channels are looked up.
pub(super) async fn patterns_as_text(client: &ClientProxy, cases: &mut Cases) {
    let matched = json!({ "ok": { "matched": true, "data": "x" } });
    for pattern in [json!(r#"{"b":1,"a":{"d":2,"c":3}}"#), json!(r#" { "b" : 1.0, "a" : { "d":2, "c":3e0 } } "#)] {
        cases.check(&format!("pattern {pattern}"), outcome(client, &pattern, &json!("x")).await, matched.clone());
    }
    for text in [r#"{"cmd":"sum"}"#, r#" { "cmd" : "sum" } "#] {
        cases.check(&format!("as JSON text, {text}"), outcome(client, text, &json!([2, 3])).await, json!({ "ok": 5 }));
    }
    cases.check("a string as JSON text", outcome(client, r#""echo""#, &json!("x")).await, json!({ "ok": "x" }));
    let nobody = json!({ "err": "There is no matching message handler defined in the remote service." });
    for unknown in [json!({ "cmd": "nothing" }), json!({ "b": 1 }), json!(5), json!("no.such.pattern")] {
        cases.check(&format!("unknown pattern {unknown}"), outcome(client, &unknown, &json!(1)).await, nobody.clone());
    }
    let unknown = client.send::<_, Value>("no.such.pattern", &1).await.unwrap_err();
    cases.check("unknown pattern, kind", unknown.kind() == ErrorKind::NotFound, true);
}

pub(super) async fn streams(client: &ClientProxy, cases: &mut Cases) {
    let stream = nestrs::pattern!({ cmd: "stream" });
    cases.check("stream", collected(client, &stream, &json!(3)).await, json!({ "values": [1, 2, 3] }));
    let many: Vec<u32> = (1..=500).collect();
    cases.check("long stream", collected(client, &stream, &json!(500)).await, json!({ "values": many }));
    cases.check("stream of nothing", collected(client, &stream, &json!(0)).await, json!({ "values": [] }));
    cases.check("stream, late end", collected(client, "stream.late", &json!(1)).await, json!({ "values": [1, 2] }));
    cases.check("empty", collected(client, "empty", &json!(1)).await, json!({ "values": [] }));
    let failing = json!({ "values": [1, 2], "err": { "status": "error", "message": "mid" } });
    cases.check("stream, failing", collected(client, "stream.error", &json!(1)).await, failing);
    cases.check("one value as a stream", collected(client, "echo", &json!(7)).await, json!({ "values": [7] }));
    cases.check("first value of a stream", outcome(client, &stream, &json!(3)).await, json!({ "ok": 1 }));
    let mut left: ReplyItems<u32> = client.send_stream(&stream, &1000).await.unwrap();
    let begun = [left.next().await.unwrap().unwrap(), left.next().await.unwrap().unwrap()];
    drop(left);
    cases.check("stream left early", begun.to_vec(), vec![1, 2]);
    cases.check("after it", outcome(client, "echo", &json!("still here")).await, json!({ "ok": "still here" }));
    let payloads: Vec<_> = (1..=20).map(|n| json!(n * 10)).collect();
    let together = join_all(payloads.iter().map(|n| collected(client, &stream, n))).await;
    let expected = (1..=20).map(|n| json!({ "values": (1..=n * 10).collect::<Vec<u32>>() }));
    cases.check("twenty streams at once", together, expected.collect::<Vec<_>>());
}

pub(super) async fn errors(client: &ClientProxy, cases: &mut Cases) {
    let told = |err: Value| json!({ "err": err });
    for (pattern, err) in [
        ("fail.rpc", json!({ "status": "error", "message": "boom" })),
        ("fail.rpc.object", json!({ "code": 42, "message": "boom" })),
        ("fail.plain", json!({ "status": "error", "message": "Internal server error" })),
        ("fail.guard", json!({ "status": "error", "message": "Forbidden resource" })),
    ] {
        cases.check(pattern, outcome(client, pattern, &json!(1)).await, told(err));
    }
    let boom = client.send::<_, Value>("fail.rpc", &1).await.unwrap_err();
    cases.check("message of an error", boom.message, "boom");
}

/// 200 calls on one connection, the longest first: all are right, and they ran at the same time.
pub(super) async fn slow_calls(client: &ClientProxy, cases: &mut Cases) {
    let started = Instant::now();
    let delays: Vec<u64> = (0..200).map(|call| 400 - call * 2).collect();
    let finished = std::sync::Mutex::new(Vec::new());
    let calls = delays.iter().map(|delay| {
        let finished = &finished;
        async move {
            let answer: u64 = client.send("slow", delay).await.unwrap();
            finished.lock().unwrap().push(answer);
            answer
        }
    });
    let answers = join_all(calls).await;
    cases.check("200 slow calls", answers, delays.clone());
    let finished = finished.into_inner().unwrap();
    cases.check("200 slow calls finish out of order", finished != delays, true);
    let sum = Duration::from_millis(delays.iter().sum());
    cases.check("200 slow calls run together", started.elapsed() < sum / 8, true);
    let payloads: Vec<_> = (1..=500).map(|n| json!({ "n": n, "text": "é漢😀".repeat(n % 50) })).collect();
    let echoes = join_all(payloads.iter().map(|payload| outcome(client, "echo", payload))).await;
    let expected: Vec<_> = payloads.iter().map(|payload| json!({ "ok": payload })).collect();
    cases.check("500 echoes at once", echoes, expected);
}

async fn events(client: &ClientProxy, server: &mut Node, cases: &mut Cases) {
    client.emit("user.created", &json!({ "id": 7 })).await.unwrap();
    client.emit(nestrs::pattern!({ b: 2, a: { d: 2, c: 3 } }), &json!({ "id": 8 })).await.unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let report = server.report().await.unwrap();
        seen.insert((report["event"].as_str().unwrap().to_owned(), report["data"]["id"].as_u64().unwrap()));
    }
    for (handler, id) in [("user.created#1", 7), ("user.created#2", 7), ("object.event", 8)] {
        cases.check(handler, seen.contains(&(handler.to_owned(), id)), true);
    }
    // An event for a message handler is silent, and so is one for nobody; the connection lives on.
    for pattern in ["echo", "fail.plain", "nobody.listens"] {
        client.emit(pattern, &json!("nobody reads this")).await.unwrap();
        cases.check(
            &format!("after an event for {pattern}"),
            outcome(client, "echo", &json!(1)).await,
            json!({ "ok": 1 }),
        );
    }
    cases.check("all on one connection", client.stats().connections, 1);
    let asked = outcome(client, nestrs::pattern!({ b: 2, a: { d: 2, c: 3 } }), &json!({ "id": 9 })).await;
    cases.check("a request to an event handler", asked, json!({ "ok": null }));
    // NestJS answers with what its handlers come to together, which is an object without members.
    let asked = outcome(client, "user.created", &json!({ "id": 10 })).await;
    cases.check("a request to two event handlers", asked, json!({ "ok": {} }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_calls_a_nestjs_12_server() {
    if is_available("our_client_calls_a_nestjs_12_server") {
        our_client_against_nest_server("v12").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_calls_a_nestjs_11_server() {
    if is_available("our_client_calls_a_nestjs_11_server") {
        our_client_against_nest_server("v11").await;
    }
}

/// The same handlers, the same cases, both ends ours: what interop shows of NestJS must hold here too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_calls_our_server() {
    let app = serve_with::<ContractModule>(free_port().grace_period(Duration::ZERO)).await;
    let client = client_of(&app);
    let mut cases = Cases::default();
    values(&client, &mut cases).await;
    patterns(&client, &mut cases).await;
    patterns_as_text(&client, &mut cases).await;
    streams(&client, &mut cases).await;
    errors(&client, &mut cases).await;
    slow_calls(&client, &mut cases).await;
    assert_eq!(cases.failures, Vec::<String>::new());
    assert!(cases.run > 40);

    let mut status = client.status();
    use futures_util::StreamExt;
    assert_eq!(status.next().await, Some(ClientStatus::Connected));
    app.close().await;
    assert_eq!(status.next().await, Some(ClientStatus::Disconnected(ErrorKind::ConnectionClosed)));
}
