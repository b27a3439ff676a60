//! Where the arguments of a handler come from, and what they go through: properties, headers, providers, pipes.

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

#[tokio::test]
async fn properties_are_read_side_by_side_with_the_whole() {
    let (app, client) = in_memory().await;
    let order = json!({ "id": 7, "lines": [{ "item": "tea", "price": 2 }, { "item": "milk", "price": 1 }] });
    let answer: Value = client.send("properties", &order).await.unwrap();
    let whole = order.to_string().len();
    assert_eq!(
        answer,
        json!({ "id": 7, "total": 3, "items": ["tea", "milk"], "note": null, "whole": whole, "peer": false })
    );
    let wrong = json!({ "id": 7, "lines": [{ "item": "tea", "price": 2 }, { "item": "milk", "price": "secret" }] });
    assert_refused(
        client.send("properties", &wrong).await,
        "invalid payload: expected u32, found string, at `lines[1].price`",
        &json!({ "path": "lines[1].price", "expected": "u32", "found": "string" }),
    );
    for nothing in [json!(null), json!([1]), json!({ "lines": [] })] {
        let outcome = client.send("properties", &nothing).await;
        assert_refused(outcome, "invalid payload: `id` is missing", &json!({ "path": "id", "found": "nothing" }));
    }
    app.close().await;
}

