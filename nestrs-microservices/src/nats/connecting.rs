//! One connection to a NATS server, used until it is lost.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ReconnectToServer, ServerAddr};
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{ErrorKind, TransportError};
use tokio_util::sync::CancellationToken;

use super::credentials::Credentials;

/// What a server says of this side's mistakes: as often as it likes.
static SERVER_ERRORS: LogLimit = LogLimit::per_second(10);

/// How often a connection is asked whether it still is one, should the driver's word of it be lost.
const LOOK: Duration = Duration::from_millis(250);

/// An address that nobody has: the driver connects anew by itself, and this is all that it may connect to.
const NOWHERE: &str = "nats://127.0.0.1:0";

/// How connections are made.
#[derive(Clone)]
pub(super) struct Connecting {
    pub(super) servers: Vec<String>,
    pub(super) name: Option<String>,
    pub(super) credentials: Credentials,
    pub(super) ping_interval: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) inbox_prefix: Option<String>,
    pub(super) subscription_capacity: usize,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::net::tls::TlsClientOptions>,
    /// Which server is tried first.
    pub(super) turn: Arc<AtomicUsize>,
}

/// A connection.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) client: Client,
    lost: Arc<Lost>,
}

#[derive(Default)]
struct Lost {
    token: CancellationToken,
    /// What the server said last.
    said: Mutex<Option<String>>,
}

impl Connecting {
    /// `a:4222, b:4222`, as it is logged.
    pub(super) fn address(&self) -> String {
        self.servers.iter().map(|server| shown(server)).collect::<Vec<_>>().join(",")
    }

    /// Tries each server once. `overflowed` is called for each message that the driver drops.
    pub(super) async fn connect(
        &self,
        overflowed: impl Fn() + Send + Sync + Clone + 'static,
    ) -> Result<Wire, TransportError> {
        self.credentials.check()?;
        if let Some(prefix) = &self.inbox_prefix {
            super::subject::check_sent(prefix)?;
        }
        let first = self.turn.load(Ordering::Relaxed);
        let mut last = TransportError::internal("there is no server to connect to");
        for at in 0..self.servers.len() {
            let Some(server) = self.servers.get((first.wrapping_add(at)) % self.servers.len()) else { continue };
            match self.connect_to(server, overflowed.clone()).await {
                Ok(wire) => return Ok(wire),
                Err(error) => last = error,
            }
            self.turn.fetch_add(1, Ordering::Relaxed);
        }
        Err(last)
    }

