//! What transports over a broker share: from a delivery to its answer, from a call to its reply, and connections that come
//! and go. No driver of any broker is named here; a leaf (`nats/`, `redis/`) brings one.
//!
//! # The server's side
//!
//! A leaf implements [`ServerDriver`] (make one connection) and [`ServerLink`] (that connection: subscribe, say when it is
//! lost, stop, close), and turns what its driver delivers into [`Delivery`]s, each with a [`Replier`] where the sender
//! waits for an answer. [`BrokerServer`] does the rest: it connects at start for `startup_timeout` (BR-1), runs at most
//! `prefetch` deliveries of each subscription at a time (BR-4), reads packets, counts and logs what is none (BR-5),
//! dispatches by the subscribed pattern, answers, or settles with the delivery's [`Acknowledger`] where the broker keeps
//! messages until it is told how they ended (BR-6, BR-7), connects and subscribes anew after a loss (BR-2, BR-3), and drains at
//! shutdown (BR-8). A leaf's `TransportServer` passes its methods on.
//!
//! Connections are disposable: a driver that connects anew by itself is told not to. What was given to one connection is
//! never sent on the next, so that the fate of a message can be told.
//!
//! # The client's side
//!
//! A leaf implements [`ClientDriver`] (make one connection, and hand what comes back to the [`Replies`] that it is given)
//! and [`ClientLink`] (send a request, send an event, say when it is lost, close). [`BrokerClient`] does the rest: ids,
//! timeouts, streams, limits, `sent`, one more try for what was surely not executed, connections (CL-1 to CL-13), status
//! and counters. A leaf's `Transport` passes its methods on by `pass_on_transport!`.

#![cfg_attr(
    not(all(feature = "nats", feature = "redis")),
    allow(dead_code, reason = "each leaf uses the part that its broker needs")
)]
// What a peer sends must not be able to make this panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice))]

/// One setter per field.
macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $type:ty),* $(,)?) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )*};
}
pub(crate) use setters;

mod client;
mod consumer;
mod message;
mod server;
mod settling;
mod subscription;
mod writing;

pub(crate) use client::{BrokerClient, CallingOptions, ClientDriver, ClientLink, Outgoing, Replies, pass_on_transport};
pub(crate) use consumer::{ConsumerOptions, NotJson};
pub(crate) use message::{Delivery, Replier};
pub(crate) use server::{BrokerServer, ServerDriver, ServerLink, StartUp};
#[cfg(feature = "redis")]
pub(crate) use settling::DeadReason;
#[allow(unused_imports, reason = "for leaves whose brokers keep messages")]
pub(crate) use settling::{Acknowledger, DeadLetter, Redelivery};
pub(crate) use subscription::Subscription;
#[cfg(feature = "redis")]
pub(crate) use writing::body_of;

#[cfg(test)]
mod fake;
