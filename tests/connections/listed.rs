//! What a server says of a connection until it ends, and how one is told to end.

use super::*;

#[tokio::test]
async fn a_connection_is_listed_with_what_it_did_until_it_ends() {
    let app = serve_with::<ContractModule>(free_port().grace_period(Duration::from_millis(50))).await;
    let server = tcp(&app);
    assert_eq!(server.connections(), []);
    let mut events = server.events();

    let mut peer = Peer::connect(server.address()).await;
    let connected = next(&mut events).await;
    assert!(matches!(&connected, ConnectionEvent::Connected { .. }), "{connected:?}");
    let id = connected.connection().id;
    peer.expect_alive().await;
    peer.send_frames(&[r#"{"pattern":"hang","data":0,"id":1}"#, r#"{"pattern":"hang","data":0,"id":2}"#]).await;
    eventually(&server, "two calls are under way", |stats| stats.in_flight == 2).await;

    let connections = server.connections();
    let [connection] = connections.as_slice() else { panic!("{connections:?}") };
    assert_eq!((connection.id, connection.transport), (id, "tcp"));
    assert_eq!(connection.peer_addr, Some(peer.0.local_addr().unwrap()));
    let asked = frame(r#"{"pattern":"echo","data":"alive","id":"alive"}"#).len()
        + 2 * frame(r#"{"pattern":"hang","data":0,"id":1}"#).len();
    assert_eq!((connection.frames_received, connection.frames_sent, connection.in_flight), (3, 1, 2));
    assert_eq!((connection.bytes_received, connection.bytes_sent), (asked as u64, 54));
    assert!(connection.idle() <= connection.uptime() && connection.last_activity >= connection.connected_at);
    assert_eq!(server.connection(id).map(|connection| connection.id), Some(id));

    let written = serde_json::to_value(connection).unwrap();
    assert_eq!(written["bytesReceived"], asked);
    assert_eq!(written["peerAddr"], peer.0.local_addr().unwrap().to_string());
    assert!(written["connectedAt"].as_u64().unwrap() > 1_700_000_000_000, "{written}");

    drop(peer);
    assert_eq!(next_close(&mut events).await, CloseReason::PeerClosed);
    assert_eq!((server.connections(), server.connection(id)), (vec![], None));
    let stats = server.stats();
    assert_eq!((stats.open, stats.accepted, stats.closed(CloseReason::PeerClosed)), (0, 1, 1));
    // What it did is not forgotten with it.
    assert_eq!((stats.bytes_received, stats.frames_received, stats.bytes_sent), (asked as u64, 3, 54));
    app.close().await;
}

#[tokio::test]
async fn a_connection_that_is_told_to_end_answers_what_is_under_way_first() {
    let app = serve_with::<ContractModule>(free_port()).await;
    let server = tcp(&app);
    let mut events = server.events();
    let (mut told, mut other) = (Peer::connect(server.address()).await, Peer::connect(server.address()).await);
    let id = next(&mut events).await.connection().id;
    told.send_frames(&[r#"{"pattern":"slow","data":100,"id":1}"#]).await;
    eventually(&server, "the call is under way", |stats| stats.in_flight == 1).await;

    assert!(server.disconnect(id));
    assert_eq!(told.expect_closed().await, br#"41#{"response":100,"isDisposed":true,"id":1}"#);
    drop(told);
    assert_eq!(next_close(&mut events).await, CloseReason::Shutdown);
    assert!(!server.disconnect(id), "it is gone");
    other.expect_alive().await;
    assert_eq!(server.current_status(), ServerStatus::Listening);
    app.close().await;
}

#[tokio::test]
async fn what_is_sent_at_the_very_end_is_counted_too() {
    let app = serve_with::<ContractModule>(free_port().grace_period(Duration::from_millis(50))).await;
    let server = tcp(&app);
    let mut peer = Peer::connect(server.address()).await;
    peer.send_frames(&[r#"{"pattern":"hang","data":0,"id":1}"#]).await;
    eventually(&server, "the call is under way", |stats| stats.in_flight == 1).await;
    let (received, ()) = tokio::join!(peer.expect_closed(), app.close());
    let text = String::from_utf8_lossy(&received);
    assert!(text.contains("Service is shutting down"), "{text}");
    assert_eq!(server.stats().bytes_sent, received.len() as u64);
}
