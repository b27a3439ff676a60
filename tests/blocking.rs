//! Handlers that block their thread, and what that does to others.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use nestrs::prelude::*;
use tokio::runtime::Builder;

use support::raw::{Peer, frame};
use support::{free_port, serve_with};

#[injectable]
struct Blocking {
    #[inject(value = Mutex::new(channel()))]
    gate: Mutex<(Sender<()>, Receiver<()>)>,
    begun: AtomicBool,
}

impl Blocking {
    fn wait_until_blocked(&self) {
        while !self.begun.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }
}

#[micro_routes]
impl Blocking {
    /// What a handler must not do: `tokio::task::spawn_blocking` is for that.
    #[message_pattern("block")]
    async fn block(&self) -> &'static str {
        self.begun.store(true, Ordering::SeqCst);
        self.gate.lock().unwrap().1.recv().unwrap();
        "done"
    }

    /// What it is to do instead.
    #[message_pattern("block.well")]
    async fn block_well(&self) -> &'static str {
        let (tell, told) = channel();
        let blocked = tokio::task::spawn_blocking(move || told.recv().unwrap());
        tokio::task::yield_now().await;
        tell.send("done").unwrap();
        blocked.await.unwrap()
    }

    #[message_pattern("echo")]
    async fn echo(&self, value: String) -> String {
        value
    }
}

#[module(providers = [Blocking], microservices = [Blocking])]
struct BlockingModule;

#[test]
fn rq_11_with_one_of_two_workers_blocked_the_server_accepts_and_answers() {
    // It depends on which worker it is: without help, one time in three nobody listens any more.
    for _ in 0..15 {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let answered = runtime.block_on(async {
            let app = serve_with::<BlockingModule>(free_port()).await;
            let address = app.address("tcp").unwrap().to_owned();
            let service = app.get::<Blocking>().unwrap();
            let release = service.gate.lock().unwrap().0.clone();
            let (tell, answered) = tokio::sync::oneshot::channel();
            // As another process would call: nothing in this runtime helps the server to wake up.
            std::thread::spawn(move || {
                let mut blocked = call(&address, r#"{"pattern":"block","id":1}"#);
                service.wait_until_blocked();
                let all = (0..10).all(|_| {
                    let mut stream = call(&address, r#"{"pattern":"echo","data":"a","id":1}"#);
                    stream.read(&mut [0; 64]).is_ok_and(|read| read > 0)
                });
                release.send(()).unwrap();
                let is_done = blocked.read(&mut [0; 64]).is_ok_and(|read| read > 0);
                tell.send(all && is_done).unwrap();
            });
            let answered = answered.await.unwrap();
            app.close().await;
            answered
        });
        assert!(answered, "somebody was not accepted, or not answered");
    }
}

fn call(address: &str, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    stream.write_all(frame(request).as_bytes()).unwrap();
    stream
}

#[tokio::test]
async fn rq_11_what_is_given_to_spawn_blocking_delays_nobody() {
    let app = serve_with::<BlockingModule>(free_port()).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    // On the one thread of this test the handler would wait for itself.
    peer.send_frames(&[r#"{"pattern":"block.well","id":1}"#]).await;
    peer.expect(r#"44#{"response":"done","isDisposed":true,"id":1}"#).await;
    drop(peer);
    app.close().await;
}
