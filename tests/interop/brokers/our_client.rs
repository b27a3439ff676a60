//! We call NestJS, over a broker.

use std::collections::BTreeMap;

use nestrs::microservices::NatsRecordBuilder;

use super::services::Replica;
use super::*;
use crate::our_client::{Cases, collected, errors, outcome, patterns, slow_calls, streams, values};

/// Long enough for anything that is answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// Short, for what is not.
const SHORT: Duration = Duration::from_millis(200);
/// Calls, and events, to three replicas: that one of them gets none is as good as impossible.
const CALLS: usize = 90;

async fn our_client_against_nest_services(kind: Kind, test: &str) {
    let Some(broker) = kind.start(test).await else { return };
    for major in MAJORS {
        let mut services = nest_services(kind, &broker, major).await;
        let client = kind.client(&broker, PATIENCE);
        let hasty = kind.client(&broker, SHORT);
        let mut cases = Cases::default();

        values(&client, &mut cases).await;
        patterns(&client, &mut cases).await;
        streams(&client, &mut cases).await;
        errors(&client, &mut cases).await;
        slow_calls(&client, &mut cases).await;
        nobody_listens(&client, &mut cases).await;
        wildcards(kind, major, &client, &hasty, &mut cases).await;
        events(&client, &mut services, &mut cases).await;
        headers(kind, major, &client, &mut services, &mut cases).await;
        strange_answers(kind, &client, &hasty, &mut cases).await;
        replicas(kind, &broker, &client, &mut services, &mut cases).await;

        let error = hasty.send::<_, Value>("hang", &1).await.unwrap_err();
        let told = (error.kind() == ErrorKind::Timeout, error.sent() == Some(Sent::Maybe));
        cases.check("a call that is never answered", json!(told), json!([true, true]));

        // The services are killed while calls are under way, which no broker tells; that nobody is there any more, it does.
        let pending: Vec<_> = (0..5).map(|_| hasty.send::<_, Value>("hang", &1)).collect();
        let (outcomes, ()) = tokio::join!(join_all(pending), services.kill());
        let timed_out = outcomes.iter().filter(|it| it.as_ref().is_err_and(|it| it.kind() == ErrorKind::Timeout));
        cases.check("calls under way when the services are killed", timed_out.count(), 5);
        let begun = Instant::now();
        let gone = loop {
            let error = client.send::<_, Value>("echo", &1).await.expect_err("nobody is there");
            if error.kind() == ErrorKind::NotFound || begun.elapsed() > PATIENCE {
                break error;
            }
        };
        let told = (gone.kind() == ErrorKind::NotFound, gone.sent() == Some(Sent::No));
        cases.check("the next call", json!(told), json!([true, true]));

        assert_eq!(cases.failures, Vec::<String>::new());
        assert!(cases.run >= 80, "only {} cases ran", cases.run);
        eprintln!("nestrs client, NestJS {major} services, {}: {} cases", kind.name(), cases.run);
    }
}

