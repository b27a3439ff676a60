//! What must not happen: one user's mistake, panic or slowness that reaches another call, or outlives its owner.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{Stream, StreamExt, stream};
use nestrs::axum::extract::{Json, Path};
use nestrs::microservices::{PacketDeserializer, PacketSerializer, TcpMicroserviceOptions};
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use support::raw::{PATIENCE, Peer};
use support::{client_of, free_port, serve_with};

#[injectable]
struct Service {
    seen: Mutex<Vec<u32>>,
    told: Arc<Notify>,
}

#[micro_routes]
impl Service {
    #[message_pattern("echo")]
    async fn echo(&self, value: Value) -> Value {
        value
    }

    #[message_pattern("slow")]
    async fn slow(&self, milliseconds: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        milliseconds
    }

    #[message_pattern("large")]
    async fn large(&self, len: usize) -> String {
        tokio::time::sleep(Duration::from_millis(50)).await;
        "x".repeat(len)
    }

    #[message_pattern("hang")]
    async fn hang(&self) {
        std::future::pending().await
    }

    #[message_pattern("watch")]
    async fn watch(&self, #[ctx] cancellation: Cancellation) {
        let told = Arc::clone(&self.told);
        tokio::spawn(async move {
            cancellation.cancelled().await;
            told.notify_one();
        });
        std::future::pending().await
    }

    #[message_pattern("panicking")]
    fn panicking(&self) -> impl Stream<Item = u32> {
        stream::iter(0..3).map(|n| if n == 1 { panic!("secret") } else { n })
    }

    #[message_pattern("mixed")]
    fn mixed(&self) -> impl Stream<Item = String> {
        // More than are taken at once.
        stream::iter([1, 5000].into_iter().chain([1; 40])).map(|len| "x".repeat(len))
    }

    #[message_pattern("ticks")]
    fn ticks(&self) -> impl Stream<Item = u32> {
        stream::unfold(0, |n| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((n, n + 1))
        })
    }

    #[event_pattern("two")]
    fn first_of_two(&self) -> impl Stream<Item = u32> {
        stream::iter(0..3).inspect(|n| self.seen.lock().unwrap().push(*n))
    }

    #[event_pattern("two")]
    async fn second_of_two(&self) {}

    #[event_pattern("two.panicking")]
    fn first_panics(&self) -> impl Stream<Item = u32> {
        self.panicking()
    }

    #[event_pattern("two.panicking")]
    async fn second_does_not(&self) {}

    #[event_pattern("endless")]
    fn endless(&self) -> impl Stream<Item = u64> {
        stream::iter(0..)
    }
}

#[injectable]
struct Pages {
    finished: AtomicUsize,
}

#[controller("/pages")]
impl Pages {
    #[get("/slow")]
    async fn slow(&self) -> &'static str {
        tokio::time::sleep(Duration::from_millis(700)).await;
        self.finished.fetch_add(1, Ordering::Relaxed);
        "done"
    }

    #[post]
    async fn create(&self, Json(numbers): Json<Vec<u32>>) -> String {
        format!("{numbers:?}")
    }

    #[get("/{id}")]
    async fn one(&self, Path(id): Path<u32>) -> (nestrs::axum::http::StatusCode, String) {
        (nestrs::axum::http::StatusCode::GONE, format!("{id} is gone"))
    }
}

#[module(
    providers = [Service, Provider::value(Notify::new())],
    controllers = [Pages],
    microservices = [Service],
)]
struct AppModule;

fn options() -> TcpMicroserviceOptions {
    free_port().grace_period(Duration::from_millis(100))
}

/// Panics or fails on demand, and otherwise changes nothing.
struct Moody;

impl Moody {
    fn pass(packet: Value) -> Result<Value, TransportError> {
        match packet.get("response").or(packet.get("data")).and_then(Value::as_str) {
            Some("panic") => panic!("secret"),
            Some("refuse") => Err(TransportError::new("secret")),
            _ => Ok(packet),
        }
    }
}

impl PacketSerializer for Moody {
    fn serialize(&self, packet: Value) -> Result<Value, TransportError> {
        Self::pass(packet)
    }
}

impl PacketDeserializer for Moody {
    fn deserialize(&self, packet: Value) -> Result<Value, TransportError> {
        Self::pass(packet)
    }
}

const INTERNAL: &str = "Internal server error";

