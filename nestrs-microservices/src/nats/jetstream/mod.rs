//! Events that NATS keeps until they are handled: JetStream, as an option of either end.
//!
//! In reading order: what can be set (`options`), which subjects a stream holds (`covering`), finding or declaring what there
//! must be (`topology`), taking messages (`pulling`), and saying how they ended (`settling`).

mod covering;
mod options;
mod pulling;
mod settling;
mod topology;

pub use options::{JetStreamEmitOptions, JetStreamOptions};
pub(super) use pulling::{Broken, Durable};
pub(super) use settling::Current;
pub(super) use topology::{Known, Topology, api};
