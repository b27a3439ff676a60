//! How a client gets its connection: once, lazily, and what callers are told when it cannot.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nestrs::Sent;
use nestrs::microservices::net::io::{Accepted, Connector};
use nestrs::microservices::{TcpMicroserviceOptions, TcpTransportOptions};
use nestrs::prelude::*;
use serde_json::Value;
use tokio::net::TcpStream;

use support::contract::ContractModule;
use support::fake::{FakeServer, client};
use support::{client_of, client_to, free_port, serve, serve_with};

#[tokio::test]
async fn cl_1_concurrent_first_calls_share_one_dial() {
    let app = serve::<ContractModule>().await;
    let address = app.address("tcp").unwrap().to_owned();
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dials);
    let connector = Connector::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        TcpStream::connect(address.clone())
    });
    let client = client(TcpTransportOptions::default().connector(connector));
    assert_eq!(dials.load(Ordering::Relaxed), 0, "nothing is dialled before the first call");
    let calls: Vec<u32> = (0..100).collect();
    let answers = join_all(calls.iter().map(|call| client.send::<_, u32>("echo", call))).await;
    assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), calls);
    assert_eq!(dials.load(Ordering::Relaxed), 1);
    app.close().await;
}

#[tokio::test]
async fn cl_1_a_server_that_is_not_there_is_named_and_the_request_was_not_sent() {
    let gone = FakeServer::bind().await.address;
    let client = client_to(&gone);
    let started = Instant::now();
    let error = client.send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)));
    assert!(error.message.contains(&gone) && error.message.contains("refused"), "{error}");
    assert_eq!(error.to_wire()["message"], "Internal server error", "a caller further out reads no address");
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(client.connect().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// Each failure in its own words, each with the address, none of them sent.
#[tokio::test]
async fn cl_1_refused_unresolvable_timed_out_and_tls_are_told_apart() {
    let refused = client_to(&FakeServer::bind().await.address);
    let unresolvable = client_to("no-such-host.invalid:3000");
    let hanging = Connector::new(std::future::pending::<std::io::Result<TcpStream>>);
    let hanging = TcpTransportOptions::to("127.0.0.1:1").connector(hanging);
    let timed_out = client(hanging.clone().connect_timeout(Duration::from_millis(30)));
    let not_waited_for = client(hanging.connect_wait(Duration::from_millis(30)));
    let stranger =
        || async { Err::<TcpStream, _>(std::io::Error::new(std::io::ErrorKind::InvalidData, "UnknownIssuer")) };
    let tls = client(TcpTransportOptions::to("[::1]:7").connector(Connector::new(stranger)));
    for (client, address, said) in [
        (refused, "tcp://127.0.0.1:", ": connection refused"),
        (unresolvable, "tcp://no-such-host.invalid:3000", ": the name cannot be resolved"),
        (timed_out, "tcp://127.0.0.1:1", ": the connection attempt timed out"),
        (not_waited_for, "tcp://127.0.0.1:1", ": no connection in time"),
        (tls, "tcp://[::1]:7", ": the TLS handshake failed: UnknownIssuer"),
    ] {
        let call = client.send::<_, Value>("echo", &1).await.unwrap_err();
        let event = client.emit("echo", &1).await.unwrap_err();
        for error in [call, event] {
            assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)), "{error}");
            assert!(error.message.contains(address) && error.message.contains(said), "{error}");
        }
        assert_eq!(client.stats().pending, 0);
    }
}

#[tokio::test]
async fn the_dial_is_tried_again_as_often_as_asked() {
    let app = serve::<ContractModule>().await;
    let address = app.address("tcp").unwrap().to_owned();
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dials);
    let connector = Connector::new(move || {
        let attempt = counted.fetch_add(1, Ordering::Relaxed);
        let address = address.clone();
        async move {
            match attempt {
                0 | 1 => Err(std::io::ErrorKind::ConnectionRefused.into()),
                _ => TcpStream::connect(address).await,
            }
        }
    });
    let options = TcpTransportOptions::default().connector(connector).retry_delay(Duration::from_millis(1));
    let once = client(options.clone().retry_attempts(1)).send::<_, u32>("echo", &1).await;
    assert_eq!(once.unwrap_err().kind(), ErrorKind::Unavailable);
    dials.store(0, Ordering::Relaxed);
    assert_eq!(client(options.retry_attempts(2)).send::<_, u32>("echo", &1).await.unwrap(), 1);
    assert_eq!(dials.load(Ordering::Relaxed), 3);
    app.close().await;
}

/// Both ends in memory: no socket, the same bytes.
#[tokio::test]
async fn a_client_may_dial_anything() {
    let (connections, listener) = tokio::sync::mpsc::channel(4);
    let app = serve_with::<ContractModule>(TcpMicroserviceOptions::default().listener(listener)).await;
    let connector = Connector::new(move || {
        let connections = connections.clone();
        async move {
            let (near, far) = tokio::io::duplex(1024);
            connections.send(Accepted::new(far)).await.map_err(|_| std::io::ErrorKind::ConnectionRefused)?;
            Ok(near)
        }
    });
    let client = client(TcpTransportOptions::default().connector(connector));
    let text = "é漢😀".repeat(10_000);
    assert_eq!(client.send::<_, String>("echo", &text).await.unwrap(), text);
    app.close().await;
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again() {
    let app = serve::<ContractModule>().await;
    let address = app.address("tcp").unwrap().to_owned();
    let client = client_of(&app);
    assert_eq!(client.send::<_, u32>("echo", &1).await.unwrap(), 1);
    app.close().await;
    assert!(client.send::<_, u32>("echo", &2).await.is_err());
    let app =
        serve_with::<ContractModule>(free_port().port(address.rsplit(':').next().unwrap().parse().unwrap())).await;
    assert_eq!(client.send::<_, u32>("echo", &3).await.unwrap(), 3);
    app.close().await;
}
