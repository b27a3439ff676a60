//! Events within one process, with no wire in between (NestJS's `@nestjs/event-emitter`).
//!
//! In reading order, one event meets: [`EventBus`], where it is published; [`topic`], which says whose it is;
//! [`registry`], which knows everyone; [`subscriber`], which runs a handler or queues for it; and [`Published`], what
//! became of it.

mod bus;
mod closing;
mod declared;
mod event;
mod options;
mod publishing;
mod registry;
mod report;
mod stats;
mod stream;
mod subscriber;
mod subscription;
mod topic;

pub use bus::EventBus;
pub use event::{EventOutcome, ReceivedEvent};
pub use options::{EventBusModule, EventBusOptions};
pub use report::{Emitted, FailureKind, Published, SubscriberFailure};
pub use stats::EventBusStats;
pub use stream::{EventStream, NextEvent};
pub use subscription::Subscription;
