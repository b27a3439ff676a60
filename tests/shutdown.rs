//! How an application ends: by hand, by signals, in parts; and what it leaves behind.

#![expect(clippy::print_stdout, reason = "a program started by a test tells it what happens")]

mod support;

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nestrs::microservices::{
    Bound, Cancellation, Dispatcher, MicroserviceOptions, Shutdown, TcpMicroserviceOptions, TransportServer,
};
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Notify;

use support::clean::Clean;
use support::raw::{PATIENCE, Peer};
use support::{client_of, free_port};

#[injectable]
struct Service {
    hung: Notify,
    #[inject(default)]
    told: Arc<Notify>,
}

#[controller("/pages")]
#[micro_routes]
impl Service {
    #[message_pattern("echo")]
    async fn echo(&self, value: Value) -> Value {
        value
    }

    #[message_pattern("hang")]
    #[run_to_completion]
    async fn hang(&self) {
        self.hung.notify_one();
        std::future::pending().await
    }

    #[message_pattern("watch")]
    async fn watch(&self, #[ctx] cancellation: Cancellation) {
        let told = Arc::clone(&self.told);
        tokio::spawn(async move {
            cancellation.cancelled().await;
            told.notify_one();
        });
        self.hung.notify_one();
        std::future::pending().await
    }

    #[message_pattern("hang.together")]
    #[cancel_on_disconnect]
    async fn hang_together(&self) {
        self.hung.notify_one();
        std::future::pending().await
    }

    #[post("/body")]
    async fn body(&self, request: nestrs::axum::extract::Request) {
        self.hung.notify_one();
        let _ = nestrs::axum::body::to_bytes(request.into_body(), 1000).await;
    }

    #[get("/stream")]
    async fn stream(&self) -> nestrs::axum::body::Body {
        self.hung.notify_one();
        let first = futures_util::stream::iter([Ok::<_, std::convert::Infallible>("first")]);
        nestrs::axum::body::Body::from_stream(first.chain(futures_util::stream::pending()))
    }

    #[get("/hang")]
    async fn page(&self) {
        self.hung.notify_one();
        std::future::pending().await
    }
}

/// Says when its hooks run.
impl OnModuleDestroy for Service {
    async fn on_module_destroy(&self) -> HookResult {
        println!("destroyed");
        Ok(())
    }
}

impl OnApplicationShutdown for Service {
    async fn on_application_shutdown(&self, signal: Option<i32>) -> HookResult {
        println!("shut down by {signal:?}");
        Ok(())
    }
}

#[module(providers = [Service], microservices = [Service], controllers = [Service])]
struct AppModule;

fn hybrid(options: TcpMicroserviceOptions) -> NestMicroservice<AppModule> {
    NestFactory::create_microservice(options)
        .also_listen_http("127.0.0.1:0")
        .configure_http(|http| http.enable_health_check("/health"))
}

