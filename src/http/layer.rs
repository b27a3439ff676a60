//! Our stages around axum's handlers.

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use nestrs_core::{
    Answer, ContextKind, Enhancers, ErrorKind, ExecutionContext, Filters, FromContext, HandlerMetadata, Metadata,
    Payload, Reply, Stages, TransportError, ValueMap,
};
use serde_json::json;

use super::reply::{Failed, JsonValue, failed, json_response, refusal};

/// Everything that stands around one route.
pub(super) struct RouteStages {
    /// `GET /math/{id}`
    pattern: Arc<str>,
    handler: &'static str,
    metadata: Option<Arc<HandlerMetadata>>,
    stages: Stages<(), (), ()>,
}

impl RouteStages {
    pub(super) fn new(
        pattern: &str,
        handler: &'static str,
        metadata: Option<Arc<HandlerMetadata>>,
        enhancers: Enhancers,
    ) -> Self {
        let filters = enhancers.to_filters();
        let stages = Stages::new((), (), ()).inside(&Arc::new(enhancers)).filtered_by(filters);
        Self { pattern: pattern.into(), handler, metadata, stages }
    }

    pub(super) fn around(self, methods: MethodRouter) -> MethodRouter {
        let stages = Arc::new(self);
        methods.route_layer(from_fn(move |request: Request, next: Next| {
            let stages = Arc::clone(&stages);
            async move { stages.run(request, next).await }
        }))
    }

    async fn run(&self, mut request: Request, next: Next) -> Response {
        let (parts, body) = request.into_parts();
        let cx = context(&parts, Arc::clone(&self.pattern))
            .with_handler(self.handler)
            .with_handler_metadata(self.metadata.clone());
        request = Request::from_parts(parts, body);
        request.extensions_mut().insert(cx.clone());
        let end = async { outcome(next.run(request).await).await };
        match self.stages.enter(&cx, end).await {
            Ok(HttpAnswer(response)) => response,
            Err(error) => failed(error),
        }
    }
}

/// One request as stages see it: its headers are the metadata, its head is what the transport knows.
fn context(parts: &Parts, pattern: Arc<str>) -> ExecutionContext {
    ExecutionContext::new(ContextKind::Http, pattern, Payload::absent())
        .with_metadata(Some(metadata(&parts.headers)))
        .with_transport(Arc::new(parts.clone()))
}

/// The context of a request that no stage stands around.
pub(super) fn context_of(request: &mut Request) -> ExecutionContext {
    let (parts, body) = std::mem::take(request).into_parts();
    let cx = context(&parts, pattern_of(&parts));
    *request = Request::from_parts(parts, body);
    cx
}

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
async fn outcome(mut response: Response) -> Result<HttpAnswer, TransportError> {
    if let Some(Failed(error)) = response.extensions_mut().remove() {
        return Err(error);
    }
    match refusal(response).await {
        Ok(response) => Ok(HttpAnswer(response)),
        Err((status, text)) => {
            let kind = if status == 400 { ErrorKind::InvalidPayload } else { ErrorKind::Application };
            Err(TransportError::new(text).with_details(json!({ "statusCode": status.as_u16() })).with_kind(kind))
        }
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
        let known = parts.extensions.get::<ExecutionContext>().cloned();
        let cx = known.unwrap_or_else(|| context(parts, pattern_of(parts)));
        T::from_context(&cx).map(Self).map_err(failed)
    }
}
