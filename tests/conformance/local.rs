//! Transports that need nobody between their ends.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nestrs::microservices::net::io::{Accepted, Listener};
use nestrs::microservices::{
    Backoff, MicroserviceOptions, TcpMicroserviceOptions, TcpTransport, TcpTransportOptions, Transport,
    TransportServer, memory_pair,
};
use nestrs::prelude::*;
use nestrs::testing::conformance::{ConformanceTarget, Offer, Promise};
use socket2::{SockRef, Socket};
use tokio::net::TcpListener;
use tokio::sync::watch;

const ONE_PROCESS: &str = "one address is one process; instances stand behind a balancer";

/// Pauses short enough to wait for.
pub(crate) fn soon() -> Backoff {
    Backoff { min: Duration::from_millis(2), max: Duration::from_millis(20), ..Backoff::default() }
}

pub(crate) const GRACE: Duration = Duration::from_secs(1);
/// Nothing takes a tenth of it, but on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
pub(crate) const WAIT: Duration = Duration::from_millis(100);

/// The memory transport.
#[derive(Default)]
pub(crate) struct Memory(Mutex<TcpTransportOptions>);

#[async_trait]
impl ConformanceTarget for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn offer(&self, promise: Promise) -> Offer {
        match promise {
            Promise::Reconnect | Promise::Status => Offer::no("the way between both ends in one process is not lost"),
            Promise::Replicas => Offer::no(ONE_PROCESS),
            _ => Offer::Yes,
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn server(&self) -> Result<Box<dyn TransportServer>, TransportError> {
        let (server, client) = memory_pair();
        *self.0.lock().unwrap() = client.max_frame_bytes(self.max_message_bytes()).connect_wait(WAIT);
        Ok(server.max_frame_bytes(self.max_message_bytes()).grace_period(GRACE).into_server())
    }

    async fn client(&self, _address: &str) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(TcpTransport::new(self.0.lock().unwrap().clone())))
    }
}

/// TCP, with a listener that goes when the way is cut, and takes its connections with it.
pub(crate) struct Tcp {
    open: watch::Sender<bool>,
    accepted: Arc<Mutex<Vec<Socket>>>,
}

impl Default for Tcp {
    fn default() -> Self {
        Self { open: watch::Sender::new(true), accepted: Arc::default() }
    }
}

#[async_trait]
impl ConformanceTarget for Tcp {
    fn name(&self) -> &str {
        "TCP"
    }

    fn offer(&self, promise: Promise) -> Offer {
        if promise == Promise::Replicas { Offer::no(ONE_PROCESS) } else { Offer::Yes }
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn server(&self) -> Result<Box<dyn TransportServer>, TransportError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(TransportError::caused_by)?;
        let address = listener.local_addr().map_err(TransportError::caused_by)?;
        let (open, accepted) = (self.open.subscribe(), Arc::clone(&self.accepted));
        accepted.lock().unwrap().clear();
        let gate = Gate { address, listener: Some(listener), open, accepted };
        let options = TcpMicroserviceOptions::default().listener(gate).grace_period(GRACE);
        Ok(options.max_frame_bytes(self.max_message_bytes()).into_server())
    }

    async fn client(&self, address: &str) -> Result<Arc<dyn Transport>, TransportError> {
        let options = TcpTransportOptions::to(address).backoff(soon()).connect_wait(WAIT);
        Ok(Arc::new(TcpTransport::new(options.max_frame_bytes(self.max_message_bytes()))))
    }

    async fn cut(&self) -> Result<(), TransportError> {
        self.open.send_replace(false);
        for socket in self.accepted.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        Ok(())
    }

    async fn mend(&self) -> Result<(), TransportError> {
        self.open.send_replace(true);
        Ok(())
    }
}

/// A listener that can be taken away, and put back on the same port.
struct Gate {
    address: SocketAddr,
    listener: Option<TcpListener>,
    open: watch::Receiver<bool>,
    accepted: Arc<Mutex<Vec<Socket>>>,
}

impl Listener for Gate {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Option<Accepted>>> + Send + '_>> {
        Box::pin(async {
            loop {
                // Whoever is let in just before is shut out with the others.
                if !*self.open.borrow() {
                    self.listener = None;
                    let mended = self.open.wait_for(|open| *open).await.is_ok();
                    if !mended {
                        return Ok(None);
                    }
                }
                let listener = match &mut self.listener {
                    Some(listener) => listener,
                    none => none.insert(TcpListener::bind(self.address).await?),
                };
                let mut news = self.open.clone();
                let cut = async { news.wait_for(|open| !*open).await.is_ok() };
                tokio::select! {
                    biased;
                    _ = cut => {}
                    accepted = TcpListener::accept(listener) => {
                        let (stream, peer) = accepted?;
                        self.accepted.lock().unwrap().push(SockRef::from(&stream).try_clone()?);
                        return Accepted::tcp(stream, peer).map(Some);
                    }
                }
            }
        })
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        Some(self.address)
    }
}
