//! Events inside a process, as in NestJS's documentation of `@nestjs/event-emitter`, and on to another process.
//!
//! ```sh
//! cargo run --example events
//! ```
//!
//! A service creates orders and says so. Methods of other services listen: to the type, to a wildcard, to a name; one
//! passes the event on over TCP, where an `#[event_pattern]` handler takes it. Here both ends are this process.

use std::sync::Arc;
use std::time::Duration;

use nestrs::microservices::{ClientConfig, TcpMicroserviceOptions, TcpTransportOptions};
use nestrs::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

// An event is a type with a name. Publisher and listeners share it, so they cannot disagree about its fields.

#[event("order.created")]
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OrderCreated {
    id: u64,
    name: String,
}

// Dispatching events: `publish_event` waits for every listener, `emit_event` for none. Without a type, `publish` and
// `emit` take a name and anything that serialises.

#[injectable]
struct OrdersService {
    bus: Arc<EventBus>,
}

impl OrdersService {
    async fn create(&self, id: u64, name: &str) {
        let published = self.bus.publish_event(&OrderCreated { id, name: name.to_owned() }).await;
        println_line(&format!("order {id}: {} listeners, {} failed", published.handled, published.failed()));
    }

    fn ship(&self, id: u64) {
        self.bus.emit("order.shipped", id);
    }
}

// Listening to events: `#[on_event]` takes the name from the argument's type. A listener that fails is logged, counted
// and reported, and disturbs nobody else.

#[injectable]
struct OrderCreatedListener;

#[event_routes]
impl OrderCreatedListener {
    #[on_event]
    async fn handle(&self, event: OrderCreated) -> Result<(), TransportError> {
        if event.name.is_empty() {
            return Err(TransportError::new("an order without a name"));
        }
        println_line(&format!("listener: {} ordered", event.name));
        Ok(())
    }
}

// Wildcards: `*` is one segment, `**` any number. The context has the name that was published.

#[injectable]
struct Audit;

#[event_routes]
impl Audit {
    #[on_event("order.*")]
    async fn all(&self, cx: &ExecutionContext) {
        println_line(&format!("audit: {}", cx.pattern()));
    }
}

// On to another process: an event of the bus becomes one of a transport.

#[injectable]
struct Forwarder {
    client: Arc<ClientProxy>,
}

#[event_routes]
impl Forwarder {
    #[on_event("order.shipped")]
    async fn forward(&self, id: u64) -> Result<(), TransportError> {
        self.client.emit("orders.shipped", &id).await
    }
}

/// Stands for another service.
#[injectable]
struct Mail {
    done: Arc<Notify>,
}

#[micro_routes]
impl Mail {
    #[event_pattern("orders.shipped")]
    async fn send(&self, id: u64) {
        println_line(&format!("mail: order {id} is on its way"));
        self.done.notify_one();
    }
}

// The bus is there without a module; `EventBusModule::for_root` sets its limits.

#[module(
    imports = [
        EventBusModule::for_root(EventBusOptions::default().queue_len(256).handler_timeout(Duration::from_secs(5))),
        ClientsModule::register(&[ClientConfig::tcp("SELF", TcpTransportOptions::to(&address()))]),
    ],
    providers = [OrdersService, OrderCreatedListener, Audit, Forwarder, Mail, Provider::value(Notify::new())],
    microservices = [Mail],
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
    let orders = app.get::<OrdersService>().ok_or("no orders service")?;
    let bus = app.get::<EventBus>().ok_or("no bus")?;
    let done = app.get::<Notify>().ok_or("no signal")?;

    // Listeners may come and go at run time. This one is for one event.
    let first = bus.once("order.**");
    orders.create(7, "Ada").await;
    orders.create(8, "").await;
    if let Some(event) = first.await {
        println_line(&format!("once: {} {}", event.name(), event.decode::<OrderCreated>()?.id));
    }

    orders.ship(7);
    done.notified().await;
    // What is still queued is handled before the application ends.
    app.close().await;
    let stats = bus.stats();
    println_line(&format!("{} published, {} delivered, {} failed", stats.published, stats.delivered, stats.failed));
    Ok(())
}
