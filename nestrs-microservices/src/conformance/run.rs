//! From a target to its report.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;

use super::bench::{Bench, Broken, Found};
use super::promise::Promise;
use super::report::{Outcome, Report, Row};
use super::target::{ConformanceTarget, Offer};
use super::{calls, endings, losses};

/// Checks every promise that the transport offers, one after another, each with a service and clients of its own. A few
/// seconds; nothing that hangs holds it up for longer than [`ConformanceTarget::patience`] allows. The page of
/// [this module](super) has an example.
pub async fn run(target: &dyn ConformanceTarget) -> Report {
    run_only(target, &Promise::ALL).await
}

/// Checks these promises only: while a transport is being written.
///
/// ```
/// use nestrs_microservices::conformance::{ConformanceTarget, Promise, run_only};
///
/// async fn begin_with(target: &dyn ConformanceTarget) {
///     run_only(target, &[Promise::Send, Promise::Error]).await.assert_kept();
/// }
/// ```
pub async fn run_only(target: &dyn ConformanceTarget, promises: &[Promise]) -> Report {
    let mut rows = Vec::with_capacity(promises.len());
    for &promise in promises {
        let began = Instant::now();
        let outcome = match target.offer(promise) {
            Offer::No(reason) => Outcome::NotOffered(reason),
            Offer::Yes => check(target, promise).await,
        };
        rows.push(Row { promise, outcome, took: began.elapsed() });
    }
    Report { transport: target.name().to_owned(), rows }
}

async fn check(target: &dyn ConformanceTarget, promise: Promise) -> Outcome {
    let bench = Bench::new(target, prefix());
    // What a transport does with a check is its own; what a panic of it leaves behind is cleared away.
    let found = AssertUnwindSafe(story(&bench, promise)).catch_unwind().await;
    bench.clear_away().await;
    match found {
        Ok(Ok(())) => Outcome::Kept,
        Ok(Err(Broken(what))) => Outcome::Broken(what),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Outcome::Broken(format!("a panic: {text}"))
        }
    }
}

async fn story(bench: &Bench<'_>, promise: Promise) -> Found {
    match promise {
        Promise::Send => calls::send(bench).await,
        Promise::Emit => calls::emit(bench).await,
        Promise::Order => calls::order(bench).await,
        Promise::Error => calls::error(bench).await,
        Promise::Stream => calls::stream(bench).await,
        Promise::Metadata => calls::metadata(bench).await,
        Promise::Deadline => endings::deadline(bench).await,
        Promise::Cancel => endings::cancel(bench).await,
        Promise::CallerGone => endings::caller_gone(bench).await,
        Promise::Drain => endings::drain(bench).await,
        Promise::Reconnect => losses::reconnect(bench).await,
        Promise::Status => losses::status(bench).await,
        Promise::Oversize => losses::oversize(bench).await,
        Promise::Panic => calls::panic(bench).await,
        Promise::UnknownPattern => calls::unknown_pattern(bench).await,
        Promise::Duplicate => calls::duplicate(bench).await,
        Promise::Replicas => losses::replicas(bench).await,
        Promise::Close => endings::close(bench).await,
    }
}

/// What patterns begin with: others than of any check before, in any process.
fn prefix() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("conformance-{}-{now:x}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