#[tokio::test]
async fn rq_5_a_serializer_that_panics_or_refuses_costs_one_reply() {
    let app = serve_with::<AppModule>(options().serializer(Moody)).await;
    let client = client_of(&app);
    let slow = client.send::<_, u64>("slow", &50);
    for mood in ["panic", "refuse"] {
        let error = client.send::<_, Value>("echo", mood).await.unwrap_err();
        assert_eq!((error.kind(), error.message.as_str()), (ErrorKind::Remote, INTERNAL), "{mood}");
    }
    assert_eq!(slow.await.unwrap(), 50);
    app.close().await;
}

#[tokio::test]
async fn rq_5_a_deserializer_that_panics_or_refuses_costs_one_request() {
    let app = serve_with::<AppModule>(options().deserializer(Moody)).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[
        r#"{"pattern":"echo","data":"panic","id":1}"#,
        r#"{"pattern":"echo","data":"refuse","id":2}"#,
        // Half a surrogate pair, which a deserializer's values cannot hold.
        r#"{"pattern":"echo","data":"\ud83d","id":3}"#,
    ])
    .await;
    peer.expect("41#{\"response\":\"\u{fffd}\",\"isDisposed\":true,\"id\":3}").await;
    peer.expect_alive().await;
    app.close().await;
}

