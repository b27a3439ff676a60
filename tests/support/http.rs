//! One HTTP request, by hand.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// `GET path`: the status and the body as JSON, `null` when it is none.
pub async fn get(address: &str, path: &str) -> (u16, Value) {
    request("GET", address, path, &[], "").await
}

/// Any request; a body goes out as JSON.
pub async fn request(method: &str, address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let (status, body) = exchange(method, address, path, headers, body).await;
    (status, serde_json::from_str(&body).unwrap_or_default())
}

async fn exchange(method: &str, address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    let mut stream = TcpStream::connect(address).await.expect("the application listens");
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").expect("a response has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a response has a status");
    (status, body.to_owned())
}

/// `GET path`: the body as it is.
pub async fn text(address: &str, path: &str, headers: &[(&str, &str)]) -> String {
    exchange("GET", address, path, headers, "").await.1
}
