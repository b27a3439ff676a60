//! How a NATS microservice is reached.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{ConsumerOptions, NotJson, StartUp, setters};
use crate::client::Backoff;
use crate::nats::connecting::Connecting;
use crate::nats::credentials::Credentials;
use crate::nats::jetstream::JetStreamOptions;
use crate::nats::service::{Identity, Service};
use crate::serializer::{PacketDeserializer, PacketSerializer};

use super::default_servers;

/// How a NATS microservice is reached.
///
/// # Replicas
/// Replicas share work by default: every subscription is in the queue group [`queue`](Self::queue), which is named after the
/// program unless it is set. That is not NestJS's default, where every replica gets everything; `queue(None)` is. Two
/// different services that should both get an event need two different groups, so services that run as programs of one name
/// (`server`, `main`) should name theirs. A handler has a group of its own by `extras = { queue: "workers" }`, and none at all
/// by `extras = { queue: "" }`.
///
/// ```
/// use nestrs_microservices::NatsMicroserviceOptions;
///
/// let options = NatsMicroserviceOptions::to("127.0.0.1:4222").queue("orders").name("orders-1");
/// assert_eq!(options.queue.as_deref(), Some("orders"));
/// assert_eq!(NatsMicroserviceOptions::default().servers, ["localhost:4222"]);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct NatsMicroserviceOptions {
    /// The servers of one cluster, each `host:port`; one after another is tried. Default `localhost:4222`, as in NestJS.
    pub servers: Vec<String>,
    /// The name that the NATS server shows of this connection. Default `None`.
    pub name: Option<String>,
    /// The queue group of all subscriptions but those of handlers that name their own. Default: the name of the program.
    /// `None`: no group, every replica gets everything.
    pub queue: Option<String>,
    /// How long to try to connect at first. Default 30 s; then the application does not start. `None` tries for ever.
    pub startup_timeout: Option<Duration>,
    /// The pauses between two tries, at first and after each loss, for ever. Default: up to 50 ms, doubling to 1 s, so that the first message is handled within 2 s of the return.
    pub backoff: Backoff,
    /// How long one attempt to connect to one server may take. Default 5 s.
    pub connect_timeout: Duration,
    /// How often the server is asked for a sign of life. Default 10 s; one that has not answered the second question when the
    /// third is due is lost.
    pub ping_interval: Duration,
    /// Calls and events of one subscription under way at a time. Default 64, at least 1; more wait in `subscription_capacity`.
    pub prefetch: usize,
    /// Messages of one subscription that wait for their turn. Default 65 536; one more is dropped, and counted in
    /// [`ServerStats::overflowed_messages`](crate::ServerStats::overflowed_messages). Where many are dropped at once some go
    /// uncounted.
    pub subscription_capacity: usize,
    /// The longest message that is read, in bytes. Default 64 MiB, which is more than a NATS server carries (1 MiB unless it is
    /// told otherwise); a longer one is dropped and counted.
    pub max_body_bytes: usize,
    /// How long a handler may take. Default `None`: as long as it likes. Then a call is answered with "Request timed out" and
    /// the handler is dropped, unless it is marked `#[run_to_completion]`; for an event it counts as a failure.
    pub handler_timeout: Option<Duration>,
    /// How long calls under way may take to finish once the server is told to stop. Default 10 s, as in NestJS.
    pub grace_period: Duration,
    /// Whether it answers the services API of NATS, so that `nats micro` and other tools find it: `$SRV.PING`, `$SRV.INFO` and
    /// `$SRV.STATS`, each also with the service's name and its id behind it. Default true. Whoever may send to `$SRV.>` can then
    /// read the names and subjects of handlers, how often they were called, how long they took, and what sort of error was
    /// the last. A service is named after [`queue`](Self::queue), or after [`name`](Self::name) where there is none; what a name
    /// may not have is `_` there.
    pub service_api: bool,
    /// The version that it tells there. Default `0.0.0`. One that is no semantic version, or longer than 128 bytes, ends the
    /// start.
    pub service_version: String,
    /// What it tells there of itself. Default: nothing. More than 4 096 bytes end the start.
    pub service_description: String,
    /// What else it tells there. Default: nothing. More than 64 entries, or one of more than 1 024 bytes, end the start.
    pub service_metadata: BTreeMap<String, String>,
    /// A stream that keeps events until they are handled. Default `None`: events are delivered at most once.
    pub jetstream: Option<JetStreamOptions>,
    credentials: Credentials,
    serializer: Option<Arc<dyn PacketSerializer>>,
    deserializer: Option<Arc<dyn PacketDeserializer>>,
    #[cfg(feature = "tls")]
    tls: Option<crate::net::tls::TlsClientOptions>,
}

