//! A signal as the beginning of a graceful end.

#[cfg(unix)]
mod second;

use std::sync::{Arc, OnceLock};

use nestrs_microservices::Shutdown;
use tokio::task::JoinHandle;

/// Begins a graceful shutdown at the first signal; the second ends the process. `None`, and a line in the log, when
/// signals cannot be watched.
pub(crate) fn on_signals(shutdown: Shutdown, received: Arc<OnceLock<i32>>) -> Option<JoinHandle<()>> {
    let Some(mut signals) = Signals::watch() else {
        tracing::error!("signals cannot be watched; shutdown hooks are off");
        return None;
    };
    Some(tokio::spawn(async move {
        loop {
            let number = signals.next().await;
            // On Unix it has not come this far. An application that ends for another reason is not cut short by the first.
            if received.set(number).is_err() {
                std::process::exit(128 + number);
            }
            tracing::info!(signal = number, "shutting down");
            shutdown.begin();
        }
    }))
}

/// SIGTERM and SIGINT.
#[cfg(unix)]
struct Signals {
    signals: [tokio::signal::unix::Signal; 2],
    _watching: second::Watching,
}

#[cfg(unix)]
impl Signals {
    const KINDS: [tokio::signal::unix::SignalKind; 2] =
        [tokio::signal::unix::SignalKind::terminate(), tokio::signal::unix::SignalKind::interrupt()];

    fn watch() -> Option<Self> {
        if !second::is_installed() {
            return None;
        }
        let [terminate, interrupt] = Self::KINDS.map(tokio::signal::unix::signal);
        let signals = [terminate.ok()?, interrupt.ok()?];
        // Last: from here on, one that nobody has heard would count as the first.
        Some(Self { signals, _watching: second::Watching::begin() })
    }

    async fn next(&mut self) -> i32 {
        let [terminate, interrupt] = &mut self.signals;
        let kind = tokio::select! {
            _ = terminate.recv() => Self::KINDS[0],
            _ = interrupt.recv() => Self::KINDS[1],
        };
        kind.as_raw_value()
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn watch() -> Option<Self> {
        Some(Self)
    }

    async fn next(&mut self) -> i32 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }
}
