//! Peers that speak bytes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// `len#body`; the body is ASCII.
#[must_use]
pub fn frame(body: &str) -> String {
    format!("{}#{body}", body.len())
}

/// A request to `pattern` with this payload, as JSON.
#[must_use]
pub fn request(pattern: &str, data: &str, id: u64) -> String {
    frame(&format!(r#"{{"pattern":"{pattern}","data":{data},"id":"{id}"}}"#))
}

/// Connects from one of several loopback addresses: each has ports of its own, and closed connections keep theirs for a
/// minute.
///
/// # Errors
/// Those of the socket.
pub async fn connect_from(source: u8, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if target.ip().is_loopback() {
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 1, 1 + source % 32)), 0))?;
    }
    socket.connect(target).await
}

/// Sends requests in one go, says FIN, and reads to the end; gives the bytes that came back.
///
/// # Errors
/// Those of the socket, and a server that does not end.
pub async fn ask_and_half_close(target: SocketAddr, requests: &str, limit: Duration) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(target).await?;
    let (mut from, mut to) = stream.split();
    let asking = async {
        to.write_all(requests.as_bytes()).await?;
        to.shutdown().await
    };
    let mut replies = Vec::new();
    // Reading while writing: the replies must not wait for the last request.
    let both = async { tokio::try_join!(asking, from.read_to_end(&mut replies)) };
    timeout(limit, both).await.map_err(|_| io::Error::other("the connection does not end"))??;
    Ok(replies)
}

/// The bodies of whole frames; `Err` when bytes are left over.
///
/// # Errors
/// What is left.
pub fn bodies(mut bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut bodies = Vec::new();
    while !bytes.is_empty() {
        let torn = || format!("{} bytes are no frame", bytes.len());
        let hash = bytes.iter().position(|byte| *byte == b'#').ok_or_else(torn)?;
        let len: usize =
            std::str::from_utf8(&bytes[..hash]).ok().and_then(|text| text.parse().ok()).ok_or_else(torn)?;
        bodies.push(bytes.get(hash + 1..hash + 1 + len).ok_or_else(torn)?);
        bytes = &bytes[hash + 1 + len..];
    }
    Ok(bodies)
}
