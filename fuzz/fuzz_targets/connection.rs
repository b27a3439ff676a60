//! A whole server connection over a pipe in memory: whatever comes in, it ends, and the server serves the next one.
//!
//! Time is paused, so a connection that waits for a deadline costs nothing, and one that would wait for ever is found.

#![no_main]

use std::cell::RefCell;
use std::time::Duration;

use bytes::BytesMut;
use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::microservices::net::codec::NestDecoder;
use nestrs::microservices::net::io::Accepted;
use nestrs::prelude::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Longer than every deadline of a connection whose peer has said FIN.
const PATIENCE: Duration = Duration::from_secs(600);
const MAX_FRAME_BYTES: usize = 4096;

#[injectable]
struct Service;

#[micro_routes]
impl Service {
    #[message_pattern("echo")]
    async fn echo(&self, value: Value) -> Value {
        value
    }

    #[message_pattern({ cmd: "sum" })]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().fold(0, |sum, number| i64::wrapping_add(sum, *number))
    }

    #[message_pattern("slow")]
    async fn slow(&self, milliseconds: u16) -> u16 {
        tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
        milliseconds
    }

    #[message_pattern("fail")]
    async fn fail(&self) -> Result<u32, TransportError> {
        Err(TransportError::new("boom"))
    }

    #[event_pattern("event")]
    async fn event(&self, _value: Value) {}
}

#[module(providers = [Service], microservices = [Service])]
struct AppModule;

/// A server that lives as long as the process, and where its connections are put in.
struct Server {
    runtime: Runtime,
    connections: mpsc::Sender<Accepted>,
}

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without I/O");
        let (connections, accepted) = mpsc::channel(1);
        let options = TcpMicroserviceOptions::default()
            .max_frame_bytes(MAX_FRAME_BYTES)
            .max_in_flight_per_conn(4)
            .max_in_flight(6)
            .listener(accepted);
        runtime.block_on(async {
            let app = NestFactory::create_microservice::<AppModule>(options).start().await.expect("nothing is missing");
            // Closing is for another day.
            std::mem::forget(app);
        });
        Self { runtime, connections }
    }

    async fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(256);
        self.connections.send(Accepted::new(far)).await.expect("the server accepts");
        near
    }

    /// Sends `pieces` and then FIN; gives all that comes back.
    async fn converse(&self, pieces: impl Iterator<Item = &[u8]>) -> Vec<u8> {
        let (mut read, mut write) = tokio::io::split(self.connect().await);
        let mut answers = Vec::new();
        let sending = async {
            for piece in pieces {
                // A connection that has been closed takes no more, which is an answer too.
                if write.write_all(piece).await.is_err() {
                    break;
                }
            }
            let _ = write.shutdown().await;
        };
        let reading = async {
            let _ = read.read_to_end(&mut answers).await;
        };
        let both = async { tokio::join!(sending, reading) };
        tokio::time::timeout(PATIENCE, both).await.expect("the connection ends");
        answers
    }
}

/// Everything that came back is frames, and each is an answer to some id.
fn check(answers: &[u8]) {
    let mut decoder = NestDecoder::new(usize::MAX);
    let mut buffer = BytesMut::from(answers);
    while let Some(body) = decoder.decode(&mut buffer).expect("answers are frames") {
        // Read as handlers read: an id may have half a surrogate pair, and comes back unchanged.
        let answer = nestrs_core::Payload::from_json(body).into_value().expect("an answer is JSON");
        let answer = answer.as_object().expect("an answer is an object");
        assert!(answer.contains_key("id"), "{answer:?}");
        for key in answer.keys() {
            assert!(["id", "response", "err", "isDisposed", "status"].contains(&key.as_str()), "{answer:?}");
        }
    }
    assert!(!decoder.is_inside_frame(&buffer), "an answer was cut short");
}

/// Frames with a true length around each line.
fn framed(lines: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        stream.extend_from_slice(format!("{}#{text}", text.encode_utf16().count()).as_bytes());
    }
    stream
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [how, input @ ..] = input else { return };
    let stream = if how & 0x40 == 0 { input.to_vec() } else { framed(input) };
    SERVER.with_borrow_mut(|server| {
        let server = server.get_or_insert_with(Server::start);
        server.runtime.block_on(async {
            check(&server.converse(stream.chunks(usize::from(how & 0x3f) + 1)).await);
            let probe = br#"36#{"pattern":"echo","data":1,"id":"1"}"#;
            let answer = server.converse([probe.as_slice()].into_iter()).await;
            assert_eq!(answer, br#"41#{"response":1,"isDisposed":true,"id":"1"}"#, "the next connection is served");
        });
    });
});
