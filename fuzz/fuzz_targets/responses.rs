//! A client whose server sends anything: each of its calls ends, and so does `close`.
//!
//! `ID` in the input is replaced by the id of the first call, or else no answer would ever fit.

#![no_main]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use nestrs::microservices::net::io::Connector;
use nestrs::microservices::{ClientProxy, TcpTransport, TcpTransportOptions};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Longer than every timeout of a call.
const PATIENCE: Duration = Duration::from_secs(600);

thread_local! {
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O")
}

/// Reads the first request and answers it with `input`, in pieces; then reads on until the client closes.
async fn hostile(mut stream: DuplexStream, input: &[u8], piece_len: usize) {
    let mut request = Vec::new();
    let id = loop {
        let mut chunk = [0; 256];
        let Ok(1..) = stream.read(&mut chunk).await.inspect(|len| request.extend_from_slice(&chunk[..*len])) else {
            return;
        };
        if let Some(id) = id_of(&request) {
            break id;
        }
    };
    let answer = replaced(input, b"ID", id.as_bytes());
    let (mut read, mut write) = tokio::io::split(stream);
    let answering = async {
        for piece in answer.chunks(piece_len) {
            if write.write_all(piece).await.is_err() {
                return;
            }
        }
        // Every other server then hangs up.
        if piece_len % 2 == 0 {
            let _ = write.shutdown().await;
        }
    };
    let discarding = async {
        let _ = read.read_to_end(&mut Vec::new()).await;
    };
    tokio::join!(answering, discarding);
}

/// The id at the end of a request that has arrived whole.
fn id_of(request: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(request).ok()?;
    let body = text.split_once('#')?.1;
    let packet: Value = serde_json::from_str(body).ok()?;
    Some(packet.get("id")?.as_str()?.to_owned())
}

fn replaced(text: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(byte) = rest.first() {
        match rest.strip_prefix(what) {
            Some(after) => {
                out.extend_from_slice(by);
                rest = after;
            }
            None => {
                out.push(*byte);
                rest = &rest[1..];
            }
        }
    }
    out
}

/// Frames with a true length around each line, where an `ID` will have 21 characters.
fn framed(lines: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let units = text.encode_utf16().count() + 19 * text.matches("ID").count();
        stream.extend_from_slice(format!("{units}#{text}").as_bytes());
    }
    stream
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [how, input @ ..] = input else { return };
    let answer = if how & 0x40 == 0 { input.to_vec() } else { framed(input) };
    let piece_len = usize::from(how & 0x3f) + 1;
    let talk = async {
        let (dialled, mut servers) = mpsc::channel(4);
        let connector = Connector::new(move || {
            let dialled = dialled.clone();
            async move {
                let (near, far) = tokio::io::duplex(256);
                let refused = |_| std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                dialled.send(far).await.map_err(refused)?;
                Ok(near)
            }
        });
        let options = TcpTransportOptions::default().connector(connector).max_frame_bytes(4096);
        let client = ClientProxy::new(Arc::new(TcpTransport::new(options)));
        let serving = async {
            while let Some(stream) = servers.recv().await {
                hostile(stream, &answer, piece_len).await;
            }
        };
        let calling = async {
            let one = client.send::<_, Value>("one", &1);
            let many = client.send::<_, Value>("many", &2);
            let (_, _) = tokio::join!(one, many);
            client.close().await;
        };
        tokio::select! {
            () = calling => {}
            () = serving => unreachable!("the client may dial again as long as it lives"),
        }
    };
    RUNTIME.with_borrow_mut(|slot| {
        let runtime = slot.get_or_insert_with(runtime);
        let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, talk).await });
        assert!(ended.is_ok(), "a call or the closing hangs");
    });
});
