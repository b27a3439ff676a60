//! What is said of handlers whose wishes no transport fulfils.

mod support;

use nestrs::microservices::{Bound, Dispatcher, Shutdown, TransportServer};
use nestrs::prelude::*;
use nestrs::{ExtraKind, LogCapture, LogEvent, LogLevel};

use support::{free_port, serve_with};

#[injectable]
struct Wishes;

#[micro_routes]
impl Wishes {
    #[message_pattern(["for.nats", "for.nats.too"], transport = [tcp, nats])]
    async fn half_served(&self) {}

    #[event_pattern("plain.extra", extras = { queue: "workers" })]
    async fn unread(&self) {}

    #[event_pattern("for.redis", transport = redis, extras = { queue: "workers" })]
    async fn unserved(&self) {}

    #[event_pattern("orders.*")]
    async fn nats_like(&self) {}

    #[event_pattern("orders/#")]
    async fn mqtt_like(&self) {}

    #[event_pattern("orders.>.eu")]
    async fn misplaced(&self) {}

    #[event_pattern(["*", "+", "a*b", "2 > 1"])]
    async fn plain(&self) {}

    #[event_pattern({ orders: "a.*.b" })]
    async fn object(&self) {}
}

#[module(providers = [Wishes], microservices = [Wishes])]
struct AppModule;

/// Serves nobody, and reads queues.
struct Redis;

#[async_trait]
impl TransportServer for Redis {
    async fn bind(&mut self) -> Result<Bound, TransportError> {
        Ok(Bound { transport: "redis", address: "nowhere".to_owned() })
    }

    fn extras(&self) -> &'static [(&'static str, ExtraKind)] {
        &[("queue", ExtraKind::Text)]
    }

    async fn serve(self: Box<Self>, _: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        shutdown.begun().await;
        Ok(())
    }
}

/// The warnings since the last time, each as the handler and the fields that say why.
struct Warnings {
    log: LogCapture,
    read: usize,
}

impl Warnings {
    fn next(&mut self) -> Vec<String> {
        let events = self.log.events().split_off(self.read);
        self.read += events.len();
        // The helpers of other tests bring handlers that nobody mounts here.
        let ours = |event: &&LogEvent| {
            event.level == LogLevel::Warn && event.field("handler").is_some_and(|it| it.starts_with("Wishes::"))
        };
        let text = |event: &LogEvent| {
            let fields = event.fields.iter().map(|(name, value)| format!(" {name}={value:?}"));
            format!("{}{}", event.message, fields.collect::<String>())
        };
        events.iter().filter(ours).map(text).collect()
    }
}

#[tokio::test]
async fn each_wish_that_stays_unfulfilled_is_warned_of_once_by_the_name_of_its_handler() {
    let mut log = Warnings { log: LogCapture::start(), read: 0 };
    let unserved = "a handler is for a transport that this application does not serve";
    let unread = "no transport that serves a handler reads this extra of it";
    let plain = "a pattern looks like wildcards and is taken as it is";

    serve_with::<AppModule>(free_port()).await.close().await;
    let nats = format!(r#"{unserved} handler="Wishes::half_served" pattern="for.nats" transport="nats""#);
    let queue = format!(r#"{unread} handler="Wishes::unread" extra="queue" transports="tcp""#);
    let redis = format!(r#"{unserved} handler="Wishes::unserved" pattern="for.redis" transport="redis""#);
    let taken = |handler: &str, pattern: &str| {
        format!(r#"{plain} handler="Wishes::{handler}" pattern="{pattern}" transports="tcp""#)
    };
    let (mqtt, early) = (taken("mqtt_like", "orders/#"), taken("misplaced", "orders.>.eu"));
    let expected = [&nats, &queue, &redis, &taken("nats_like", "orders.*"), &mqtt, &early];
    assert_eq!(log.next().iter().collect::<Vec<_>>(), expected);

    serve_with::<AppModule>(free_port().wildcards(true)).await.close().await;
    assert_eq!(log.next().iter().collect::<Vec<_>>(), [&nats, &queue, &redis, &mqtt, &early]);

    let redis: Box<dyn TransportServer> = Box::new(Redis);
    let both = NestFactory::create_microservice::<AppModule>(free_port().wildcards(true)).connect_microservice(redis);
    both.start().await.unwrap().close().await;
    let plain = [&mqtt, &early].map(|warning| warning.replace("\"tcp\"", "\"tcp, redis\""));
    assert_eq!(log.next().iter().collect::<Vec<_>>(), [&nats, &plain[0], &plain[1]]);
}
