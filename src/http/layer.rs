//! Our stages around axum's handlers.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use futures_util::FutureExt;
use nestrs_core::spans::Timed;
use nestrs_core::{
    Answer, ContextKind, Enhancers, ErrorKind, ExecutionContext, Filters, FromContext, HandlerMetadata, Metadata,
    Payload, Reply, Stages, TransportError, ValueMap,
};

use super::refusal::accepted;
use super::reply::{Failed, JsonValue, failed, json_response, respond_error};
use super::route::Method;

/// What is known of a route before it is called. Every request of a controller has it among its extensions.
struct RouteInfo {
    method: Method,
    path: String,
    /// `GET /math/{id}`
    pattern: Arc<str>,
    handler: &'static str,
    metadata: Option<Arc<HandlerMetadata>>,
}

/// When a request ends at the latest, among its extensions.
#[derive(Clone, Copy)]
struct EndsAt(Instant);

/// What stands around one route: its stages, where it has any, and outside of them what writes and logs its failures.
pub(super) struct RouteLayer {
    info: Arc<RouteInfo>,
    stages: Option<Stages<(), (), ()>>,
    timeout: Option<Duration>,
}

impl RouteLayer {
    pub(super) fn new(
        method: Method,
        path: &str,
        handler: &'static str,
        metadata: Option<Arc<HandlerMetadata>>,
    ) -> Self {
        let pattern = format!("{method} {path}").into();
        let info = RouteInfo { method, path: path.to_owned(), pattern, handler, metadata };
        Self { info: Arc::new(info), stages: None, timeout: None }
    }

    /// Ends requests that take longer.
    pub(super) fn within(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    pub(super) fn staged(mut self, enhancers: Enhancers) -> Self {
        let filters = enhancers.to_filters();
        self.stages = Some(Stages::new((), (), ()).inside(&Arc::new(enhancers)).filtered_by(filters));
        self
    }

    pub(super) fn around(self, methods: MethodRouter) -> MethodRouter {
        let layer = Arc::new(self);
        methods.route_layer(from_fn(move |request: Request, next: Next| {
            let layer = Arc::clone(&layer);
            async move { layer.run(request, next).await }
        }))
    }

    /// Whatever a handler or a stage does, the caller gets an answer.
    async fn run(&self, mut request: Request, next: Next) -> Response {
        let info = &self.info;
        let mut span = Timed::request(info.method.as_str(), &info.path, None);
        request.extensions_mut().insert(Arc::clone(info));
        let end = self.timeout.and_then(|timeout| tokio::time::Instant::now().checked_add(timeout));
        if let Some(end) = end {
            request.extensions_mut().insert(EndsAt(end.into_std()));
        }
        let answering = AssertUnwindSafe(self.answer_until(end, request, next)).catch_unwind();
        let outcome = span.around(answering).await.unwrap_or_else(|panic| Err(TransportError::panicked(&*panic)));
        let response = match outcome {
            Ok(response) => response,
            Err(error) => span.enter(|| respond_error(&error, info.handler, &info.pattern)),
        };
        span.end_as(&response.status().as_u16());
        response
    }

    /// The answer, if it comes in time; what the handler calls inherits the end.
    async fn answer_until(
        &self,
        end: Option<tokio::time::Instant>,
        request: Request,
        next: Next,
    ) -> Result<Response, TransportError> {
        let answering = self.answer(request, next);
        let Some(end) = end else { return answering.await };
        let answering = nestrs_microservices::with_deadline(end.into_std(), answering);
        let timed_out = || TransportError::new("Request timed out").with_kind(ErrorKind::Timeout);
        match tokio::time::timeout_at(end, answering).await {
            // What the handler called ends when it does, and was the first to say so.
            Ok(Err(error)) if error.kind() == ErrorKind::Timeout && end <= tokio::time::Instant::now() => {
                Err(timed_out().with_source(error))
            }
            Ok(outcome) => outcome,
            Err(_) => Err(timed_out()),
        }
    }

    async fn answer(&self, mut request: Request, next: Next) -> Result<Response, TransportError> {
        let Some(stages) = &self.stages else { return outcome(next.run(request).await).await };
        let cx = context_of(&mut request);
        let end = async { outcome(next.run(request).await).await.map(HttpAnswer) };
        stages.enter(&cx, end).await.map(|HttpAnswer(response)| response)
    }
}

/// Writes the failure of a request to a router of axum's own, whose handlers may use our extractors too.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or(request.uri().path(), MatchedPath::as_str);
    let pattern = format!("{} {path}", request.method());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove() {
        Some(Failed(error)) => respond_error(&error, "(merged router)", &pattern),
        None => response,
    }
}

