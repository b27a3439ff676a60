//! One address for two protocols, told apart by the first byte.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::io::{Accepted, BoxIo, Incoming, Keepalive, Listener};

/// Connections of the other server that it has not accepted yet; what comes after them waits, and keeps its place among
/// ours.
const BACKLOG: usize = 1024;

/// A socket that a server of messages accepts from and shares with another server: connections whose first byte is the
/// other's are handed to it.
///
/// Until a connection has shown its first byte it is under the limits of the server that accepts
/// ([`TcpMicroserviceOptions`](crate::TcpMicroserviceOptions)): `max_connections`, `max_connections_per_ip` and
/// `connect_rate_per_ip`. Once it is handed over it counts for none of them. One that says nothing for 10 s stays.
///
/// ```
/// use nestrs_microservices::net::io::SharedListener;
/// use nestrs_microservices::TcpMicroserviceOptions;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// // Frames begin with digits, lines of another protocol with a letter.
/// let (shared, mut theirs) = SharedListener::new(socket, |first| first.is_ascii_alphabetic());
/// let options = TcpMicroserviceOptions::default().listener(shared);
/// # drop(options);
/// // Ends when the server no longer accepts.
/// while let Some((_stream, peer_addr)) = theirs.recv().await {
///     println!("{peer_addr} speaks the other protocol");
/// }
/// # Ok(()) }
/// ```
pub struct SharedListener {
    socket: TcpListener,
    other: Other,
}

/// The other server at an address.
#[derive(Clone)]
struct Other {
    begins: fn(u8) -> bool,
    queue: mpsc::Sender<(TcpStream, SocketAddr)>,
}

impl SharedListener {
    /// Shares `socket` with whoever reads the channel, which is given the connections whose first byte `begins` theirs. It
    /// ends when no more will come.
    #[must_use]
    pub fn new(socket: TcpListener, begins: fn(u8) -> bool) -> (Self, mpsc::Receiver<(TcpStream, SocketAddr)>) {
        let (queue, theirs) = mpsc::channel(BACKLOG);
        (Self { socket, other: Other { begins, queue } }, theirs)
    }
}

impl fmt::Debug for SharedListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedListener").field(&self.socket.local_addr().ok()).finish()
    }
}

impl Listener for SharedListener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Option<Accepted>>> + Send + '_>> {
        Box::pin(async {
            loop {
                let (stream, peer_addr) = self.socket.accept().await?;
                // One that is broken already is no failure of the listener; who vanishes before saying what it speaks must
                // not keep its place for ever.
                if Keepalive::default().tune(&stream).is_ok() {
                    let undecided = Undecided { stream, peer_addr, other: self.other.clone() };
                    return Ok(Some(Accepted { stream: Incoming::Undecided(undecided), peer_addr: Some(peer_addr) }));
                }
            }
        })
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }
}

/// A connection that has not shown whose it is.
pub(crate) struct Undecided {
    stream: TcpStream,
    peer_addr: SocketAddr,
    other: Other,
}

/// Whose a connection is.
pub(crate) enum Whose {
    Ours,
    Theirs,
    /// It ended without a word.
    Gone,
}

impl Undecided {
    /// Waits for the first byte, and leaves it in the socket.
    pub(crate) async fn whose(&self) -> Whose {
        let mut first = [0];
        match self.stream.peek(&mut first).await {
            Ok(1..) if first.iter().all(|byte| (self.other.begins)(*byte)) => Whose::Theirs,
            // Whatever else it is, who reads it says what is wrong with it.
            Ok(1..) => Whose::Ours,
            _ => Whose::Gone,
        }
    }

    /// Gives it to the other server; when that takes no more connections it is closed.
    pub(crate) async fn hand_over(self) {
        let Self { stream, peer_addr, other } = self;
        let _ = other.queue.send((stream, peer_addr)).await;
    }

    pub(crate) fn into_ours(self) -> BoxIo {
        Box::new(self.stream)
    }
}
