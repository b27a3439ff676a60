//! What a NATS service tells of itself to tools that ask, by plain requests to `$SRV`.

#![cfg(feature = "microservices-nats")]

use std::time::Duration;

use futures_util::StreamExt;
use nestrs::microservices::{NatsMicroserviceOptions, NatsTransport, NatsTransportOptions};
use nestrs::prelude::*;
use nestrs::{RunningApp, TransportError};
use nestrs_brokers::{Broker, Nats};
use serde_json::{Value, json};

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern({ cmd: "sum" })]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        numbers.iter().sum()
    }

    #[message_pattern("orders.fail")]
    async fn fail(&self, _value: Value) -> Result<(), TransportError> {
        Err(TransportError::new("canary-77 has no credit"))
    }

    #[event_pattern("seen.*", extras = { queue: "" })]
    async fn seen(&self, value: i64) -> Result<(), TransportError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if value > 0 { Ok(()) } else { Err(TransportError::new("canary-77 again")) }
    }
}

#[module(providers = [Orders], microservices = [Orders])]
struct AppModule;

fn options(broker: &Broker) -> NatsMicroserviceOptions {
    NatsMicroserviceOptions::to(&broker.address())
        .queue("orders.v1")
        .service_version("1.2.3-beta.1")
        .service_description("Takes orders")
        .service_metadata("team", "sales")
        .grace_period(Duration::from_millis(300))
}

async fn serve(options: NatsMicroserviceOptions) -> RunningApp {
    NestFactory::create_microservice_nats::<AppModule>(options).start().await.expect("the application starts")
}

