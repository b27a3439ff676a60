//! Panics without end: what they leave behind, and what is logged of them. Alone in its process, whose memory it measures.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use nestrs::prelude::*;
use nestrs::{LogCapture, LogLevel};

use support::{client_of, free_port, serve_with};

#[injectable]
struct Fragile {
    alive: AtomicUsize,
}

/// Counted while a handler has it.
struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[micro_routes]
impl Fragile {
    /// Half of them at once, half of them after they have moved aside.
    #[message_pattern("panic")]
    async fn panic(&self, number: u32) {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let _held = Held(&self.alive);
        if number.is_multiple_of(2) {
            tokio::task::yield_now().await;
        }
        panic!("number {number}");
    }

    #[message_pattern("echo")]
    async fn echo(&self, number: u32) -> u32 {
        number
    }
}

#[module(providers = [Fragile], microservices = [Fragile])]
struct FragileModule;

/// What the process holds of the machine's memory, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("the second number") * 4096
}

/// Calls `panic` so often, a hundred at a time.
async fn panic_times(client: &ClientProxy, times: u32) {
    for hundred in 0..times / 100 {
        let calls = (0..100).map(async |number| client.send::<_, ()>("panic", &(hundred * 100 + number)).await);
        for outcome in join_all(calls).await {
            assert_eq!(outcome.expect_err("it panics").message, "Internal server error");
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn rq_5_a_hundred_thousand_panics_in_a_row_leave_nothing_behind_and_few_lines() {
    const TIMES: u32 = 100_000;
    // The lines of the standard library's hook are not ours to limit.
    std::panic::set_hook(Box::new(|_| {}));
    let logs = LogCapture::start_at(LogLevel::Error);
    // Fewer permits than calls at a time: one that is not given back would be missed.
    let app = serve_with::<FragileModule>(free_port().max_in_flight(50)).await;
    let client = client_of(&app);
    let started = std::time::Instant::now();
    panic_times(&client, TIMES / 10).await;
    let before = resident();
    panic_times(&client, TIMES - TIMES / 10).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 * 1024 * 1024, "{grown} bytes more after {TIMES} panics");
    assert_eq!(app.get::<Fragile>().unwrap().alive.load(Ordering::SeqCst), 0);
    assert_eq!(client.send::<_, u32>("echo", &7).await.unwrap(), 7);

    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap() + 1;
    let events = logs.events();
    assert!((10..=10 * seconds).contains(&events.len()), "{} lines in {seconds} s", events.len());
    assert!(events[0].field("error").is_some_and(|error| error.starts_with("panicked: number")), "{:?}", events[0]);
    // Every panic is a line, or counted in the next one.
    let suppressed: u64 =
        events.iter().filter_map(|event| event.field("suppressed")).map(|n| n.parse::<u64>().unwrap()).sum();
    assert!(events.len() as u64 + suppressed <= u64::from(TIMES));
    // What comes after the last full second has no line to be counted in yet.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    panic_times(&client, 100).await;
    let events = logs.events();
    let suppressed: u64 =
        events.iter().filter_map(|event| event.field("suppressed")).map(|n| n.parse::<u64>().unwrap()).sum();
    let lines_after = events.len() as u64;
    assert_eq!(lines_after + suppressed, u64::from(TIMES) + 10, "the last 90 wait for another line");
    app.close().await;
}
