//! What the logger writes, what calls leave in the log, and what must never be there.

mod calls;
mod capture;
mod lines;

#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::{Stream, stream};
use nestrs::prelude::*;
use nestrs::{LogCapture, LogSpan, LoggerError};
use serde_json::{Value, json};

use support::raw::Peer;
use support::{client_of, serve};

/// 2026-11-21, 08:14:07.042 UTC.
const NOW: u64 = 1_795_248_847_042;

/// What a logger has written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The text that `logger` writes while `say` runs, at a time that moves on by 3 ms with each line.
fn written(logger: Logger, say: impl FnOnce()) -> String {
    let written = Written::default();
    let lines = Mutex::new(0);
    let clock = move || {
        let mut lines = lines.lock().unwrap();
        *lines += 1;
        SystemTime::UNIX_EPOCH + Duration::from_millis(NOW + 3 * (*lines - 1))
    };
    let guard = logger.writer(written.clone()).stamped(12345, clock).init_thread().unwrap();
    say();
    drop(guard);
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn console() -> Logger {
    Logger::console().level(LogLevel::Verbose)
}

fn json_lines() -> Logger {
    Logger::json().level(LogLevel::Verbose)
}
