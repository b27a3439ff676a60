//! Both ends of a transport in one process, for tests and examples: no socket, no port, the same bytes.

use std::io;

use nestrs_core::TransportId;
use tokio::sync::mpsc;

use crate::net::io::{Accepted, Connector};
use crate::tcp::{TcpMicroserviceOptions, TcpTransportOptions};

/// How many bytes each direction of a connection holds.
const BUFFER: usize = 64 * 1024;
/// Connections that have been dialled and not yet accepted.
const BACKLOG: usize = 16;

/// Options for a server and for clients of it, connected in memory.
///
/// Everything but the socket is what TCP uses: packets, codec, limits, dispatch. Nothing here waits for a clock, so it
/// runs under paused time. Each client made from the options, or from a clone, is a connection of its own; clients that
/// dial after the server has stopped are refused. To handlers that ask for a transport it is
/// [`TransportId::MEMORY`], not TCP.
///
/// ```
/// use std::sync::Arc;
/// use nestrs::microservices::{TcpTransport, memory_pair};
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct MathService;
///
/// #[micro_routes]
/// impl MathService {
///     #[message_pattern({ cmd: "sum" })]
///     async fn sum(&self, numbers: Vec<i64>) -> i64 {
///         numbers.iter().sum()
///     }
/// }
///
/// #[module(providers = [MathService], microservices = [MathService])]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (server, transport) = memory_pair();
/// let app = NestFactory::create_microservice::<AppModule>(server).start().await?;
/// let client = ClientProxy::new(Arc::new(TcpTransport::new(transport)));
/// let sum: i64 = client.send(pattern!({ cmd: "sum" }), &[1, 2, 3]).await?;
/// assert_eq!(sum, 6);
/// app.close().await;
/// # Ok(()) }
/// ```
#[must_use]
pub fn memory_pair() -> (TcpMicroserviceOptions, TcpTransportOptions) {
    memory_pair_as(TransportId::MEMORY)
}

/// [`memory_pair`], to handlers a transport of another name: what is marked `transport = tcp` is served by
/// `memory_pair_as(TransportId::TCP)`.
///
/// ```
/// use nestrs_core::TransportId;
/// use nestrs_microservices::{MicroserviceOptions, memory_pair_as};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let (server, _) = memory_pair_as(TransportId::TCP);
/// assert_eq!(server.into_server().bind().await?.transport, "tcp");
/// # Ok::<(), nestrs_core::TransportError>(()) }).unwrap().unwrap();
/// ```
#[must_use]
pub fn memory_pair_as(transport: TransportId) -> (TcpMicroserviceOptions, TcpTransportOptions) {
    let (dialled, accepted) = mpsc::channel(BACKLOG);
    let connector = Connector::new(move || {
        let dialled = dialled.clone();
        async move {
            let (near, far) = tokio::io::duplex(BUFFER);
            let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
            dialled.send(Accepted::new(far)).await.map_err(refused)?;
            Ok(near)
        }
    });
    let mut server = TcpMicroserviceOptions::default().listener(accepted);
    server.transport = transport;
    (server, TcpTransportOptions::default().connector(connector))
}
