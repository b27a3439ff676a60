//! Who is connected, how that is told, and how a server says what state it is in.

mod counted;
mod listed;
mod observed;
mod servers;

#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nestrs::RunningApp;
use nestrs::microservices::net::io::{Accepted, Listener};
use nestrs::microservices::net::{CloseReason, FaultCode};
use nestrs::microservices::{
    ConnectionEvent, ConnectionEvents, ConnectionInfo, ConnectionObserver, PacketDeserializer, ServerHandle,
    ServerStats, ServerStatus, TcpMicroserviceOptions,
};
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use support::contract::ContractModule;
use support::http::get;
use support::raw::{PATIENCE, Peer, frame};
use support::{client_of, free_port, serve_with};

fn tcp(app: &RunningApp) -> ServerHandle {
    app.servers().get("tcp").expect("it serves TCP").clone()
}

/// Waits until what a server says of itself is as expected.
async fn eventually(server: &ServerHandle, what: &str, is_so: impl Fn(&ServerStats) -> bool) {
    let waiting = async {
        while !is_so(&server.stats()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}: {:?}", server.stats()));
}

async fn next(events: &mut ConnectionEvents) -> ConnectionEvent {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event in time").expect("the server is open")
}

/// The reason of the next end, whatever comes before it.
async fn next_close(events: &mut ConnectionEvents) -> CloseReason {
    loop {
        if let ConnectionEvent::Closed { reason, .. } = next(events).await {
            return reason;
        }
    }
}

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, connection: &ConnectionInfo, line: String) {
        let peer = connection.peer_addr.map_or_else(|| "memory".to_owned(), |peer| peer.port().to_string());
        self.0.lock().unwrap().push(format!("{peer} {line}"));
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl ConnectionObserver for Diary {
    fn on_connection(&self, connection: &ConnectionInfo) {
        self.write(connection, "connected".to_owned());
    }
    fn on_fault(&self, connection: &ConnectionInfo, code: FaultCode) {
        self.write(connection, code.to_string());
    }
    fn on_close(&self, connection: &ConnectionInfo, reason: CloseReason) {
        self.write(connection, format!("closed: {reason}"));
    }
}
