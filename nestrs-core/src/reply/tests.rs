//! What handlers return, and what becomes of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{Either, join, select};
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};

use super::*;
use crate::error::{ErrorKind, INTERNAL_SERVER_ERROR};

/// Converts a value as `#[micro_routes]` does.
macro_rules! reply {
    ($outcome:expr) => {{
        let outcome = $outcome;
        let kind = (&&OutcomeOf(&outcome)).kind();
        match kind.split(outcome) {
            Ok(value) => {
                let kind = (&&&&ReplyOf(&value)).kind();
                kind.reply(value)
            }
            Err(error) => Err(error),
        }
    }};
}

/// Hands the items of a stream that borrows something to an emitter, as `#[micro_routes]` does.
macro_rules! drive {
    ($stream:expr, $emitter:expr) => {{
        let stream = $stream;
        let kind = (&&&&ReplyOf(&stream)).kind();
        // Bound first: as a last expression its temporaries would outlive what they borrow from.
        let driven = kind.drive(stream, &$emitter).await;
        driven
    }};
}

/// What the caller would read: `None` for no value.
fn told(result: HandlerResult) -> Result<Option<Value>, TransportError> {
    match result? {
        Reply::Value(payload) => payload.into_value().map(Some),
        Reply::Empty => Ok(None),
        Reply::Stream(_) => panic!("a stream where a value was expected"),
    }
}

/// All items of a stream that never waits.
fn items(result: HandlerResult) -> Vec<Result<Value, TransportError>> {
    let Ok(Reply::Stream(stream)) = result else { panic!("{result:?} where a stream was expected") };
    collect(stream)
}

fn collect(stream: ReplyStream) -> Vec<Result<Value, TransportError>> {
    stream.map(|item| item.and_then(Payload::into_value)).collect().now_or_never().expect("nothing to wait for")
}

fn number(number: u64) -> Payload {
    Payload::from_value(number.into())
}

type Answer<T, E = TransportError> = Result<T, E>;

#[test]
fn a_value_is_answered_as_it_serialises() {
    assert_eq!(told(reply!(5)).unwrap(), Some(json!(5)));
    assert_eq!(told(reply!("text")).unwrap(), Some(json!("text")));
    assert_eq!(told(reply!(json!({"a": [1]}))).unwrap(), Some(json!({"a": [1]})));
    assert_eq!(told(reply!(Some(5))).unwrap(), Some(json!(5)));
    assert_eq!(told(reply!(&vec![1, 2])).unwrap(), Some(json!([1, 2])), "what is borrowed will do");
}

#[test]
fn none_is_null_and_unit_is_no_value_at_all() {
    assert_eq!(told(reply!(None::<u8>)).unwrap(), Some(Value::Null));
    assert_eq!(told(reply!(())).unwrap(), None);
    assert_eq!(told(reply!(Answer::<()>::Ok(()))).unwrap(), None);
    assert_eq!(told(reply!(Answer::<Option<u8>>::Ok(None))).unwrap(), Some(Value::Null));
}

#[test]
fn a_result_behind_an_alias_is_seen_through() {
    assert_eq!(told(reply!(Answer::<u8>::Ok(5))).unwrap(), Some(json!(5)));
    assert_eq!(told(reply!(Answer::<u8>::Err(TransportError::new("boom")))).unwrap_err().message, "boom");
    assert_eq!(told(reply!(Answer::<()>::Err(TransportError::new("boom")))).unwrap_err().message, "boom");
    assert_eq!(items(reply!(Answer::<_>::Ok(stream::iter([1])))), [Ok(json!(1))]);
}

#[test]
fn rq_4_a_foreign_error_is_withheld_from_the_caller() {
    let foreign = || std::io::Error::other("secret");
    for error in [
        told(reply!(Answer::<u8, _>::Err(foreign()))).unwrap_err(),
        told(reply!(Answer::<(), _>::Err(foreign()))).unwrap_err(),
        items(reply!(stream::iter([Answer::<u8, _>::Err(foreign())]))).remove(0).unwrap_err(),
    ] {
        assert_eq!(error.to_wire(), json!({"status": "error", "message": INTERNAL_SERVER_ERROR}));
        assert_eq!(error.to_string(), "secret", "the log may know");
    }
    assert_eq!(HandlerError::into_transport_error(foreign()).kind(), ErrorKind::Internal);
}

#[test]
fn rq_4_a_value_that_serde_refuses_is_withheld_from_the_caller() {
    // Keys of JSON objects are strings.
    let refused = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = told(reply!(refused.clone())).unwrap_err();
    assert_eq!((error.kind(), error.is_withheld()), (ErrorKind::Internal, true));
    assert!(told(reply!(Answer::<_>::Ok(refused.clone()))).unwrap_err().is_withheld());

    let fine = std::collections::BTreeMap::new();
    let answers = items(reply!(stream::iter([fine.clone(), refused, fine])));
    assert_eq!(answers.len(), 2, "it ends the stream");
    assert!(answers[1].as_ref().unwrap_err().is_withheld());
}

#[test]
fn a_stream_of_values_is_a_reply_of_many() {
    assert_eq!(items(reply!(stream::iter([1, 2]))), [Ok(json!(1)), Ok(json!(2))]);
    assert_eq!(items(reply!(stream::empty::<u8>())), []);
    assert_eq!(items(reply!(stream::iter([None, Some(1)]))), [Ok(Value::Null), Ok(json!(1))]);
    let boxed: Pin<Box<dyn Stream<Item = u8> + Send>> = Box::pin(stream::iter([1]));
    assert_eq!(items(reply!(boxed)), [Ok(json!(1))]);
}

