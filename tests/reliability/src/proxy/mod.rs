//! The network that misbehaves: a TCP proxy whose every fault is planned by a seed.

mod pipe;
mod plan;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

pub use plan::{Cut, Fault, Faults, Weather};

/// One that runs. [`Proxy::stop`] ends it and every connection through it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    stop: watch::Sender<bool>,
    connections: Arc<AtomicU64>,
}

impl Proxy {
    /// Passes connections on to `target`, each with the faults that this weather has for it.
    ///
    /// # Errors
    /// When no address can be had.
    pub async fn start(target: SocketAddr, weather: Weather) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, mut stopped) = watch::channel(false);
        let connections = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let accepted = tokio::select! {
                    _ = stopped.changed() => break,
                    accepted = listener.accept() => accepted,
                    Some(_) = open.join_next(), if !open.is_empty() => continue,
                };
                let Ok((client, _)) = accepted else { continue };
                let number = counted.fetch_add(1, Ordering::Relaxed);
                open.spawn(pass(client, target, weather.faults(number)));
            }
            open.shutdown().await;
        });
        Ok(Self { address, accepting, stop, connections })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; gives how many connections there were.
    pub async fn stop(self) -> u64 {
        self.stop.send_replace(true);
        let _ = timeout(Duration::from_secs(5), self.accepting).await;
        self.connections.load(Ordering::Relaxed)
    }
}

/// One connection, from its first byte to its last.
async fn pass(mut client: TcpStream, target: SocketAddr, faults: [Faults; 2]) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    for stream in [&client, &server] {
        // Fragments are to arrive as fragments.
        let _ = stream.set_nodelay(true);
    }
    let [there, back] = faults;
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let mut there = std::pin::pin!(pipe::run(from_client, to_server, there));
        let mut back = std::pin::pin!(pipe::run(from_server, to_client, back));
        tokio::select! {
            end = &mut there => if end == pipe::End::Finished { back.await } else { end },
            end = &mut back => if end == pipe::End::Finished { there.await } else { end },
        }
    };
    if end == pipe::End::Reset {
        for stream in [&client, &server] {
            // Closing with nothing to linger for is an RST.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}
