//! NestJS's TCP transport, both ends (NestJS fact sheet, section 6).

// What a peer sends must not be able to make this panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice))]

mod accept;
mod admission;
mod call_id;
mod client;
mod connection;
mod dial;
mod fault;
mod half_frame;
mod link;
mod options;
mod out;
mod places;
mod server;

#[cfg(any(feature = "nats", feature = "redis"))]
pub(crate) use call_id::{id_of, id_text, next_id, was_given};
pub use client::TcpTransport;
#[cfg(any(feature = "nats", feature = "redis"))]
pub(crate) use client::Tries;

pub use options::{Overflow, TcpMicroserviceOptions, TcpTransportOptions, default_host};
pub use server::TcpServer;
