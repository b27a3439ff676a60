//! The signal that ends the process at once: a second one, and any after the last application has ended.
//!
//! It is dealt with where the operating system delivers it. A task could not: by then the runtime may be gone, or its drop
//! wait for a thread that blocks for ever, or a handler block the very worker that would run the task. What watches
//! signals is the process's and never taken away again, so this much is shared by its applications.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Set by the first signal, and while no application watches.
static ENDS_AT_ONCE: AtomicBool = AtomicBool::new(false);

/// How many applications end well at a signal.
static WATCHING: Mutex<usize> = Mutex::new(0);

/// An application that ends well at the first signal. Where the last one goes, nobody would hear a signal any more.
pub(super) struct Watching(());

impl Watching {
    /// After [`is_installed`].
    pub(super) fn begin() -> Self {
        let mut watching = lock();
        if *watching == 0 {
            ENDS_AT_ONCE.store(false, Ordering::SeqCst);
        }
        *watching += 1;
        Self(())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watching = lock();
        *watching -= 1;
        if *watching == 0 {
            ENDS_AT_ONCE.store(true, Ordering::SeqCst);
        }
    }
}

fn lock() -> MutexGuard<'static, usize> {
    WATCHING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether signals can be watched. Asked before anybody else watches them: what runs at a signal runs in the order in which
/// it was installed, on a thread that may be held up in between. An application that heard of the signal first could end
/// meanwhile, and the very signal that it ended well at would be taken for one after its end.
pub(super) fn is_installed() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| install().is_ok())
}

/// What runs at each signal, in this order: the first one ends nothing.
fn install() -> io::Result<()> {
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, 128 + signal, &ENDS_AT_ONCE)?;
        flag::register(signal, &ENDS_AT_ONCE)?;
    }
    Ok(())
}
