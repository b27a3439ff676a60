//! How servers stop: a signal to all of them, a count of what they still do, and a bound on the wait.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by everything that has to stop together. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// Stop taking new work.
    stopping: CancellationToken,
    /// Stop at once.
    expired: CancellationToken,
    tasks: TaskTracker,
    grace_period: Duration,
}

impl Shutdown {
    /// A shutdown that lets work finish for `grace_period` once it has begun.
    #[must_use]
    pub fn new(grace_period: Duration) -> Self {
        Self {
            stopping: CancellationToken::new(),
            expired: CancellationToken::new(),
            tasks: TaskTracker::new(),
            grace_period,
        }
    }

    /// How long work may take to finish once it has begun.
    #[must_use]
    pub fn grace_period(&self) -> Duration {
        self.grace_period
    }

    /// Begins it. Everyone who waits in [`Shutdown::until`] is woken.
    pub fn begin(&self) {
        self.stopping.cancel();
    }

    /// Begins it with its grace period already over: what still runs is dropped.
    pub fn abort(&self) {
        self.stopping.cancel();
        self.expired.cancel();
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Completes when it has begun.
    pub async fn begun(&self) {
        self.stopping.cancelled().await;
    }

    /// Completes when the grace period is over: what still runs is dropped.
    pub async fn expired(&self) {
        self.expired.cancelled().await;
    }

    /// `next`, or `None` once the shutdown has begun.
    pub async fn until<T>(&self, next: impl Future<Output = Option<T>>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => None,
            item = next => item,
        }
    }

    /// Runs `work` as a task that the shutdown waits for, up to the end of the grace period.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let expired = self.expired.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = work => {}
                // A task that watches `expired` itself has a moment to say good-bye.
                () = async { expired.cancelled().await; tokio::time::sleep(FAREWELL).await } => {}
            }
        });
    }

    /// `work`, as something that the shutdown waits for without ending it: it is expected to end by itself.
    pub fn track<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.tasks.track_future(work)
    }

    /// Begins it if it has not begun, waits until every task has ended, and returns within the grace period and a
    /// moment.
    pub async fn finish(&self) {
        self.begin();
        self.tasks.close();
        if tokio::time::timeout(self.grace_period, self.tasks.wait()).await.is_err() {
            self.expired.cancel();
            // Whoever does not heed that is left behind.
            let _ = tokio::time::timeout(FAREWELL * 2, self.tasks.wait()).await;
        }
        self.expired.cancel();
    }
}

/// How long a task may take to end once the grace period is over.
const FAREWELL: Duration = Duration::from_millis(500);
