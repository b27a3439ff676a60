//! What a capture keeps.

use super::*;

#[test]
fn a_capture_is_bounded_and_says_what_it_did_not_keep() {
    let logs = LogCapture::start_at(LogLevel::Log);
    for n in 0..10_003 {
        tracing::info!(n, "line");
        tracing::debug!(n, "not heard");
    }
    for _ in 0..10_002 {
        let _ = tracing::info_span!("span", late = tracing::field::Empty).record("late", 1);
    }
    assert_eq!((logs.events().len(), logs.spans().len(), logs.cut()), (10_000, 10_000, 5));
    assert_eq!(logs.lines().last().unwrap(), "… and 3 more, which were not kept");
    assert!(logs.contains(LogLevel::Log, "n=9999") && !logs.contains(LogLevel::Log, "n=10000"));
    assert!(!logs.contains(LogLevel::Warn, "n=1"), "of exactly that level");
}

#[test]
fn a_capture_hears_its_own_thread_and_ends_with_its_guard() {
    let logs = LogCapture::start();
    std::thread::spawn(|| tracing::info!("elsewhere")).join().unwrap();
    tracing::info!("here");
    let inner = LogCapture::start();
    tracing::info!("further in");
    assert!(inner.contains(LogLevel::Log, "further in"));
    drop(inner);
    tracing::info!("here again");
    let messages: Vec<_> = logs.events().into_iter().map(|event| event.message).collect();
    assert_eq!(messages, ["here", "here again"]);
}