    async fn connect_to(
        &self,
        server: &str,
        overflowed: impl Fn() + Send + Sync + Clone + 'static,
    ) -> Result<Wire, TransportError> {
        let address = address(server)?;
        let nowhere = NOWHERE.parse::<ServerAddr>().map_err(|error| TransportError::internal(error.to_string()))?;
        let lost = Arc::new(Lost::default());
        let (heard, credentials) = (Arc::clone(&lost), self.credentials.clone());
        let (first, once) = (address.clone(), Arc::new(AtomicBool::new(true)));
        let elsewhere = nowhere.clone();
        let signing = move |nonce: Vec<u8>| {
            let credentials = credentials.clone();
            async move { credentials.answer(&nonce) }
        };
        let options = ConnectOptions::with_auth_callback(signing)
            .connection_timeout(self.connect_timeout)
            .ping_interval(self.ping_interval)
            .subscription_capacity(self.subscription_capacity.max(1))
            .ignore_discovered_servers()
            // Whoever holds this connection makes the next one: what was given to the driver for this one must not go out
            // on another. After a loss it finds nobody, once, and ends.
            .max_reconnects(1)
            .reconnect_to_server_callback(move |_, _| {
                let addr = if once.swap(false, Ordering::Relaxed) { first.clone() } else { elsewhere.clone() };
                async move { Some(ReconnectToServer { addr, delay: Some(Duration::ZERO) }) }
            })
            .event_callback(move |event| {
                heard.hear(&event, &overflowed);
                std::future::ready(())
            });
        let options = match &self.name {
            Some(name) => options.name(name),
            None => options,
        };
        let options = match &self.inbox_prefix {
            Some(prefix) => options.custom_inbox_prefix(prefix),
            None => options,
        };
        #[cfg(feature = "tls")]
        let options = match &self.tls {
            Some(tls) => options.require_tls(true).tls_client_config(tls.for_driver()?),
            None => options,
        };
        match options.connect(vec![address, nowhere]).await {
            Ok(client) => Ok(Wire { client, lost }),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn failed(error: &async_nats::ConnectError) -> TransportError {
    let kind = match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => ErrorKind::Unauthorized,
        ConnectErrorKind::ServerParse => ErrorKind::Internal,
        _ => ErrorKind::Unavailable,
    };
    let text = match kind {
        ErrorKind::Unauthorized => "the NATS server does not accept these credentials".to_owned(),
        _ => error.to_string(),
    };
    TransportError::withheld(kind, text)
}

/// `host:port`, or a URL without a user. What is none of these is refused without a word of what may be a password.
fn address(server: &str) -> Result<ServerAddr, TransportError> {
    let wrong =
        |why: &str| TransportError::internal(format!("`{}` is no address of a NATS server: {why}", shown(server)));
    if server.contains('@') {
        return Err(wrong("it names a user; see `user_and_password` and `token`"));
    }
    let address: ServerAddr = server.parse().map_err(|_| wrong("write `HOST:PORT`"))?;
    match address.scheme() {
        "nats" | "tls" => Ok(address),
        _ => Err(wrong("write `HOST:PORT`")),
    }
}

/// A server as it may be shown: what stands before an `@` is a name and a password of somebody's.
fn shown(server: &str) -> String {
    let server = server.strip_prefix("nats://").unwrap_or(server);
    match server.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => server.to_owned(),
    }
}

impl Lost {
    fn hear(&self, event: &Event, overflowed: &impl Fn()) {
        match event {
            Event::Disconnected | Event::Closed => self.token.cancel(),
            Event::SlowConsumer(_) => overflowed(),
            Event::ServerError(error) => {
                let text = error.to_string();
                SERVER_ERRORS.pass(|suppressed| {
                    let suppressed = (suppressed > 0).then_some(suppressed);
                    tracing::warn!(target: "nestrs::nats", said = text, suppressed, "the NATS server complains");
                });
                *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
            }
            Event::LameDuckMode => tracing::info!(target: "nestrs::nats", "the NATS server is about to end"),
            _ => {}
        }
    }
}

impl Wire {
    /// Whether it is known to be lost.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.token.is_cancelled() || self.client.connection_state() == State::Disconnected
    }

    /// Completes when it is lost.
    pub(super) async fn lost(&self) -> TransportError {
        while !self.is_lost() {
            let _ = tokio::time::timeout(LOOK, self.lost.token.cancelled()).await;
        }
        let said = self.lost.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let why = said.map_or_else(String::new, |said| format!(" (the server said: {said})"));
        TransportError::withheld(ErrorKind::ConnectionClosed, format!("the connection to the NATS server is lost{why}"))
    }

    /// Returns when the server has done what it was told before: a message of our own comes back. A server that does not let
    /// us send to our own inbox is believed after a second.
    pub(super) async fn caught_up(&self) -> Result<(), TransportError> {
        use futures_util::StreamExt;
        let gone = |_| TransportError::withheld(ErrorKind::Unavailable, "the connection to the NATS server is lost");
        let inbox = self.client.new_inbox();
        let mut echo = self.client.subscribe(inbox.clone()).await.map_err(|error| gone(error.to_string()))?;
        self.client.publish(inbox, "ready".into()).await.map_err(|error| gone(error.to_string()))?;
        match tokio::time::timeout(Duration::from_secs(1), echo.next()).await {
            Ok(None) => Err(gone(String::new())),
            Ok(Some(_)) | Err(_) => Ok(()),
        }
    }

    /// Sees to it that what it was given goes out, and disconnects.
    pub(super) async fn close(&self) {
        if !self.is_lost() {
            let _ = self.client.flush().await;
            let _ = self.client.drain().await;
        }
        self.lost.token.cancel();
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").field("servers", &self.address()).finish_non_exhaustive()
    }
}
