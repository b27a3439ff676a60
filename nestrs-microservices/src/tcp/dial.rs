//! The one connection of a client: made when it is needed, shared, made anew after a loss.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{ErrorKind, Sent, TransportError};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::net::codec::{utf16_len, write_frame_header};
use crate::net::io::BoxIo;
use crate::time::{after, sleep_until};
use crate::transport::ClientStatus;

use super::link::Link;
use super::options::TcpTransportOptions;

/// Owns the connection, or the attempt to make one.
pub(super) struct Dialler {
    options: TcpTransportOptions,
    state: Mutex<State>,
    status: watch::Sender<ClientStatus>,
}

enum State {
    Idle,
    /// Every call that comes meanwhile waits for the same attempt.
    Dialling(Dial, AbortHandle),
    Connected(Arc<Link>),
    Closed,
}

/// One attempt, awaited by many.
type Dial = Shared<BoxFuture<'static, Result<Arc<Link>, TransportError>>>;

impl Dialler {
    pub(super) fn new(options: TcpTransportOptions) -> Self {
        Self { options, state: Mutex::new(State::Idle), status: watch::Sender::new(ClientStatus::Idle) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, made if there is none. Waits no longer than `deadline` and the time a dial may take.
    pub(super) async fn link(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Arc<Link>, TransportError> {
        let dialling = {
            let mut state = self.state();
            match &*state {
                State::Closed => return Err(closed()),
                State::Connected(link) if link.is_open() => return Ok(Arc::clone(link)),
                // A task that has ended and left this state was abandoned: by a panic, or with its runtime.
                State::Dialling(dialling, task) if !task.is_finished() => dialling.clone(),
                State::Idle | State::Connected(_) | State::Dialling(..) => {
                    self.status.send_replace(ClientStatus::Connecting);
                    let (dialling, task) = self.begin_dial();
                    *state = State::Dialling(dialling.clone(), task);
                    dialling
                }
            }
        };
        let until = [deadline, after(self.patience())].into_iter().flatten().min();
        tokio::select! {
            // Where the thread was too busy to look sooner, a connection counts more than the clock.
            biased;
            outcome = dialling => outcome,
            () = sleep_until(until) => Err(self.unavailable("no connection in time", None)),
        }
    }

    /// How long a call waits for a connection: `connect_wait`, or all of the retries.
    fn patience(&self) -> Duration {
        let options = &self.options;
        let another_try = options.connect_timeout.saturating_add(options.retry_delay);
        match options.retry_attempts {
            0 => options.connect_wait,
            attempts => options.connect_timeout.saturating_add(another_try.saturating_mul(attempts)),
        }
    }

    /// Dials in a task of its own, so that it goes on when the call that began it is dropped.
    fn begin_dial(self: &Arc<Self>) -> (Dial, AbortHandle) {
        let dialler = Arc::clone(self);
        let dial = tokio::spawn(async move {
            let outcome = dialler.dial().await;
            let mut state = dialler.state();
            if matches!(*state, State::Closed) {
                if let Ok(link) = outcome {
                    link.close(&closed());
                }
                return Err(closed());
            }
            match &outcome {
                Ok(link) => {
                    *state = State::Connected(Arc::clone(link));
                    dialler.status.send_replace(ClientStatus::Connected);
                    dialler.watch(Arc::clone(link));
                }
                Err(error) => {
                    *state = State::Idle;
                    dialler.status.send_replace(ClientStatus::Disconnected(error.kind()));
                }
            }
            outcome
        });
        let name = self.options.address();
        let dialler = Arc::downgrade(self);
        let task = dial.abort_handle();
        let dialling = dial
            .map(move |ended| {
                ended.unwrap_or_else(|_| {
                    if dialler.upgrade().is_none_or(|dialler| matches!(*dialler.state(), State::Closed)) {
                        return Err(closed());
                    }
                    let text = format!("the attempt to reach tcp://{name} was abandoned");
                    Err(TransportError::withheld(ErrorKind::Unavailable, text).with_sent(Sent::No))
                })
            })
            .boxed()
            .shared();
        (dialling, task)
    }

    async fn dial(&self) -> Result<Arc<Link>, TransportError> {
        let mut attempt = 0;
        loop {
            let error = match tokio::time::timeout(self.options.connect_timeout, self.dial_once()).await {
                Ok(Ok(io)) => return Ok(Link::start(io, &self.options)),
                Ok(Err(error)) => {
                    let text = match error.kind() {
                        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                        _ => error.to_string(),
                    };
                    self.unavailable(&text, Some(error))
                }
                Err(_) => self.unavailable("the connection attempt timed out", None),
            };
            if attempt >= self.options.retry_attempts {
                return Err(error);
            }
            attempt += 1;
            let address = self.options.address();
            tracing::warn!(target: "nestrs::client", address, %error, attempt, "cannot connect; trying again");
            tokio::time::sleep(self.options.retry_delay).await;
        }
    }

    async fn dial_once(&self) -> std::io::Result<BoxIo> {
        self.options.check_address()?;
        let io: BoxIo = if let Some(connector) = &self.options.connector {
            connector.dial().await?
        } else {
            let stream = TcpStream::connect((self.options.host.as_str(), self.options.port)).await?;
            self.options.keepalive.tune(&stream)?;
            Box::new(stream)
        };
        introduce(io, &self.options).await
    }

    fn unavailable(&self, what: &str, source: Option<std::io::Error>) -> TransportError {
        let text = format!("cannot reach tcp://{}: {what}", self.options.address());
        let error = TransportError::withheld(ErrorKind::Unavailable, text).with_sent(Sent::No);
        match source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    /// Forgets the connection once it has ended.
    fn watch(self: &Arc<Self>, link: Arc<Link>) {
        let dialler = Arc::downgrade(self);
        tokio::spawn(async move {
            let reason = link.ended().await;
            let Some(dialler) = dialler.upgrade() else { return };
            let mut state = dialler.state();
            if matches!(&*state, State::Connected(current) if Arc::ptr_eq(current, &link)) {
                *state = State::Idle;
                dialler.status.send_replace(ClientStatus::Disconnected(reason));
            }
        });
    }

    /// Ends the connection for good, or the attempt to make one; gives the connection that was there.
    pub(super) fn end(&self) -> Option<Arc<Link>> {
        let before = std::mem::replace(&mut *self.state(), State::Closed);
        match before {
            State::Connected(link) => {
                link.close(&closed());
                Some(link)
            }
            State::Dialling(_, task) => {
                task.abort();
                None
            }
            State::Idle | State::Closed => None,
        }
    }

    /// Ends it, and waits until nobody waits for it any more.
    pub(super) async fn close(&self) {
        if let Some(link) = self.end() {
            link.ended().await;
        }
        self.status.send_replace(ClientStatus::Closed);
    }

    /// The present state, then each later one.
    pub(super) fn status(&self) -> BoxStream<'static, ClientStatus> {
        let mut changes = self.status.subscribe();
        changes.mark_changed();
        stream::unfold(Some(changes), |changes| async {
            let mut changes = changes?;
            changes.changed().await.ok()?;
            let status = changes.borrow_and_update().clone();
            let more = (status != ClientStatus::Closed).then_some(changes);
            Some((status, more))
        })
        .boxed()
    }
}

/// What comes before the first call: TLS, and credentials.
async fn introduce(mut io: BoxIo, options: &TcpTransportOptions) -> std::io::Result<BoxIo> {
    #[cfg(feature = "tls")]
    if let Some(tls) = &options.tls {
        io = tls.connect(io, &options.host).await?;
    }
    if let Some(token) = &options.credentials {
        let body = serde_json::to_string(token.expose())?;
        let mut frame = Vec::new();
        write_frame_header(&mut frame, utf16_len(body.as_bytes()));
        frame.extend_from_slice(body.as_bytes());
        io.write_all(&frame).await?;
        io.flush().await?;
    }
    Ok(io)
}

pub(super) fn closed() -> TransportError {
    TransportError::withheld(ErrorKind::Closed, "the client is closed").with_sent(Sent::No)
}
