//! Calls out: the proxy applications use, and how proxies are registered.

mod config;
pub(crate) mod contract;
mod module;
mod pending;
mod proxy;

pub use config::ClientConfig;
pub use contract::ContractClient;
pub use module::{AsyncClientConfig, ClientsModule, ClientsService};
pub(crate) use pending::{Pending, Waiter};
pub use proxy::{ClientProxy, ReplyItems};
