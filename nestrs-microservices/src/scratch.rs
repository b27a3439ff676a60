//! A buffer for bytes that are copied elsewhere at once.

use std::cell::Cell;

/// A thread keeps a buffer of up to this size for the next use.
const SCRATCH_KEPT: usize = 16 * 1024;

/// Hands out this thread's buffer, empty: what is copied to where it belongs before anything is awaited needs no buffer of
/// its own.
pub(crate) fn in_scratch<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local! {
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // Taken, so that whoever writes while something is written has another.
    let mut buffer = SCRATCH.take();
    buffer.clear();
    let outcome = write(&mut buffer);
    if buffer.capacity() <= SCRATCH_KEPT {
        SCRATCH.set(buffer);
    }
    outcome
}
