//! Each example is started as a process of its own and called as its documentation says.

mod support;

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use support::program::program;

const PATIENCE: Duration = Duration::from_secs(30);

fn start(example: &str, environment: &[(&str, &str)]) -> Child {
    Command::new(program(example))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the example starts")
}

/// A port that is free now.
async fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port().to_string()
}

/// The status and the body of one GET; tries until somebody listens.
async fn get(port: &str, path: &str) -> (u16, String) {
    let asking = async {
        loop {
            if let Ok(mut stream) = TcpStream::connect(format!("127.0.0.1:{port}")).await {
                let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut response = String::new();
                stream.read_to_string(&mut response).await.unwrap();
                let (head, body) = response.split_once("\r\n\r\n").expect("a response");
                return (head[9..12].parse().expect("a status"), body.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it answers in time")
}

/// Ends a program as an operator does, and gives its output.
async fn terminate(child: Child) -> (Option<i32>, String) {
    let id = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends in time").unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn hybrid_answers_http_by_a_message_and_says_what_it_serves() {
    let port = free_port().await;
    let child = start("hybrid", &[("PORT", &port)]);
    assert_eq!(get(&port, "/math/sum").await, (200, "15".to_owned()));
    assert_eq!(get(&port, "/health").await, (200, r#"{"status":"ok"}"#.to_owned()));
    let (code, log) = terminate(child).await;
    assert_eq!(code, Some(0), "SIGTERM ends it well");
    for line in [
        r#"message {"cmd":"sum"} → MathService::accumulate"#,
        "message math.add → MathService::add",
        "event user.created → MathService::on_user_created",
        "GET /math/sum → GatewayController::sum",
        "share one address",
        "(this machine only)",
    ] {
        assert!(log.contains(line), "`{line}` is missing in\n{log}");
    }
}

#[tokio::test]
async fn math_service_and_gateway_are_two_processes() {
    let (math, http) = (free_port().await, free_port().await);
    let math_address = format!("127.0.0.1:{math}");
    let gateway = start("gateway", &[("PORT", &http), ("MATH_ADDRESS", &math_address)]);
    let (status, body) = get(&http, "/math/sum").await;
    assert_eq!((status, body.contains("Service Unavailable")), (503, true), "{body}");

    let service = start("math_service", &[("MATH_ADDRESS", &math_address)]);
    let answered = async {
        loop {
            match get(&http, "/math/sum").await {
                (200, body) => break body,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, answered).await.expect("the service comes up"), "15");
    assert_eq!(get(&http, "/math/sum/1,2").await, (200, "3".to_owned()));
    assert_eq!(get(&http, "/math/sum/x").await.0, 400);

    assert_eq!(terminate(service).await.0, Some(0));
    assert_eq!(get(&http, "/math/sum").await.0, 503);
    assert_eq!(terminate(gateway).await.0, Some(0));
}

#[tokio::test]
async fn events_reach_the_bus_and_the_wire() {
    let port = free_port().await;
    let mut child = start("events", &[("EVENTS_ADDRESS", &format!("127.0.0.1:{port}"))]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut output = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            output.push(line);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it ends in time");
    let shipped = output.split_off(output.len() - 3);
    let created = [
        "listener: Ada ordered",
        "audit: order.created",
        "order 7: 3 listeners, 0 failed",
        "audit: order.created",
        "order 8: 1 listeners, 1 failed",
        "once: order.created 7",
    ];
    assert_eq!(output, created, "listeners of published events run in their order");
    for line in ["audit: order.shipped", "mail: order 7 is on its way", "3 published, 6 delivered, 1 failed"] {
        assert!(shipped.iter().any(|printed| printed == line), "`{line}` is missing in {shipped:?}");
    }
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_custom_transport_carries_calls() {
    let port = free_port().await;
    let child = start("custom_transport", &[("PORT", &port)]);
    assert_eq!(get(&port, "/herald/hear").await, (200, "HEAR".to_owned()));
    assert_eq!(get(&port, "/herald/whisper/x").await.0, 404);
    assert_eq!(terminate(child).await.0, Some(0));
}
