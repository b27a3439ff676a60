//! What can be laid around a client: a fallback, a layer of a user, and all layers together.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nestrs::Sent;
use nestrs::microservices::net::io::Connector;
use nestrs::microservices::{
    CallOptions, CircuitState, ClientConfig, ClientLayer, ClientStatus, RetryPolicy, TcpTransportOptions, Transport,
};
use nestrs::prelude::*;
use nestrs::testing::TestApp;
use serde_json::json;
use tokio::time::Instant;

use support::actor::{Act, Actor, LOST, call, proxy, touchy};
use support::fake::{FakeServer, OVERLOADED, read_frame, reply};

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_for_a_service_that_cannot_and_never_for_one_that_can() {
    let actor = Actor::new([LOST]);
    let fallback = |pattern: Pattern, error: TransportError| async move {
        match pattern.route() {
            "count" => Ok(json!(0)),
            _ => Err(error),
        }
    };
    let client = proxy(&actor.config().fallback(fallback));
    assert_eq!(client.send::<_, u32>("count", &1).await.unwrap(), 0);
    let mut items = client.send_stream::<_, u32>("count", &1).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), 0);
    assert!(items.next().await.is_none());
    assert_eq!(client.send::<_, u32>("other", &1).await.unwrap_err().kind(), ErrorKind::ConnectionClosed);
    assert_eq!(client.emit("count", &1).await.unwrap_err().kind(), ErrorKind::ConnectionClosed);
    assert_eq!(client.stats().fallbacks, 3);
    for kind in [ErrorKind::Remote, ErrorKind::Application, ErrorKind::NotFound, ErrorKind::TooLarge, ErrorKind::Closed]
    {
        actor.acts([Act::Fail(kind, Sent::Maybe)]);
        assert_eq!(client.send::<_, u32>("count", &1).await.unwrap_err().kind(), kind);
    }
    actor.acts([Act::Answer]);
    assert_eq!(client.send::<_, u32>("count", &1).await.unwrap(), 1);
    assert_eq!(client.stats().fallbacks, 3);
}

/// In the order of the documentation: tries count one by one, an open circuit is not tried, the fallback sees what is left.
#[tokio::test(start_paused = true)]
async fn layers_work_in_the_order_in_which_they_are_named() {
    let actor = Actor::new([LOST]);
    let config = actor.config().circuit_breaker(touchy()).retry(RetryPolicy::idempotent());
    let client = proxy(&config.fallback(|_, error| async move { Ok(json!(error.message)) }));
    let answer = |client: &ClientProxy| {
        let client = client.clone();
        async move { client.send::<_, String>("x", &1).await.unwrap() }
    };
    for _ in 0..3 {
        assert_eq!(answer(&client).await, "ConnectionClosed");
    }
    // The tenth try opens the circuit; the eleventh is not made.
    assert_eq!(answer(&client).await, "circuit open: too many calls of `ACTOR` have failed");
    assert_eq!(actor.calls(), 10);
    let started = Instant::now();
    assert!(answer(&client).await.starts_with("circuit open"));
    assert_eq!(started.elapsed(), Duration::ZERO, "an open circuit is not worth a pause");
    let stats = client.stats();
    assert_eq!((actor.calls(), stats.circuit_refused, stats.fallbacks), (10, 2, 5));
    assert_eq!(client.circuit().next().await, Some(CircuitState::Open));
}

#[contract(client = "ACTOR")]
trait Counting {
    #[message_pattern("count")]
    async fn count(&self) -> u32;
}

#[injectable]
struct Shop {
    counting: Arc<CountingClient>,
    #[inject("ACTOR")]
    proxy: Arc<ClientProxy>,
}

fn refused() -> ClientConfig {
    let refuse = || async { Err::<tokio::net::TcpStream, _>(std::io::ErrorKind::ConnectionRefused.into()) };
    let options = TcpTransportOptions::default().connector(Connector::new(refuse));
    ClientConfig::tcp("ACTOR", options).circuit_breaker(touchy().min_calls(4))
}

#[module(imports = [ClientsModule::register(&[refused()])], providers = [CountingClient, Shop])]
struct ShopModule;

