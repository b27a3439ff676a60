//! What is counted, each kind in a file: set up once, run some times to warm it up, then run [`OPERATIONS`] times under
//! the eyes of valgrind.
//!
//! - [`parts`]: one step of a message's way by itself: a frame, a packet, a route, a dispatched call;
//! - [`server`]: whole requests, from the bytes that a socket gives to the bytes that it takes, and items of streams;
//! - [`client`]: whole calls, from `send` to the value, and items of streams;
//! - [`service`]: the handlers, bare and with stages; [`socket`]: the socket, in memory; [`wire`]: the bytes.
//!
//! One thread and no kernel: a count is the same in every run, and on every machine whose processor valgrind shows to the
//! program in the same way.

pub mod client;
pub mod parts;
pub mod server;
pub mod service;
pub mod socket;
pub mod wire;

/// How often each thing is done in one count. `cargo xtask counts` divides by it.
pub const OPERATIONS: usize = 256;
/// The same for what is long; its name ends in `.long`.
pub const LONG_OPERATIONS: usize = 16;
/// Requests that arrive in one read, and calls that are under way at a time.
pub const IN_FLIGHT: usize = 16;
