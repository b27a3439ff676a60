//! HTTP requests without a socket.

use std::fmt;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::Service;

/// At most this much of a response is read.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// The HTTP half of an application under test; supertest's `request(app)`.
///
/// ```
/// use nestrs::prelude::*;
/// use nestrs::testing::TestApp;
///
/// #[injectable]
/// struct Cats;
///
/// #[controller("/cats")]
/// impl Cats {
///     #[get("/count")]
///     async fn count(&self) -> serde_json::Value {
///         serde_json::json!({ "cats": 3 })
///     }
/// }
///
/// #[module(controllers = [Cats])]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = TestApp::of::<AppModule>().start().await?;
/// let response = app.http().get("/cats/count").header("x-tenant", "acme").send().await;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.json::<serde_json::Value>()["cats"], 3);
/// app.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TestHttp {
    router: Router,
}

impl TestHttp {
    pub(super) fn new(router: Router) -> Self {
        Self { router }
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> TestRequest {
        self.request(Method::GET, path)
    }

    /// A POST request.
    pub fn post(&self, path: &str) -> TestRequest {
        self.request(Method::POST, path)
    }

    /// A PUT request.
    pub fn put(&self, path: &str) -> TestRequest {
        self.request(Method::PUT, path)
    }

    /// A PATCH request.
    pub fn patch(&self, path: &str) -> TestRequest {
        self.request(Method::PATCH, path)
    }

    /// A DELETE request.
    pub fn delete(&self, path: &str) -> TestRequest {
        self.request(Method::DELETE, path)
    }

    /// A request of any method.
    pub fn request(&self, method: Method, path: &str) -> TestRequest {
        TestRequest {
            router: self.router.clone(),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Body::empty(),
        }
    }
}

/// One request, not yet sent.
///
/// ```
/// use nestrs::axum::Json;
/// use nestrs::prelude::*;
/// use nestrs::testing::TestApp;
/// use serde_json::{Value, json};
///
/// #[injectable]
/// struct Cats;
///
/// #[controller("/cats")]
/// impl Cats {
///     #[post]
///     async fn create(&self, Ctx(cx): Ctx, Json(cat): Json<Value>) -> Value {
///         json!({ "cat": cat["name"], "by": cx.metadata().get("x-user") })
///     }
/// }
///
/// #[module(controllers = [Cats])]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = TestApp::of::<AppModule>().start().await?;
/// let request = app.http().post("/cats").header("x-user", "ada").json(&json!({ "name": "Tom" }));
/// assert_eq!(request.send().await.json::<Value>(), json!({ "cat": "Tom", "by": "ada" }));
/// // A body by itself does not say that it is JSON.
/// assert_eq!(app.http().post("/cats").body("Tom").send().await.status(), 415);
/// app.close().await;
/// # Ok(()) }
/// ```
#[must_use = "nothing is sent before `send` is awaited"]
pub struct TestRequest {
    router: Router,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Body,
}

impl TestRequest {
    /// Adds a header.
    ///
    /// # Panics
    /// When the name or the value cannot be a header.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>());
        match (name, value) {
            (Ok(name), Ok(value)) => self.headers.append(name, value),
            (name, value) => panic!("not a header: {:?} {:?}", name.err(), value.err()),
        };
        self
    }

    /// Sets a JSON body.
    ///
    /// # Panics
    /// When serde refuses the value.
    #[track_caller]
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => self.body = Body::from(json),
            Err(error) => panic!("this body cannot be JSON: {error}"),
        }
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }

    /// Sets any body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and reads the whole response, up to 64 MiB.
    ///
    /// # Panics
    /// When the path is none, or the body cannot be read.
    pub async fn send(mut self) -> TestResponse {
        let mut request = match Request::builder().method(self.method).uri(&self.path).body(self.body) {
            Ok(request) => request,
            Err(error) => panic!("`{}` cannot be requested: {error}", self.path),
        };
        request.headers_mut().extend(self.headers);
        // A router is always ready, and never fails.
        let Ok(response) = self.router.call(request).await;
        let (head, body) = response.into_parts();
        match to_bytes(body, BODY_MAX).await {
            Ok(body) => TestResponse { status: head.status, headers: head.headers, body: body.to_vec() },
            Err(error) => panic!("the body of `{}` cannot be read: {error}", self.path),
        }
    }
}

impl fmt::Debug for TestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestRequest({} {})", self.method, self.path)
    }
}

/// A response, read to its end.
///
/// ```
/// use nestrs::prelude::*;
/// use nestrs::testing::TestApp;
///
/// #[module]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = TestApp::of::<AppModule>().configure_http(|http| http.enable_health_check("/health")).start().await?;
/// let response = app.http().get("/health").send().await;
/// assert_eq!((response.status().as_u16(), response.header("content-type")), (200, Some("application/json")));
/// assert_eq!(response.text(), r#"{"status":"ok"}"#);
/// assert_eq!(response.json::<serde_json::Value>()["status"], "ok");
/// app.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TestResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl TestResponse {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// A header's value, when there is one that is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text, what is no UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none, or does not fit; the message shows it.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{} with a body that does not fit ({error}): {}", self.status, self.text()),
        }
    }
}
