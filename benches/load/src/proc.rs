//! Processes as `/proc` shows them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A process by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proc(pub(crate) u32);

impl Proc {
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// Processor time of all threads that it has, user and system. In nanoseconds where the kernel keeps them
    /// (`schedstat`), or else in its ticks of 10 ms.
    pub(crate) fn cpu(self) -> Duration {
        let fine = self.tasks().map(|task| {
            let text = fs::read_to_string(task.join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        match fine.sum::<Option<u64>>() {
            Some(nanos) if nanos > 0 => Duration::from_nanos(nanos),
            _ => self.ticks(),
        }
    }

    fn ticks(self) -> Duration {
        let text = fs::read_to_string(self.path("stat")).unwrap_or_default();
        // The name, in parentheses, may hold anything.
        let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// How often its threads have gone to sleep.
    pub(crate) fn switches(self) -> u64 {
        self.tasks().map(|task| number(&task.join("status"), "voluntary_ctxt_switches:")).sum()
    }

    /// How many files it has open, sockets among them.
    pub(crate) fn files(self) -> usize {
        // Since Linux 6.2 that is the size of the directory, which takes a while to read when there are many.
        match fs::metadata(self.path("fd")).map(|directory| directory.len()) {
            Ok(files @ 1..) => usize::try_from(files).unwrap_or(usize::MAX),
            _ => self.listed_files(),
        }
    }

    fn listed_files(self) -> usize {
        fs::read_dir(self.path("fd")).into_iter().flatten().count()
    }

    /// Resident memory, in bytes.
    pub(crate) fn rss(self) -> u64 {
        number(&self.path("status"), "VmRSS:") * 1024
    }

    /// Whether another process traces it.
    pub(crate) fn is_traced(self) -> bool {
        number(&self.path("status"), "TracerPid:") != 0
    }

    fn tasks(self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(self.path("task")).into_iter().flatten().flatten().map(|entry| entry.path())
    }

    fn path(self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.0))
    }
}

/// The number after `name` in a file of lines.
fn number(file: &PathBuf, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value.unwrap_or_default()
}

/// How many files this process may have open.
pub(crate) fn open_files_max() -> usize {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Duration = Duration::from_millis(40);

    #[test]
    fn the_time_of_every_thread_is_counted() {
        let spent = || {
            let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
            Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
        };
        // They do not end before they are looked at: the time of a thread goes with it.
        let (done, over) = (std::sync::Barrier::new(3), std::sync::Barrier::new(3));
        let counted = std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while spent() < BUSY {}
                    done.wait();
                    over.wait();
                });
            }
            done.wait();
            let counted = Proc::own().cpu();
            over.wait();
            counted
        });
        assert!(counted >= 2 * BUSY, "{counted:?}");
    }

    #[test]
    fn open_files_are_counted() {
        use std::io::{Read as _, Write as _};
        use std::process::Stdio;

        let mut cat = std::process::Command::new("cat");
        let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // When it answers it has opened all that it needs.
        cat.stdin.as_mut().unwrap().write_all(b"?").unwrap();
        cat.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let (said, listed) = (Proc(cat.id()).files(), Proc(cat.id()).listed_files());
        drop(cat.stdin.take());
        cat.wait().unwrap();
        // What this process has open besides may be inherited.
        assert!(said >= 3 && said == listed, "{said} {listed}");
    }

    #[test]
    fn the_kernel_says_the_same_in_nanoseconds_and_in_ticks() {
        let mut busy = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let other = Proc(busy.id());
        while other.ticks() < 2 * BUSY {
            std::thread::sleep(Duration::from_millis(5));
        }
        let (coarse, fine) = (other.ticks(), other.cpu());
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(fine.abs_diff(coarse) < BUSY, "{fine:?} {coarse:?}");
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let own = Proc::own();
        assert!(own.rss() > 100_000);
        let before = own.cpu();
        while own.cpu() < before + Duration::from_millis(20) {
            std::hint::black_box(own.switches());
        }
        assert!(open_files_max() > 0);
    }
}
