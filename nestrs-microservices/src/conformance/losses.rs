//! A way that is cut, messages that are too long for it, and several who wait at its end.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nestrs_core::{ErrorKind, Sent, TransportError};
use serde_json::{Value, json};

use crate::transport::ClientStatus;

use super::bench::{Bench, Broken, Caller, Found, ensure, shown};

/// By when calls under way have failed: 100 ms (CL-2), or a second where a broker is lost (BR-2), and what a machine with
/// other things to do adds.
const NOTICED: Duration = Duration::from_millis(1500);
/// By when all is as before: two seconds (BR-3), and as much again.
const BACK: Duration = Duration::from_secs(4);

pub(super) async fn reconnect(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    let outcome = cut_and_mended(bench, &caller).await;
    // The next one finds it whole.
    bench.target.mend().await?;
    outcome
}

async fn cut_and_mended(bench: &Bench<'_>, caller: &Caller<'_>) -> Found {
    for round in 1..=2 {
        let mut held = Vec::new();
        for number in 0..5 {
            held.push(caller.holding(10 * round + number).await?);
        }
        let cutting = Instant::now();
        bench.soon("the way to be cut", bench.target.cut()).await??;
        let cut = Instant::now();
        for call in held {
            let (answer, at) = caller.end_of(call).await?;
            let error = answer.err().ok_or_else(|| Broken("a call is answered over a way that is cut".to_owned()))?;
            ensure!(at >= cutting && at < cut + NOTICED, "a call fails {:?} after the way is cut", at - cutting);
            let is_so = (error.kind(), error.sent()) == (ErrorKind::ConnectionClosed, Some(Sent::Maybe));
            ensure!(is_so, "a call under way fails by {} when the way is cut", shown(&error));
        }
        let pending = caller.client.stats().pending;
        ensure!(pending == 0, "{pending} calls are still under way after the loss");
        let error = caller.fails("echo", &1).await?;
        ensure!(error.sent() == Some(Sent::No), "a call without a way fails by {}", shown(&error));
        let emitted = bench.soon("an event without a way", caller.emit("note", &round)).await?;
        let error = emitted.err().ok_or_else(|| Broken("an event is emitted without a way".to_owned()))?;
        ensure!(error.sent() == Some(Sent::No), "an event without a way fails by {}", shown(&error));

        bench.soon("the way to be mended", bench.target.mend()).await??;
        answers_again(caller).await?;
        bench.soon("an event to be emitted", caller.emit("note", &json!(round + 100))).await??;
        let line = format!("first {}", round + 100);
        caller.seen("an event after the loss", |seen| seen.contains(&line)).await?;
        let line = format!("first {round}");
        ensure!(caller.service.times(&line) == 0, "an event is handled that was said not to be sent");
    }
    Ok(())
}

/// Calls until there is an answer: the service may come back later than its client.
async fn answers_again(caller: &Caller<'_>) -> Found {
    let mended = Instant::now();
    loop {
        match caller.send("echo", &json!("again")).await {
            Ok(_) => return Ok(()),
            Err(error) => {
                let waited = mended.elapsed();
                ensure!(waited < BACK, "{waited:?} after the way is mended a call fails by {}", shown(&error));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

pub(super) async fn status(bench: &Bench<'_>) -> Found {
    let instance = bench.serve().await?;
    let caller = bench.caller(&instance).await?;
    let outcome = all_states(bench, &caller).await;
    bench.target.mend().await?;
    outcome
}

async fn all_states(bench: &Bench<'_>, caller: &Caller<'_>) -> Found {
    let mut statuses = caller.client.status();
    let mut becomes = async |what: &str, wanted: fn(&ClientStatus) -> bool| {
        let waiting = async {
            while let Some(status) = statuses.next().await {
                if wanted(&status) {
                    return Ok(());
                }
            }
            Err(Broken(format!("the states end, and never say {what}")))
        };
        bench.soon(format!("a client to say that it is {what}"), waiting).await?
    };
    caller.echoes(&json!("ready")).await?;
    becomes("connected", |status| *status == ClientStatus::Connected).await?;
    bench.soon("the way to be cut", bench.target.cut()).await??;
    let cut = Instant::now();
    becomes("disconnected", |status| matches!(status, ClientStatus::Disconnected(_))).await?;
    let told = cut.elapsed();
    ensure!(told < NOTICED, "a loss is told after {told:?}");
    bench.soon("the way to be mended", bench.target.mend()).await??;
    let mended = Instant::now();
    becomes("connected again, without a call", |status| *status == ClientStatus::Connected).await?;
    let told = mended.elapsed();
    ensure!(told < BACK, "a client connects again after {told:?}");
    bench.soon("a client to close", caller.client.close()).await?;
    becomes("closed", |status| *status == ClientStatus::Closed).await
}

pub(super) async fn oversize(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    let max = bench.target.max_message_bytes();
    let (fits, too_long) = (Value::from("x".repeat(max - max / 4)), Value::from("x".repeat(max + 1)));
    caller.echoes(&fits).await?;
    let held = caller.holding(1).await?;
    let refused = |error: &TransportError| (error.kind(), error.sent()) == (ErrorKind::TooLarge, Some(Sent::No));
    for _ in 0..3 {
        let error = caller.fails("echo", &too_long).await?;
        ensure!(refused(&error), "a request of more than {max} bytes fails by {}", shown(&error));
        let emitted = bench.soon("an event that is too long", caller.emit("note", &too_long)).await?;
        let error = emitted.err().ok_or_else(|| Broken(format!("an event of more than {max} bytes is emitted")))?;
        ensure!(refused(&error), "an event of more than {max} bytes fails by {}", shown(&error));
        let error = caller.fails("long", &(max + 1)).await?;
        ensure!(error.kind() != ErrorKind::Timeout, "nobody says that a reply of more than {max} bytes is too long");
        caller.echoes(&json!("after that")).await?;
    }
    caller.service.release.add_permits(1);
    let (answer, _) = caller.end_of(held).await?;
    answer.map_err(|error| Broken(format!("a message that is too long ends another call: {}", shown(&error))))?;
    Ok(())
}

pub(super) async fn replicas(bench: &Bench<'_>) -> Found {
    const CALLS: usize = 64;
    let (one, caller) = bench.pair().await?;
    let other = bench.serve().await?;
    let before = one.service.after("echo ").len();
    for number in 0..CALLS {
        caller.echoes(&json!(number)).await?;
    }
    let (at_one, at_other) = (one.service.after("echo ").len() - before, other.service.after("echo ").len());
    ensure!(
        at_one + at_other == CALLS,
        "{CALLS} calls were handled {at_one} times by one and {at_other} times by the other"
    );
    ensure!(at_one > 0 && at_other > 0, "of {CALLS} calls one handled {at_one}, the other {at_other}");

    for number in 0..CALLS {
        bench.soon("an event to be emitted", caller.emit("note", &json!(number))).await??;
    }
    let handled = || one.service.after("first ").len() + other.service.after("first ").len();
    bench.eventually("all events to be handled", || handled() >= CALLS).await?;
    caller.echoes(&json!("barrier")).await?;
    ensure!(handled() == CALLS, "{CALLS} events were handled {} times", handled());

    // The one that remains does it all, and no call is lost on the way.
    let (closed, calls) = tokio::join!(bench.soon("an instance to end", one.close()), async {
        for number in 0..CALLS {
            caller
                .echoes(&json!(number))
                .await
                .map_err(|Broken(what)| Broken(format!("while one of two ends: {what}")))?;
        }
        Ok::<_, Broken>(())
    });
    closed??;
    calls?;
    caller.echoes(&json!("one is left")).await
}
