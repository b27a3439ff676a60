//! The examples over message brokers: each prints what it says at its top, over brokers started for it.

#![cfg(all(feature = "microservices-nats", feature = "microservices-redis"))]

mod support;

use nestrs_brokers::{Broker, Nats, Redis};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use support::process::{PATIENCE, documented, free_port, start, terminate};

/// Reads what a program prints until each of the lines has been there, however they follow each other; log lines are passed by.
async fn prints(child: &mut Child, expected: &[String]) {
    let stdout = child.stdout.as_mut().expect("it is piped");
    let mut lines = BufReader::new(stdout).lines();
    let mut missing = expected.to_vec();
    let reading = async {
        while !missing.is_empty() {
            let line = lines.next_line().await.unwrap().expect("it prints on");
            missing.retain(|expected| *expected != line);
        }
    };
    if tokio::time::timeout(PATIENCE, reading).await.is_err() {
        panic!("not printed: {missing:?}");
    }
}

#[tokio::test]
async fn transports_answers_over_three_at_once() {
    let Some(nats) = Broker::start_or_skip(Nats::new()).await else { return };
    let Some(redis) = Broker::start_or_skip(Redis::new()).await else { return };
    let tcp = format!("127.0.0.1:{}", free_port().await);
    let redis_url = format!("redis://{}", redis.address());
    let mut child = start("transports", &[("TCP", &tcp), ("NATS", &nats.address()), ("REDIS_URL", &redis_url)]);
    let [expected] = &documented("transports")[..] else { panic!("one block") };
    prints(&mut child, expected).await;
    assert_eq!(terminate(child).await.0, Some(0), "SIGTERM ends it well");
}

#[tokio::test]
async fn redis_prints_what_it_says() {
    let Some(redis) = Broker::start_or_skip(Redis::new()).await else { return };
    let mut child = start("redis", &[("REDIS_URL", &format!("redis://{}", redis.address()))]);
    let [expected] = &documented("redis")[..] else { panic!("one block") };
    prints(&mut child, expected).await;
    assert_eq!(terminate(child).await.0, Some(0), "SIGTERM ends it well");
}

#[tokio::test]
async fn nats_calls_itself_and_ends() {
    let Some(nats) = Broker::start_or_skip(Nats::new()).await else { return };
    let child = start("nats", &[("NATS", &nats.address()), ("NESTRS_LOG", "json")]);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends by itself").unwrap();
    let log = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    for part in [r#""sum":6"#, "3 orders of acme", "orders.eu.created", r#""percent":2.5"#] {
        assert!(log.contains(part), "`{part}` is missing in\n{log}");
    }
}
