//! Each example is started as a process of its own and called as its documentation says.

mod support;

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use support::process::{PATIENCE, free_port, get, post, start, terminate};
use support::program::program;

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
async fn a_contract_holds_two_services_together() {
    let port = free_port().await;
    let child = start("contracts", &[("ORDERS_ADDRESS", &format!("127.0.0.1:{port}"))]);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends in time").unwrap();
    let expected = [
        "service: book for Ada",
        "shop: order 1 is paid",
        "shop: order 1 is packed",
        "shop: order 1 is sent",
        "shop: no unicorn in stock",
    ];
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), expected);
    assert!(output.status.success());
}

#[tokio::test]
async fn a_custom_transport_carries_calls() {
    let port = free_port().await;
    let child = start("custom_transport", &[("PORT", &port)]);
    assert_eq!(get(&port, "/herald/hear").await, (200, "HEAR".to_owned()));
    assert_eq!(get(&port, "/herald/whisper/x").await.0, 404);
    assert_eq!(terminate(child).await.0, Some(0));
}

#[tokio::test]
async fn wildcards_stand_for_many_subjects() {
    let port = free_port().await;
    let child = start("wildcards", &[("WILDCARDS_ADDRESS", &format!("127.0.0.1:{port}"))]);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends in time").unwrap();
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        output.lines().collect::<Vec<_>>(),
        [
            "everything: log.disk.error full",
            "errors: log.disk.error full",
            "everything: log.disk spinning",
            "time.us.east by time.us.*",
            "no wildcard asked",
            "time.us: There is no matching message handler defined in the remote service.",
        ]
    );
}

#[tokio::test]
async fn resilience_outlives_a_service_that_is_slow_then_away_then_back() {
    let port = free_port().await;
    let child = start("resilience", &[("STOCK_ADDRESS", &format!("127.0.0.1:{port}"))]);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends in time").unwrap();
    let expected = [
        "hasty: Timeout, sent Some(Maybe)",
        "patient: 7",
        "unicorn: there are no unicorns",
        "away: circuit open: too many calls of `STOCK` have failed, sent Some(No)",
        "fallback: 0",
        "back: 7",
        "connections: 2, lost: 1",
    ];
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), expected);
    assert!(output.status.success());
}

/// What a program that ends by itself has printed.
async fn output_of(example: &str) -> String {
    let child = start(example, &[]);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends in time").unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn scopes_tell_calls_apart_and_share_what_is_one() {
    let expected = "\
1. guard: acme asks
query 1: the cats of acme
2. guard: globex asks
query 2: the cats of globex
3. guard: nobody asks
without a tenant: Forbidden resource
";
    assert_eq!(output_of("scopes").await, expected);
}

#[tokio::test]
async fn dynamic_modules_are_made_from_options_and_from_other_modules() {
    let expected = "database.url: pg://db.internal\ncats.where: pg://db.internal/cats\n";
    assert_eq!(output_of("dynamic_modules").await, expected);
}

