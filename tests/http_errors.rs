//! What callers and logs learn when an HTTP route fails, with stages around it and without; and what stages see of it.

use std::sync::Mutex;

use nestrs::axum::extract::{Extension, Json, Path};
use nestrs::axum::http::StatusCode;
use nestrs::prelude::*;
use nestrs::testing::TestApp;
use nestrs::{HandlerResult, LogCapture, LogLevel};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A stage that does nothing.
#[derive(Default)]
struct Idle;

impl Interceptor for Idle {}

/// Keeps what filters see of an error.
#[injectable]
struct Seen {
    #[inject(default)]
    errors: Mutex<Vec<String>>,
}

impl ExceptionFilter for Seen {
    type Error = TransportError;
    async fn catch(&self, _cx: &ExecutionContext, caught: Caught<TransportError>) -> HandlerResult {
        let error = caught.into_transport_error();
        self.errors.lock().unwrap().push(format!("{error:?}"));
        Err(error)
    }
}

#[derive(Clone)]
struct InternalPool;

#[derive(Debug, Serialize, Deserialize)]
struct Card {
    pan: u64,
}

#[derive(Debug, PartialEq)]
struct Roles(&'static str);

type Pool = Extension<InternalPool>;

#[injectable]
struct Cards;

#[controller("/cards")]
#[set_metadata(Roles("clerk"))]
impl Cards {
    #[get("/lacking")]
    async fn lacking(&self, _pool: Pool) {}

    #[get("/staged/lacking")]
    #[use_interceptors(Idle)]
    async fn staged_lacking(&self, _pool: Pool) {}

    #[post("/{id}")]
    async fn put(&self, Path(_id): Path<u32>, Json(card): Json<Card>) -> u64 {
        card.pan
    }

    #[post("/staged/{id}")]
    #[use_filters(Seen)]
    async fn staged_put(&self, Path(_id): Path<u32>, Json(card): Json<Card>) -> u64 {
        card.pan
    }

    #[get("/panic/{id}")]
    async fn panic(&self, Path(_id): Path<u32>) {
        panic!("out of ink")
    }

    #[get("/staged/panic/{id}")]
    #[use_interceptors(Idle)]
    async fn staged_panic(&self, Path(_id): Path<u32>) {
        panic!("out of ink")
    }

    #[get("/internal/{id}")]
    async fn internal(&self, Path(_id): Path<u32>) -> Result<(), TransportError> {
        Err(TransportError::internal("the vault is shut").with_source(std::io::Error::other("no key")))
    }

    #[get("/taken")]
    async fn taken(&self) -> Result<(), TransportError> {
        Err(TransportError::new("taken").with_details(json!({ "statusCode": 409 })))
    }

    #[get("/context/{id}")]
    async fn context(&self, Ctx(first): Ctx, Ctx(cx): Ctx) -> Value {
        first.extensions().insert(7_u8);
        let roles = Reflector.get_all_and_override::<Roles>(&cx).map(|roles| roles.0);
        json!([roles, cx.handler(), cx.pattern(), cx.extensions().get::<u8>()])
    }

    #[get("/staged/context/{id}")]
    #[use_interceptors(Idle)]
    async fn staged_context(&self, Ctx(first): Ctx, Ctx(cx): Ctx) -> Value {
        first.extensions().insert(7_u8);
        let roles = Reflector.get_all_and_override::<Roles>(&cx).map(|roles| roles.0);
        json!([roles, cx.handler(), cx.pattern(), cx.extensions().get::<u8>()])
    }
}

#[module(providers = [Seen], controllers = [Cards])]
struct AppModule;

/// Every line as one text, with everything that is a part of it.
fn all(log: &LogCapture) -> String {
    format!("{:?} {:?}", log.events(), log.spans())
}

#[tokio::test]
async fn what_a_server_says_of_itself_in_refusing_is_logged_and_not_told() {
    let app = TestApp::of::<AppModule>().start().await.unwrap();
    let log = LogCapture::start();
    for path in ["/cards/lacking", "/cards/staged/lacking"] {
        let response = app.http().get(path).send().await;
        assert_eq!(
            response.json::<Value>(),
            json!({ "statusCode": 500, "message": "Internal server error" }),
            "{path}"
        );
        let events = log.events();
        let failed = events.iter().find(|event| event.field("route") == Some(&format!("GET {path}")));
        let failed = failed.unwrap_or_else(|| panic!("{path} is not in {log:?}"));
        assert_eq!(
            (failed.level, &*failed.target, failed.field("status")),
            (LogLevel::Error, "nestrs::http", Some("500"))
        );
        assert!(failed.field("error").unwrap().contains("InternalPool"), "{failed:?}");
    }
}

#[tokio::test]
async fn values_of_a_body_reach_neither_callers_nor_filters_nor_the_log() {
    let app = TestApp::of::<AppModule>().start().await.unwrap();
    let log = LogCapture::start();
    for (path, route, handler) in [
        ("/cards/1", "POST /cards/{id}", "Cards::put"),
        ("/cards/staged/1", "POST /cards/staged/{id}", "Cards::staged_put"),
    ] {
        let response = app.http().post(path).json(&json!({ "pan": "4111 SECRET, expected SECRET" })).send().await;
        let body = response.json::<Value>();
        assert_eq!(response.status(), 422);
        assert_eq!(
            body["message"],
            "Failed to deserialize the JSON body into the target type: pan: invalid type: string, expected u64 at line \
             1 column 37"
        );
        let events = log.events();
        let event = events.iter().find(|event| event.field("route") == Some(route)).expect("it is logged");
        assert_eq!(event.field("handler"), Some(handler));
        assert_eq!(event.field("reason"), Some("invalid type, expected u64 at line 1 column 37"));

        let response = app.http().post(&path.replace('1', "SECRET")).json(&json!({ "pan": 1 })).send().await;
        let body = response.json::<Value>();
        assert_eq!(
            (response.status().as_u16(), body["message"].to_string().contains("SECRET")),
            (400, false),
            "{body}"
        );
        assert!(body["message"].to_string().contains("to a `u32`"), "{body}");
    }
    assert!(!all(&log).contains("SECRET"), "{log:?}");
    let seen = app.get::<Seen>().unwrap();
    let seen = seen.errors.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|error| error.contains("InvalidPayload") && !error.contains("SECRET")), "{seen:?}");
}

