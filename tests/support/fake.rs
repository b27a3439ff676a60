//! A server that a test plays by hand.

use std::sync::Arc;

use nestrs::microservices::{TcpTransport, TcpTransportOptions};
use nestrs::prelude::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::raw::{PATIENCE, frame};

/// Accepts connections; what happens on them is the test's business.
pub struct FakeServer {
    listener: TcpListener,
    pub address: String,
}

impl FakeServer {
    pub async fn bind() -> Self {
        Self::bind_to("127.0.0.1:0").await
    }

    /// With small buffers, so that little is taken that is not read.
    pub async fn narrow() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(16).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self { listener, address }
    }

    pub async fn bind_to(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self { listener, address }
    }

    pub fn options(&self) -> TcpTransportOptions {
        TcpTransportOptions::to(&self.address)
    }

    pub async fn accept(&self) -> TcpStream {
        tokio::time::timeout(PATIENCE, self.listener.accept()).await.expect("a client comes").unwrap().0
    }
}

pub fn client(options: TcpTransportOptions) -> ClientProxy {
    ClientProxy::new(Arc::new(TcpTransport::new(options)))
}

/// Reads one frame and gives its body.
pub async fn read_frame(socket: &mut TcpStream) -> Value {
    let reading = async {
        let mut header = Vec::new();
        loop {
            match socket.read_u8().await.unwrap() {
                b'#' => break,
                digit => header.push(digit),
            }
        }
        let mut body = vec![0; String::from_utf8(header).unwrap().parse().unwrap()];
        socket.read_exact(&mut body).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("a frame comes")
}

pub async fn id_of_next_request(socket: &mut TcpStream) -> String {
    read_frame(socket).await["id"].as_str().expect("a request").to_owned()
}

/// Writes a reply to `id`: members of a response, less its id.
pub async fn reply(socket: &mut TcpStream, id: &str, members: &str) {
    socket.write_all(frame(&format!(r#"{{{members},"id":"{id}"}}"#)).as_bytes()).await.unwrap();
}

/// What a server says to calls that it does not run.
pub const SHUTTING_DOWN: &str =
    r#""err":{"status":"error","message":"Service is shutting down","executed":false},"isDisposed":true"#;
pub const OVERLOADED: &str =
    r#""err":{"status":"error","message":"Service overloaded","executed":false},"isDisposed":true"#;
