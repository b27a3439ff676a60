//! The HTTP half of an application: its settings, and the router they make.

use std::any::Any;
use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use axum::routing::get;
use nestrs_core::{Application, INTERNAL_SERVER_ERROR};
use tower_http::catch_panic::CatchPanicLayer;

use super::cors::CorsOptions;
use super::reply::{Answered, error_body};
use super::route::{MountedRoute, join, mount_all};

/// Settings of the HTTP half; what `configure_http` receives and returns.
#[derive(Debug, Default)]
pub struct HttpApp {
    prefix: String,
    health: Option<String>,
    cors: Option<CorsOptions>,
    merged: Option<Router>,
}

impl HttpApp {
    /// Puts every controller under `prefix`: with `"api"`, `/math/sum` becomes `/api/math/sum`. The health check and
    /// merged routers stay where they are.
    #[must_use]
    pub fn set_global_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Answers `GET path` with 200 and `{"status":"ok"}` while the application runs, whatever the global prefix.
    #[must_use]
    pub fn enable_health_check(mut self, path: &str) -> Self {
        self.health = Some(path.to_owned());
        self
    }

    /// Lets pages of other origins call.
    #[must_use]
    pub fn enable_cors(mut self, options: CorsOptions) -> Self {
        self.cors = Some(options);
        self
    }

    /// Adds routes of axum's own beside the controllers.
    ///
    /// # Panics
    /// At start-up, when a path is taken twice.
    #[must_use]
    pub fn merge(mut self, router: Router) -> Self {
        self.merged = Some(self.merged.unwrap_or_default().merge(router));
        self
    }
}

/// The router of an application and the list of its routes, for the log.
///
/// # Errors
/// Names the routes that are taken twice.
pub(crate) fn build_router(application: &Application, http: HttpApp) -> Result<(Router, Vec<String>), String> {
    let mounted: Vec<MountedRoute> = application
        .controllers
        .iter()
        .flat_map(|controller| mount_all(controller.type_id, &controller.scope))
        .map(|route| MountedRoute { path: join(&http.prefix, &route.path), ..route })
        .collect();

    let mut taken: BTreeMap<String, &'static str> = BTreeMap::new();
    let mut spellings: BTreeMap<String, (String, &'static str)> = BTreeMap::new();
    let mut twice = Vec::new();
    let mut router = Router::new();
    let mut list = Vec::new();
    let health = http.health.map(|path| join("", &path));
    if let Some(path) = &health {
        taken.insert(format!("GET {}", shape(path)), "the health check");
        list.push(format!("GET {path} → health check"));
        router = router.route(path, get(async || axum::Json(serde_json::json!({ "status": "ok" }))));
    }
    for route in mounted {
        let address = format!("{} {}", route.method, route.path);
        if let Some(first) = taken.insert(format!("{} {}", route.method, shape(&route.path)), route.handler) {
            twice.push(format!("`{address}` is handled by `{first}` and by `{}`", route.handler));
            continue;
        }
        // The router knows a path by one spelling only, whatever the verb.
        let spelling = spellings.entry(shape(&route.path)).or_insert_with(|| (route.path.clone(), route.handler));
        if spelling.0 != route.path {
            let (path, handler) = spelling;
            twice.push(format!(
                "`{}` of `{}` and `{path}` of `{handler}` differ in names only",
                route.path, route.handler
            ));
            continue;
        }
        list.push(format!("{address} → {}", route.handler));
        router = router.route(&route.path, route.router);
    }
    if !twice.is_empty() {
        return Err(twice.join("; "));
    }
    // What an extractor refuses is told like every other error; what a handler answers is left as it is.
    router = router.layer(axum::middleware::map_response(refusal_as_json));
    router = router.fallback(nothing_here).method_not_allowed_fallback(wrong_method);
    if let Some(merged) = http.merged {
        router = router.merge(merged);
    }
    router = router.layer(CatchPanicLayer::custom(panicked));
    if let Some(cors) = http.cors {
        router = router.layer(cors.layer());
    }
    Ok((router, list))
}

/// A path without the names of its parameters.
fn shape(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.as_bytes() {
        [b'{', b'*', ..] => "{*}",
        [b'{', ..] => "{}",
        _ => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// axum's extractors refuse a request with a line of text.
async fn refusal_as_json(response: Response) -> Response {
    const TEXT_MAX: usize = 64 * 1024;
    let is_text = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let by_handler = response.extensions().get::<Answered>().is_some();
    if by_handler || !is_text || !(response.status().is_client_error() || response.status().is_server_error()) {
        return response;
    }
    let status = response.status();
    match axum::body::to_bytes(response.into_body(), TEXT_MAX).await {
        Ok(text) => error_body(status, &String::from_utf8_lossy(&text)),
        Err(_) => error_body(status, status.canonical_reason().unwrap_or_default()),
    }
}

async fn nothing_here(request: Request) -> Response {
    error_body(StatusCode::NOT_FOUND, &format!("Cannot {} {}", request.method(), request.uri().path()))
}

async fn wrong_method(request: Request) -> Response {
    error_body(StatusCode::METHOD_NOT_ALLOWED, &format!("Cannot {} {}", request.method(), request.uri().path()))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer asks for this signature")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("(no message)"), "HTTP handler panicked");
    error_body(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_SERVER_ERROR)
}
