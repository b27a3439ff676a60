//! Several event handlers for one pattern: all run at once, and a request is answered with what they came to together.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use nestrs_core::{BoxFuture, ExecutionContext, HandlerResult, Payload, Reply, Route, TransportError};
use serde_json::{Value, json};

use super::bounded::bounded;
use super::call::EventFailure;
use super::failure::log_failure;
use super::run::Ran;
use super::stream::{STREAM_BUFFER, fenced_next};
use crate::deadline::{self, timed_out};

/// Runs them all. One that streams has its deadline until the end of its stream.
pub(super) async fn several(
    routes: &[Route],
    cx: &ExecutionContext,
    id: Option<&Bytes>,
    handler_timeout: Option<Duration>,
) -> Ran {
    let calls = routes.iter().map(|route| {
        let cx = cx.clone().with_own_extensions();
        async move {
            let mut cx = cx;
            let ran = bounded(route, &mut cx, id, handler_timeout).await;
            let value = last_value(ran.outcome, route.pattern.route());
            let value = match ran.deadline {
                None => value.await,
                Some(deadline) => deadline::until(deadline, pin!(value)).await.unwrap_or_else(|| Err(timed_out())),
            };
            (value, ran.unfinished)
        }
    });
    let (outcomes, unfinished) = together(calls).await;
    let outcome = if id.is_some() { join(outcomes) } else { worst(outcomes) };
    Ran { outcome, deadline: None, unfinished }
}

/// Waits for several handlers. One that goes on though its time is over does so meanwhile: it may hold what another needs.
async fn together<T>(
    calls: impl Iterator<Item = impl Future<Output = (T, Option<BoxFuture<'static, ()>>)>>,
) -> (Vec<T>, Option<BoxFuture<'static, ()>>) {
    let mut calls: FuturesUnordered<_> = calls.enumerate().map(|(at, call)| async move { (at, call.await) }).collect();
    let mut outcomes = Vec::with_capacity(calls.len());
    let mut unfinished = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            ended = calls.next() => match ended {
                Some((at, (outcome, running))) => {
                    // As they are declared, however they end.
                    let place = outcomes.partition_point(|(other, _)| *other < at);
                    outcomes.insert(place, (at, outcome));
                    unfinished.extend(running);
                }
                None => break,
            },
            Some(()) = unfinished.next() => {}
        }
    }
    let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    let unfinished = (!unfinished.is_empty()).then(|| unfinished.collect::<()>().boxed());
    (outcomes, unfinished)
}

/// What one of them came to: `Ok(None)` when it gave no value at all, as an empty Observable does;
/// an inner `None` is NestJS's `undefined`.
type LastValue = Result<Option<Option<Value>>, TransportError>;

/// Runs a handler's stream to its end.
async fn last_value(outcome: HandlerResult, pattern: &str) -> LastValue {
    let mut items = match outcome? {
        Reply::Value(payload) => return Ok(Some(Some(payload.into_value()?))),
        Reply::Empty => return Ok(Some(None)),
        Reply::Stream(items) => items,
    };
    let mut last = None;
    let mut taken = 0;
    while let Some(item) = fenced_next(&mut items).await {
        let item = item.inspect_err(|error| log_failure(error, "(stream)", pattern, false))?;
        last = Some(Some(item.into_value()?));
        taken += 1;
        if taken % STREAM_BUFFER == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(last)
}

/// What an event has come to: the first failure after which to try again, or else the first.
fn worst(outcomes: Vec<LastValue>) -> HandlerResult {
    let mut failures: Vec<TransportError> = outcomes.into_iter().filter_map(Result::err).collect();
    let again = failures.iter().position(|error| !EventFailure::of(error).is_final).unwrap_or(0);
    if failures.is_empty() { Ok(Reply::Empty) } else { Err(failures.swap_remove(again)) }
}

/// What NestJS answers to a request that several event handlers take: their last values, nested two by two, after all
/// have run; the first error, if any failed; nothing, if any gave no value at all.
fn join(outcomes: Vec<LastValue>) -> HandlerResult {
    let values: Option<Vec<Option<Value>>> = outcomes.into_iter().collect::<Result<_, _>>()?;
    let Some(values) = values else { return Ok(Reply::Empty) };
    let joined = values.into_iter().rev().reduce(|next, current| {
        let mut pair = serde_json::Map::new();
        pair.extend(current.map(|current| ("current".to_owned(), current)));
        pair.extend(next.map(|next| ("next".to_owned(), next)));
        Some(Value::Object(pair))
    });
    Ok(Reply::Value(Payload::from_value(joined.flatten().unwrap_or_else(|| json!({})))))
}
