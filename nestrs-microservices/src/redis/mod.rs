//! The Redis transport: NestJS's `Transport.REDIS`, over publish and subscribe (NestJS fact sheet, section 7).
//!
//! Either end has a [`session`] of two connections, one that listens and one that publishes. A request goes to the channel
//! that is its pattern, its responses to the same name with `.reply` behind it, which all callers of that pattern share.
//! Events may go by streams instead (`streams/`), on a connection more.

mod address;
mod client;
mod context;
mod dial;
mod failure;
mod inbox;
mod options;
mod reply_channels;
mod server;
mod session;
mod settings;
mod streams;

pub use client::RedisTransport;
pub use context::RedisContext;
pub use options::{RedisMicroserviceOptions, RedisStreamsOptions, RedisTransportOptions};
pub use server::RedisServer;

/// Where the responses to a request go.
fn reply_channel(channel: &str) -> String {
    format!("{channel}.reply")
}
