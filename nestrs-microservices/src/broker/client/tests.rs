use nestrs_core::{ErrorKind, Payload, Sent};

use super::super::fake::Fake;
use super::*;
use crate::transport::{CallOptions, ClientStatus};

fn client(options: CallingOptions) -> (Fake, Arc<BrokerClient<Fake>>) {
    let fake = Fake::default();
    (fake.clone(), Arc::new(BrokerClient::new(fake, options)))
}

async fn send(client: &BrokerClient<Fake>) -> Result<Payload, TransportError> {
    client.send_payload(&Pattern::from("ask"), Payload::from_json("1"), &CallOptions::default()).await
}

fn spawn(client: &Arc<BrokerClient<Fake>>) -> tokio::task::JoinHandle<Result<Payload, TransportError>> {
    let client = Arc::clone(client);
    tokio::spawn(async move { send(&client).await })
}

#[tokio::test(start_paused = true)]
async fn cl_1_a_call_waits_for_a_connection_and_then_says_that_nothing_was_sent() {
    let (fake, client) = client(CallingOptions::default());
    fake.fail(1);
    let error = send(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)));
    assert_eq!(error.message, "cannot reach fake: nobody is there");
    fake.answer(&[r#"{"response":7,"isDisposed":true}"#]);
    assert_eq!(&*send(&client).await.unwrap().json(), b"7");
    assert_eq!((client.stats().failed_dials, client.stats().connections), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn cl_2_a_loss_fails_what_is_under_way_and_nothing_else() {
    let (fake, client) = client(CallingOptions::default());
    let calls: Vec<_> = (0..100).map(|_| spawn(&client)).collect();
    while fake.sent().len() < 100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fake.lose();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)));
    }
    assert_eq!(client.stats().pending, 0);
    fake.answer(&[r#"{"response":7}"#]);
    assert_eq!(&*send(&client).await.unwrap().json(), b"7");
    assert_eq!((client.stats().lost_connections, fake.sent().len()), (1, 101));
}

#[tokio::test(start_paused = true)]
async fn cl_4_what_was_surely_not_executed_is_sent_once_more() {
    let (fake, client) = client(CallingOptions::default());
    let refused = r#"{"err":{"status":"error","message":"Service overloaded","executed":false},"isDisposed":true}"#;
    fake.answer(&[refused, r#"{"response":7}"#]);
    assert_eq!(&*send(&client).await.unwrap().json(), b"7");
    assert_eq!((client.stats().resent, fake.sent().len()), (1, 2));
    fake.answer(&[refused, refused]);
    assert!(send(&client).await.unwrap_err().was_not_executed());
    assert_eq!(fake.sent().len(), 4);
    // An error of the application's is an answer.
    fake.answer(&[r#"{"err":"boom"}"#]);
    send(&client).await.unwrap_err();
    assert_eq!(fake.sent().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn cl_5_a_client_comes_back_by_itself_or_gives_up_where_it_is_told_to() {
    let (fake, keen) = client(CallingOptions::default());
    keen.connect().await.unwrap();
    fake.fail(20);
    fake.lose();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(keen.stats().connections, 2);

    let (fake, weary) = client(CallingOptions { max_reconnects: Some(3), ..CallingOptions::default() });
    weary.connect().await.unwrap();
    fake.fail(4);
    fake.lose();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!((weary.stats().connections, weary.stats().failed_dials), (1, 3));
    // The next call tries, and the one after it.
    send(&weary).await.unwrap_err();
    weary.connect().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn cl_7_replies_to_nobody_are_counted() {
    let (fake, client) = client(CallingOptions::default());
    fake.answer(&[r#"{"response":7,"isDisposed":true}"#]);
    send(&client).await.unwrap();
    let id = fake.sent()[0].0.unwrap();
    let body = Bytes::from_static(br#"{"response":8,"isDisposed":true}"#);
    fake.replies().take(Some(id), &body);
    fake.replies().take(Some(u64::MAX), &body);
    fake.replies().take(None, &body);
    // What the inbox and the packet say has to agree.
    fake.replies().take(Some(id), &Bytes::from_static(br#"{"response":8,"id":"other"}"#));
    assert_eq!((client.stats().late_replies, client.stats().unknown_replies), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn cl_9_above_max_pending_a_call_waits_or_is_refused() {
    let (fake, waiting) = client(CallingOptions { max_pending: 1, ..CallingOptions::default() });
    let (first, second) = (spawn(&waiting), spawn(&waiting));
    while fake.sent().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for call in [first, second] {
        assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    }
    assert_eq!(fake.sent().len(), 1, "the other's time was over before it had a place");

    let reject = CallingOptions { max_pending: 1, overflow: Overflow::Reject, ..CallingOptions::default() };
    let (fake, rejecting) = client(reject);
    let first = spawn(&rejecting);
    while fake.sent().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let error = send(&rejecting).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Overloaded, Some(Sent::No)));
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn cl_13_states_come_in_order() {
    let (fake, client) = client(CallingOptions::default());
    let mut states = client.status();
    let mut next = async || futures_util::StreamExt::next(&mut states).await;
    assert_eq!(next().await, Some(ClientStatus::Idle));
    client.connect().await.unwrap();
    assert_eq!(next().await, Some(ClientStatus::Connected));
    fake.lose();
    assert_eq!(next().await, Some(ClientStatus::Disconnected(ErrorKind::ConnectionClosed)));
    assert_eq!(next().await, Some(ClientStatus::Connecting));
    assert_eq!(next().await, Some(ClientStatus::Connected));
    client.close().await;
    assert_eq!(next().await, Some(ClientStatus::Closed));
    assert_eq!(next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_packet_carries_what_headers_cannot() {
    let (fake, client) = client(CallingOptions::default());
    let mut options = CallOptions::default();
    options.metadata.insert("tenant", "acme");
    client.emit_payload(&Pattern::from("told"), Payload::from_json("1"), &options).await.unwrap();
    let (id, body) = fake.sent().remove(0);
    assert_eq!((id, body.as_str()), (None, r#"{"pattern":"told","data":1,"metadata":{"tenant":"acme"}}"#));
}
