//! What the system allows this process.

/// Descriptors that are left to everything but connections: listeners, files, clients, the runtime's own.
const RESERVED: usize = 64;

/// How many connections there may be: `wanted`, or what the process may open less 64, at least 1. Where the system does
/// not tell (off Linux), `wanted`.
pub(crate) fn connections(wanted: usize) -> usize {
    match open_files() {
        Some(files) => wanted.min(files.saturating_sub(RESERVED).max(1)),
        None => wanted,
    }
}

/// The soft limit, as the kernel tells it: reading it needs no dependency and no unsafe code.
fn open_files() -> Option<usize> {
    soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    // `unlimited` is no number: then there is nothing to lower.
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read_as_the_kernel_writes_it() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             63432                63432                processes \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit(&limits.replace("1024  ", "unlimited")), None);
        assert_eq!(soft_limit(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_wanted_is_lowered_to_what_may_be_opened() {
        let files = open_files().expect("Linux tells, if there is a limit");
        assert_eq!(connections(usize::MAX), files.saturating_sub(RESERVED).max(1));
        assert_eq!(connections(1), 1);
    }
}
