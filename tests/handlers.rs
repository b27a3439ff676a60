//! What a handler may look like: its patterns, its arguments, what it returns.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use nestrs::microservices::{ConnectionContext, ReplyItems, TcpTransport, TcpTransportOptions};
use nestrs::prelude::*;
use nestrs::{CalledPattern, ContextKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;

use support::raw::Peer as RawPeer;
use support::{client_of, serve};

mod patterns {
    pub(crate) const CONSTANT: &str = "pattern.constant";
}

#[derive(Deserialize)]
struct Order {
    id: u64,
    note: Option<String>,
}

#[derive(Serialize)]
struct Receipt {
    id: u64,
    note: String,
}

enum OrderError {
    Missing,
}

impl From<OrderError> for TransportError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Missing => Self::new("no such order").with_details(json!({ "code": 404 })),
        }
    }
}

type OrderResult<T> = Result<T, OrderError>;

/// What a guard found out about the caller, as an argument.
#[derive(Clone)]
struct User(String);

impl FromContext<'_> for User {
    fn from_context(cx: &ExecutionContext) -> Result<Self, TransportError> {
        cx.extensions().get().ok_or_else(|| TransportError::new("who are you?").with_kind(ErrorKind::Unauthorized))
    }
}

#[derive(Default)]
struct Identify;

impl CanActivate for Identify {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        if let Some(user) = cx.metadata().get("user") {
            cx.extensions().insert(User(user.to_owned()));
        }
        Ok(())
    }
}

#[injectable]
struct Handlers {
    names: Mutex<Vec<String>>,
    cancelled: Arc<Notify>,
    calls: AtomicUsize,
}

#[micro_routes]
impl Handlers {
    #[message_pattern(patterns::CONSTANT)]
    async fn constant(&self) -> &'static str {
        "constant"
    }

    #[message_pattern(7)]
    async fn number(&self) -> &'static str {
        "number"
    }

    #[message_pattern({ cmd: "nested", options: { deep: true, list: [1, "x", null] } })]
    async fn object(&self) -> &'static str {
        "object"
    }

    #[cfg(any())]
    #[message_pattern("compiled.out")]
    async fn compiled_out(&self) -> ThisTypeDoesNotExist {
        unreachable!()
    }

    #[cfg(not(any()))]
    #[message_pattern("compiled.in")]
    async fn compiled_in(&self) -> bool {
        true
    }

    #[message_pattern("typed")]
    async fn typed(&self, order: Order) -> Receipt {
        Receipt { id: order.id, note: order.note.unwrap_or_default() }
    }

    #[message_pattern("undecoded")]
    async fn undecoded(&self, payload: Payload) -> usize {
        payload.json().len()
    }

    #[message_pattern("passed.on")]
    async fn passed_on(&self, payload: Payload) -> Payload {
        payload
    }

    #[message_pattern("alias.of.unit")]
    async fn alias_of_unit(&self) -> OrderResult<()> {
        Ok(())
    }

    #[message_pattern("alias")]
    async fn behind_an_alias(&self, id: u64) -> OrderResult<u64> {
        if id == 0 { Err(OrderError::Missing) } else { Ok(id) }
    }

    #[message_pattern("own.error")]
    async fn own_error(&self) -> Result<(), OrderError> {
        Err(OrderError::Missing)
    }

    #[message_pattern("sync")]
    fn without_async(&self, number: i32) -> i32 {
        -number
    }

    #[message_pattern("option")]
    async fn option(&self, number: Option<u32>) -> Option<u32> {
        number.map(|number| number + 1)
    }

    #[message_pattern("push")]
    async fn push(&self, name: String) {
        self.names.lock().unwrap().push(name);
    }

    /// The stream borrows the service.
    #[message_pattern("names")]
    fn names(&self) -> impl Stream<Item = String> {
        let mut next = 0;
        stream::poll_fn(move |_| {
            let name = self.names.lock().unwrap().get(next).cloned();
            next += 1;
            std::task::Poll::Ready(name)
        })
    }

    #[message_pattern("boxed")]
    async fn boxed(&self, up_to: u32) -> Result<BoxStream<'static, Result<u32, OrderError>>, OrderError> {
        if up_to == 0 {
            return Err(OrderError::Missing);
        }
        Ok(stream::iter(1..=up_to).map(|n| if n > 2 { Err(OrderError::Missing) } else { Ok(n) }).boxed())
    }

    #[message_pattern("panicking.stream")]
    fn panicking_stream(&self) -> impl Stream<Item = u32> {
        stream::iter(1..).map(|n| if n > 2 { panic!("secret") } else { n })
    }

    #[message_pattern(["context", "context.too"])]
    #[use_micro_guards(Identify)]
    #[expect(clippy::too_many_arguments, reason = "one of each kind")]
    async fn context(
        &self,
        payload: u32,
        cx: &ExecutionContext,
        pattern: CalledPattern,
        Peer(peer): Peer,
        metadata: Metadata,
        deadline: Deadline,
        connection: ConnectionContext,
        user: Option<User>,
    ) -> Value {
        assert_eq!(connection.peer_addr(), peer);
        json!({
            "payload": payload,
            "handler": cx.handler(),
            "message": cx.kind() == ContextKind::Message,
            "pattern": &*pattern.0,
            "peer": peer.is_some_and(|peer| peer.ip().is_loopback()),
            "metadata": metadata.iter().collect::<Vec<_>>(),
            "in time": deadline.0.map(|deadline| deadline > std::time::Instant::now()),
            "transport": connection.transport(),
            "user": user.map(|user| user.0),
        })
    }

    #[message_pattern("whoami")]
    #[use_micro_guards(Identify)]
    async fn whoami(&self, #[ctx] user: User) -> String {
        user.0
    }

    #[message_pattern("last")]
    async fn payload_last(&self, cx: &ExecutionContext, #[payload] number: u32) -> String {
        format!("{} {number}", cx.pattern())
    }

    #[message_pattern("wait")]
    async fn wait(&self, #[ctx] cancellation: Cancellation) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        cancellation.cancelled().await;
        self.cancelled.notify_one();
    }

    #[message_pattern("too.slow")]
    async fn too_slow(&self) {
        std::future::pending().await
    }

    /// Not a handler.
    #[expect(dead_code, reason = "it shows that other methods are left alone")]
    fn helper(&self) {}
}

