//! The circuit breaker: what opens it, what closes it, and whom it lets through.

mod support;

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use nestrs::microservices::{CircuitBreaker, CircuitOpen, CircuitState};
use nestrs::prelude::*;
use nestrs::{LogCapture, Sent};
use serde_json::Value;

use support::actor::{Act, Actor, LOST, call, proxy, touchy};

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
