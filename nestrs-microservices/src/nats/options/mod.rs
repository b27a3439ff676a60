//! What can be set on either end of NATS.

/// What both ends have: setters for how the server is reached.
macro_rules! reach {
    () => {
        /// Sets the servers of one cluster, each `host:port`; one after another is tried.
        #[must_use]
        pub fn servers<S: Into<String>>(mut self, servers: impl IntoIterator<Item = S>) -> Self {
            self.servers = servers.into_iter().map(Into::into).collect();
            self
        }

        /// Sets the name that the NATS server shows of this connection.
        #[must_use]
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.name = Some(name.into());
            self
        }

        /// Shows this token. Without TLS, whoever can read the network can read it.
        #[must_use]
        pub fn token(mut self, token: impl Into<crate::net::Secret>) -> Self {
            self.credentials = Credentials::Token(token.into());
            self
        }

        /// Shows this name and password. Without TLS, whoever can read the network can read them.
        #[must_use]
        pub fn user_and_password(mut self, user: impl Into<String>, password: impl Into<crate::net::Secret>) -> Self {
            self.credentials = Credentials::User(user.into(), password.into());
            self
        }

        /// Signs with the NKey of this seed (`SU…`), which itself is never sent.
        #[must_use]
        pub fn nkey(mut self, seed: impl Into<crate::net::Secret>) -> Self {
            self.credentials = Credentials::NKey(seed.into());
            self
        }

        /// Speaks TLS on every connection, and to nobody else: NestJS's `tls`. The server's certificate is checked against the
        /// host that is dialled. Feature `tls`.
        #[cfg(feature = "tls")]
        #[must_use]
        pub fn tls(mut self, tls: crate::net::tls::TlsClientOptions) -> Self {
            self.tls = Some(tls);
            self
        }
    };
}

/// What both ends show of themselves.
macro_rules! shown {
    ($name:literal) => {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct($name)
                .field("servers", &self.connecting().address())
                .field("name", &self.name)
                .field("credentials", &self.credentials)
                .finish_non_exhaustive()
        }
    };
}

mod client;
mod server;

pub use client::NatsTransportOptions;
pub use server::NatsMicroserviceOptions;

/// NestJS's default.
fn default_servers() -> Vec<String> {
    vec!["localhost:4222".to_owned()]
}
