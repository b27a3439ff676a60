//! Stages around a handler, over the wire: their order, who stops whom, and how they are built.

mod support;

use std::sync::{Arc, Mutex};

use nestrs::ExecutionContext;
use nestrs::prelude::*;
use serde_json::{Value, json};

use support::{client_of, serve};

/// The marks that every stage leaves, in order.
#[derive(Default)]
struct Marks(Mutex<Vec<&'static str>>);

impl Marks {
    fn leave(&self, mark: &'static str) {
        self.0.lock().unwrap().push(mark);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Declares a stage that leaves marks and is built by the container.
macro_rules! marking {
    ($($name:ident)*) => {$(
        #[injectable]
        struct $name {
            marks: Arc<Marks>,
        }
    )*};
}

marking!(OuterInterceptor InnerInterceptor BlockGuard MethodGuard BlockPipe MethodPipe Service);

impl Interceptor for OuterInterceptor {
    async fn intercept<T: Send>(
        &self,
        _cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        self.marks.leave("outer in");
        let outcome = next.await;
        self.marks.leave(if outcome.is_ok() { "outer out" } else { "outer sees an error" });
        outcome
    }
}

impl Interceptor for InnerInterceptor {
    async fn intercept<T: Send>(
        &self,
        _cx: &ExecutionContext,
        next: impl Future<Output = Result<T, TransportError>> + Send,
    ) -> Result<T, TransportError> {
        self.marks.leave("inner in");
        let outcome = next.await;
        self.marks.leave("inner out");
        outcome
    }
}

impl CanActivate for BlockGuard {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        self.marks.leave("block guard");
        cx.extensions().insert("left by the guard");
        Ok(())
    }
}

impl CanActivate for MethodGuard {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        self.marks.leave("method guard");
        if cx.payload().value()?["refuse"] == true { Err(forbidden()) } else { Ok(()) }
    }
}

impl PipeTransform for BlockPipe {
    async fn transform(&self, _cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        self.marks.leave("block pipe");
        let mut value = payload.into_value()?;
        if value["spoil"] == true {
            return Err(TransportError::new("spoilt"));
        }
        value["piped"] = json!(["block"]);
        Ok(value.into())
    }
}

impl PipeTransform for MethodPipe {
    async fn transform(&self, _cx: &ExecutionContext, payload: Payload) -> Result<Payload, TransportError> {
        self.marks.leave("method pipe");
        let mut value = payload.into_value()?;
        value["piped"].as_array_mut().unwrap().push(json!("method"));
        Ok(value.into())
    }
}

#[micro_routes]
#[use_micro_interceptors(OuterInterceptor)]
#[use_micro_guards(BlockGuard)]
#[use_micro_pipes(BlockPipe)]
impl Service {
    #[message_pattern("all")]
    #[use_micro_pipes(MethodPipe)]
    #[use_micro_guards(MethodGuard)]
    #[use_micro_interceptors(InnerInterceptor)]
    async fn all(&self, payload: Value, cx: &ExecutionContext) -> Value {
        self.marks.leave("handler");
        json!({ "piped": payload["piped"], "received": cx.payload().value().unwrap(), "left": cx.extensions().get::<&str>() })
    }
}

/// A second block of the same type, with the documented traits.
#[micro_routes]
#[use_micro_interceptors(Observe)]
#[use_micro_guards(Refuse)]
#[use_micro_pipes(Double)]
impl Service {
    #[message_pattern("documented")]
    async fn documented(&self, number: i64) -> i64 {
        number
    }
}

#[derive(Default)]
struct Observe;

#[async_trait]
impl MicroIncomingInterceptor for Observe {
    async fn before_handle_micro(&self, pattern: &str, payload: &Value) {
        OBSERVED.lock().unwrap().push(format!("{pattern} {payload}"));
    }
}

static OBSERVED: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Default)]
struct Refuse;

#[async_trait]
impl MicroCanActivate for Refuse {
    async fn can_activate_micro(&self, _pattern: &str, payload: &Value) -> Result<(), TransportError> {
        if payload.as_i64() == Some(13) { Err(TransportError::new("unlucky")) } else { Ok(()) }
    }
}

#[derive(Default)]
struct Double;

#[async_trait]
impl MicroPipeTransform for Double {
    async fn transform_micro(&self, _pattern: &str, payload: Value) -> Result<Value, TransportError> {
        Ok(json!(payload.as_i64().unwrap_or(0) * 2))
    }
}

#[module(providers = [Service, Provider::value(Marks::default())], microservices = [Service])]
struct AppModule;

#[tokio::test]
async fn rq_3_stages_run_once_each_in_order_interceptors_guards_pipes_handler() {
    let app = serve::<AppModule>().await;
    let marks = app.get::<Marks>().unwrap();
    let client = client_of(&app);
    let answer: Value = client.send("all", &json!({ "a": 1 })).await.unwrap();
    assert_eq!(
        marks.take(),
        [
            "outer in",
            "inner in",
            "block guard",
            "method guard",
            "block pipe",
            "method pipe",
            "handler",
            "inner out",
            "outer out"
        ]
    );
    assert_eq!(answer, json!({ "piped": ["block", "method"], "received": { "a": 1 }, "left": "left by the guard" }));

    let refused = client.send::<_, Value>("all", &json!({ "refuse": true })).await.unwrap_err();
    assert_eq!(refused.message, "Forbidden resource");
    assert_eq!(
        marks.take(),
        ["outer in", "inner in", "block guard", "method guard", "inner out", "outer sees an error"]
    );

    let spoilt = client.send::<_, Value>("all", &json!({ "spoil": true })).await.unwrap_err();
    assert_eq!(spoilt.message, "spoilt");
    let order =
        ["outer in", "inner in", "block guard", "method guard", "block pipe", "inner out", "outer sees an error"];
    assert_eq!(marks.take(), order);
    app.close().await;
}

#[tokio::test]
async fn the_documented_traits_stand_where_the_neutral_ones_do() {
    let app = serve::<AppModule>().await;
    let client = client_of(&app);
    assert_eq!(client.send::<_, i64>("documented", &21).await.unwrap(), 42);
    assert_eq!(client.send::<_, i64>("documented", &13).await.unwrap_err().message, "unlucky");
    assert_eq!(*OBSERVED.lock().unwrap(), ["documented 21", "documented 13"]);
    app.close().await;
}
