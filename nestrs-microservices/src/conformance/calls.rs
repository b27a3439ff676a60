//! Calls and events while nothing is wrong with the way between the ends.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use nestrs_core::{ErrorKind, INTERNAL_SERVER_ERROR};
use serde_json::{Value, json};

use super::bench::{Bench, Broken, Caller, Found, ensure, shown};
use super::service::SECRET;

/// What JSON there is.
fn values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(false),
        json!(0),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(0.1),
        json!(""),
        json!("quo\"te, \\ and # \r\n\t\u{0}\u{1f600} gęś"),
        json!([]),
        json!({}),
        json!({ "pattern": "x", "id": 1, "data": [{ "a": { "b": [1, null, "é"] } }], "isDisposed": true, "err": "no" }),
        json!("ł".repeat(8 * 1024)),
    ]
}

pub(super) async fn send(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    for value in values() {
        caller.echoes(&value).await?;
    }
    let nothing = bench.soon("an answer without a value", caller.send("nothing", &())).await??;
    ensure!(nothing.is_null(), "an answer without a value came as {nothing}");
    let object = bench.soon("an answer", caller.send("object", &7)).await??;
    ensure!(object == 7, "a call by an object pattern came back as {object}");

    let slow = caller.holding(1).await?;
    let numbers: Vec<Value> = (100..164).map(Value::from).collect();
    try_join_all(numbers.iter().map(|number| caller.echoes(number))).await?;
    caller.service.release.add_permits(1);
    let (answer, _) = caller.end_of(slow).await?;
    let answer = answer?;
    ensure!(answer == 1, "a slow call came back as {answer}");
    Ok(())
}