/// Registered or typed, a client has the layers that its configuration names, and its call sites may add to them.
#[tokio::test]
async fn registered_and_typed_clients_have_the_layers_of_their_configuration() {
    let app = TestApp::of::<ShopModule>().start().await.unwrap();
    let shop = app.get::<Shop>().unwrap();
    for _ in 0..2 {
        assert!(call(&shop.proxy).await.unwrap_err().message.contains("connection refused"));
        assert!(shop.counting.count().await.unwrap_err().message.contains("connection refused"));
    }
    assert_eq!(shop.proxy.circuit().next().await, Some(CircuitState::Open), "all clones have one circuit");
    let error = shop.counting.retry_idempotent().count().await.unwrap_err();
    assert!(error.message.starts_with("circuit open"), "{error}");
    let patient = shop.counting.with_retry(RetryPolicy::idempotent()).with_fallback(|pattern, _| async move {
        assert_eq!(pattern.route(), "count");
        Ok(json!(9))
    });
    assert_eq!(patient.count().await.unwrap(), 9);
    let stats = shop.proxy.stats();
    assert_eq!((stats.failed_dials, stats.circuit_refused), (4, 2));
    app.close().await;
}

/// Every timer of a client stands on the monotonic clock, which is paused here while the wall clock goes on: what ends
/// within no time at all did not look at the wall. And nothing in it reads the other clock.
#[tokio::test(start_paused = true)]
async fn cl_14_no_timer_of_a_client_knows_the_time_of_day() {
    let wall = std::time::Instant::now();
    let hanging = Connector::new(std::future::pending::<std::io::Result<tokio::net::TcpStream>>);
    let hour = Duration::from_secs(3600);
    let options = TcpTransportOptions::default().connector(hanging).connect_timeout(hour).connect_wait(3 * hour);
    let started = Instant::now();
    let error = support::fake::client(options).with_timeout(5 * hour).emit("x", &1).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed().as_secs()), (ErrorKind::Unavailable, 3600));
    let actor = Actor::new([Act::Hang]);
    let client = proxy(&actor.config().circuit_breaker(touchy().open_for(hour))).with_timeout(hour);
    let policy = RetryPolicy::idempotent().try_timeout(Some(hour / 4));
    assert_eq!(call(&client.with_retry(policy)).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(wall.elapsed() < Duration::from_secs(60));

    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/nestrs-microservices/src");
    let mut read = 0;
    for directory in
        ["client", "client/breaker", "tcp", "tcp/client", "tcp/dial", "tcp/link", "tcp/options", "net", "net/codec"]
    {
        for file in std::fs::read_dir(format!("{sources}/{directory}")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(!text.contains("SystemTime") && !text.contains("UNIX_EPOCH"), "{}", path.display());
                read += 1;
            }
        }
    }
    assert!(read > 20, "{read}");
}

/// A layer of a user: what it does not name is passed on, be it a call, the end or the state of the connection.
struct Traced(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl ClientLayer for Traced {
    async fn send(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        self.0.lock().unwrap().push(format!("{} {}", pattern.route(), String::from_utf8_lossy(&payload.json())));
        let mut options = options.clone();
        options.metadata.insert("trace", "7");
        inner.send_payload(pattern, payload, &options).await
    }
}

#[tokio::test]
async fn a_layer_of_a_user_sees_what_it_names_and_passes_on_everything_else() {
    let server = FakeServer::bind().await;
    let seen = Arc::<Mutex<Vec<String>>>::default();
    // Within it, each try of a policy is seen; around it, only the call.
    let config = ClientConfig::tcp("TRACED", server.options()).layer(Traced(Arc::clone(&seen)));
    let client =
        proxy(&config).with_layer(Traced(Arc::clone(&seen))).with_retry(RetryPolicy::idempotent().max_tries(2));
    let mut status = client.status();
    assert_eq!(status.next().await, Some(ClientStatus::Idle));
    client.connect().await.unwrap();
    let mut socket = server.accept().await;
    let calling = client.clone();
    let calling = tokio::spawn(async move { call(&calling).await });
    for answer in [OVERLOADED, r#""response":4,"isDisposed":true"#] {
        let request = read_frame(&mut socket).await;
        assert_eq!(request["metadata"]["trace"], "7");
        reply(&mut socket, request["id"].as_str().unwrap(), answer).await;
    }
    assert_eq!(calling.await.unwrap().unwrap(), 4);
    assert_eq!(*seen.lock().unwrap(), ["x 1"; 4]);
    client.emit("y", &2).await.unwrap();
    assert_eq!(read_frame(&mut socket).await["pattern"], "y");
    assert_eq!((seen.lock().unwrap().len(), client.stats().connections, client.stats().retries), (4, 1, 1));
    client.close().await;
    assert_eq!(status.next().await, Some(ClientStatus::Closed));
    assert_eq!(call(&client).await.unwrap_err().kind(), ErrorKind::Closed);
}