#[tokio::test]
async fn rq_5_a_stream_that_panics_costs_itself_whoever_asked_for_it() {
    let app = serve_with::<AppModule>(options()).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"panicking","data":1}"#]).await;
    peer.expect_alive().await;
    peer.send_frames(&[r#"{"pattern":"two.panicking","data":1}"#, r#"{"pattern":"two.panicking","data":1,"id":1}"#])
        .await;
    peer.expect(r#"85#{"err":{"status":"error","message":"Internal server error"},"isDisposed":true,"id":1}"#).await;
    peer.expect_alive().await;
    app.close().await;
}

#[tokio::test]
async fn rq_12_each_handler_of_an_event_runs_to_its_end_streams_too() {
    let app = serve_with::<AppModule>(options()).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    // An endless one gives way to others, and ends with its connection.
    peer.send_frames(&[r#"{"pattern":"endless","data":1}"#, r#"{"pattern":"two","data":1}"#]).await;
    peer.expect_alive().await;
    let service = app.get::<Service>().unwrap();
    assert_eq!(*service.seen.lock().unwrap(), [0, 1, 2]);
    app.close().await;
}

#[tokio::test]
async fn rq_6_a_stream_ends_at_the_deadline_its_caller_set() {
    let app = serve_with::<AppModule>(options()).await;
    let client = client_of(&app).with_metadata("nestrs-timeout-ms", "60");
    let mut items = client.send_stream::<_, u32>("ticks", &()).await.unwrap();
    let error = loop {
        match items.next().await.expect("an error comes before the end") {
            Ok(item) => assert!(item < 100, "it goes on"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.message, "Request timed out");
    app.close().await;
}

#[tokio::test]
async fn rq_9_nothing_follows_the_packet_that_ends_a_stream() {
    let app = serve_with::<AppModule>(options().max_frame_bytes(1000)).await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"mixed","data":1,"id":1}"#]).await;
    peer.expect(r#"23#{"response":"x","id":1}"#).await;
    peer.expect(r#"85#{"err":{"status":"error","message":"Internal server error"},"isDisposed":true,"id":1}"#).await;
    peer.expect_alive().await;
    app.close().await;
}

/// Together they are more than the connection may queue; its peer reads, so that is no fault of the peer's.
#[tokio::test]
async fn sl_3_a_burst_of_large_replies_to_a_peer_that_reads_arrives() {
    let app = serve_with::<AppModule>(options().send_queue_max(8 * 1024 * 1024)).await;
    let client = client_of(&app);
    let replies = join_all((0..40).map(|_| client.send::<_, String>("large", &1_000_000))).await;
    assert!(replies.into_iter().all(|reply| reply.unwrap().len() == 1_000_000));
    app.close().await;
}

#[tokio::test]
async fn sl_7_a_caller_that_has_gone_frees_its_connection_while_its_handler_runs() {
    let app = serve_with::<AppModule>(options().max_connections(1)).await;
    let address = app.address("tcp").unwrap();
    let mut gone = Peer::connect(address).await;
    gone.send_frames(&[r#"{"pattern":"hang","id":1}"#]).await;
    gone.expect_alive().await;
    drop(gone);
    let alive = async {
        loop {
            let mut next = Peer::connect(address).await;
            next.send_frames(&[r#"{"pattern":"echo","data":1,"id":1}"#]).await;
            if next.0.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, alive).await.expect("its place is free in time");
    app.close().await;
}

#[tokio::test]
async fn a_handler_is_told_when_the_server_gives_up_waiting_for_it() {
    let app = serve_with::<AppModule>(options()).await;
    let told = app.get::<Notify>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"watch","id":1}"#]).await;
    peer.expect_alive().await;
    app.close().await;
    tokio::time::timeout(PATIENCE, told.notified()).await.expect("it is told");
}

#[tokio::test]
async fn a_stream_outlives_the_client_that_asked_for_it() {
    let app = serve_with::<AppModule>(options()).await;
    let client = client_of(&app);
    let mut items = client.send_stream::<_, u32>("ticks", &()).await.unwrap();
    drop(client);
    for n in 0..3 {
        assert_eq!(items.next().await.unwrap().unwrap(), n);
    }
    app.close().await;
}

#[tokio::test]
async fn sd_6_a_start_that_fails_leaves_a_shared_address_free_and_its_options_usable() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let busy = taken.local_addr().unwrap().to_string();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let shared = TcpMicroserviceOptions::bind(&free);
    NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::bind(&busy))
        .connect_microservice(shared.clone())
        .also_listen_http(free.as_str())
        .start()
        .await
        .unwrap_err();
    let free_again = async {
        while TcpListener::bind(&free).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, free_again).await.expect("the address is free again");
    let app = NestFactory::create_microservice::<AppModule>(shared).start().await.unwrap();
    assert_eq!(app.address("tcp"), Some(free.as_str()));
    client_of(&app).send::<_, u32>("echo", &1).await.unwrap();
    app.close().await;
}

#[tokio::test]
async fn sd_2_http_requests_end_with_the_grace_period() {
    let app =
        NestFactory::create_microservice::<AppModule>(options()).also_listen_http("127.0.0.1:0").start().await.unwrap();
    let pages = app.get::<Pages>().unwrap();
    let address = app.address("http").unwrap().to_owned();
    let mut slow = TcpStream::connect(&address).await.unwrap();
    slow.write_all(b"GET /pages/slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut half = TcpStream::connect(&address).await.unwrap();
    half.write_all(b"GET /pages/sl").await.unwrap();
    // Answered after both have arrived.
    let mut other = TcpStream::connect(&address).await.unwrap();
    other.write_all(b"GET /pages/7 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    other.read_to_end(&mut Vec::new()).await.unwrap();

    let started = std::time::Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_millis(600), "{:?}", started.elapsed());
    assert!(slow.read(&mut [0; 16]).await.map_or(true, |read| read == 0), "it is cut off");
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(pages.finished.load(Ordering::Relaxed), 0, "the handler ended with it");
}

#[tokio::test]
async fn an_application_may_be_started_on_any_task() {
    let listening = NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::bind("3001")).listen();
    let error = tokio::spawn(listening).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("`3001` is no host; for a port write `127.0.0.1:3001`"), "{error}");
    assert_eq!(format!("{error:?}"), error.to_string(), "`main` prints it by `Debug`");
}

#[tokio::test]
async fn what_an_extractor_refuses_is_told_as_json_and_what_a_handler_says_is_left_alone() {
    let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await.unwrap();
    let ask = async |request: &str| {
        let mut stream = TcpStream::connect(app.address("http").unwrap()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head[9..12].to_owned(), body.to_owned())
    };
    let post = "POST /pages HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\n";
    let (status, body) = ask(&format!("{post}[\"x\"]")).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status.as_str(), &body["statusCode"]), ("422", &json!(422)));
    assert!(body["message"].as_str().unwrap().contains("invalid type"), "{body}");
    let (status, body) = ask("GET /pages/7 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!((status.as_str(), body.as_str()), ("410", "7 is gone"));
    app.close().await;
}

#[injectable]
struct Twice;

#[controller("/twice")]
impl Twice {
    #[get("/{id}")]
    async fn get_one(&self) {}

    #[post("/{name}")]
    async fn post_one(&self) {}
}

/// In the same application as one that has the same paths.
#[controller("/pages")]
impl Twice {
    #[get("/slow")]
    async fn taken(&self) {}
}

#[module(imports = [AppModule], controllers = [Twice])]
struct ConflictModule;

#[tokio::test]
async fn routes_that_collide_are_all_named_at_start_up() {
    let error = NestFactory::create::<ConflictModule>().start("127.0.0.1:0").await.unwrap_err().to_string();
    for part in [
        "`/twice/{name}` of `Twice::post_one` and `/twice/{id}` of `Twice::get_one` differ in names only",
        "`GET /pages/slow` is handled by `Twice::taken` and by `Pages::slow`",
    ] {
        assert!(error.contains(part), "`{part}` in {error}");
    }
}
