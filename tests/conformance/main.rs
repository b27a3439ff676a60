//! Every transport, checked by the suite that is there for anybody's; and the suite, checked by transports that are broken.

mod broken;
mod brokers;
mod local;
mod page;

use nestrs::testing::conformance::{self, ConformanceTarget};

/// Runs the whole suite, and compares the table of the documentation.
async fn conforms(target: &dyn ConformanceTarget) {
    let report = conformance::run(target).await;
    report.assert_kept();
    page::agrees(&report);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_what_it_offers() {
    conforms(&local::Memory::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_keeps_what_it_offers() {
    conforms(&local::Tcp::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn br_2_br_3_nats_keeps_what_it_offers() {
    if let Some(target) = brokers::Nats::begin().await {
        conforms(&target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn br_2_br_3_redis_keeps_what_it_offers() {
    if let Some(target) = brokers::Redis::begin().await {
        conforms(&target).await;
    }
}
