//! A named client, before it is registered.

use std::fmt;
use std::sync::Arc;

use crate::tcp::{TcpTransport, TcpTransportOptions};
use crate::transport::Transport;

/// A transport under a name; what [`ClientsModule::register`](crate::ClientsModule::register) takes.
///
/// The fields are public, so a transport of your own registers like a built-in one:
///
/// ```
/// use std::sync::Arc;
/// use nestrs_microservices::{ClientConfig, TcpTransportOptions, Transport};
/// # use nestrs_core::{TransportError, async_trait};
/// # use serde_json::Value;
/// # struct Loopback;
/// # #[async_trait]
/// # impl Transport for Loopback {
/// #     async fn send_json(&self, _: &str, payload: Value) -> Result<Value, TransportError> { Ok(payload) }
/// #     async fn emit_json(&self, _: &str, _: Value) -> Result<(), TransportError> { Ok(()) }
/// # }
///
/// let built_in = ClientConfig::tcp("billing", TcpTransportOptions::to("127.0.0.1:3001"));
/// let own = ClientConfig { name: "loopback", transport: Arc::new(Loopback) };
/// # let _ = (built_in, own);
/// ```
#[derive(Clone)]
pub struct ClientConfig {
    /// What the client is injected by: `#[inject("billing")]`, `ClientsService::expect("billing")`.
    pub name: &'static str,
    /// What carries its calls.
    pub transport: Arc<dyn Transport>,
}

impl ClientConfig {
    /// A client over TCP. Nothing is dialled before the first call.
    #[must_use]
    pub fn tcp(name: &'static str, options: TcpTransportOptions) -> Self {
        Self { name, transport: Arc::new(TcpTransport::new(options)) }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig").field("name", &self.name).finish_non_exhaustive()
    }
}