#[tokio::test]
async fn a_nestjs_caller_reads_where_a_payload_does_not_fit() {
    let app = serve::<AppModule>().await;
    let mut peer = RawPeer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":"properties","data":{"id":"secret"},"id":"1"}"#]).await;
    let err = r#"{"status":"error","message":"invalid payload: expected u32, found string, at `id`","details":{"expected":"u32","found":"string","path":"id"}}"#;
    peer.expect(&support::raw::frame(&format!(r#"{{"err":{err},"isDisposed":true,"id":"1"}}"#))).await;
    app.close().await;
}

#[tokio::test]
async fn a_header_is_parsed_and_its_error_names_it_alone() {
    let (app, client) = in_memory().await;
    let limited = client.with_metadata("x-limit", "20");
    assert_eq!(limited.send::<_, Value>("headers", "n").await.unwrap(), json!([null, 20, 1, "n"]));
    let all = limited.with_metadata("x-version", "v2").with_metadata("x-page", "3");
    assert_eq!(all.send::<_, Value>("headers", "n").await.unwrap(), json!(["v2", 20, 3, "n"]));
    let details = |name: &str| json!({ "header": name });
    assert_refused(client.send("headers", "n").await, "the header `x-limit` is missing", &details("x-limit"));
    let wrong = client.with_metadata("x-limit", "secret").send("headers", "n").await;
    assert_refused(wrong, "the header `x-limit` does not hold u8", &details("x-limit"));
    let wrong = limited.with_metadata("x-page", "secret").send("headers", "n").await;
    assert_refused(wrong, "the header `x-page` does not hold u32 or its text", &details("x-page"));
    app.close().await;
}

#[tokio::test]
async fn a_provider_is_an_argument_as_it_is_a_field() {
    let (app, client) = in_memory().await;
    assert_eq!(client.send::<_, Value>("injected", "ada").await.unwrap(), json!([true, 2, true]));
    assert_eq!(client.send::<_, Value>("injected", "bob").await.unwrap(), json!([false, 2, true]));
    app.close().await;
}

#[tokio::test]
async fn what_a_guard_left_is_an_argument() {
    let (app, client) = in_memory().await;
    let tenant = client.with_metadata("tenant", "acme");
    assert_eq!(tenant.send::<_, String>("extension", &1).await.unwrap(), "acme 1");
    assert!(tenant.send::<_, bool>("extension.option", &()).await.unwrap());
    assert!(!client.send::<_, bool>("extension.option", &()).await.unwrap());
    let missing = client.send::<_, String>("extension", &1).await.unwrap_err();
    assert_eq!(missing.message, "Internal server error");
    app.close().await;
}

#[tokio::test]
async fn pipes_run_in_order_and_what_they_refuse_is_the_answer() {
    let (app, client) = in_memory().await;
    let send = |payload: Value| {
        let client = &client;
        async move { client.send::<_, String>("piped", &payload).await.map_err(|error| error.message) }
    };
    assert_eq!(send(json!({ "name": "ADA", "nick": "A" })).await.unwrap(), "ada a 1");
    assert_eq!(send(json!({ "name": "Ada", "nick": "AbC" })).await.unwrap(), "ada abc 2", "one pipe for all calls");
    // In lower case this is four bytes long, and too long only then.
    assert_eq!(send(json!({ "name": "ada", "nick": "İa" })).await.unwrap(), "ada i\u{307}a 3");
    assert_eq!(send(json!({ "name": "BOB", "nick": "A" })).await.unwrap_err(), "nobody of that name may call `piped`");
    assert_eq!(send(json!({ "name": "ada", "nick": "long" })).await.unwrap_err(), "too long");
    assert_eq!(send(json!({ "nick": "A" })).await.unwrap_err(), "invalid payload: `name` is missing");
    assert_eq!(client.send::<_, String>("piped.payload", "ADA").await.unwrap(), "ada");
    app.close().await;
}

#[tokio::test]
async fn the_arguments_of_a_stream_are_made_before_it_begins() {
    let (app, client) = in_memory().await;
    let mut items: ReplyItems<String> = client.send_stream("streamed", &json!({ "up_to": "2" })).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), "1 true streamed");
    assert_eq!(items.next().await.unwrap().unwrap(), "2 true streamed");
    assert!(items.next().await.is_none());
    assert_refused(
        client.send("streamed", &json!({ "up_to": "x" })).await,
        "invalid payload: expected u32 or its text, found string, at `up_to`",
        &json!({ "path": "up_to", "expected": "u32 or its text", "found": "string" }),
    );
    app.close().await;
}

#[tokio::test]
async fn the_parse_pipes_take_what_nestjs_peers_send() {
    let (app, client) = in_memory().await;
    let text =
        json!({ "int": "-42", "float": "0.5", "bool": "true", "list": "1, 2", "date": "1970-01-02", "before": "1" });
    let answer: Value = client.send("parsed", &text).await.unwrap();
    assert_eq!(answer, json!([-42, 0.5, true, [1, 2], 86400, 1, 8]));
    let values = json!({ "int": 42, "float": 1, "bool": false, "list": ["1", 2], "date": 1000, "after": 9 });
    let answer: Value = client.send("parsed", &values).await.unwrap();
    assert_eq!(answer, json!([42, 1.0, false, [1, 2], 1, 7, 9]));
    let nothing =
        json!({ "int": 1, "float": 1, "bool": true, "list": "", "date": null, "before": null, "after": null });
    let answer: Value = client.send("parsed", &nothing).await.unwrap();
    assert_eq!(answer, json!([1, 1.0, true, [], null, 7, 8]));
    assert_refused(
        client.send("parsed", &json!({ "int": "4.2" })).await,
        "invalid payload: expected i64 or its text, found string, at `int`",
        &json!({ "path": "int", "expected": "i64 or its text", "found": "string" }),
    );
    app.close().await;
}

/// What runs, in order.
#[injectable]
struct Trace(#[inject(default)] Mutex<Vec<&'static str>>);

impl Trace {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }
}

#[injectable]
struct Traced {
    trace: Arc<Trace>,
}

impl Interceptor for Traced {
    async fn intercept<T: Send>(
        &self,
        _: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        self.trace.note("interceptor");
        let outcome = next.await;
        self.trace.note(if outcome.is_ok() { "answer" } else { "error" });
        outcome
    }
}

impl CanActivate for Traced {
    async fn can_activate(&self, _: &ExecutionContext) -> Result<(), TransportError> {
        self.trace.note("guard");
        Ok(())
    }
}

impl PipeTransform for Traced {
    async fn transform(&self, _: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        self.trace.note("JSON pipe");
        let mut payload = payload.into_value()?;
        payload["by_pipe"] = json!(true);
        Ok(payload.into())
    }
}

impl ArgumentPipe<u32> for Traced {
    type Input = u32;
    async fn transform(&self, _: &ExecutionContext, value: u32) -> Result<u32, TransportError> {
        self.trace.note(if value == 1 { "first pipe" } else { "second pipe" });
        if value > 2 { Err(TransportError::new("more than two")) } else { Ok(value) }
    }
}

#[injectable]
struct Ordered {
    trace: Arc<Trace>,
}

#[micro_routes]
#[use_micro_interceptors(Traced)]
impl Ordered {
    #[message_pattern("ordered")]
    #[use_micro_guards(Traced)]
    #[use_micro_pipes(Traced)]
    async fn ordered(
        &self,
        #[payload("a")]
        #[pipe(Traced)]
        _a: u32,
        #[payload("b")]
        #[pipe(Traced)]
        _b: u32,
        #[payload("by_pipe")] by_pipe: bool,
    ) -> bool {
        self.trace.note("handler");
        by_pipe
    }

    #[message_pattern("trace")]
    async fn trace(&self, #[inject] trace: Arc<Trace>) -> Vec<&'static str> {
        std::mem::take(&mut *trace.0.lock().unwrap())
    }
}

#[module(providers = [Ordered, Trace], microservices = [Ordered])]
struct OrderedModule;

#[tokio::test]
async fn rq_3_pipes_of_arguments_run_inside_the_interceptors_after_the_pipes_of_the_payload() {
    let app = serve::<OrderedModule>().await;
    let client = client_of(&app);
    let traced = async || {
        let mut trace: Vec<String> = client.send("trace", &()).await.unwrap();
        // The question itself is intercepted.
        assert_eq!(trace.pop().as_deref(), Some("interceptor"));
        trace
    };
    assert!(client.send::<_, bool>("ordered", &json!({ "a": 1, "b": 2 })).await.unwrap());
    assert_eq!(traced().await, ["interceptor", "guard", "JSON pipe", "first pipe", "second pipe", "handler", "answer"]);
    let refused = client.send::<_, bool>("ordered", &json!({ "a": 1, "b": 3 })).await.unwrap_err();
    assert_eq!(refused.message, "more than two");
    // The first note is the end of the question before.
    assert_eq!(traced().await, ["answer", "interceptor", "guard", "JSON pipe", "first pipe", "second pipe", "error"]);
    app.close().await;
}

#[injectable]
struct Subscriber {
    heard: Arc<mpsc::UnboundedSender<String>>,
}

#[event_routes]
impl Subscriber {
    #[on_event("user.created")]
    async fn created(
        &self,
        #[payload("name")]
        #[pipe(Lowercase)]
        name: String,
        #[inject] repo: Arc<dyn Repo>,
    ) {
        self.heard.send(format!("{name} {}", repo.known(&name))).unwrap();
    }
}

#[injectable]
struct Publisher {
    bus: Arc<EventBus>,
}

#[micro_routes]
impl Publisher {
    #[event_pattern("publish")]
    async fn publish(&self, name: String) {
        self.bus.publish("user.created", json!({ "name": name })).await;
    }
}

#[tokio::test]
async fn subscribers_of_the_bus_have_the_same_arguments() {
    static HEARD: Mutex<Option<mpsc::UnboundedSender<String>>> = Mutex::new(None);

    #[module(
        providers = [
            Subscriber, Publisher, Names as dyn Repo,
            Provider::value(HEARD.lock().unwrap().take().expect("booted once")),
        ],
        microservices = [Publisher],
    )]
    struct BusModule;

    let (sender, mut heard) = mpsc::unbounded_channel();
    *HEARD.lock().unwrap() = Some(sender);
    let app = serve::<BusModule>().await;
    client_of(&app).emit("publish", "ADA").await.unwrap();
    let name = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap();
    assert_eq!(name.unwrap(), "ada true");
    app.close().await;
}

#[tokio::test]
async fn what_an_argument_needs_and_nobody_provides_is_found_at_boot() {
    #[module(providers = [Handlers, Provider::value(AtomicUsize::new(0))], microservices = [Handlers])]
    struct Poor;

    let outcome = NestFactory::create_microservice::<Poor>(support::free_port()).start().await;
    let Err(ListenError::Boot(error)) = outcome else { panic!("it has booted") };
    let text = error.to_string();
    for problem in [
        "`Handlers::injected` needs `Arc<dyn Repo>` for its argument `repo`, which no imported module exports",
        "`Handlers::injected` needs `usize` named `WORKERS` for its argument `workers`",
        "`Handlers::streamed` needs `Arc<dyn Repo>` for its argument `repo`",
        "`KnownUser` on `Handlers::piped` needs `Arc<dyn Repo>` for its field `repo`",
        "`Handlers::piped` needs `Arc<KnownUser>` for its argument `pipe`",
    ] {
        assert!(text.contains(problem), "`{problem}` is missing in\n{text}");
    }
    assert!(!text.contains("audit"), "an optional one may be missing\n{text}");
}
