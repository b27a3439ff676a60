//! Recorded conversations of NestJS with itself, had again to the byte: with our server in the place of its server, and with
//! our client in the place of its client.

use async_nats::{Client, HeaderMap, Message, Subscriber};
use futures_util::StreamExt;
use nestrs::Payload;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::raw::Raw;
use super::*;

/// One part of a recorded conversation.
#[derive(Default)]
struct Part<'a> {
    title: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    channel: &'a str,
    sent: &'a str,
    replies: Vec<&'a str>,
    /// What the caller saw: its values, and the error after them.
    values: Vec<Value>,
    error: Option<Value>,
}

fn read(transcript: &str) -> Vec<Part<'_>> {
    let (_, parts) = transcript.split_once("\n\n").expect("it begins with what its signs mean");
    parts.trim_end().split("\n\n").map(part).collect()
}

fn part(text: &str) -> Part<'_> {
    let mut part = Part::default();
    for line in text.lines() {
        let (sign, rest) = line.split_once(' ').expect("a sign");
        match sign {
            "#" => part.title = rest,
            "^" => part.headers.push(rest.split_once(": ").expect("a header")),
            ">" => (part.channel, part.sent) = rest.split_once(' ').expect("a channel and a body"),
            "<" => part.replies.push(rest),
            "=" => part.values.push(serde_json::from_str(rest).unwrap()),
            "!" => part.error = Some(serde_json::from_str(rest).unwrap()),
            _ => panic!("{line}"),
        }
    }
    part
}

/// What was sent, taken apart without a change of a byte.
#[derive(Deserialize)]
struct Packet<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    id: Option<&'a str>,
}

impl Part<'_> {
    fn packet(&self) -> Packet<'_> {
        serde_json::from_str(self.sent).unwrap()
    }

    /// As its caller wrote it, whose order of members is in the packet.
    fn pattern(&self) -> Pattern {
        match self.channel {
            r#"{"cmd":"sum"}"# => nestrs::pattern!({ cmd: "sum" }),
            r#"{"cmd":"stream"}"# => nestrs::pattern!({ cmd: "stream" }),
            r#"{"a":{"c":3,"d":2},"b":1}"# => nestrs::pattern!({ b: 1, a: { d: 2, c: 3 } }),
            r#"{"a":2,"b":1}"# => nestrs::pattern!({ b: 1, a: 2 }),
            text => text.into(),
        }
    }

    fn is_event(&self) -> bool {
        self.packet().id.is_none()
    }
}

/// Somebody at the broker who is neither NestJS nor we.
enum Stranger {
    Nats(Client),
    Redis { hears: Raw, says: Raw },
}

/// Where a stranger listens.
enum Ear<'a> {
    Nats(Subscriber),
    Redis(&'a mut Raw),
}

impl Ear<'_> {
    /// The next message: its body, and where an answer goes.
    async fn next(&mut self) -> (String, String) {
        match self {
            Self::Nats(subscriber) => {
                let message = tokio::time::timeout(support::raw::PATIENCE, subscriber.next()).await;
                let Message { payload, reply, .. } = message.expect("it comes in time").expect("there is a next");
                (String::from_utf8(payload.to_vec()).unwrap(), reply.map(|inbox| inbox.to_string()).unwrap_or_default())
            }
            Self::Redis(raw) => {
                let [kind, channel, body] = raw.next().await.try_into().expect("a message");
                assert_eq!(kind, "message");
                (body, format!("{channel}.reply"))
            }
        }
    }
}

impl Stranger {
    async fn at(kind: Kind, broker: &Broker) -> Self {
        match kind {
            Kind::Nats => Self::Nats(async_nats::connect(broker.address()).await.unwrap()),
            Kind::Redis => Self::Redis { hears: Raw::connect(broker).await, says: Raw::connect(broker).await },
        }
    }

    /// Our server, asked with the recorded bytes, answers with the recorded bytes.
    async fn ask(&mut self, part: &Part<'_>) {
        let mut ear = match self {
            Self::Nats(client) => {
                let inbox = client.new_inbox();
                let answers = client.subscribe(inbox.clone()).await.unwrap();
                let mut headers = HeaderMap::new();
                for (name, value) in &part.headers {
                    headers.append(*name, *value);
                }
                let (subject, body) = (part.channel.to_owned(), part.sent.to_owned().into());
                if part.is_event() {
                    client.publish(subject, body).await.unwrap();
                } else {
                    client.publish_with_reply_and_headers(subject, inbox, headers, body).await.unwrap();
                }
                Ear::Nats(answers)
            }
            Self::Redis { hears, says } => {
                hears.command(&["SUBSCRIBE", &format!("{}.reply", part.channel)]).await;
                says.publish(part.channel, part.sent).await;
                Ear::Redis(hears)
            }
        };
        for reply in &part.replies {
            assert_eq!(ear.next().await.0, *reply, "{}", part.title);
        }
        if let Self::Redis { hears, .. } = self {
            // Nothing came after the last of them: this is what is said next.
            let told = hears.command(&["UNSUBSCRIBE", &format!("{}.reply", part.channel)]).await;
            assert_eq!(told[0], "unsubscribe", "{}", part.title);
        }
    }

