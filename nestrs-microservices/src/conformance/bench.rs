//! What a check works with: a service that runs, clients of it, and a limit to every wait.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nestrs_core::{ErrorKind, Pattern, Sent, TransportError};
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::client::ClientProxy;
use crate::shutdown::Shutdown;
use crate::transport::TransportServer;

use super::service::Service;
use super::target::ConformanceTarget;

/// Why a promise is not kept.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

impl From<TransportError> for Broken {
    fn from(error: TransportError) -> Self {
        Self(format!("an error where there should be none: {}", shown(&error)))
    }
}

/// What a check finds.
pub(super) type Found = Result<(), Broken>;

/// An error, with all that callers go by.
pub(super) fn shown(error: &TransportError) -> String {
    let sent = match error.sent() {
        Some(Sent::No) => ", not sent",
        Some(Sent::Maybe) => ", maybe sent",
        None => "",
    };
    format!("`{error}` ({:?}{sent})", error.kind())
}

/// Ends a check that has found something else than it should.
macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err($crate::conformance::bench::Broken(format!($($what)+)));
        }
    };
}
pub(super) use ensure;

/// One server, served.
pub(super) struct Instance {
    pub(super) service: Arc<Service>,
    pub(super) address: String,
    pub(super) grace_period: Duration,
    shutdown: Shutdown,
    serving: Mutex<Option<JoinHandle<Result<(), TransportError>>>>,
}

impl Instance {
    async fn start(target: &dyn ConformanceTarget, service: Arc<Service>) -> Result<Self, TransportError> {
        let mut server: Box<dyn TransportServer> = target.server().await?;
        let grace_period = server.grace_period();
        let address = server.bind().await?.address;
        let dispatcher = service.dispatcher();
        server.prepare(&dispatcher).await?;
        let shutdown = Shutdown::new(grace_period);
        let serving = tokio::spawn(shutdown.track(server.serve(dispatcher, shutdown.clone())));
        Ok(Self { service, address, grace_period, shutdown, serving: Mutex::new(Some(serving)) })
    }

