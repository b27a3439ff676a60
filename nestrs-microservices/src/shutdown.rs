//! How servers stop: a signal to all of them, a count of what they still do, and a bound on the wait.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

/// Shared by everything that has to stop together. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Stop taking new work.
    stopping: Moment,
    /// Stop at once.
    expired: Moment,
    tasks: TaskTracker,
    grace_period: Duration,
}

/// Something that happens once, and that every connection waits for.
#[derive(Debug, Default)]
struct Moment {
    has_come: AtomicBool,
    waiting: Notify,
}

impl Moment {
    fn comes(&self) {
        // First: whoever is woken looks here.
        self.has_come.store(true, Ordering::Release);
        self.waiting.notify_waiters();
    }

    fn has_come(&self) -> bool {
        self.has_come.load(Ordering::Acquire)
    }

    async fn wait(&self) {
        // Before the first look: who is notified between that and being on the list is ready at once.
        let mut notified = pin!(self.waiting.notified());
        let mut known: Option<Waker> = None;
        poll_fn(|task| {
            if self.has_come() {
                return Poll::Ready(());
            }
            // A task asks each time it is woken, for whatever reason, and is on the list already: the lock of that list is
            // one for all connections.
            if known.as_ref().is_some_and(|known| known.will_wake(task.waker())) {
                return Poll::Pending;
            }
            known = Some(task.waker().clone());
            notified.as_mut().poll(task)
        })
        .await;
    }
}

impl Shutdown {
    /// A shutdown that lets work finish for `grace_period` once it has begun.
    #[must_use]
    pub fn new(grace_period: Duration) -> Self {
        Self(Arc::new(Shared {
            stopping: Moment::default(),
            expired: Moment::default(),
            tasks: TaskTracker::new(),
            grace_period,
        }))
    }

    /// How long work may take to finish once it has begun.
    #[must_use]
    pub fn grace_period(&self) -> Duration {
        self.0.grace_period
    }

    /// Begins it. Everyone who waits in [`Shutdown::until`] is woken.
    pub fn begin(&self) {
        self.0.stopping.comes();
    }

    /// Begins it with its grace period already over: what still runs is dropped.
    pub fn abort(&self) {
        self.0.stopping.comes();
        self.0.expired.comes();
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.stopping.has_come()
    }

    /// Completes when it has begun.
    pub async fn begun(&self) {
        self.0.stopping.wait().await;
    }

    /// Completes when it has begun, or with `at_last` when the grace period is over: one type for both, so that who waits
    /// for one after the other needs room for one.
    pub(crate) fn moment(&self, at_last: bool) -> impl Future<Output = ()> {
        let moment = if at_last { &self.0.expired } else { &self.0.stopping };
        moment.wait()
    }

    /// Completes when the grace period is over: what still runs is dropped.
    pub async fn expired(&self) {
        self.0.expired.wait().await;
    }

    /// `next`, or `None` once the shutdown has begun.
    pub async fn until<T>(&self, next: impl Future<Output = Option<T>>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.0.stopping.wait() => None,
            item = next => item,
        }
    }

    /// Runs `work` as a task that the shutdown waits for, up to the end of the grace period.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // In a box: a future that is moved into another has room in it twice, and connections are many.
        self.spawn_boxed(Box::pin(work));
    }

    fn spawn_boxed(&self, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let shutdown = self.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = work => {}
                // A task that watches `expired` itself has a moment to say good-bye. The timer is large, and made then.
                () = async { shutdown.expired().await; Box::pin(tokio::time::sleep(FAREWELL)).await } => {}
            }
        });
    }

    /// `work`, as something that the shutdown waits for without ending it: it is expected to end by itself.
    pub fn track<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.0.tasks.track_future(work)
    }

    /// Begins it if it has not begun, waits until every task has ended, and returns within the grace period and a
    /// moment.
    pub async fn finish(&self) {
        self.begin();
        let Shared { expired, tasks, grace_period, .. } = &*self.0;
        tasks.close();
        if tokio::time::timeout(*grace_period, tasks.wait()).await.is_err() {
            expired.comes();
            // Whoever does not heed that is left behind.
            let _ = tokio::time::timeout(FAREWELL * 2, tasks.wait()).await;
        }
        expired.comes();
    }
}

/// How long a task may take to end once the grace period is over.
const FAREWELL: Duration = Duration::from_millis(500);