#[test]
fn rq_9_an_error_ends_a_stream_of_results() {
    let stream = stream::iter([Ok(1), Err(TransportError::new("mid")), Ok(2)]);
    assert_eq!(items(reply!(stream)), [Ok(json!(1)), Err(TransportError::new("mid"))]);
}

#[test]
fn debug_of_a_reply_shows_no_content() {
    assert_eq!(format!("{:?}", Reply::Value(number(5))), "Value(Payload(value))");
    assert_eq!(format!("{:?}", Reply::Empty), "Empty");
    assert_eq!(format!("{:?}", Reply::Stream(Box::pin(stream::empty()))), "Stream");
}

#[test]
fn a_generated_stream_hands_out_items_in_order_and_its_error_last() {
    let counting = generate(|emitter| async move {
        for item in 0..3 {
            emitter.emit(number(item)).await;
        }
        Err(TransportError::new("end"))
    });
    assert_eq!(collect(counting), [Ok(json!(0)), Ok(json!(1)), Ok(json!(2)), Err(TransportError::new("end"))]);
}

#[test]
fn nothing_comes_after_the_end() {
    let mut short = generate(|emitter| async move {
        emitter.emit(number(1)).await;
        Err(TransportError::new("end"))
    });
    let mut next = || short.next().now_or_never().expect("nothing to wait for");
    assert!(next().unwrap().is_ok());
    assert!(next().unwrap().is_err());
    assert!(next().is_none());
    assert!(next().is_none());
}

#[test]
fn rq_9_a_generated_stream_does_not_run_ahead_of_its_reader() {
    static EMITTED: AtomicUsize = AtomicUsize::new(0);
    let mut endless = generate(|emitter| async move {
        loop {
            emitter.emit(number(EMITTED.fetch_add(1, Ordering::Relaxed) as u64)).await;
        }
    });
    assert_eq!(EMITTED.load(Ordering::Relaxed), 0, "nothing runs before the first item is asked for");
    for taken in 1..=3 {
        endless.next().now_or_never().unwrap();
        assert_eq!(EMITTED.load(Ordering::Relaxed), taken);
    }
}

#[test]
fn rq_8_dropping_a_stream_drops_its_block() {
    let held = Arc::new(());
    let watched = Arc::clone(&held);
    let mut endless = generate(|emitter| async move {
        let _held = watched;
        loop {
            emitter.emit(number(1)).await;
        }
    });
    endless.next().now_or_never().unwrap();
    assert_eq!(Arc::strong_count(&held), 2);
    drop(endless);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_finished_block_is_dropped_with_its_last_item() {
    let held = Arc::new(());
    let watched = Arc::clone(&held);
    let mut short = generate(|_| async move {
        let _held = watched;
        Ok(())
    });
    assert!(short.next().now_or_never().unwrap().is_none());
    assert_eq!(Arc::strong_count(&held), 1);
}

/// A service whose stream borrows it.
struct Clock {
    ticks: Vec<u64>,
}

impl Clock {
    fn ticks(&self) -> impl Stream<Item = &u64> + Send {
        stream::iter(&self.ticks)
    }
    fn checked(&self) -> impl Stream<Item = Result<&u64, TransportError>> + Send {
        stream::iter(&self.ticks).map(|tick| if *tick < 3 { Ok(tick) } else { Err(TransportError::new("late")) })
    }
}

#[test]
fn a_stream_may_borrow_its_service() {
    let clock = Arc::new(Clock { ticks: vec![1, 2, 3] });
    let ticks = generate({
        let clock = Arc::clone(&clock);
        move |emitter| async move { drive!(clock.ticks(), emitter) }
    });
    assert_eq!(collect(ticks), [Ok(json!(1)), Ok(json!(2)), Ok(json!(3))]);
    let checked = generate(move |emitter| async move { drive!(clock.checked(), emitter) });
    assert_eq!(collect(checked), [Ok(json!(1)), Ok(json!(2)), Err(TransportError::new("late"))]);
}

#[test]
fn a_block_that_waits_for_something_else_makes_the_stream_wait() {
    let mut first = true;
    let mut waiting = generate(|emitter| async move {
        std::future::poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
        emitter.emit(number(1)).await;
        Ok(())
    });
    assert!(waiting.next().now_or_never().is_none());
    assert_eq!(collect(waiting), [Ok(json!(1))]);
}

#[test]
fn items_emitted_side_by_side_are_all_handed_out() {
    let joined = generate(|emitter| async move {
        join(emitter.emit(number(1)), emitter.emit(number(2))).await;
        emitter.emit(number(3)).await;
        Ok(())
    });
    assert_eq!(collect(joined), [Ok(json!(1)), Ok(json!(2)), Ok(json!(3))]);

    // Here each part has a waker of its own, and is polled again only when that is called.
    let unordered = generate(|emitter| async move {
        let mut parts: FuturesUnordered<_> = (1..=3).map(|item| emitter.emit(number(item))).collect();
        while parts.next().await.is_some() {}
        Ok(())
    });
    let mut sum = 0;
    for item in collect(unordered) {
        sum += item.unwrap().as_u64().unwrap();
    }
    assert_eq!(sum, 6);
}

#[test]
fn an_item_handed_over_as_the_block_ends_is_still_handed_out() {
    let ends = generate(|emitter| async move {
        // The second is ready at once, so the block ends while the item waits.
        let Either::Right(_) = select(Box::pin(emitter.emit(number(1))), std::future::ready(())).await else {
            unreachable!("nobody has taken the item yet")
        };
        Err(TransportError::new("end"))
    });
    assert_eq!(collect(ends), [Ok(json!(1)), Err(TransportError::new("end"))]);
}
