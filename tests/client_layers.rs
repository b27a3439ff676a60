//! What can be laid around a client: retries within a budget, a circuit breaker, a fallback.

mod support;

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use nestrs::microservices::net::io::Connector;
use nestrs::microservices::{
    Backoff, CallOptions, CircuitBreaker, CircuitOpen, CircuitState, ClientConfig, RetryPolicy, TcpTransportOptions,
    Transport,
};
use nestrs::prelude::*;
use nestrs::testing::TestApp;
use nestrs::{LogCapture, Sent};
use serde_json::{Value, json};
use tokio::time::Instant;

use support::fake::{FakeServer, OVERLOADED, client, id_of_next_request, read_frame, reply};

/// What a service does with one call.
#[derive(Clone, Copy)]
enum Act {
    Answer,
    /// Answers after so many milliseconds.
    AnswerAfter(u64),
    Fail(ErrorKind, Sent),
    /// Never answers.
    Hang,
}

/// A service that acts as it is told, call by call; the last act stays.
#[derive(Clone)]
struct Actor {
    acts: Arc<Mutex<VecDeque<Act>>>,
    calls: Arc<Mutex<Vec<Instant>>>,
}

impl Actor {
    fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self { acts: Arc::new(Mutex::new(acts.into_iter().collect())), calls: Arc::default() }
    }

    fn acts(&self, acts: impl IntoIterator<Item = Act>) {
        *self.acts.lock().unwrap() = acts.into_iter().collect();
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn config(&self) -> ClientConfig {
        ClientConfig { name: "ACTOR", transport: Arc::new(self.clone()) }
    }

    async fn act(&self, timeout: Option<Duration>) -> Result<Payload, TransportError> {
        self.calls.lock().unwrap().push(Instant::now());
        let act = {
            let mut acts = self.acts.lock().unwrap();
            if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0] }
        };
        let acting = async {
            match act {
                Act::Answer => Ok(Payload::from_value(json!(1))),
                Act::AnswerAfter(milliseconds) => {
                    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                    Ok(Payload::from_value(json!(1)))
                }
                Act::Fail(kind, sent) => Err(TransportError::new(format!("{kind:?}")).with_kind(kind).with_sent(sent)),
                Act::Hang => std::future::pending().await,
            }
        };
        let late = |_| TransportError::new("late").with_kind(ErrorKind::Timeout).with_sent(Sent::Maybe);
        tokio::time::timeout(timeout.unwrap_or(Duration::from_secs(30)), acting).await.map_err(late)?
    }
}

#[async_trait]
impl Transport for Actor {
    async fn send_json(&self, _: &str, _: Value) -> Result<Value, TransportError> {
        self.act(None).await?.into_value()
    }

    async fn emit_json(&self, _: &str, _: Value) -> Result<(), TransportError> {
        self.act(None).await.map(drop)
    }

    async fn send_payload(&self, _: &Pattern, _: Payload, options: &CallOptions) -> Result<Payload, TransportError> {
        self.act(options.timeout).await
    }

    fn request_timeout(&self) -> Option<Duration> {
        Some(Duration::from_secs(30))
    }
}

const LOST: Act = Act::Fail(ErrorKind::ConnectionClosed, Sent::Maybe);
const REFUSED: Act = Act::Fail(ErrorKind::Unavailable, Sent::No);

fn proxy(config: &ClientConfig) -> ClientProxy {
    ClientProxy::new(Arc::clone(&config.transport))
}

async fn call(client: &ClientProxy) -> Result<u32, TransportError> {
    client.send("x", &1).await
}

#[tokio::test(start_paused = true)]
async fn cl_4_a_call_that_may_be_repeated_is_tried_three_times_and_no_more() {
    let actor = Actor::new([LOST]);
    let client = proxy(&actor.config());
    let error = call(&client).await.unwrap_err();
    assert_eq!((error.kind(), actor.calls()), (ErrorKind::ConnectionClosed, 1), "nobody opted in");

    let patient = client.retry_idempotent();
    let error = call(&patient).await.unwrap_err();
    assert_eq!((error.kind(), error.sent(), actor.calls()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe), 4));
    actor.acts([LOST, LOST, Act::Answer]);
    assert_eq!(call(&patient).await.unwrap(), 1);
    actor.acts([LOST, Act::Answer]);
    patient.emit("x", &1).await.unwrap();
    assert_eq!((patient.stats().retries, patient.stats().retries_refused), (5, 0));

    // The first may have been executed, whatever became of the last.
    actor.acts([LOST, REFUSED]);
    let error = call(&patient).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::Maybe)));
    actor.acts([REFUSED]);
    assert_eq!(call(&patient).await.unwrap_err().sent(), Some(Sent::No));
}

