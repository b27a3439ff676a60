//! How long a caller waits is told with its call, and what comes too late is not begun.

use super::*;

#[tokio::test]
async fn rq_6_a_request_says_how_long_its_caller_waits_and_an_event_does_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = client_to(&address);
    let quick = client.with_timeout(Duration::from_millis(300));
    let (_, packets) = tokio::join!(quick.send::<_, Value>("a", &1), async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let first = next_frame(&mut socket).await;
        client.emit("b", &1).await.unwrap();
        let event = next_frame(&mut socket).await;
        (first, event)
    });
    let left = sent_timeout(&packets.0).expect("it is a request");
    assert!((1..=301).contains(&left), "{left}");
    let keys: Vec<_> = packets.0.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["data", "id", "metadata", "pattern"]);
    assert!(packets.1.get("metadata").is_none(), "{}", packets.1);

    // NestJS 12 would show it, so it can be left out.
    let options =
        TcpTransportOptions::to(&address).request_timeout(Some(Duration::from_millis(50))).send_deadline(false);
    let silent = ClientProxy::new(Arc::new(TcpTransport::new(options)));
    let (_, packet) = tokio::join!(silent.send::<_, Value>("silent", &1), async {
        let (mut socket, _) = listener.accept().await.unwrap();
        next_frame(&mut socket).await
    });
    assert!(packet.get("metadata").is_none(), "{packet}");
}

#[tokio::test]
async fn rq_6_the_time_stands_beside_the_callers_own_metadata() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_to(&listener.local_addr().unwrap().to_string()).with_timeout(Duration::from_millis(200));
    let tagged = client.with_metadata("x", "\"1\"");
    let own = client.with_metadata(TIMEOUT_METADATA, "7");
    let receiving = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        [next_frame(&mut socket).await, next_frame(&mut socket).await, next_frame(&mut socket).await]
    };
    let (_, _, stream, packets) = tokio::join!(
        tagged.send::<_, Value>("tagged", &1),
        own.send::<_, Value>("own", &1),
        client.send_stream::<_, Value>("stream", &1),
        receiving
    );
    drop(stream);
    let of = |pattern: &str| packets.iter().find(|packet| packet["pattern"] == pattern).expect("it was sent");
    assert_eq!(of("tagged")["metadata"]["x"], "\"1\"");
    assert!(sent_timeout(of("tagged")).is_some());
    assert_eq!(sent_timeout(of("own")), Some(7));
    // Its timeout is for each item, and there may be any number of them.
    assert!(of("stream").get("metadata").is_none(), "{}", of("stream"));
}

#[tokio::test]
async fn rq_6_a_call_that_is_late_is_answered_and_not_started() {
    let app = serve_with::<WorkModule>(free_port().max_in_flight_per_conn(1)).await;
    let marks = app.get::<Marks>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"work","id":1,"metadata":{"nestrs-timeout-ms":"0"}}"#]).await;
    peer.expect(&frame(TIMED_OUT)).await;
    assert_eq!(marks.get(), (0, 0, 0));

    // The second waits for its turn, in the buffer of the connection, and its time passes there.
    let second = r#"{"pattern":"work","id":1,"metadata":{"nestrs-timeout-ms":"30"}}"#;
    peer.send_frames(&[r#"{"pattern":"work","id":2}"#, second]).await;
    marks.until(|(started, ..)| started == 1).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    marks.open();
    peer.expect(r#"44#{"response":"done","isDisposed":true,"id":2}"#).await;
    peer.expect(&frame(TIMED_OUT)).await;
    assert_eq!(marks.get(), (1, 1, 0));
    app.close().await;
}

#[tokio::test]
async fn rq_6_with_nothing_left_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_to(&listener.local_addr().unwrap().to_string());
    let past = Instant::now();
    with_deadline(past, async {
        // One that is further away changes nothing.
        with_deadline(past + LONG, async { assert_eq!(current_deadline(), Some(past)) }).await;
        for error in [
            client.send::<_, Value>("a", &()).await.unwrap_err(),
            client.emit("a", &()).await.unwrap_err(),
            client.send_stream::<_, Value>("a", &()).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.sent()), (ErrorKind::Timeout, Some(Sent::No)));
        }
    })
    .await;
    let coming = tokio::time::timeout(Duration::from_millis(30), listener.accept()).await;
    assert!(coming.is_err(), "nobody was dialled");
}
