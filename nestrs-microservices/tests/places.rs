//! Calls run in places that are used again: none of one call is left for the next, however it ends.

use std::borrow::Cow;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use nestrs_core::{
    BoxFuture, Endpoint, ExecutionContext, Extras, HandlerKind, HandlerLimits, HandlerResult, Pattern, Payload, Reply,
    Route,
};
use nestrs_microservices::{Call, Dispatcher, Inbound, Progress};

/// What a handler does, told by its payload.
struct Handler;

impl Endpoint for Handler {
    fn call<'a>(&'a self, cx: &'a ExecutionContext, payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
        assert!(cx.extensions().get::<Left>().is_none(), "left by another call");
        cx.extensions().insert(Left);
        let behaviour: String = payload.decode().unwrap();
        Box::pin(async move {
            match &*behaviour {
                "answers" => Ok(Reply::Value(payload.clone())),
                "panics" => panic!("as it was told"),
                "waits" => pending().await,
                "waits, and panics when dropped" => {
                    let _bomb = Bomb;
                    pending().await
                }
                "panics, and holds a call" => {
                    let _inner = begun("waits", &Arc::new(()));
                    poll_fn(|_| panic!("as it was told")).await
                }
                "waits, and holds a call" => {
                    let _inner = begun("waits", &Arc::new(()));
                    pending().await
                }
                other => unreachable!("{other}"),
            }
        })
    }
}

#[derive(Clone)]
struct Left;

struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as it was told");
    }
}

fn dispatcher() -> Dispatcher {
    Dispatcher::from_routes([&Route {
        pattern: Pattern::from("do"),
        kind: HandlerKind::Message,
        handler: "Handler",
        metadata: None,
        chain: Arc::default(),
        transports: &[],
        extras: Extras::default(),
        limits: HandlerLimits::default(),
        endpoint: Arc::new(Handler),
    }])
}

/// A call of it, polled once. It holds `transport` for as long as there is anything of it.
fn begun(behaviour: &str, transport: &Arc<()>) -> Result<Progress, Call> {
    let mut call = dispatcher().dispatch(Inbound {
        route: Some(Cow::Borrowed("do")),
        id: Some(Bytes::from_static(b"1")),
        payload: Payload::from_serialize(behaviour).unwrap(),
        metadata: None,
        transport: Arc::clone(transport) as _,
    });
    match Pin::new(&mut call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(progress) => Ok(progress),
        Poll::Pending => Err(call),
    }
}

/// What it answers, when nothing of the call is left but that.
fn answer(behaviour: &str) -> String {
    let held = Arc::new(());
    let progress = begun(behaviour, &held).unwrap_or_else(|_| panic!("it waits for nothing"));
    assert_eq!(Arc::strong_count(&held), 1, "the call has ended, and all of it");
    assert!(progress.rest.is_none());
    format!("{:?}", progress.answers.as_slice())
}

#[test]
fn rq_5_a_place_is_as_good_as_new_after_a_panic() {
    let good = answer("answers");
    for _ in 0..200 {
        for behaviour in ["panics", "panics, and holds a call"] {
            let error = answer(behaviour);
            assert!(error.contains("panicked: as it was told"), "{error}");
            assert_eq!(answer("answers"), good);
        }
    }
}

#[test]
fn rq_5_a_place_is_as_good_as_new_after_a_panic_in_a_drop() {
    for _ in 0..200 {
        let held = Arc::new(());
        let call = begun("waits, and panics when dropped", &held).unwrap_err();
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(call)));
        assert!(dropped.is_err(), "whoever drops a call hears of it");
        assert_eq!(Arc::strong_count(&held), 1);
        answer("answers");
    }
}

#[test]
fn a_call_that_is_dropped_half_way_goes_as_a_whole_and_so_do_those_it_holds() {
    // More than any thread keeps places for.
    let held = Arc::new(());
    let calls: Vec<_> =
        ["waits", "waits, and holds a call"].repeat(200).iter().map(|what| begun(what, &held).unwrap_err()).collect();
    assert_eq!(Arc::strong_count(&held), 401);
    drop(calls);
    assert_eq!(Arc::strong_count(&held), 1);
    answer("answers");
}

#[test]
fn a_call_may_be_dropped_on_another_thread_also_at_its_end() {
    thread_local! {
        static LAST: std::cell::RefCell<Vec<Call>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let held = Arc::new(());
    let calls: Vec<_> = (0..100).map(|_| begun("waits, and holds a call", &held).unwrap_err()).collect();
    let elsewhere = std::thread::spawn(move || {
        let mut calls = calls;
        // Dropped with what belongs to the thread, when its places may be gone already.
        LAST.with_borrow_mut(|last| last.extend(calls.drain(..50)));
        drop(calls);
        answer("answers")
    });
    elsewhere.join().unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
    answer("answers");
}
