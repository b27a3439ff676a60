//! What a service answers, as JSON.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::endpoint::Endpoint;
use super::identity::Identity;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Ping,
    Info,
    Stats,
}

impl Verb {
    pub(super) const ALL: [(Self, &'static str); 3] =
        [(Self::Ping, "PING"), (Self::Info, "INFO"), (Self::Stats, "STATS")];
}

/// What an endpoint is.
#[derive(Serialize)]
pub(super) struct About<'a> {
    pub(super) name: &'a str,
    pub(super) subject: &'a str,
    pub(super) queue_group: &'a str,
    pub(super) metadata: BTreeMap<&'static str, &'a str>,
}

/// How an endpoint does. Times in nanoseconds.
#[derive(Serialize)]
pub(super) struct Stats<'a> {
    pub(super) name: &'a str,
    pub(super) subject: &'a str,
    pub(super) queue_group: &'a str,
    pub(super) num_requests: u64,
    pub(super) num_errors: u64,
    pub(super) last_error: &'a str,
    pub(super) processing_time: u64,
    pub(super) average_processing_time: u64,
}

#[derive(Serialize)]
struct Answer<'a, E> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    identity: &'a Identity,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Option<Vec<E>>,
}

/// The answer, with as many endpoints as `max` bytes have room for, and how many those are not.
pub(super) fn answer<'a>(
    verb: Verb,
    identity: &Identity,
    started: &str,
    endpoints: impl Iterator<Item = &'a Endpoint> + Clone,
    max: usize,
) -> (Bytes, usize) {
    let all = endpoints.clone().count();
    let mut told = all;
    loop {
        let endpoints = endpoints.clone().take(told);
        let text = match verb {
            Verb::Ping => text(Answer::<()> {
                kind: "io.nats.micro.v1.ping_response",
                identity,
                description: None,
                started: None,
                endpoints: None,
            }),
            Verb::Info => text(Answer {
                kind: "io.nats.micro.v1.info_response",
                identity,
                description: Some(&identity.description),
                started: None,
                endpoints: Some(endpoints.map(Endpoint::about).collect()),
            }),
            Verb::Stats => text(Answer {
                kind: "io.nats.micro.v1.stats_response",
                identity,
                description: None,
                started: Some(started),
                endpoints: Some(endpoints.map(Endpoint::stats).collect()),
            }),
        };
        if text.len() <= max || told == 0 {
            return (text, all - told);
        }
        told /= 2;
    }
}

fn text(answer: Answer<'_, impl Serialize>) -> Bytes {
    // Strings and numbers: nothing here can fail.
    serde_json::to_vec(&answer).unwrap_or_default().into()
}
