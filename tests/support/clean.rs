//! Whether an application has left the process as it found it.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex, MutexGuard};

use super::raw::PATIENCE;

/// Descriptors are the process's: tests that count them take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// How many tasks and open descriptors there were at the beginning.
pub struct Clean {
    tasks: usize,
    files: Option<(usize, MutexGuard<'static, ()>)>,
}

impl Clean {
    /// Counts the tasks of this runtime.
    pub fn tasks() -> Self {
        Self { tasks: tasks(), files: None }
    }

    /// Counts the open descriptors too. Every test of the file has to begin with this.
    pub async fn begin() -> Self {
        let turn = TURN.lock().await;
        // Opened once, and kept by the runtime for good.
        #[cfg(unix)]
        drop(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1()));
        Self { tasks: tasks(), files: Some((files(), turn)) }
    }

    /// Waits until it is as it was. What a peer of the test's own holds must be dropped before.
    #[track_caller]
    pub fn check(self) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            let is_clean = || tasks() <= self.tasks && self.files.as_ref().is_none_or(|(before, _)| files() <= *before);
            let waiting = async {
                while !is_clean() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            if tokio::time::timeout(PATIENCE / 5, waiting).await.is_err() {
                let before = (self.tasks, self.files.as_ref().map(|(files, _)| *files));
                panic!("{at}: tasks and descriptors were {before:?}, and are {:?}", (tasks(), files()));
            }
        }
    }
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// All but those of runtimes, which other tests make while this one runs: their event queues, and sockets that are not TCP.
fn files() -> usize {
    let connections: String = ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(format!("/proc/self/net/{table}")).ok())
        .collect();
    let counts = |link: &str| match link.strip_prefix("socket:[") {
        Some(inode) => connections.split_whitespace().any(|word| word == inode.trim_end_matches(']')),
        None => !link.starts_with("anon_inode:"),
    };
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let links = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.filter(|link| link.to_str().is_some_and(counts)).count()
}
