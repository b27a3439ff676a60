//! The network that behaves: a balancer that gives each connection to the next instance that accepts one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// One that runs; dropping it ends every connection through it.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Balancer {
    /// Balances between these instances, in turn. One that refuses is passed over, as a health check would have it.
    ///
    /// # Errors
    /// When no address can be had.
    pub async fn start(instances: Vec<SocketAddr>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (instances, turn) = (Arc::new(instances), Arc::new(AtomicUsize::new(0)));
        let accepting = tokio::spawn(async move {
            let mut open = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { continue };
                        open.spawn(pass(client, Arc::clone(&instances), Arc::clone(&turn)));
                    }
                    Some(_) = open.join_next(), if !open.is_empty() => {}
                }
            }
        });
        Ok(Self { address, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut client: TcpStream, instances: Arc<Vec<SocketAddr>>, turn: Arc<AtomicUsize>) {
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for offset in 0..instances.len() {
        let instance = instances[(first + offset) % instances.len()];
        let Ok(mut server) = TcpStream::connect(instance).await else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        // A FIN in one direction is passed on, and the other direction goes on.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        return;
    }
    let _ = client.shutdown().await;
}
