//! From an inbound message to its answer: who handles it, for how long, and what becomes of what it gives.

// What goes in, and who runs it.
mod inbound;
mod table;

// One call, from its route to the next packets of its answer.
mod answers;
mod bounded;
mod call;
mod direct;
mod failure;
mod handler;
mod place;
mod run;
mod spare;

// What is not one value of one handler.
mod several;
mod stream;

pub use answers::Answers;
pub use call::{Call, Progress};
pub(crate) use failure::{log_failure, panicked};
pub use inbound::{Inbound, TIMEOUT_METADATA};
pub use table::Dispatcher;
