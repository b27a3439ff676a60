//! What there must be at the NATS server: the stream, one for dead letters, and a consumer for each pattern.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::{
    Context, ContextBuilder, CreateStreamErrorKind, GetStreamByNameErrorKind, GetStreamErrorKind, RequestErrorKind,
};
use async_nats::jetstream::stream::{Config, ConsumerErrorKind, DiscardPolicy, StorageType};
use async_nats::jetstream::{Error as Said, ErrorCode};
use nestrs_core::{ErrorKind, TransportError};
use serde::Deserialize;
use serde_json::Value;

use super::covering::{covers, overlap};
use super::options::JetStreamOptions;

/// How long the NATS server may take over a question.
const ANSWER: Duration = Duration::from_secs(5);

/// JetStream, asked over this connection.
pub(in crate::nats) fn api(client: &Client, ack_timeout: Duration) -> Context {
    ContextBuilder::new().timeout(ANSWER).ack_timeout(ack_timeout).build(client.clone())
}

/// What was found or made.
pub(in crate::nats) struct Topology {
    context: Context,
    subjects: Vec<String>,
    dead_prefix: Arc<str>,
}

/// When each consumer was made that this process has used.
#[derive(Clone, Debug, Default)]
pub(in crate::nats) struct Known(Arc<Mutex<HashMap<String, i128>>>);

impl Known {
    /// Whether this is another one than the last of its name.
    fn is_another(&self, name: &str, made: i128) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), made).is_some_and(|before| before != made)
    }
}

impl Topology {
    /// Finds the stream and that for dead letters, or makes them.
    pub(in crate::nats) async fn find(client: &Client, options: &JetStreamOptions) -> Result<Self, TransportError> {
        let context = api(client, ANSWER);
        // As it is: the driver knows answers of newer servers only.
        let account: Value = context.request("INFO", &()).await.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => {
                wrong("the NATS server has no JetStream; start it with `-js`, or leave the option out")
            }
            _ => unreachable_now("JetStream cannot be used", &error),
        })?;
        if let Some(said) = account.get("error").and_then(|said| Said::deserialize(said).ok()) {
            return Err(refused("JetStream cannot be used", &said));
        }
        let subjects = stream(&context, options).await?;
        let dead_prefix = options.dead_prefix_or_default();
        dead_letters(&context, options, &dead_prefix).await?;
        Ok(Self { context, subjects, dead_prefix: dead_prefix.into() })
    }

    /// Whether events of this pattern come from the stream.
    ///
    /// # Errors
    /// When they would come from it and must not.
    pub(in crate::nats) fn holds(&self, pattern: &str, calls: bool, events: bool) -> Result<bool, TransportError> {
        if calls && let Some(subject) = self.subjects.iter().find(|subject| overlap(subject, pattern)) {
            return Err(wrong(format!(
                "`{pattern}` has a message handler, and `{subject}` is a subject of the stream, which would answer its \
                 callers; keep requests and events under different subjects"
            )));
        }
        if !events || !self.subjects.iter().any(|subject| covers(subject, pattern)) {
            if events && self.subjects.iter().any(|subject| overlap(subject, pattern)) {
                tracing::warn!(
                    target: "nestrs::nats", pattern,
                    "only some events of this pattern lie in the stream; all of them are delivered at most once"
                );
            }
            return Ok(false);
        }
        if overlap(&format!("{}.>", self.dead_prefix), pattern) {
            return Err(wrong(format!(
                "`{pattern}` matches dead letters, which begin with `{}`; set `dead_prefix`",
                self.dead_prefix
            )));
        }
        Ok(true)
    }

    pub(in crate::nats) fn dead_prefix(&self) -> Arc<str> {
        Arc::clone(&self.dead_prefix)
    }

    /// Makes the consumer of one pattern, or sets one that is there right; gives its name. `known` is when those of this process
    /// were made: one that was made anew since begins with the oldest event that there is.
    pub(in crate::nats) async fn consumer(
        &self,
        options: &JetStreamOptions,
        service: &str,
        pattern: &str,
        prefetch: usize,
        known: &Known,
    ) -> Result<String, TransportError> {
        let name = consumer_name(service, pattern);
        let config = pull::Config {
            durable_name: Some(name.clone()),
            description: Some(format!("{pattern} of {service}")),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: options.ack_wait_or_least(),
            // Counted on this side: the server's own limit has no dead letters.
            max_deliver: -1,
            filter_subject: pattern.to_owned(),
            max_ack_pending: i64::try_from(options.max_ack_pending.max(prefetch)).unwrap_or(i64::MAX),
            ..pull::Config::default()
        };
        let what = format!("the consumer of `{pattern}` cannot be made");
        match self.context.create_consumer_on_stream(config, &options.stream).await {
            Ok(consumer) => {
                let made = consumer.cached_info().created.unix_timestamp_nanos();
                if known.is_another(&name, made) {
                    tracing::warn!(
                        target: "nestrs::nats", consumer = name, stream = options.stream,
                        "the consumer was gone and is made anew: all events that the stream has come again"
                    );
                }
                Ok(name)
            }
            Err(error) => Err(match error.kind() {
                ConsumerErrorKind::JetStream(ref said) => refused(&what, said),
                _ => unreachable_now(&what, &error),
            }),
        }
    }
}

