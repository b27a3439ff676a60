//! NestJS's TCP transport, both ends (NestJS fact sheet, section 6).

mod admission;
mod call_id;
mod client;
mod connection;
mod dial;
mod fault;
mod link;
mod options;
mod out;
mod server;

pub use client::TcpTransport;
pub use options::{Overflow, TcpMicroserviceOptions, TcpTransportOptions, default_host};
pub use server::TcpServer;
