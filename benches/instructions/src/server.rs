//! Whole requests: what a connection's task does from bytes to bytes, batch by batch.

use std::fmt;

use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::microservices::net::io::Accepted;
use nestrs::prelude::*;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::service::AppModule;
use crate::socket::Socket;
use crate::wire::{self, frame};

/// Batches before anything is counted.
const WARM_UP: usize = 4;

/// A runtime of one thread, with a clock and no sockets.
///
/// # Panics
/// When the process may have no more of what a runtime needs.
#[must_use]
pub fn runtime() -> Runtime {
    // As most services run: lines of level `log` and above, here to nowhere. Several set-ups share a process in `--list`.
    let _ = Logger::console().writer(std::io::sink()).init();
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime without sockets")
}

/// A server with one connection, and what is sent to it.
pub struct Server {
    runtime: Runtime,
    socket: Socket,
    batch: Vec<u8>,
    replies: Vec<u8>,
}

impl Server {
    /// A server with options as they are by default, to be sent `request` so often in one read.
    ///
    /// # Panics
    /// When it does not answer with `reply`.
    #[must_use]
    pub fn start(request: &str, reply: &str, at_once: usize) -> Self {
        Self::exchanging(frame(request).repeat(at_once), frame(reply).repeat(at_once))
    }

    /// A server with options as they are by default, to be asked for a stream of so many items.
    ///
    /// # Panics
    /// When it does not answer with them.
    #[must_use]
    pub fn streaming(items: usize) -> Self {
        Self::exchanging(frame(&wire::count(items)), wire::items(items, wire::ID))
    }

    fn exchanging(batch: Vec<u8>, replies: Vec<u8>) -> Self {
        let runtime = runtime();
        let socket = Socket::default();
        runtime.block_on(async {
            let (connections, accepted) = mpsc::channel(1);
            let options = TcpMicroserviceOptions::default().listener(accepted);
            let app = NestFactory::create_microservice::<AppModule>(options).start().await.expect("nothing is missing");
            connections.send(Accepted::new(socket.clone())).await.expect("it accepts");
            // Both are to live as long as the process.
            std::mem::forget((app, connections));
        });
        let server = Self { runtime, socket, batch, replies };
        server.serve(WARM_UP);
        server
    }

    /// Sends so many batches, each when the one before it has been answered.
    ///
    /// # Panics
    /// At the first wrong answer.
    pub fn serve(&self, batches: usize) {
        self.runtime.block_on(async {
            for _ in 0..batches {
                assert!(self.socket.exchange(&self.batch, &self.replies).await, "what is counted gives wrong answers");
            }
        });
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}
