//! Message transports of nestrs: from bytes to a handler and back.
//!
//! Applications use the `nestrs` crate with feature `microservices`, which re-exports all of this as
//! `nestrs::microservices`. In reading order, one message meets:
//!
//! - [`net`]: the socket and the codec that finds frames in its bytes;
//! - [`Packet`]: what is inside a frame;
//! - [`Dispatcher`], with its [`RouteTable`]: who handles it, and what is answered;
//! - [`TcpServer`] and [`TcpTransport`]: both ends of a transport, behind [`TransportServer`] and [`Transport`];
//! - [`ClientProxy`], [`ClientsModule`] and [`EventBus`]: what applications call.

mod authentication;
mod client;
mod context;
mod deadline;
mod dispatcher;
mod event_bus;
mod json_bounds;
#[cfg(feature = "test-util")]
mod memory;
#[cfg(feature = "test-util")]
mod mock;
pub mod net;
mod packet;
mod route_table;
mod scratch;
mod serializer;
mod server_handle;
mod serving;
mod shutdown;
mod tcp;
mod time;
mod transport;

pub use authentication::{Authenticated, ConnectionRequest};
pub use client::{
    AsyncClientConfig, Backoff, CircuitBreaker, CircuitOpen, ClientConfig, ClientLayer, ClientProxy, ClientStats,
    ClientsModule, ClientsService, ContractClient, ReplyItems, RetryPolicy,
};
pub use context::{Cancellation, ConnectionContext, Peer};
pub use deadline::{current_deadline, with_deadline};
pub use dispatcher::{Answers, Call, Dispatcher, Inbound, Progress, TIMEOUT_METADATA};
pub use event_bus::{
    Emitted, EventBus, EventBusModule, EventBusOptions, EventBusStats, EventOutcome, EventStream, FailureKind,
    NextEvent, Published, ReceivedEvent, SubscriberFailure, Subscription,
};
#[cfg(feature = "test-util")]
pub use memory::{memory_pair, memory_pair_as};
#[cfg(feature = "test-util")]
pub use mock::{Expectation, MockCall, MockService};
#[doc(inline)]
pub use net::registry::{
    ConnectionEvent, ConnectionEvents, ConnectionId, ConnectionInfo, ConnectionObserver, RejectedConnections,
    ServerStats, ServerStatus,
};
pub use net::{PeerIdentity, Secret};
pub use packet::{Answer, Packet, PacketError};
pub use route_table::{RouteEntry, RouteTable};
pub use serializer::{PacketDeserializer, PacketSerializer};
pub use server_handle::ServerHandle;
pub use serving::Serving;
pub use shutdown::Shutdown;
pub use tcp::{Overflow, TcpMicroserviceOptions, TcpServer, TcpTransport, TcpTransportOptions, default_host};
pub use transport::{Bound, CallOptions, CircuitState, ClientStatus, MicroserviceOptions, Transport, TransportServer};

/// What macros expand to. Not for people: anything here may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::client::contract::{
        ContractPayload, ContractReply, construct, dependencies, emit, send, send_stream,
    };
    pub use crate::client::{ClientProxy, ContractClient, ReplyItems};
}
