//! Guards, interceptors, pipes and filters at all four levels: global, module, impl block and method.

mod support;

use std::sync::{Arc, Mutex};

use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;
use nestrs::{HandlerResult, RunningApp};
use serde_json::{Value, json};

use support::client_of;

/// What every stage has left, in order. One per test: each runs in a thread of its own.
#[derive(Default)]
struct Marks(Mutex<Vec<String>>);

thread_local! {
    static MARKS: Arc<Marks> = Arc::default();
}

impl Marks {
    fn here() -> Arc<Self> {
        MARKS.with(Arc::clone)
    }

    fn leave(&self, mark: &str) {
        self.0.lock().unwrap().push(mark.to_owned());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// One type that is every kind of stage, for each place where it may stand.
macro_rules! stages {
    ($($name:ident $place:literal)*) => {$(
        #[injectable]
        struct $name {
            marks: Arc<Marks>,
        }

        impl Interceptor for $name {
            async fn intercept<T: Send>(
                &self,
                _cx: &ExecutionContext,
                next: impl Future<Output = Result<T, TransportError>> + Send,
            ) -> Result<T, TransportError> {
                self.marks.leave(concat!($place, " interceptor in"));
                let outcome = next.await;
                self.marks.leave(&format!(concat!($place, " interceptor out, {}"), if outcome.is_ok() { "ok" } else { "error" }));
                outcome
            }

            fn map_value(&self, _cx: &ExecutionContext, value: Payload) -> Result<Payload, TransportError> {
                self.marks.leave(concat!($place, " interceptor maps"));
                Ok(json!({ $place: value.into_value()? }).into())
            }
        }

        impl CanActivate for $name {
            async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
                self.marks.leave(concat!($place, " guard"));
                if cx.payload().value()?["refused by"] == $place { Err(forbidden()) } else { Ok(()) }
            }
        }

        impl PipeTransform for $name {
            async fn transform(&self, cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
                self.marks.leave(concat!($place, " pipe"));
                if cx.payload().value()?["spoilt by"] == $place { Err(TransportError::new("spoilt")) } else { Ok(payload) }
            }
        }

        impl ExceptionFilter for $name {
            type Error = TransportError;
            async fn catch(&self, _cx: &ExecutionContext, caught: Caught<TransportError>) -> HandlerResult {
                self.marks.leave(concat!($place, " filter"));
                Err(TransportError::new(format!(concat!("{} (told by ", $place, ")"), caught.message)))
            }
        }
    )*};
}

stages!(Given "given" Provided "provided" OfModule "module" OfBlock "block" OfMethod "method");

#[injectable]
struct Service {
    marks: Arc<Marks>,
}

#[micro_routes]
#[use_interceptors(OfBlock)]
#[use_guards(OfBlock)]
#[use_pipes(OfBlock)]
impl Service {
    #[message_pattern("all")]
    #[use_pipes(OfMethod)]
    #[use_guards(OfMethod)]
    #[use_interceptors(OfMethod)]
    async fn all(&self, payload: Value) -> Result<u8, TransportError> {
        self.marks.leave("handler");
        if payload["fail"] == true { Err(TransportError::new("failed")) } else { Ok(7) }
    }

    #[message_pattern("filtered")]
    #[use_filters(OfMethod)]
    async fn filtered(&self) -> Result<u8, TransportError> {
        Err(TransportError::new("failed"))
    }
}

/// Another block of the same type, with filters of its own.
#[micro_routes]
#[use_filters(OfBlock)]
impl Service {
    #[message_pattern("filtered.by.block")]
    async fn by_block(&self) -> Result<u8, TransportError> {
        Err(TransportError::new("failed"))
    }
}

#[module(
    providers = [
        Service,
        Provider::shared(Marks::here()),
        Provider::app_interceptor::<Provided>(),
        Provider::app_guard::<Provided>(),
        Provider::app_pipe::<Provided>(),
        Provider::app_filter::<Provided>(),
    ],
    microservices = [Service],
    interceptors = [OfModule],
    guards = [OfModule],
    pipes = [OfModule],
    filters = [OfModule],
)]
struct AppModule;

async fn start() -> (RunningApp, ClientProxy) {
    let stage = || Given { marks: Marks::here() };
    let app = NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::bind("127.0.0.1:0"))
        .use_global_interceptors(stage())
        .use_global_guards(stage())
        .use_global_pipes(stage())
        .use_global_filters(stage())
        .start()
        .await
        .unwrap();
    let client = client_of(&app);
    (app, client)
}