pub(super) async fn emit(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    for number in 0..3 {
        bench.soon("an event to be emitted", caller.emit("note", &json!({ "n": number }))).await??;
    }
    for number in 0..3 {
        for handler in ["first", "second"] {
            let line = format!(r#"{handler} {{"n":{number}}}"#);
            caller.seen(&format!("an event at its {handler} handler"), |seen| seen.contains(&line)).await?;
        }
    }
    Ok(())
}

pub(super) async fn order(bench: &Bench<'_>) -> Found {
    const EVENTS: usize = 200;
    let (_, caller) = bench.pair().await?;
    for number in 0..EVENTS {
        bench.soon("an event to be emitted", caller.emit("note", &number)).await??;
    }
    let all = |seen: &[String]| seen.iter().filter(|line| line.starts_with("first ")).count() >= EVENTS;
    caller.seen("all events", all).await?;
    let came = caller.service.after("first ");
    let wrong = came.iter().enumerate().find(|(number, came)| **came != number.to_string());
    ensure!(
        wrong.is_none(),
        "where event {} should begin, {} does",
        wrong.map_or(0, |at| at.0),
        wrong.map_or("", |at| at.1)
    );
    Ok(())
}

pub(super) async fn error(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    let error = caller.fails("fail", &json!({ "left": 0 })).await?;
    ensure!(error.to_string() == "sold out", "an error `sold out` arrives as {}", shown(&error));
    let said = error.details.as_ref().and_then(|details| details.pointer("/details/left").or(details.get("left")));
    ensure!(said == Some(&json!(0)), "an error's details arrive as {:?}", error.details);
    let error = caller.fails("fail-inside", &1).await?;
    let text = format!("{error} {:?}", error.details);
    ensure!(!text.contains(SECRET), "the text of an internal error reaches its caller: {}", shown(&error));
    ensure!(error.to_string() == INTERNAL_SERVER_ERROR, "an internal error arrives as {}", shown(&error));
    caller.echoes(&json!("after errors")).await
}

/// The items of a stream, and the text of the error that ends it.
async fn items(bench: &Bench<'_>, caller: &Caller<'_>, name: &str, payload: u64) -> Result<(Vec<u64>, String), Broken> {
    let reading = async {
        let mut stream = caller.client.send_stream::<_, u64>(caller.pattern(name), &payload).await?;
        let (mut items, mut ended) = (Vec::new(), String::new());
        while let Some(item) = stream.next().await {
            match item {
                Ok(item) => items.push(item),
                Err(error) => ended = error.to_string(),
            }
        }
        Ok::<_, Broken>((items, ended))
    };
    bench.soon("the end of a stream", reading).await?
}

pub(super) async fn stream(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    for last in [0, 1, 100] {
        let (came, error) = items(bench, &caller, "count", last).await?;
        let wanted: Vec<u64> = (1..=last).collect();
        ensure!(
            came == wanted && error.is_empty(),
            "a stream of {last} items came as {came:?}, and ended by `{error}`"
        );
    }
    let (came, error) = items(bench, &caller, "count-and-fail", 0).await?;
    ensure!(came == [1, 2] && error == "out of numbers", "two items and an error came as {came:?} and `{error}`");

    let opening = caller.client.send_stream::<_, u64>(caller.pattern("count"), &50);
    let mut left = bench.soon("a stream", opening).await??;
    let first = bench.soon("an item", left.next()).await?;
    ensure!(matches!(first, Some(Ok(1))), "the first item of a stream came as {first:?}");
    drop(left);
    bench.eventually("a stream that was left to be forgotten", || caller.client.stats().pending == 0).await?;
    caller.echoes(&json!("after streams")).await
}

pub(super) async fn metadata(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    let told = caller.by(caller.client.with_metadata("x-tenant", "acme"));
    let tenant = bench.soon("an answer", told.send("tenant", &())).await??;
    ensure!(tenant == "acme", "metadata `acme` of a call arrive as {tenant}");
    let tenant = bench.soon("an answer", caller.send("tenant", &())).await??;
    ensure!(tenant.is_null(), "a call without metadata has {tenant}");
    bench.soon("an event to be emitted", told.emit("note", &1)).await??;
    caller.seen("an event", |seen| seen.iter().any(|line| line.starts_with("first 1"))).await?;
    ensure!(caller.service.times("first 1 of acme") == 1, "metadata `acme` of an event do not arrive");
    Ok(())
}

pub(super) async fn panic(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    let held = caller.holding(1).await?;
    for _ in 0..20 {
        let error = caller.fails("panic", &1).await?;
        ensure!(error.to_string() == INTERNAL_SERVER_ERROR, "a panic arrives as {}", shown(&error));
        caller.echoes(&json!("after a panic")).await?;
    }
    caller.service.release.add_permits(1);
    let (answer, _) = caller.end_of(held).await?;
    answer.map_err(|error| Broken(format!("a panic ends another call: {}", shown(&error))))?;
    Ok(())
}

pub(super) async fn unknown_pattern(bench: &Bench<'_>) -> Found {
    let (_, caller) = bench.pair().await?;
    for _ in 0..3 {
        let began = tokio::time::Instant::now();
        let error = caller.fails("nobody", &1).await?;
        ensure!(error.kind() == ErrorKind::NotFound, "a call that nobody handles fails by {}", shown(&error));
        let took = began.elapsed();
        ensure!(took < Duration::from_secs(1), "a call that nobody handles fails after {took:?}");
        // Whatever comes of it.
        let _ = bench.soon("an event that nobody handles", caller.emit("nobody", &1)).await?;
        caller.echoes(&json!("after nobody")).await?;
    }
    Ok(())
}

pub(super) async fn duplicate(bench: &Bench<'_>) -> Found {
    const EACH: u64 = 50;
    let (instance, one) = bench.pair().await?;
    let other = bench.caller(&instance).await?;
    let numbers: Vec<Value> = (0..2 * EACH).map(Value::from).collect();
    let callers = numbers.iter().map(|number| if number.as_u64() < Some(EACH) { &one } else { &other });
    let calls = callers.zip(&numbers).map(|(caller, number)| async move {
        caller.echoes(number).await?;
        bench.soon("an event to be emitted", caller.emit("note", number)).await??;
        Ok::<_, Broken>(())
    });
    for ended in join_all(calls).await {
        ended?;
    }
    let all = |seen: &[String]| seen.iter().filter(|line| line.starts_with("second ")).count() >= numbers.len();
    one.seen("all events", all).await?;
    // What comes twice comes before what was sent later.
    for caller in [&one, &other] {
        caller.echoes(&json!("barrier")).await?;
    }
    for number in &numbers {
        for what in ["echo", "first", "second"] {
            let times = one.service.times(&format!("{what} {number}"));
            ensure!(times == 1, "{number} was handled {times} times by `{what}`");
        }
    }
    Ok(())
}
