//! A secret that goes along with everything that fails, and that nobody may find afterwards.

mod support;

use std::sync::Arc;
use std::time::Duration;

use nestrs::LogCapture;
use nestrs::microservices::{Packet, TcpMicroserviceOptions, TcpTransport, TcpTransportOptions};
use nestrs::prelude::*;
use serde_json::{Value, json};

use support::contract::ContractModule;
use support::raw::{Peer, frame};
use support::{free_port, serve_with};

const CANARY: &str = "canary-7f3a";

/// What was said of a failure, in every way there is to say it.
fn said(error: &TransportError) -> String {
    let mut text = format!("{error}\n{error:?}\n{}", error.to_wire());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!("\n{cause}\n{cause:?}"));
        source = cause.source();
    }
    text
}

#[track_caller]
fn check(what: &str, text: &str) {
    assert!(!text.contains(CANARY), "{what} tells the secret: {text}");
}

/// Credentials travel in metadata. Not even at trace level, where payloads may be logged, are its values.
#[tokio::test]
async fn se_5_a_token_in_the_metadata_is_in_no_log_line_and_no_error() {
    let logs = LogCapture::start_at(LogLevel::Verbose);
    let server = free_port().grace_period(Duration::from_millis(50)).max_frame_bytes(64 * 1024);
    let app = serve_with::<ContractModule>(server).await;
    let address = app.address("tcp").unwrap();
    let transport = TcpTransport::new(TcpTransportOptions::to(address).max_frame_bytes(32 * 1024));
    let client = ClientProxy::new(Arc::new(transport))
        .with_metadata("authorization", format!("Bearer {CANARY}"))
        .with_timeout(Duration::from_millis(50));

    let mut failures = Vec::new();
    for pattern in ["nobody", "fail.rpc", "fail.plain", "fail.guard", "panic", "hang", "stream.error"] {
        failures.extend(client.send::<_, Value>(pattern, &1).await.err());
        client.emit(pattern, &1).await.unwrap();
    }
    // A payload that does not fit, a reply that does not, and a request above the limit.
    failures.extend(client.send::<_, Value>(json!({ "cmd": "sum" }), &"no numbers").await.err());
    failures.extend(client.send::<_, u8>("echo", &"no number").await.err());
    failures.extend(client.send::<_, Value>("echo", &"x".repeat(40_000)).await.err());
    assert!(failures.len() >= 9, "{failures:?}");

    // Packets that are faults, with the secret on both sides of what is wrong.
    let metadata = format!(r#""metadata":{{"authorization":"{CANARY}"}}"#);
    for body in [
        format!(r#"{{{metadata},"pattern":"echo","data":}}"#),
        format!(r#"{{"pattern":"echo","data":1,{metadata},"id":"{}"}}"#, "x".repeat(2_000)),
        format!(r#"{{"pattern":"echo","data":1,{metadata}"#),
        format!(r#"{{"pattern":"echo","data":1,"metadata":"{CANARY}","id":1}}"#),
        format!(r#"{{"pattern":"echo","data":1,"metadata":["{CANARY}"],"id":1}}"#),
    ] {
        Peer::connect(address).await.send(frame(&body)).await;
        Peer::connect(address).await.send(format!("99999#{body}")).await;
        Peer::connect(address).await.send(format!("7#{body}")).await;
        Peer::connect(address).await.send(&body).await;
    }

    app.close().await;
    failures.extend(client.send::<_, Value>("echo", &1).await.err());
    client.close().await;
    failures.extend(client.send::<_, Value>("echo", &1).await.err());
    for failure in &failures {
        check("an error", &said(failure));
    }
    check("the client", &format!("{client:?}"));
    let lines = logs.lines();
    assert!(lines.iter().any(|line| line.contains("protocol fault")), "{lines:#?}");
    lines.iter().for_each(|line| check("a line", line));
    check("a span", &format!("{:?}", logs.spans()));
    check("an event", &format!("{:?}", logs.events()));
}

/// What stands before an `@` in an address is somebody's name and password.
#[tokio::test]
async fn se_5_a_password_in_an_address_is_in_no_error_and_no_debug() {
    let logs = LogCapture::start_at(LogLevel::Verbose);
    let address = format!("service:{CANARY}@localhost:1");
    let options = TcpTransportOptions::to(&address).connect_wait(Duration::from_millis(50));
    check("the client's options", &format!("{options:?}"));
    let client = ClientProxy::new(Arc::new(TcpTransport::new(options)));
    check("a refused call", &said(&client.send::<_, Value>("echo", &1).await.unwrap_err()));
    check("a refused connection", &said(&client.connect().await.unwrap_err()));
    check("the client", &format!("{client:?}"));
    client.close().await;

    let options = TcpMicroserviceOptions::bind(&address);
    check("the server's options", &format!("{options:?}"));
    let refused = NestFactory::create_microservice::<ContractModule>(options).start().await;
    let refused = refused.expect_err("nobody can listen there");
    check("a start that failed", &format!("{refused}\n{refused:?}"));
    logs.lines().iter().for_each(|line| check("a line", line));
}

/// What is printed while looking for a mistake is as public as a log.
#[test]
fn se_5_debug_of_a_packet_shows_neither_its_payload_nor_its_metadata() {
    let body =
        format!(r#"{{"pattern":"login","data":{{"password":"{CANARY}"}},"metadata":{{"token":"{CANARY}"}},"id":1}}"#);
    let packet = Packet::read(&body.into()).unwrap();
    check("the packet", &format!("{packet:?}"));
    assert!(packet.metadata.is_some_and(|metadata| metadata.get("token") == Some(CANARY)));
}
