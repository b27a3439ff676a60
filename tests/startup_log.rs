//! What the start-up log says.

mod support;

use nestrs::prelude::*;
use nestrs::{LogCapture, LogLevel};

use support::free_port;

#[injectable]
struct Served;

#[micro_routes]
impl Served {
    #[message_pattern("served")]
    async fn served(&self) {}
}

#[injectable]
struct Forgotten;

#[micro_routes]
impl Forgotten {
    #[message_pattern("forgotten")]
    async fn forgotten(&self) {}
}

#[module(providers = [Served, Forgotten], microservices = [Served])]
struct AppModule;

#[tokio::test]
async fn it_lists_what_is_served_where_and_what_no_module_mounts() {
    let logs = LogCapture::start();
    let app = NestFactory::create_microservice::<AppModule>(free_port()).start().await.unwrap();
    let address = app.address("tcp").unwrap().to_owned();
    app.close().await;
    let log = logs.lines().join("\n");
    for (line, times) in [
        ("message served → Served::served", 1),
        (&format!("listening on tcp://{address} (this machine only)"), 1),
        ("message forgotten", 0),
    ] {
        assert_eq!(log.matches(line).count(), times, "`{line}` in\n{log}");
    }
    let events = logs.events();
    let warning =
        events.iter().find(|event| event.message.contains("no module of this application mounts")).expect("a warning");
    assert_eq!((warning.level, warning.target.as_str()), (LogLevel::Warn, "nestrs::boot"));
    // Beside it those of the helpers that tests share.
    let services = warning.field("services").unwrap_or_default();
    assert!(services.split(", ").any(|service| service == "Forgotten"), "{services}");
    assert!(!services.contains("Served"), "{services}");
}
