use nestrs_core::{
    BoxFuture, Endpoint, ExecutionContext, Extras, HandlerKind, HandlerLimits, HandlerResult, Pattern, Payload, Reply,
    Route, Stages, forbidden,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::consumer::ConsumerOptions;
use super::super::fake::{Fake, Settled};
use super::super::server::{BrokerServer, StartUp};
use super::*;
use crate::client::Backoff;
use crate::dispatcher::Dispatcher;
use crate::net::registry::Registry;
use crate::server_handle::ServerHandle;
use crate::shutdown::Shutdown;

/// Does what its payload says; `"twice"` fails unless it has been delivered three times.
struct Obeys;

impl Endpoint for Obeys {
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
        Box::pin(async move {
            let what: String = payload.decode()?;
            match what.split(' ').collect::<Vec<_>>()[..] {
                ["fail"] => Err(TransportError::new("no")),
                ["break"] => Err(TransportError::internal("no table")),
                ["panic"] => panic!("no rows"),
                ["twice"] if cx.transport::<u32>() < Some(&3) => Err(TransportError::new("not yet")),
                ["refuse"] => Stages::new((), (Arc::new(Closed(forbidden())), ()), ()).enter(cx, empty()).await,
                ["cannot-tell"] => {
                    let guard = Closed(TransportError::internal("the list of users is gone"));
                    Stages::new((), (Arc::new(guard), ()), ()).enter(cx, empty()).await
                }
                ["sleep", seconds] => {
                    tokio::time::sleep(Duration::from_secs(seconds.parse().unwrap())).await;
                    Ok(Reply::Empty)
                }
                ["stream"] => {
                    let items = [Ok(Payload::from_json("1")), Err(TransportError::new("the second"))];
                    Ok(Reply::Stream(Box::pin(futures_util::stream::iter(items))))
                }
                _ => Ok(Reply::Empty),
            }
        })
    }
}

async fn empty() -> HandlerResult {
    Ok(Reply::Empty)
}

struct Closed(TransportError);

impl nestrs_core::CanActivate for Closed {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        Err(self.0.clone())
    }
}

fn dispatcher() -> Dispatcher {
    let route = |pattern: &str, kind| Route {
        metadata: None,
        chain: Arc::default(),
        pattern: Pattern::from(pattern),
        kind,
        handler: "Obeys::obey",
        transports: &[],
        extras: Extras::default(),
        limits: HandlerLimits::default(),
        endpoint: Arc::new(Obeys),
    };
    // Two handlers for the third.
    let events = ["one", "many", "many"].map(|pattern| route(pattern, HandlerKind::Event));
    Dispatcher::from_routes(&events)
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
    let start_up = StartUp { timeout: None, backoff: Backoff::default(), grace_period: GRACE };
    let mut server = BrokerServer::in_registry(Registry::new("fake"), Arc::new(fake.clone()), start_up, options);
    server.prepare(&dispatcher()).await.unwrap();
    let (handle, shutdown) = (server.handle(), Shutdown::new(GRACE));
    let serving = tokio::spawn(server.serve(dispatcher(), shutdown.clone()));
    Running { fake, handle, shutdown, serving }
}

