//! NestJS's TCP transport, both ends (NestJS fact sheet, section 6).

mod call_id;
mod client;
mod connection;
mod dial;
mod fault;
mod half_frame;
mod link;
mod nesting;
mod options;
mod out;
mod server;

pub use client::TcpTransport;
pub use options::{Overflow, TcpMicroserviceOptions, TcpTransportOptions, default_host};
pub use server::TcpServer;