#[tokio::test]
async fn failures_and_panics_are_logged_with_their_handler_and_route() {
    let app = TestApp::of::<AppModule>().start().await.unwrap();
    let log = LogCapture::start();
    let internal = json!({ "statusCode": 500, "message": "Internal server error" });
    for (path, handler, error, cause) in [
        ("/cards/internal/", "Cards::internal", "the vault is shut", Some("no key")),
        ("/cards/panic/", "Cards::panic", "panicked: out of ink", None),
        ("/cards/staged/panic/", "Cards::staged_panic", "panicked: out of ink", None),
    ] {
        let response = app.http().get(&format!("{path}7?token=SECRET")).send().await;
        assert_eq!(response.json::<Value>(), internal);
        let events = log.events();
        let event = events.iter().find(|event| event.field("handler") == Some(handler)).expect("it is logged");
        assert_eq!((event.level, &*event.target), (LogLevel::Error, "nestrs::http"));
        assert_eq!(event.field("route"), Some(&*format!("GET {path}{{id}}")));
        assert_eq!(
            (event.field("status"), event.field("error"), event.field("cause")),
            (Some("500"), Some(error), cause)
        );
        assert!(event.spans.iter().any(|span| span.name == "request"), "{event:?}");
    }
    assert_eq!(log.events().iter().filter(|event| event.level == LogLevel::Error).count(), 3, "{log:?}");
    assert!(!all(&log).contains("SECRET"), "{log:?}");
}

#[tokio::test]
async fn every_request_has_a_span_that_tells_its_pattern_and_its_status() {
    let app = TestApp::of::<AppModule>().start().await.unwrap();
    let log = LogCapture::start();
    app.http().get("/cards/context/7?token=SECRET").send().await;
    app.http().get("/cards/taken").send().await;
    let spans: Vec<_> = log.spans().into_iter().filter(|span| span.name == "request").collect();
    let told = |at: usize| ["method", "path", "outcome"].map(|name| spans[at].field(name));
    assert_eq!(told(0), [Some("GET"), Some("/cards/context/{id}"), Some("200")]);
    assert_eq!(told(1), [Some("GET"), Some("/cards/taken"), Some("409")]);
    // What a caller is told is ordinary.
    assert!(log.contains(LogLevel::Debug, "HTTP handler answered with an error"), "{log:?}");
}

#[tokio::test]
async fn the_context_is_the_same_with_stages_and_without() {
    let app = TestApp::of::<AppModule>().start().await.unwrap();
    let plain = app.http().get("/cards/context/7").send().await.json::<Value>();
    assert_eq!(plain, json!(["clerk", "Cards::context", "GET /cards/context/{id}", 7]));
    let staged = app.http().get("/cards/staged/context/7").send().await.json::<Value>();
    assert_eq!(staged, json!(["clerk", "Cards::staged_context", "GET /cards/staged/context/{id}", 7]));
}

