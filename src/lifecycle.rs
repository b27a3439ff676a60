//! Runs the hooks of providers: in order, each bounded in time and fenced off from the others.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use nestrs_core::{Hook, Lifecycle, Phase};

use crate::error::ListenError;

/// How long one hook may take while the application starts.
const START_MAX: Duration = Duration::from_secs(60);
/// How long one hook may take while it ends.
const END_MAX: Duration = Duration::from_secs(5);

/// Runs the hooks of the start; the first that fails ends it.
pub(crate) async fn begin(lifecycle: &Lifecycle) -> Result<(), ListenError> {
    for phase in [Phase::ModuleInit, Phase::ApplicationBootstrap] {
        for (provider, hook) in lifecycle.hooks(phase) {
            run(hook, None, START_MAX)
                .await
                .map_err(|cause| ListenError::Hook(format!("{provider} failed in `{phase}`: {cause}")))?;
        }
    }
    Ok(())
}

/// Runs the hooks of the end, all of them: one that fails is logged.
pub(crate) async fn end(lifecycle: &Lifecycle, signal: Option<i32>) {
    for phase in [Phase::ModuleDestroy, Phase::BeforeApplicationShutdown, Phase::ApplicationShutdown] {
        for (provider, hook) in lifecycle.hooks(phase) {
            if let Err(cause) = run(hook, signal, END_MAX).await {
                tracing::error!(provider, %phase, cause, "a shutdown hook failed");
            }
        }
    }
}

/// Runs one hook; why it failed, in words.
async fn run(hook: &Hook, signal: Option<i32>, max: Duration) -> Result<(), String> {
    // A hook may panic before it has made its future.
    let running = AssertUnwindSafe(async { hook(signal).await }).catch_unwind();
    match tokio::time::timeout(max, running).await {
        Ok(Ok(outcome)) => outcome.map_err(|error| error.to_string()),
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Err(format!("panicked: {}", text.unwrap_or("(no message)")))
        }
        Err(_) => Err(format!("not done within {max:?}")),
    }
}
