//! Whole calls: a client whose server answers at once, by copying the id into a reply.

use std::fmt;
use std::sync::{Arc, LazyLock};

use nestrs::microservices::net::io::Connector;
use nestrs::microservices::{ClientProxy, TcpTransport, TcpTransportOptions};
use nestrs::pattern;
use tokio::runtime::Runtime;

use crate::server::runtime;
use crate::socket::{Peer, Socket};
use crate::{IN_FLIGHT, OPERATIONS, wire};

const ID_LEN: usize = 21;
/// What stands for an id.
const NO_ID: &[u8; ID_LEN] = b"!!!!!!!!!!!!!!!!!!!!!";
const BEFORE_ID: &[u8] = br#"62#{"response":15,"isDisposed":true,"id":""#;
const AFTER_ID: &[u8] = br#""}"#;

/// A client with one connection.
pub struct Client {
    runtime: Runtime,
    proxy: ClientProxy,
}

impl Client {
    /// A client with options as they are by default, connected.
    ///
    /// # Panics
    /// When its calls are not answered.
    #[must_use]
    pub fn start() -> Self {
        let client = Self::answered_by(answer);
        client.call(1);
        client
    }

    /// The same, whose calls are answered by streams of [`OPERATIONS`] items each.
    ///
    /// # Panics
    /// When its calls are not answered.
    #[must_use]
    pub fn streaming() -> Self {
        let client = Self::answered_by(answer_with_items);
        client.take(OPERATIONS);
        client
    }

    fn answered_by(answer: Peer) -> Self {
        let connector = Connector::new(move || async move { Ok(Socket::answered_by(answer)) });
        let options = TcpTransportOptions::default().connector(connector);
        Self { runtime: runtime(), proxy: ClientProxy::new(Arc::new(TcpTransport::new(options))) }
    }

    /// Asks for a stream, and takes its items.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn take(&self, items: usize) {
        self.runtime.block_on(async {
            let stream = self.proxy.send_stream::<_, usize>(pattern!({ cmd: "count" }), &items).await;
            let mut stream = stream.expect("it is asked for");
            for item in 1..=items {
                assert_eq!(stream.next().await, Some(Ok(item)), "what is counted gives wrong answers");
            }
            assert_eq!(stream.next().await, None);
        });
    }

    /// Makes so many calls by each of [`IN_FLIGHT`] tasks, one after the other.
    ///
    /// # Panics
    /// At the first wrong answer.
    pub fn call(&self, each: usize) {
        self.runtime.block_on(async {
            let callers: [_; IN_FLIGHT] = std::array::from_fn(|_| {
                let proxy = self.proxy.clone();
                tokio::spawn(async move {
                    for _ in 0..each {
                        let sum = proxy.send::<_, i64>(pattern!({ cmd: "sum" }), &[1, 2, 3, 4, 5]).await;
                        assert_eq!(sum.ok(), Some(15), "what is counted gives wrong answers");
                    }
                })
            });
            for caller in callers {
                caller.await.expect("it is answered");
            }
        });
    }
}

/// Answers requests that are written whole. It is counted with the client, so it does as little as it can.
fn answer(requests: &[u8], replies: &mut Vec<u8>) {
    let mut rest = requests;
    while let Some(header_len) = rest.iter().position(|byte| *byte == b'#') {
        let body_len = rest[..header_len].iter().fold(0, |len, digit| 10 * len + usize::from(*digit - b'0'));
        let (request, after) = rest.split_at(header_len + 1 + body_len);
        let id_end = request.len() - AFTER_ID.len();
        replies.extend_from_slice(BEFORE_ID);
        replies.extend_from_slice(&request[id_end - ID_LEN..id_end]);
        replies.extend_from_slice(AFTER_ID);
        rest = after;
    }
}

/// The same for a stream: its frames are made once, and get their ids here.
fn answer_with_items(requests: &[u8], replies: &mut Vec<u8>) {
    static ITEMS: LazyLock<(Vec<u8>, Vec<usize>)> = LazyLock::new(|| {
        let frames = wire::items(OPERATIONS, NO_ID);
        let ids = frames.windows(ID_LEN).enumerate().filter(|(_, id)| id == NO_ID).map(|(at, _)| at).collect();
        (frames, ids)
    });
    let (frames, ids) = &*ITEMS;
    let id_end = requests.len() - AFTER_ID.len();
    let id = &requests[id_end - ID_LEN..id_end];
    let start = replies.len();
    replies.extend_from_slice(frames);
    for at in ids {
        replies[start + at..][..ID_LEN].copy_from_slice(id);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
