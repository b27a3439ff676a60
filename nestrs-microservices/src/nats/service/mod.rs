//! The services API of NATS (its architecture decision 32): how `nats micro` and other tools find a service, ask what it
//! is, and read how it does.
//!
//! In reading order: who a service is (`identity`), what is counted of each of its endpoints (`endpoint`), what it answers
//! (`answers`), and to whom (`serving`).

mod answers;
mod endpoint;
mod identity;
mod serving;
mod started;

pub(super) use endpoint::{Endpoint, Underway};
pub(super) use identity::Identity;
pub(super) use serving::{Service, Serving};
