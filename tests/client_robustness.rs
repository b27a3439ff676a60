//! What must not happen to a client: that one panic, one runtime or one deaf server leaves it waiting, or dead.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use nestrs::Sent;
use nestrs::microservices::net::io::Connector;
use nestrs::microservices::{
    ClientStatus, PacketDeserializer, TcpMicroserviceOptions, TcpTransport, TcpTransportOptions,
};
use nestrs::prelude::*;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use support::contract::ContractModule;
use support::raw::PATIENCE;
use support::{client_to, free_port, serve_with};

fn options() -> TcpMicroserviceOptions {
    free_port().grace_period(Duration::from_millis(100))
}

fn client(options: TcpTransportOptions) -> ClientProxy {
    ClientProxy::new(Arc::new(TcpTransport::new(options)))
}

/// Panics at one value, and otherwise changes nothing.
struct Panics;

impl PacketDeserializer for Panics {
    fn deserialize(&self, packet: Value) -> Result<Value, TransportError> {
        assert_ne!(packet["response"], "panic");
        Ok(packet)
    }
}

#[tokio::test]
async fn cl_2_a_panic_in_a_client_s_hook_fails_one_connection_and_not_the_client() {
    let app = serve_with::<ContractModule>(options()).await;
    let client = client(TcpTransportOptions::to(app.address("tcp").unwrap()).deserializer(Panics));
    let error = client.send::<_, Value>("echo", "panic").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionClosed);
    assert_eq!(client.send::<_, String>("echo", "calm").await.unwrap(), "calm");
    app.close().await;
}

#[tokio::test]
async fn cl_1_a_dial_that_panics_is_followed_by_another() {
    let app = serve_with::<ContractModule>(options()).await;
    let address = app.address("tcp").unwrap().to_owned();
    let dials = AtomicUsize::new(0);
    let client = client(TcpTransportOptions::default().connector(Connector::new(move || {
        let first = dials.fetch_add(1, Ordering::Relaxed) == 0;
        let address = address.clone();
        async move { if first { panic!("no") } else { TcpStream::connect(address).await } }
    })));
    assert_eq!(client.send::<_, u32>("echo", &1).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(client.send::<_, u32>("echo", &1).await.unwrap(), 1);
    app.close().await;
}

#[test]
fn cl_2_a_client_outlives_the_runtime_that_dialled() {
    let serving = tokio::runtime::Runtime::new().unwrap();
    let app = serving.block_on(serve_with::<ContractModule>(options()));
    let client = client_to(app.address("tcp").unwrap());
    for _ in 0..3 {
        let calling = tokio::runtime::Runtime::new().unwrap();
        assert_eq!(calling.block_on(client.send::<_, u32>("echo", &1)).unwrap(), 1);
    }
    serving.block_on(client.close());
    serving.block_on(app.close());
}

#[tokio::test]
async fn cl_12_close_returns_and_fails_every_call_though_the_server_does_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_to(&listener.local_addr().unwrap().to_string());
    client.connect().await.unwrap();
    let _deaf = listener.accept().await.unwrap();
    // Until all buffers between here and there are full.
    let event = "y".repeat(1_000_000);
    while tokio::time::timeout(Duration::from_millis(300), client.emit("x", &event)).await.is_ok() {}
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, Value>("x", &1).await });
    tokio::task::yield_now().await;
    tokio::time::timeout(PATIENCE, client.close()).await.expect("it returns");
    assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn cl_12_close_ends_a_dial_and_what_waits_for_it_and_the_status_stays_closed() {
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dials);
    let refused = Connector::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err::<TcpStream, _>(std::io::ErrorKind::ConnectionRefused.into()) }
    });
    let options = TcpTransportOptions::default().connector(refused);
    let client = client(options.retry_attempts(1_000_000).retry_delay(Duration::from_millis(1)));
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.send::<_, Value>("x", &1).await });
    let mut status = client.status();
    while status.next().await != Some(ClientStatus::Connecting) {}
    client.close().await;
    assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    let at_close = dials.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(dials.load(Ordering::Relaxed), at_close, "nobody dials any more");
    assert_eq!(client.status().next().await, Some(ClientStatus::Closed));
}

#[tokio::test]
async fn the_longest_durations_there_are_mean_for_ever() {
    let app = serve_with::<ContractModule>(options().write_stall_timeout(Duration::MAX)).await;
    let options = TcpTransportOptions::to(app.address("tcp").unwrap())
        .connect_wait(Duration::MAX)
        .connect_timeout(Duration::MAX)
        .retry_attempts(3)
        .retry_delay(Duration::MAX)
        .request_timeout(Some(Duration::MAX));
    assert_eq!(client(options).send::<_, u32>("echo", &1).await.unwrap(), 1);
    app.close().await;
}

#[tokio::test]
async fn cl_3_a_reply_that_does_not_fit_may_have_been_executed_and_a_payload_that_is_no_json_was_not_sent() {
    let app = serve_with::<ContractModule>(options()).await;
    let client = client_to(app.address("tcp").unwrap());
    let error = client.send::<_, u32>("echo", "text").await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::InvalidReply, Some(Sent::Maybe)));
    let no_json = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = client.send::<_, Value>("echo", &no_json).await.unwrap_err();
    assert_eq!(error.sent(), Some(Sent::No));
    app.close().await;
}
