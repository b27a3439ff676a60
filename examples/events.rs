//! Events inside a process and between processes.
//!
//! ```sh
//! cargo run --example events
//! ```
//!
//! A service publishes on the in-process bus; one subscriber keeps an audit trail, another passes the event on over
//! TCP, where an `#[event_pattern]` handler takes it. Here both ends are this process.

use std::sync::{Arc, Mutex};

use nestrs::microservices::{ClientConfig, TcpMicroserviceOptions, TcpTransportOptions};
use nestrs::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct UserCreated {
    id: u64,
    name: String,
}

#[injectable]
struct UsersService {
    bus: Arc<EventBus>,
}

impl UsersService {
    async fn create(&self, id: u64, name: &str) {
        let published = self.bus.publish("user.created", UserCreated { id, name: name.to_owned() }).await;
        println_line(&format!("published to {} subscribers", published.handled));
    }
}

#[injectable]
struct Audit {
    trail: Mutex<Vec<u64>>,
}

#[event_routes]
impl Audit {
    #[on_event("user.created")]
    async fn log(&self, event: UserCreated) {
        if let Ok(mut trail) = self.trail.lock() {
            trail.push(event.id);
        }
        println_line(&format!("audit: user {} was created", event.id));
    }
}

#[injectable]
struct Forwarder {
    client: Arc<ClientProxy>,
}

#[event_routes]
impl Forwarder {
    #[on_event("user.created")]
    async fn forward(&self, event: UserCreated) -> Result<(), TransportError> {
        self.client.emit("users.created", &event).await
    }
}

/// Stands for another service.
#[injectable]
struct WelcomeMail {
    done: Arc<Notify>,
}

#[micro_routes]
impl WelcomeMail {
    #[event_pattern("users.created")]
    async fn send(&self, event: UserCreated) {
        println_line(&format!("mail: welcome, {}", event.name));
        self.done.notify_one();
    }
}

#[module(
    imports = [ClientsModule::register(&[ClientConfig::tcp("SELF", TcpTransportOptions::to(&address()))])],
    providers = [UsersService, Audit, Forwarder, WelcomeMail, Provider::value(Notify::new())],
    microservices = [WelcomeMail],
)]
struct AppModule;

fn address() -> String {
    std::env::var("EVENTS_ADDRESS").unwrap_or_else(|_| "127.0.0.1:3002".to_owned())
}

#[expect(clippy::print_stdout, reason = "this program is read on a terminal")]
fn println_line(line: &str) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::bind(&address())).start().await?;
    let users = app.get::<UsersService>().ok_or("no users service")?;
    let done = app.get::<Notify>().ok_or("no signal")?;
    users.create(7, "Ada").await;
    done.notified().await;
    app.close().await;
    Ok(())
}
