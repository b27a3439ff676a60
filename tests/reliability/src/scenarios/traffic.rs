//! Five hundred messages a second, whatever becomes of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

/// Between two of them.
const PACE: Duration = Duration::from_millis(2);

/// What has become of messages.
pub(super) trait Findings: Default + Send + 'static {
    /// Of one of them.
    type One: Send + 'static;

    /// Takes what one has come to; one that panicked has not ended as it should.
    fn take(&mut self, ended: Result<Self::One, JoinError>);
}

/// Messages that go on until they are told to end.
#[derive(Debug)]
pub(super) struct Traffic<F> {
    stop: Arc<Notify>,
    going: JoinHandle<F>,
}

impl<F: Findings> Traffic<F> {
    /// Each message is what `next` gives, and none waits for another.
    pub(super) fn begin<S>(next: impl FnMut() -> S + Send + 'static) -> Self
    where
        S: Future<Output = F::One> + Send + 'static,
    {
        let stop = Arc::new(Notify::new());
        Self { going: tokio::spawn(go(next, Arc::clone(&stop))), stop }
    }

    /// No more, and what became of those there were.
    pub(super) async fn end(self) -> Result<F, JoinError> {
        self.stop.notify_one();
        self.going.await
    }
}

async fn go<F: Findings, S>(mut next: impl FnMut() -> S, stop: Arc<Notify>) -> F
where
    S: Future<Output = F::One> + Send + 'static,
{
    let mut found = F::default();
    let mut under_way = JoinSet::new();
    let mut pace = tokio::time::interval(PACE);
    // A machine that was busy is made to catch up: the number is what counts.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            biased;
            () = stop.notified() => break,
            _ = pace.tick() => {
                under_way.spawn(next());
            }
            Some(ended) = under_way.join_next() => found.take(ended),
        }
    }
    while let Some(ended) = under_way.join_next().await {
        found.take(ended);
    }
    found
}
