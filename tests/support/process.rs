//! Examples as processes of their own: started, called, ended.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::program::program;

pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn start(example: &str, environment: &[(&str, &str)]) -> Child {
    Command::new(program(example))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the example starts")
}

/// Ends a program as an operator does, and gives its output.
pub async fn terminate(child: Child) -> (Option<i32>, String) {
    signal(&child, "-TERM").await;
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends in time").unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Sends a program a signal, as `kill` calls it.
pub async fn signal(child: &Child, signal: &str) {
    let id = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
}

/// A port that is free now.
pub async fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port().to_string()
}

/// The status and the body of one GET; tries until somebody listens.
pub async fn get(port: &str, path: &str) -> (u16, String) {
    exchange(port, "GET", path, &[], "").await
}

/// The status and the body of one POST of JSON; tries until somebody listens.
pub async fn post(port: &str, path: &str, body: &str) -> (u16, String) {
    exchange(port, "POST", path, &[], body).await
}

/// The status and the body of any request; tries until somebody listens.
pub async fn exchange(port: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    let asking = async {
        loop {
            if let Ok(mut stream) = TcpStream::connect(format!("127.0.0.1:{port}")).await {
                stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
                let mut response = String::new();
                stream.read_to_string(&mut response).await.unwrap();
                let (head, body) = response.split_once("\r\n\r\n").expect("a response");
                return (head[9..12].parse().expect("a status"), body.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it answers in time")
}

/// What the documentation at the top of an example says that is seen: the lines of its `text` blocks, block by block.
pub fn documented(example: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example).with_extension("rs");
    let source = std::fs::read_to_string(path).expect("the example is there");
    let docs: Vec<_> =
        source.lines().map_while(|line| line.strip_prefix("//!")).map(|line| line.trim_start()).collect();
    let mut blocks = Vec::new();
    let mut lines = docs.into_iter();
    while lines.any(|line| line == "```text") {
        blocks.push(lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect());
    }
    blocks
}