/// The subjects of the stream that are used.
async fn stream(context: &Context, options: &JetStreamOptions) -> Result<Vec<String>, TransportError> {
    let (name, wanted) = (&options.stream, &options.subjects);
    let error = match context.get_stream(name).await {
        Ok(stream) => {
            let there = &stream.cached_info().config.subjects;
            if wanted.is_empty() {
                return Ok(there.clone());
            }
            return match wanted.iter().find(|wanted| !there.iter().any(|there| covers(there, wanted))) {
                None => Ok(wanted.clone()),
                Some(missing) => {
                    Err(wrong(format!("the stream `{name}` has the subjects {there:?}, and not `{missing}`")))
                }
            };
        }
        Err(error) => error,
    };
    match error.kind() {
        GetStreamErrorKind::JetStream(ref said) if said.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
        GetStreamErrorKind::JetStream(ref said) => return Err(refused("the stream cannot be used", said)),
        GetStreamErrorKind::Request => return Err(unreachable_now("the stream cannot be found", &error)),
        _ => return Err(wrong(format!("`{}` cannot be the name of a stream", name.escape_debug()))),
    }
    if !options.declare {
        return Err(wrong(format!("there is no stream `{name}`; make it, or let it be made by `declare(true)`")));
    }
    if wanted.is_empty() {
        return Err(wrong(format!(
            "there is no stream `{name}`, and to make it its subjects must be known: `subject(..)`"
        )));
    }
    // What is full refuses, so that senders hear of it.
    declare(context, options, name, wanted.clone(), DiscardPolicy::New).await?;
    Ok(wanted.clone())
}

/// Sees to it that dead letters are kept.
async fn dead_letters(context: &Context, options: &JetStreamOptions, prefix: &str) -> Result<(), TransportError> {
    let subjects = format!("{prefix}.>");
    super::super::subject::check_subscribed(&subjects)?;
    match context.stream_by_subject(&subjects).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() != GetStreamByNameErrorKind::NotFound => {
            Err(unreachable_now("the stream for dead letters cannot be found", &error))
        }
        Err(_) if !options.declare => Err(wrong(format!(
            "no stream has the subjects `{subjects}`, and dead letters would be lost; make one, or set `dead_prefix`"
        ))),
        Err(_) => {
            let name = format!("{}_DEAD", options.stream);
            declare(context, options, &name, vec![subjects], DiscardPolicy::Old).await
        }
    }
}

async fn declare(
    context: &Context,
    options: &JetStreamOptions,
    name: &str,
    subjects: Vec<String>,
    discard: DiscardPolicy,
) -> Result<(), TransportError> {
    let config = Config {
        name: name.to_owned(),
        subjects,
        discard,
        max_age: options.max_age,
        max_bytes: i64::try_from(options.max_bytes).unwrap_or(i64::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_message_size: -1,
        storage: StorageType::File,
        num_replicas: options.replicas.max(1),
        ..Config::default()
    };
    let what = format!("the stream `{name}` cannot be made");
    match context.create_stream(config).await {
        Ok(_) => {
            tracing::info!(target: "nestrs::nats", stream = name, "declared a stream");
            Ok(())
        }
        Err(error) => Err(match error.kind() {
            CreateStreamErrorKind::JetStream(ref said) => refused(&what, said),
            CreateStreamErrorKind::InvalidStreamName | CreateStreamErrorKind::EmptyStreamName => {
                wrong(format!("`{}` cannot be the name of a stream", name.escape_debug()))
            }
            _ => unreachable_now(&what, &error),
        }),
    }
}

/// `billing_orders-any-1f2e3d4c`: to be read, and one for each pattern.
fn consumer_name(service: &str, pattern: &str) -> String {
    let plain = |text: &str| -> String {
        let kept = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
        text.chars().map(|character| if kept(character) { character } else { '-' }).take(80).collect()
    };
    // FNV-1a, which stays as it is.
    let hash = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    let both = service.bytes().chain([0]).chain(pattern.bytes()).fold(2_166_136_261, hash);
    let words = pattern.replace('*', "any").replace('>', "rest");
    format!("{}_{}-{both:08x}", plain(service), plain(&words))
}

fn wrong(text: impl Into<String>) -> TransportError {
    TransportError::internal(text)
}

/// JetStream says no. What it says of times of trouble may change.
fn refused(what: &str, said: &Said) -> TransportError {
    let text = format!("{what}: {said}");
    match said.code() {
        503 => TransportError::withheld(ErrorKind::Unavailable, text),
        _ => wrong(text),
    }
}

fn unreachable_now(what: &str, error: &dyn fmt::Display) -> TransportError {
    TransportError::withheld(ErrorKind::Unavailable, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_have_names_that_nats_takes_and_one_for_each_pattern() {
        assert_eq!(consumer_name("billing", "orders.created"), "billing_orders-created-1447bab7");
        let names = ["a.b", "a-b", "a.*", "a.any", "a.>", r#"{"cmd":"a"}"#].map(|pattern| consumer_name("s", pattern));
        for (at, name) in names.iter().enumerate() {
            assert!(name.chars().all(|character| character.is_ascii_alphanumeric() || "-_".contains(character)));
            assert!(!names[..at].contains(name), "{name}");
        }
        assert!(consumer_name(&"s".repeat(500), &"p".repeat(500)).len() < 200);
    }
}
