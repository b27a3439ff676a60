//! What can be set on either end of a Redis transport.

/// What both options have and set in the same way.
macro_rules! common {
    () => {
        /// The defaults, to `address`: a host, `host:port`, or a URL, `redis://user:password@host:port/database`, with
        /// `rediss://` for TLS (see [`tls`](Self::tls)). What stands in a URL like `%40` is decoded. What is no address is
        /// refused with the reason when it is to be dialled.
        #[must_use]
        pub fn to(address: &str) -> Self {
            match Target::parse(address) {
                Ok(target) => Self {
                    host: target.host,
                    port: target.port,
                    username: target.username,
                    password: target.password,
                    database: target.database,
                    secure: target.secure,
                    ..Self::default()
                },
                Err(reason) => Self { malformed: Some(reason), ..Self::default() },
            }
        }

        /// Sets the server's name or address.
        #[must_use]
        pub fn host(mut self, host: impl Into<String>) -> Self {
            self.host = host.into();
            self
        }

        /// Sets the user of the server's access control list.
        #[must_use]
        pub fn username(mut self, username: impl Into<String>) -> Self {
            self.username = Some(username.into());
            self
        }

        /// Sets the password.
        #[must_use]
        pub fn password(mut self, password: impl Into<Secret>) -> Self {
            self.password = Some(password.into());
            self
        }

        /// Reads packets through `deserializer`.
        #[must_use]
        pub fn deserializer(mut self, deserializer: impl PacketDeserializer) -> Self {
            self.deserializer = Some(Arc::new(deserializer));
            self
        }

        /// Writes packets through `serializer`.
        #[must_use]
        pub fn serializer(mut self, serializer: impl PacketSerializer) -> Self {
            self.serializer = Some(Arc::new(serializer));
            self
        }

        /// Speaks TLS on both connections. The server's certificate must be for the host that is dialled. Feature `tls`.
        #[cfg(feature = "tls")]
        #[must_use]
        pub fn tls(mut self, tls: crate::net::tls::TlsClientOptions) -> Self {
            self.tls = Some(tls);
            self
        }

        /// `host:port`, as it is dialled and logged.
        #[must_use]
        pub fn address(&self) -> String {
            join(&self.host, self.port)
        }

        pub(in crate::redis) fn settings(&self) -> Settings {
            Settings {
                host: self.host.clone(),
                port: self.port,
                username: self.username.clone(),
                password: self.password.clone(),
                database: self.database,
                secure: self.secure,
                malformed: self.malformed,
                connect_timeout: self.connect_timeout,
                ping_interval: self.ping_interval,
                keepalive: self.keepalive,
                #[cfg(feature = "tls")]
                tls: self.tls.clone(),
            }
        }
    };
}

mod client;
mod server;
mod streams;

pub use client::RedisTransportOptions;
pub use server::RedisMicroserviceOptions;
pub use streams::RedisStreamsOptions;

/// Before a pattern, in the key of its stream.
const STREAM_PREFIX: &str = "events:";