#[tokio::test]
async fn validation_tells_all_that_is_wrong_and_pipes_see_to_the_rest() {
    let port = free_port().await;
    let child = start("validation", &[("PORT", &port)]);
    assert_eq!(get(&port, "/cats/list/5").await, (200, "[]".to_owned()));
    let (status, body) = post(&port, "/cats", r#"{"name":"","age":31}"#).await;
    assert_eq!(status, 400);
    for line in [r#""name: length is lower than 1""#, r#""age: greater than 30""#] {
        assert!(body.contains(line), "`{line}` is missing in {body}");
    }
    assert_eq!(post(&port, "/cats", r#"{"name":"Tom","age":3}"#).await, (200, "cat number 1".to_owned()));
    assert_eq!(post(&port, "/cats/adopt/%20Kitty%20", "").await, (200, "2".to_owned()));
    assert_eq!(get(&port, "/cats/list/1").await, (200, r#"["Tom"]"#.to_owned()));
    assert_eq!(get(&port, "/cats/list/2").await, (200, r#"["Tom","Kitty"]"#.to_owned()));
    assert_eq!(get(&port, "/cats/list/many").await.0, 400);
    assert_eq!(terminate(child).await.0, Some(0));
}

#[tokio::test]
async fn a_configured_service_tells_every_mistake_at_once_or_runs() {
    let directory = std::env::temp_dir().join(format!("nestrs-example-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let run = |variables: &[(&str, &str)]| {
        let mut command = Command::new(program("config"));
        command.envs(variables.iter().copied()).current_dir(&directory).stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };

    let ended = run(&[("APP_PORT", "hunter2"), ("APP_RETRIES", "300"), ("APP_DATABASE__HOTS", "x")]).output();
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it ends in time").unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let told = String::from_utf8(ended.stderr).unwrap();
    let expected = "\
Error: the configuration has 5 problems:
`database.host`: missing; did you mean it by `database.hots` (environment `APP_DATABASE__HOTS`)?
`database.hots`: unknown key (environment `APP_DATABASE__HOTS`); did you mean `host`?
`database.password`: missing; set it in a file or as `APP_DATABASE__PASSWORD`
`port`: expected u16, found a string (environment `APP_PORT`)
`retries`: out of range: expected u8 (environment `APP_RETRIES`)
";
    assert_eq!(told, expected);

    let port = free_port().await;
    std::fs::write(directory.join("config.toml"), format!("port = {port}\n[database]\nhost = 'db'\n")).unwrap();
    std::fs::write(directory.join(".env"), "DATABASE_PASSWORD=hunter2\nAPP_DATABASE__PASSWORD=${DATABASE_PASSWORD}\n")
        .unwrap();
    let child = run(&[("APP_REGION", "north")]).spawn().unwrap();
    assert_eq!(get(&port, "/about").await, (200, "db:5432, 3 retries".to_owned()));
    assert_eq!(get(&port, "/region").await, (200, "north".to_owned()));
    let (code, log) = terminate(child).await;
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(code, Some(0));
    assert!(log.contains("***") && !log.contains("hunter2"), "{log}");
}

/// What the example says with these variables, on stdout and on stderr.
async fn said(environment: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let mut program = Command::new(program("logging"));
    for unset in ["NESTRS_LOG", "RUST_LOG", "NO_COLOR"] {
        program.env_remove(unset);
    }
    let running = program.envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, running).await.expect("it ends in time").unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = |bytes| String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
    (lines(output.stdout), lines(output.stderr))
}

#[tokio::test]
async fn logging_is_as_the_environment_says() {
    let has =
        |lines: &[String], text: &str| assert!(lines.iter().any(|line| line.contains(text)), "`{text}` in {lines:#?}");
    let (out, err) = said(&[]).await;
    has(&out, "     LOG [CatsService] a cat was adopted letters=3 connection{transport=tcp connection=1} +");
    has(&out, "    WARN [logging] there is no second logger error=");
    assert!(out.iter().chain(&err).all(|line| line.starts_with("[Nest] ")), "no terminal, no colour: {out:#?}");
    assert_eq!(err.len(), 1, "errors, and only they, go to stderr: {err:#?}");
    has(&err, "ERROR [logging] not adopted error=\"a cat needs a name\"");
    assert!(!out.iter().any(|line| line.contains("Tom")), "{out:#?}");

    let (out, err) = said(&[("NESTRS_LOG", "json"), ("RUST_LOG", "off,nestrs::call=debug,logging=log")]).await;
    for line in out.iter().chain(&err) {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(line["pid"].is_u64() && line["timestamp"].as_u64() > Some(1_700_000_000_000), "{line}");
    }
    has(&out, r#""message":"a cat was adopted","context":"CatsService","letters":3,"spans":[{"name":"#);
    has(&out, r#"{"name":"call","pattern":"cats.adopt","handler":"CatsService::adopt","kind":"request","id":"#);

    let (out, _) = said(&[("NESTRS_LOG", "yaml"), ("RUST_LOG", "logging=loud")]).await;
    has(&out, "an environment variable cannot be read; ignored variable=NESTRS_LOG");
    has(&out, "an environment variable cannot be read; ignored variable=RUST_LOG");
    has(&out, "a cat was adopted");

    let (out, _) = said(&[("RUST_LOG", "warn,logging=verbose")]).await;
    has(&out, " VERBOSE [CatsService] its name name=Tom");
    assert!(!out.iter().any(|line| line.contains("successfully started")), "{out:#?}");
}

#[tokio::test]
async fn connections_are_listed_and_sent_away_over_http() {
    let (port, messages) = (free_port().await, format!("127.0.0.1:{}", free_port().await));
    let child = start("connections", &[("PORT", &port), ("MESSAGES_ADDRESS", &messages), ("RUST_LOG", "info")]);
    assert_eq!(get(&port, "/connections").await, (200, "[]".to_owned()));

    let mut peer = TcpStream::connect(&messages).await.unwrap();
    peer.write_all(br#"34#{"pattern":"echo","data":1,"id":1}"#).await.unwrap();
    let mut answer = [0; 42];
    peer.read_exact(&mut answer).await.unwrap();
    let listed: serde_json::Value = serde_json::from_str(&get(&port, "/connections").await.1).unwrap();
    assert_eq!(listed[0]["peerAddr"], peer.local_addr().unwrap().to_string(), "{listed}");
    assert_eq!((&listed[0]["bytesReceived"], &listed[0]["framesSent"]), (&37.into(), &1.into()), "{listed}");

    let id = listed[0]["id"].to_string();
    assert_eq!(support::http::request("DELETE", &format!("127.0.0.1:{port}"), "/connections/0", &[], "").await.0, 404);
    let path = format!("/connections/{id}");
    assert_eq!(support::http::request("DELETE", &format!("127.0.0.1:{port}"), &path, &[], "").await.0, 200);
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, peer.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
    drop(peer);
    let gone = async {
        while get(&port, "/connections").await.1 != "[]" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it is gone");
    let servers: serde_json::Value = serde_json::from_str(&get(&port, "/servers").await.1).unwrap();
    assert_eq!((&servers[0]["status"], &servers[0]["stats"]["closed"]["shutdown"]), (&"listening".into(), &1.into()));

    let (code, log) = terminate(child).await;
    assert_eq!(code, Some(0));
    for line in [format!("connected id={id}"), format!("disconnected id={id} reason=shutdown")] {
        assert!(log.contains(&line), "`{line}` is missing in\n{log}");
    }
}

#[tokio::test]
async fn deadlines_end_what_they_are_to_end() {
    let child = start("deadlines", &[]);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends in time").unwrap();
    assert!(output.status.success());
    let mut lines: Vec<_> = std::str::from_utf8(&output.stdout).unwrap().lines().collect();
    // The gateway and the service end at the same time.
    lines[1..3].sort_unstable();
    let expected = [
        "make: at most 500 ms are left",
        "gateway: Request timed out",
        "make: stopped half-way",
        "charge: at most 500 ms are left",
        "gateway: Request timed out",
        "charge: done all the same",
        "search: the caller hangs up",
        "search: stopped half-way",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn tls_lets_in_who_shows_a_certificate_and_guards_read_it() {
    let child = start("tls", &[("TLS_ADDRESS", "127.0.0.1:0")]);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends in time").unwrap();
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = output.lines().collect();
    let [billing, support, nobody, open, again] = lines[..] else { panic!("{output}") };
    assert_eq!(billing, "billing: 1999 booked for billing");
    assert_eq!(support, "support: Forbidden resource");
    assert!(nobody.starts_with("nobody: cannot reach tcp://127.0.0.1:"), "{nobody}");
    assert!(nobody.ends_with("the server wants a certificate, and this client has presented none"), "{nobody}");
    assert_eq!((open, again), ("billing: 1 booked for billing", "billing again: 2 booked for billing"));
}
