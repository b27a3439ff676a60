use nestrs_core::{
    BoxFuture, Endpoint, ExecutionContext, Extras, HandlerKind, HandlerLimits, HandlerResult, Pattern, Payload, Reply,
    Route,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::fake::Fake;
use super::*;

/// Echoes; a payload that is a number takes so many milliseconds.
struct Echo;

impl Endpoint for Echo {
    fn call<'a>(&'a self, _cx: &'a ExecutionContext, payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
        Box::pin(async move {
            if let Ok(millis) = payload.decode::<u64>() {
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            Ok(Reply::Value(payload.clone()))
        })
    }
}

fn dispatcher() -> Dispatcher {
    Dispatcher::from_routes([&Route {
        metadata: None,
        chain: Arc::default(),
        pattern: Pattern::from("echo"),
        kind: HandlerKind::Message,
        handler: "Echo::echo",
        transports: &[],
        extras: Extras::default(),
        limits: HandlerLimits::default(),
        endpoint: Arc::new(Echo),
    }])
}

struct Running {
    fake: Fake,
    handle: ServerHandle,
    shutdown: Shutdown,
    serving: JoinHandle<Result<(), TransportError>>,
}

const GRACE: Duration = Duration::from_secs(2);

async fn running(options: ConsumerOptions) -> Running {
    let fake = Fake::default();
    let backoff = Backoff::default();
    let start_up = StartUp { timeout: Some(Duration::from_secs(30)), backoff, grace_period: GRACE };
    let mut server = BrokerServer::in_registry(Registry::new("fake"), Arc::new(fake.clone()), start_up, options);
    server.prepare(&dispatcher()).await.unwrap();
    let (handle, shutdown) = (server.handle(), Shutdown::new(GRACE));
    let serving = tokio::spawn(server.serve(dispatcher(), shutdown.clone()));
    Running { fake, handle, shutdown, serving }
}

fn request(data: &str) -> String {
    format!(r#"{{"pattern":"echo","data":{data},"id":"1"}}"#)
}

async fn answer(answers: &mut mpsc::UnboundedReceiver<String>) -> String {
    tokio::time::timeout(Duration::from_secs(60), answers.recv()).await.expect("an answer in time").unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn br_1_a_start_is_tried_until_its_time_is_over() {
    let start = |fake: &Fake, timeout| {
        let start_up = StartUp { timeout, backoff: Backoff::default(), grace_period: GRACE };
        BrokerServer::in_registry(Registry::new("fake"), Arc::new(fake.clone()), start_up, ConsumerOptions::default())
    };
    let fake = Fake::default();
    fake.fail(10);
    start(&fake, Some(Duration::from_secs(30))).bind().await.unwrap();
    fake.fail(usize::MAX);
    let began = Instant::now();
    let error = start(&fake, Some(Duration::from_secs(3))).bind().await.unwrap_err();
    assert_eq!(error.message, "cannot connect to fake://fake: nobody is there");
    assert!(began.elapsed() <= Duration::from_secs(3) && began.elapsed() > Duration::from_secs(1));
    // For ever is more than a day.
    let mut patient = start(&fake, None);
    assert!(tokio::time::timeout(Duration::from_secs(100_000), patient.bind()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn br_3_a_lost_broker_is_connected_to_again_and_again() {
    let running = running(ConsumerOptions::default()).await;
    for round in 1..=3 {
        assert_eq!(
            answer(&mut running.fake.deliver("echo", &request("\"x\""))).await,
            r#"{"response":"x","isDisposed":true,"id":"1"}"#
        );
        assert_eq!(running.fake.connections(), round);
        running.fake.fail(3);
        running.fake.lose();
        let mut statuses = futures_util::StreamExt::skip_while(running.handle.status(), |status| {
            std::future::ready(*status != ServerStatus::Reconnecting)
        });
        for expected in [ServerStatus::Reconnecting, ServerStatus::Listening] {
            assert_eq!(futures_util::StreamExt::next(&mut statuses).await, Some(expected));
        }
    }
    running.shutdown.finish().await;
    running.serving.await.unwrap().unwrap();
    assert_eq!(running.handle.current_status(), ServerStatus::Closed);
}

#[tokio::test(start_paused = true)]
async fn br_4_what_is_beyond_prefetch_waits_for_its_turn() {
    let running = running(ConsumerOptions { prefetch: 2, ..ConsumerOptions::default() }).await;
    let began = Instant::now();
    let mut answers: Vec<_> = (0..6).map(|_| running.fake.deliver("echo", &request("100"))).collect();
    for answers in &mut answers {
        answer(answers).await;
    }
    assert!((300..310).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(running.handle.stats().frames_received, 6);
}

#[tokio::test(start_paused = true)]
async fn br_5_what_cannot_be_read_is_counted_and_blocks_nobody() {
    let running = running(ConsumerOptions { prefetch: 1, max_body_bytes: 100, ..ConsumerOptions::default() }).await;
    let long = request(&format!("\"{}\"", "x".repeat(100)));
    for body in ["", "not json", "{\"pattern\":\"echo\"", &long, &format!("{}1{}", "[".repeat(40), "]".repeat(39))] {
        running.fake.deliver("echo", body);
    }
    let mut unknown = running.fake.deliver("other", &request("1"));
    assert!(answer(&mut unknown).await.contains("There is no matching message handler"));
    assert_eq!(
        answer(&mut running.fake.deliver("echo", &request("\"x\""))).await,
        r#"{"response":"x","isDisposed":true,"id":"1"}"#
    );
    let stats = running.handle.stats();
    assert_eq!((stats.ignored_packets, stats.unknown_patterns), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn br_8_a_server_that_ends_answers_what_it_has_taken_and_refuses_the_rest() {
    let running = running(ConsumerOptions { prefetch: 2, ..ConsumerOptions::default() }).await;
    let mut quick = running.fake.deliver("echo", &request("100"));
    let mut endless = running.fake.deliver("echo", &request("100000"));
    let mut next = running.fake.deliver("echo", &request("90000"));
    let mut never = running.fake.deliver("echo", &request("1"));
    running.fake.deliver("echo", r#"{"pattern":"echo","data":1}"#);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    running.shutdown.finish().await;
    running.serving.await.unwrap().unwrap();
    assert!(began.elapsed() <= GRACE + Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(answer(&mut quick).await, r#"{"response":100,"isDisposed":true,"id":"1"}"#);
    for begun in [&mut endless, &mut next] {
        let said = r#"{"err":{"status":"error","message":"Service is shutting down"},"isDisposed":true,"id":"1"}"#;
        assert_eq!(answer(begun).await, said);
    }
    assert!(answer(&mut never).await.contains(r#""executed":false"#));
    let stats = running.handle.stats();
    assert_eq!((stats.refused_calls, stats.dropped_events, stats.open), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_the_broker_does_not_take_is_an_error_to_its_caller() {
    let running = running(ConsumerOptions::default()).await;
    let mut answers = running.fake.deliver("echo", &request(&format!("\"{}\"", "x".repeat(2000))));
    assert!(answer(&mut answers).await.contains("Internal server error"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_json_may_be_the_text_of_an_event() {
    let text = ConsumerOptions { not_json: super::super::NotJson::Text, ..ConsumerOptions::default() };
    let running = running(text).await;
    running.fake.deliver("echo", "not json");
    running.fake.deliver("echo", "");
    answer(&mut running.fake.deliver("echo", &request("1"))).await;
    assert_eq!(running.handle.stats().ignored_packets, 0);
}
