//! A peer that speaks bytes.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A socket with no framework behind it.
pub struct Peer<S = TcpStream>(pub S);

impl Peer {
    pub async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.expect("it accepts"))
    }

    /// Waits, without reading, until the other end has closed the socket.
    pub async fn wait_until_reset(&mut self) {
        let waiting = async {
            loop {
                match self.0.ready(tokio::io::Interest::ERROR | tokio::io::Interest::READABLE).await {
                    Ok(ready) if ready.is_read_closed() || ready.is_error() => break,
                    Ok(_) => tokio::task::yield_now().await,
                    Err(_) => break,
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("it is closed in time");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("it takes the bytes");
    }

    /// Sends each text as a frame.
    pub async fn send_frames(&mut self, bodies: &[&str]) {
        let bytes: String = bodies.iter().map(|body| frame(body)).collect();
        self.send(bytes).await;
    }

    /// Reads exactly the bytes of `expected`, and says what came instead.
    pub async fn expect(&mut self, expected: &str) {
        let mut received = vec![0; expected.len()];
        let reading = tokio::time::timeout(PATIENCE, self.0.read_exact(&mut received)).await;
        match reading {
            Ok(Ok(_)) if expected.len() > 2000 => {
                assert!(received == expected.as_bytes(), "{} bytes differ", expected.len())
            }
            Ok(Ok(_)) => assert_eq!(String::from_utf8_lossy(&received), expected),
            Ok(Err(error)) => panic!("expected {expected:?}, got {error}: {:?}", String::from_utf8_lossy(&received)),
            Err(_) => panic!("expected {expected:?}, got nothing in time: {:?}", String::from_utf8_lossy(&received)),
        }
    }

    /// Shows that nothing was sent for what went before: the next thing to arrive is the answer to this.
    pub async fn expect_alive(&mut self) {
        self.send_frames(&[r#"{"pattern":"echo","data":"alive","id":"alive"}"#]).await;
        self.expect(r#"51#{"response":"alive","isDisposed":true,"id":"alive"}"#).await;
    }

    /// Reads up to the end of the stream, which must come.
    pub async fn expect_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest)).await {
            Ok(_) => rest,
            Err(_) => panic!("still open after {rest:?}"),
        }
    }
}

pub fn frame(body: &str) -> String {
    format!("{}#{body}", body.encode_utf16().count())
}