/// Everybody's answer to one question. Ours is last: whoever answers has answered before.
async fn ask(spy: &async_nats::Client, subject: &str) -> Vec<Value> {
    let inbox = spy.new_inbox();
    let mut answers = spy.subscribe(inbox.clone()).await.unwrap();
    spy.publish_with_reply(subject.to_owned(), inbox.clone(), "".into()).await.unwrap();
    let mut said = Vec::new();
    // Nobody knows how many there are, which is why tools wait for a time too.
    while let Ok(Some(answer)) = tokio::time::timeout(Duration::from_millis(250), answers.next()).await {
        match answer.status {
            Some(_) => break,
            None => said.push(serde_json::from_slice(&answer.payload).unwrap()),
        }
    }
    said
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

macro_rules! broker {
    () => {
        match Broker::start_or_skip(Nats::new()).await {
            Some(broker) => broker,
            None => return,
        }
    };
}

#[tokio::test]
async fn tools_find_every_instance_and_ask_one_or_all() {
    let broker = broker!();
    let spy = async_nats::connect(broker.address()).await.unwrap();
    assert_eq!(ask(&spy, "$SRV.PING").await, Vec::<Value>::new());
    let apps = [serve(options(&broker)).await, serve(options(&broker)).await];
    let pings = ask(&spy, "$SRV.PING").await;
    assert_eq!(pings.len(), 2, "{pings:?}");
    let id = pings[0]["id"].as_str().unwrap().to_owned();
    assert_ne!(pings[1]["id"], id.as_str());
    assert_eq!(
        pings[0],
        json!({
            "type": "io.nats.micro.v1.ping_response", "name": "orders_v1", "id": id, "version": "1.2.3-beta.1",
            "metadata": { "team": "sales" },
        })
    );
    for verb in ["PING", "INFO", "STATS"] {
        assert_eq!(ask(&spy, &format!("$SRV.{verb}.orders_v1")).await.len(), 2, "{verb}");
        let one = ask(&spy, &format!("$SRV.{verb}.orders_v1.{id}")).await;
        assert_eq!((one.len(), &one[0]["id"]), (1, &json!(id)), "{verb}");
        assert_eq!(ask(&spy, &format!("$SRV.{verb}.others")).await.len(), 0);
    }
    let [first, second] = apps;
    first.close().await;
    assert_eq!(ask(&spy, "$SRV.PING").await.len(), 1);
    second.close().await;
    assert_eq!(ask(&spy, "$SRV.PING").await.len(), 0);
}

#[tokio::test]
async fn info_tells_of_every_subscription() {
    let broker = broker!();
    let spy = async_nats::connect(broker.address()).await.unwrap();
    let app = serve(options(&broker)).await;
    let mut info = ask(&spy, "$SRV.INFO.orders_v1").await.remove(0);
    let by_subject = |one: &Value| one["subject"].as_str().unwrap().to_owned();
    info["endpoints"].as_array_mut().unwrap().sort_by_key(by_subject);
    assert_eq!(
        info,
        json!({
            "type": "io.nats.micro.v1.info_response", "name": "orders_v1", "id": info["id"], "version": "1.2.3-beta.1",
            "metadata": { "team": "sales" }, "description": "Takes orders",
            "endpoints": [
                { "name": "Orders-fail", "subject": "orders.fail", "queue_group": "orders.v1",
                    "metadata": { "handlers": "Orders::fail" } },
                { "name": "Orders-seen", "subject": "seen.*", "queue_group": "",
                    "metadata": { "handlers": "Orders::seen" } },
                { "name": "Orders-sum", "subject": "{\"cmd\":\"sum\"}", "queue_group": "orders.v1",
                    "metadata": { "handlers": "Orders::sum" } },
            ],
        })
    );
    app.close().await;
}

#[tokio::test]
async fn se_5_stats_count_calls_and_errors_and_tell_no_text_of_an_error() {
    let mut broker = broker!();
    let app = serve(options(&broker)).await;
    let client = ClientProxy::new(std::sync::Arc::new(NatsTransport::new(NatsTransportOptions::to(&broker.address()))));
    for _ in 0..3 {
        assert_eq!(client.send::<_, i64>(pattern!({ cmd: "sum" }), &[1, 2]).await.unwrap(), 3);
    }
    client.send::<_, Value>("orders.fail", &1).await.unwrap_err();
    client.send::<_, Value>(pattern!({ cmd: "sum" }), &"no numbers").await.unwrap_err();
    for value in [1, 0] {
        client.emit("seen.now", &value).await.unwrap();
    }
    let spy = async_nats::connect(broker.address()).await.unwrap();
    let stats = async |spy: &async_nats::Client| {
        let stats = ask(spy, "$SRV.STATS").await.remove(0);
        assert_eq!(keys(&stats), ["endpoints", "id", "metadata", "name", "started", "type", "version"]);
        assert_eq!(stats["type"], "io.nats.micro.v1.stats_response");
        let started = stats["started"].as_str().unwrap();
        assert!(started.len() == 27 && started.starts_with("20") && started.ends_with('Z'), "{started}");
        stats
    };
    let of = |stats: &Value, subject: &str| {
        stats["endpoints"].as_array().unwrap().iter().find(|one| one["subject"] == subject).unwrap().clone()
    };
    let ended = async {
        loop {
            match stats(&spy).await {
                stats if of(&stats, "seen.*")["processing_time"].as_u64().unwrap() >= 10_000_000 => return stats,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    let before = tokio::time::timeout(Duration::from_secs(10), ended).await.expect("both events have ended");
    let sum = of(&before, r#"{"cmd":"sum"}"#);
    assert_eq!(
        keys(&sum),
        [
            "average_processing_time",
            "last_error",
            "name",
            "num_errors",
            "num_requests",
            "processing_time",
            "queue_group",
            "subject"
        ]
    );
    assert_eq!((&sum["num_requests"], &sum["num_errors"]), (&json!(4), &json!(1)));
    let (total, mean) = (sum["processing_time"].as_u64().unwrap(), sum["average_processing_time"].as_u64().unwrap());
    assert!(total >= 15_000_000 && mean == total / 4, "{sum}");
    let fail = of(&before, "orders.fail");
    assert_eq!((&fail["num_errors"], &fail["last_error"]), (&json!(1), &json!("the handler answered with an error")));
    let seen = of(&before, "seen.*");
    assert_eq!((&seen["num_requests"], &seen["num_errors"]), (&json!(2), &json!(1)));
    assert!(!before.to_string().contains("canary-77"));

    // A broker that was away has not changed who the service is, nor what it has counted.
    broker.restart().await.unwrap();
    let back = async {
        loop {
            let spy = async_nats::connect(broker.address()).await.unwrap();
            if !ask(&spy, "$SRV.PING").await.is_empty() {
                return spy;
            }
        }
    };
    let spy = tokio::time::timeout(Duration::from_secs(10), back).await.expect("it comes back");
    assert_eq!(stats(&spy).await, before);
    app.close().await;
}

#[tokio::test]
async fn answers_stay_within_what_the_server_carries() {
    let Some(broker) = Broker::start_or_skip(Nats::new().line("max_payload: 500")).await else { return };
    let spy = async_nats::connect(broker.address()).await.unwrap();
    let app = serve(options(&broker)).await;
    let info = ask(&spy, "$SRV.INFO").await.remove(0);
    assert_eq!(info["endpoints"].as_array().unwrap().len(), 1, "{info}");
    app.close().await;
}

#[tokio::test]
async fn a_service_that_is_not_to_be_found_is_not_and_one_that_says_too_much_does_not_start() {
    let broker = broker!();
    let spy = async_nats::connect(broker.address()).await.unwrap();
    let app = serve(options(&broker).service_api(false)).await;
    assert_eq!(ask(&spy, "$SRV.PING").await, Vec::<Value>::new());
    app.close().await;
    for (wrong, why) in [
        (options(&broker).service_version("1.0"), "`1.0` is no version of a service"),
        (options(&broker).service_description("x".repeat(5000)), "`service_description` is longer"),
        (options(&broker).service_metadata("", "x"), "has no key"),
        (options(&broker).service_metadata("x", "x".repeat(2000)), "longer than 1024 bytes"),
    ] {
        let error = NestFactory::create_microservice_nats::<AppModule>(wrong).start().await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
