//! Calls that end otherwise than by their answer.

use std::time::{Duration, Instant};

use nestrs_core::{ErrorKind, Sent};
use serde_json::json;

use super::bench::{Bench, Broken, Found, ensure, shown};

/// What a machine with other things to do may add to any time.
const SLACK: Duration = Duration::from_secs(1);

pub(super) async fn deadline(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    let limited = caller.by(caller.client.with_timeout(Duration::from_secs(60)));
    let left = bench.soon("an answer", limited.send("left", &())).await??;
    let told = left.as_u64().is_some_and(|left| (50_000..=60_001).contains(&left));
    ensure!(told, "a handler whose caller waits 60 s is told of {left} ms");

    let timeout = Duration::from_millis(100);
    let limited = caller.by(caller.client.with_timeout(timeout));
    let began = tokio::time::Instant::now();
    let error = limited.fails("hold", &1).await?;
    let took = began.elapsed();
    ensure!(error.kind() == ErrorKind::Timeout, "a call that is not answered ends by {}", shown(&error));
    ensure!(error.sent() == Some(Sent::Maybe), "a call that is not answered ends by {}", shown(&error));
    ensure!(took < timeout + SLACK, "a call with {timeout:?} ends after {took:?}");
    caller
        .seen("the handler of a call that timed out to end", |seen| seen.iter().any(|line| line == "let go 1"))
        .await?;
    bench.eventually("a call that timed out to be forgotten", || caller.client.stats().pending == 0).await?;
    caller.echoes(&json!("after a timeout")).await
}

pub(super) async fn cancel(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    for number in 1..=10 {
        let call = caller.holding(number).await?;
        call.abort();
        // Its future is gone when this returns.
        let _ = call.await;
    }
    let pending = caller.client.stats().pending;
    ensure!(pending == 0, "{pending} calls wait for an answer whose futures were dropped");
    // Their answers come now, and are nobody's.
    caller.service.release.add_permits(10);
    for number in 100..120 {
        caller.echoes(&json!(number)).await?;
    }
    Ok(())
}

pub(super) async fn caller_gone(bench: &Bench<'_>) -> Found {
    let instance = bench.serve().await?;
    let caller = bench.caller(&instance).await?;
    let (client, pattern) = (caller.client.clone(), caller.pattern("watch"));
    let call = tokio::spawn(async move { client.send::<_, serde_json::Value>(pattern, &1).await });
    caller.seen("a handler to begin", |seen| seen.iter().any(|line| line == "watching")).await?;
    bench.soon("a client to close", caller.client.close()).await?;
    let _ = caller.end_of(call).await?;
    caller.seen("a handler to be told that its caller is gone", |seen| seen.iter().any(|line| line == "told")).await
}

pub(super) async fn drain(bench: &Bench<'_>) -> Found {
    ends_in_order(bench).await?;
    ends_in_time(bench).await
}

async fn ends_in_order(bench: &Bench<'_>) -> Found {
    let (instance, caller) = bench.pair().await?;
    let held = caller.holding(1).await?;
    let story = async {
        // Each is another call, to be found among what was handled or not.
        let mut number = 0;
        let refusing = async {
            loop {
                number += 1;
                match caller.send("echo", &number).await {
                    Ok(_) => tokio::task::yield_now().await,
                    Err(error) => break error,
                }
            }
        };
        let error = bench.soon("a service that ends to refuse", refusing).await?;
        let open = matches!(error.kind(), ErrorKind::Timeout | ErrorKind::ConnectionClosed | ErrorKind::Closed);
        ensure!(!open, "a service that ends refuses by {}, which leaves open whether it was executed", shown(&error));
        let times = caller.service.times(&format!("echo {number}"));
        ensure!(times == 0, "a service that ends refuses by {} what it executes", shown(&error));
        caller.service.release.add_permits(1);
        let (answer, _) = caller.end_of(held).await?;
        answer.map_err(|error| {
            Broken(format!("a call under way is not answered by a service that ends: {}", shown(&error)))
        })?;
        Ok(())
    };
    let (closed, told) = tokio::join!(bench.soon("a service to end", instance.close()), story);
    told?;
    closed?
}

/// A handler that does not end does not hold it up.
async fn ends_in_time(bench: &Bench<'_>) -> Found {
    let (instance, caller) = bench.pair().await?;
    let held = caller.holding(2).await?;
    let began = Instant::now();
    let (closed, ended) = tokio::join!(bench.soon("a service to end", instance.close()), caller.end_of(held));
    closed??;
    let limit = instance.grace_period + Duration::from_secs(1) + SLACK;
    ensure!(began.elapsed() < limit, "a service with {:?} ends after {:?}", instance.grace_period, began.elapsed());
    let (answer, at) = ended?;
    let waited = at.saturating_duration_since(began);
    ensure!(answer.is_err(), "a call whose handler was ended succeeds");
    ensure!(waited < limit, "a call whose handler was ended is told so after {waited:?}");
    ensure!(caller.service.times("let go 2") == 1, "a handler runs on after the end of its service");
    Ok(())
}

pub(super) async fn close(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    let held = caller.holding(1).await?;
    bench.soon("a client to close", caller.client.close()).await?;
    let (answer, _) = caller.end_of(held).await?;
    let error = answer.err().ok_or_else(|| Broken("a call under way outlives its client's `close`".to_owned()))?;
    ensure!(error.kind() == ErrorKind::Closed, "a call under way ends at `close` by {}", shown(&error));
    let error = caller.fails("echo", &1).await?;
    ensure!(error.kind() == ErrorKind::Closed, "a call after `close` fails by {}", shown(&error));
    ensure!(error.sent() == Some(Sent::No), "a call after `close` fails by {}", shown(&error));
    let emitted = bench.soon("an event to be emitted", caller.emit("note", &1)).await?;
    ensure!(emitted.is_err(), "an event is emitted after `close`");
    let pending = caller.client.stats().pending;
    ensure!(pending == 0, "{pending} calls wait for an answer after `close`");
    bench.soon("a client to close again", caller.client.close()).await
}
