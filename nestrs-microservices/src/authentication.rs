//! Who may connect: the hook that decides it, what it is told, and what it leaves behind.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nestrs_core::{ErrorKind, ExecutionContext, FromContext, Payload, TransportError};
use serde::de::DeserializeOwned;

use crate::context::ConnectionContext;
use crate::net::{PeerIdentity, Secret};

/// A connection that wants to be let in, as an authentication hook sees it: see
/// [`TcpMicroserviceOptions::authenticate`](crate::TcpMicroserviceOptions::authenticate).
#[derive(Clone)]
pub struct ConnectionRequest {
    pub(crate) peer_addr: Option<SocketAddr>,
    pub(crate) identity: Option<PeerIdentity>,
    pub(crate) credentials: Option<Payload>,
}

impl ConnectionRequest {
    /// Where it comes from, where the transport has addresses.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// Who it has proved to be by TLS, if it has.
    #[must_use]
    pub fn identity(&self) -> Option<&PeerIdentity> {
        self.identity.as_ref()
    }

    /// The token in its first frame; `None` where the hook was not told to wait for one, and where it is not a JSON string.
    #[must_use]
    pub fn token(&self) -> Option<Secret> {
        self.credentials::<String>().map(Secret::from)
    }

    /// What is in its first frame, for credentials that are more than a token; `None` as for
    /// [`ConnectionRequest::token`], and where it is not a `T`.
    #[must_use]
    pub fn credentials<T: DeserializeOwned>(&self) -> Option<T> {
        self.credentials.as_ref()?.decode().ok()
    }
}

/// Never the credentials.
impl fmt::Debug for ConnectionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionRequest")
            .field("peer_addr", &self.peer_addr)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// What an authentication hook has returned, of whatever type.
pub(crate) type Claims = Arc<dyn Any + Send + Sync>;

/// Decides who may connect.
#[derive(Clone)]
pub(crate) struct Authenticator {
    decide: Arc<dyn Fn(ConnectionRequest) -> BoxFuture<'static, Result<Claims, TransportError>> + Send + Sync>,
    /// Whether it wants the first frame.
    pub(crate) by_credentials: bool,
}

impl Authenticator {
    pub(crate) fn new<F, Fut, T>(hook: F, by_credentials: bool) -> Self
    where
        F: Fn(ConnectionRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TransportError>> + Send + 'static,
        T: Send + Sync + 'static,
    {
        let hook = Arc::new(hook);
        let decide = Arc::new(move |request| {
            let hook = Arc::clone(&hook);
            // Called inside the future, so that a panic is met where it is awaited.
            async move { hook(request).await.map(|claims| Arc::new(claims) as Claims) }.boxed()
        });
        Self { decide, by_credentials }
    }

    /// The hook's word; a panic is a no.
    pub(crate) async fn decide(&self, request: ConnectionRequest) -> Result<Claims, TransportError> {
        let deciding = AssertUnwindSafe(async { (self.decide)(request).await }).catch_unwind();
        // What it panicked with is the hook's own, and may hold what the peer sent.
        deciding.await.unwrap_or_else(|_| Err(TransportError::internal("the authentication hook has panicked")))
    }
}

/// What the authentication hook has returned for the caller's connection, as an argument of a handler.
///
/// It is an error, answered to the caller, where there is no such value: no hook, one that returns another type, or a call
/// that did not come over a connection. `Option<Authenticated<T>>` is `None` there. Guards use
/// [`ConnectionContext::authenticated`].
///
/// ```
/// use nestrs::microservices::{Authenticated, TcpMicroserviceOptions};
/// use nestrs::prelude::*;
///
/// struct Tenant(String);
///
/// #[injectable]
/// struct Orders;
///
/// #[micro_routes]
/// impl Orders {
///     #[message_pattern("orders.tenant")]
///     async fn tenant(&self, #[ctx] tenant: Authenticated<Tenant>) -> String {
///         tenant.0.clone()
///     }
/// }
///
/// let options = TcpMicroserviceOptions::default().authenticate(|request| async move {
///     match request.identity().and_then(|peer| peer.common_name()) {
///         Some(name) => Ok(Tenant(name.to_owned())),
///         None => Err(nestrs::forbidden()),
///     }
/// });
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct Authenticated<T>(Arc<T>);

impl<T> Deref for Authenticated<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> FromContext<'_> for Authenticated<T> {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        let claims = cx.transport::<ConnectionContext>().and_then(ConnectionContext::claims).cloned();
        claims.and_then(|claims| claims.downcast().ok()).map(Self).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            let text = format!("`{}` was not called over a connection authenticated as `{wanted}`", cx.handler());
            TransportError::withheld(ErrorKind::Internal, text)
        })
    }
}

/// As an argument of a handler; an error where the caller's connection has none.
impl FromContext<'_> for PeerIdentity {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        cx.transport::<ConnectionContext>().and_then(ConnectionContext::identity).cloned().ok_or_else(|| {
            let text = format!("`{}` was not called by a peer that has shown a certificate", cx.handler());
            TransportError::withheld(ErrorKind::Internal, text)
        })
    }
}
