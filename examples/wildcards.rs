//! Patterns that stand for many subjects, and handlers for one transport alone.
//!
//! ```sh
//! cargo run --example wildcards
//! ```
//!
//! Brokers have wildcards of their own; TCP has none in NestJS, so its server is asked for those of NATS. Both ends are
//! this process.

use std::sync::Arc;

use nestrs::microservices::{ClientConfig, TcpMicroserviceOptions, TcpTransportOptions};
use nestrs::prelude::*;

#[injectable]
struct TimeController;

#[micro_routes]
impl TimeController {
    /// `*` is one word: `time.us.east` and `time.us.west`, but not `time.us`.
    #[message_pattern("time.us.*", transport = tcp)]
    async fn date(&self, cx: &ExecutionContext) -> String {
        format!("{} by {}", cx.pattern(), cx.declared_pattern())
    }

    /// A pattern without wildcards comes first, wherever it is written.
    #[message_pattern("time.us.west")]
    async fn west(&self) -> &'static str {
        "no wildcard asked"
    }

    /// A broker would share these among the members of a queue group. TCP has no groups, and does not serve them.
    #[message_pattern("time.us.*", transport = nats, extras = { queue: "clocks" })]
    async fn date_of_a_group(&self) -> String {
        "from NATS".to_owned()
    }
}

#[injectable]
struct LogController;

#[micro_routes]
impl LogController {
    /// `>` is all the words that follow.
    #[event_pattern("log.>")]
    async fn everything(&self, text: String, cx: &ExecutionContext) {
        println_line(&format!("everything: {} {text}", cx.pattern()));
    }

    /// An event goes to every handler that matches it.
    #[event_pattern("log.*.error")]
    async fn errors(&self, text: String, cx: &ExecutionContext) {
        println_line(&format!("errors: {} {text}", cx.pattern()));
    }
}

#[module(
    imports = [ClientsModule::register(&[ClientConfig::tcp("SELF", TcpTransportOptions::to(&address()))])],
    controllers = [TimeController, LogController],
)]
struct AppModule;

fn address() -> String {
    std::env::var("WILDCARDS_ADDRESS").unwrap_or_else(|_| "127.0.0.1:3003".to_owned())
}

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
fn println_line(line: &str) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = TcpMicroserviceOptions::bind(&address()).wildcards(true);
    let app = NestFactory::create_microservice::<AppModule>(options).start().await?;
    let client: Arc<ClientProxy> = app.get().ok_or("no client")?;
    client.emit("log.disk.error", &"full").await?;
    client.emit("log.disk", &"spinning").await?;
    for pattern in ["time.us.east", "time.us.west", "time.us"] {
        match client.send::<_, String>(pattern, &()).await {
            Ok(answer) => println_line(&answer),
            Err(error) => println_line(&format!("{pattern}: {}", error.message)),
        }
    }
    app.close().await;
    Ok(())
}