/// Hides every answer it sees.
#[derive(Default)]
struct Mask;

impl Interceptor for Mask {
    fn map_value(&self, _cx: &ExecutionContext, _value: Payload) -> Result<Payload, TransportError> {
        Ok(json!("***").into())
    }
}

/// A value that JSON cannot hold.
#[derive(Serialize)]
struct Unwritable(#[serde(serialize_with = "refuse")] u8);

fn refuse<S: serde::Serializer>(_: &u8, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("the vault is shut"))
}

type Created = (StatusCode, Json<Card>);

#[injectable]
struct Masked;

#[controller("/masked")]
#[use_interceptors(Mask)]
impl Masked {
    #[get("/plain")]
    async fn plain(&self) -> Card {
        Card { pan: 4111 }
    }

    #[get("/json")]
    async fn json(&self) -> Json<Card> {
        Json(Card { pan: 4111 })
    }

    #[get("/created")]
    async fn created(&self) -> Created {
        (StatusCode::CREATED, Json(Card { pan: 4111 }))
    }

    #[get("/fallible")]
    async fn fallible(&self) -> Result<Created, TransportError> {
        Ok((StatusCode::ACCEPTED, Json(Card { pan: 4111 })))
    }

    #[get("/text")]
    async fn text(&self) -> &'static str {
        "as it is"
    }

    #[get("/unwritable")]
    async fn unwritable(&self) -> (StatusCode, Json<Unwritable>) {
        (StatusCode::CREATED, Json(Unwritable(1)))
    }
}

#[injectable]
struct Unmasked;

#[controller("/unmasked")]
impl Unmasked {
    #[get("/created")]
    async fn created(&self) -> Created {
        (StatusCode::CREATED, Json(Card { pan: 4111 }))
    }
}

#[module(controllers = [Masked, Unmasked])]
struct MaskedModule;

#[tokio::test]
async fn interceptors_see_json_in_axum_s_own_clothes_and_its_status_stays() {
    let app = TestApp::of::<MaskedModule>().start().await.unwrap();
    for (path, status, body) in [
        ("/masked/plain", 200, r#""***""#),
        ("/masked/json", 200, r#""***""#),
        ("/masked/created", 201, r#""***""#),
        ("/masked/fallible", 202, r#""***""#),
        ("/masked/text", 200, "as it is"),
        ("/masked/unwritable", 500, r#"{"message":"Internal server error","statusCode":500}"#),
        ("/unmasked/created", 201, r#"{"pan":4111}"#),
    ] {
        let response = app.http().get(path).send().await;
        assert_eq!((response.status().as_u16(), &*response.text()), (status, body), "{path}");
        let is_text = path == "/masked/text";
        let kind = if is_text { "text/plain; charset=utf-8" } else { "application/json" };
        assert_eq!(response.header("content-type"), Some(kind), "{path}");
    }
}

#[injectable]
struct Frank;

#[controller("/frank")]
impl Frank {
    #[get("/{how}")]
    async fn fail(&self, Path(how): Path<String>) -> Result<(), TransportError> {
        let told = json!({ "statusCode": 500, "path": "/frank", "message": "out of ink" });
        Err(match &*how {
            "exact" => TransportError::exact(told),
            "details" => TransportError::new("out of ink").with_details(json!({ "statusCode": 500 })),
            "withheld" => TransportError::exact(told).withhold(),
            "remote" => TransportError::from_wire(told),
            _ => TransportError::new("out of ink"),
        })
    }
}

#[module(controllers = [Frank])]
struct FrankModule;

/// NestJS's `new HttpException({ .. }, 500)`, as filters that catch everything answer with; all else of 500 stays inside.
#[tokio::test]
async fn a_500_is_told_where_the_application_states_it() {
    let app = TestApp::of::<FrankModule>().start().await.unwrap();
    let internal = json!({ "statusCode": 500, "message": "Internal server error" });
    let log = LogCapture::start();
    for (how, body) in [
        ("exact", json!({ "statusCode": 500, "path": "/frank", "message": "out of ink" })),
        ("details", json!({ "statusCode": 500, "error": "Internal Server Error", "message": "out of ink" })),
        ("withheld", internal.clone()),
        ("remote", internal.clone()),
        ("unstated", internal),
    ] {
        let response = app.http().get(&format!("/frank/{how}")).send().await;
        assert_eq!((response.status().as_u16(), response.json::<Value>()), (500, body), "{how}");
    }
    assert_eq!(log.events().iter().filter(|event| event.level == LogLevel::Error).count(), 5, "{log:?}");
    app.close().await;
}
