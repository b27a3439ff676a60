//! The harness itself: brokers that come, go, freeze and come back.

use std::io;
use std::time::Duration;

use nestrs_brokers::{Broker, Certificates, Nats, Recipe, Redis, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a Redis server answers to one line.
async fn ask(broker: &Broker, line: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(broker.address()).await?;
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    let mut buffer = [0; 1024];
    let length = stream.read(&mut buffer).await?;
    Ok(String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned())
}

fn runs(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn a_broker_comes_back_on_its_port_with_what_it_had() {
    let Some(mut broker) = Broker::start_or_skip(Redis::new().durable()).await else { return };
    let port = broker.port();
    assert_eq!(ask(&broker, "SET kept 1").await.unwrap(), "+OK");
    broker.kill().await.unwrap();
    assert!(ask(&broker, "PING").await.is_err());
    assert_eq!(broker.id(), None);

    broker.restart().await.unwrap();
    assert_eq!((broker.port(), ask(&broker, "GET kept").await.unwrap().as_str()), (port, "$1\r\n1"));
    broker.stop().await.unwrap();
    assert!(broker.log().contains("Received SIGTERM"), "{}", broker.log());
    broker.restart().await.unwrap();
    assert_eq!(ask(&broker, "PING").await.unwrap(), "+PONG");
}

#[tokio::test]
async fn a_frozen_broker_is_connected_to_and_silent() {
    let Some(broker) = Broker::start_or_skip(Redis::new()).await else { return };
    broker.pause().await.unwrap();
    assert!(timeout(Duration::from_millis(100), ask(&broker, "PING")).await.is_err());
    broker.resume().await.unwrap();
    assert_eq!(ask(&broker, "PING").await.unwrap(), "+PONG");
}

#[tokio::test]
async fn nothing_is_left_of_a_broker_that_is_dropped() {
    let Some(broker) = Broker::start_or_skip(Redis::new()).await else { return };
    let (id, files) = (broker.id().unwrap(), broker.place().data());
    assert!(runs(id) && files.is_dir());
    drop(broker);
    assert!(!runs(id) && !files.exists());
}

/// Set for a process of this test that is to be killed.
const VICTIM: &str = "NESTRS_BROKERS_VICTIM";

#[tokio::test]
async fn a_test_that_is_killed_takes_its_broker_along() {
    let Some(broker) = Broker::start_or_skip(Redis::new()).await else { return };
    if let Ok(file) = std::env::var(VICTIM) {
        let told = format!("{} {}", broker.id().unwrap(), broker.place().data().display());
        std::fs::write(&file, told).unwrap();
        std::fs::rename(&file, format!("{file}.whole")).unwrap();
        return std::future::pending().await;
    }
    let file = broker.place().file("victim");
    let mut victim = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_test_that_is_killed_takes_its_broker_along"])
        .env(VICTIM, &file)
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let told = until(|| std::fs::read_to_string(file.with_extension("whole")).ok()).await;
    let (id, files) = told.split_once(' ').unwrap();
    let (id, files) = (id.parse().unwrap(), std::path::Path::new(files));
    assert!(runs(id) && files.is_dir());
    victim.kill().await.unwrap();
    until(|| (!runs(id) && !files.exists()).then_some(())).await;
}

async fn until<T>(mut there: impl FnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            match there() {
                Some(there) => return there,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(Duration::from_secs(20), waiting).await.expect("in time")
}

#[tokio::test]
async fn one_that_is_absent_has_its_port_already() {
    let Some(present) = Broker::start_or_skip(Redis::new()).await else { return };
    let mut broker = Broker::absent(Redis::new()).unwrap();
    assert_ne!(present.port(), broker.port());
    assert!(ask(&broker, "PING").await.is_err());
    broker.restart().await.unwrap();
    assert_eq!(ask(&broker, "PING").await.unwrap(), "+PONG");
}

#[tokio::test]
async fn one_that_does_not_start_shows_its_log() {
    if Broker::start_or_skip(Redis::new()).await.is_none() {
        return;
    }
    let error = Broker::start(Redis::new().line("no-such-option yes")).await.unwrap_err().to_string();
    assert!(error.contains("has ended") && error.contains("no-such-option"), "{error}");
}

#[tokio::test]
async fn redis_has_users_and_tls() {
    let Some(broker) = Broker::start_or_skip(Redis::new().user("alice", "secret")).await else { return };
    assert!(ask(&broker, "PING").await.unwrap().starts_with("-NOAUTH"));
    assert_eq!(ask(&broker, "AUTH alice secret").await.unwrap(), "+OK");

    let secure = Broker::start(Redis::new().tls(&Certificates::new())).await.unwrap();
    // A plain word to a port of TLS is answered by an end, if at all.
    assert_ne!(ask(&secure, "PING").await.unwrap_or_default(), "+PONG");
}

#[tokio::test]
async fn nats_has_jetstream_tokens_users_and_tls() {
    let Some(broker) = Broker::start_or_skip(Nats::new().jetstream()).await else { return };
    let info = ask(&broker, "PING").await.unwrap();
    assert!(info.starts_with("INFO ") && info.contains("\"jetstream\":true"), "{info}");
    for recipe in [Nats::new().token("secret"), Nats::new().user("alice", "secret")] {
        let info = ask(&Broker::start(recipe).await.unwrap(), "PING").await.unwrap();
        assert!(info.contains("\"auth_required\":true"), "{info}");
    }
    let mut broker = Broker::start(Nats::new().tls(&Certificates::new())).await.unwrap();
    let info = ask(&broker, "PING").await.unwrap();
    assert!(info.contains("\"tls_required\":true"), "{info}");
    broker.restart().await.unwrap();
    broker.kill().await.unwrap();
}

#[test]
fn ports_are_not_those_of_outgoing_connections() {
    let port = free_port().unwrap();
    assert!((20_000..32_000).contains(&port));
}

#[test]
fn recipes_say_where_they_come_from() {
    assert_eq!((Redis::new().program(), Nats::new().package()), ("redis-server", "nats-server"));
}
