//! The in-memory transport: the same bytes without sockets, under paused time.

mod support;

use std::sync::Arc;
use std::time::Duration;

use nestrs::microservices::{TcpTransport, memory_pair};
use nestrs::prelude::*;
use serde_json::Value;
use tokio::time::Instant;

use support::contract::ContractModule;
use support::serve_with;

#[tokio::test(start_paused = true)]
async fn a_day_passes_in_no_time() {
    let (server, transport) = memory_pair();
    let app = serve_with::<ContractModule>(server).await;
    let client = ClientProxy::new(Arc::new(TcpTransport::new(transport)));
    let started = Instant::now();
    let day = Duration::from_secs(24 * 60 * 60);
    let milliseconds = u64::try_from(day.as_millis()).unwrap();
    let patient = client.with_timeout(2 * day);
    assert_eq!(patient.send::<_, u64>("slow", &milliseconds).await.unwrap(), milliseconds);
    assert_eq!(started.elapsed().as_secs(), day.as_secs());
    app.close().await;
}

#[tokio::test(start_paused = true)]
async fn cl_6_a_call_without_a_timeout_of_its_own_waits_thirty_seconds() {
    let (server, transport) = memory_pair();
    let app = serve_with::<ContractModule>(server).await;
    let client = ClientProxy::new(Arc::new(TcpTransport::new(transport)));
    let started = Instant::now();
    assert_eq!(client.send::<_, Value>("hang", &()).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(started.elapsed().as_secs(), 30);
    app.close().await;
}

#[tokio::test]
async fn each_client_has_a_connection_of_its_own_and_a_stopped_server_refuses() {
    let (server, transport) = memory_pair();
    let app = serve_with::<ContractModule>(server).await;
    let one = ClientProxy::new(Arc::new(TcpTransport::new(transport.clone())));
    let two = ClientProxy::new(Arc::new(TcpTransport::new(transport.clone())));
    assert_eq!(one.send::<_, u32>("echo", &1).await.unwrap(), 1);
    one.close().await;
    assert_eq!(two.send::<_, u32>("echo", &2).await.unwrap(), 2);
    app.close().await;
    let late = ClientProxy::new(Arc::new(TcpTransport::new(transport)));
    assert_eq!(late.send::<_, u32>("echo", &3).await.unwrap_err().kind(), ErrorKind::Unavailable);
}
