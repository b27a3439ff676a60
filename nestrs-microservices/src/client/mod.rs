//! Calls out: the proxy applications use, and how proxies are registered.

mod backoff;
mod breaker;
mod config;
pub(crate) mod contract;
mod fallback;
mod layer;
mod module;
mod pending;
mod proxy;
mod retry;
mod retrying;
mod stats;
mod tries;

pub use backoff::Backoff;
pub use breaker::{CircuitBreaker, CircuitOpen};
pub use config::ClientConfig;
pub use contract::ContractClient;
pub use layer::ClientLayer;
pub use module::{AsyncClientConfig, ClientsModule, ClientsService};
pub(crate) use pending::{Pending, Settled, Waiter, is_farewell};
pub use proxy::{ClientProxy, ReplyItems};
pub use retry::RetryPolicy;
pub use stats::ClientStats;
pub(crate) use stats::Counters;
pub(crate) use tries::TriesLeft;
