//! What the start-up log says. The log is a process-wide thing, so this file has one test.

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use nestrs::prelude::*;

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

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn it_lists_what_is_served_where_and_what_no_module_mounts() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let app = NestFactory::create_microservice::<AppModule>(free_port()).start().await.unwrap();
    let address = app.address("tcp").unwrap().to_owned();
    app.close().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for (line, times) in [
        ("message served → Served::served", 1),
        (&format!("listening on tcp://{address} (this machine only)"), 1),
        ("message forgotten", 0),
    ] {
        assert_eq!(log.matches(line).count(), times, "`{line}` in\n{log}");
    }
    let warning =
        log.lines().find(|line| line.contains("WARN") && line.contains("no module mounts")).expect("a warning");
    assert!(warning.contains("Forgotten") && !warning.contains("Served\""), "{warning}");
}