#[module(providers = [Handlers, Provider::value(Notify::new())], microservices = [Handlers])]
struct AppModule;

async fn check(client: &ClientProxy, pattern: impl Into<Pattern> + Send, payload: Value, expected: Value) {
    let pattern = pattern.into();
    let answer: Value = client.send(&pattern, &payload).await.unwrap();
    assert_eq!(answer, expected, "{pattern}");
}

#[tokio::test]
async fn patterns_payloads_and_replies_of_every_kind() {
    let app = serve::<AppModule>().await;
    let client = client_of(&app);
    check(&client, "pattern.constant", json!(null), json!("constant")).await;
    check(&client, json!(7), json!(null), json!("number")).await;
    check(&client, "7", json!(null), json!("number")).await;
    let object = json!({ "options": { "list": [1, "x", null], "deep": true }, "cmd": "nested" });
    check(&client, object, json!(null), json!("object")).await;
    check(&client, "compiled.in", json!(null), json!(true)).await;
    let missing = client.send::<_, Value>("compiled.out", &()).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    check(&client, "typed", json!({ "id": 7, "note": "n", "extra": 1 }), json!({ "id": 7, "note": "n" })).await;
    check(&client, "undecoded", json!([1, 2]), json!(5)).await;
    check(&client, "alias", json!(3), json!(3)).await;
    let mut peer = RawPeer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"alias.of.unit","id":1}"#]).await;
    peer.expect(r#"26#{"isDisposed":true,"id":1}"#).await;
    peer.send_frames(&[r#"{"pattern":"passed.on","data":{"b":1.0,"a":"\ud83d"},"id":1}"#]).await;
    peer.expect(r#"60#{"response":{"b":1.0,"a":"\ud83d"},"isDisposed":true,"id":1}"#).await;
    check(&client, "sync", json!(3), json!(-3)).await;
    check(&client, "option", json!(null), json!(null)).await;
    check(&client, "option", json!(1), json!(2)).await;
    check(&client, "last", json!(1), json!("last 1")).await;
    app.close().await;
}

#[tokio::test]
async fn errors_of_the_users_own_and_payloads_that_do_not_fit() {
    let app = serve::<AppModule>().await;
    let client = client_of(&app);
    for pattern in ["alias", "own.error"] {
        let error = client.send::<_, Value>(pattern, &0).await.unwrap_err();
        assert_eq!(
            (error.message.as_str(), &error.details.unwrap()["details"]["code"]),
            ("no such order", &json!(404))
        );
    }
    let misfit = client.send::<_, Value>("typed", &json!({ "note": 1 })).await.unwrap_err();
    assert!(misfit.message.starts_with("invalid payload: "), "{misfit}");
    app.close().await;
}

#[tokio::test]
async fn streams_that_borrow_are_boxed_fail_or_panic() {
    async fn collect(client: &ClientProxy, pattern: &str, payload: Value) -> (Vec<Value>, Option<String>) {
        let mut items: ReplyItems<Value> = client.send_stream(pattern, &payload).await.unwrap();
        let mut values = Vec::new();
        while let Some(item) = items.next().await {
            match item {
                Ok(value) => values.push(value),
                Err(error) => return (values, Some(error.message)),
            }
        }
        (values, None)
    }

    let app = serve::<AppModule>().await;
    let client = client_of(&app);
    for name in ["Ada", "Grace"] {
        client.send::<_, ()>("push", name).await.unwrap();
    }
    assert_eq!(collect(&client, "names", json!(null)).await, (vec![json!("Ada"), json!("Grace")], None));
    assert_eq!(collect(&client, "boxed", json!(2)).await, (vec![json!(1), json!(2)], None));
    assert_eq!(collect(&client, "boxed", json!(9)).await, (vec![json!(1), json!(2)], Some("no such order".into())));
    assert_eq!(collect(&client, "boxed", json!(0)).await, (vec![], Some("no such order".into())));
    let internal = Some("Internal server error".to_owned());
    assert_eq!(collect(&client, "panicking.stream", json!(null)).await, (vec![json!(1), json!(2)], internal));
    app.close().await;
}

#[tokio::test]
async fn arguments_come_from_the_context() {
    let app = serve::<AppModule>().await;
    let client = client_of(&app);
    let told = client.with_metadata("user", "ada").with_metadata("nestrs-timeout-ms", "5000");
    let answer: Value = told.send("context.too", &7).await.unwrap();
    assert_eq!(
        answer,
        json!({
            "payload": 7,
            "handler": "Handlers::context",
            "message": true,
            "pattern": "context.too",
            "peer": true,
            "metadata": [["nestrs-timeout-ms", "5000"], ["user", "ada"]],
            "in time": true,
            "transport": "tcp",
            "user": "ada",
        })
    );
    let silent = TcpTransportOptions::to(app.address("tcp").unwrap()).send_deadline(false);
    let silent = ClientProxy::new(Arc::new(TcpTransport::new(silent)));
    let plain: Value = silent.send("context", &7).await.unwrap();
    assert_eq!((&plain["user"], &plain["in time"]), (&json!(null), &json!(null)));
    assert_eq!(told.send::<_, String>("whoami", &()).await.unwrap(), "ada");
    assert_eq!(client.send::<_, String>("whoami", &()).await.unwrap_err().message, "who are you?");
    app.close().await;
}

#[tokio::test]
async fn rq_6_a_handler_is_dropped_at_the_deadline_its_caller_set() {
    let app = serve::<AppModule>().await;
    let client = client_of(&app).with_metadata("nestrs-timeout-ms", "30");
    let error = client.send::<_, Value>("too.slow", &()).await.unwrap_err();
    assert_eq!((error.kind(), error.message.as_str()), (ErrorKind::Timeout, "Request timed out"));
    app.close().await;
}

#[tokio::test]
async fn rq_8_a_handler_is_told_when_its_caller_is_gone() {
    let app = serve::<AppModule>().await;
    let cancelled = app.get::<Notify>().unwrap();
    let mut peer = RawPeer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"wait","id":1}"#, r#"{"pattern":"sync","data":1,"id":2}"#]).await;
    peer.expect(r#"40#{"response":-1,"isDisposed":true,"id":2}"#).await;
    drop(peer);
    tokio::time::timeout(Duration::from_secs(1), cancelled.notified()).await.expect("it is told within a second");
    app.close().await;
}
