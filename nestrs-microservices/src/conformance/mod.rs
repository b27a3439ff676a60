//! One suite for every transport: what callers and handlers may rely on, checked at both ends of a real one.
//!
//! A transport describes itself as a [`ConformanceTarget`]: how its server and its clients are made, and how the way between
//! them is cut and mended. [`run`] checks each [`Promise`] against it, with a service and clients of its own, and gives a
//! [`Report`] that prints as a table. What a transport does not offer it says, with the reason, by
//! [`ConformanceTarget::offer`]; nothing is left out in silence.
//!
//! TCP, the memory transport, NATS and Redis pass this suite; a transport of your own can too. It drives the
//! [`TransportServer`](crate::TransportServer) as an application does and calls through a
//! [`ClientProxy`](crate::ClientProxy), so nothing of the transport has to be made for it. Patterns are other ones for each
//! promise of each run: two runs can share a broker.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//! use nestrs::testing::conformance::{self, ConformanceTarget, Offer, Promise};
//! use nestrs::microservices::{
//!     MicroserviceOptions, TcpTransport, TcpTransportOptions, Transport, TransportServer, memory_pair,
//! };
//! use nestrs::prelude::*;
//!
//! /// How the ends that it makes find each other.
//! #[derive(Default)]
//! struct Memory(Mutex<TcpTransportOptions>);
//!
//! #[async_trait]
//! impl ConformanceTarget for Memory {
//!     fn name(&self) -> &str {
//!         "memory"
//!     }
//!
//!     fn offer(&self, promise: Promise) -> Offer {
//!         match promise {
//!             Promise::Reconnect | Promise::Status => Offer::no("memory is not lost"),
//!             Promise::Replicas => Offer::no("one server has the other end"),
//!             _ => Offer::Yes,
//!         }
//!     }
//!
//!     async fn server(&self) -> Result<Box<dyn TransportServer>, TransportError> {
//!         let (server, client) = memory_pair();
//!         let (max, soon) = (self.max_message_bytes(), Duration::from_millis(100));
//!         *self.0.lock().unwrap() = client.max_frame_bytes(max).connect_wait(soon);
//!         Ok(server.max_frame_bytes(max).grace_period(3 * soon).into_server())
//!     }
//!
//!     async fn client(&self, _address: &str) -> Result<Arc<dyn Transport>, TransportError> {
//!         Ok(Arc::new(TcpTransport::new(self.0.lock().unwrap().clone())))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let report = conformance::run(&Memory::default()).await;
//! println!("{report}");
//! report.assert_kept();
//! # }
//! ```

mod bench;
mod calls;
mod endings;
mod losses;
mod promise;
mod report;
mod run;
mod service;
mod target;

pub use promise::Promise;
pub use report::{Outcome, Report, Row, table};
pub use run::{run, run_only};
pub use target::{ConformanceTarget, Offer};
