//! A Redis client that speaks RESP2 by hand: another service, or an onlooker.

use nestrs_brokers::Broker;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::raw::PATIENCE;

/// One connection.
pub(crate) struct Raw(BufReader<TcpStream>);

impl Raw {
    pub(crate) async fn connect(broker: &Broker) -> Self {
        Self(BufReader::new(TcpStream::connect(broker.address()).await.unwrap()))
    }

    /// Sends a command and gives its answer: the parts of an array, or one part.
    pub(crate) async fn command(&mut self, words: &[&str]) -> Vec<String> {
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_mut().write_all(bytes.as_bytes()).await.unwrap();
        self.next().await
    }

    /// How many heard it.
    pub(crate) async fn publish(&mut self, channel: &str, body: &str) -> u64 {
        self.command(&["PUBLISH", channel, body]).await[0].parse().unwrap()
    }

    /// What the server says next.
    pub(crate) async fn next(&mut self) -> Vec<String> {
        timeout(PATIENCE, self.read()).await.expect("the server says something in time")
    }

    async fn read(&mut self) -> Vec<String> {
        let mut parts = Vec::new();
        let mut missing = 1;
        while missing > 0 {
            missing -= 1;
            let line = self.line().await;
            let (kind, rest) = line.split_at(1);
            match kind {
                // Nothing.
                "*" | "$" if rest == "-1" => parts.push(String::new()),
                "*" => missing += rest.parse::<usize>().unwrap(),
                "$" => {
                    let mut body = vec![0; rest.parse::<usize>().unwrap() + 2];
                    self.0.read_exact(&mut body).await.unwrap();
                    parts.push(String::from_utf8_lossy(&body[..body.len() - 2]).into_owned());
                }
                _ => parts.push(rest.to_owned()),
            }
        }
        parts
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }
}

/// Sees every command that the server gets, in order.
pub(crate) struct Onlooker(Raw);

impl Onlooker {
    pub(crate) async fn of(broker: &Broker) -> Self {
        let mut raw = Raw::connect(broker).await;
        assert_eq!(raw.command(&["MONITOR"]).await, ["OK"]);
        Self(raw)
    }

    /// The next command that is about messages, as words.
    pub(crate) async fn next(&mut self) -> Vec<String> {
        loop {
            let line = self.0.next().await.remove(0);
            let (_, words) = line.split_once("] ").unwrap();
            let words: Vec<String> =
                serde_json::Deserializer::from_str(words).into_iter().map(|word| word.unwrap()).collect();
            if words[0].contains("SUBSCRIBE") || words[0] == "PUBLISH" {
                return words;
            }
        }
    }

    /// All such commands up to now.
    pub(crate) async fn until_now(&mut self, broker: &Broker) -> Vec<Vec<String>> {
        Raw::connect(broker).await.publish("up to here", "").await;
        let mut seen = Vec::new();
        loop {
            match self.next().await {
                words if words[1] == "up to here" => return seen,
                words => seen.push(words),
            }
        }
    }
}