    /// Our client sends the recorded bytes, and makes of the recorded answers what NestJS's made of them. An id is drawn
    /// anew: it is as long as a recorded one.
    async fn be_asked(&mut self, client: &ClientProxy, part: &Part<'_>) {
        let mut ear = match self {
            Self::Nats(nats) => {
                let ear = nats.subscribe(part.channel.to_owned()).await.unwrap();
                arrived(nats).await;
                Ear::Nats(ear)
            }
            Self::Redis { hears, .. } => {
                hears.command(&["SUBSCRIBE", part.channel]).await;
                Ear::Redis(hears)
            }
        };
        let data = Payload::from_json(part.packet().data.get().to_owned());
        let client =
            part.headers.iter().fold(client.clone(), |client, (name, value)| client.with_metadata(*name, *value));
        if part.is_event() {
            client.emit(part.pattern(), &data).await.unwrap();
            assert_eq!(ear.next().await.0, part.sent, "{}", part.title);
        } else {
            let pattern = part.pattern();
            let caller = tokio::spawn(async move { seen(&client, pattern, data).await });
            let (body, inbox) = ear.next().await;
            let drawn = serde_json::from_str::<Packet<'_>>(&body).unwrap().id.expect("a request has one").to_owned();
            let recorded = part.packet().id.unwrap();
            assert_eq!((body.replace(&drawn, recorded), drawn.len()), (part.sent.to_owned(), recorded.len()));
            for reply in &part.replies {
                let reply = reply.replace(recorded, &drawn);
                match self {
                    Self::Nats(nats) => nats.publish(inbox.clone(), reply.into()).await.unwrap(),
                    Self::Redis { says, .. } => assert_eq!(says.publish(&inbox, &reply).await, 1),
                }
            }
            assert_eq!(caller.await.unwrap(), (part.values.clone(), part.error.clone()), "{}", part.title);
        }
        if let Self::Redis { hears, .. } = self {
            hears.command(&["UNSUBSCRIBE", part.channel]).await;
        }
    }
}

/// What this connection said before, the server knows: `flush` would only tell that it has been sent.
async fn arrived(nats: &Client) {
    let inbox = nats.new_inbox();
    let mut echo = nats.subscribe(inbox.clone()).await.unwrap();
    nats.publish(inbox, "".into()).await.unwrap();
    echo.next().await.expect("its own words come back");
}

/// The values of a stream, and the error that it ended with.
async fn seen(client: &ClientProxy, pattern: Pattern, data: Payload) -> (Vec<Value>, Option<Value>) {
    let mut items: ReplyItems<Value> = client.send_stream(pattern, &data).await.unwrap();
    let mut values = Vec::new();
    while let Some(item) = items.next().await {
        match item {
            Ok(value) => values.push(value),
            Err(error) => return (values, error.details),
        }
    }
    (values, None)
}

async fn have_again(kind: Kind, transcript: &str, parts: usize) {
    let Some(broker) = kind.start_broker().await else { return };
    let recorded = read(transcript);
    assert_eq!(recorded.len(), parts);
    let mut stranger = Stranger::at(kind, &broker).await;

    // Nothing beside the payload, as NestJS has it.
    let client = kind.plain_client(&broker);
    for part in &recorded {
        stranger.be_asked(&client, part).await;
    }

    let mut stranger = Stranger::at(kind, &broker).await;
    let app = kind.serve(&broker).await;
    for part in &recorded {
        // The recorded handler said so of a request that had none.
        if part.replies.iter().all(|reply| !reply.contains(r#""absent""#)) {
            stranger.ask(part).await;
        }
    }
    let begun = Instant::now();
    while client.send::<_, u64>("events.count", "user.created#1").await.unwrap() != 1 {
        assert!(begun.elapsed() < support::raw::PATIENCE, "the recorded event is not seen");
    }
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recorded_conversation_over_nats_is_had_again_byte_for_byte() {
    have_again(Kind::Nats, include_str!("../transcript-nats.txt"), 13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recorded_conversation_over_redis_is_had_again_byte_for_byte() {
    have_again(Kind::Redis, include_str!("../transcript-redis.txt"), 13).await;
}