#[tokio::test(start_paused = true)]
async fn cl_4_what_another_try_cannot_change_is_not_tried_again() {
    use ErrorKind::{
        Application, Closed, Forbidden, Internal, InvalidPayload, InvalidReply, NotFound, Remote, Timeout, TooLarge,
        Unauthorized,
    };
    let kinds = [Application, Closed, Forbidden, Internal, InvalidPayload, InvalidReply, NotFound, Remote, Timeout];
    for kind in kinds.into_iter().chain([TooLarge, Unauthorized]) {
        let actor = Actor::new([Act::Fail(kind, Sent::Maybe)]);
        let error = call(&proxy(&actor.config()).retry_idempotent()).await.unwrap_err();
        assert_eq!((error.kind(), actor.calls()), (kind, 1));
    }
}

/// Two policies around one call are one: the inner would make nine tries of three.
#[tokio::test(start_paused = true)]
async fn cl_4_policies_do_not_multiply() {
    let actor = Actor::new([LOST]);
    let client = proxy(&actor.config().retry(RetryPolicy::idempotent()));
    call(&client).await.unwrap_err();
    assert_eq!(actor.calls(), 3);
    call(&client.with_retry(RetryPolicy::idempotent().max_tries(2))).await.unwrap_err();
    assert_eq!(actor.calls(), 5);
    call(&client.with_retry(RetryPolicy::idempotent().max_tries(1)).retry_idempotent()).await.unwrap_err();
    assert_eq!(actor.calls(), 8);
}

/// A hundred in ten seconds, and one for every five calls: then the first error is returned as it is.
#[tokio::test(start_paused = true)]
async fn cl_4_retries_end_with_their_budget_and_go_on_when_it_has_recovered() {
    let actor = Actor::new([Act::Answer]);
    let client = proxy(&actor.config());
    for _ in 0..500 {
        call(&client.retry_idempotent()).await.unwrap();
    }
    actor.acts([LOST]);
    // Each call site makes a client of its own; they share what there is.
    let calls = (0..400).map(|_| {
        let client = client.with_retry(RetryPolicy::idempotent().backoff(Backoff {
            min: Duration::from_millis(1),
            max: Duration::from_millis(1),
            ..Backoff::default()
        }));
        async move { call(&client).await.unwrap_err() }
    });
    let errors = join_all(calls).await;
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::ConnectionClosed));
    let retries = actor.calls() - 900;
    assert_eq!(retries, 100 + (500 + 400) / 5);
    let stats = client.retry_idempotent().stats();
    assert_eq!(stats.retries, retries as u64);
    assert!(stats.retries_refused >= 200, "{stats:?}");

    tokio::time::sleep(Duration::from_secs(11)).await;
    call(&client.retry_idempotent()).await.unwrap_err();
    assert_eq!(actor.calls() - 900 - retries, 3, "tokens live for ten seconds, and so does what was spent");
}

#[tokio::test(start_paused = true)]
async fn cl_4_with_an_empty_budget_the_first_error_is_returned() {
    let actor = Actor::new([LOST, Act::Fail(ErrorKind::Overloaded, Sent::Maybe)]);
    let client = proxy(&actor.config());
    let error = call(&client.with_retry(RetryPolicy::idempotent().budget(100, 0))).await.unwrap_err();
    assert_eq!((error.kind(), actor.calls()), (ErrorKind::ConnectionClosed, 2), "one call has earned one retry");
}

