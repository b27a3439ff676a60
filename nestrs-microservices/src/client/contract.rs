//! What all clients of contracts have in common.

use std::future::Future;
use std::time::Duration;

use nestrs_core::__private::LiteralPattern;
use nestrs_core::{BoxFuture, Dependency, Injectable, Pattern, Provider, ResolveError, Resolver, TransportError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::proxy::{ClientProxy, ReplyItems};
use super::retry::RetryPolicy;

/// A client that `#[contract]` has generated: the typed face of one [`ClientProxy`]. Clones share its connection.
///
/// Its calls are methods of its own; what is here tells how calls are made. In the prelude, so that it is at hand where
/// a client is used.
///
/// As a provider it takes the client registered as [`ContractClient::CLIENT`], or, when the contract names none, the only
/// client in sight: `#[module(providers = [OrdersClient])]`. [`ContractClient::provider`] takes another.
///
/// ```
/// use std::time::Duration;
/// use nestrs::microservices::{ClientConfig, TcpTransportOptions};
/// use nestrs::prelude::*;
///
/// #[contract(client = "ORDERS")]
/// trait Orders {
///     #[message_pattern("orders.count")]
///     async fn count(&self) -> u64;
/// }
///
/// async fn count(orders: &OrdersClient) -> Result<u64, TransportError> {
///     orders.with_timeout(Duration::from_millis(200)).with_metadata("tenant", "acme").count().await
/// }
///
/// #[module(
///     imports = [ClientsModule::register(&[ClientConfig::tcp("ORDERS", TcpTransportOptions::to("127.0.0.1:3001"))])],
///     providers = [OrdersClient],
/// )]
/// struct GatewayModule;
/// ```
pub trait ContractClient: Injectable + Clone + From<ClientProxy> {
    /// What the client it takes is registered as: `#[contract(client = "ORDERS")]`.
    const CLIENT: Option<&'static str>;

    /// What carries its calls.
    fn proxy(&self) -> &ClientProxy;

    /// The same client with another timeout for its calls; see [`ClientProxy::with_timeout`].
    #[must_use]
    fn with_timeout(&self, timeout: Duration) -> Self {
        Self::from(self.proxy().with_timeout(timeout))
    }

    /// The same client with a string beside every payload; see [`ClientProxy::with_metadata`].
    #[must_use]
    fn with_metadata(&self, key: impl Into<String>, value: impl Into<String>) -> Self {
        Self::from(self.proxy().with_metadata(key, value))
    }

    /// The same client, for calls that may be executed twice without harm; see [`ClientProxy::retry_idempotent`].
    #[must_use]
    fn retry_idempotent(&self) -> Self {
        Self::from(self.proxy().retry_idempotent())
    }

    /// The same client with calls that are tried again; see [`ClientProxy::with_retry`].
    #[must_use]
    fn with_retry(&self, policy: RetryPolicy) -> Self {
        Self::from(self.proxy().with_retry(policy))
    }

    /// The same client with an answer for calls that cannot be made; see [`ClientProxy::with_fallback`].
    #[must_use]
    fn with_fallback<F, Fut>(&self, answer: F) -> Self
    where
        F: Fn(Pattern, TransportError) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, TransportError>> + Send + 'static,
    {
        Self::from(self.proxy().with_fallback(answer))
    }

    /// A provider of this client over the [`ClientProxy`] registered as `name`, whatever the contract says.
    ///
    /// Where two servers serve one contract, give each provider a name:
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nestrs::prelude::*;
    ///
    /// #[contract]
    /// trait Orders {
    ///     #[message_pattern("orders.count")]
    ///     async fn count(&self) -> u64;
    /// }
    ///
    /// #[injectable]
    /// struct Totals {
    ///     #[inject("EU")]
    ///     eu: Arc<OrdersClient>,
    ///     #[inject("US")]
    ///     us: Arc<OrdersClient>,
    /// }
    ///
    /// #[module(providers = [
    ///     OrdersClient::provider("ORDERS_EU").named("EU"),
    ///     OrdersClient::provider("ORDERS_US").named("US"),
    ///     Totals,
    /// ])]
    /// struct TotalsModule;
    /// ```
    #[must_use]
    fn provider(name: &'static str) -> Provider {
        Provider::dynamic(vec![dependency(Some(name))], move |resolver| take::<Self>(resolver, Some(name)))
    }
}

fn dependency(name: Option<&'static str>) -> Dependency {
    const ASKED_BY: &str = "its contract";
    match name {
        Some(name) => Dependency::named::<ClientProxy>(ASKED_BY, name),
        None => Dependency::required::<ClientProxy>(ASKED_BY),
    }
}

fn take<C: ContractClient>(resolver: &Resolver<'_>, name: Option<&'static str>) -> Result<C, ResolveError> {
    let proxy = match name {
        Some(name) => resolver.named::<ClientProxy>(name)?,
        None => resolver.required::<ClientProxy>()?,
    };
    Ok(C::from((*proxy).clone()))
}

/// What a generated client needs to be built.
#[must_use]
pub fn dependencies<C: ContractClient>() -> Vec<Dependency> {
    vec![dependency(C::CLIENT)]
}

/// Builds a generated client.
///
/// # Errors
/// When the resolver does not have what [`dependencies`] says.
pub fn construct<C: ContractClient>(resolver: &Resolver<'_>) -> Result<C, ResolveError> {
    take(resolver, C::CLIENT)
}

/// A type that goes to a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the payload of a contract",
    label = "not both `Serialize` and `Deserialize`",
    note = "a client writes it and a handler reads it: derive both `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait ContractPayload: Serialize + DeserializeOwned + Send + Sync {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync> ContractPayload for T {}

/// A type that comes back from a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reply of a contract",
    label = "not both `Serialize` and `Deserialize`",
    note = "a handler writes it and a client reads it: derive both `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait ContractReply: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> ContractReply for T {}

/// Sends a request.
///
/// Boxed, as the two below are: a future that names its types has their conditions too, and a type that does not meet
/// them would be an error once for the call and once more for its future.
///
/// # Errors
/// As [`ClientProxy::send`].
pub fn send<'a, P: ContractPayload + 'a, T: ContractReply>(
    client: &'a impl ContractClient,
    pattern: &'static LiteralPattern,
    payload: P,
) -> BoxFuture<'a, Result<T, TransportError>> {
    Box::pin(async move { client.proxy().send(pattern.pattern(), &payload).await })
}

/// Sends a request that is answered by many values.
///
/// # Errors
/// As [`ClientProxy::send_stream`].
pub fn send_stream<'a, P: ContractPayload + 'a, T: ContractReply>(
    client: &'a impl ContractClient,
    pattern: &'static LiteralPattern,
    payload: P,
) -> BoxFuture<'a, Result<ReplyItems<T>, TransportError>> {
    Box::pin(async move { client.proxy().send_stream(pattern.pattern(), &payload).await })
}

/// Emits an event.
///
/// # Errors
/// As [`ClientProxy::emit`].
pub fn emit<'a, P: ContractPayload + 'a>(
    client: &'a impl ContractClient,
    pattern: &'static LiteralPattern,
    payload: P,
) -> BoxFuture<'a, Result<(), TransportError>> {
    Box::pin(async move { client.proxy().emit(pattern.pattern(), &payload).await })
}