/// What a panic says.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("(no message)")
}

/// The context of a request: the one it has, or a new one, which is then its own.
pub(super) fn context_of(request: &mut Request) -> ExecutionContext {
    let (mut parts, body) = std::mem::take(request).into_parts();
    let cx = context(&mut parts);
    *request = Request::from_parts(parts, body);
    cx
}

/// One request as stages see it: its headers are the metadata, its head is what the transport knows.
fn context(parts: &mut Parts) -> ExecutionContext {
    if let Some(cx) = parts.extensions.get::<ExecutionContext>() {
        return cx.clone();
    }
    let info = parts.extensions.get::<Arc<RouteInfo>>();
    let pattern = info.map_or_else(|| pattern_of(parts), |info| Arc::clone(&info.pattern));
    let mut cx = ExecutionContext::new(ContextKind::Http, pattern, Payload::absent())
        .with_metadata(Some(metadata(&parts.headers)))
        .with_deadline(parts.extensions.get().map(|EndsAt(end)| *end))
        .with_transport(Arc::new(parts.clone()));
    if let Some(info) = info {
        cx = cx.with_handler(info.handler).with_handler_metadata(info.metadata.clone());
    }
    parts.extensions.insert(cx.clone());
    cx
}

/// Of a request to a router of axum's own.
fn pattern_of(parts: &Parts) -> Arc<str> {
    let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    format!("{} {}", parts.method, path.unwrap_or(parts.uri.path())).into()
}

/// Headers by their names, which are lower-case; several of one name in one value, and none that is no text.
fn metadata(headers: &HeaderMap) -> Metadata {
    let text = |name| {
        let values: Vec<_> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        values.join(", ")
    };
    headers.keys().map(|name| (name.as_str(), text(name))).collect()
}

/// What axum answered, as stages see it: an error of the handler, or what an extractor refused the request with, is an
/// error of the call.
async fn outcome(mut response: Response) -> Result<Response, TransportError> {
    match response.extensions_mut().remove() {
        Some(Failed(error)) => Err(error),
        None => accepted(response).await,
    }
}

/// A response inside the stages.
struct HttpAnswer(Response);

impl Answer for HttpAnswer {
    fn map_values<M: ValueMap + ?Sized>(self, by: &Arc<M>, cx: &ExecutionContext) -> Result<Self, TransportError> {
        let Self(mut response) = self;
        // What a handler answers in axum's own ways is its own, as with `@Res()` in NestJS.
        let Some(JsonValue(value)) = response.extensions_mut().remove() else { return Ok(Self(response)) };
        let mapped = json_response(by.map(cx, value)?);
        *response.body_mut() = axum::body::Body::empty();
        let (mapped_parts, body) = mapped.into_parts();
        response.extensions_mut().extend(mapped_parts.extensions);
        *response.body_mut() = body;
        response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
        Ok(Self(response))
    }

    /// The body of a response is beyond filters.
    fn filtered(self, _: &Filters, _: &ExecutionContext) -> Self {
        self
    }

    fn from_reply(reply: Reply) -> Result<Self, TransportError> {
        match reply {
            Reply::Value(value) => Ok(Self(json_response(value))),
            Reply::Empty => Ok(Self(().into_response())),
            Reply::Stream(_) => Err(TransportError::internal("a filter answered an HTTP request with a stream")),
        }
    }
}

/// The view of the call that stages have, as an argument of an HTTP handler; or, as `Ctx<User>`, anything that comes
/// from it by [`FromContext`]: the user that a guard left in the extensions, for example.
///
/// ```
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Cats;
///
/// #[controller("/cats")]
/// impl Cats {
///     #[get]
///     async fn who_asks(&self, Ctx(cx): Ctx) -> String {
///         format!("{} {}", cx.pattern(), cx.metadata().get("user-agent").unwrap_or("somebody"))
///     }
/// }
/// ```
pub struct Ctx<T = ExecutionContext>(pub T);

impl<T> fmt::Debug for Ctx<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ctx")
    }
}

impl<T, S> FromRequestParts<S> for Ctx<T>
where
    T: for<'a> FromContext<'a>,
    S: Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let cx = context(parts);
        T::from_context(&cx).map(Self).map_err(failed)
    }
}
