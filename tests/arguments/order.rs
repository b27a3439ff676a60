//! What an argument goes through, and when; and who else has arguments.

use super::*;

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
