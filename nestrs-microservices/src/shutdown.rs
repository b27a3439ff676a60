//! How servers stop: a signal to all of them, a count of what they still do, and a bound on the wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Rung at each of the two. Connections are many, and have a place to be woken at: they need none on a list here.
    bells: Bells,
    tasks: TaskTracker,
    grace_period: Duration,
}

/// Something that happens once.
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
        // Before the look: whoever is notified between the two is not passed over.
        let notified = self.waiting.notified();
        if !self.has_come() {
            notified.await;
        }
    }
}

/// Who wakes those that look for themselves.
#[derive(Default)]
struct Bells(Mutex<Vec<Box<dyn Fn() + Send + Sync>>>);

impl Bells {
    fn all(&self) -> MutexGuard<'_, Vec<Box<dyn Fn() + Send + Sync>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bells", self.all().len())
    }
}

impl Shutdown {
    /// A shutdown that lets work finish for `grace_period` once it has begun.
    #[must_use]
    pub fn new(grace_period: Duration) -> Self {
        Self(Arc::new(Shared {
            stopping: Moment::default(),
            expired: Moment::default(),
            bells: Bells::default(),
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
        self.ring();
    }

    /// Begins it with its grace period already over: what still runs is dropped.
    pub fn abort(&self) {
        self.0.stopping.comes();
        self.expire();
    }

    fn expire(&self) {
        self.0.expired.comes();
        self.ring();
    }

    fn ring(&self) {
        self.0.bells.all().iter().for_each(|bell| bell());
    }

    /// Has `bell` wake those that look at [`Self::has_begun`] and [`Self::has_expired`] by themselves, whenever one of
    /// the two changes. There is one for each server.
    pub(crate) fn on_change(&self, bell: impl Fn() + Send + Sync + 'static) {
        self.0.bells.all().push(Box::new(bell));
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

    /// Whether the grace period is over.
    pub(crate) fn has_expired(&self) -> bool {
        self.0.expired.has_come()
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
        let Shared { tasks, grace_period, .. } = &*self.0;
        tasks.close();
        if tokio::time::timeout(*grace_period, tasks.wait()).await.is_err() {
            self.expire();
            // Whoever does not heed that is left behind.
            let _ = tokio::time::timeout(FAREWELL * 2, tasks.wait()).await;
        }
        self.expire();
    }
}

/// How long a task may take to end once the grace period is over.
const FAREWELL: Duration = Duration::from_millis(500);
