//! NestJS's NATS transport, both ends, by async-nats (NestJS fact sheet, section 8).
//!
//! In reading order: what can be set (`options/`), how a connection is made (`connecting`), what a subject may be
//! (`subject`), the server, what tools may ask of it (`service/`), the client, events that are kept (`jetstream/`), and what
//! handlers and callers see of NATS (`context`, `headers`, `record`).

// What a peer sends must not be able to make this panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice))]

mod client;
mod connecting;
mod context;
mod credentials;
mod headers;
mod jetstream;
mod options;
mod record;
mod server;
mod service;
mod subject;

pub use client::NatsTransport;
pub use context::NatsContext;
pub use headers::NatsHeaders;
pub use jetstream::{JetStreamEmitOptions, JetStreamOptions};
pub use options::{NatsMicroserviceOptions, NatsTransportOptions};
pub use record::{NatsRecord, NatsRecordBuilder};
pub use server::NatsServer;