/// Uses everything, and leaves it under way.
async fn use_and_close() {
    let app =
        hybrid(free_port().grace_period(Duration::from_millis(50))).enable_shutdown_hooks().start().await.unwrap();
    let service = app.get::<Service>().unwrap();
    let client = client_of(&app);
    client.send::<_, u32>("echo", &1).await.unwrap();
    client.emit("nobody", &1).await.unwrap();
    let mut idle = Peer::connect(app.address("tcp").unwrap()).await;
    idle.expect_alive().await;
    let mut half = Peer::connect(app.address("tcp").unwrap()).await;
    half.send("100#{").await;
    let mut hanging = Peer::connect(app.address("tcp").unwrap()).await;
    hanging.send_frames(&[r#"{"pattern":"hang","id":1,"metadata":{"nestrs-timeout-ms":"10"}}"#]).await;
    service.hung.notified().await;
    let mut page = TcpStream::connect(app.address("http").unwrap()).await.unwrap();
    page.write_all(b"GET /pages/hang HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    service.hung.notified().await;
    let silent = TcpStream::connect(app.address("http").unwrap()).await.unwrap();
    app.get::<EventBus>().unwrap().emit("an.event", 1);
    let started = Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_millis(1050), "{:?}", started.elapsed());
    client.close().await;
    drop((idle, half, hanging, page, silent));
}

#[tokio::test]
async fn sd_8_after_close_the_process_is_as_before() {
    let clean = Clean::begin().await;
    use_and_close().await;
    clean.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sd_8_after_close_the_process_is_as_before_with_several_threads() {
    let clean = Clean::begin().await;
    for _ in 0..3 {
        use_and_close().await;
    }
    clean.check().await;
}

#[tokio::test]
async fn sd_8_a_start_that_fails_and_an_application_that_is_dropped_leave_nothing_either() {
    let clean = Clean::begin().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let busy = taken.local_addr().unwrap().to_string();
    hybrid(free_port()).connect_microservice(TcpMicroserviceOptions::bind(&busy)).start().await.unwrap_err();
    let dropped = hybrid(free_port()).enable_shutdown_hooks().start().await.unwrap();
    let mut peer = Peer::connect(dropped.address("tcp").unwrap()).await;
    peer.expect_alive().await;
    drop((dropped, peer, taken));
    clean.check().await;
}

#[tokio::test]
async fn sd_2_an_idle_application_closes_at_once() {
    let clean = Clean::begin().await;
    let app = hybrid(free_port()).start().await.unwrap();
    let client = client_of(&app);
    client.send::<_, u32>("echo", &1).await.unwrap();
    let started = Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
    client.close().await;
    clean.check().await;
}

#[tokio::test]
async fn sd_1_a_handler_is_told_at_the_end_of_the_grace_period_and_dropped() {
    let clean = Clean::begin().await;
    let app = hybrid(free_port().grace_period(Duration::from_millis(50))).start().await.unwrap();
    let service = app.get::<Service>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"watch","id":1}"#]).await;
    service.hung.notified().await;
    app.close().await;
    tokio::time::timeout(PATIENCE, service.told.notified()).await.expect("it is told");
    drop((peer, service));
    clean.check().await;
}

#[tokio::test]
async fn sd_1_a_handler_that_ends_with_its_caller_is_answered_for_as_the_others_are() {
    let clean = Clean::begin().await;
    let app = hybrid(free_port().grace_period(Duration::from_millis(50))).start().await.unwrap();
    let service = app.get::<Service>().unwrap();
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    for pattern in ["hang", "hang.together"] {
        peer.send_frames(&[&format!(r#"{{"pattern":"{pattern}","id":1}}"#)]).await;
        service.hung.notified().await;
    }
    app.close().await;
    let rest = String::from_utf8(peer.expect_closed().await).unwrap();
    assert_eq!(rest.matches("Service is shutting down").count(), 2, "{rest}");
    drop((peer, service));
    clean.check().await;
}

/// Peers that keep their connections, in whatever state these are.
#[tokio::test]
async fn sd_8_http_requests_that_never_end_do_so_though_their_callers_stay() {
    let _turn = Clean::begin().await;
    let clean = Clean::tasks();
    let app = hybrid(free_port().grace_period(Duration::from_millis(50))).start().await.unwrap();
    let service = app.get::<Service>().unwrap();
    let mut pages = Vec::new();
    for request in [
        // One behind the one that hangs.
        "GET /pages/hang HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2),
        "POST /pages/body HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf".to_owned(),
        "GET /pages/stream HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2),
    ] {
        let mut page = TcpStream::connect(app.address("http").unwrap()).await.unwrap();
        page.write_all(request.as_bytes()).await.unwrap();
        service.hung.notified().await;
        pages.push(page);
    }
    let started = Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_millis(1050), "{:?}", started.elapsed());
    clean.check().await;
    drop(pages);
}

#[tokio::test]
async fn sd_2_handlers_and_subscribers_that_hang_together_are_waited_for_once() {
    let clean = Clean::begin().await;
    let app = hybrid(free_port().grace_period(Duration::from_millis(50))).start().await.unwrap();
    let service = app.get::<Service>().unwrap();
    let bus = app.get::<EventBus>().unwrap();
    let hung = Arc::new(Notify::new());
    let told = Arc::clone(&hung);
    let subscription = bus.subscribe("hang", move |_| {
        told.notify_one();
        std::future::pending::<()>()
    });
    bus.emit("hang", 1);
    hung.notified().await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"hang","id":1}"#]).await;
    service.hung.notified().await;
    let started = Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_millis(1050), "{:?}", started.elapsed());
    drop((peer, service, subscription, bus));
    clean.check().await;
}

/// A transport that ends when the test says so.
struct Faulty(Arc<Notify>);

#[async_trait]
impl TransportServer for Faulty {
    async fn bind(&mut self) -> Result<Bound, TransportError> {
        Ok(Bound { transport: "faulty", address: "nowhere".to_owned() })
    }

    async fn serve(self: Box<Self>, _: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        tokio::select! {
            () = shutdown.begun() => Ok(()),
            () = self.0.notified() => Err(TransportError::new("the broker is gone")),
        }
    }
}

impl MicroserviceOptions for Faulty {
    fn into_server(self) -> Box<dyn TransportServer> {
        Box::new(self)
    }
}

#[tokio::test]
async fn sd_7_a_transport_that_ends_leaves_the_others_serving_and_health_names_it() {
    let clean = Clean::begin().await;
    let end = Arc::new(Notify::new());
    let app = hybrid(free_port()).connect_microservice(Faulty(Arc::clone(&end))).start().await.unwrap();
    let (tcp, http) = (app.address("tcp").unwrap().to_owned(), app.address("http").unwrap().to_owned());
    let (status, body) = support::http::get(&http, "/health").await;
    assert_eq!((status, &body["status"]), (200, &json!("ok")), "{body}");
    let waiting = tokio::spawn(app.wait());
    end.notify_one();
    let down = async {
        loop {
            let (status, body) = support::http::get(&http, "/health").await;
            if status == 503 {
                break body;
            }
        }
    };
    let body = tokio::time::timeout(PATIENCE, down).await.expect("it is noticed");
    let of = |transport: &str| {
        let all = body["servers"].as_array().unwrap();
        all.iter().find(|entry| entry["transport"] == transport).expect("it is listed")["status"].clone()
    };
    assert_eq!(
        (body["status"].as_str(), of("faulty"), of("tcp")),
        (Some("error"), json!("failed"), json!("listening")),
        "{body}"
    );
    let mut peer = Peer::connect(&tcp).await;
    peer.expect_alive().await;
    assert!(!waiting.is_finished());
    // Dropped with its task, the application stops at once.
    waiting.abort();
    let _ = waiting.await;
    drop(peer);
    clean.check().await;
}

/// The program that the tests of signals start: this one, run anew for this test alone.
#[test]
fn child() {
    let Ok(hooks) = std::env::var("SHUTDOWN_TEST_HOOKS") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let options = free_port();
        let options = if hooks == "closes" { options.grace_period(Duration::from_millis(300)) } else { options };
        let app = hybrid(options);
        let app = if hooks != "off" { app.enable_shutdown_hooks() } else { app };
        let app = app.start().await.unwrap();
        println!("\nlistening {}", app.address("tcp").unwrap());
        if hooks == "closes" {
            app.get::<Service>().unwrap().hung.notified().await;
            println!("closing");
            app.close().await;
            println!("ended");
            return;
        }
        app.wait().await.unwrap();
        println!("ended");
    });
}

struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Program {
    async fn start(hooks: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env("SHUTDOWN_TEST_HOOKS", hooks)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Self { child, lines, address: String::new() };
        program.address = program.line("listening ").await;
        program
    }

    /// What follows in the next line that begins so.
    async fn line(&mut self, beginning: &str) -> String {
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix(beginning) {
                    return rest.to_owned();
                }
            }
            panic!("no line begins with `{beginning}`");
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("it says so in time")
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args([format!("-{name}"), id]).status().await.unwrap().success());
    }

    async fn status(&mut self) -> std::process::ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").unwrap()
    }

    /// A call that never ends.
    async fn hang(&self) -> Peer {
        let mut peer = Peer::connect(&self.address).await;
        peer.send_frames(&[r#"{"pattern":"hang","id":1}"#]).await;
        peer.expect_alive().await;
        peer
    }
}

#[tokio::test]
async fn sd_4_the_first_signal_ends_an_application_well_and_its_hooks_are_told_which_it_was() {
    let _clean = Clean::begin().await;
    for (name, number) in [("TERM", 15), ("INT", 2)] {
        let mut program = Program::start("on").await;
        Peer::connect(&program.address).await.expect_alive().await;
        program.signal(name).await;
        program.line("destroyed").await;
        assert_eq!(program.line("shut down by ").await, format!("Some({number})"));
        program.line("ended").await;
        assert_eq!(program.status().await.code(), Some(0));
    }
}

#[tokio::test]
async fn sd_4_a_second_signal_ends_it_at_once() {
    let _clean = Clean::begin().await;
    for (first, second, code) in [("TERM", "TERM", 143), ("TERM", "INT", 130), ("INT", "TERM", 143)] {
        let mut program = Program::start("on").await;
        let peer = program.hang().await;
        program.signal(first).await;
        // It has heard the first one when nobody is accepted any more.
        let closed = async {
            while TcpStream::connect(&program.address).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.expect("it begins to end");
        let started = Instant::now();
        program.signal(second).await;
        assert_eq!(program.status().await.code(), Some(code));
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        drop(peer);
    }
}

/// It ends already, and the signal asks for nothing else.
#[tokio::test]
async fn sd_4_the_first_signal_does_not_cut_short_an_end_that_has_begun_by_itself() {
    let _clean = Clean::begin().await;
    let mut program = Program::start("closes").await;
    let mut peer = Peer::connect(&program.address).await;
    peer.send_frames(&[r#"{"pattern":"hang","id":1}"#]).await;
    program.line("closing").await;
    program.signal("TERM").await;
    program.line("shut down by Some(15)").await;
    program.line("ended").await;
    assert_eq!(program.status().await.code(), Some(0));
    drop(peer);
}

#[cfg(unix)]
#[tokio::test]
async fn sd_4_without_hooks_signals_are_left_alone_and_a_broken_pipe_never_kills() {
    use std::os::unix::process::ExitStatusExt;

    let _clean = Clean::begin().await;
    let mut program = Program::start("off").await;
    // The signal itself, and what causes it: replies to peers that are gone.
    program.signal("PIPE").await;
    for _ in 0..20 {
        let mut peer = Peer::connect(&program.address).await;
        let requests = [r#"{"pattern":"echo","data":"some text","id":1}"#; 50];
        peer.send_frames(&requests).await;
        peer.0.set_zero_linger().unwrap();
    }
    Peer::connect(&program.address).await.expect_alive().await;
    program.signal("TERM").await;
    assert_eq!(program.status().await.signal(), Some(15));
}
