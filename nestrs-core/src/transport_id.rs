//! Which transport is meant, where a handler is for some and not for others.

use std::fmt;

/// The name of a transport, as its servers give it when they are bound and as `transport = …` of a handler names it.
///
/// A handler without such a filter is served by every transport of its application; one with it, by servers of the named
/// ones only (NestJS fact sheet, section 5).
///
/// ```
/// use nestrs_core::TransportId;
///
/// const CARRIER_PIGEON: TransportId = TransportId::custom("carrier-pigeon");
/// assert_eq!(TransportId::TCP.as_str(), "tcp");
/// assert_eq!(CARRIER_PIGEON.to_string(), "carrier-pigeon");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransportId(&'static str);

impl TransportId {
    /// NestJS's `Transport.TCP`.
    pub const TCP: Self = Self("tcp");
    /// NestJS's `Transport.REDIS`.
    pub const REDIS: Self = Self("redis");
    /// NestJS's `Transport.NATS`.
    pub const NATS: Self = Self("nats");
    /// NestJS's `Transport.MQTT`.
    pub const MQTT: Self = Self("mqtt");
    /// NestJS's `Transport.RMQ`.
    pub const RMQ: Self = Self("rmq");
    /// NestJS's `Transport.KAFKA`.
    pub const KAFKA: Self = Self("kafka");
    /// NestJS's `Transport.GRPC`.
    pub const GRPC: Self = Self("grpc");
    /// The pair in one process, for tests: a transport of its own, and not TCP.
    pub const MEMORY: Self = Self("memory");

    /// A transport of your own (NestJS's transport symbol). One that bears the name of another is that other.
    #[must_use]
    pub const fn custom(name: &'static str) -> Self {
        Self(name)
    }

    /// `"tcp"`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for TransportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for TransportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransportId({})", self.0)
    }
}

impl PartialEq<str> for TransportId {
    fn eq(&self, name: &str) -> bool {
        self.0 == name
    }
}
