//! The TCP server as bytes see it: the recorded transcripts, bad input, and what one connection may do at once.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use nestrs::microservices::{
    PacketDeserializer, PacketSerializer, TcpMicroserviceOptions, TcpTransport, TcpTransportOptions,
};
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use support::contract::{Contract, ContractModule};
use support::raw::{Peer, frame};
use support::{free_port, serve, serve_with};

const NO_HANDLER: &str =
    r#"103#{"id":"1","status":"error","err":"There is no matching message handler defined in the remote service."}"#;

/// Sends `bytes` to a fresh connection, reads exactly `answer`, and finds the connection alive.
async fn check(address: &str, bytes: &str, answer: &str) {
    let mut peer = Peer::connect(address).await;
    peer.send(bytes).await;
    peer.expect(answer).await;
    peer.expect_alive().await;
}

#[tokio::test]
async fn hand_made_bytes_get_the_answers_nestjs_gives() {
    let app = serve::<ContractModule>().await;
    let address = app.address("tcp").unwrap();
    let one = r#"41#{"response":1,"isDisposed":true,"id":"1"}"#;
    for (bytes, answer) in [
        (r#"36#{"pattern":"echo","data":1,"id":"1"}"#, one),
        (r#"36#{"id":"1","data":1,"pattern":"echo"}"#, one),
        (r#"68#{"pattern":"echo","data":1,"id":"1","extra":true,"isDisposed":false}"#, one),
        (r#"39#{"pattern":"echo","data":null,"id":"1"}"#, r#"44#{"response":null,"isDisposed":true,"id":"1"}"#),
        (r#"34#{"pattern":"echo","data":1,"id":7}"#, r#"39#{"response":1,"isDisposed":true,"id":7}"#),
        (r#"37#{"pattern":"echo","data":1,"id":null}"#, r#"42#{"response":1,"isDisposed":true,"id":null}"#),
        (r#"35#{"pattern":"echo","data":1,"id":""}"#, r#"40#{"response":1,"isDisposed":true,"id":""}"#),
        (r#"42#{"pattern":"echo","data":1,"id":{"a":[1]}}"#, r#"47#{"response":1,"isDisposed":true,"id":{"a":[1]}}"#),
        (
            r#"53#{"pattern":"{\"cmd\":\"sum\"}","data":[1,2],"id":"1"}"#,
            r#"41#{"response":3,"isDisposed":true,"id":"1"}"#,
        ),
        (r#"45#{"pattern":{"cmd":"sum"},"data":[1],"id":"1"}"#, one),
        (r#"27#{"pattern":"none","id":"1"}"#, r#"28#{"isDisposed":true,"id":"1"}"#),
        (r#"43#{"pattern":["alias.one"],"data":1,"id":"1"}"#, NO_HANDLER),
        (r#"31#{"pattern":5,"data":1,"id":"1"}"#, NO_HANDLER),
        (r#"34#{"pattern":null,"data":1,"id":"1"}"#, NO_HANDLER),
        (r#"19#{"data":1,"id":"1"}"#, NO_HANDLER),
        (" 36#{\"pattern\":\"echo\",\"data\":1,\"id\":\"1\"}", one),
        ("\r\n36#{\"pattern\":\"echo\",\"data\":1,\"id\":\"1\"}", one),
        (r#"036#{"pattern":"echo","data":1,"id":"1"}"#, one),
        // Nothing is answered to these, and the connection lives on.
        (r#"27#{"pattern":"echo","data":1}"#, ""),
        (r#"29#{"pattern":"nobody","data":1}"#, ""),
        (r#"10#{"id":"1"}"#, ""),
        ("4#null", ""),
        ("2#[]", ""),
        (r#"6#"text""#, ""),
        ("1#5", ""),
    ] {
        check(address, bytes, answer).await;
    }
    check(
        address,
        "36#{\"pattern\":\"echo\",\"data\":1,\"id\":\"1\"}\n36#{\"pattern\":\"echo\",\"data\":1,\"id\":\"2\"}",
        &format!(r#"{one}41#{{"response":1,"isDisposed":true,"id":"2"}}"#),
    )
    .await;
    app.close().await;
}

#[tokio::test]
async fn replies_have_nestjs_s_very_bytes() {
    let app = serve::<ContractModule>().await;
    let address = app.address("tcp").unwrap();
    for (request, answer) in [
        (
            r#"69#{"pattern":{"cmd":"sum"},"data":[1,2,3],"id":"258f10f31c2066481ed6e"}"#,
            r#"61#{"response":6,"isDisposed":true,"id":"258f10f31c2066481ed6e"}"#,
        ),
        (
            r#"61#{"pattern":"echo","data":"é漢😀","id":"8f10f31c2066481ed6e7f"}"#,
            r#"66#{"response":"é漢😀","isDisposed":true,"id":"8f10f31c2066481ed6e7f"}"#,
        ),
        (
            r#"66#{"pattern":{"cmd":"stream"},"data":3,"id":"f31c2066481ed6e7fe43d"}"#,
            r#"43#{"response":1,"id":"f31c2066481ed6e7fe43d"}43#{"response":2,"id":"f31c2066481ed6e7fe43d"}61#{"response":3,"isDisposed":true,"id":"f31c2066481ed6e7fe43d"}"#,
        ),
        (
            r#"63#{"pattern":"stream.late","data":1,"id":"31c2066481ed6e7fe43d3"}"#,
            r#"43#{"response":1,"id":"31c2066481ed6e7fe43d3"}43#{"response":2,"id":"31c2066481ed6e7fe43d3"}48#{"isDisposed":true,"id":"31c2066481ed6e7fe43d3"}"#,
        ),
        (
            r#"57#{"pattern":"empty","data":1,"id":"1c2066481ed6e7fe43d34"}"#,
            r#"48#{"isDisposed":true,"id":"1c2066481ed6e7fe43d34"}"#,
        ),
        (
            r#"56#{"pattern":"none","data":1,"id":"c2066481ed6e7fe43d34b"}"#,
            r#"48#{"isDisposed":true,"id":"c2066481ed6e7fe43d34b"}"#,
        ),
        (
            r#"62#{"pattern":"null.value","data":1,"id":"2066481ed6e7fe43d34b5"}"#,
            r#"64#{"response":null,"isDisposed":true,"id":"2066481ed6e7fe43d34b5"}"#,
        ),
        (
            r#"60#{"pattern":"fail.rpc","data":1,"id":"066481ed6e7fe43d34b56"}"#,
            r#"90#{"err":{"status":"error","message":"boom"},"isDisposed":true,"id":"066481ed6e7fe43d34b56"}"#,
        ),
        (
            r#"67#{"pattern":"fail.rpc.object","data":1,"id":"66481ed6e7fe43d34b566"}"#,
            r#"83#{"err":{"code":42,"message":"boom"},"isDisposed":true,"id":"66481ed6e7fe43d34b566"}"#,
        ),
        (
            r#"62#{"pattern":"fail.plain","data":1,"id":"6481ed6e7fe43d34b566f"}"#,
            r#"107#{"err":{"status":"error","message":"Internal server error"},"isDisposed":true,"id":"6481ed6e7fe43d34b566f"}"#,
        ),
        (
            r#"62#{"pattern":"fail.guard","data":1,"id":"481ed6e7fe43d34b566fa"}"#,
            r#"104#{"err":{"status":"error","message":"Forbidden resource"},"isDisposed":true,"id":"481ed6e7fe43d34b566fa"}"#,
        ),
        (
            r#"64#{"pattern":"stream.error","data":1,"id":"81ed6e7fe43d34b566fa5"}"#,
            r#"43#{"response":1,"id":"81ed6e7fe43d34b566fa5"}43#{"response":2,"id":"81ed6e7fe43d34b566fa5"}89#{"err":{"status":"error","message":"mid"},"isDisposed":true,"id":"81ed6e7fe43d34b566fa5"}"#,
        ),
        (
            r#"67#{"pattern":"no.such.pattern","data":1,"id":"1ed6e7fe43d34b566fa5f"}"#,
            r#"123#{"id":"1ed6e7fe43d34b566fa5f","status":"error","err":"There is no matching message handler defined in the remote service."}"#,
        ),
        (
            r#"91#{"pattern":"header","data":1,"metadata":{"x-version":"1.0.0"},"id":"7fe43d34b566fa5f9fdb4"}"#,
            r#"67#{"response":"1.0.0","isDisposed":true,"id":"7fe43d34b566fa5f9fdb4"}"#,
        ),
        // What NestJS answers to a request that two event handlers take.
        (
            r#"71#{"pattern":"user.created","data":{"id":8},"id":"ed6e7fe43d34b566fa5f9"}"#,
            r#"62#{"response":{},"isDisposed":true,"id":"ed6e7fe43d34b566fa5f9"}"#,
        ),
    ] {
        check(address, request, answer).await;
    }
    app.close().await;
}

/// The recorded conversation between a NestJS client and a NestJS server, with our server in the place of the latter.
#[tokio::test]
async fn the_recorded_conversation_with_a_nestjs_server_is_had_with_ours_byte_for_byte() {
    let app = serve::<ContractModule>().await;
    let address = app.address("tcp").unwrap();
    let transcript = include_str!("interop/transcript.txt");
    let mut had = 0;
    for part in transcript.trim_end().split("\n\n") {
        // Half an emoji cannot be in a `Value` that is echoed, and the recorded server had one handler of this event.
        if ["# Lone surrogate", "# Request to an event handler"].iter().any(|title| part.starts_with(title)) {
            continue;
        }
        let said = |side: &str| part.lines().filter_map(|line| line.strip_prefix(side)).collect::<String>();
        check(address, &said("> "), &said("< ")).await;
        had += 1;
    }
    assert_eq!(had, 19);
    app.close().await;
}

#[tokio::test]
async fn fr_7_a_cut_emoji_is_served_with_a_replacement_character() {
    let app = serve::<ContractModule>().await;
    let request = r#"63#{"pattern":"echo","data":"\ud83d","id":"f10f31c2066481ed6e7fe"}"#;
    check(
        app.address("tcp").unwrap(),
        request,
        "63#{\"response\":\"\u{fffd}\",\"isDisposed\":true,\"id\":\"f10f31c2066481ed6e7fe\"}",
    )
    .await;
    app.close().await;
}

#[tokio::test]
async fn fr_12_a_protocol_fault_closes_the_connection_without_a_word() {
    let app = serve::<ContractModule>().await;
    for bytes in [
        "10#{bad json}",
        r#"5#{"pattern":"echo","data":1,"id":"1"}"#,
        "10#{bad json}36#{\"pattern\":\"echo\",\"data\":1,\"id\":\"1\"}",
        "0#",
        "#{}",
        "abc#{}",
        "-1#{}",
        "+2#{}",
        "67108865#",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send(bytes).await;
        assert_eq!(peer.expect_closed().await, b"", "{bytes:?}");
    }
    app.close().await;
}

#[tokio::test]
async fn fr_12_frames_before_a_fault_are_answered() {
    let app = serve::<ContractModule>().await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send(r#"36#{"pattern":"echo","data":1,"id":"1"}40#{"pattern":"slow","data":50,"id":"slow"}x"#).await;
    let answers = peer.expect_closed().await;
    assert_eq!(
        String::from_utf8(answers).unwrap(),
        r#"41#{"response":1,"isDisposed":true,"id":"1"}45#{"response":50,"isDisposed":true,"id":"slow"}"#
    );
    app.close().await;
}

#[tokio::test]
async fn fr_14_a_peer_that_says_fin_after_its_requests_still_gets_its_replies() {
    let app = serve::<ContractModule>().await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"slow","data":50,"id":"1"}"#]).await;
    peer.0.shutdown().await.unwrap();
    assert_eq!(peer.expect_closed().await, r#"42#{"response":50,"isDisposed":true,"id":"1"}"#.as_bytes());
    app.close().await;
}

#[tokio::test]
async fn fr_15_a_reply_above_the_limit_becomes_an_error_and_the_connection_stays() {
    let app = serve_with::<ContractModule>(free_port().max_frame_bytes(100)).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    // Nobody handles it, and to say so takes 103 bytes.
    peer.send_frames(&[r#"{"pattern":"nobody","data":1,"id":"1"}"#]).await;
    peer.expect(r#"87#{"err":{"status":"error","message":"Internal server error"},"isDisposed":true,"id":"1"}"#).await;
    peer.expect_alive().await;
    // A request above it is a fault.
    peer.send_frames(&[&format!(r#"{{"pattern":"echo","data":"{}","id":"1"}}"#, "x".repeat(100))]).await;
    peer.expect_closed().await;
    app.close().await;
}

/// 200 calls on one connection, the longest first, in one segment: they run together and finish out of order.
#[tokio::test]
async fn rq_10_slow_calls_on_one_connection_run_together_and_finish_out_of_order() {
    let app = serve::<ContractModule>().await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    let started = Instant::now();
    let requests: String =
        (0..200).map(|call| frame(&format!(r#"{{"pattern":"slow","data":{},"id":{call}}}"#, 600 - call * 2))).collect();
    peer.send(requests).await;
    let mut order = Vec::new();
    let mut received = String::new();
    while order.len() < 200 {
        let mut chunk = vec![0; 4096];
        let read = tokio::io::AsyncReadExt::read(&mut peer.0, &mut chunk).await.unwrap();
        assert_ne!(read, 0);
        received.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
        while let Some(end) = received.find('}') {
            let body: Value = serde_json::from_str(&received[received.find('#').unwrap() + 1..=end]).unwrap();
            let call = body["id"].as_u64().unwrap();
            assert_eq!(body["response"], 600 - call * 2);
            order.push(call);
            received.drain(..=end);
        }
    }
    assert!(started.elapsed() < Duration::from_secs(5), "one after another they take 80 s");
    assert_eq!(order.first(), Some(&199), "the shortest call was the last to be sent");
    app.close().await;
}

#[tokio::test]
async fn rq_5_a_panicking_handler_answers_and_nothing_else_suffers() {
    let app = serve::<ContractModule>().await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[
        r#"{"pattern":"slow","data":30,"id":"slow"}"#,
        r#"{"pattern":"panic","data":1,"id":"1"}"#,
        r#"{"pattern":"echo","data":1,"id":"2"}"#,
    ])
    .await;
    peer.expect(r#"87#{"err":{"status":"error","message":"Internal server error"},"isDisposed":true,"id":"1"}"#).await;
    peer.expect(r#"41#{"response":1,"isDisposed":true,"id":"2"}"#).await;
    peer.expect(r#"45#{"response":30,"isDisposed":true,"id":"slow"}"#).await;
    // A panic in an event handler is nobody's answer.
    peer.send_frames(&[r#"{"pattern":"panic","data":1}"#]).await;
    peer.expect_alive().await;
    app.close().await;
}

#[tokio::test]
async fn both_of_two_handlers_of_an_event_run() {
    let app = serve::<ContractModule>().await;
    let contract = app.get::<Contract>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send(r#"42#{"pattern":"user.created","data":{"id":7}}"#).await;
    // Events of one connection start in order, and these handlers finish at once.
    peer.expect_alive().await;
    assert_eq!((contract.runs("user.created#1"), contract.runs("user.created#2")), (1, 1));
    app.close().await;
}

/// At the limit the connection is not read; what was sent meanwhile is served as soon as there is room.
#[tokio::test]
async fn sl_5_at_the_limit_of_calls_in_flight_the_rest_wait_their_turn() {
    for options in [free_port().max_in_flight_per_conn(2), free_port().max_in_flight(2)] {
        let app = serve_with::<ContractModule>(options).await;
        let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
        peer.send_frames(&[
            r#"{"pattern":"slow","data":40,"id":1}"#,
            r#"{"pattern":"slow","data":400,"id":2}"#,
            r#"{"pattern":"echo","data":"quick","id":3}"#,
        ])
        .await;
        peer.expect(r#"40#{"response":40,"isDisposed":true,"id":1}"#).await;
        peer.expect(r#"45#{"response":"quick","isDisposed":true,"id":3}"#).await;
        peer.expect(r#"41#{"response":400,"isDisposed":true,"id":2}"#).await;
        app.close().await;
    }
}

#[tokio::test]
async fn sl_7_a_connection_above_the_limit_is_closed_at_once() {
    let app = serve_with::<ContractModule>(free_port().max_connections(1)).await;
    let address = app.address("tcp").unwrap();
    let mut first = Peer::connect(address).await;
    first.expect_alive().await;
    let mut second = Peer::connect(address).await;
    assert_eq!(second.expect_closed().await, b"");
    first.expect_alive().await;
    app.close().await;
}

#[tokio::test]
async fn sl_3_a_peer_that_does_not_read_is_closed_and_others_are_not() {
    let options = free_port().send_queue_high(64 * 1024).write_stall_timeout(Duration::from_millis(200));
    let app = serve_with::<ContractModule>(options).await;
    let address = app.address("tcp").unwrap();
    let mut deaf = Peer::connect(address).await;
    // One stream of more than all buffers between here and there hold.
    deaf.send_frames(&[r#"{"pattern":{"cmd":"stream"},"data":4000000000,"id":"deaf"}"#]).await;
    let mut other = Peer::connect(address).await;
    other.expect_alive().await;
    // The server closes it while nothing is read; what had been sent can still be read, and then the end comes.
    deaf.wait_until_reset().await;
    other.expect_alive().await;
    app.close().await;
}

/// A stream is asked for more only as its reader takes what there is.
#[tokio::test]
async fn rq_9_a_long_stream_waits_for_a_slow_reader_and_arrives_whole() {
    let app = serve_with::<ContractModule>(free_port().send_queue_high(4096).send_queue_max(64 * 1024)).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":{"cmd":"stream"},"data":20000,"id":1}"#]).await;
    let mut expected: String = (1..20_000).map(|item| frame(&format!(r#"{{"response":{item},"id":1}}"#))).collect();
    expected.push_str(&frame(r#"{"response":20000,"isDisposed":true,"id":1}"#));
    peer.expect(&expected).await;
    peer.expect_alive().await;
    app.close().await;
}

struct Wrapped;

impl PacketSerializer for Wrapped {
    fn serialize(&self, packet: Value) -> Result<Value, TransportError> {
        Ok(json!({ "packet": packet }))
    }
}

impl PacketDeserializer for Wrapped {
    fn deserialize(&self, wire: Value) -> Result<Value, TransportError> {
        wire.get("packet").cloned().ok_or_else(|| TransportError::new("not wrapped"))
    }
}

#[tokio::test]
async fn packets_may_have_a_shape_of_the_users_own() {
    let app = serve_with::<ContractModule>(free_port().serializer(Wrapped).deserializer(Wrapped)).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[
        r#"{"pattern":"echo","data":1,"id":"1"}"#,
        r#"{"packet":{"pattern":"echo","data":1,"id":"1"}}"#,
    ])
    .await;
    peer.expect(r#"52#{"packet":{"id":"1","isDisposed":true,"response":1}}"#).await;

    let options = TcpTransportOptions::to(app.address("tcp").unwrap()).serializer(Wrapped).deserializer(Wrapped);
    let client = ClientProxy::new(Arc::new(TcpTransport::new(options)));
    assert_eq!(client.send::<_, u32>("echo", &1).await.unwrap(), 1);
    assert_eq!(client.send::<_, u32>("fail.rpc", &1).await.unwrap_err().message, "boom");
    client.emit("user.created", &json!({ "id": 7 })).await.unwrap();
    assert_eq!(client.send::<_, u64>("events.count", &"user.created#2").await.unwrap(), 1);
    app.close().await;
}

/// NestJS's `retryAttempts` and `retryDelay` on a server: whoever has the address may still be going.
#[tokio::test]
async fn listening_is_tried_again_as_often_as_asked() {
    let holder = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let options = TcpMicroserviceOptions::bind(&address).retry_delay(Duration::from_millis(10));
    let start = |options| NestFactory::create_microservice::<ContractModule>(options).start();
    let started = Instant::now();
    let error = start(options.clone().retry_attempts(3)).await.unwrap_err();
    assert!(error.to_string().contains(&address), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(30), "three pauses of 10 ms");

    let logs = nestrs::LogCapture::start();
    let starting = start(options.retry_attempts(u32::MAX));
    let leaving = async {
        while !logs.lines().iter().any(|line| line.contains("cannot listen; trying again")) {
            tokio::task::yield_now().await;
        }
        drop(holder);
    };
    let (app, ()) = tokio::join!(starting, leaving);
    let app = app.unwrap();
    assert_eq!(app.address("tcp"), Some(&*address));
    app.close().await;
}

#[tokio::test]
async fn connections_may_come_from_anywhere() {
    let (connections, listener) = tokio::sync::mpsc::channel(4);
    let app = serve_with::<ContractModule>(TcpMicroserviceOptions::default().listener(listener)).await;
    let (mut near, far) = tokio::io::duplex(4096);
    connections.send(nestrs::microservices::net::io::Accepted::new(far)).await.unwrap();
    near.write_all(br#"36#{"pattern":"echo","data":1,"id":"1"}"#).await.unwrap();
    let mut answer = [0; 44];
    tokio::io::AsyncReadExt::read_exact(&mut near, &mut answer).await.unwrap();
    assert_eq!(&answer, br#"41#{"response":1,"isDisposed":true,"id":"1"}"#);
    app.close().await;
}