fn event(data: &str) -> String {
    format!(r#"{{"pattern":"one","data":"{data}"}}"#)
}

async fn next(settled: &mut UnboundedReceiver<Settled>) -> Settled {
    tokio::time::timeout(Duration::from_secs(1000), settled.recv()).await.expect("in time").expect("a word")
}

fn dead(reason: DeadReason, kind: impl Into<Option<ErrorKind>>, deliveries: u32) -> Settled {
    Settled::Dead(DeadLetter { reason, kind: kind.into(), deliveries })
}

#[tokio::test(start_paused = true)]
async fn br_6_an_event_is_acknowledged_after_its_handler_ended_well() {
    let running = running(ConsumerOptions::default()).await;
    let began = Instant::now();
    let mut settled = running.fake.keep("one", &event("sleep 3"), 1);
    assert_eq!(next(&mut settled).await, Settled::Ack);
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(next(&mut running.fake.keep("many", &event("fine"), 1)).await, Settled::Ack);
    assert_eq!(running.handle.stats().acknowledged_events, 2);
}

#[tokio::test(start_paused = true)]
async fn br_6_what_fails_is_tried_again_with_growing_pauses_and_is_a_dead_letter_after_the_last() {
    let options = ConsumerOptions { handler_timeout: Some(Duration::from_secs(3)), ..ConsumerOptions::default() };
    let running = running(options).await;
    for (what, kind) in [
        ("fail", ErrorKind::Application),
        ("break", ErrorKind::Internal),
        ("panic", ErrorKind::Internal),
        ("sleep 100", ErrorKind::Timeout),
        ("stream", ErrorKind::Application),
        ("cannot-tell", ErrorKind::Internal),
    ] {
        for subject in ["one", "many"] {
            let mut settled = running.fake.keep(subject, &event(what), 1);
            for seconds in [1, 5, 30, 120] {
                assert_eq!(next(&mut settled).await, Settled::Retry(Duration::from_secs(seconds)), "{what}");
            }
            assert_eq!(next(&mut settled).await, dead(DeadReason::Failed, kind, 5), "{what}");
        }
    }
    let stats = running.handle.stats();
    assert_eq!((stats.acknowledged_events, stats.retried_events, stats.dead_events), (0, 48, 12));
}

#[tokio::test(start_paused = true)]
async fn br_6_a_handler_that_takes_longer_says_so_to_the_broker() {
    let running = running(ConsumerOptions::default()).await;
    let mut settled = running.fake.keep("one", &event("sleep 25"), 1);
    assert_eq!(next(&mut settled).await, Settled::InProgress);
    assert_eq!(next(&mut settled).await, Settled::InProgress);
    assert_eq!(next(&mut settled).await, Settled::Ack);
}

#[tokio::test(start_paused = true)]
async fn br_5_what_can_only_fail_again_is_a_dead_letter_at_once_and_blocks_nobody() {
    let running = running(ConsumerOptions { prefetch: 1, ..ConsumerOptions::default() }).await;
    for (subject, body, reason, kind) in [
        ("one", "not json".to_owned(), DeadReason::Unreadable, None),
        ("nobody", event("fine"), DeadReason::NoHandler, Some(ErrorKind::NotFound)),
        ("one", event("refuse"), DeadReason::Refused, Some(ErrorKind::Forbidden)),
        ("many", event("refuse"), DeadReason::Refused, Some(ErrorKind::Forbidden)),
        (
            "one",
            r#"{"pattern":"one","data":7}"#.to_owned(),
            DeadReason::InvalidPayload,
            Some(ErrorKind::InvalidPayload),
        ),
    ] {
        assert_eq!(next(&mut running.fake.keep(subject, &body, 1)).await, dead(reason, kind, 1), "{body}");
    }
    assert_eq!(next(&mut running.fake.keep("one", &event("fine"), 1)).await, Settled::Ack);
    let stats = running.handle.stats();
    assert_eq!((stats.dead_events, stats.ignored_packets, stats.unknown_patterns), (5, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn br_5_an_event_that_never_ends_is_given_up_in_the_end() {
    let running = running(ConsumerOptions::default()).await;
    assert_eq!(next(&mut running.fake.keep("one", &event("fine"), 10)).await, Settled::Ack);
    assert_eq!(next(&mut running.fake.keep("one", &event("fine"), 11)).await, dead(DeadReason::NeverEnded, None, 11));
}

#[tokio::test(start_paused = true)]
async fn br_7_a_handler_sees_how_often_its_event_was_delivered() {
    let running = running(ConsumerOptions::default()).await;
    let mut settled = running.fake.keep("one", &event("twice"), 1);
    assert!(matches!(next(&mut settled).await, Settled::Retry(_)));
    assert!(matches!(next(&mut settled).await, Settled::Retry(_)));
    assert_eq!(next(&mut settled).await, Settled::Ack);
}

#[tokio::test(start_paused = true)]
async fn br_8_a_server_that_ends_acknowledges_what_ended_and_leaves_the_rest() {
    let running = running(ConsumerOptions { prefetch: 2, ..ConsumerOptions::default() }).await;
    let mut quick = running.fake.keep("one", &event("sleep 1"), 1);
    let mut endless = running.fake.keep("one", &event("sleep 1000"), 1);
    let mut unbegun = running.fake.keep("one", &event("fine"), 1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.shutdown.finish().await;
    running.serving.await.unwrap().unwrap();
    assert_eq!(next(&mut quick).await, Settled::Ack);
    assert_eq!(next(&mut endless).await, Settled::Released);
    assert_eq!(next(&mut unbegun).await, Settled::Released);
    assert_eq!(running.handle.stats().acknowledged_events, 1);
}

#[tokio::test(start_paused = true)]
async fn br_6_a_call_is_acknowledged_whatever_its_answer() {
    let running = running(ConsumerOptions::default()).await;
    let call = r#"{"pattern":"one","data":"fail","id":"1"}"#;
    assert_eq!(next(&mut running.fake.keep("one", call, 1)).await, Settled::Ack);
}
