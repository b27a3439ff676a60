//! The two connections that either end has to a Redis server: one that listens, one that publishes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisError, RedisResult, Value, cmd};
use tokio_util::sync::CancellationToken;

use super::dial::{DialError, Wire};
use super::settings::Settings;

/// What was published to a channel that we listen to.
#[derive(Debug)]
pub(super) struct Message {
    /// The glob pattern it came by, where it came by one.
    pub(super) glob: Option<String>,
    /// The channel it was published to.
    pub(super) channel: String,
    pub(super) body: Bytes,
}

/// Both connections. They end together: half of a session is of no use.
pub(super) struct Session {
    publisher: Wire,
    subscriber: Wire,
    /// Cancelled as soon as either has ended.
    lost: CancellationToken,
    ping_interval: Duration,
}

/// Why a command has no outcome.
pub(super) enum Refusal {
    /// The session has ended, before or while the server worked on it.
    Lost,
    /// The server's.
    Redis(RedisError),
}

impl Session {
    /// Dials both. `on_message` is called for each message, by the task that reads the socket: it must not block.
    pub(super) async fn open(
        settings: &Settings,
        on_message: impl Fn(Message) + Send + Sync + 'static,
    ) -> Result<Arc<Self>, DialError> {
        let lost = CancellationToken::new();
        let push = move |info: PushInfo| -> Result<(), redis::aio::SendError> {
            if let Some(message) = message(info) {
                on_message(message);
            }
            Ok(())
        };
        let nothing = |_: PushInfo| -> Result<(), redis::aio::SendError> { Ok(()) };
        let publisher = Wire::dial(settings, nothing, lost.clone());
        let subscriber = Wire::dial(settings, push, lost.clone());
        let (publisher, subscriber) = join(publisher, subscriber).await;
        let (publisher, subscriber) = (publisher?, subscriber?);
        Ok(Arc::new(Self { publisher, subscriber, lost, ping_interval: settings.ping_interval }))
    }

    /// Completes once the session is of no use any more: a connection has ended, or nothing was heard for too long.
    pub(super) async fn ended(&self) {
        let silent = async {
            loop {
                tokio::time::sleep(self.ping_interval).await;
                let both = join(ping(&self.publisher), ping(&self.subscriber));
                match tokio::time::timeout(self.ping_interval, both).await {
                    Ok((Ok(_), Ok(_))) => {}
                    _ => return,
                }
            }
        };
        tokio::select! {
            () = self.lost.cancelled() => {}
            () = silent => self.lost.cancel(),
        }
    }

    /// Ends it: what is under way fails, and the sockets are closed with the last who holds it.
    pub(super) fn end(&self) {
        self.lost.cancel();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// What the server answers to a command that does not make it wait.
    pub(super) async fn run(&self, command: &redis::Cmd) -> Result<Value, Refusal> {
        self.outcome(command.query_async(&mut self.publisher.commands.clone())).await
    }

    /// One connection more, for commands that make the server wait. It ends with the session, and the session with it.
    pub(super) async fn one_more(&self, settings: &Settings) -> Result<Wire, DialError> {
        Wire::dial(settings, |_: PushInfo| -> Result<(), redis::aio::SendError> { Ok(()) }, self.lost.clone()).await
    }

    /// How many received it.
    pub(super) async fn publish(&self, channel: &str, body: &[u8]) -> Result<u64, Refusal> {
        let mut command = cmd("PUBLISH");
        command.arg(channel).arg(body);
        self.outcome(command.query_async(&mut self.publisher.commands.clone())).await
    }

    /// Listens to these channels, and to what matches these globs. Returns once the server has confirmed it.
    pub(super) async fn subscribe(&self, channels: &[&str], globs: &[&str]) -> Result<(), Refusal> {
        let mut connection = self.subscriber.commands.clone();
        self.outcome(async {
            if !channels.is_empty() {
                connection.subscribe(channels).await?;
            }
            if !globs.is_empty() {
                connection.psubscribe(globs).await?;
            }
            Ok(())
        })
        .await
    }

    /// Listens to them no longer.
    pub(super) async fn unsubscribe(&self, channels: &[&str], globs: &[&str]) -> Result<(), Refusal> {
        let mut connection = self.subscriber.commands.clone();
        self.outcome(async {
            if !channels.is_empty() {
                connection.unsubscribe(channels).await?;
            }
            if !globs.is_empty() {
                connection.punsubscribe(globs).await?;
            }
            Ok(())
        })
        .await
    }

    async fn outcome<T>(&self, command: impl Future<Output = RedisResult<T>>) -> Result<T, Refusal> {
        tokio::select! {
            biased;
            outcome = command => outcome.map_err(|error| match error.is_io_error() {
                true => Refusal::Lost,
                false => Refusal::Redis(error),
            }),
            () = self.lost.cancelled() => Err(Refusal::Lost),
        }
    }
}

async fn ping(wire: &Wire) -> RedisResult<Value> {
    let mut commands: MultiplexedConnection = wire.commands.clone();
    cmd("PING").query_async(&mut commands).await
}

/// `message CHANNEL BODY` or `pmessage GLOB CHANNEL BODY`; confirmations and everything else are not for us.
fn message(info: PushInfo) -> Option<Message> {
    let mut data = info.data.into_iter();
    let mut text = || match data.next()? {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    };
    let name = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
    let glob = match info.kind {
        PushKind::Message => None,
        PushKind::PMessage => Some(name(text()?)?),
        _ => return None,
    };
    Some(Message { glob, channel: name(text()?)?, body: Bytes::from(text()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_pushes_is_read() {
        let bulk = |text: &str| Value::BulkString(text.into());
        let read = |kind, data| message(PushInfo { kind, data });
        let plain = read(PushKind::Message, vec![bulk("a"), bulk("{}")]).unwrap();
        assert_eq!((plain.glob, plain.channel.as_str(), &plain.body[..]), (None, "a", &b"{}"[..]));
        let by_glob = read(PushKind::PMessage, vec![bulk("a*"), bulk("ab"), bulk("1")]).unwrap();
        assert_eq!((by_glob.glob.as_deref(), by_glob.channel.as_str()), (Some("a*"), "ab"));
        assert!(read(PushKind::Subscribe, vec![bulk("a"), Value::Int(1)]).is_none());
        assert!(read(PushKind::Message, vec![bulk("a")]).is_none());
        assert!(read(PushKind::PMessage, vec![Value::Nil]).is_none());
        assert!(read(PushKind::Message, vec![Value::BulkString(vec![0xff]), bulk("1")]).is_none());
    }
}