    /// Ends it as an application ends, and gives what its server says of it.
    pub(super) async fn close(&self) -> Found {
        self.shutdown.finish().await;
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(serving) = serving else { return Ok(()) };
        let abort = serving.abort_handle();
        // `finish` has waited for it as long as there is.
        match tokio::time::timeout(Duration::from_millis(100), serving).await {
            Ok(Ok(ended)) => Ok(ended?),
            Ok(Err(panic)) => Err(Broken(format!("`serve` panicked: {panic}"))),
            Err(_) => {
                abort.abort();
                Err(Broken("`serve` does not return after the end of the grace period".to_owned()))
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.shutdown.abort();
        if let Some(serving) = &*self.serving.lock().unwrap_or_else(PoisonError::into_inner) {
            serving.abort();
        }
    }
}

/// All of one check.
pub(super) struct Bench<'a> {
    pub(super) target: &'a dyn ConformanceTarget,
    prefix: String,
    started: Mutex<Vec<Arc<Instance>>>,
    clients: Mutex<Vec<ClientProxy>>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(target: &'a dyn ConformanceTarget, prefix: String) -> Self {
        Self { target, prefix, started: Mutex::default(), clients: Mutex::default() }
    }

    /// Another instance of the service.
    pub(super) async fn serve(&self) -> Result<Arc<Instance>, Broken> {
        let starting = Instance::start(self.target, Service::new(&self.prefix));
        let instance = Arc::new(
            self.soon("a server to start", starting)
                .await?
                .map_err(|error| Broken(format!("the server does not start: {}", shown(&error))))?,
        );
        lock(&self.started).push(Arc::clone(&instance));
        Ok(instance)
    }

    /// Another client of the instance, connected: how long that takes is not what is checked.
    pub(super) async fn client(&self, instance: &Instance) -> Result<ClientProxy, Broken> {
        let client =
            ClientProxy::new(self.target.client(&instance.address).await?).with_timeout(self.target.patience());
        lock(&self.clients).push(client.clone());
        let connecting = async {
            while let Err(error) = client.connect().await {
                if error.kind() != ErrorKind::Unavailable {
                    return Err(error);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        self.soon("a client to connect", connecting).await??;
        Ok(client)
    }

    /// A service and a client of it that has been answered once.
    pub(super) async fn pair(&self) -> Result<(Arc<Instance>, Caller<'_>), Broken> {
        let instance = self.serve().await?;
        let caller = self.caller(&instance).await?;
        caller.echoes(&Value::from("ready")).await?;
        Ok((instance, caller))
    }

    /// A client with the patterns of the service.
    pub(super) async fn caller(&self, instance: &Instance) -> Result<Caller<'_>, Broken> {
        Ok(Caller { client: self.client(instance).await?, service: Arc::clone(&instance.service), bench: self })
    }

    /// Waits for what has to come.
    pub(super) async fn soon<T>(&self, what: impl Display, coming: impl Future<Output = T>) -> Result<T, Broken> {
        // More than calls have: a call that ends by its timeout is told from one that hangs.
        let limit = self.target.patience() * 2;
        tokio::time::timeout(limit, coming).await.map_err(|_| Broken(format!("waited {limit:?} in vain for {what}")))
    }

    /// Waits for something of which there is no news.
    pub(super) async fn eventually(&self, what: impl Display, mut holds: impl FnMut() -> bool) -> Found {
        let waiting = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        self.soon(what, waiting).await
    }

    /// Ends all that it began, whatever came of it.
    pub(super) async fn clear_away(&self) {
        let (clients, started) = (std::mem::take(&mut *lock(&self.clients)), std::mem::take(&mut *lock(&self.started)));
        for client in clients {
            let _ = self.soon("a client to close", client.close()).await;
        }
        for instance in started {
            // Handlers that still wait may go.
            instance.service.release.close();
            let _ = self.soon("a server to close", instance.close()).await;
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client with the patterns of the service.
#[derive(Clone)]
pub(super) struct Caller<'a> {
    pub(super) client: ClientProxy,
    pub(super) service: Arc<Service>,
    bench: &'a Bench<'a>,
}

impl Caller<'_> {
    pub(super) fn pattern(&self, name: &str) -> Pattern {
        self.service.pattern(name)
    }

    /// The same, by this client.
    pub(super) fn by(&self, client: ClientProxy) -> Self {
        Self { client, ..self.clone() }
    }

    /// A call.
    pub(super) async fn send(
        &self,
        name: &str,
        payload: &(impl Serialize + Send + Sync),
    ) -> Result<Value, TransportError> {
        self.client.send(self.pattern(name), payload).await
    }

    /// A call that must not hang, and fail.
    pub(super) async fn fails(
        &self,
        name: &str,
        payload: &(impl Serialize + Send + Sync),
    ) -> Result<TransportError, Broken> {
        match self.bench.soon(format!("the end of a call to `{name}`"), self.send(name, payload)).await? {
            Err(error) => Ok(error),
            Ok(_) => Err(Broken(format!("a call to `{name}` succeeds, and should fail"))),
        }
    }

    pub(super) async fn emit(
        &self,
        name: &str,
        payload: &(impl Serialize + Send + Sync),
    ) -> Result<(), TransportError> {
        self.client.emit(self.pattern(name), payload).await
    }

    /// Calls `echo` and compares.
    pub(super) async fn echoes(&self, payload: &Value) -> Found {
        let answer = self.bench.soon("an echo", self.send("echo", payload)).await??;
        ensure!(answer == *payload, "`echo` of {} came back as {}", brief(payload), brief(&answer));
        Ok(())
    }

    /// A call to `hold` that goes on by itself, begun.
    pub(super) async fn holding(
        &self,
        key: u64,
    ) -> Result<JoinHandle<(Result<Value, TransportError>, Instant)>, Broken> {
        let (client, pattern) = (self.client.clone(), self.pattern("hold"));
        let call = tokio::spawn(async move { (client.send(pattern, &key).await, Instant::now()) });
        let line = format!("held {key}");
        let begun = self.service.until(|seen| seen.contains(&line));
        self.bench.soon("a handler to begin", begun).await?;
        Ok(call)
    }

    /// How a call ended that went on by itself.
    pub(super) async fn end_of<T>(&self, call: JoinHandle<T>) -> Result<T, Broken> {
        let ended = self.bench.soon("the end of a call under way", call).await?;
        ended.map_err(|panic| Broken(format!("a call panicked: {panic}")))
    }

    pub(super) async fn seen(&self, what: &str, wanted: impl FnMut(&[String]) -> bool) -> Found {
        self.bench.soon(what, self.service.until(wanted)).await
    }
}

/// A value, as far as anybody reads it.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    text.char_indices().nth(80).map_or(text.clone(), |(end, _)| format!("{}…", text.get(..end).unwrap_or(&text)))
}
