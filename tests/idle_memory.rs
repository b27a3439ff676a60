//! What a connection costs that says nothing: read from the process, with every limit, the registry and the timers there.

#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nestrs::prelude::*;

use support::raw::{PATIENCE, frame};
use support::{free_port, serve_with};

/// As many as a process may have by default, at both ends.
const CONNECTIONS: usize = 400;
/// What is promised, and half as much again for pages that are begun and for the allocator.
const BYTES_MAX: usize = 3 * 1024;

#[injectable]
struct Service;

#[micro_routes]
impl Service {
    #[message_pattern("sum")]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }
}

#[module(providers = [Service], microservices = [Service])]
struct ServiceModule;

/// Resident bytes that this process has to itself: not those of its program, of which more is read all the time.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("the kernel says it");
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn call(mut peer: &TcpStream) {
    peer.write_all(frame(r#"{"pattern":"sum","data":[1,2,3],"id":"1"}"#).as_bytes()).unwrap();
    let answer = frame(r#"{"response":6,"isDisposed":true,"id":"1"}"#);
    let mut read = vec![0; answer.len()];
    peer.read_exact(&mut read).unwrap();
    assert_eq!(read, answer.as_bytes());
}

/// One thread serves, so that what it allocates is in one place; this one's sockets are files and nothing more.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sl_11_an_idle_connection_takes_two_kibibytes_whether_it_was_used_or_not() {
    let app = serve_with::<ServiceModule>(free_port()).await;
    let address = app.address("tcp").unwrap().to_owned();
    let connect = || {
        let peer = TcpStream::connect(&address).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer
    };
    let server = app.servers().get("tcp").unwrap();
    let settled = async |open: usize| {
        let waiting = async {
            while server.stats().open != open {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("all are connected");
    };
    // Buffers of the thread and tables of the server are made by these.
    let first: Vec<_> = (0..20).map(|_| connect()).collect();
    first.iter().for_each(call);
    settled(first.len()).await;

    let mut peers = Vec::with_capacity(CONNECTIONS);
    let before = resident();
    peers.extend((0..CONNECTIONS).map(|_| connect()));
    settled(first.len() + CONNECTIONS).await;
    let silent = resident().saturating_sub(before) / CONNECTIONS;
    peers.iter().for_each(call);
    let used = resident().saturating_sub(before) / CONNECTIONS;

    assert!(silent <= BYTES_MAX, "{silent} bytes for each that never said anything");
    assert!(used <= BYTES_MAX, "{used} bytes for each that was answered once");
    // It can be seen at all.
    assert!(silent > 500, "{silent}");
    drop((first, peers));
    app.close().await;
}