/// Retries keep within the call's timeout, whatever it is; a try of its own length leaves time for another.
#[tokio::test(start_paused = true)]
async fn cl_4_retries_keep_within_the_deadline() {
    let actor = Actor::new([LOST]);
    let slow = Backoff { min: Duration::from_secs(10), factor: 1, max: Duration::from_secs(10) };
    let client = proxy(&actor.config()).with_retry(RetryPolicy::idempotent().backoff(slow));
    let started = Instant::now();
    call(&client.with_timeout(Duration::from_millis(1))).await.unwrap_err();
    assert!(started.elapsed() <= Duration::from_millis(2) && actor.calls() <= 2, "{:?}", started.elapsed());

    for (timeout, takes) in [(None, 30_000), (Some(500), 500)] {
        actor.acts([Act::Hang]);
        let client = proxy(&actor.config()).retry_idempotent();
        let client = timeout.map_or(client.clone(), |limit| client.with_timeout(Duration::from_millis(limit)));
        let (started, before) = (Instant::now(), actor.calls());
        assert_eq!(call(&client).await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!((started.elapsed().as_millis(), actor.calls() - before), (takes, 1));
    }

    actor.acts([Act::Hang, Act::AnswerAfter(20)]);
    let client = proxy(&actor.config());
    let client = client.with_retry(RetryPolicy::idempotent().try_timeout(Some(Duration::from_millis(100))));
    let started = Instant::now();
    assert_eq!(call(&client).await.unwrap(), 1);
    assert!((120..175).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

/// Over a real connection: the transport's own second try and those of a policy are together no more than three.
#[tokio::test]
async fn cl_4_a_policy_takes_the_place_of_resending() {
    let server = FakeServer::bind().await;
    let client = client(server.options());
    let patient = client
        .with_retry(RetryPolicy::idempotent().backoff(Backoff { min: Duration::from_millis(1), ..Backoff::default() }));
    let calling = patient.clone();
    let calling = tokio::spawn(async move { call(&calling).await });
    let mut socket = server.accept().await;
    for _ in 0..3 {
        let id = id_of_next_request(&mut socket).await;
        reply(&mut socket, &id, OVERLOADED).await;
    }
    assert_eq!(calling.await.unwrap().unwrap_err().kind(), ErrorKind::Overloaded);
    // The first repetition is of what was surely not executed: it costs nothing.
    assert_eq!((patient.stats().retries, patient.stats().resent, patient.stats().pending), (1, 0, 0));

    let calling = patient.clone();
    let calling = tokio::spawn(async move { call(&calling).await });
    read_frame(&mut socket).await;
    drop(socket);
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    reply(&mut socket, &id, r#""response":4,"isDisposed":true"#).await;
    assert_eq!(calling.await.unwrap().unwrap(), 4);
}

/// Ten calls within a window, half of them failed.
fn touchy() -> CircuitBreaker {
    CircuitBreaker::default().min_calls(10).open_for(Duration::from_secs(2))
}

#[tokio::test(start_paused = true)]
async fn a_circuit_opens_when_calls_fail_and_closes_when_one_goes_well() {
    let logs = LogCapture::start();
    let actor = Actor::new([LOST]);
    let client = proxy(&actor.config().circuit_breaker(touchy()));
    let mut states = client.circuit();
    assert_eq!(states.next().await, Some(CircuitState::Closed));
    for _ in 0..10 {
        assert_eq!(call(&client).await.unwrap_err().kind(), ErrorKind::ConnectionClosed);
    }
    assert_eq!(states.next().await, Some(CircuitState::Open));
    let mut refused = vec![
        call(&client).await.unwrap_err(),
        client.emit("x", &1).await.unwrap_err(),
        client.send_stream::<_, u32>("x", &1).await.unwrap_err(),
    ];
    let error = refused.remove(0);
    assert_eq!(error.message, "circuit open: too many calls of `ACTOR` have failed");
    assert!(error.source().unwrap().is::<CircuitOpen>());
    refused.push(error);
    for error in refused {
        assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)));
        assert_eq!(error.told(), "Internal server error", "a caller further out reads nothing of it");
    }
    assert_eq!((actor.calls(), client.stats().circuit_refused), (10, 3));

    // The call that is let through fails: open again, for as long.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(call(&client).await.unwrap_err().kind(), ErrorKind::ConnectionClosed);
    assert_eq!(call(&client).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(actor.calls(), 11);
    assert_eq!(states.next().await, Some(CircuitState::Open));

    tokio::time::sleep(Duration::from_secs(2)).await;
    actor.acts([Act::AnswerAfter(100)]);
    let probing = client.clone();
    let probing = tokio::spawn(async move { call(&probing).await });
    tokio::task::yield_now().await;
    assert_eq!(states.next().await, Some(CircuitState::HalfOpen));
    assert_eq!(call(&client).await.unwrap_err().kind(), ErrorKind::Unavailable, "one at a time");
    assert_eq!(probing.await.unwrap().unwrap(), 1);
    assert_eq!(states.next().await, Some(CircuitState::Closed));
    assert_eq!(call(&client).await.unwrap(), 1);
    let lines: Vec<_> = logs.lines().into_iter().filter(|line| line.contains("circuit client=ACTOR")).collect();
    let told: Vec<_> = lines.iter().filter_map(|line| line.split("state=").nth(1)?.split(' ').next()).collect();
    assert_eq!(told, ["open", "half-open", "open", "half-open", "closed"], "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_service_answers_never_opens_its_circuit_and_what_its_way_does_always_counts() {
    use ErrorKind::{
        Application, Closed, ConnectionClosed, NotFound, Overloaded, Remote, Timeout, TooLarge, Unavailable,
    };
    for (kind, sent, opens) in [
        (Application, Sent::Maybe, false),
        (Remote, Sent::Maybe, false),
        (NotFound, Sent::Maybe, false),
        (TooLarge, Sent::No, false),
        (Closed, Sent::No, false),
        (Unavailable, Sent::No, true),
        (ConnectionClosed, Sent::Maybe, true),
        (Timeout, Sent::Maybe, true),
        (Overloaded, Sent::Maybe, true),
    ] {
        let actor = Actor::new([Act::Fail(kind, sent)]);
        let client = proxy(&actor.config().circuit_breaker(touchy()));
        for _ in 0..30 {
            assert!(call(&client).await.is_err());
        }
        assert_eq!(actor.calls(), if opens { 10 } else { 30 }, "{kind:?}");
    }
}

/// Below the share it stays closed, however many calls there are; what lies further back than the window is forgotten.
#[tokio::test(start_paused = true)]
async fn a_circuit_looks_at_the_share_of_failures_within_its_window() {
    let actor = Actor::new([Act::Answer]);
    let client = proxy(&actor.config().circuit_breaker(touchy()));
    for _ in 0..100 {
        actor.acts([Act::Answer, Act::Answer, LOST, Act::Answer]);
        for _ in 0..3 {
            let _ = call(&client).await;
        }
    }
    assert_eq!(actor.calls(), 300);
    actor.acts([LOST]);
    for _ in 0..20 {
        // One a second: never ten within the window, once the others are forgotten.
        tokio::time::sleep(Duration::from_millis(1_150)).await;
        assert_eq!(call(&client).await.unwrap_err().kind(), ErrorKind::ConnectionClosed);
    }
}

/// A call that is dropped half-way decides nothing, and does not keep others out.
#[tokio::test(start_paused = true)]
async fn a_dropped_call_leaves_a_half_open_circuit_to_the_next() {
    let actor = Actor::new([LOST]);
    let client = proxy(&actor.config().circuit_breaker(touchy()));
    // Begun while all is well, it ends when the circuit is half-open, and says nothing of that.
    actor.acts([Act::AnswerAfter(2_500), LOST]);
    let early = client.clone();
    let early = tokio::spawn(async move { call(&early).await });
    tokio::task::yield_now().await;
    for _ in 0..10 {
        assert!(call(&client).await.is_err());
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    actor.acts([Act::Hang]);
    assert!(tokio::time::timeout(Duration::from_secs(1), call(&client)).await.is_err());
    assert_eq!(early.await.unwrap().unwrap(), 1);
    assert_eq!(client.circuit().next().await, Some(CircuitState::HalfOpen));
    actor.acts([Act::Answer]);
    assert_eq!(call(&client).await.unwrap(), 1);
    assert_eq!(client.circuit().next().await, Some(CircuitState::Closed));
}

/// What a stream says of the service is known with its first item.
#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_begin_is_a_failure() {
    let actor = Actor::new([LOST]);
    let client = proxy(&actor.config().circuit_breaker(touchy()));
    for _ in 0..10 {
        let mut items = client.send_stream::<_, u32>("x", &1).await.unwrap();
        assert_eq!(items.next().await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionClosed);
        assert!(items.next().await.is_none());
    }
    assert_eq!(client.send_stream::<_, u32>("x", &1).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

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
    for directory in ["client", "tcp", "tcp/options", "net", "net/codec"] {
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

/// A stream may be silent for hours, and a call may never be answered: neither keeps the others out.
#[tokio::test(start_paused = true)]
async fn a_half_open_circuit_does_not_wait_for_ever_for_the_call_that_decides() {
    let actor = Actor::new([Act::Fail(ErrorKind::Unavailable, Sent::No)]);
    let breaker = CircuitBreaker::default().min_calls(1).open_for(Duration::from_secs(2));
    let client = ClientProxy::new(actor.config().circuit_breaker(breaker).transport);
    client.send::<_, Value>("x", &1).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(2)).await;
    actor.acts([Act::Hang, Act::Answer]);
    let calling = client.clone();
    let hanging = tokio::spawn(async move { calling.send::<_, Value>("x", &1).await });
    tokio::time::sleep(Duration::from_millis(1900)).await;
    assert!(client.send::<_, Value>("x", &1).await.is_err(), "one at a time");
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.send::<_, Value>("x", &1).await.unwrap();
    assert_eq!(client.circuit().next().await, Some(CircuitState::Closed));
    hanging.abort();
}