/// The answer to one call, and the marks it left.
async fn call(payload: Value) -> (Result<Value, TransportError>, Vec<String>) {
    let (app, client) = start().await;
    let answer = client.send::<_, Value>("all", &payload).await;
    app.close().await;
    (answer, Marks::here().take())
}

/// The order of NestJS for each kind (fact sheet, section 14), in the documented order of the kinds: interceptors, guards,
/// pipes, handler.
#[tokio::test]
async fn rq_3_every_level_runs_in_nestjs_order_on_the_way_in_and_out() {
    let (answer, marks) = call(json!({})).await;
    let expected = [
        "provided interceptor in",
        "given interceptor in",
        "module interceptor in",
        "block interceptor in",
        "method interceptor in",
        "provided guard",
        "given guard",
        "module guard",
        "block guard",
        "method guard",
        "provided pipe",
        "given pipe",
        "module pipe",
        "block pipe",
        "method pipe",
        "handler",
        "method interceptor maps",
        "method interceptor out, ok",
        "block interceptor maps",
        "block interceptor out, ok",
        "module interceptor maps",
        "module interceptor out, ok",
        "given interceptor maps",
        "given interceptor out, ok",
        "provided interceptor maps",
        "provided interceptor out, ok",
    ];
    assert_eq!(marks, expected);
    // The innermost interceptor maps first.
    assert_eq!(answer.unwrap(), json!({ "provided": { "given": { "module": { "block": { "method": 7 } } } } }));
}

#[tokio::test]
async fn interceptors_see_the_errors_of_guards_pipes_and_handler() {
    for payload in [json!({ "refused by": "method" }), json!({ "spoilt by": "method" }), json!({ "fail": true })] {
        let (answer, marks) = call(payload).await;
        assert!(answer.is_err());
        let seen: Vec<_> = marks.iter().filter(|mark| mark.ends_with("out, error")).collect();
        assert_eq!(seen.len(), 5, "{marks:?}");
    }
}

#[tokio::test]
async fn a_global_guard_that_refuses_keeps_all_others_from_running() {
    let (answer, marks) = call(json!({ "refused by": "provided" })).await;
    assert_eq!(answer.unwrap_err().message, "Forbidden resource (told by module)");
    let guards: Vec<_> = marks.iter().filter(|mark| mark.ends_with("guard")).collect();
    assert_eq!(guards, ["provided guard"]);
    assert!(!marks.iter().any(|mark| mark.ends_with("pipe") || mark == "handler"), "{marks:?}");
}

#[tokio::test]
async fn exactly_one_filter_runs_the_method_s_before_the_block_s_before_the_module_s() {
    let (app, client) = start().await;
    let told = async |pattern: &str| client.send::<_, Value>(pattern, &json!({})).await.unwrap_err().message;
    assert_eq!(told("filtered").await, "failed (told by method)");
    assert_eq!(told("filtered.by.block").await, "failed (told by block)");
    let failing = client.send::<_, Value>("all", &json!({ "fail": true })).await.unwrap_err();
    assert_eq!(failing.message, "failed (told by module)");
    let filters: Vec<_> = Marks::here().take().into_iter().filter(|mark| mark.ends_with("filter")).collect();
    assert_eq!(filters, ["method filter", "block filter", "module filter"]);
    app.close().await;
}

#[tokio::test]
async fn explain_names_every_stage_and_where_it_comes_from() {
    let (app, _) = start().await;
    let explained = app.explain("all");
    assert_eq!(explained.len(), 1);
    assert_eq!(
        explained[0].to_string(),
        "message all → Service::all: \
         interceptor Provided (global) → interceptor Given (global) → interceptor OfModule (module) \
         → interceptor OfBlock (block) → interceptor OfMethod (method) \
         → guard Provided (global) → guard Given (global) → guard OfModule (module) → guard OfBlock (block) \
         → guard OfMethod (method) \
         → pipe Provided (global) → pipe Given (global) → pipe OfModule (module) → pipe OfBlock (block) \
         → pipe OfMethod (method) → handler; \
         on errors filter OfModule (module), then filter Given (global), then filter Provided (global)"
    );
    assert!(app.explain("nothing").is_empty());
    assert_eq!(app.routes().len(), 3);
    app.close().await;
}