async fn nobody_listens(client: &ClientProxy, cases: &mut Cases) {
    let begun = Instant::now();
    for unknown in [json!({ "cmd": "nothing" }), json!({ "b": 1 }), json!(5), json!("no.such.pattern")] {
        let error = client.send::<_, Value>(&unknown, &1).await.unwrap_err();
        let told = json!([error.kind() == ErrorKind::NotFound, error.sent() == Some(Sent::No)]);
        cases.check(&format!("unknown pattern {unknown}"), told, json!([true, true]));
    }
    // A text is a channel, whatever is in it.
    let text = r#"{"b":1,"a":{"d":2,"c":3}}"#;
    let error = client.send::<_, Value>(text, &1).await.unwrap_err();
    cases.check("text that is JSON of another order", error.kind() == ErrorKind::NotFound, true);
    let told = outcome(client, r#"{"a":{"c":3,"d":2},"b":1}"#, &json!("x")).await;
    cases.check("text that is the route of an object", told, json!({ "ok": { "matched": true, "data": "x" } }));
    cases.check("that nobody listens is known at once", begun.elapsed() < Duration::from_secs(2), true);
}

async fn wildcards(kind: Kind, major: &str, client: &ClientProxy, hasty: &ClientProxy, cases: &mut Cases) {
    // NestJS 11 replies to the glob's channel over Redis, where nobody asks (fact sheet, section 7).
    let unreachable = kind == Kind::Redis && major == "v11";
    for (pattern, matched) in [
        ("where.here", true),
        ("where.漢", true),
        ("deep.a", true),
        ("deep.a.b.c", true),
        ("where.a.b", kind == Kind::Redis),
        ("where", false),
        ("deep", false),
    ] {
        let through = if unreachable { hasty } else { client };
        let told = match through.send::<_, Value>(pattern, &1).await {
            Ok(value) => value,
            Err(error) if error.kind() == ErrorKind::NotFound => json!("nobody"),
            Err(error) if error.kind() == ErrorKind::Timeout => json!("silence"),
            Err(error) => json!(error.to_string()),
        };
        let expected = if !matched {
            "nobody"
        } else if unreachable {
            "silence"
        } else {
            pattern
        };
        cases.check(&format!("wildcard, {pattern}"), told, expected);
    }
}

/// The next events that the services have run, by name, without order.
async fn ran(services: &mut Node, count: usize) -> BTreeMap<String, Vec<Value>> {
    let mut ran = BTreeMap::<_, Vec<_>>::new();
    for _ in 0..count {
        let report = services.report().await.expect("the services report");
        ran.entry(report["event"].as_str().unwrap().to_owned()).or_default().push(report["data"].clone());
    }
    ran
}

async fn events(client: &ClientProxy, services: &mut Node, cases: &mut Cases) {
    client.emit("user.created", &json!({ "id": 7 })).await.unwrap();
    client.emit(nestrs::pattern!({ b: 2, a: { d: 2, c: 3 } }), &json!({ "id": 8 })).await.unwrap();
    client.emit("log.created", &json!("é漢😀")).await.unwrap();
    let ran = json!(ran(services, 4).await);
    for (handler, data) in [
        ("user.created#1", json!([{ "id": 7 }])),
        ("user.created#2", json!([{ "id": 7 }])),
        ("object.event", json!([{ "id": 8 }])),
        ("log", json!([{ "channel": "log.created", "data": "é漢😀" }])),
    ] {
        cases.check(&format!("event, {handler}"), ran[handler].clone(), data);
    }
    for pattern in ["echo", "fail.plain", "nobody.listens"] {
        client.emit(pattern, &json!("nobody reads this")).await.unwrap();
        let after = outcome(client, "echo", &json!(1)).await;
        cases.check(&format!("after an event for {pattern}"), after, json!({ "ok": 1 }));
    }
    let asked = outcome(client, nestrs::pattern!({ b: 2, a: { d: 2, c: 3 } }), &json!({ "id": 9 })).await;
    cases.check("a request to an event handler", asked, json!({ "ok": null }));
    let asked = outcome(client, "user.created", &json!({ "id": 10 })).await;
    cases.check("a request to two event handlers", asked, json!({ "ok": {} }));
    let ran = ran_names(services, 3).await;
    cases.check("events that were asked for", json!(ran), json!(["object.event", "user.created#1", "user.created#2"]));
}

async fn ran_names(services: &mut Node, count: usize) -> Vec<String> {
    ran(services, count).await.into_keys().collect()
}

/// Metadata is headers on NATS. On Redis it is in the packet, where NestJS 12 shows it and 11 does not look.
async fn headers(kind: Kind, major: &str, client: &ClientProxy, services: &mut Node, cases: &mut Cases) {
    let seen = kind == Kind::Nats || major == "v12";
    let version = |text: &str| if seen { json!(text) } else { json!(null) };
    let versioned = client.with_metadata("x-version", "1.0.0");
    let told = outcome(&versioned, "header", &json!(1)).await;
    cases.check("metadata", told, json!({ "ok": version("1.0.0") }));
    cases.check("no metadata", outcome(client, "header", &json!(1)).await, json!({ "ok": null }));
    let record = NatsRecordBuilder::new("x").header("x-version", "2.0.0").build();
    let told: Value = record.send(client, "header").await.unwrap();
    cases.check("a record", told, version("2.0.0"));
    cases.check("payload of a record", record.send::<Value>(client, "echo").await.unwrap(), "x");
    record.emit(client, "versioned").await.unwrap();
    cases.check("a record of an event", json!(ran(services, 1).await), json!({ "versioned": [version("2.0.0")] }));
    if kind == Kind::Nats {
        let told: BTreeMap<String, Vec<String>> =
            client.with_metadata("X-Tenant", "é").send("headers", &1).await.unwrap();
        let names: Vec<_> = told.keys().collect();
        cases.check("headers beside the deadline", json!(names), json!(["X-Tenant", "nestrs-timeout-ms"]));
        cases.check("header beyond ASCII", json!(told["X-Tenant"]), json!(["é"]));
    }
}

/// What a peer that is neither NestJS nor ours may answer.
async fn strange_answers(kind: Kind, client: &ClientProxy, hasty: &ClientProxy, cases: &mut Cases) {
    let error = hasty.send::<_, Value>("raw.text", &1).await.unwrap_err();
    // An inbox is the caller's own; on a shared channel a text is anybody's.
    let expected = if kind == Kind::Nats { ErrorKind::InvalidReply } else { ErrorKind::Timeout };
    cases.check("an answer that is no JSON", error.kind() == expected, true);
    cases.check("an end alone", collected(client, "raw.end", &json!(1)).await, json!({ "values": [] }));
    cases.check("two answers", collected(client, "raw.twice", &json!(1)).await, json!({ "values": ["first"] }));
    cases.check("a stranger's answer", outcome(client, "raw.stranger", &json!(1)).await, json!({ "ok": "mine" }));
    cases.check("after all that", outcome(client, "echo", &json!(1)).await, json!({ "ok": 1 }));
}

/// Two replicas are NestJS's and the third is ours: a fleet that is being moved.
async fn replicas(kind: Kind, broker: &Broker, client: &ClientProxy, services: &mut Node, cases: &mut Cases) {
    let third = kind.serve_replica(broker).await;
    let calls = join_all((0..CALLS).map(|_| client.send::<_, String>("who", &1))).await;
    let mut names = BTreeMap::<String, usize>::new();
    for call in calls {
        *names.entry(call.unwrap_or_else(|error| error.to_string())).or_default() += 1;
    }
    for number in 0..CALLS {
        client.emit("shared", &number).await.unwrap();
    }
    client.emit("broadcast", &1).await.unwrap();

    let ours = third.get::<Replica>().unwrap();
    let ours = |handler: &str| ours.seen.by(handler).len();
    // Without a group each of them gets everything.
    let expected = if kind == Kind::Nats { CALLS } else { CALLS * 2 };
    let mut theirs = BTreeMap::<String, BTreeMap<String, usize>>::new();
    let total = |theirs: &BTreeMap<String, BTreeMap<String, usize>>, handler: &str| {
        theirs.get(handler).map_or(0, |replicas| replicas.values().sum::<usize>())
    };
    let own = |handler: &str| if kind == Kind::Nats { ours(handler) } else { 0 };
    let begun = Instant::now();
    loop {
        let whole = |handler| {
            let complete = kind == Kind::Nats || ours(handler) >= CALLS;
            total(&theirs, handler) + own(handler) >= expected && complete
        };
        if begun.elapsed() > PATIENCE
            || (whole("who") && whole("shared") && total(&theirs, "broadcast") == 2 && ours("broadcast") == 1)
        {
            break;
        }
        // Ours may be all that is still missing.
        let Ok(report) = tokio::time::timeout(Duration::from_millis(20), services.report()).await else { continue };
        let report = report.expect("the services report");
        let [event, replica] = ["event", "data"].map(|name| report[name].as_str().unwrap().to_owned());
        *theirs.entry(event).or_default().entry(replica).or_default() += 1;
    }
    cases.check(
        "a broadcast event reaches NestJS",
        json!(theirs["broadcast"]),
        json!({ "nest one": 1, "nest two": 1 }),
    );
    cases.check("a broadcast event reaches us", ours("broadcast"), 1);
    for handler in ["who", "shared"] {
        let total = total(&theirs, handler) + own(handler);
        cases.check(&format!("replicas, `{handler}`"), total, expected);
        if kind == Kind::Redis {
            cases.check(&format!("replicas, our part of `{handler}`"), ours(handler), CALLS);
        }
        let busy = theirs[handler].len() == 2 && ours(handler) > 0;
        cases.check(&format!("replicas, each has its part of `{handler}`"), busy, true);
    }
    cases.check("replicas, every call is answered once", names.values().sum::<usize>(), CALLS);
    if kind == Kind::Nats {
        let told: BTreeMap<_, _> = names.into_iter().filter(|(name, _)| name.starts_with("nest ")).collect();
        cases.check("replicas, answers are of who was asked", json!(told), json!(theirs["who"]));
    }
    third.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_calls_nestjs_services_over_nats() {
    our_client_against_nest_services(Kind::Nats, "our_client_calls_nestjs_services_over_nats").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_calls_nestjs_services_over_redis() {
    our_client_against_nest_services(Kind::Redis, "our_client_calls_nestjs_services_over_redis").await;
}
