//! "Hybrid mode": the documented program, as it is, with its two halves on one address.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// An address of this machine's own that no other test uses: the program's port is fixed, the loopback range is wide.
fn own_loopback() -> String {
    let id = std::process::id();
    format!("127.{}.{}.{}", 64 + (id >> 16) % 64, (id >> 8) & 0xff, 1 + id % 254)
}

fn run(host: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_hybrid"))
        .env("NESTRS_HOST", host)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts")
}

async fn connect(address: &str) -> TcpStream {
    let connecting = async {
        loop {
            match TcpStream::connect(address).await {
                Ok(stream) => return stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), connecting).await.expect("it listens in time")
}

async fn get(address: &str, path: &str) -> String {
    let mut stream = connect(address).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://page\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn one_address_serves_http_and_messages() {
    let host = own_loopback();
    let address = format!("{host}:3000");
    let mut program = run(&host);

    let health = get(&address, "/health").await;
    assert!(health.starts_with("HTTP/1.1 200 OK"), "{health}");
    assert!(health.contains("access-control-allow-origin: *"), "{health}");
    assert!(health.ends_with(r#"{"status":"ok"}"#), "{health}");
    let missing = get(&address, "/api/none").await;
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    assert!(missing.contains(r#""message":"Cannot GET /api/none""#), "{missing}");

    let mut peer = connect(&address).await;
    peer.write_all(br#"38#{"pattern":"nobody","data":1,"id":"1"}"#).await.unwrap();
    let mut answer = vec![0; 107];
    peer.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(br#"103#{"id":"1","status":"error""#), "{}", String::from_utf8_lossy(&answer));
    program.kill().await.unwrap();
}

/// The program ignores what `listen` returns; the failure is told all the same.
#[tokio::test]
async fn a_busy_port_is_told_even_where_the_result_is_ignored() {
    let host = own_loopback();
    // Another address than the test above uses.
    let host = host.replacen("127.", "127.1", 1);
    let _taken = tokio::net::TcpListener::bind(format!("{host}:3000")).await.unwrap();
    let output = tokio::time::timeout(Duration::from_secs(20), run(&host).wait_with_output()).await;
    let output = output.expect("it does not hang").unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(&format!("cannot listen on http://{host}:3000")), "{told}");
}
