//! Calls that are tried again: which, how often, how long, and at whose expense.

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use nestrs::Sent;
use nestrs::microservices::{Backoff, ClientConfig, RetryPolicy};
use nestrs::prelude::*;
use tokio::time::Instant;

use support::actor::{Act, Actor, LOST, REFUSED, call, proxy};
use support::fake::{FakeServer, OVERLOADED, client, id_of_next_request, read_frame, reply};
use support::place::Place;

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
    // The first repetition of what was surely not executed costs nothing, and is counted like any other.
    let actor = Actor::new([REFUSED]);
    let poor = proxy(&actor.config()).with_retry(RetryPolicy::idempotent().budget(0, 0));
    assert_eq!(call(&poor).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!((actor.calls(), poor.stats().retries, poor.stats().retries_refused), (2, 1, 1));
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
    assert_eq!((patient.stats().retries, patient.stats().resent, patient.stats().pending), (2, 0, 0));

    let calling = patient.clone();
    let calling = tokio::spawn(async move { call(&calling).await });
    read_frame(&mut socket).await;
    drop(socket);
    let mut socket = server.accept().await;
    let id = id_of_next_request(&mut socket).await;
    reply(&mut socket, &id, r#""response":4,"isDisposed":true"#).await;
    assert_eq!(calling.await.unwrap().unwrap(), 4);
}

/// Whatever lies around a call site, the outermost policy counts its tries: calls, events and the beginnings of streams.
#[tokio::test(start_paused = true)]
async fn cl_4_stacked_policies_make_three_tries_of_a_call_an_event_or_a_stream() {
    let place = Place::default();
    place.leave();
    let twice = ClientConfig::tcp("PLACE", place.options()).retry(RetryPolicy::idempotent());
    let stacked = proxy(&twice.retry(RetryPolicy::idempotent().max_tries(5))).retry_idempotent();
    stacked.send::<_, u32>("x", &1).await.unwrap_err();
    assert_eq!(place.dials(), 3);
    stacked.emit("x", &1).await.unwrap_err();
    assert_eq!(place.dials(), 6);
    let error = stacked.send_stream::<_, u32>("x", &1).await.unwrap_err();
    assert_eq!((place.dials(), error.sent()), (9, Some(Sent::No)));
    // The call site's word counts, also when it is less.
    let once = stacked.with_retry(RetryPolicy::idempotent().max_tries(1));
    once.send::<_, u32>("x", &1).await.unwrap_err();
    once.send_stream::<_, u32>("x", &1).await.unwrap_err();
    assert_eq!(place.dials(), 11);
}

/// A stream is refused after it was opened, by its first answer: the transport's own second try is one of the three.
#[tokio::test]
async fn cl_4_what_a_stream_is_refused_later_counts_among_its_tries() {
    let server = FakeServer::bind().await;
    let client = client(server.options());
    client.connect().await.unwrap();
    let mut socket = server.accept().await;
    for (tries, frames) in [(1, 1), (2, 2), (3, 2)] {
        let patient =
            client.with_retry(RetryPolicy::idempotent()).with_retry(RetryPolicy::idempotent().max_tries(tries));
        let calling = tokio::spawn(async move {
            let mut items = patient.send_stream::<_, u32>("x", &1).await?;
            items.next().await.unwrap()
        });
        for _ in 0..frames {
            let id = id_of_next_request(&mut socket).await;
            reply(&mut socket, &id, OVERLOADED).await;
        }
        let error = tokio::time::timeout(Duration::from_secs(10), calling).await.expect("no further try").unwrap();
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Overloaded);
    }
}

/// However often it is begun, the first item of a stream is there in time or never.
#[tokio::test(start_paused = true)]
async fn cl_4_the_tries_of_a_stream_share_the_time_to_its_first_item() {
    let place = Place::default();
    let options = place.options().request_timeout(Some(Duration::from_millis(500)));
    let client = proxy(&ClientConfig::tcp("PLACE", options));
    // The dial takes 300 ms, so that waiting for the first item has the rest.
    place.dials_take(Duration::from_millis(300));
    let started = Instant::now();
    let mut items = client.send_stream::<_, u32>("x", &1).await.unwrap();
    let error = items.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), started.elapsed().as_millis()), (ErrorKind::Timeout, 500));

    // Refused twice, then hanging: each try has what the others have left.
    let place = Place::default();
    place.dials_take(Duration::from_millis(200));
    place.leave();
    let options = place.options().request_timeout(Some(Duration::from_millis(500)));
    let patient = proxy(&ClientConfig::tcp("PLACE", options)).with_retry(
        RetryPolicy::idempotent().max_tries(9).backoff(Backoff { max: Duration::from_millis(1), ..Backoff::default() }),
    );
    let started = Instant::now();
    patient.send_stream::<_, u32>("x", &1).await.unwrap_err();
    assert!((400..=505).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}
