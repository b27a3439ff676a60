//! The handlers that the interop cases call; `tests/interop/server.mjs` has the same ones in NestJS.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use nestrs::prelude::*;
use serde_json::{Value, json};

#[injectable]
pub struct Contract {
    runs: Mutex<BTreeMap<&'static str, u64>>,
}

impl Contract {
    fn seen(&self, handler: &'static str) {
        *self.runs.lock().unwrap().entry(handler).or_default() += 1;
    }

    pub fn runs(&self, handler: &str) -> u64 {
        self.runs.lock().unwrap().get(handler).copied().unwrap_or(0)
    }
}

#[derive(Default)]
pub struct Never;

impl CanActivate for Never {
    async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
        Err(forbidden())
    }
}

/// Members in NestJS's order, which a `Value` would sort.
#[derive(serde::Serialize)]
pub struct Matched {
    matched: bool,
    data: Value,
}

#[micro_routes]
impl Contract {
    #[message_pattern({ cmd: "sum" })]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }

    #[message_pattern("echo")]
    async fn echo(&self, data: Value) -> Value {
        data
    }

    #[message_pattern({ a: { c: 3, d: 2 }, b: 1 })]
    async fn nested(&self, data: Value) -> Matched {
        Matched { matched: true, data }
    }

    #[message_pattern("slow")]
    async fn slow(&self, milliseconds: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        milliseconds
    }

    #[message_pattern({ cmd: "stream" })]
    fn stream(&self, n: u32) -> impl Stream<Item = u32> {
        stream::iter(1..=n)
    }

    #[message_pattern("stream.late")]
    fn stream_late(&self) -> impl Stream<Item = u32> {
        let nothing = stream::once(tokio::time::sleep(Duration::from_millis(20))).filter_map(|()| async { None });
        stream::iter([1, 2]).chain(nothing)
    }

    #[message_pattern("empty")]
    fn empty(&self) -> impl Stream<Item = u32> {
        stream::empty()
    }

    #[message_pattern("stream.error")]
    fn stream_error(&self) -> impl Stream<Item = Result<u32, TransportError>> {
        stream::iter([Ok(1), Ok(2), Err(TransportError::new("mid"))])
    }

    #[message_pattern("none")]
    async fn none(&self) {}

    #[message_pattern("null.value")]
    async fn null_value(&self) -> Option<u32> {
        None
    }

    #[message_pattern("fail.rpc")]
    async fn fail_rpc(&self) -> Result<u32, TransportError> {
        Err(TransportError::new("boom"))
    }

    #[message_pattern("fail.rpc.object")]
    async fn fail_rpc_object(&self) -> Result<u32, TransportError> {
        Err(TransportError::exact(json!({ "code": 42, "message": "boom" })))
    }

    #[message_pattern("fail.plain")]
    async fn fail_plain(&self) -> Result<u32, TransportError> {
        Err(std::io::Error::other("secret"))?
    }

    #[message_pattern("fail.guard")]
    #[use_micro_guards(Never)]
    async fn fail_guard(&self) -> &'static str {
        self.seen("fail.guard must never run");
        "the guard let this pass"
    }

    #[message_pattern(["alias.one", "alias.two"])]
    async fn alias(&self) -> &'static str {
        "alias"
    }

    #[message_pattern("hang")]
    async fn hang(&self) {
        std::future::pending().await
    }

    #[message_pattern("panic")]
    async fn panic(&self) -> u32 {
        panic!("secret")
    }

    #[message_pattern("header")]
    async fn header(&self, _data: Value, metadata: &Metadata) -> Option<String> {
        metadata.get("x-version").map(str::to_owned)
    }

    #[message_pattern("events.count")]
    async fn events_count(&self, handler: String) -> u64 {
        self.runs(&handler)
    }

    #[event_pattern("user.created")]
    async fn user_created_first(&self, _data: Value) {
        self.seen("user.created#1");
    }

    #[event_pattern("user.created")]
    async fn user_created_second(&self, _data: Value) {
        self.seen("user.created#2");
    }

    #[event_pattern({ b: 2, a: { d: 2, c: 3 } })]
    async fn object_event(&self, _data: Value) {
        self.seen("object.event");
    }
}

#[module(providers = [Contract], microservices = [Contract])]
pub struct ContractModule;
