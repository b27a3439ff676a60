//! Where the arguments of a handler come from, and what they go through: properties, headers, providers, pipes.

mod order;
mod sources;

#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::{Stream, stream};
use nestrs::microservices::{ReplyItems, TcpTransport, memory_pair};
use nestrs::prelude::*;
use nestrs::{ListenError, RunningApp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use support::raw::Peer as RawPeer;
use support::{client_of, serve, serve_with};

#[derive(Serialize, Deserialize)]
struct Line {
    item: String,
    price: u32,
}

trait Repo: Send + Sync {
    fn known(&self, name: &str) -> bool;
}

#[injectable]
struct Names;

impl Repo for Names {
    fn known(&self, name: &str) -> bool {
        name == "ada"
    }
}

/// Needs nothing.
#[derive(Default)]
struct Lowercase;

impl ArgumentPipe<String> for Lowercase {
    type Input = String;
    async fn transform(&self, _: &ExecutionContext, value: String) -> Result<String, TransportError> {
        Ok(value.to_lowercase())
    }
}

struct User(String);

/// Has a dependency, and makes another type.
#[injectable]
struct KnownUser {
    repo: Arc<dyn Repo>,
    made: AtomicUsize,
}

impl ArgumentPipe<User> for KnownUser {
    type Input = String;
    async fn transform(&self, cx: &ExecutionContext, name: String) -> Result<User, TransportError> {
        // A pipe may wait.
        tokio::task::yield_now().await;
        self.made.fetch_add(1, Ordering::Relaxed);
        if self.repo.known(&name) {
            Ok(User(name))
        } else {
            Err(TransportError::new(format!("nobody of that name may call `{}`", cx.pattern())))
        }
    }
}

/// Made where it is used.
struct MaxLength(usize);

impl ArgumentPipe<String> for MaxLength {
    type Input = String;
    async fn transform(&self, _: &ExecutionContext, value: String) -> Result<String, TransportError> {
        if value.len() > self.0 { Err(TransportError::new("too long")) } else { Ok(value) }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Tenant(String);

#[derive(Default)]
struct Identify;

impl CanActivate for Identify {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        if let Some(tenant) = cx.metadata().get("tenant") {
            cx.extensions().insert(Tenant(tenant.to_owned()));
        }
        Ok(())
    }
}

#[injectable]
struct Handlers {
    own: Arc<AtomicUsize>,
}

#[micro_routes]
impl Handlers {
    #[message_pattern("properties")]
    async fn properties(
        &self,
        #[payload("id")] id: u32,
        #[payload("lines")] lines: Vec<Line>,
        #[payload("note")] note: Option<String>,
        peer: Peer,
        #[payload] whole: Payload,
    ) -> Value {
        let total: u32 = lines.iter().map(|line| line.price).sum();
        let items: Vec<_> = lines.into_iter().map(|line| line.item).collect();
        json!({
            "id": id, "total": total, "items": items, "note": note,
            "whole": whole.json().len(), "peer": peer.0.is_some(),
        })
    }

    #[message_pattern("headers")]
    async fn headers(
        &self,
        #[header("x-version")] version: Option<String>,
        #[header("x-limit")] limit: u8,
        #[header("x-page")]
        #[pipe(ParseIntPipe, DefaultValuePipe(1))]
        page: u32,
        name: String,
    ) -> Value {
        json!([version, limit, page, name])
    }

    #[message_pattern("injected")]
    async fn injected(
        &self,
        #[inject] repo: Arc<dyn Repo>,
        name: String,
        #[inject("WORKERS")] workers: usize,
        #[inject] audit: Option<Arc<Line>>,
        #[inject] own: Arc<AtomicUsize>,
    ) -> Value {
        assert!(Arc::ptr_eq(&own, &self.own), "the provider that a field gets too");
        json!([repo.known(&name), workers, audit.is_none()])
    }

    #[message_pattern("extension")]
    #[use_micro_guards(Identify)]
    async fn extension(&self, Extension(tenant): Extension<Tenant>, number: u32) -> String {
        format!("{} {number}", tenant.0)
    }

    #[message_pattern("extension.option")]
    #[use_micro_guards(Identify)]
    async fn optional_extension(&self, tenant: Option<Extension<Tenant>>) -> bool {
        tenant.is_some()
    }

    #[message_pattern("piped")]
    async fn piped(
        &self,
        #[payload("name")]
        #[pipe(Lowercase, KnownUser)]
        user: User,
        #[payload("nick")]
        #[pipe(MaxLength(3))]
        #[pipe(Lowercase)]
        nick: String,
        #[inject] pipe: Arc<KnownUser>,
    ) -> String {
        format!("{} {nick} {}", user.0, pipe.made.load(Ordering::Relaxed))
    }

    /// A pipe of the whole payload, by the rule of the first argument.
    #[message_pattern("piped.payload")]
    async fn piped_payload(&self, #[pipe(Lowercase)] name: String) -> String {
        name
    }

    #[message_pattern("streamed")]
    fn streamed(
        &self,
        #[payload("up_to")]
        #[pipe(ParseIntPipe)]
        up_to: u32,
        #[inject] repo: Arc<dyn Repo>,
        cx: &ExecutionContext,
    ) -> impl Stream<Item = String> {
        stream::iter((1..=up_to).map(move |n| format!("{n} {} {}", repo.known("ada"), cx.pattern())))
    }

    #[message_pattern("parsed")]
    #[expect(clippy::too_many_arguments, reason = "one of each kind")]
    async fn parsed(
        &self,
        #[payload("int")]
        #[pipe(ParseIntPipe)]
        int: i64,
        #[payload("float")]
        #[pipe(ParseFloatPipe)]
        float: f64,
        #[payload("bool")]
        #[pipe(ParseBoolPipe)]
        flag: bool,
        #[payload("list")]
        #[pipe(ParseArrayPipe)]
        list: Vec<u8>,
        #[payload("date")]
        #[pipe(ParseDatePipe)]
        date: Option<SystemTime>,
        #[payload("before")]
        #[pipe(DefaultValuePipe(7), ParseIntPipe)]
        before: u8,
        #[payload("after")]
        #[pipe(ParseIntPipe, DefaultValuePipe(8))]
        after: u8,
    ) -> Value {
        let date = date.map(|date| date.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
        json!([int, float, flag, list, date, before, after])
    }
}

#[module(
    providers = [
        Handlers, KnownUser, Names as dyn Repo, Provider::value(2_usize).named("WORKERS"), Provider::value(AtomicUsize::new(0)),
    ],
    microservices = [Handlers],
)]
struct AppModule;

async fn in_memory() -> (RunningApp, ClientProxy) {
    let (server, transport) = memory_pair();
    (serve_with::<AppModule>(server).await, ClientProxy::new(Arc::new(TcpTransport::new(transport))))
}

#[track_caller]
fn assert_refused(outcome: Result<Value, TransportError>, message: &str, details: &Value) {
    let error = outcome.unwrap_err();
    assert_eq!((&*error.message, &error.details.unwrap()["details"]), (message, details));
}