impl Default for NatsMicroserviceOptions {
    fn default() -> Self {
        Self {
            servers: default_servers(),
            name: None,
            queue: program(),
            startup_timeout: Some(Duration::from_secs(30)),
            backoff: Backoff::default(),
            connect_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(10),
            prefetch: 64,
            subscription_capacity: 65_536,
            max_body_bytes: 64 * 1024 * 1024,
            handler_timeout: None,
            grace_period: Duration::from_secs(10),
            service_api: true,
            service_version: "0.0.0".to_owned(),
            service_description: String::new(),
            service_metadata: BTreeMap::new(),
            jetstream: None,
            credentials: Credentials::None,
            serializer: None,
            deserializer: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

/// What replicas of a service have in common, and different services do not, as far as can be known here.
fn program() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let name = program.file_stem()?.to_str()?;
    Some(name.replace(|character: char| character.is_whitespace() || character.is_control(), "_"))
}

impl NatsMicroserviceOptions {
    /// The defaults, over the NATS server at `address`: `host:port`, or a host alone.
    #[must_use]
    pub fn to(address: &str) -> Self {
        Self { servers: vec![address.to_owned()], ..Self::default() }
    }

    /// Sets the queue group; `None` lets every replica have everything, as in NestJS.
    #[must_use]
    pub fn queue<'a>(mut self, queue: impl Into<Option<&'a str>>) -> Self {
        self.queue = queue.into().map(str::to_owned);
        self
    }

    /// Has events that lie in this stream from it, where they are kept until they are handled.
    #[must_use]
    pub fn jetstream(mut self, stream: JetStreamOptions) -> Self {
        self.jetstream = Some(stream);
        self
    }

    /// Tries to connect for ever when the server is not there at first.
    #[must_use]
    pub fn wait_forever(self) -> Self {
        self.startup_timeout(None)
    }

    /// Sets the version that the services API tells.
    #[must_use]
    pub fn service_version(mut self, version: impl Into<String>) -> Self {
        self.service_version = version.into();
        self
    }

    /// Sets what the services API tells of this service.
    #[must_use]
    pub fn service_description(mut self, description: impl Into<String>) -> Self {
        self.service_description = description.into();
        self
    }

    /// Adds to what else the services API tells of this service.
    #[must_use]
    pub fn service_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.service_metadata.insert(key.into(), value.into());
        self
    }

    reach!();

    setters! {
        /// Sets how long to try to connect at first; `None` for ever.
        startup_timeout: Option<Duration>,
        /// Sets the pauses between two tries.
        backoff: Backoff,
        /// Sets how long one attempt to connect may take.
        connect_timeout: Duration,
        /// Sets how often the server is asked for a sign of life.
        ping_interval: Duration,
        /// Sets how many messages of one subscription may be under way.
        prefetch: usize,
        /// Sets how many messages of one subscription may wait.
        subscription_capacity: usize,
        /// Sets the longest message that is read, in bytes.
        max_body_bytes: usize,
        /// Sets how long a handler may take.
        handler_timeout: Option<Duration>,
        /// Sets how long calls under way may take to finish.
        grace_period: Duration,
        /// Sets whether tools can find this service by the services API.
        service_api: bool,
    }

    /// Writes responses through `serializer`.
    #[must_use]
    pub fn serializer(mut self, serializer: impl PacketSerializer) -> Self {
        self.serializer = Some(Arc::new(serializer));
        self
    }

    /// Reads requests and events through `deserializer`.
    #[must_use]
    pub fn deserializer(mut self, deserializer: impl PacketDeserializer) -> Self {
        self.deserializer = Some(Arc::new(deserializer));
        self
    }

    pub(in crate::nats) fn connecting(&self) -> Connecting {
        Connecting {
            servers: self.servers.clone(),
            name: self.name.clone(),
            credentials: self.credentials.clone(),
            ping_interval: self.ping_interval,
            connect_timeout: self.connect_timeout,
            inbox_prefix: None,
            subscription_capacity: self.subscription_capacity,
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
            turn: Arc::default(),
        }
    }

    pub(in crate::nats) fn service(&self) -> Option<Arc<Service>> {
        let (queue, name) = (self.queue.as_deref(), self.name.as_deref());
        let identity =
            || Identity::new(queue, name, &self.service_version, &self.service_description, &self.service_metadata);
        self.service_api.then(|| Service::new(identity()))
    }

    pub(in crate::nats) fn start_up(&self) -> StartUp {
        StartUp { timeout: self.startup_timeout, backoff: self.backoff, grace_period: self.grace_period }
    }

    pub(in crate::nats) fn consuming(&self) -> ConsumerOptions {
        ConsumerOptions {
            prefetch: self.prefetch,
            max_body_bytes: self.max_body_bytes,
            not_json: NotJson::Dropped,
            handler_timeout: self.handler_timeout,
            redelivery: self.jetstream.as_ref().map(JetStreamOptions::redelivery).unwrap_or_default(),
            serializer: self.serializer.clone(),
            deserializer: self.deserializer.clone(),
        }
    }
}

impl fmt::Debug for NatsMicroserviceOptions {
    shown!("NatsMicroserviceOptions");
}
