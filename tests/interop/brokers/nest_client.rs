//! NestJS calls us, over a broker. The cases are in `tests/interop/broker-client.mjs`.

use super::services::{Replica, Wild};
use super::*;

/// Runs them all, and gives how many there were. `close` is run when a call of the last cases is under way.
async fn run_cases(kind: Kind, broker: &Broker, major: &str, server: &str, close: impl AsyncFnOnce()) -> u64 {
    let mut client = Node::run("broker-client.mjs", &[major, kind.name(), &broker.address(), server]);
    let mut failures = Vec::new();
    let mut cases = 0;
    let mut close = Some(close);
    while let Some(report) = client.report().await {
        if report["ready"] == "close" {
            close.take().expect("it is said once")().await;
        } else if report["ok"] == false {
            failures.push(report);
        } else if report["done"] == true {
            cases = report["cases"].as_u64().unwrap();
        }
    }
    assert_eq!(failures, Vec::<Value>::new());
    assert_eq!(client.exit_code().await, Some(0));
    cases
}

/// What is still on its way arrives.
async fn settles<T: PartialEq + std::fmt::Debug>(what: &str, look: impl Fn() -> T, expected: T) {
    let begun = Instant::now();
    while look() != expected && begun.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(look(), expected, "{what}");
}

async fn nest_client_against_our_services(kind: Kind, test: &str) {
    let Some(broker) = kind.start(test).await else { return };
    for major in MAJORS {
        let app = kind.serve(&broker).await;
        let replicas = [kind.serve_replica(&broker).await, kind.serve_replica(&broker).await];
        let wild = app.get::<Wild>().unwrap();
        let close = async || {
            let asked = kind.client(&broker, Duration::from_secs(10));
            let unguarded: u64 = asked.send("events.count", "fail.guard must never run").await.unwrap();
            assert_eq!(unguarded, 0);
            app.close().await;
        };
        let cases = run_cases(kind, &broker, major, "ours", close).await;
        assert!(cases >= 97, "only {cases} cases ran");
        eprintln!("NestJS {major} client, nestrs services, {}: {cases} cases", kind.name());

        let last = if kind == Kind::Nats { json!(null) } else { json!("not json") };
        let bare = [json!({ "a": 1 }), json!(5), json!(5), json!("s"), last];
        let mut logged: Vec<_> = [json!({ "channel": "log.created", "data": { "id": 1 } })]
            .into_iter()
            .chain(bare.map(|data| json!({ "channel": "log.bare", "data": data })))
            .collect();
        // Handlers run side by side, each event in one of its own.
        logged.sort_by_key(Value::to_string);
        let seen = || {
            let mut seen = wild.seen.by("log");
            seen.sort_by_key(Value::to_string);
            seen
        };
        settles("wildcard events", seen, logged).await;
        if kind == Kind::Nats {
            settles("headers of an event", || wild.seen.by("versioned"), vec![json!("4.5.6")]).await;
        }

        let replicas_seen = replicas.each_ref().map(|replica| replica.get::<Replica>().unwrap());
        let seen = |handler: &str| replicas_seen.each_ref().map(|replica| replica.seen.by(handler).len());
        settles("broadcast", || seen("broadcast"), [1, 1]).await;
        match kind {
            Kind::Nats => {
                settles("calls are shared", || seen("who").iter().sum::<usize>(), 40).await;
                settles("events are shared", || seen("shared").iter().sum::<usize>(), 20).await;
                assert!(seen("who").iter().all(|calls| *calls > 0), "{:?}", seen("who"));
            }
            Kind::Redis => {
                settles("every replica gets every call", || seen("who"), [40, 40]).await;
                settles("every replica gets every event", || seen("shared"), [20, 20]).await;
            }
        }
        for replica in replicas {
            replica.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nestjs_clients_call_our_services_over_nats() {
    nest_client_against_our_services(Kind::Nats, "nestjs_clients_call_our_services_over_nats").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nestjs_clients_call_our_services_over_redis() {
    nest_client_against_our_services(Kind::Redis, "nestjs_clients_call_our_services_over_redis").await;
}

/// The same cases hold between NestJS and itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nestjs_clients_call_nestjs_services_over_brokers() {
    for kind in [Kind::Nats, Kind::Redis] {
        let Some(broker) = kind.start("nestjs_clients_call_nestjs_services_over_brokers").await else { return };
        for major in MAJORS {
            let _services = nest_services(kind, &broker, major).await;
            let cases = run_cases(kind, &broker, major, major, async || ()).await;
            assert!(cases >= 85, "only {cases} cases ran");
            eprintln!("NestJS {major} with itself, {}: {cases} cases", kind.name());
        }
    }
}
